"""The Gateway: sessions that outlive their sockets, and the events that they are told."""

import asyncio
import json
import secrets
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import WSMsgType, web
from discord import Intents

from tests.fakes.discord import message_payloads, payloads
from tests.fakes.discord.messages import FakeMessage, Json

if TYPE_CHECKING:
    from tests.fakes.discord.asked import Asked
    from tests.fakes.discord.places import Guild
    from tests.fakes.discord.server import FakeDiscord

#: Of the Gateway, as in Discord's documentation.
DISPATCH, HEARTBEAT, IDENTIFY, RESUME, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 0, 1, 2, 6, 9, 10, 11
#: With which the Gateway closes.
UNKNOWN_ERROR, NOT_AUTHENTICATED, AUTHENTICATION_FAILED, DISALLOWED_INTENTS = 4000, 4003, 4004, 4014
HEARTBEAT_MILLISECONDS = 41_250
#: Those that Discord gives only on request.
PRIVILEGED = Intents(members=True, presences=True, message_content=True)
#: Seconds that a closing socket waits for the other side, which discord.py lets pass.
GOODBYE = 0.05


class Connection:
    """One socket. What it is told is sent in order by a task of its own, so that nobody waits for the bot."""

    def __init__(self, socket: web.WebSocketResponse, *, compressed: bool) -> None:
        self.socket = socket
        self.session: Session | None = None
        self._queue: asyncio.Queue[str] = asyncio.Queue()
        self._zlib = zlib.compressobj() if compressed else None

    def send(self, payload: str) -> None:
        self._queue.put_nowait(payload)

    async def write(self) -> None:
        while True:
            payload = await self._queue.get()
            if self._zlib is None:
                await self.socket.send_str(payload)
            else:
                data = self._zlib.compress(payload.encode()) + self._zlib.flush(zlib.Z_SYNC_FLUSH)
                await self.socket.send_bytes(data)


class Session:
    def __init__(self, shard: int, shards: int, intents: Intents) -> None:
        self.id = secrets.token_hex(16)
        self.shard = shard
        self.shards = shards
        self.intents = intents
        self.connection: Connection | None = None
        self._sent: list[str] = []

    def dispatch(self, event: str, data: Json) -> None:
        """Kept, so that a bot that comes back hears of it."""
        payload = json.dumps({"op": DISPATCH, "t": event, "s": len(self._sent) + 1, "d": data})
        self._sent.append(payload)
        if self.connection:
            self.connection.send(payload)

    def replay(self, sequence: int) -> None:
        """All that was dispatched after this number."""
        assert self.connection
        for payload in self._sent[sequence:]:
            self.connection.send(payload)

    def hears_of(self, guild_id: int | None) -> bool:
        return self.shard == ((guild_id or 0) >> 22) % self.shards


