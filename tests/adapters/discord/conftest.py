"""The real Discord adapter on the real service, logged in to a local Discord."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from adapters.chat.deliveries import Tempo
from adapters.discord.client import LimnerClient, connected
from bot.app import open_service
from bot.service import Service
from bot.settings import Settings
from tests.adapters.discord.delivering import Rows
from tests.fakes.discord import Channel, FakeDiscord, Guild, Person
from tests.fakes.executor import FakeExecutor
from tests.furnished import furnish

#: Quick, and so that nothing is left out.
TEMPO = Tempo(progress=0.02, queue=0.02, retry=0.01)


class Bot:
    def __init__(self, service: Service, client: LimnerClient, executor: FakeExecutor) -> None:
        self.service = service
        self.client = client
        self.executor = executor


class StartBot(Protocol):
    def __call__(
        self,
        executor: FakeExecutor | None = None,
        *,
        tempo: Tempo = TEMPO,
        finish_seconds: float = 5,
        **settings: Any,
    ) -> AbstractAsyncContextManager[Bot]:
        """With 0 finish_seconds Discord hears nothing more of it once the block is left, as if it was killed."""
        ...


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as fake:
        yield fake
    assert [message for message in fake.messages.values() if message.author is fake.bot and message.pings] == []


@pytest.fixture
def guild(discord: FakeDiscord) -> Guild:
    return discord.guild("Studio")


@pytest.fixture
def art(guild: Guild) -> Channel:
    return guild.channel("art")


@pytest.fixture
def ada(discord: FakeDiscord) -> Person:
    return discord.person("Ada")


@pytest.fixture
def ben(discord: FakeDiscord) -> Person:
    return discord.person("Ben")


@pytest.fixture
def mo(discord: FakeDiscord, guild: Guild) -> Person:
    """A moderator."""
    mo = discord.person("Mo")
    guild.join(mo, manage_messages=True)
    return mo


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return Rows(tmp_path)


@pytest.fixture
def bot(discord: FakeDiscord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StartBot:
    """Starts the bot on one data folder; starting it a second time is a restart."""
    import discord as library

    # The library holds its addresses by class, and other tests may want the real ones.
    monkeypatch.setattr(library.http.Route, "BASE", library.http.Route.BASE)
    monkeypatch.setattr(
        library.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", library.gateway.DiscordWebSocket.DEFAULT_GATEWAY
    )

    @asynccontextmanager
    async def start(
        executor: FakeExecutor | None = None,
        *,
        tempo: Tempo = TEMPO,
        finish_seconds: float = 5,
        **settings: Any,
    ) -> AsyncIterator[Bot]:
        executor = executor or FakeExecutor()
        options = Settings(data_dir=furnish(tmp_path), drain_seconds=0, **settings)
        async with (
            open_service(options, executor=executor, clock=discord.clock.now) as service,
            connected(
                service,
                discord.token,
                api_url=discord.api_url,
                gateway_url=discord.gateway_url,
                clock=discord.clock.now,
                tempo=tempo,
                finish_seconds=finish_seconds,
            ) as client,
        ):
            # Otherwise it takes discord.py two seconds to call itself ready.
            client._connection.guild_ready_timeout = 0.01
            await discord.connected()
            try:
                yield Bot(service, client, executor)
            finally:
                # As bot.app.serve does.
                await service.drain(0)

    return start


Until = Callable[[], Any]
