"""All that is kept of a person or a space at once: to hand it out, and to erase it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import aiosqlite

from bot.jobs import Belongings, Delivery, Image, Job
from storage.database import Database, Row
from storage.deliveries import message_of
from storage.images import image_of
from storage.jobs import job_of

IMAGES_OF = "SELECT * FROM images WHERE requester = :requester ORDER BY number"
JOBS_OF = "SELECT * FROM jobs WHERE requester = :requester ORDER BY number"
IMAGES_OF_SPACE = """
SELECT * FROM images
WHERE space = :space AND created_at < :before AND (:requester IS NULL OR requester = :requester) ORDER BY number
"""
JOBS_OF_SPACE = """
SELECT * FROM jobs
WHERE space = :space AND created_at < :before AND (:requester IS NULL OR requester = :requester) ORDER BY number
"""
MESSAGES = """
SELECT messages.* FROM json_each(:images) AS wanted CROSS JOIN messages ON messages.image_id = wanted.value
ORDER BY messages.number
"""
NOTES = """
SELECT jobs.*, deliveries.note FROM json_each(:jobs) AS wanted
CROSS JOIN deliveries ON deliveries.job_id = wanted.value CROSS JOIN jobs ON jobs.id = wanted.value
"""
ORPHAN = "UPDATE images SET parent_id = NULL WHERE parent_id IN (SELECT value FROM json_each(:images))"
DELETE_IMAGES = "DELETE FROM images WHERE id IN (SELECT value FROM json_each(:images))"
# Jobs that are not over yet stay: the engine holds them. So do those of which a later image stays.
DELETE_JOBS = """
DELETE FROM jobs WHERE id IN (SELECT value FROM json_each(:jobs)) AND finished_at IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM images WHERE images.job_id = jobs.id)
RETURNING id
"""


class BelongingsStore:
    """Implements bot.ports.BelongingsStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, requester: str) -> Belongings:
        return await self._database.transact(lambda connection: _read(connection, IMAGES_OF, JOBS_OF, requester))

    async def erase(self, requester: str) -> Belongings:
        erased = await self._database.transact(lambda connection: _erase(connection, IMAGES_OF, JOBS_OF, requester))
        await self._database.empty_log()
        return erased

    async def erase_in(self, space: str, before: float, requester: str | None) -> Belongings:
        erased = await self._database.transact(
            lambda connection: _erase(connection, IMAGES_OF_SPACE, JOBS_OF_SPACE, requester, space, before)
        )
        await self._database.empty_log()
        return erased


async def _read(
    connection: aiosqlite.Connection,
    images_sql: str,
    jobs_sql: str,
    requester: str | None,
    space: str | None = None,
    before: float | None = None,
) -> Belongings:
    which = {"requester": requester, "space": space, "before": before}
    images = [image_of(row) for row in await _all(connection, images_sql, which)]
    jobs = [job_of(row) for row in await _all(connection, jobs_sql, which)]
    ids = _ids(images, jobs)
    return Belongings(
        jobs=jobs,
        images=images,
        messages=[message_of(row) for row in await _all(connection, MESSAGES, ids)],
        deliveries=[Delivery(job=job_of(row), note=row["note"]) for row in await _all(connection, NOTES, ids)],
    )


async def _erase(
    connection: aiosqlite.Connection,
    images_sql: str,
    jobs_sql: str,
    requester: str | None,
    space: str | None = None,
    before: float | None = None,
) -> Belongings:
    found = await _read(connection, images_sql, jobs_sql, requester, space, before)
    ids = _ids(found.images, found.jobs)
    for statement in (ORPHAN, DELETE_IMAGES):
        await connection.execute(statement, ids)
    jobs = {row["id"] for row in await _all(connection, DELETE_JOBS, ids)}
    return replace(
        found,
        jobs=[job for job in found.jobs if job.id in jobs],
        deliveries=[delivery for delivery in found.deliveries if delivery.job.id in jobs],
    )


def _ids(images: Sequence[Image], jobs: Sequence[Job]) -> dict[str, str]:
    """As the statements want them."""
    return {"images": json.dumps([image.id for image in images]), "jobs": json.dumps([job.id for job in jobs])}


async def _all(connection: aiosqlite.Connection, sql: str, values: Mapping[str, object]) -> Sequence[Row]:
    return list(await connection.execute_fetchall(sql, values))
