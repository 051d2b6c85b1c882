"""What the core says -> JSON bodies and server-sent events. Pure."""

import base64
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from adapters.web.bodies import (
    FailureBody,
    ImageDetails,
    ImageSummary,
    JobDetails,
    PaintedBody,
    RunningJob,
    StatusBody,
)
from bot.events import Cancelled, Done, Event, Failed, Preview, Progress, Queued, Started
from bot.jobs import Image, ImageRequest, Job
from bot.service import Running, Status


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


def painted(job_id: str, images: Sequence[Image]) -> PaintedBody:
    return PaintedBody(id=images[0].id, job_id=job_id, images=[summary(image) for image in images])


def job_details(job: Job, images: Sequence[Image]) -> JobDetails:
    return JobDetails(
        id=job.id,
        status=job.status,
        kind="generate" if isinstance(job.request, ImageRequest) else "refine",
        prompt=job.request.prompt,
        seed=job.request.seed,
        attempts=job.attempts,
        created_at=job.created_at,
        started_at=job.started_at,
        finished_at=job.finished_at,
        failure=job.failure and FailureBody(**asdict(job.failure)),
        images=[summary(image) for image in images],
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
        case Done(images):
            return "done", {"images": [summary(image).model_dump() for image in images]}
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
