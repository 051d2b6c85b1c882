"""Images in the index, and their files."""

import asyncio
import hashlib
import json
import sqlite3
from collections.abc import Collection, Sequence
from pathlib import Path

import aiosqlite

from bot.errors import ImageFileLost
from bot.jobs import Image, Message, Recipe
from bot.ports import StoredFile
from storage.database import Database, Row, Values
from storage.files import ImageFolder
from storage.messages import OF_IMAGE, message_of
from storage.trouble import ROOM, Trouble, translated

INSERT_IMAGE = """
INSERT INTO images (
    id, job_id, requester, space, audience, age_restricted, flagged, held, parent_id, file, sha256, size, width, height,
    recipe, created_at
)
VALUES (
    :id, :job_id, :requester, :space, :audience, :age_restricted, :flagged, :held,
    (SELECT id FROM images WHERE id = :parent_id), :file, :sha256, :size, :width, :height, :recipe, :created_at
)
"""
GET = "SELECT * FROM images WHERE id = :id"
WITH_SHA256 = "SELECT * FROM images WHERE sha256 = :sha256"
OF_JOB = "SELECT * FROM images WHERE job_id = :job_id ORDER BY number"
OF_JOBS = "SELECT * FROM images WHERE job_id IN (SELECT value FROM json_each(:job_ids))"
CHILDREN = "SELECT * FROM images WHERE parent_id = :id ORDER BY number"
# As the index images_for_all says it, so that what others may not see is not walked through.
NEWEST = """
SELECT * FROM images
WHERE space = :space AND audience = space AND NOT age_restricted AND NOT held
ORDER BY number DESC LIMIT :limit
"""
NEWEST_BEFORE = """
SELECT * FROM images
WHERE space = :space AND audience = space AND NOT age_restricted AND NOT held
AND number < (SELECT number FROM images WHERE id = :before)
ORDER BY number DESC LIMIT :limit
"""
NEWEST_OF = "SELECT * FROM images WHERE requester = :requester AND NOT held ORDER BY number DESC LIMIT :limit"
NEWEST_FOR_ALL_AGES = """
SELECT * FROM images
WHERE requester = :requester AND NOT age_restricted AND NOT held ORDER BY number DESC LIMIT :limit
"""
BROUGHT = """
SELECT * FROM images
WHERE requester = :requester AND job_id IS NULL AND created_at > :after AND created_at <= :until
ORDER BY created_at DESC, number DESC LIMIT :limit
"""
ORPHAN = "UPDATE images SET parent_id = NULL WHERE parent_id IN (SELECT value FROM json_each(:ids))"
DELETE = "DELETE FROM images WHERE id IN (SELECT value FROM json_each(:ids))"


def image_values(image: Image) -> Values:
    return {
        "id": image.id,
        "job_id": image.job_id,
        "requester": image.requester,
        "space": image.space,
        "audience": image.audience,
        "age_restricted": image.age_restricted,
        "flagged": image.flagged,
        "held": image.held,
        "parent_id": image.parent_id,
        "file": image.file,
        "sha256": image.sha256,
        "size": image.size,
        "width": image.width,
        "height": image.height,
        "recipe": image.recipe and image.recipe.to_json(),
        "created_at": image.created_at,
    }


