"""Both platforms, a disk, people and the program, over several rounds of faults and calm, on one data folder."""

import asyncio
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

from adapters.slack.manifest import manifest
from tests.chaos.life import Program
from tests.chaos.people import Crowd, OnDiscord, OnSlack, OverHttp, Words
from tests.chaos.weather import Weather
from tests.disks import Disk, small_disk
from tests.fakes.discord import FakeDiscord
from tests.fakes.slack import Asked, FakeSlack

Rows = list[tuple[Any, ...]]

#: In the data folder.
DATABASE = "limner.sqlite"
KEYS = ("the first key", "the second key")
#: Seconds that people ask in a round, at least.
ROUND = 2.0
#: Seconds that they go on when the program is up again.
AFTER = 1.0
#: Seconds within which faults begin.
BEGIN = 1.0
#: Seconds after the last fault, until all that was accepted must have been delivered.
PATIENCE = 60.0
#: Seconds between two looks into the index.
LOOK = 0.05
#: Seconds after which Slack has sent again what it sends again.
SENT_AGAIN = 61.0
MEBIBYTES = 64
#: Seconds in which a program gives up that has no room to start.
WITHOUT_ROOM = 3.0


@dataclass(slots=True)
class Watched:
    """What was seen of the jobs in the index, look by look."""

    #: Job ID -> status and attempts.
    jobs: dict[str, tuple[str, int]] = field(default_factory=dict)
    #: Those that lost an attempt by a fault, perhaps.
    doomed: set[str] = field(default_factory=set)
    illegal: list[str] = field(default_factory=list)

    def look(self, seen: Mapping[str, tuple[str, int]], *, deadly: bool) -> None:
        for job_id, (status, attempts) in seen.items():
            before, attempts_before = self.jobs.get(job_id, ("queued", 0))
            if before in ("done", "failed", "cancelled") and (status, attempts) != (before, attempts_before):
                self.illegal.append(f"{job_id} was {before} and became {status}")
            if attempts > 2:
                self.illegal.append(f"{job_id} was tried {attempts} times")
            if deadly and (status == "running" or (status == "failed" and before != "failed")):
                self.doomed.add(job_id)
        self.illegal += [f"{job_id} is forgotten" for job_id in self.jobs.keys() - seen.keys()]
        self.jobs = dict(seen)


