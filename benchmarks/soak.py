"""An hour of a busy community, compressed into minutes: what server and worker hold must not grow.

The program runs in a process of its own; the local platforms and all people are in this one. Memory, handles and
threads are looked at in quiet moments, when nothing is queued, painted or owed; what is left behind, after a silence.
"""

import asyncio
import os
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from adapters.chat.memory import OPEN_MOST, SEEN_MOST
from adapters.slack.manifest import manifest
from benchmarks import discord as discord_crowd
from benchmarks import slack as slack_crowd
from benchmarks.community import AT_ONCE, KEYS, PEOPLE, Chance, Community
from benchmarks.crowd import read
from benchmarks.inside import Held, Program
from benchmarks.report import Row
from tests.fakes.discord import FakeDiscord
from tests.fakes.slack import FakeSlack

#: Of the rounds that are measured, at least, and of those before.
SECONDS, WARM_UP = 600.0, 60.0
#: Jobs that the whole community asks for in an hour: one in three seconds.
AN_HOUR = 1200
#: Characters of prompts that fill the worker's cache, and how many of them do.
LONG, LONG_ONES = 2000, 96
#: Once in so many rounds something goes wrong with a platform.
TROUBLE = 3
#: Seconds after which idle connections are closed.
SILENCE = 40.0
#: What memory may grow by.
GROWTH = 0.05
SEED = 1
#: Seconds.
PATIENCE = 60.0
#: Maps that may grow for an hour, and their caps; discord.py clears its own from there on.
CAPS = {
    "adapters.chat.memory.Seen._ids": 2 * SEEN_MOST,
    "adapters.chat.memory.Remembered._found": 2 * OPEN_MOST,
    "adapters.slack.people.People._known": PEOPLE,
    "discord.http.HTTPClient._buckets": 256,
    "discord.http.HTTPClient._bucket_hashes": 256,
}


@dataclass(frozen=True, slots=True)
class Moment:
    """Of one process."""

    seconds: float
    #: Resident, and what is its own alone; bytes.
    rss: int
    uss: int
    #: Sockets are among them.
    handles: int
    threads: int

    @classmethod
    def of(cls, process: psutil.Process, seconds: float) -> "Moment":
        memory = process.memory_full_info()
        return cls(seconds, memory.rss, memory.uss, process.num_fds(), process.num_threads())


MEMORY: dict[str, Callable[[Moment], int]] = {
    "resident": lambda one: one.rss,
    "its own alone": lambda one: one.uss,
}
COUNTS: dict[str, Callable[[Moment], int]] = {
    "file handles": lambda one: one.handles,
    "threads": lambda one: one.threads,
}


@dataclass(slots=True)
class Looks:
    """Of server and worker, side by side."""

    program: Program
    began: float = field(default_factory=time.monotonic)
    server: list[Moment] = field(default_factory=list)
    worker: list[Moment] = field(default_factory=list)
    #: Processes that wanted to run on this machine.
    load: list[float] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    async def look(self) -> Held:
        held = await self.program.held()
        seconds = self.seconds
        server = psutil.Process(self.program.pid)
        self.server.append(Moment.of(server, seconds))
        # A fake painter has no process.
        self.worker += [Moment.of(worker, seconds) for worker in server.children()]
        self.load.append(os.getloadavg()[0])
        return held


@dataclass(frozen=True, slots=True)
class Soaked:
    #: In quiet moments, and before and after them in silence.
    rounds: Looks
    silence: Looks
    before: Held
    after: Held
    done: Counter[str]
    missed: Counter[str]
    #: By their state.
    jobs: Counter[str]


def measure() -> list[Row]:
    return list(rows_of(asyncio.run(soak())))


async def soak(seconds: float = SECONDS, warm_up: float = WARM_UP, jobs_at_least: int = AN_HOUR) -> Soaked:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        async with soaking(data, fake=False) as (program, community):
            await _fill(community)
            await _rounds(community, warm_up)
            jobs, silence = _jobs(data), Looks(program)
            before = await _in_silence(silence)
            community.done.clear()
            rounds = Looks(program)
            await rounds.look()
            while rounds.seconds < seconds or (_jobs(data) - jobs).total() < jobs_at_least:
                await community.round(trouble=len(rounds.server) % TROUBLE == 0)
                await rounds.look()
            after = await _in_silence(silence)
            return Soaked(rounds, silence, before, after, community.done, community.missed, _jobs(data) - jobs)


