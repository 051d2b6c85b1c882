"""Old images go, with rows and files together, a few at a time while a server works."""

import asyncio
import json
from dataclasses import dataclass

import aiosqlite

from storage.database import Database
from storage.images import Images

#: Seconds.
DAY = 86400.0
#: Images or jobs that go in one transaction, so that nobody waits long for the write lock.
TOGETHER = 100

# An ending that is owed still shows its images, and a refinement that waits still starts from one.
OLD_IMAGES = """
SELECT images.number, images.id FROM images LEFT JOIN deliveries ON deliveries.job_id = images.job_id
WHERE images.number > :after AND images.created_at < :before AND deliveries.state IS NOT 'owed'
AND NOT EXISTS (
    SELECT 1 FROM jobs WHERE jobs.status IN ('queued', 'running')
    AND (jobs.id = images.job_id OR json_extract(jobs.request, '$.image_id') = images.id)
)
ORDER BY images.number LIMIT :limit
"""
ORPHAN = "UPDATE images SET parent_id = NULL WHERE parent_id IN (SELECT value FROM json_each(:ids))"
DELETE_IMAGES = "DELETE FROM images WHERE id IN (SELECT value FROM json_each(:ids))"
DELETE_JOBS = """
DELETE FROM jobs WHERE id IN (
    SELECT id FROM jobs
    WHERE finished_at < :before
    AND NOT EXISTS (SELECT 1 FROM images WHERE images.job_id = jobs.id)
    AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.job_id = jobs.id AND state = 'owed')
    LIMIT :limit
)
"""
COUNT_JOBS = """
SELECT count(*) AS jobs FROM jobs
WHERE finished_at < :before
AND NOT EXISTS (
    SELECT 1 FROM images WHERE images.job_id = jobs.id AND images.id NOT IN (SELECT value FROM json_each(:going))
)
AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.job_id = jobs.id AND state = 'owed')
"""


@dataclass(frozen=True, slots=True)
class Pruned:
    images: int
    #: With their prompts.
    jobs: int


async def prune(database: Database, images: Images, before: float) -> Pruned:
    """Erases images that were made, and jobs that were over, before that time. Raises StorageTrouble.

    What was refined from an image stays and has no parent then.
    """
    gone = after = 0
    while rows := await _old_images(database, before, after):
        after = rows[-1][0]
        ids = [image_id for _, image_id in rows]
        await _delete(database, ids)
        await images.discard(ids)
        gone += len(ids)
        await asyncio.sleep(0)
    jobs = 0
    while some := await database.write(DELETE_JOBS, {"before": before, "limit": TOGETHER}):
        jobs += some
        await asyncio.sleep(0)
    if gone or jobs:
        await database.empty_log()
    return Pruned(gone, jobs)


async def would_prune(database: Database, before: float) -> Pruned:
    going: list[str] = []
    after = 0
    while rows := await _old_images(database, before, after):
        after = rows[-1][0]
        going += [image_id for _, image_id in rows]
    row = await database.one(COUNT_JOBS, {"before": before, "going": json.dumps(going)})
    assert row is not None
    return Pruned(len(going), row["jobs"])


async def _old_images(database: Database, before: float, after: int) -> list[tuple[int, str]]:
    values = {"before": before, "after": after, "limit": TOGETHER}
    return [(row["number"], row["id"]) for row in await database.all(OLD_IMAGES, values)]


async def _delete(database: Database, image_ids: list[str]) -> None:
    ids = {"ids": json.dumps(image_ids)}

    async def delete(connection: aiosqlite.Connection) -> None:
        for statement in (ORPHAN, DELETE_IMAGES):
            await connection.execute(statement, ids)

    await database.transact(delete)
