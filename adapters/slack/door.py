"""Where Slack comes in by HTTP: what bears Slack's signature is handed to bolt, all else is refused."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from prometheus_client import Histogram
from slack_bolt.adapter.asgi.async_handler import AsyncSlackRequestHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.signature import Clock, SignatureVerifier

from adapters.slack.manifest import HTTP_PATH

Part = MutableMapping[str, Any]

TIMESTAMP, SIGNATURE = b"x-slack-request-timestamp", b"x-slack-signature"
REFUSED = b"This is for Slack alone: the signature is missing, wrong or old."


class Door:
    """ASGI app. Slack's verifier looks before bolt reads anything, as bolt would fail over what is no JSON."""

    def __init__(
        self, bolt: AsyncApp, signing_secret: str, clock: Callable[[], float], acknowledgement: Histogram
    ) -> None:
        """`acknowledgement` is told how many seconds each took."""
        self._bolt = AsyncSlackRequestHandler(bolt, HTTP_PATH)
        self._acknowledgement = acknowledgement
        self._verifier = SignatureVerifier(signing_secret, _SlackClock(clock))

    async def __call__(
        self, scope: Part, receive: Callable[[], Awaitable[Part]], send: Callable[[Part], Awaitable[None]]
    ) -> None:
        body = await _read(receive)
        if not self._is_genuine(dict(scope["headers"]), body):
            await send({"type": "http.response.start", "status": 401, "headers": [(b"content-type", b"text/plain")]})
            await send({"type": "http.response.body", "body": REFUSED})
            return

        async def replay() -> Part:
            return {"type": "http.request", "body": body}

        with self._acknowledgement.time():
            await self._bolt(dict(scope), replay, send)

    def _is_genuine(self, headers: dict[bytes, bytes], body: bytes) -> bool:
        try:
            timestamp, signature = headers[TIMESTAMP].decode("ascii"), headers[SIGNATURE].decode("ascii")
            return self._verifier.is_valid(body, timestamp, signature)
        except (KeyError, ValueError, OverflowError):
            return False


class _SlackClock(Clock):
    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now

    def now(self) -> float:
        return self._now()


async def _read(receive: Callable[[], Awaitable[Part]]) -> bytes:
    """How long it may be is decided by who opens the door."""
    body = bytearray()
    while True:
        part = await receive()
        body += part.get("body", b"")
        if not part.get("more_body", False):
            return bytes(body)
