"""The real service on real SQLite, with an executor that needs no GPU."""

import random
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, Protocol

import pytest

from bot.app import open_service
from bot.ports import Executor
from bot.service import Service
from bot.settings import Settings
from tests.fakes.executor import FakeExecutor
from tests.furnished import furnish

#: Of the chance that chooses seeds.
CHANCE = 7


class OpenLimner(Protocol):
    def __call__(
        self,
        executor: Executor | None = None,
        *,
        queue_limit: int = 100,
        drain_seconds: float = 0,
        clock: Callable[[], float] = time.time,
        **more: Any,
    ) -> AbstractAsyncContextManager[Service]:
        """More are settings."""
        ...


@pytest.fixture
def limner(tmp_path: Path) -> OpenLimner:
    """Opens Limner on one data folder; opening it a second time is a restart."""

    def open_limner(
        executor: Executor | None = None,
        *,
        queue_limit: int = 100,
        drain_seconds: float = 0,
        clock: Callable[[], float] = time.time,
        **more: Any,
    ) -> AbstractAsyncContextManager[Service]:
        settings = Settings(data_dir=furnish(tmp_path), queue_limit=queue_limit, drain_seconds=drain_seconds, **more)
        return open_service(settings, executor=executor or FakeExecutor(), clock=clock, chance=random.Random(CHANCE))

    return open_limner


@pytest.fixture
def image_files(tmp_path: Path) -> Callable[[], set[str]]:
    """What lies in the image folder, as the index would name it."""
    folder = tmp_path / "images"
    return lambda: {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
