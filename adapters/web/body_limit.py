"""Refuses long bodies before anything reads them."""

from collections.abc import Collection
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.web.problems import problem

BYTES_MAX = 64 * 1024
#: What a platform sends may hold whole messages.
DOOR_BYTES_MAX = 1024 * 1024


class BodyLimit:
    """ASGI middleware. Reads at most `BYTES_MAX`, of a door's `DOOR_BYTES_MAX`, then plays the body back to the app."""

    def __init__(self, app: ASGIApp, doors: Collection[str] = ()) -> None:
        """`doors`: their paths."""
        self._app = app
        self._doors = doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = DOOR_BYTES_MAX if scope["path"] in self._doors else BYTES_MAX
        body = await _read(receive, most)
        if body is None:
            detail = f"The body is too long: up to {most // 1024} KiB are taken."
            refusal = problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", detail)
            await refusal(scope, receive, send)
            return
        messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return messages.pop() if messages else await receive()

        await self._app(scope, replay, send)


async def _read(receive: Receive, most: int) -> bytes | None:
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if len(body) > most:
            return None
        if not message.get("more_body", False):
            return bytes(body)
