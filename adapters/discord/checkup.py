"""Looks at Discord as the bot would: the token, the servers that it is in, the Gateway. It starts no session, so that a
bot that runs meanwhile is not disturbed."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace

import aiohttp
import discord
import yarl

from adapters.chat.checkup import Found, named
from adapters.discord.client import UNREACHABLE, point_to
from adapters.discord.invite import invitation
from adapters.discord.markdown import plain
from adapters.discord.place import INVITED, NEEDED
from adapters.discord.words import words_for

#: For all of it.
SECONDS = 10.0
#: For closing a socket politely.
GOODBYE = 0.5
#: Servers in one answer of Discord, and such answers that are asked for.
PAGE, PAGES = 200, 5
#: Servers whose channels are looked at.
LOOKED_INTO = 10
#: Characters of a name.
NAME = 40
HELLO = 10
#: Subjects.
BOT, INVITE, GATEWAY = "discord bot", "discord invite", "discord gateway"
SERVERS, SERVER = "discord servers", "discord server"
PORTAL = "https://discord.com/developers/applications"
STATUS = "https://discordstatus.com"
TRIES = "Limner tries again by itself."

ENGLISH = words_for("en")
PERMISSION = "permission."
#: All that the invitation asks for, with its name in Discord's settings.
ASKED_FOR = {
    name: sentence
    for key, sentence in ENGLISH.sentences.items()
    if getattr(INVITED, name := key.removeprefix(PERMISSION), False)
}

#: Where pictures are asked for and shown. Posts of a forum are threads.
Channel = discord.TextChannel | discord.VoiceChannel | discord.ForumChannel


@dataclass(frozen=True, slots=True)
class Server:
    id: int
    name: str
    permissions: discord.Permissions

    @property
    def lacking(self) -> list[str]:
        """In the whole server, of what the invitation asks for."""
        return [] if self.permissions.administrator else _lacking(self.permissions, ASKED_FOR)


async def checkup(
    token: str, *, api_url: str | None = None, gateway_url: str | None = None, seconds: float = SECONDS
) -> list[Found]:
    """All that is well and all that is not, within so many seconds."""
    point_to(api_url, gateway_url)
    statuses: list[int] = []
    async with discord.Client(intents=discord.Intents(guilds=True), http_trace=_noting(statuses)) as client:
        checkup = Checkup(client, api_url, gateway_url, statuses, seconds)
        known = await checkup.told(BOT, lambda: checkup.bot(token))
        if client.application is None:
            return known
        rest = await asyncio.gather(checkup.told(SERVERS, checkup.servers), checkup.told(GATEWAY, checkup.gateway))
        return [*known, *(found for part in rest for found in part)]


def _noting(statuses: list[int]) -> aiohttp.TraceConfig:
    """Of all answers, also of those after which the library tries again."""

    async def note(_: aiohttp.ClientSession, __: SimpleNamespace, params: aiohttp.TraceRequestEndParams) -> None:
        statuses.append(params.response.status)

    trace = aiohttp.TraceConfig()
    trace.on_request_end.append(note)
    return trace


class Checkup:
    def __init__(
        self,
        client: discord.Client,
        api_url: str | None,
        gateway_url: str | None,
        statuses: Sequence[int],
        seconds: float,
    ) -> None:
        self._client = client
        self._api_url = api_url
        self._gateway_url = gateway_url
        self._statuses = statuses
        self._seconds = seconds
        self._until = asyncio.get_running_loop().time() + seconds

    async def told(self, subject: str, look: Callable[[], Awaitable[list[Found]]]) -> list[Found]:
        """What is found there, or why nothing can be."""
        try:
            async with asyncio.timeout_at(self._until):
                return await look()
        except discord.LoginFailure:
            what = "Discord refuses DISCORD_TOKEN"
            remedy = f"Copy the token again from the page Bot of your application at {PORTAL}, or reset it there."
            return [Found(subject, what, remedy)]
        except UNREACHABLE as error:
            return [self._mishap(subject, error)]
        except (KeyError, TypeError, ValueError):
            return [Found(subject, "something answers, but not as Discord does", self._where_it_is())]

    def _mishap(self, subject: str, error: Exception) -> Found:
        cause = error.__cause__ if isinstance(error, discord.GatewayNotFound) else error
        if isinstance(cause, discord.HTTPException):
            status: int | None = cause.status
        elif isinstance(cause, TimeoutError):
            status = self._statuses[-1] if self._statuses and self._statuses[-1] >= 400 else None
        else:
            return Found(subject, f"cannot be reached: {cause}", self._how_to_reach_it(subject))
        if status is None:
            return Found(subject, f"no answer within {self._seconds:g} seconds", self._how_to_reach_it(subject))
        if status == 429:
            remedy = "Wait an hour. If it stays so, find out what else asks Discord from this machine's address."
            return Found(subject, "Discord takes no more from here at the moment: too many requests (429)", remedy)
        if status >= 500:
            return Found(subject, f"Discord has a fault (it answers {status})", f"Try again later; see {STATUS}.")
        return Found(subject, f"Discord refuses to tell (it answers {status})", self._where_it_is())

    def _where_it_is(self) -> str:
        if self._api_url is not None:
            return f"Correct LIMNER_DISCORD_API_URL ({self._api_url}); it ends in /api/v10. Or leave it out."
        return f"Look whether something between here and discord.com answers in its place; see also {STATUS}."

    def _how_to_reach_it(self, subject: str) -> str:
        ours = {"LIMNER_DISCORD_API_URL": self._api_url}
        if subject == GATEWAY:
            ours["LIMNER_DISCORD_GATEWAY_URL"] = self._gateway_url
        if named := [f"{name} ({url})" for name, url in ours.items() if url is not None]:
            return f"Look whether this is right, and what is there runs: {', '.join(named)}. {TRIES}"
        hosts = "gateway.discord.gg" if subject == GATEWAY else "discord.com"
        return f"Look at this machine's network: {hosts} must be reached on port 443. See also {STATUS}. {TRIES}"

    async def bot(self, token: str) -> list[Found]:
        """Who the token belongs to."""
        await self._client.login(token)
        application = self._client.application
        assert application is not None
        name, page = plain(application.name, NAME), f"{PORTAL}/{application.id}"
        found = [
            Found(BOT, f"{self._client.user} of the application {name}, ID {application.id}"),
            Found(INVITE, self._invitation),
        ]
        if application.bot_require_code_grant:
            remedy = f"Turn Requires OAuth2 Code Grant off at {page}/bot."
            found.append(Found(INVITE, "the link lets nobody in: it asks for a code grant", remedy))
        if elsewhere := application.interactions_endpoint_url:
            what = f"commands and buttons go to {elsewhere}, and not to Limner"
            remedy = f"Empty the field Interactions Endpoint URL at {page}/information."
            found.append(Found(BOT, what, remedy))
        return found

    @property
    def _invitation(self) -> str:
        assert self._client.application_id is not None
        return invitation(self._client.application_id)

    async def gateway(self) -> list[Found]:
        """As far as HELLO: what follows would start a session, of which there are so many in a day."""
        _, url, starts = await self._client.http.get_bot_gateway()
        address = yarl.URL(self._gateway_url or url)
        socket = await self._client.http.ws_connect(str(address.with_query(v=10, encoding="json")))
        first = await socket.receive()
        if first.type is not aiohttp.WSMsgType.TEXT or first.json()["op"] != HELLO:
            return [Found(GATEWAY, "it closes the connection at once", self._how_to_reach_it(GATEWAY))]
        with suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE):
                await socket.close()
        total, left = starts["total"], starts["remaining"]
        what = f"{address.host} says hello; {left} of {total} connections are left today"
        hours = -(-starts["reset_after"] // 3_600_000)
        remedy = (
            f"Find out what connects so often: each start takes one. All {total} are there again in {hours} h; when "
            "none is left, Discord resets the token."
        )
        return [Found(GATEWAY, what, remedy if left < total // 10 else None)]

    async def servers(self) -> list[Found]:
        servers = await self._all_servers()
        if not servers:
            return [Found(SERVERS, "the bot is in none", f"Open {self._invitation} and choose a server.")]
        looked_into = await asyncio.gather(*map(self._channels, servers[:LOOKED_INTO]))
        wrong = [*(found for server in servers for found in self._whole(server)), *(one for one in looked_into if one)]
        more = len(wrong) - LOOKED_INTO
        if more > 0:
            remedy = f"Mend those above, then look again. {self._invitation} mends what holds in a whole server."
            wrong[LOOKED_INTO:] = [Found(SERVER, f"and {more} more in which something is missing", remedy)]
        names = named([server.name for server in servers])
        partly = f"; the channels of the first {LOOKED_INTO} were looked at" if len(servers) > LOOKED_INTO else ""
        return [Found(SERVERS, names + partly), *wrong]

    async def _all_servers(self) -> list[Server]:
        servers: list[Server] = []
        for _ in range(PAGES):
            last = servers[-1].id if servers else None
            page = await self._client.http.get_guilds(PAGE, after=last, with_counts=False)
            servers += [
                Server(int(one["id"]), plain(one["name"], NAME), discord.Permissions(int(one["permissions"])))
                for one in page
            ]
            if len(page) < PAGE:
                break
        return servers

    def _whole(self, server: Server) -> Iterator[Found]:
        if server.lacking:
            what = f"in {server.name} the bot lacks {', '.join(ASKED_FOR[name] for name in server.lacking)}"
            remedy = f"Open {self._invitation} once more, or change the bot's role in Server Settings > Roles."
            yield Found(SERVER, what, remedy)

    async def _channels(self, server: Server) -> Found | None:
        """In which of them it cannot show pictures, though they look as if it could."""
        assert self._client.user is not None
        try:
            guild = await self._client.fetch_guild(server.id, with_counts=False)
            me, channels = await asyncio.gather(guild.fetch_member(self._client.user.id), guild.fetch_channels())
        except (discord.Forbidden, discord.NotFound, discord.InvalidData):
            # It was thrown out meanwhile, or there are channels of a kind that the library does not know yet.
            return None
        lacking: dict[str, list[str]] = {}
        for channel in channels:
            if isinstance(channel, Channel) and (name := _missing(channel, me)) and name not in server.lacking:
                lacking.setdefault(name, []).append(f"#{plain(channel.name, NAME)}")
        if not lacking:
            return None
        parts = [f"{ASKED_FOR[name]} in {named(names)}" for name, names in lacking.items()]
        remedy = "Give it to the bot's role in the channel's settings, under Permissions."
        return Found(SERVER, f"in {server.name} the bot lacks {'; '.join(parts)}", remedy)


def _missing(channel: Channel, me: discord.Member) -> str | None:
    """The first that it needs there; without it, Discord gives it none of those that follow."""
    sends = "send_messages_in_threads" if isinstance(channel, discord.ForumChannel) else "send_messages"
    everyone, mine = channel.permissions_for(channel.guild.default_role), channel.permissions_for(me)
    if everyone.view_channel and not getattr(everyone, sends):
        # To be read only.
        return None
    if not everyone.view_channel and not mine.view_channel:
        # Closed, and nobody let it in.
        return None
    lacking = _lacking(mine, [sends if name == "send_messages" else name for name in NEEDED])
    return lacking[0] if lacking else None


def _lacking(permissions: discord.Permissions, names: Sequence[str] | dict[str, str]) -> list[str]:
    return [name for name in names if not getattr(permissions, name)]
