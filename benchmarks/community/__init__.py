"""What a busy community does with Limner, on Discord, on Slack and by HTTP, in an order that chance decides.

The platforms are the tests' local ones. What is done with pictures is done with those of the round before.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import httpx

from benchmarks.community.by_http import KEYS, Callers
from benchmarks.community.chance import PEOPLE, Chance, Deed
from benchmarks.community.on_discord import DiscordPeople
from benchmarks.community.on_slack import SlackPeople
from benchmarks.crowd import read
from tests.fakes.discord import FakeDiscord
from tests.fakes.slack import FakeSlack

__all__ = ["AT_ONCE", "KEYS", "PEOPLE", "Chance", "Community"]

#: Things that are done at the same time.
AT_ONCE = 6
#: Seconds; the worker of a busy machine takes its time.
PATIENCE = 300.0
UNSETTLED = (
    "SELECT 1 FROM jobs WHERE status IN ('queued', 'running')"
    " UNION ALL SELECT 1 FROM deliveries WHERE state = 'owed' LIMIT 1"
)


class Community:
    def __init__(self, discord: FakeDiscord, slack: FakeSlack, url: str, data: Path, chance: Chance) -> None:
        """`url` of the HTTP API, `data` the program's folder."""
        self._chats: Sequence[DiscordPeople | SlackPeople] = (
            DiscordPeople(discord, chance),
            SlackPeople(slack, chance),
        )
        self._callers = Callers(url, data, chance)
        #: Deeds by their name, and those that came to nothing, with why.
        self.done: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self._data = data
        self._chance = chance

    async def ready(self) -> None:
        """Until there is a painter."""
        async with asyncio.timeout(PATIENCE), self._callers:
            while not await self._callers.sees_a_painter():
                await asyncio.sleep(0.1)

    async def fill(self, length: int) -> None:
        """Pictures of words that take much of the worker's memory."""
        async with self._callers:
            await self._all([self._callers.say_much(length)] * AT_ONCE)

    async def round(self, *, trouble: bool, part: float = 1.0) -> None:
        """All deeds once, or a part of them, at the end of which all is told that is owed."""
        async with self._callers:
            deeds = [*(deed for chat in self._chats for deed in chat.deeds()), *self._callers.deeds()]
            deeds = self._chance.random.sample(deeds, round(part * len(deeds)))
            half = len(deeds) // 2
            await self._all(deeds[:half])
            if trouble:
                await self._chance.random.choice(self._chats).trouble()
            await self._all(deeds[half:])
            await self._quiet()
        for chat in self._chats:
            chat.tidy()
            chat.newcomers()

    async def _all(self, deeds: Sequence[Deed]) -> None:
        places = asyncio.Semaphore(AT_ONCE)

        async def do(deed: Deed) -> None:
            name = getattr(deed, "__qualname__", "?")
            async with places:
                try:
                    await deed()
                    self.done[name] += 1
                # What it is about may be gone, or its answer lost with a connection.
                except (AssertionError, IndexError, ValueError, httpx.HTTPError) as error:
                    self.missed[f"{name}: {repr(error)[:90]}"] += 1

        await asyncio.gather(*map(do, deeds))

    async def _quiet(self) -> None:
        """Nothing is queued, painted or owed."""
        async with asyncio.timeout(PATIENCE):
            while read(self._data, UNSETTLED):
                await asyncio.sleep(0.1)
        for chat in self._chats:
            await chat.connected()
