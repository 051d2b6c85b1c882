"""An upgrade while people ask: the old program drains and ends, the new one starts on the same data folder."""

import asyncio
import random
from contextlib import suppress
from pathlib import Path

import pytest

from tests.fakes.discord import FakeDiscord
from tests.scenarios.conftest import SEED
from tests.scenarios.test_discord_kills import PATIENCE, Crowd, Life, check, life, read

#: Seconds in which people ask before each upgrade, and that the old program has to finish what runs.
ASKING, DRAINING = 1.5, 3.0
UPGRADES = 2
SIGTERM_OBEYED = 0


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("seed", [SEED])
async def test_what_is_asked_around_an_upgrade_is_delivered_once(tmp_path: Path, seed: int) -> None:
    data_dir, log = tmp_path / "data", tmp_path / "log"
    async with FakeDiscord() as discord:
        crowd = Crowd(discord, random.Random(seed))
        for _ in range(UPGRADES):
            async with life(discord, data_dir, log, DRAINING) as old, asyncio.TaskGroup() as tasks:
                tasks.create_task(upgraded(discord, old), name="upgrade")
                tasks.create_task(crowd.ask_until(old.is_over), name="people")
            assert old.process.returncode == SIGTERM_OBEYED
        async with life(discord, data_dir, log, DRAINING):
            await acknowledged(discord, crowd)
            owed = "SELECT 1 FROM deliveries WHERE state = 'owed'"
            await discord.until(lambda: not read(data_dir, owed), PATIENCE, waiting=log.read_text()[-5000:])
        check(discord, crowd, data_dir, more_than=UPGRADES)


async def upgraded(discord: FakeDiscord, old: Life) -> None:
    await discord.until(lambda: discord.gateway.ready, PATIENCE)
    await asyncio.sleep(ASKING)
    old.process.terminate()
    await old.process.wait()


async def acknowledged(discord: FakeDiscord, crowd: Crowd) -> None:
    """One of those who ask and ask was answered."""
    while True:
        with suppress(AssertionError):
            await crowd.command(crowd.people[0], crowd.channels[0])
            await discord.until(lambda: crowd.asked[-1].text, 0.5)
            return
