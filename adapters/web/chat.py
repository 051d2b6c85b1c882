"""The playground's routes: a line of its chat, what was asked for before, and how all is going."""

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from adapters.web import problems, render
from adapters.web.access import CurrentAsker, CurrentService, Limit
from adapters.web.bodies import Activity, HelpSaid, History, JobSaid, SaidBody, StatusSaid
from adapters.web.said import HELP, Command, Wanted, line_of, typed_of, wanted
from bot import __version__
from bot.errors import BadRequest, Mistake
from bot.jobs import Image, Job
from bot.policy import Asker
from bot.service import Service

router = APIRouter(responses=problems.DESCRIBED)


@router.post("/chat", status_code=202, response_model=JobSaid, responses={200: {"model": StatusSaid | HelpSaid}})
async def chat(body: SaidBody, service: CurrentService, asker: CurrentAsker, response: Response) -> Response | JobSaid:
    """Does what a line of the chat says. A job is accepted and told at once, as by `/jobs`."""
    line = line_of(body.text)
    match line.command:
        case Command.HELP:
            return JSONResponse(HelpSaid(text=HELP).model_dump())
        case Command.STATUS:
            now = render.status(await service.status(), __version__)
            return JSONResponse(StatusSaid(status=now).model_dump(mode="json"))
        case Command.REFINE:
            job = await _refine(wanted(line.words), body.image, service, asker)
        case None if body.image is not None:
            job = await _refine(wanted(line.words), body.image, service, asker)
        case _:
            job = await service.generate(typed_of(line.words).request(service.menu), asker)
    response.headers["Location"] = f"/jobs/{job.id}"
    return JobSaid(job=render.job_details(job, []))


async def _refine(said: Wanted, answered: str | None, service: Service, asker: Asker) -> Job:
    image = await _meant(said.image or answered, service, asker)
    return await service.refine(said.typed.refinement(image.id, service.menu), asker)


async def _meant(image_id: str | None, service: Service, asker: Asker) -> Image:
    """The asker's newest one, where none is named. Raises NotFound, or BadRequest where there is none."""
    if image_id is not None:
        return await service.image(image_id, asker)
    for image in await service.own_images(asker, 1):
        return image
    words = "There is no image of yours to refine yet. Paint one, as in /generate a cat in a hat, or bring a picture."
    raise BadRequest(Mistake("image", words, "none_yet"))


@router.get("/history")
async def history(
    service: CurrentService, asker: CurrentAsker, limit: Limit = 20, before: str | None = None
) -> History:
    """The caller's own jobs in all states, the newest first, and the pictures that the caller brought meanwhile.

    `before` is the ID of the last job of the page before.
    """
    return render.history(await service.history(asker, limit, before))


@router.get("/activity")
async def activity(service: CurrentService, asker: CurrentAsker) -> Activity:
    """What waits, runs and went wrong, of all requesters, and how the last hour was; without anybody's words."""
    return render.activity(await service.activity(), __version__)
