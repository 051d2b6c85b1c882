"""The REST service: its routes, and how all of them come together."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from types import MappingProxyType
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import MalformedRangeHeader, RangeNotSatisfiable
from starlette.routing import Route
from starlette.types import ASGIApp

from adapters.web import chat, playground, problems, render
from adapters.web.access import KEY, CurrentAsker, CurrentService, Keys, Limit, asker_of
from adapters.web.bodies import (
    GenerateBody,
    Health,
    ImageDetails,
    ImageList,
    JobBody,
    JobDetails,
    PaintedBody,
    RefineBody,
    StatusBody,
    VerifiedBody,
)
from adapters.web.body_limit import BodyLimit, read_whole
from adapters.web.guard import Guard
from bot import __version__
from bot.errors import ShuttingDown
from bot.events import Cancelled, Done, Event, Failed
from bot.jobs import Job
from bot.pictures import BYTES_MAX as PICTURE_BYTES_MAX
from bot.policy import Asker
from bot.service import Service

#: A large one takes half a gigabyte meanwhile.
DECODED_AT_ONCE = 2
NO_DOORS: Mapping[str, ASGIApp] = MappingProxyType({})


PARTS: dict[int | str, dict[str, Any]] = {206: {"description": "The parts that Range names"}}
#: What an answer that names an image can be followed by.
REFINABLE: dict[str, Any] = {
    "links": {"refine": {"operationRef": "#/paths/~1refine/post", "requestBody": {"id": "$response.body#/id"}}}
}
PICTURE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {"schema": {"type": "string", "format": "binary", "maxLength": PICTURE_BYTES_MAX}}
            for kind in ("image/png", "image/jpeg", "image/webp")
        },
    }
}
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


class Site(problems.Described):
    """With the guard around all else: also answers to unexpected errors get its headers."""

    def build_middleware_stack(self) -> ASGIApp:
        guard: Callable[[ASGIApp], ASGIApp] = self.state.guard
        return guard(super().build_middleware_stack())


def build(
    service: Service,
    api_keys: Sequence[str],
    doors: Mapping[str, ASGIApp] = NO_DOORS,
    *,
    hosts: Iterable[str] = (),
    public_url: str | None = None,
    files: playground.Files | None = None,
) -> FastAPI:
    """`doors`: path -> what takes all that is POSTed there, and knows by itself from whom it is.

    `hosts` and `public_url`: by which others know this server, beside loopback. `files`: in place of the playground's.
    """
    # The interactive pages would load scripts from elsewhere; /openapi.json has all that they show.
    app = Site(title="Limner", version=__version__, docs_url=None, redoc_url=None)
    app.state.service = service
    app.state.keys = Keys(api_keys)
    app.state.files = playground.read() if files is None else files
    app.state.decoding = asyncio.Semaphore(DECODED_AT_ONCE)
    app.state.guard = partial(Guard, hosts=hosts, public_url=public_url, keyed=bool(api_keys), doors=doors.keys())
    app.add_middleware(BodyLimit, doors=doors.keys(), read_there={("POST", "/images"), ("POST", "/verify")})
    # As they are: `include_router` would read each of them anew.
    for some in (playground.router, router, chat.router):
        app.router.routes.extend(some.routes)
    app.router.routes.extend(Route(path, door, methods=["POST"]) for path, door in doors.items())
    problems.install(app)
    return app


@router.post("/generate", response_model=PaintedBody, responses={200: REFINABLE})
async def generate(body: GenerateBody, service: CurrentService, asker: CurrentAsker) -> Response | PaintedBody:
    """Paints from words, and answers once the images exist."""
    return await _wait(await service.generate(body.request(), asker), service, asker)


@router.post("/refine", response_model=PaintedBody)
async def refine(body: RefineBody, service: CurrentService, asker: CurrentAsker) -> Response | PaintedBody:
    """Paints an image anew from its pixels and words, and answers once the new image exists."""
    return await _wait(await service.refine(body.refinement(), asker), service, asker)


@router.get("/metrics", dependencies=[KEY], response_class=PlainTextResponse)
async def metrics(service: CurrentService, _: CurrentAsker) -> Response:
    """Numbers for Prometheus, in its text format."""
    return Response(generate_latest(service.telemetry.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.head("/download/{image_id}", include_in_schema=False)
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
    return _accepted(job, response)


def _accepted(job: Job, response: Response) -> JobDetails:
    response.headers["Location"] = f"/jobs/{job.id}"
    return render.job_details(job, [])


@router.get("/jobs/{job_id}")
async def job(job_id: str, service: CurrentService, asker: CurrentAsker) -> JobDetails:
    """The job: where it stands, and once it is done, its images."""
    found = await service.job(job_id, asker)
    return render.job_details(found, await service.images_of(found))


@router.delete("/jobs/{job_id}")
async def cancel(job_id: str, service: CurrentService, asker: CurrentAsker) -> JobDetails:
    """Cancels it, queued or running."""
    return render.job_details(await service.cancel(job_id, asker), [])


@router.post("/jobs/{job_id}/again", status_code=202)
async def repeat(job_id: str, service: CurrentService, asker: CurrentAsker, response: Response) -> JobDetails:
    """Accepts what the job asked for, with a new seed."""
    return _accepted(await service.repeat(job_id, asker), response)


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


@router.post("/images", status_code=201, openapi_extra=PICTURE, responses={201: REFINABLE})
async def bring(request: Request, service: CurrentService, asker: CurrentAsker, response: Response) -> ImageDetails:
    """Takes in a PNG, JPEG or WebP, which is the body as it is, so that it can be refined."""
    encoded = await read_whole(request, PICTURE_BYTES_MAX)
    async with request.app.state.decoding:
        found = await service.bring(encoded, asker)
    response.headers["Location"] = f"/images/{found.id}"
    return render.details(found, [])


@router.post("/verify", openapi_extra=PICTURE)
async def verify(request: Request, service: CurrentService, asker: CurrentAsker) -> VerifiedBody:
    """Tells how one can see that a machine painted a PNG, JPEG or WebP, which is the body as it is; keeps nothing."""
    encoded = await read_whole(request, PICTURE_BYTES_MAX)
    async with request.app.state.decoding:
        return render.verified(await service.verify(encoded, asker))


@router.get("/images/{image_id}")
async def image(image_id: str, service: CurrentService, asker: CurrentAsker) -> ImageDetails:
    """The image with its recipe, its parent and its children."""
    found = await service.image(image_id, asker)
    return render.details(found, await service.children(found, asker))


@router.delete("/images/{image_id}", status_code=204)
async def delete(image_id: str, service: CurrentService, asker: CurrentAsker) -> None:
    """Deletes it for good, its file too; answers with no body. What was refined from it stays."""
    await service.delete(image_id, asker)


@router.post("/images/{image_id}/vary", status_code=202)
async def vary(image_id: str, service: CurrentService, asker: CurrentAsker, response: Response) -> JobDetails:
    """Accepts a job for an image like this one."""
    return _accepted(await service.vary(image_id, asker), response)


@router.post("/images/{image_id}/again", status_code=202)
async def again(image_id: str, service: CurrentService, asker: CurrentAsker, response: Response) -> JobDetails:
    """Accepts what the image came of, with a new seed."""
    return _accepted(await service.again(image_id, asker), response)


@router.get("/status")
async def status(service: CurrentService, asker: CurrentAsker) -> StatusBody:
    """The queue, what runs, and the workers."""
    return render.status(await service.status(), __version__)


@router.get("/healthz")
async def healthz() -> Health:
    """The serving process answers."""
    return Health(status="ok")


@router.get("/readyz", response_model=Health, responses={503: {"model": Health, "description": "Not yet"}})
async def readyz(service: CurrentService) -> Response | Health:
    """A worker can paint, and the disk takes what is painted; 503 until then. Jobs are accepted meanwhile and wait."""
    now = await service.status()
    if now.ready:
        return Health(status="ready")
    return JSONResponse(Health(status="not ready", reason=now.reason).model_dump(), 503)


async def _wait(job: Job, service: Service, asker: Asker) -> Response | PaintedBody:
    ending: Event | None = None
    try:
        async with aclosing(service.follow(job.id, asker)) as stream:
            async for event in stream:
                ending = event
    except ShuttingDown:
        return problems.still_queued(job.id)
    match ending:
        case Done((), refused, removed) if refused or removed:
            why = "No picture of this job is shown: the image check flagged them, or a moderator took them down."
            return problems.failed("picture_refused", why, job.id)
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
