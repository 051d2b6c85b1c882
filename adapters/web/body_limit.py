"""Refuses long bodies before anything reads them."""

from collections.abc import Collection
from http import HTTPStatus

from fastapi import HTTPException, Request
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.web.problems import problem

BYTES_MAX = 64 * 1024
#: What a platform sends may hold whole messages.
DOOR_BYTES_MAX = 1024 * 1024


class BodyLimit:
    """ASGI middleware. Reads at most `BYTES_MAX`, of a door's `DOOR_BYTES_MAX`, then plays the body back to the app."""

    def __init__(self, app: ASGIApp, doors: Collection[str] = (), read_there: Collection[tuple[str, str]] = ()) -> None:
        """`doors`: their paths. `read_there`: method and path of what reads, and limits, its body by itself."""
        self._app = app
        self._doors = doors
        self._read_there = read_there

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or (scope["method"], scope["path"]) in self._read_there:
            await self._app(scope, receive, send)
            return
        most = DOOR_BYTES_MAX if scope["path"] in self._doors else BYTES_MAX
        body = await _read(receive, most)
        if body is None:
            refusal = problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", too_long(f"{most // 1024} KiB"))
            await refusal(scope, receive, send)
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)


def too_long(most: str) -> str:
    return f"The body is too long: up to {most} are taken."


async def read_whole(request: Request, most: int) -> bytes:
    """For a route that reads its body by itself, once it knows who asks: `most` may be much."""
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > most:
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, too_long(f"{most // 2**20} MiB"))
    except ClientDisconnect:
        # Nobody will read it, and nothing of a half-sent body is kept.
        raise HTTPException(HTTPStatus.BAD_REQUEST) from None
    return bytes(body)


async def _read(receive: Receive, most: int) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if not message.get("more_body", False):
            return bytes(body)
