"""All that is kept of a person or a space: to hand it out, and to erase it, a few rows at a time while others write."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import aiosqlite

from bot.jobs import Belongings, Delivery, together
from storage.database import Database, Row
from storage.images import delete_images, image_of
from storage.jobs import job_of
from storage.messages import message_of
from storage.reports import decision_of

#: Images or jobs that are read at once, and that go in one transaction, so that nobody waits long for the loop or for
#: the write lock.
TOGETHER = 50

IMAGES_OF = "SELECT id FROM images WHERE requester = :requester ORDER BY number"
JOBS_OF = "SELECT id FROM jobs WHERE requester = :requester ORDER BY number"
IMAGES_OF_SPACE = "SELECT id FROM images WHERE space = :space AND created_at < :before ORDER BY number"
JOBS_OF_SPACE = "SELECT id FROM jobs WHERE space = :space AND created_at < :before ORDER BY number"
IMAGES_OF_BOTH = """
SELECT id FROM images WHERE space = :space AND created_at < :before AND requester = :requester ORDER BY number
"""
JOBS_OF_BOTH = """
SELECT id FROM jobs WHERE space = :space AND created_at < :before AND requester = :requester ORDER BY number
"""
IMAGES = """
SELECT images.* FROM json_each(:ids) AS wanted CROSS JOIN images ON images.id = wanted.value ORDER BY images.number
"""
JOBS = "SELECT jobs.* FROM json_each(:ids) AS wanted CROSS JOIN jobs ON jobs.id = wanted.value ORDER BY jobs.number"
MESSAGES = """
SELECT messages.* FROM json_each(:ids) AS wanted CROSS JOIN messages ON messages.image_id = wanted.value
ORDER BY messages.number
"""
NOTES = """
SELECT deliveries.job_id, deliveries.note FROM json_each(:ids) AS wanted
CROSS JOIN deliveries ON deliveries.job_id = wanted.value
"""
DECISIONS_OF = """
SELECT * FROM decisions WHERE decided_by = :requester
UNION ALL SELECT * FROM decisions WHERE about = :requester AND decided_by != :requester
ORDER BY number
"""
#: What happened stays on record, whoever it was.
FORGET = (
    "UPDATE decisions SET decided_by = '' WHERE decided_by = :requester",
    "UPDATE decisions SET about = '' WHERE about = :requester",
    "UPDATE reports SET reporter = '' WHERE reporter = :requester",
)
# Jobs that are not over yet stay: the engine holds them. So do those of which a later image stays.
DELETE_JOBS = """
DELETE FROM jobs WHERE id IN (SELECT value FROM json_each(:ids)) AND finished_at IS NOT NULL
AND NOT EXISTS (SELECT 1 FROM images WHERE images.job_id = jobs.id)
RETURNING id
"""


class BelongingsStore:
    """Implements bot.ports.BelongingsStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, requester: str) -> Belongings:
        async with self._database.view() as connection:
            images, jobs = await _ids(connection, (IMAGES_OF, JOBS_OF), {"requester": requester})
            pieces = [await _images(connection, ids) for ids in images]
            pieces += [await _jobs(connection, ids) for ids in jobs]
            decisions = [decision_of(row) for row in await _all(connection, DECISIONS_OF, {"requester": requester})]
        return replace(together(pieces), decisions=tuple(decisions))

    async def erase(self, requester: str) -> AsyncIterator[Belongings]:
        await self._database.transact(partial(_forget, requester=requester))
        return await self._erased((IMAGES_OF, JOBS_OF), {"requester": requester})

    async def erase_in(self, space: str, before: float, requester: str | None) -> AsyncIterator[Belongings]:
        sql = (IMAGES_OF_SPACE, JOBS_OF_SPACE) if requester is None else (IMAGES_OF_BOTH, JOBS_OF_BOTH)
        return await self._erased(sql, {"space": space, "before": before, "requester": requester})

    async def _erased(self, sql: tuple[str, str], which: Mapping[str, object]) -> AsyncIterator[Belongings]:
        async with self._database.view() as connection:
            images, jobs = await _ids(connection, sql, which)
        return self._pieces_erased(images, jobs)

    async def _pieces_erased(self, images: Sequence[str], jobs: Sequence[str]) -> AsyncIterator[Belongings]:
        for ids in images:
            yield await self._database.transact(partial(_erase_images, ids=ids))
        for ids in jobs:
            yield await self._database.transact(partial(_erase_jobs, ids=ids))
        await self._database.empty_log()


async def _ids(
    connection: aiosqlite.Connection, sql: tuple[str, str], which: Mapping[str, object]
) -> tuple[list[str], list[str]]:
    """Of images and of jobs, in pieces, as the statements want them."""
    images, jobs = [[row["id"] for row in await _all(connection, each, which)] for each in sql]
    return list(_pieces(images)), list(_pieces(jobs))


def _pieces(ids: Sequence[str]) -> Iterator[str]:
    for start in range(0, len(ids), TOGETHER):
        yield json.dumps(ids[start : start + TOGETHER])


async def _images(connection: aiosqlite.Connection, ids: str) -> Belongings:
    images = [image_of(row) for row in await _all(connection, IMAGES, {"ids": ids})]
    messages = [message_of(row) for row in await _all(connection, MESSAGES, {"ids": ids})]
    return Belongings(jobs=[], images=images, messages=messages, deliveries=[])


async def _jobs(connection: aiosqlite.Connection, ids: str) -> Belongings:
    jobs = {row["id"]: job_of(row) for row in await _all(connection, JOBS, {"ids": ids})}
    notes = {row["job_id"]: row["note"] for row in await _all(connection, NOTES, {"ids": ids})}
    deliveries = [Delivery(job=job, note=notes[job.id]) for job in jobs.values() if job.id in notes]
    return Belongings(jobs=list(jobs.values()), images=[], messages=[], deliveries=deliveries)


async def _erase_images(connection: aiosqlite.Connection, ids: str) -> Belongings:
    found = await _images(connection, ids)
    await delete_images(connection, ids)
    return found


async def _erase_jobs(connection: aiosqlite.Connection, ids: str) -> Belongings:
    found = await _jobs(connection, ids)
    gone = {row["id"] for row in await _all(connection, DELETE_JOBS, {"ids": ids})}
    return Belongings(
        jobs=[job for job in found.jobs if job.id in gone],
        images=[],
        messages=[],
        deliveries=[delivery for delivery in found.deliveries if delivery.job.id in gone],
    )


async def _forget(connection: aiosqlite.Connection, requester: str) -> None:
    for statement in FORGET:
        await connection.execute(statement, {"requester": requester})


async def _all(connection: aiosqlite.Connection, sql: str, values: Mapping[str, object]) -> Sequence[Row]:
    return list(await connection.execute_fetchall(sql, values))
