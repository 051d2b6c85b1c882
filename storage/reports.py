"""Reports to moderators as rows, and what is written down of images that the check flagged."""

from collections.abc import Sequence

import aiosqlite

from bot.decisions import Act, Cause, Decision, Report
from bot.jobs import Image, Job, Treatment
from storage.database import Row, Values

REPORT = """
INSERT INTO reports (image_id, platform, space, cause, reporter, created_at, state)
VALUES (:image_id, :platform, :space, :cause, :reporter, :created_at, 'owed')
ON CONFLICT (image_id) DO NOTHING
"""
RECORD = """
INSERT INTO decisions (at, space, act, decided_by, about, image_id, detail)
VALUES (:at, :space, :act, :by, :about, :image_id, :detail)
"""


async def record_flagged(connection: aiosqlite.Connection, job: Job, images: Sequence[Image], now: float) -> None:
    """A report of each image that is held, and an entry for what the rules did to each that was flagged."""
    flagged = [image for image in images if image.flagged]
    for image in flagged:
        if image.held:
            await connection.execute(REPORT, report_values(report_of_held(job, image, now)))
    if job.treatment is not Treatment.ALLOW:
        for image_id in [image.id for image in flagged] + [""] * job.refused:
            await record(
                connection,
                Decision(
                    at=now,
                    space=job.space,
                    act=Act.FLAGGED,
                    about=job.requester,
                    image_id=image_id,
                    detail=job.treatment,
                ),
            )


def report_of_held(job: Job, image: Image, now: float) -> Report:
    return Report(
        image_id=image.id, platform=job.platform, space=job.space, cause=Cause.HELD, reporter="", created_at=now
    )


async def record(connection: aiosqlite.Connection, decision: Decision) -> None:
    await connection.execute(RECORD, decision_values(decision))


def decision_values(decision: Decision) -> Values:
    return {
        "at": decision.at,
        "space": decision.space,
        "act": decision.act,
        "by": decision.by,
        "about": decision.about,
        "image_id": decision.image_id,
        "detail": decision.detail,
    }


def decision_of(row: Row) -> Decision:
    return Decision(
        at=row["at"],
        space=row["space"],
        act=Act(row["act"]),
        by=row["decided_by"],
        about=row["about"],
        image_id=row["image_id"],
        detail=row["detail"],
    )


def report_values(report: Report) -> Values:
    return {
        "image_id": report.image_id,
        "platform": report.platform,
        "space": report.space,
        "cause": report.cause,
        "reporter": report.reporter,
        "created_at": report.created_at,
    }


def report_of(row: Row) -> Report:
    return Report(
        image_id=row["image_id"],
        platform=row["platform"],
        space=row["space"],
        cause=Cause(row["cause"]),
        reporter=row["reporter"],
        created_at=row["created_at"],
    )
