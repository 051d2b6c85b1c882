"""A data folder with jobs and images in it, as a server leaves it."""

import asyncio
import os
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

from bot.jobs import Image, ImageRequest, Job, Message, Refinement
from storage.database import Database
from storage.deliveries import Deliveries
from storage.files import ImageFolder
from storage.folder import DATABASE, IMAGES
from storage.images import Images
from storage.jobs import Jobs


def name_of(number: int) -> str:
    return str(uuid.UUID(int=(number << 120) + number))


class Filled:
    """Opens a data folder for one change after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        (folder / "secret").write_bytes(b"s" * 32)

    @property
    def index(self) -> Path:
        return self.folder / DATABASE

    def file(self, number: int) -> Path:
        return self.folder / IMAGES / name_of(number)[:2] / f"{name_of(number)}.png"

    async def add(
        self, *numbers: int, at: float = 0, of: int | None = None, origin: str = "", told: bool = False
    ) -> None:
        """Images, each of a job of its own that is done; refined from the image `of`."""
        async with Database.open(self.index, now=0) as database:
            for number in numbers:
                await self._add(database, number, at, of, origin, told)

    async def _add(self, database: Database, number: int, at: float, of: int | None, origin: str, told: bool) -> None:
        jobs, images = Jobs(database), Images(database, ImageFolder(self.folder / IMAGES))
        job = job_of(number, at=at, of=of, origin=origin)
        await jobs.add(job)
        await jobs.claim(job.id, at)
        stored = await images.save(name_of(number), b"picture %d" % number * 100)
        image = Image(
            id=name_of(number),
            job_id=job.id,
            requester=job.requester,
            space=job.space,
            parent_id=None if of is None else name_of(of),
            file=stored.file,
            sha256=stored.sha256,
            size=stored.size,
            width=64,
            height=64,
            recipe=None,
            created_at=at,
        )
        await jobs.finish(job.id, [image], at)
        if told:
            message = Message(platform="test", space="s", channel="c", message_id=str(number), thread="t")
            await Deliveries(database).delivered(job.id, {image.id: message})

    async def wait_with(self, number: int, *, of: int | None = None, origin: str = "") -> None:
        """A job that is queued."""
        async with Database.open(self.index, now=0) as database:
            await Jobs(database).add(job_of(number, of=of, origin=origin))

    async def delete(self, number: int) -> None:
        async with Database.open(self.index, now=0) as database:
            images = Images(database, ImageFolder(self.folder / IMAGES))
            await images.delete(name_of(number))
            await images.discard([name_of(number)])

    async def images(self) -> Sequence[str]:
        async with Database.open(self.index, now=0) as database:
            return [row["id"] for row in await database.all("SELECT id FROM images ORDER BY number", {})]

    async def jobs(self) -> Sequence[str]:
        async with Database.open(self.index, now=0) as database:
            return [row["id"] for row in await database.all("SELECT id FROM jobs ORDER BY number", {})]

    def content(self) -> dict[str, bytes]:
        """Of all files but SQLite's log, which is empty while nobody works."""
        paths = [path for path in self.folder.rglob("*") if path.is_file() and path.suffix != ".sqlite-shm"]
        paths = [path for path in paths if path.suffix != ".sqlite-wal" or path.stat().st_size > 0]
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths}


def job_of(number: int, *, at: float = 0, of: int | None = None, origin: str = "") -> Job:
    request = (
        ImageRequest(prompt="a cat", seed=7)
        if of is None
        else Refinement(image_id=name_of(of), prompt="warmer", seed=7)
    )
    return Job(
        id=f"job {number}",
        requester="test:ann",
        space="test:studio",
        origin=origin,
        request=request,
        image_ids=(name_of(number),),
        created_at=at,
    )


def filled(folder: Path, *numbers: int) -> Filled:
    made = Filled(folder)
    asyncio.run(made.add(*numbers))
    return made


def make_old(path: Path) -> None:
    """As if it had been there for long."""
    long_ago = time.time() - 10 * 86400
    os.utime(path, (long_ago, long_ago))