class Gateway:
    def __init__(self, fake: "FakeDiscord", shards: int) -> None:
        self._fake = fake
        self._shards = shards
        self._connections: set[Connection] = set()
        #: By ID. A shard that identifies anew leaves no older session behind.
        self._sessions: dict[str, Session] = {}
        self._open = asyncio.Event()
        self._open.set()
        #: Nobody can connect.
        self.refuses = False
        self.connections = self.identifies = self.resumes = 0

    @property
    def ready(self) -> bool:
        """Whether each shard is connected and has a session."""
        return {session.shard for session in self._sessions.values() if session.connection} == set(range(self._shards))

    @property
    def sessions(self) -> list[Session]:
        return list(self._sessions.values())

    # What happens in the world

    def tell_guild(self, event: str, data: Json, guild: "Guild") -> None:
        if guild.has_bot:
            self._tell(event, data, guild.id, lambda intents: intents.guilds)

    def tell_message(self, event: str, message: FakeMessage) -> None:
        """A message that the bot can see was posted, edited or deleted."""
        channel, guild = message.channel, message.channel.guild
        if not channel.has_bot or channel.lacks_bot or not channel.may(self._fake.bot, "view_channel"):
            return
        data: Json = {"id": str(message.id), "channel_id": str(channel.id)}
        if event != "MESSAGE_DELETE":
            whole = message_payloads.readable(message)
            data = message_payloads.message(message, whole=whole, nonce=event == "MESSAGE_CREATE")
            data["channel_type"] = int(channel.kind)
        if guild:
            data["guild_id"] = str(guild.id)
            if event != "MESSAGE_DELETE" and message.asked is None and message.webhook_id is None:
                data["member"] = payloads.member(guild, message.author)
        self._tell(
            event,
            data,
            guild.id if guild else None,
            lambda intents: intents.guild_messages if guild else intents.dm_messages,
        )

    def tell_interaction(self, asked: "Asked") -> None:
        guild = asked.channel.guild
        self._tell("INTERACTION_CREATE", asked.payload, guild.id if guild else None, lambda intents: True)

    def _tell(self, event: str, data: Json, guild_id: int | None, wanted: Callable[[Intents], bool]) -> None:
        for session in self._sessions.values():
            if session.hears_of(guild_id) and wanted(session.intents):
                session.dispatch(event, data)
        self._fake.bell.ring()

    # Sockets

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if self.refuses:
            return web.Response(status=503, text="no healthy upstream")
        await self._open.wait()
        compression = request.query.get("compress")
        if compression not in (None, "zlib-stream"):
            self._fake.violations.append(f"The Gateway fake does not know the compression {compression!r}.")
        # Discord's client sends as it likes; only what the server sends is compressed, by the Gateway's own way.
        socket = web.WebSocketResponse(compress=False, timeout=GOODBYE)
        await socket.prepare(request)
        connection = Connection(socket, compressed=compression == "zlib-stream")
        self._connections.add(connection)
        self.connections += 1
        writer = asyncio.create_task(connection.write(), name="the Gateway's sender")
        connection.send(json.dumps({"op": HELLO, "d": {"heartbeat_interval": HEARTBEAT_MILLISECONDS}}))
        try:
            await self._listen(connection)
        finally:
            self._forget(connection)
            writer.cancel()
            await asyncio.wait([writer])
        return socket

    async def _listen(self, connection: Connection) -> None:
        async for message in connection.socket:
            if message.type is not WSMsgType.TEXT:
                continue
            payload = message.json()
            match payload["op"]:
                case op if op == HEARTBEAT:
                    connection.send(json.dumps({"op": HEARTBEAT_ACK}))
                case op if op == IDENTIFY:
                    await self._identify(connection, payload["d"])
                case op if op == RESUME:
                    await self._resume(connection, payload["d"])
                case _ if connection.session is None:
                    await connection.socket.close(code=NOT_AUTHENTICATED)

    async def _identify(self, connection: Connection, wish: Json) -> None:
        self.identifies += 1
        intents = Intents._from_value(wish["intents"])
        if wish["token"] != self._fake.token:
            await connection.socket.close(code=AUTHENTICATION_FAILED)
        elif forbidden := intents.value & PRIVILEGED.value:
            names = [name for name, given in Intents._from_value(forbidden) if given]
            self._fake.violations.append(f"IDENTIFY asks for privileged intents: {names}.")
            await connection.socket.close(code=DISALLOWED_INTENTS)
        else:
            shard, shards = wish.get("shard", (0, 1))
            self._begin(connection, Session(shard, shards, intents))
        self._fake.bell.ring()

    def _begin(self, connection: Connection, session: Session) -> None:
        self._sessions = {one.id: one for one in self._sessions.values() if one.shard != session.shard}
        self._sessions[session.id] = session
        self._attach(connection, session)
        guilds = [one for one in self._fake.guilds.values() if one.has_bot and session.hears_of(one.id)]
        session.dispatch(
            "READY",
            {
                "v": 10,
                "user": payloads.user(self._fake.bot) | {"verified": True, "mfa_enabled": True, "email": None},
                "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
                "session_id": session.id,
                "resume_gateway_url": self._fake.gateway_url,
                "shard": [session.shard, session.shards],
                "application": {"id": str(self._fake.application_id), "flags": 0},
            },
        )
        for guild in guilds if session.intents.guilds else ():
            session.dispatch("GUILD_CREATE", payloads.guild(guild))

    async def _resume(self, connection: Connection, wish: Json) -> None:
        if wish["token"] != self._fake.token:
            await connection.socket.close(code=AUTHENTICATION_FAILED)
        elif session := self._sessions.get(wish["session_id"]):
            self.resumes += 1
            self._attach(connection, session)
            session.replay(wish["seq"])
            session.dispatch("RESUMED", {})
            self._fake.bell.ring()
        else:
            connection.send(json.dumps({"op": INVALID_SESSION, "d": False}))

    def _attach(self, connection: Connection, session: Session) -> None:
        connection.session = session
        session.connection = connection

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if connection.session and connection.session.connection is connection:
            connection.session.connection = None
        self._fake.bell.ring()

    # Mishaps

    async def drop(self, *, resumable: bool) -> None:
        """Every socket; the bot may come back at once."""
        for connection in list(self._connections):
            self._forget(connection)
            if resumable:
                await connection.socket.close(code=UNKNOWN_ERROR)
            else:
                if connection.session:
                    self._sessions.pop(connection.session.id, None)
                connection.send(json.dumps({"op": INVALID_SESSION, "d": False}))

    def bar(self) -> None:
        """Those who come wait at the door, until `unbar`."""
        self._open.clear()

    def unbar(self) -> None:
        self._open.set()

    async def close(self) -> None:
        self.unbar()
        for connection in list(self._connections):
            await connection.socket.close(code=1001)
