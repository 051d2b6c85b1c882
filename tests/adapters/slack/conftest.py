"""The real Slack adapter on the real service, connected to a local Slack."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from adapters.chat.deliveries import Tempo
from adapters.slack.app import LimnerApp
from adapters.slack.connection import connected
from adapters.slack.manifest import manifest
from bot.app import open_service
from bot.service import Service
from bot.settings import Settings
from tests.adapters.slack.watching import Rows
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Channel, FakeSlack, Person
from tests.furnished import furnish

#: Quick, and so that nothing is left out.
TEMPO = Tempo(progress=0.02, queue=0.02, retry=0.01)
PING = 1.0
RECONNECT = 0.05


class Bot:
    def __init__(self, slack: FakeSlack, service: Service, app: LimnerApp, executor: FakeExecutor) -> None:
        self.slack = slack
        self.service = service
        self.app = app
        self.executor = executor


class StartBot(Protocol):
    def __call__(
        self, executor: FakeExecutor | None = None, *, tempo: Tempo = TEMPO, **settings: Any
    ) -> AbstractAsyncContextManager[Bot]: ...


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(manifest()) as fake:
        yield fake


@pytest.fixture
def art(slack: FakeSlack) -> Channel:
    return slack.channel("art")


@pytest.fixture
def ada(slack: FakeSlack) -> Person:
    return slack.person("Ada")


@pytest.fixture
def ben(slack: FakeSlack) -> Person:
    return slack.person("Ben")


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return Rows(tmp_path)


@pytest.fixture
def bot(slack: FakeSlack, tmp_path: Path) -> StartBot:
    """Starts the bot on one data folder; starting it a second time is a restart."""

    @asynccontextmanager
    async def start(
        executor: FakeExecutor | None = None, *, tempo: Tempo = TEMPO, **settings: Any
    ) -> AsyncIterator[Bot]:
        executor = executor or FakeExecutor()
        options = Settings(data_dir=furnish(tmp_path), drain_seconds=0, **settings)
        async with (
            open_service(options, executor=executor, clock=slack.clock.now) as service,
            connected(
                service,
                slack.bot_token,
                app_token=slack.app_token,
                admins=options.slack_admins,
                api_url=slack.api_url,
                clock=slack.clock.now,
                tempo=tempo,
                finish_seconds=0,
                ping_interval=PING,
                reconnect=RECONNECT,
            ) as app,
        ):
            await slack.connected()
            yield Bot(slack, service, app, executor)
            await service.drain(0)

    return start
