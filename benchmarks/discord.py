"""A crowd on Discord while the painter is busy: how soon each is answered, and that all that was accepted arrives once.

The whole program but for its painter runs in a process of its own, against a local Discord in this one. Needs the
repository: that Discord and that painter are the tests' own.
"""

import asyncio
import os
import sqlite3
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.report import Row
from bot.app import DATABASE
from tests.fakes.discord import Asked, Channel, FakeDiscord
from tests.scenarios.discord_program import COMMAND, ROOT

REQUESTERS, EACH, CHANNELS = 20, 10, 5
#: Jobs that are there already: one that is painted, and those that wait.
BEFORE = 11
QUEUE_LIMIT = 200
#: Of the painter. What a job takes of it is 30 steps.
STEP_SECONDS, SLOTS = 0.005, 2
#: Seconds.
PATIENCE = 300.0


@dataclass(frozen=True, slots=True)
class Crowd:
    asked: Sequence[Asked]
    accepted: int
    refused: int
    #: Images that are owed, and how often each is shown.
    owed: int
    shown: Counter[str]
    #: From the first question to the last delivery.
    seconds: float
    #: Of the serving process meanwhile.
    cpu_seconds: float
    #: By method and route, of each request after the first question.
    requests: Counter[str]


def measure() -> list[Row]:
    return list(rows_of(asyncio.run(crowd())))


@asynccontextmanager
async def program(discord: FakeDiscord, folder: Path) -> AsyncIterator[psutil.Process]:
    ours = {
        "LIMNER_DATA_DIR": str(folder),
        "LIMNER_HTTP_PORT": "0",
        "LIMNER_API_KEYS": "",
        "LIMNER_QUEUE_LIMIT": str(QUEUE_LIMIT),
        "DISCORD_TOKEN": discord.token,
        "LIMNER_DISCORD_API_URL": discord.api_url,
        "LIMNER_DISCORD_GATEWAY_URL": discord.gateway_url,
    }
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        str(STEP_SECONDS),
        str(SLOTS),
        cwd=ROOT,
        env={**os.environ, **ours},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await discord.connected()
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        await process.wait()


async def crowd() -> Crowd:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        async with FakeDiscord() as discord, program(discord, data) as process:
            guild = discord.guild("Studio")
            channels = [guild.channel(f"art {number}") for number in range(CHANNELS)]
            before = discord.person("Was here before")
            for _ in range(BEFORE):
                await before.command(channels[0], "generate", prompt="a cat", steps=150)
            await discord.until(lambda: len(channels[0].messages) == BEFORE, PATIENCE)
            people = [discord.person(f"Person {number}") for number in range(REQUESTERS)]
            requests, cpu, began = len(discord.requests), cpu_of(process), time.perf_counter()
            asked = [
                await person.command(channels[number % CHANNELS], "generate", prompt=f"cat {number} of {turn}")
                for turn in range(EACH)
                for number, person in enumerate(people)
            ]
            await discord.until(lambda: all(one.text for one in asked), PATIENCE)
            await until(lambda: not read(data, "SELECT 1 FROM deliveries WHERE state = 'owed'"))
            return Crowd(
                asked=asked,
                accepted=sum("Your picture will be here" in one.text for one in asked),
                refused=sum("The queue is full" in one.text for one in asked),
                owed=len(read(data, "SELECT 1 FROM images")),
                shown=shown_in(channels),
                seconds=time.perf_counter() - began,
                cpu_seconds=cpu_of(process) - cpu,
                requests=Counter(f"{one.method} {one.route}" for one in discord.requests[requests:]),
            )


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_so():
            await asyncio.sleep(0.05)


def read(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        return connection.execute(sql).fetchall()


def cpu_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def shown_in(channels: Sequence[Channel]) -> Counter[str]:
    """Image ID -> messages that show it, of all that there ever were."""
    messages = [message for channel in channels for message in channel.record]
    return Counter(Path(file.filename).stem for message in messages for file in message.attachments)


def rows_of(crowd: Crowd) -> list[Row]:
    times = [one.ack_seconds * 1000 for one in crowd.asked if one.ack_seconds is not None]
    percent = statistics.quantiles(times, n=100)
    number = len(crowd.asked)
    once = sum(count == 1 for count in crowd.shown.values())
    rows = [
        Row(f"{number} `/generate` at once, acknowledged", f"{len(times)}", f"{number}"),
        Row("until the acknowledgement, p50", f"{percent[49]:.0f} ms"),
        Row("until the acknowledgement, p99", f"{percent[98]:.0f} ms", "< 1000 ms"),
        Row("until the acknowledgement, slowest", f"{max(times):.0f} ms", "< 3000 ms"),
        Row(
            f"accepted, and refused politely, with {QUEUE_LIMIT} places and {BEFORE} jobs there before",
            f"{crowd.accepted} and {crowd.refused}",
            f"{number} together",
        ),
        Row(
            f"images that are shown once, of {crowd.owed} owed",
            f"{once}, and {len(crowd.shown) - once} more than once",
            f"{crowd.owed} and 0",
        ),
        Row("from the first question to the last delivery", f"{crowd.seconds:.1f} s"),
        Row("CPU time of the serving process meanwhile", f"{crowd.cpu_seconds:.1f} s"),
    ]
    return rows + [Row(f"requests `{name}`", f"{count}") for name, count in crowd.requests.most_common()]
