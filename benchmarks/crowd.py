"""What the benchmarks of the chats share: the program, what is looked at while a crowd asks, and how it is reported."""

import asyncio
import os
import sqlite3
import statistics
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.report import Row
from bot.app import DATABASE
from tests.scenarios.chat_program import COMMAND, ROOT

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
    #: Seconds until each question was acknowledged.
    acknowledged: Sequence[float]
    asked: int
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


@asynccontextmanager
async def program(folder: Path, **settings: str) -> AsyncIterator[psutil.Process]:
    ours = {
        "LIMNER_DATA_DIR": str(folder),
        "LIMNER_HTTP_PORT": "0",
        "LIMNER_API_KEYS": "",
        "LIMNER_QUEUE_LIMIT": str(QUEUE_LIMIT),
    }
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        str(STEP_SECONDS),
        str(SLOTS),
        cwd=ROOT,
        env={**os.environ, **ours, **settings},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield psutil.Process(process.pid)
    finally:
        process.kill()
        await process.wait()


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not is_so():
            await asyncio.sleep(0.05)


def read(folder: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / DATABASE)) as connection:
        return connection.execute(sql).fetchall()


async def until_delivered(folder: Path) -> None:
    await until(lambda: not read(folder, "SELECT 1 FROM deliveries WHERE state = 'owed'"))


def refuses(text: str) -> bool:
    """The queue is full, or for its requester or space it is."""
    return "The queue is full" in text or "the places that are left" in text


def images_in(folder: Path) -> int:
    return len(read(folder, "SELECT 1 FROM images"))


def cpu_of(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def rows_of(crowd: Crowd, goal: str) -> list[Row]:
    """`goal` is the one of the acknowledgements' 99th percentile."""
    times = [seconds * 1000 for seconds in crowd.acknowledged]
    percent = statistics.quantiles(times, n=100)
    once = sum(count == 1 for count in crowd.shown.values())
    rows = [
        Row(f"{crowd.asked} `/generate` at once, acknowledged", f"{len(times)}", f"{crowd.asked}"),
        Row("until the acknowledgement, p50", f"{percent[49]:.0f} ms"),
        Row("until the acknowledgement, p99", f"{percent[98]:.0f} ms", goal),
        Row("until the acknowledgement, slowest", f"{max(times):.0f} ms", "< 3000 ms"),
        Row(
            f"accepted, and refused politely, with {QUEUE_LIMIT} places and {BEFORE} jobs there before",
            f"{crowd.accepted} and {crowd.refused}",
            f"{crowd.asked} together",
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
