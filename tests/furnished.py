"""A data folder as Limner leaves it after its first start: to make one anew takes longer than most tests."""

import asyncio
import atexit
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from bot.app import open_service
from bot.settings import Settings
from storage.folder import DATABASE
from tests.fakes.executor import FakeExecutor


def furnish(folder: Path) -> Path:
    """The folder, with an empty index, a secret and a certificate where there is no index yet."""
    if not (folder / DATABASE).exists():
        shutil.copytree(_first_start(), folder, ignore=shutil.ignore_patterns("lock"), dirs_exist_ok=True)
    return folder


@cache
def _first_start() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="limner-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # Beside the loop of whichever test comes first.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, _start(folder)).result()
    return folder


async def _start(folder: Path) -> None:
    async with open_service(Settings(data_dir=folder, drain_seconds=0), executor=FakeExecutor()):
        pass
