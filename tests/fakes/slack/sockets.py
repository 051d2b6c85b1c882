"""Socket Mode: tickets, sockets, and the envelopes that go over them."""

import asyncio
import json
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web

from tests.fakes.slack.messages import Json
from tests.fakes.slack.problems import Refused

if TYPE_CHECKING:
    from tests.fakes.slack.server import FakeSlack

MOST_CONNECTIONS = 10
#: Seconds between what is said and the end of a socket.
NOTICE = {"warning": 10.0, "refresh_requested": 0.5, "link_disabled": 0.5}
#: Seconds that a closing socket waits for the other side.
GOODBYE = 0.05
#: What Slack says a socket will last, in seconds.
LIFETIME = 18060


class Connection:
    """One socket. What it is told is sent in order by a task of its own, so that nobody waits for the bot."""

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        self.socket = socket
        self.transport = transport
        #: Envelopes that are not acknowledged yet.
        self.open: set[str] = set()
        self._queue: asyncio.Queue[str] = asyncio.Queue()

    def send(self, told: Json) -> None:
        self._queue.put_nowait(json.dumps(told))

    async def write(self) -> None:
        with suppress(ConnectionError):
            while True:
                told = await self._queue.get()
                await self.socket.send_str(told)
                self._queue.task_done()

    async def flush(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._queue.join(), GOODBYE)


class Sockets:
    def __init__(self, fake: "FakeSlack") -> None:
        self._fake = fake
        self._tickets: set[str] = set()
        self._connections: list[Connection] = []
        self._door = asyncio.Event()
        self._door.set()
        #: All that there ever were.
        self.connections = 0
        #: Slack told the bot to connect anew, so that what comes meanwhile waits a little.
        self.come_back = False

    @property
    def ready(self) -> bool:
        return bool(self._connections)

    def ticket(self) -> str:
        """A URL that is good for one connection."""
        if not self._fake.manifest.socket_mode:
            raise Refused("not_allowed", ["the manifest does not switch Socket Mode on"])
        ticket = secrets.token_hex(16)
        self._tickets.add(ticket)
        return f"ws{self._fake.url.removeprefix('http')}/link/?ticket={ticket}&app_id={self._fake.app_id}"

    def send(self, envelope_id: str, told: Json) -> bool:
        """To one of the sockets; false where there is none."""
        if not self._connections:
            return False
        connection = self._connections.pop(0)
        self._connections.append(connection)
        connection.open.add(envelope_id)
        connection.send(told)
        return True

    async def serve(self, request: web.Request) -> web.StreamResponse:
        await self._door.wait()
        if request.query.get("ticket") not in self._tickets:
            return web.Response(status=404, text="no such ticket")
        self._tickets.remove(request.query["ticket"])
        socket = web.WebSocketResponse(timeout=GOODBYE)
        await socket.prepare(request)
        assert isinstance(request.transport, asyncio.Transport)
        connection = Connection(socket, request.transport)
        writer = asyncio.create_task(connection.write(), name="a socket's sender")
        try:
            await self._welcome(connection)
            await self._listen(connection)
        finally:
            self._forget(connection)
            writer.cancel()
            await asyncio.wait([writer])
        return socket

    async def _welcome(self, connection: Connection) -> None:
        if len(self._connections) >= MOST_CONNECTIONS:
            connection.send(self._goodbye("too_many_websockets"))
            await connection.flush()
            await connection.socket.close()
            return
        self.connections += 1
        hello = {
            "type": "hello",
            "num_connections": len(self._connections) + 1,
            "debug_info": self._debug | {"approximate_connection_time": LIFETIME},
            "connection_info": {"app_id": self._fake.app_id},
        }
        connection.send(hello)
        await connection.socket.ping(b"Ping from the fake")
        self._connections.append(connection)
        self.come_back = False
        self._fake.deliveries.connected()
        self._fake.bell.ring()

    async def _listen(self, connection: Connection) -> None:
        async for message in connection.socket:
            if message.type is WSMsgType.TEXT:
                told = message.json()
                connection.open.discard(told.get("envelope_id"))
                self._fake.deliveries.acknowledged(told.get("envelope_id"), told.get("payload"))

    def _forget(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
        # A bot that was told to connect anew acknowledges over its next socket what came over this one.
        for envelope_id in () if self.come_back else connection.open:
            self._fake.deliveries.interrupted(envelope_id)
        self._fake.bell.ring()

    @property
    def _debug(self) -> Json:
        return {"host": "applink-fake", "build_number": 1}

    def _goodbye(self, reason: str) -> Json:
        return {"type": "disconnect", "reason": reason, "debug_info": self._debug}

    # Mishaps

    async def drop(self, reason: str | None) -> None:
        """Every socket, some time after the reason was told; at once and without a word where there is none."""
        gone, self.come_back = list(self._connections), reason is not None
        if reason is None:
            await self._close(gone)
            return
        for connection in gone:
            connection.send(self._goodbye(reason))
            await connection.flush()
        self._fake.agenda.after(NOTICE[reason], lambda: self._fake.spawn(self._close(gone)))

    async def _close(self, connections: list[Connection]) -> None:
        for connection in connections:
            if connection in self._connections:
                self._connections.remove(connection)
            await connection.socket.close()

    def lose(self) -> None:
        """The network swallows all that is sent over every socket, and neither side is told."""
        for connection in self._connections:
            connection.transport.pause_reading()
        self._connections.clear()

    def spend(self) -> None:
        """Tickets are good for some seconds, which are over."""
        self._tickets.clear()

    def bar(self) -> None:
        """Those who come wait at the door, until `unbar`."""
        self._door.clear()

    def unbar(self) -> None:
        self._door.set()

    async def close(self) -> None:
        self.unbar()
        await self._close(list(self._connections))