class World:
    """Chosen by a seed; where processes meet, some chance is left."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder = folder
        self.chance = random.Random(seed)
        self.words = Words()
        self.weather = Weather(folder / "weather")
        self.watched = Watched()
        self.disk: Disk | None = None
        self.was_full = False
        self.faults: Counter[str] = Counter()
        self._deadly = 0
        self._deadly_until = 0.0
        self._stack = AsyncExitStack()

    @property
    def data_dir(self) -> Path:
        return self.folder / "disk" / "data"

    async def __aenter__(self) -> Self:
        stack = self._stack
        try:
            self.disk = stack.enter_context(small_disk(self.folder / "disk", mebibytes=MEBIBYTES))
        except pytest.skip.Exception:
            (self.folder / "disk").mkdir(exist_ok=True)
        self.discord = await stack.enter_async_context(FakeDiscord())
        self.slack = await stack.enter_async_context(FakeSlack(manifest()))
        self.slack.blocks_show_files = self.chance.random() < 0.8
        self.on_discord = OnDiscord(self.discord, self.words, self.chance)
        self.on_slack = OnSlack(self.slack, self.words, self.chance)
        self.program = Program(self.folder, self.data_dir, self.weather, self._variables())
        self.over_http = OverHttp(KEYS, lambda: self.program.address, self.words, self.chance)
        tasks = await stack.enter_async_context(_ended_together())
        tasks.append(asyncio.create_task(self.program.run(self.chance), name="the program"))
        tasks.append(asyncio.create_task(self._watch(), name="watch the jobs"))
        return self

    async def __aexit__(self, *error: Any) -> None:
        await self._stack.__aexit__(*error)

    def _variables(self) -> dict[str, str]:
        return {
            "DISCORD_TOKEN": self.discord.token,
            "LIMNER_DISCORD_API_URL": self.discord.api_url,
            "LIMNER_DISCORD_GATEWAY_URL": self.discord.gateway_url,
            "SLACK_BOT_TOKEN": self.slack.bot_token,
            "SLACK_APP_TOKEN": self.slack.app_token,
            "LIMNER_SLACK_API_URL": self.slack.api_url,
            "LIMNER_API_KEYS": ",".join(KEYS),
            "LIMNER_REFINER": "none",
            "LIMNER_DRAIN_SECONDS": "1",
        }

    @property
    def crowds(self) -> tuple[Crowd, ...]:
        return self.on_discord, self.on_slack, self.over_http

    # Rounds

    async def round(self, faults: Mapping[str, Callable[["World"], Any]]) -> None:
        """These faults while people ask; then calm, until nothing is owed."""
        over = asyncio.Event()
        await self._until("the program is up", self.is_up)
        async with asyncio.TaskGroup() as tasks:
            for crowd in self.crowds:
                tasks.create_task(crowd.ask_until(over.is_set), name=type(crowd).__name__)
            async with asyncio.TaskGroup() as trouble:
                trouble.create_task(asyncio.sleep(ROUND))
                for name, fault in faults.items():
                    trouble.create_task(self._make(name, fault), name=name)
            await self._until("the program is up again", self.is_up)
            await asyncio.sleep(AFTER)
            over.set()
        await self.calm()

    async def _make(self, name: str, fault: Callable[["World"], Any]) -> None:
        await asyncio.sleep(self.chance.uniform(0, BEGIN))
        self.faults[name] += 1
        await fault(self)

    async def calm(self) -> None:
        self.discord.heal()
        self.slack.heal()
        self.words.besides.clear()
        await self._until("all on Slack is acknowledged", self._slack_is_settled)
        await self._until("nobody waits at the HTTP API", lambda: not self.over_http.waits)
        await self._until("all jobs are over and delivered", lambda: not self._owes())
        self._look()

    def is_up(self) -> bool:
        up = self.program.is_alive and self.discord.gateway.ready and self.slack.sockets.ready
        return up and not self.program.address.endswith(":9")

    def _slack_is_settled(self) -> bool:
        """Slack sends an event until the bot has acknowledged it; of all else that is lost it tells who asked."""
        waiting = [asked for asked in self.on_slack.asked.values() if not _settled(asked)]
        if waiting and all(asked.age < SENT_AGAIN for asked in waiting):
            self.slack.clock.advance(SENT_AGAIN)
        return not waiting

    async def _until(self, what: str, is_so: Callable[[], bool]) -> None:
        if await self.discord.bell.until(is_so, PATIENCE) is None:
            owed = (self._owed() or [])[:10]
            raise AssertionError(f"Not within {PATIENCE} s: {what}. Owed: {owed}\n{self.told()}")

    def told(self) -> str:
        """For whoever wants to know why: what is left for them, as the disk goes with the world."""
        kept = self.folder / "kept"
        shutil.copytree(self.data_dir, kept, dirs_exist_ok=True)
        return f"See {self.program.log} and {kept}. Faults so far: {dict(self.faults)}"

    def figures(self) -> dict[str, object]:
        ((jobs, failed),) = self._read("SELECT count(*), sum(status = 'failed') FROM jobs") or [(0, 0)]
        ((images,),) = self._read("SELECT count(*) FROM images") or [(0,)]
        erasures = sum(bool(one.told) for crowd in self.crowds for one in crowd.erasures)
        lives, faults = self.program.lives, dict(self.faults)
        return {
            "jobs": jobs,
            "failed": failed,
            "images": images,
            "erasures": erasures,
            "lives": lives,
            "faults": faults,
        }

    # The index

    def _read(self, sql: str) -> Rows | None:
        """None while the program is just making it, or readers find no room for what they need."""
        path = (self.data_dir / DATABASE).absolute()
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=1)) as connection:
                return connection.execute(sql).fetchall()
        except sqlite3.OperationalError:
            return None

    def running(self) -> Rows:
        return self._read("SELECT id FROM jobs WHERE status = 'running'") or []

    def jobs_that_say(self, word: str) -> int:
        ((number,),) = self._read(f"SELECT count(*) FROM jobs WHERE request LIKE '%{word}%'") or [(0,)]
        return int(number)

    def _owes(self) -> bool:
        return self._owed() != []

    def _owed(self) -> Rows | None:
        return self._read(
            "SELECT jobs.id, status, attempts, state, note, request FROM jobs LEFT JOIN deliveries ON job_id = jobs.id "
            "WHERE status IN ('queued', 'running') OR state = 'owed'"
        )

    def _look(self) -> None:
        rows = self._read("SELECT id, status, attempts FROM jobs")
        if rows:
            seen = {job_id: (status, attempts) for job_id, status, attempts in rows}
            self.watched.look(seen, deadly=self._deadly > 0 or time.monotonic() < self._deadly_until)

    async def _watch(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(LOOK)

    # For faults

    @asynccontextmanager
    async def deadly(self) -> AsyncIterator[None]:
        """What runs within it may lose an attempt that is not its fault."""
        self._deadly += 1
        self._look()
        try:
            yield
        finally:
            self._look()
            self._deadly -= 1
            self._deadly_until = time.monotonic() + 10 * LOOK

    async def kill_program(self) -> None:
        """What runs then loses an attempt."""
        async with self.deadly():
            await self.program.kill()

    @asynccontextmanager
    async def no_room(self) -> AsyncIterator[None]:
        self.program.may_not_start = self.was_full = True
        try:
            yield
        finally:
            # One that began without room ends a little later.
            await asyncio.sleep(WITHOUT_ROOM)
            self.program.may_not_start = False


def _settled(asked: Asked) -> bool:
    return asked.acknowledged or asked.error is not None


@asynccontextmanager
async def _ended_together() -> AsyncIterator[list["asyncio.Task[None]"]]:
    tasks: list[asyncio.Task[None]] = []
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task
