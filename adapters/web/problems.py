"""Everything that goes wrong -> RFC 9457 problem details, each with a stable code."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from adapters.web.bodies import Problem
from bot.errors import (
    AgeRestricted,
    AlreadyDecided,
    AlreadyOver,
    AskedTooMuch,
    BadRequest,
    Blocked,
    DiskFull,
    Forbidden,
    ImageFileLost,
    ImageHeld,
    LimnerError,
    Mistake,
    NobodyHears,
    NotFound,
    PlaceClosed,
    QueueFull,
    ShareFull,
    ShuttingDown,
    SpacePaused,
    StorageTrouble,
    WordsRefused,
    WorkerDied,
)

MEDIA_TYPE = "application/problem+json"
#: Seconds; how long a restart takes, model load included.
RESTART = 60

STATUS_OF: dict[type[LimnerError], HTTPStatus] = {
    BadRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    NotFound: HTTPStatus.NOT_FOUND,
    AlreadyOver: HTTPStatus.CONFLICT,
    Forbidden: HTTPStatus.FORBIDDEN,
    Blocked: HTTPStatus.FORBIDDEN,
    # Nobody knows for how long, so it goes without Retry-After.
    SpacePaused: HTTPStatus.SERVICE_UNAVAILABLE,
    PlaceClosed: HTTPStatus.FORBIDDEN,
    AskedTooMuch: HTTPStatus.UNPROCESSABLE_ENTITY,
    AgeRestricted: HTTPStatus.FORBIDDEN,
    WordsRefused: HTTPStatus.FORBIDDEN,
    ImageHeld: HTTPStatus.FORBIDDEN,
    NobodyHears: HTTPStatus.CONFLICT,
    AlreadyDecided: HTTPStatus.CONFLICT,
    QueueFull: HTTPStatus.SERVICE_UNAVAILABLE,
    ShareFull: HTTPStatus.TOO_MANY_REQUESTS,
    ShuttingDown: HTTPStatus.SERVICE_UNAVAILABLE,
    ImageFileLost: HTTPStatus.GONE,
    DiskFull: HTTPStatus.INSUFFICIENT_STORAGE,
    StorageTrouble: HTTPStatus.SERVICE_UNAVAILABLE,
}
STATUS_OF_FAILURE = {
    "cancelled": HTTPStatus.CONFLICT,
    "image_gone": HTTPStatus.GONE,
    "image_file_lost": HTTPStatus.GONE,
    "picture_refused": HTTPStatus.FORBIDDEN,
    "check_failed": HTTPStatus.INTERNAL_SERVER_ERROR,
    DiskFull.code: HTTPStatus.INSUFFICIENT_STORAGE,
    StorageTrouble.code: HTTPStatus.SERVICE_UNAVAILABLE,
    "refiner_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "style_unavailable": HTTPStatus.SERVICE_UNAVAILABLE,
    "painting_failed": HTTPStatus.INTERNAL_SERVER_ERROR,
    "out_of_memory": HTTPStatus.INTERNAL_SERVER_ERROR,
    WorkerDied.code: HTTPStatus.INTERNAL_SERVER_ERROR,
    LimnerError.code: HTTPStatus.INTERNAL_SERVER_ERROR,
}
#: What an image or a job that is there lacks, to be painted again.
MISSING = {
    "recipe": (
        "no_recipe",
        "Limner did not paint this picture, so there is nothing to paint again. It can be refined.",
    ),
    "parent": ("parent_gone", "The image that this was refined from is not there any more."),
}
CODE_OF_STATUS = {
    HTTPStatus.BAD_REQUEST: "malformed_request",
    HTTPStatus.UNAUTHORIZED: "unauthorized",
    HTTPStatus.NOT_FOUND: "not_found",
    HTTPStatus.METHOD_NOT_ALLOWED: "method_not_allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "body_too_large",
}

#: What pages of other sites, and names that are made to point here, are told.
FOREIGN_HOST, FOREIGN_ORIGIN = "foreign_host", "foreign_origin"
#: What a code means, where the docstring of its exception does not say so.
MEANINGS = {
    BadRequest.code: "One or more fields are wrong; `errors` names all of them.",
    AskedTooMuch.code: "More images or steps than the admins of this space allow; with 429, more unfinished jobs.",
    Forbidden.code: "It is there, and only its requester or a moderator may do this.",
    QueueFull.code: "The queue holds as many jobs as it may; come back after `Retry-After`.",
    ShareFull.code: "The places left in the queue are for those who have fewer in it; come back after `Retry-After`.",
    ShuttingDown.code: "Limner finishes what runs and takes nothing new; come back after `Retry-After`.",
    StorageTrouble.code: "The disk or the database refuses: read-only, locked, damaged. Nothing was changed.",
    DiskFull.code: "The disk is full. Nothing was changed, and what was accepted keeps its place.",
    ImageFileLost.code: "The index knows the image, and its file is missing or damaged.",
    "malformed_json": "The body is not JSON that can be read.",
    "malformed_request": "The body cannot be read.",
    "unauthorized": "No key, or a wrong one.",
    "not_found": "There is none, or none that this key may see.",
    "method_not_allowed": "This path knows other methods.",
    "body_too_large": "More than 64 KiB; of a picture, more than 25 MiB.",
    FOREIGN_HOST: "A server without keys was called by a name that it does not know.",
    FOREIGN_ORIGIN: "A page of another site sent it.",
    "no_recipe": "A picture that was brought cannot be painted again.",
    "parent_gone": "What was refined from an image that is gone cannot be painted again.",
    "cancelled": "The job was cancelled while its caller waited.",
    "image_gone": "The image was deleted while the job waited, or before its caller heard of it.",
    "picture_refused": "The image check flagged all pictures of the job, or a moderator took them down.",
    "check_failed": "The image check met an error, and what was not checked is not kept; the next job may do.",
    "painting_failed": "This job failed; the next may do.",
    "out_of_memory": "The picture did not fit into the device's memory; the detail names a size that did.",
    WorkerDied.code: "The job took its worker, or Limner, down twice and was set aside.",
    "refiner_unavailable": "The refiner could not be loaded; the next job that needs it tries again.",
    "style_unavailable": "The LoRA of the style or of the drafts cannot be used, or is set up no more.",
    LimnerError.code: "The picture could not be kept, or a mistake in Limner; the log says which.",
}


def answers() -> Iterator[tuple[HTTPStatus, str]]:
    """Each status and code that a caller may meet."""
    yield from ((status, error.code) for error, status in STATUS_OF.items())
    yield HTTPStatus.TOO_MANY_REQUESTS, AskedTooMuch.code
    yield from ((status, code) for status, code in CODE_OF_STATUS.items())
    yield HTTPStatus.BAD_REQUEST, "malformed_json"
    yield HTTPStatus.FORBIDDEN, FOREIGN_ORIGIN
    yield HTTPStatus.MISDIRECTED_REQUEST, FOREIGN_HOST
    yield from ((HTTPStatus.CONFLICT, code) for code, _ in MISSING.values())
    yield from ((status, code) for code, status in STATUS_OF_FAILURE.items())


#: What any route may answer, for the description.
DESCRIBED: dict[int | str, dict[str, Any]] = {
    statuses: {"description": words, "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}}
    for statuses, words in (("4XX", "Refused"), ("5XX", "Not now, or not as it should be"))
}

log = structlog.get_logger(__name__)


class Described(FastAPI):
    """FastAPI itself would describe problems as plain JSON, or as what else their route answers with."""

    def openapi(self) -> dict[str, Any]:
        document = super().openapi()
        document["components"]["schemas"]["Problem"] = Problem.model_json_schema()
        return document


def problem(
    status: HTTPStatus, code: str, detail: str, *, headers: dict[str, str] | None = None, **more: Any
) -> JSONResponse:
    body = Problem(title=status.phrase, status=status, code=code, detail=detail, **more)
    content = body.model_dump(exclude_defaults=True) | {"type": body.type}
    return JSONResponse(content, status, headers, MEDIA_TYPE)


def failed(code: str, detail: str, job_id: str) -> JSONResponse:
    """The answer to a caller who waited for a job that brought no image."""
    status = STATUS_OF_FAILURE.get(code, HTTPStatus.INTERNAL_SERVER_ERROR)
    return problem(status, code, detail, job_id=job_id)


def still_queued(job_id: str) -> JSONResponse:
    detail = "Limner is restarting. The job stays queued and is painted afterwards; ask GET /jobs/{id} for it."
    headers = {"Retry-After": str(RESTART)}
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, ShuttingDown.code, detail, headers=headers, job_id=job_id)


def install(app: FastAPI) -> None:
    app.add_exception_handler(LimnerError, _limner_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(Exception, _unexpected)


async def _limner_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, LimnerError)
    status = STATUS_OF.get(type(error), HTTPStatus.INTERNAL_SERVER_ERROR)
    match error:
        case BadRequest():
            return problem(status, error.code, str(error), errors=_listed(error.mistakes))
        case NotFound(kind=kind) if kind in MISSING:
            return problem(HTTPStatus.CONFLICT, *MISSING[kind])
        case QueueFull():
            return problem(status, error.code, str(error), headers={"Retry-After": str(error.retry_after)})
        case ShuttingDown():
            return problem(status, error.code, str(error), headers={"Retry-After": str(RESTART)})
        case AskedTooMuch(what="jobs"):
            # The request itself is fine, once an earlier one is done.
            return problem(HTTPStatus.TOO_MANY_REQUESTS, error.code, str(error))
        case _:
            return problem(status, error.code, str(error))


async def _validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    if any(found["type"] == "json_invalid" for found in error.errors()):
        return problem(HTTPStatus.BAD_REQUEST, "malformed_json", "The body is not JSON that can be read.")
    mistakes = tuple(_mistake(found) for found in error.errors())
    detail = " ".join(mistake.message for mistake in mistakes)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, BadRequest.code, detail, errors=_listed(mistakes))


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    status = HTTPStatus(error.status_code)
    code = CODE_OF_STATUS.get(status, "refused")
    headers = dict(error.headers or {})
    match status:
        case HTTPStatus.BAD_REQUEST:
            detail = "The body cannot be read: it must be JSON in UTF-8, without deep nesting and endless numbers."
        case HTTPStatus.NOT_FOUND:
            detail = "There is no such route; /openapi.json lists them all."
        case HTTPStatus.METHOD_NOT_ALLOWED:
            detail = f"This route does not take {request.method}; /openapi.json lists what it takes."
            headers["Allow"] = ", ".join(_allowed(request))
        case _:
            detail = str(error.detail)
    return problem(status, code, detail, headers=headers)


def _allowed(request: Request) -> Iterator[str]:
    """All that the path takes; routing itself names the methods of the first route alone."""
    for method in ("GET", "HEAD", "POST", "DELETE"):
        scope = {**request.scope, "method": method}
        if any(route.matches(scope)[0] is Match.FULL for route in request.app.routes):
            yield method


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("request failed", path=request.url.path, exc_info=error)
    detail = "Something went wrong inside Limner. It was written to the log; trying again may help."
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, LimnerError.code, detail)


def _mistake(found: dict[str, Any]) -> Mistake:
    """Names the field in the caller's terms: without where it was found, or which of two bodies it was."""
    _, *names = (str(part) for part in found["loc"])
    if names[:1] in (["generate"], ["refine"]) and (len(names) > 1 or found["type"] != "extra_forbidden"):
        del names[0]
    field = ".".join(names)
    match found["type"]:
        case "missing" | "model_attributes_type" if not names:
            return Mistake("body", "The body must be a JSON object, sent with the content type application/json.")
        case "missing":
            return Mistake(field, f"{field} is missing.")
        case "extra_forbidden":
            return Mistake(field, f"'{field}' is not a field of this request; /openapi.json lists them.")
        case "string_unicode":
            return Mistake(field or "body", f"{field or 'The name of a field'} holds broken Unicode.")
        case _:
            return Mistake(field, f"{field}: {found['msg']}.")


def _listed(mistakes: tuple[Mistake, ...]) -> list[dict[str, str]]:
    return [{"field": mistake.field, "message": mistake.message} for mistake in mistakes]
