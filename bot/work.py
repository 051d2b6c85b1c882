"""A job as a worker gets it, and what it paints as the index keeps it."""

from dataclasses import replace

from bot.errors import ImageFileLost, JobFailed
from bot.jobs import Image, ImageRequest, Job, Treatment
from bot.ports import ImageStore, Painted, StoredFile, Work


async def work_of(job: Job, images: ImageStore, preview_interval: float | None) -> Work:
    """Raises JobFailed where the image to refine is gone."""
    request = job.request
    work = Work(
        job_id=job.id,
        image_ids=job.image_ids,
        request=request,
        preview_interval=preview_interval,
        alone=job.attempts > 1,
    )
    if isinstance(request, ImageRequest):
        return work
    parent = await images.get(request.image_id)
    if parent is None:
        raise image_gone()
    try:
        source = await images.read(parent)
    except ImageFileLost as error:
        deleted = await images.get(parent.id) is None
        raise image_gone() if deleted else JobFailed(error.code, str(error)) from error
    return replace(work, source=source, source_sha256=parent.sha256)


def image_of(job: Job, painted: Painted, file: StoredFile, now: float) -> Image:
    return Image(
        id=painted.image_id,
        job_id=job.id,
        requester=job.requester,
        space=job.space,
        audience=job.audience,
        age_restricted=job.age_restricted,
        parent_id=painted.recipe.parent_id,
        file=file.file,
        sha256=file.sha256,
        size=file.size,
        width=painted.recipe.width,
        height=painted.recipe.height,
        recipe=painted.recipe,
        created_at=now,
        flagged=painted.flagged,
        held=bool(painted.flagged) and job.treatment is Treatment.HOLD,
    )


def image_gone() -> JobFailed:
    return JobFailed("image_gone", "The image to refine was deleted while the job waited.")