@asynccontextmanager
async def soaking(data: Path, *, fake: bool) -> AsyncIterator[tuple[Program, Community]]:
    """The program, connected and ready, and those who will use it. Raises AssertionError where it broke a rule."""
    async with FakeDiscord() as discord, FakeSlack(manifest()) as slack:
        program = await Program.start(environment(data, discord, slack), fake=fake)
        try:
            community = Community(discord, slack, program.url, data, Chance(SEED))
            await discord.until(lambda: discord.gateway.ready, PATIENCE)
            await slack.until(lambda: slack.sockets.ready, PATIENCE)
            await community.ready()
            yield program, community
        finally:
            await program.end()


def environment(data: Path, discord: FakeDiscord, slack: FakeSlack) -> dict[str, str]:
    return {
        **os.environ,
        "LIMNER_MODEL": "demo",
        "LIMNER_DATA_DIR": str(data),
        "LIMNER_HTTP_PORT": "0",
        "LIMNER_DRAIN_SECONDS": "0",
        "LIMNER_API_KEYS": ",".join(KEYS),
        # Small pictures gain nothing by more, and those who ask want a core, too.
        "OMP_NUM_THREADS": "1",
        **discord_crowd.settings(discord),
        **slack_crowd.settings(slack),
    }


async def _fill(community: Community) -> None:
    """The worker's cache of prompts, to its brim."""
    for _ in range(LONG_ONES // AT_ONCE):
        await community.fill(LONG)


async def _rounds(community: Community, seconds: float) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        await community.round(trouble=True)


async def _in_silence(looks: Looks) -> Held:
    await asyncio.sleep(SILENCE)
    return await looks.look()


def _jobs(data: Path) -> Counter[str]:
    return Counter(str(status) for (status,) in read(data, "SELECT status FROM jobs"))


def growth(moments: Sequence[Moment], of: Callable[[Moment], int]) -> float:
    """Of the line through all moments, from its begin to its end, as part of its begin."""
    line = statistics.linear_regression([one.seconds for one in moments], [float(of(one)) for one in moments])
    begin, end = (line.intercept + line.slope * moments[place].seconds for place in (0, -1))
    return (end - begin) / begin


def grown(before: Held, after: Held) -> dict[str, int]:
    """Maps without a cap, or beyond theirs, that hold more than before -> how much more."""
    more = Counter(after.maps) - Counter(before.maps)
    return {name: count for name, count in more.items() if after.maps[name] > CAPS.get(name, 0)}


def rows_of(soaked: Soaked) -> Iterator[Row]:
    rounds, jobs = soaked.rounds, soaked.jobs
    seconds, hours = rounds.server[-1].seconds, jobs.total() / AN_HOUR
    yield Row(
        f"jobs of {2 * PEOPLE} people and {len(KEYS)} programs, who ask for {AN_HOUR} in an hour",
        f"{jobs.total()} in {seconds / 60:.1f} minutes: {hours:.1f} hours, {hours * 3600 / seconds:.1f} times as fast",
        "an hour",
    )
    yield Row("how they ended", ", ".join(f"{count} {name}" for name, count in jobs.most_common()))
    yield Row("things done beside", f"{soaked.done.total() - jobs.total()}")
    yield Row("processes that wanted to run on the machine meanwhile", f"{statistics.mean(rounds.load):.1f}")
    for name, moments in (("server", rounds.server), ("worker", rounds.worker)):
        yield from _memory_of(name, moments)
    for name in ("server", "worker"):
        yield from _counts_of(name, getattr(rounds, name), getattr(soaked.silence, name))
    tasks = soaked.before.tasks
    left = Counter(soaked.after.tasks) - Counter(tasks)
    yield Row(f"tasks left beside the {sum(tasks.values())} of an idle program", _listed(left), "none")
    yield Row("maps without a cap that hold more", _listed(grown(soaked.before, soaked.after)), "none")


def _memory_of(name: str, moments: Sequence[Moment]) -> Iterator[Row]:
    for kind, of in MEMORY.items():
        first, last = (of(moments[place]) / 1e6 for place in (0, -1))
        yield Row(
            f"memory of the {name}, {kind}: growth of the line through {len(moments)} quiet moments",
            f"{growth(moments, of):+.1%}; {first:.1f} MB at first, {last:.1f} MB at last",
            f"< {GROWTH:.0%}",
        )


def _counts_of(name: str, moments: Sequence[Moment], silence: Sequence[Moment]) -> Iterator[Row]:
    for kind, of in COUNTS.items():
        before, after = map(of, silence)
        found = [of(one) for one in moments]
        yield Row(
            f"{kind} of the {name}, in silence before and after",
            f"{before} and {after}; {min(found)} to {max(found)} in quiet moments",
            "no more" if kind == "file handles" else "no more than pools have room for",
        )


def _listed(names: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in names.items()) or "none"
