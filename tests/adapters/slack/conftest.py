"""The real Slack adapter on the real service, connected to a local Slack."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import pytest

from adapters.chat.delivery import Tempo
from adapters.slack.app import LimnerApp, connected
from adapters.slack.manifest import manifest
from bot.app import open_service
from bot.service import Service
from bot.settings import Settings
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import FakeSlack

#: Quick, and so that nothing is left out.
TEMPO = Tempo(progress=0.02, queue=0.02, retry=0.01)
PING = 1.0


class Bot:
    def __init__(self, service: Service, app: LimnerApp, executor: FakeExecutor) -> None:
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
def bot(slack: FakeSlack, tmp_path: Path) -> StartBot:
    """Starts the bot on one data folder; starting it a second time is a restart."""

    @asynccontextmanager
    async def start(
        executor: FakeExecutor | None = None, *, tempo: Tempo = TEMPO, **settings: Any
    ) -> AsyncIterator[Bot]:
        executor = executor or FakeExecutor()
        options = Settings(data_dir=tmp_path, drain_seconds=0, **settings)
        async with (
            open_service(options, executor=executor, clock=slack.clock.now) as service,
            connected(
                service,
                slack.bot_token,
                slack.app_token,
                api_url=slack.api_url,
                clock=slack.clock.now,
                tempo=tempo,
                finish_seconds=0,
                ping_interval=PING,
            ) as app,
        ):
            await slack.connected()
            yield Bot(service, app, executor)
            await service.drain(0)

    return start
