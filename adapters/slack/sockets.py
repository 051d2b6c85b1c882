"""Socket Mode: what Slack tells over a socket is handed to bolt and acknowledged.

In place of slack_sdk's client, which closes a socket before it has the next one, so that what is under way is lost, and
which knocks for ever with the same ticket, though a ticket is good for one connection and some seconds.
"""

import asyncio
import json
import time
from collections.abc import Coroutine
from typing import Any, Self

import aiohttp
import structlog
from prometheus_client import Histogram
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.response import BoltResponse
from slack_sdk.socket_mode.request import SocketModeRequest

#: Seconds in which a socket must be open, and as many in which Slack must say hello.
OPENING = 10.0
#: Seconds that a closing socket waits for Slack's farewell.
GOODBYE = aiohttp.ClientWSTimeout(ws_close=1.0)
HELLO, LOST = "hello", "lost"

log = structlog.get_logger(__name__)


class Socket:
    def __init__(self, wire: aiohttp.ClientWebSocketResponse) -> None:
        self.wire = wire
        #: HELLO, then why another socket is wanted: Slack's reason, or LOST.
        self.news: asyncio.Queue[str] = asyncio.Queue()

    async def greeting(self) -> str:
        """HELLO, or why there is none; without a word the socket is given up."""
        try:
            # Not wait_for, which Python 3.11 does not let be cancelled once there is a result.
            async with asyncio.timeout(OPENING):
                return await self.news.get()
        except TimeoutError:
            await self.wire.close()
            return LOST


class Sockets:
    """All that are open; mostly one, and two while one hands over to the next."""

    def __init__(self, bolt: AsyncApp, ping_interval: float, acknowledgement: Histogram) -> None:
        """A dead socket is found out after one and a half times `ping_interval` seconds.

        `acknowledgement` is told how many seconds each took.
        """
        self._bolt = bolt
        self._acknowledgement = acknowledgement
        self._ping_interval = ping_interval
        self._open: list[Socket] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        for socket in list(self._open):
            await socket.wire.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

    async def open(self, url: str) -> Socket:
        """Raises aiohttp.ClientError, TimeoutError, OSError."""
        client = self._bolt.client
        async with asyncio.timeout(OPENING):
            wire = await self._session.ws_connect(
                url,
                heartbeat=self._ping_interval,
                timeout=GOODBYE,
                proxy=client.proxy,
                ssl=True if client.ssl is None else client.ssl,
            )
        socket = Socket(wire)
        self._open.append(socket)
        self._begin(self._listen(socket), "slack socket")
        return socket

    async def _listen(self, socket: Socket) -> None:
        try:
            async for message in socket.wire:
                if message.type is aiohttp.WSMsgType.TEXT and message.data.startswith("{"):
                    self._hear(json.loads(message.data), socket)
        finally:
            self._open.remove(socket)
            socket.news.put_nowait(LOST)
            await socket.wire.close()

    def _hear(self, told: dict[str, Any], socket: Socket) -> None:
        match told:
            case {"type": "hello"}:
                socket.news.put_nowait(HELLO)
            case {"type": "disconnect"}:
                socket.news.put_nowait(str(told.get("reason")))
            case {"envelope_id": str(envelope_id)}:
                self._begin(self._answer(told, envelope_id, socket), "slack envelope")

    async def _answer(self, told: dict[str, Any], envelope_id: str, socket: Socket) -> None:
        request = SocketModeRequest.from_dict(told)
        assert request is not None
        began = time.monotonic()
        response: BoltResponse = await run_async_bolt_app(self._bolt, request)
        if response.status == 200:
            await self._acknowledge(_acknowledgement(envelope_id, response), socket)
            self._acknowledgement.observe(time.monotonic() - began)

    async def _acknowledge(self, acknowledgement: dict[str, Any], socket: Socket) -> None:
        """Over any socket: the one that it came by may be gone."""
        for one in (socket, *reversed(self._open)):
            if not one.wire.closed:
                try:
                    await one.wire.send_json(acknowledgement)
                except ConnectionError:
                    continue
                return
        log.info("slack could not hear that something arrived; it tells events again")

    def _begin(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("slack was not understood", exc_info=error)


def _acknowledgement(envelope_id: str, response: BoltResponse) -> dict[str, Any]:
    if not response.body:
        return {"envelope_id": envelope_id}
    is_json = response.first_headers().get("content-type", "").startswith("application/json")
    return {"envelope_id": envelope_id, "payload": json.loads(response.body) if is_json else {"text": response.body}}
