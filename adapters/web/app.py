"""The REST service: routes, and nothing else."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import MalformedRangeHeader, RangeNotSatisfiable
from starlette.routing import Route
from starlette.types import ASGIApp

from adapters.web import problems, render
from adapters.web.access import KEY, CurrentAsker, Keys, asker_of
from adapters.web.bodies import (
    GenerateBody,
    Health,
    ImageDetails,
    ImageList,
    Index,
    JobBody,
    JobDetails,
    PaintedBody,
    RefineBody,
    StatusBody,
)
from adapters.web.body_limit import BodyLimit
from bot import __version__
from bot.errors import ShuttingDown
from bot.events import Cancelled, Done, Event, Failed
from bot.jobs import Job
from bot.policy import Asker
from bot.service import Service

NO_DOORS: Mapping[str, ASGIApp] = MappingProxyType({})


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


CurrentService = Annotated[Service, Depends(service_of)]
Limit = Annotated[int, Query(ge=1, le=100)]
PARTS: dict[int | str, dict[str, Any]] = {206: {"description": "The parts that Range names"}}
#: Seconds.
PreviewInterval = Annotated[float | None, Query(ge=0.2, le=600, allow_inf_nan=False)]


class Png(FileResponse):
    """Ignores a Range that is nonsense or beyond the end, as RFC 9110 allows: Starlette refuses it in plain text."""

    media_type = "image/png"

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        try:
            return super()._parse_range_header(http_range, file_size)
        except (MalformedRangeHeader, RangeNotSatisfiable):
            return []


router = APIRouter(responses=problems.DESCRIBED)


def build(service: Service, api_keys: Sequence[str], doors: Mapping[str, ASGIApp] = NO_DOORS) -> FastAPI:
    """`doors`: path -> what takes all that is POSTed there, and knows by itself from whom it is."""
    # The interactive pages would load scripts from elsewhere; /openapi.json has all that they show.
    app = problems.Described(title="Limner", version=__version__, docs_url=None, redoc_url=None)
    app.state.service = service
    app.state.keys = Keys(api_keys)
    app.add_middleware(BodyLimit, doors=doors.keys())
    app.include_router(router)
    app.router.routes.extend(Route(path, door, methods=["POST"]) for path, door in doors.items())
    problems.install(app)
    return app


@router.get("/")
async def index() -> Index:
    return Index(name="Limner", version=__version__, openapi="/openapi.json", status="/status")


@router.post("/generate", response_model=PaintedBody)
async def generate(body: GenerateBody, service: CurrentService, asker: CurrentAsker) -> Response | PaintedBody:
    """Paints from words and answers once the images exist."""
    return await _wait(await service.generate(body.request(), asker), service, asker)


@router.post("/refine", response_model=PaintedBody)
async def refine(body: RefineBody, service: CurrentService, asker: CurrentAsker) -> Response | PaintedBody:
    """Paints an image anew from its pixels and words, and answers once the new image exists."""
    return await _wait(await service.refine(body.refinement(), asker), service, asker)


@router.get("/download/{image_id}", response_class=Png, dependencies=[KEY], responses=PARTS)
async def download(image_id: str, request: Request, service: CurrentService, proof: str | None = None) -> Png:
    """The PNG. The proof of a link stands for a key."""
    if proof is None:
        image = await service.image(image_id, asker_of(request))
    else:
        image = await service.linked(image_id, proof)
    return Png(service.file(image), filename=f"{image.id}.png")


@router.post("/jobs", status_code=202)
async def accept(body: JobBody, service: CurrentService, asker: CurrentAsker, response: Response) -> JobDetails:
    """Accepts a job and answers at once; its events and its state tell the rest."""
    if isinstance(body, RefineBody):
        job = await service.refine(body.refinement(), asker)
    else:
        job = await service.generate(body.request(), asker)
    response.headers["Location"] = f"/jobs/{job.id}"
    return render.job_details(job, [])


@router.get("/jobs/{job_id}")
async def job(job_id: str, service: CurrentService, asker: CurrentAsker) -> JobDetails:
    found = await service.job(job_id, asker)
    return render.job_details(found, await service.images_of(found))


@router.delete("/jobs/{job_id}")
async def cancel(job_id: str, service: CurrentService, asker: CurrentAsker) -> JobDetails:
    return render.job_details(await service.cancel(job_id, asker), [])


async def _job_to_follow(job_id: str, service: CurrentService, asker: CurrentAsker) -> Job:
    """Looked up before the stream begins, so that a wrong ID is a 404 and not a broken stream."""
    return await service.job(job_id, asker)


@router.get("/jobs/{job_id}/events", response_class=EventSourceResponse)
async def events(
    job: Annotated[Job, Depends(_job_to_follow)],
    service: CurrentService,
    asker: CurrentAsker,
    preview_interval: PreviewInterval = None,
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events, from where the job stands to its ending; with a preview every so many seconds if asked."""
    try:
        async with aclosing(service.follow(job.id, asker, preview_interval)) as stream:
            async for happened in stream:
                name, data = render.event(happened)
                yield ServerSentEvent(event=name, data=data)
    except ShuttingDown:
        yield ServerSentEvent(event="restarting", data={}, retry=problems.RESTART * 1000)


@router.get("/images")
async def images(
    service: CurrentService, asker: CurrentAsker, limit: Limit = 20, before: str | None = None
) -> ImageList:
    """The newest first; `before` is the ID of the last image of the page before."""
    found = await service.newest_images(asker, limit, before)
    return ImageList(images=[render.summary(image) for image in found])


@router.get("/images/{image_id}")
async def image(image_id: str, service: CurrentService, asker: CurrentAsker) -> ImageDetails:
    found = await service.image(image_id, asker)
    return render.details(found, await service.children(found, asker))


@router.delete("/images/{image_id}", status_code=204)
async def delete(image_id: str, service: CurrentService, asker: CurrentAsker) -> None:
    """Deletes it for good; what was refined from it stays."""
    await service.delete(image_id, asker)


@router.get("/status")
async def status(service: CurrentService, asker: CurrentAsker) -> StatusBody:
    return render.status(await service.status(), __version__)


@router.get("/healthz")
async def healthz() -> Health:
    """The serving process answers."""
    return Health(status="ok")


@router.get("/readyz", response_model=Health, responses={503: {"model": Health, "description": "Not yet"}})
async def readyz(service: CurrentService) -> Response | Health:
    """A worker is ready to paint. Until then jobs are accepted and wait."""
    now = await service.status()
    if now.ready:
        return Health(status="ready")
    if now.trouble is not None and not now.stopping:
        reason = now.trouble.code
    else:
        reason = "stopping" if now.stopping else "; ".join(worker.detail or worker.state for worker in now.workers)
    return JSONResponse(Health(status="not ready", reason=reason).model_dump(), 503)


async def _wait(job: Job, service: Service, asker: Asker) -> Response | PaintedBody:
    ending: Event | None = None
    try:
        async with aclosing(service.follow(job.id, asker)) as stream:
            async for event in stream:
                ending = event
    except ShuttingDown:
        return problems.still_queued(job.id)
    match ending:
        case Done(()):
            return problems.failed("image_gone", "The images were deleted as soon as they were done.", job.id)
        case Done(images):
            return render.painted(job.id, images)
        case Failed(failure):
            return problems.failed(failure.code, failure.detail, job.id)
        case Cancelled():
            return problems.failed("cancelled", "The job was cancelled before it was done.", job.id)
        case _:
            raise AssertionError(f"job {job.id} ended with {ending}")
