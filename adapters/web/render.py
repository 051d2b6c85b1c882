"""What the core says -> JSON bodies and server-sent events. Pure."""

import base64
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Literal

from adapters.web.bodies import (
    Activity,
    FailedJob,
    FailureBody,
    History,
    ImageDetails,
    ImageSummary,
    JobDetails,
    LatelyBody,
    MinuteBody,
    PaintedBody,
    Process,
    RunningJob,
    StatusBody,
    VerifiedBody,
    WaitingJob,
)
from bot import activity as watched
from bot import service
from bot.events import Cancelled, Done, Event, Failed, Preview, Progress, Queued, Started
from bot.jobs import Failure, Image, ImageRequest, Job, Refinement
from bot.marks.findings import Verified
from bot.status import Lately, Running, Status


def image_url(image_id: str) -> str:
    return f"/download/{image_id}"


def summary(image: Image) -> ImageSummary:
    return ImageSummary(
        id=image.id,
        url=image_url(image.id),
        width=image.width,
        height=image.height,
        seed=image.recipe and image.recipe.seed,
        parent=image.parent_id,
        flagged=image.flagged,
        created_at=image.created_at,
    )


def details(image: Image, children: Sequence[str]) -> ImageDetails:
    return ImageDetails(
        **summary(image).model_dump(),
        sha256=image.sha256,
        size=image.size,
        recipe=image.recipe and asdict(image.recipe),
        children=children,
    )


def verified(found: Verified) -> VerifiedBody:
    return VerifiedBody(**asdict(found.findings), known=found.known, id=found.image and found.image.id)


def painted(job_id: str, images: Sequence[Image]) -> PaintedBody:
    return PaintedBody(id=images[0].id, job_id=job_id, images=[summary(image) for image in images])


def job_details(job: Job, images: Sequence[Image]) -> JobDetails:
    return JobDetails(
        id=job.id,
        status=job.status,
        kind=kind_of(job),
        prompt=job.request.prompt,
        seed=job.request.seed,
        attempts=job.attempts,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        failure=job.failure and FailureBody(**asdict(job.failure)),
        parent=job.request.image_id if isinstance(job.request, Refinement) else None,
        images=[summary(image) for image in images],
        refused=job.refused + job.removed,
    )


def kind_of(job: Job) -> Literal["generate", "refine"]:
    return "generate" if isinstance(job.request, ImageRequest) else "refine"


def history(page: service.History) -> History:
    return History(
        jobs=[job_details(job, page.images[job.id]) for job in page.jobs],
        brought=[summary(image) for image in page.brought],
    )


def event(happened: Event) -> tuple[str, dict[str, Any]]:
    """Name and data of a server-sent event."""
    match happened:
        case Queued():
            return "queued", asdict(happened)
        case Started():
            return "started", {}
        case Progress():
            return "progress", asdict(happened)
        case Preview(image, jpeg):
            return "preview", {"image": image, "jpeg": base64.b64encode(jpeg).decode()}
        case Done(images, refused, removed):
            shown = [summary(image).model_dump() for image in images if not image.held]
            return "done", {"images": shown, "refused": refused + removed}
        case Failed(failure):
            return "failed", asdict(failure)
        case Cancelled():
            return "cancelled", {}


def status(now: Status, version: str) -> StatusBody:
    return StatusBody(
        version=version,
        ready=now.ready,
        stopping=now.stopping,
        queued=now.queued,
        running=[running_job(run) for run in now.running],
        jobs={status.value: count for status, count in now.counts.items()},
        workers=[asdict(worker) for worker in now.workers],
        trouble=now.trouble and f"{now.trouble.code}: {now.trouble.why}",
    )


def running_job(run: Running) -> RunningJob:
    progress = run.progress
    return RunningJob(
        id=run.job.id,
        requester=run.job.requester,
        image=progress.image if progress else 1,
        images=len(run.job.image_ids),
        step=progress.step if progress else 0,
        steps=progress.steps if progress else None,
    )


def activity(seen: watched.Activity, version: str) -> Activity:
    now = status(seen.status, version)
    return Activity(
        version=version,
        now=seen.now,
        state=seen.status.state,
        reason=now.trouble or seen.status.reason,
        queued=now.queued,
        waiting=[_waiting(one.job, one.eta) for one in seen.waiting],
        running=now.running,
        workers=now.workers,
        server=Process(**asdict(seen.process)),
        lately=_lately(seen.lately),
        minutes=[MinuteBody(**asdict(minute)) for minute in seen.minutes],
        failures=[_failed(job, job.failure) for job in seen.failed if job.failure is not None],
    )


def _waiting(job: Job, eta: float | None) -> WaitingJob:
    return WaitingJob(
        id=job.id,
        requester=job.requester,
        kind=kind_of(job),
        images=len(job.image_ids),
        created_at=job.created_at,
        eta=eta,
    )


def _lately(lately: Lately) -> LatelyBody:
    return LatelyBody(
        hours=watched.HOURS,
        done=len(lately.seconds),
        failed=sum(lately.failures.values()),
        cancelled=lately.cancelled,
        seconds_p50=lately.percentile(0.5),
        seconds_p95=lately.percentile(0.95),
    )


def _failed(job: Job, failure: Failure) -> FailedJob:
    return FailedJob(
        job_id=job.id, requester=job.requester, code=failure.code, detail=failure.detail, at=job.finished_at
    )
