"""Jobs in the index: one statement per question, each legal move one transaction."""

import json
from collections.abc import Sequence

import aiosqlite

from bot.jobs import Failure, Image, Job, JobStatus, request_from_json, request_to_json
from storage.database import Database, Row
from storage.images import INSERT_IMAGE, image_values

INSERT = """
INSERT INTO jobs (
    id, requester, space, audience, age_restricted, origin, kind, request, image_ids, status, attempts, created_at
)
VALUES (
    :id, :requester, :space, :audience, :age_restricted, :origin, :kind, :request, :image_ids, 'queued', 0, :created_at
)
"""
INSERT_DELIVERY = "INSERT INTO deliveries (job_id, platform, state, note) VALUES (:id, :platform, 'owed', '')"
GET = "SELECT * FROM jobs WHERE id = :id"
UNFINISHED = "SELECT * FROM jobs WHERE status IN ('queued', 'running') ORDER BY number"
OVER_SINCE = "SELECT * FROM jobs WHERE finished_at >= :since"
COUNTS = "SELECT status, count(*) AS jobs FROM jobs GROUP BY status"
CLAIM = """
UPDATE jobs SET status = 'running', attempts = attempts + 1, started_at = :now
WHERE id = :id AND status = 'queued' RETURNING *
"""
REQUEUE = """
UPDATE jobs SET status = 'queued', started_at = NULL, attempts = attempts - :refund
WHERE id = :id AND status = 'running'
"""
FINISH = "UPDATE jobs SET status = 'done', finished_at = :now WHERE id = :id AND status = 'running'"
FAIL = """
UPDATE jobs SET status = 'failed', finished_at = :now, failure_code = :code, failure_detail = :detail
WHERE id = :id AND status = 'running'
"""
CANCEL = """
UPDATE jobs SET status = 'cancelled', finished_at = :now WHERE id = :id AND status IN ('queued', 'running')
"""


class Jobs:
    """Implements bot.ports.JobStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, job: Job) -> None:
        kind, request = request_to_json(job.request)
        values = {
            "id": job.id,
            "requester": job.requester,
            "space": job.space,
            "audience": job.audience,
            "age_restricted": job.age_restricted,
            "platform": job.platform,
            "origin": job.origin,
            "kind": kind,
            "request": request,
            "image_ids": json.dumps(job.image_ids),
            "created_at": job.created_at,
        }

        async def add(connection: aiosqlite.Connection) -> None:
            await connection.execute(INSERT, values)
            if job.origin:
                await connection.execute(INSERT_DELIVERY, values)

        await self._database.transact(add)

    async def get(self, job_id: str) -> Job | None:
        row = await self._database.one(GET, {"id": job_id})
        return None if row is None else job_of(row)

    async def unfinished(self) -> Sequence[Job]:
        return [job_of(row) for row in await self._database.all(UNFINISHED, {})]

    async def over_since(self, since: float) -> Sequence[Job]:
        return [job_of(row) for row in await self._database.all(OVER_SINCE, {"since": since})]

    async def counts(self) -> dict[JobStatus, int]:
        counted = {row["status"]: row["jobs"] for row in await self._database.all(COUNTS, {})}
        return {status: counted.get(status, 0) for status in JobStatus}

    async def claim(self, job_id: str, now: float) -> Job | None:
        async def claim(connection: aiosqlite.Connection) -> Row | None:
            async with connection.execute(CLAIM, {"id": job_id, "now": now}) as cursor:
                return await cursor.fetchone()

        row = await self._database.transact(claim)
        return None if row is None else job_of(row)

    async def requeue(self, job_id: str, *, attempt_counts: bool) -> bool:
        return await self._moved(REQUEUE, {"id": job_id, "refund": 0 if attempt_counts else 1})

    async def finish(self, job_id: str, images: Sequence[Image], now: float) -> bool:
        async def finish(connection: aiosqlite.Connection) -> bool:
            async with connection.execute(FINISH, {"id": job_id, "now": now}) as cursor:
                if cursor.rowcount == 0:
                    return False
            for image in images:
                await connection.execute(INSERT_IMAGE, image_values(image))
            return True

        return await self._database.transact(finish)

    async def fail(self, job_id: str, failure: Failure, now: float) -> bool:
        return await self._moved(FAIL, {"id": job_id, "now": now, "code": failure.code, "detail": failure.detail})

    async def cancel(self, job_id: str, now: float) -> bool:
        return await self._moved(CANCEL, {"id": job_id, "now": now})

    async def _moved(self, sql: str, values: dict[str, object]) -> bool:
        return await self._database.write(sql, values) > 0


def job_of(row: Row) -> Job:
    failed = row["failure_code"] is not None
    return Job(
        id=row["id"],
        requester=row["requester"],
        space=row["space"],
        origin=row["origin"],
        request=request_from_json(row["kind"], row["request"]),
        image_ids=tuple(json.loads(row["image_ids"])),
        status=JobStatus(row["status"]),
        attempts=row["attempts"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        failure=Failure(row["failure_code"], row["failure_detail"]) if failed else None,
        audience=row["audience"],
        age_restricted=bool(row["age_restricted"]),
    )
