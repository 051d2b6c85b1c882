"""The playground: a page to chat with Limner, one to watch it, and their files; all known when Limner starts."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Request, Response

from adapters.web import problems
from adapters.web.bodies import Index
from bot import __version__

CHAT, ADMIN = "index.html", "admin.html"
HTML = "text/html; charset=utf-8"
#: By the end of a file's name; what ends otherwise is not served.
TYPES = {
    ".html": HTML,
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
}
#: Nothing from elsewhere, nothing inline, in no frame.
POLICY = (
    "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {"Cache-Control": "no-cache", "Content-Security-Policy": POLICY, "X-Frame-Options": "DENY"}


@dataclass(frozen=True, slots=True)
class File:
    content: bytes
    media_type: str
    etag: str


Files = Mapping[str, File]


def read(folder: Traversable | None = None) -> Files:
    """By name. Blocking."""
    folder = folder or files("adapters.web") / "page"
    if not folder.is_dir():
        return {}
    return {
        entry.name: _file(entry.read_bytes(), TYPES[suffix])
        for entry in folder.iterdir()
        if (suffix := "." + entry.name.rpartition(".")[2]) in TYPES
    }


def _file(content: bytes, media_type: str) -> File:
    return File(content, media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


router = APIRouter(responses=problems.DESCRIBED)

PAGE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/html": {"schema": {"type": "string"}}}}}
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "As the caller has it: If-None-Match"}}
FILES: dict[int | str, dict[str, Any]] = {
    200: {"content": {kind.partition(";")[0]: {} for kind in TYPES.values()}, "description": "The file"}
}


@router.get("/", response_model=Index, responses=PAGE | UNCHANGED)
async def index(request: Request, response: Response) -> Response | Index:
    """Where to look next; for browsers, which ask for text/html, the playground."""
    response.headers["Vary"] = "Accept"
    page = files_of(request).get(CHAT)
    if page is None or not wants_html(request.headers.get("accept", "")):
        return Index(name="Limner", version=__version__, openapi="/openapi.json", status="/status")
    return _answer(page, request, Vary="Accept")


@router.get("/admin", response_class=Response, responses=PAGE | UNCHANGED)
async def admin(request: Request) -> Response:
    """The page that shows what `/activity` tells."""
    return _answer(_found(request, ADMIN), request)


@router.get("/page/{name}", response_class=Response, responses=FILES | UNCHANGED)
async def page(name: Annotated[str, Path(examples=["style.css"])], request: Request) -> Response:
    """A file of the two pages."""
    return _answer(_found(request, name), request)


def files_of(request: Request) -> Files:
    known: Files = request.app.state.files
    return known


def _found(request: Request, name: str) -> File:
    file = files_of(request).get(name)
    if file is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return file


def _answer(file: File, request: Request, **more: str) -> Response:
    headers = {**HEADERS, "ETag": file.etag, **more}
    known = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if known & {file.etag, "*"}:
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(file.content, headers=headers, media_type=file.media_type)


def wants_html(accept: str) -> bool:
    """It is named, and JSON is not named as what is rather wanted."""
    wanted = {"text/html": 0.0, "application/json": 0.0}
    for part in accept.lower().split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        if kind in wanted:
            wanted[kind] = max(wanted[kind], _weight(parameters))
    return wanted["text/html"] > 0 and wanted["text/html"] >= wanted["application/json"]


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
