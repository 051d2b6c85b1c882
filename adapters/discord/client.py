"""The connection to Discord: logs in, hears what people do, and hands it on."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import discord
import structlog
import yarl
from discord import app_commands

from adapters.chat.deliveries import Tempo
from adapters.chat.memory import Seen
from adapters.chat.reports import Reports
from adapters.discord.admin import Admin
from adapters.discord.buttons import PressedButton
from adapters.discord.commands import Translations, add_admin, add_painting
from adapters.discord.delivery import deliveries
from adapters.discord.desk import Desk
from adapters.discord.intake import Intake, Interaction, refuse
from adapters.discord.invite import invitation
from adapters.discord.mentions import spoken
from adapters.discord.modal import submitted
from adapters.discord.moderating import Moderating
from adapters.discord.place import PLATFORM
from adapters.discord.presses import Presses
from adapters.discord.shards import PatientClient
from adapters.discord.takedown import Takedown
from adapters.discord.words import words_for
from bot.errors import CannotStart
from bot.service import Service

#: What the bot must hear: no privileged intent is among it.
INTENTS = discord.Intents(guilds=True, guild_messages=True, dm_messages=True)
UNREACHABLE = (
    discord.HTTPException,
    discord.GatewayNotFound,
    discord.ConnectionClosed,
    aiohttp.ClientError,
    asyncio.TimeoutError,
    OSError,
)
#: Seconds before a connection that could not be made is tried again.
RECONNECT = 5.0

log = structlog.get_logger(__name__)


class Tree(app_commands.CommandTree["LimnerClient"]):
    async def interaction_check(self, interaction: discord.Interaction["LimnerClient"], /) -> bool:
        if interaction.type is discord.InteractionType.autocomplete:
            return True
        return self.client.seen.first_time(interaction.id)

    async def on_error(
        self, interaction: discord.Interaction["LimnerClient"], error: app_commands.AppCommandError, /
    ) -> None:
        cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
        await refuse(interaction, words_for(interaction.locale.value), cause)


class LimnerClient(PatientClient):
    def __init__(
        self,
        service: Service,
        *,
        gateway_url: str | None = None,
        clock: Callable[[], float] = time.time,
        tempo: Tempo | None = None,
    ) -> None:
        super().__init__(
            intents=INTENTS,
            allowed_mentions=discord.AllowedMentions.none(),
            # Nothing is looked up in either.
            max_messages=None,
            member_cache_flags=discord.MemberCacheFlags.none(),
            chunk_guilds_at_startup=False,
        )
        self.seen = Seen()
        tempo = tempo or Tempo()
        takedown = Takedown(self, service, tempo.retry)
        moderating = Moderating(self, service, takedown, tempo.retry, self._later)
        reports = Reports(PLATFORM, service, moderating.post, takedown.of)
        self.deliveries = moderating.deliveries = deliveries(self, service, clock, tempo, reports)
        self._gateway_url = gateway_url
        self._errands: set[asyncio.Task[None]] = set()
        self._taken_up = False
        self._reporting: asyncio.Task[None] | None = None
        intake = Intake(self.deliveries)
        self._desk = Desk(self, service, intake)
        self._presses = Presses(service, self._desk, takedown, moderating, self._later)
        self.tree = Tree(
            self,
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True, private_channel=True),
        )
        add_painting(self.tree, self._desk, service)
        add_admin(self.tree, Admin(service, reports))
        self.add_dynamic_items(PressedButton)

    async def setup_hook(self) -> None:
        await self.tree.set_translator(Translations())
        await self.tree.sync()

    async def launch_shards(self) -> None:
        """Discord says how many shards there are; the setting, if there is one, where they connect to."""
        if self._gateway_url is not None:
            self.shard_count, _, _ = await self.http.get_bot_gateway()
        await super().launch_shards()

    async def on_ready(self) -> None:
        if self.user is None:
            # The connection was given up meanwhile.
            return
        log.info("discord connected", name=str(self.user), servers=len(self.guilds), invite=self.invitation())
        if not self._taken_up:
            self._taken_up = True
            self._later(self.deliveries.take_up, "take up deliveries")
            self._reporting = asyncio.create_task(self.deliveries.reports.run(), name="discord reports")

    def invitation(self) -> str:
        """Where an admin of a server lets the bot in, with what it needs there and no more."""
        assert self.application_id is not None
        return invitation(self.application_id)

    async def on_message(self, message: discord.Message) -> None:
        assert self.user is not None
        text = spoken(message, self.user)
        if text is not None and self.seen.first_time(message.id):
            await self._desk.spoken_to(message, text)

    async def pressed(self, interaction: Interaction, action: str, subject: str) -> None:
        press = self._presses.of(action)
        await self._once(interaction, lambda: press(interaction, subject))

    async def on_interaction(self, interaction: Interaction) -> None:
        """Windows alone; commands and buttons come by other ways."""
        if interaction.type is discord.InteractionType.modal_submit and (window := submitted(interaction)):
            await self._once(interaction, lambda: self._desk.submitted(interaction, window))

    async def _once(self, interaction: Interaction, act: Callable[[], Awaitable[None]]) -> None:
        if not self.seen.first_time(interaction.id):
            return
        try:
            await act()
        except Exception as error:  # noqa: BLE001 - it is told and logged
            await refuse(interaction, words_for(interaction.locale.value), error)

    def _later(self, errand: Callable[[], Awaitable[None]], name: str) -> None:
        async def run() -> None:
            try:
                await errand()
            except Exception:
                log.exception("an errand broke off", errand=name)

        task = asyncio.create_task(run(), name=name)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def finish(self, limit: float) -> None:
        """Lets deliveries and errands come to their end, for `limit` seconds at most."""
        await self.deliveries.finish(limit)
        if self._reporting is not None:
            self._reporting.cancel()
            await asyncio.wait([self._reporting])
        if self._errands:
            _, late = await asyncio.wait(self._errands, timeout=limit)
            for errand in late:
                errand.cancel()


@asynccontextmanager
async def connected(
    service: Service,
    token: str,
    *,
    api_url: str | None = None,
    gateway_url: str | None = None,
    clock: Callable[[], float] = time.time,
    tempo: Tempo | None = None,
    finish_seconds: float = 10.0,
) -> AsyncIterator[LimnerClient]:
    """Connects in the background and stays connected; leaving the block lets deliveries finish, then disconnects.

    Raises CannotStart, also in the middle of the block, where Discord refuses the token.
    """
    point_to(api_url, gateway_url)
    # It would warn that it cannot speak, which nobody asks of it.
    discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False
    client = LimnerClient(service, gateway_url=gateway_url, clock=clock, tempo=tempo)
    async with asyncio.TaskGroup() as tasks:
        connection = tasks.create_task(_stay_connected(client, token), name="discord")
        try:
            yield client
        finally:
            await client.finish(finish_seconds)
            await client.close()
            connection.cancel()


def point_to(api_url: str | None, gateway_url: str | None) -> None:
    """The library knows its addresses by class, so all clients of this process go there."""
    if api_url is not None:
        discord.http.Route.BASE = api_url.rstrip("/")
    if gateway_url is not None:
        discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(gateway_url)


async def _stay_connected(client: LimnerClient, token: str) -> None:
    """Once it is connected the library reconnects by itself; until then somebody must try again."""
    while not client.is_closed():
        try:
            await client.start(token)
        except discord.LoginFailure as error:
            raise CannotStart(
                "Discord refuses DISCORD_TOKEN. Copy the token again from the page Bot of your application at "
                "https://discord.com/developers/applications, or reset it there."
            ) from error
        except discord.PrivilegedIntentsRequired as error:
            raise CannotStart(f"Discord refuses the connection: {error}") from error
        except UNREACHABLE as error:
            log.warning("discord cannot be reached; trying again", seconds=RECONNECT, why=str(error) or repr(error))
            await asyncio.sleep(RECONNECT)
            await client.begin_anew()