class Images:
    """Implements bot.ports.ImageStore."""

    def __init__(self, database: Database, folder: ImageFolder) -> None:
        self._database = database
        self._folder = folder
        self.trouble = Trouble("images")
        #: Bytes of the file that was written last, or was to be.
        self._needed = 0

    async def save(self, image_id: str, encoded: bytes) -> StoredFile:
        self._needed = len(encoded)
        with self.trouble.told():
            return await asyncio.to_thread(self._folder.write, image_id, encoded)

    async def look(self) -> None:
        """Tries to write as much as was written last, and some more. Raises StorageTrouble."""
        with self.trouble.told():
            await asyncio.to_thread(self._folder.rehearse, self._needed + ROOM)
        self.trouble.over()

    async def discard(self, image_ids: Sequence[str]) -> None:
        with translated():
            for image_id in image_ids:
                await asyncio.to_thread(self._folder.remove, image_id)

    async def add(self, image: Image) -> None:
        await self._database.write(INSERT_IMAGE, image_values(image))

    async def get(self, image_id: str) -> Image | None:
        row = await self._database.one(GET, {"id": image_id})
        return None if row is None else image_of(row)

    async def with_sha256(self, sha256: str) -> Sequence[Image]:
        return [image_of(row) for row in await self._database.all(WITH_SHA256, {"sha256": sha256})]

    async def of_job(self, job_id: str) -> Sequence[Image]:
        return [image_of(row) for row in await self._database.all(OF_JOB, {"job_id": job_id})]

    async def of_jobs(self, job_ids: Collection[str]) -> Sequence[Image]:
        rows = await self._database.all(OF_JOBS, {"job_ids": json.dumps([*job_ids])})
        return [image_of(row) for row in rows]

    async def children(self, image_id: str) -> Sequence[Image]:
        return [image_of(row) for row in await self._database.all(CHILDREN, {"id": image_id})]

    async def newest(self, space: str, limit: int, before: str | None) -> Sequence[Image]:
        values = {"space": space, "limit": limit, "before": before}
        rows = await self._database.all(NEWEST_BEFORE if before else NEWEST, values)
        return [image_of(row) for row in rows]

    def path(self, image: Image) -> Path:
        return self._folder.path(image.file)

    async def read(self, image: Image) -> bytes:
        try:
            with translated():
                return await asyncio.to_thread(_read, self.path(image), image.sha256)
        except ValueError as error:
            raise ImageFileLost(image.id) from error

    async def newest_of(self, requester: str, limit: int, *, age_restricted: bool) -> Sequence[Image]:
        sql = NEWEST_OF if age_restricted else NEWEST_FOR_ALL_AGES
        rows = await self._database.all(sql, {"requester": requester, "limit": limit})
        return [image_of(row) for row in rows]

    async def brought(self, requester: str, limit: int, after: float, until: float) -> Sequence[Image]:
        values = {"requester": requester, "limit": limit, "after": after, "until": until}
        return [image_of(row) for row in await self._database.all(BROUGHT, values)]

    async def delete(self, image_id: str) -> Sequence[Message]:
        async def delete(connection: aiosqlite.Connection) -> Sequence[Message]:
            messages = await connection.execute_fetchall(OF_IMAGE, {"image_id": image_id})
            await delete_images(connection, json.dumps([image_id]))
            return [message_of(row) for row in messages]

        return await self._database.transact(delete)


async def delete_images(connection: aiosqlite.Connection, ids: str) -> None:
    """`ids` as a JSON list. What was refined from them stays and has no parent then."""
    for statement in (ORPHAN, DELETE):
        await connection.execute(statement, {"ids": ids})


def image_of_file(connection: sqlite3.Connection, sha256: str) -> str | None:
    """ID of an image with this very file."""
    row = connection.execute(f"{WITH_SHA256} LIMIT 1", {"sha256": sha256}).fetchone()
    return None if row is None else str(row["id"])


def is_there(connection: sqlite3.Connection, image_id: str) -> bool:
    return connection.execute(GET, {"id": image_id}).fetchone() is not None


def image_of(row: Row) -> Image:
    return Image(
        id=row["id"],
        job_id=row["job_id"],
        requester=row["requester"],
        space=row["space"],
        parent_id=row["parent_id"],
        file=row["file"],
        sha256=row["sha256"],
        size=row["size"],
        width=row["width"],
        height=row["height"],
        recipe=None if row["recipe"] is None else Recipe.from_json(row["recipe"]),
        created_at=row["created_at"],
        audience=row["audience"],
        age_restricted=bool(row["age_restricted"]),
        flagged=None if row["flagged"] is None else bool(row["flagged"]),
        held=bool(row["held"]),
    )


def _read(path: Path, sha256: str) -> bytes:
    """Raises ValueError where it is not that file any more."""
    try:
        encoded = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
        raise ValueError(f"{path} is gone") from error
    if hashlib.sha256(encoded).hexdigest() != sha256:
        raise ValueError(f"{path} was changed")
    return encoded
