"""Old images go, with rows and files together, a few at a time while a server works."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

from storage.database import Database
from storage.images import Images, delete_images

#: Seconds.
DAY = 86400.0
#: Numbers of images or jobs that are looked at in one statement and go in one transaction, so that nobody waits long.
TOGETHER = 100
#: A time before all that is kept.
NEVER = -1e15

# An ending that is owed still shows its images, and a refinement that waits still starts from one. The unary plus: what
# JSON holds is compared as it is there, as the index has it.
OLD_IMAGES = """
SELECT images.id FROM images LEFT JOIN deliveries ON deliveries.job_id = images.job_id
LEFT JOIN rules ON rules.space = images.space
WHERE images.number > :after AND images.number <= :last
AND images.created_at < max(:before, coalesce(:now - rules.retention_days * 86400.0, :before))
AND deliveries.state IS NOT 'owed'
AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.id = images.job_id AND jobs.status IN ('queued', 'running'))
AND NOT EXISTS (
    SELECT 1 FROM jobs
    WHERE json_extract(jobs.request, '$.image_id') = +images.id AND jobs.status IN ('queued', 'running')
)
"""
OLD_JOBS = """
SELECT id FROM jobs LEFT JOIN rules ON rules.space = jobs.space
WHERE number > :after AND number <= :last
AND finished_at < max(:before, coalesce(:now - rules.retention_days * 86400.0, :before))
AND NOT EXISTS (SELECT 1 FROM images WHERE images.job_id = jobs.id)
AND NOT EXISTS (SELECT 1 FROM deliveries WHERE deliveries.job_id = jobs.id AND state = 'owed')
"""
LAST_IMAGE = "SELECT max(number) AS number FROM images"
LAST_JOB = "SELECT max(number) AS number FROM jobs"
DELETE_JOBS = "DELETE FROM jobs WHERE id IN (SELECT value FROM json_each(:ids))"
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


async def prune(database: Database, images: Images, before: float, now: float = NEVER) -> Pruned:
    """Erases images that were made, and jobs that were over, before that time. Raises StorageTrouble.

    With the time that it is `now` also those that are too old by the rules of their space. What was refined from an
    image stays and has no parent then.
    """
    gone = jobs = 0
    async for ids in _old(database, OLD_IMAGES, LAST_IMAGE, before, now):
        await database.transact(partial(delete_images, ids=json.dumps(ids)))
        await images.discard(ids)
        gone += len(ids)
    async for ids in _old(database, OLD_JOBS, LAST_JOB, before, now):
        jobs += await database.write(DELETE_JOBS, {"ids": json.dumps(ids)})
    if gone or jobs:
        await database.empty_log()
    return Pruned(gone, jobs)


async def would_prune(database: Database, before: float) -> Pruned:
    going = [image_id async for ids in _old(database, OLD_IMAGES, LAST_IMAGE, before) for image_id in ids]
    row = await database.one(COUNT_JOBS, {"before": before, "going": json.dumps(going)})
    assert row is not None
    return Pruned(len(going), row["jobs"])


async def _old(
    database: Database, sql: str, last_sql: str, before: float, now: float = NEVER
) -> AsyncIterator[list[str]]:
    """IDs, some at a time: a walk through the whole table in many small steps, between which others have their turn."""
    row = await database.one(last_sql, {})
    assert row is not None
    for after in range(0, row["number"] or 0, TOGETHER):
        values = {"after": after, "last": after + TOGETHER, "before": before, "now": now}
        if ids := [row["id"] for row in await database.all(sql, values)]:
            yield ids
