"""Jobs in the index: one statement per question, each legal move one transaction."""

import json
from collections.abc import Sequence

import aiosqlite

from bot.jobs import Failure, Image, Job, JobStatus, Treatment, request_from_json, request_to_json
from bot.ports import Ended, Over
from storage.database import Database, Row, Values
from storage.images import INSERT_IMAGE, image_values
from storage.reports import record_flagged

INSERT = """
INSERT INTO jobs (
    id, requester, space, audience, age_restricted, treatment, origin, kind, request, image_ids, status, attempts,
    created_at
)
VALUES (
    :id, :requester, :space, :audience, :age_restricted, :treatment, :origin, :kind, :request, :image_ids, 'queued', 0,
    :created_at
)
"""
INSERT_DELIVERY = "INSERT INTO deliveries (job_id, platform, state, note) VALUES (:id, :platform, 'owed', '')"
GET = "SELECT * FROM jobs WHERE id = :id"
UNFINISHED = "SELECT * FROM jobs WHERE status IN ('queued', 'running') ORDER BY number"
# All of it stands in one index, and comes as one row: there may be thousands.
OVER_SINCE = """
SELECT json_group_array(finished_at - created_at) FILTER (WHERE status = 'done') AS seconds,
    json_group_array(failure_code) FILTER (WHERE failure_code IS NOT NULL) AS failures,
    count(*) FILTER (WHERE status = 'cancelled') AS cancelled
FROM jobs WHERE finished_at >= :since
"""
ENDED_SINCE = """
SELECT json_group_array(json_array(finished_at, status, finished_at - created_at)) AS ended
FROM jobs WHERE finished_at >= :since
"""
# The condition on the time lets SQLite search the index of those that failed, and not walk through it.
NEWEST_FAILED = """
SELECT * FROM jobs WHERE status = 'failed' AND finished_at > 0 ORDER BY finished_at DESC, number DESC LIMIT :limit
"""
NEWEST_OF = "SELECT * FROM jobs WHERE requester = :requester ORDER BY number DESC LIMIT :limit"
NEWEST_OF_BEFORE = """
SELECT * FROM jobs
WHERE requester = :requester AND number < (SELECT number FROM jobs WHERE id = :before)
ORDER BY number DESC LIMIT :limit
"""
# Kept by triggers, as counting a million rows takes longer than a command may.
COUNTS = "SELECT status, jobs FROM job_counts"
CLAIM = """
UPDATE jobs SET status = 'running', attempts = attempts + 1, started_at = :now
WHERE id = :id AND status = 'queued' RETURNING *
"""
REQUEUE = """
UPDATE jobs SET status = 'queued', started_at = NULL, attempts = attempts - :refund
WHERE id = :id AND status = 'running'
"""
FINISH = """
UPDATE jobs SET status = 'done', finished_at = :now, refused = :refused WHERE id = :id AND status = 'running'
RETURNING *
"""
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
        async def add(connection: aiosqlite.Connection) -> None:
            await connection.execute(INSERT, job_values(job))
            if job.origin:
                await connection.execute(INSERT_DELIVERY, {"id": job.id, "platform": job.platform})

        await self._database.transact(add)

    async def get(self, job_id: str) -> Job | None:
        row = await self._database.one(GET, {"id": job_id})
        return None if row is None else job_of(row)

    async def unfinished(self) -> Sequence[Job]:
        return [job_of(row) for row in await self._database.all(UNFINISHED, {})]

    async def over_since(self, since: float) -> Over:
        (row,) = await self._database.all(OVER_SINCE, {"since": since})
        return Over(
            seconds=json.loads(row["seconds"]), failures=json.loads(row["failures"]), cancelled=row["cancelled"]
        )

    async def ended_since(self, since: float) -> Sequence[Ended]:
        (row,) = await self._database.all(ENDED_SINCE, {"since": since})
        return [Ended(at, JobStatus(status), seconds) for at, status, seconds in json.loads(row["ended"])]

    async def newest_failed(self, limit: int) -> Sequence[Job]:
        return [job_of(row) for row in await self._database.all(NEWEST_FAILED, {"limit": limit})]

    async def newest_of(self, requester: str, limit: int, before: str | None) -> Sequence[Job]:
        values = {"requester": requester, "limit": limit, "before": before}
        rows = await self._database.all(NEWEST_OF_BEFORE if before else NEWEST_OF, values)
        return [job_of(row) for row in rows]

    async def counts(self) -> dict[JobStatus, int]:
        counted = {row["status"]: row["jobs"] for row in await self._database.all(COUNTS, {})}
        return {status: counted[status] for status in JobStatus}

    async def claim(self, job_id: str, now: float) -> Job | None:
        rows = await self._database.change(CLAIM, {"id": job_id, "now": now})
        return job_of(rows[0]) if rows else None

    async def requeue(self, job_id: str, *, attempt_counts: bool) -> bool:
        return await self._moved(REQUEUE, {"id": job_id, "refund": 0 if attempt_counts else 1})

    async def finish(self, job_id: str, images: Sequence[Image], now: float, refused: int = 0) -> bool:
        async def finish(connection: aiosqlite.Connection) -> bool:
            rows = await connection.execute_fetchall(FINISH, {"id": job_id, "now": now, "refused": refused})
            if not (finished := list(rows)):
                return False
            for image in images:
                await connection.execute(INSERT_IMAGE, image_values(image))
            await record_flagged(connection, job_of(finished[0]), images, now)
            return True

        return await self._database.transact(finish)

    async def fail(self, job_id: str, failure: Failure, now: float) -> bool:
        return await self._moved(FAIL, {"id": job_id, "now": now, "code": failure.code, "detail": failure.detail})

    async def cancel(self, job_id: str, now: float) -> bool:
        return await self._moved(CANCEL, {"id": job_id, "now": now})

    async def _moved(self, sql: str, values: dict[str, object]) -> bool:
        return await self._database.write(sql, values) > 0


def job_values(job: Job) -> Values:
    kind, request = request_to_json(job.request)
    return {
        "id": job.id,
        "requester": job.requester,
        "space": job.space,
        "audience": job.audience,
        "age_restricted": job.age_restricted,
        "treatment": job.treatment,
        "origin": job.origin,
        "kind": kind,
        "request": request,
        "image_ids": json.dumps(job.image_ids),
        "created_at": job.created_at,
    }


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
        treatment=Treatment(row["treatment"]),
        refused=row["refused"],
        removed=row["removed"],
    )
