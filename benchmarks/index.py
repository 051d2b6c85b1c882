"""A large index: what each question of a command and each claim takes, and who waits while it is walked through."""

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import psutil
import structlog

from benchmarks.full_index import NOW, Full, fill, requester_of, space_of
from benchmarks.questions import Ask, Chosen, Commands, Questions, Stores
from benchmarks.report import Row
from bot.app import open_service
from bot.engine import Engine
from bot.events import Preview, Progress
from bot.jobs import Image, Job
from bot.policy import Asker
from bot.ports import Painted, Work, WorkerStatus
from bot.scheduler import Scheduler
from bot.service import Service
from bot.settings import Settings
from bot.telemetry import Telemetry
from storage.database import Database
from storage.files import ImageFolder
from storage.folder import DATABASE, IMAGES
from storage.images import Images
from storage.jobs import Jobs
from storage.keeper import lost_files

IMAGE_COUNT, QUEUED = 1_000_000, 100_000
#: Times that each question is asked.
TIMES = 500
#: Claims of the engine.
CLAIMS = 1000
MOST = "a tenth of all images"


def measure() -> Iterator[Row]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    with tempfile.TemporaryDirectory(prefix="limner-index-") as folder:
        began = time.perf_counter()
        # In a process of its own, whose memory is nobody's afterwards.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            full = process.submit(fill, Path(folder) / DATABASE, IMAGE_COUNT, QUEUED).result()
        filled = time.perf_counter() - began
        yield Row(f"an index of {IMAGE_COUNT:,} images and {QUEUED:,} queued jobs is filled", f"{filled:.0f} s")
        yield from asyncio.run(measured(Path(folder), full))


async def measured(folder: Path, full: Full) -> list[Row]:
    rows = [
        Row("size of the index's file", f"{(folder / DATABASE).stat().st_size / 1e9:.2f} GB"),
        Row("fsync of 4 KB here, busy meanwhile or not", told(fsyncs(folder)) + f"; load {os.getloadavg()[0]:.1f}"),
    ]
    chosen = Chosen(full)
    async with Database.open(folder / DATABASE, now=NOW) as database:
        stores = Stores(database, chosen, folder)
        rows += [row async for row in answers("store", stores.writes() | stores.reads())]
    rows += [row async for row in of_the_engine(folder)]
    async with served(folder) as service:
        commands = Commands(service, chosen)
        # The server does so too when it starts: once that is over, it is alone.
        looked = await beside("looking for lost files", lambda: asyncio.to_thread(lost_files, folder), commands)
        rows += [row async for row in answers("service", commands.questions())] + [looked]
        rows += [await beside(name, walk, commands) for name, walk in walks(service).items()]
    return rows


async def answers(whose: str, questions: Questions) -> AsyncIterator[Row]:
    for name, ask in questions.items():
        yield Row(f"{whose}: {name}", await asked(ask), "p99 < 5 ms")


def told(seconds: Sequence[float]) -> str:
    percent = statistics.quantiles([each * 1000 for each in seconds], n=100)
    return f"p50 {percent[49]:.2f} ms, p99 {percent[98]:.2f} ms"


async def asked(ask: Ask, times: int = TIMES) -> str:
    for _ in range(10):
        await ask()
    took = []
    for _ in range(times):
        began = time.perf_counter()
        await ask()
        took.append(time.perf_counter() - began)
    return told(took)


def fsyncs(folder: Path) -> list[float]:
    took = []
    with (folder / "fsync").open("wb") as file:
        for _ in range(TIMES):
            file.write(bytes(4096))
            file.flush()
            began = time.perf_counter()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return took


async def of_the_engine(folder: Path) -> AsyncIterator[Row]:
    async with Database.open(folder / DATABASE, now=NOW) as database:
        executor, process = TakesAll(CLAIMS), psutil.Process()
        before, began = process.memory_info().rss, time.perf_counter()
        engine = Engine(
            jobs=Jobs(database),
            images=Unread(database, ImageFolder(folder / IMAGES)),
            executor=executor,
            scheduler=Scheduler(2 * QUEUED),
            clock=time.time,
            telemetry=Telemetry(time.time),
        )
        await engine.restore()
        took, more = time.perf_counter() - began, (process.memory_info().rss - before) / 1e6
        yield Row(f"engine: {engine.waiting:,} queued jobs are taken up at the start", f"{took:.1f} s, {more:.0f} MB")
        running = asyncio.create_task(engine.run())
        await executor.full.wait()
        between = [after - earlier for earlier, after in pairwise(executor.asked[: CLAIMS + 1])]
        yield Row("engine: from one claim to the next", told(between), "< 1 ms")
        await engine.drain(0)
        await running


def walks(service: Service) -> Questions:
    most = Asker(requester_of(space_of(0), 0), space_of(0))
    return {
        f"`mydata` of who has {MOST}": lambda: service.belongings(most),
        f"`forget` of who has {MOST}": lambda: service.forget(most),
    }


async def beside(name: str, walk: Ask, commands: Commands) -> Row:
    """What commands take meanwhile, and for how long the event loop was held up."""
    began = time.perf_counter()
    walking, stalls = asyncio.ensure_future(walk()), [0.0]
    looking = asyncio.create_task(look(stalls))
    took = {"writing": [0.0], "reading": [0.0]}
    while not walking.done():
        for kind, ask in (("writing", commands.generate), ("reading", commands.find)):
            asked_at = time.perf_counter()
            await ask()
            took[kind].append(time.perf_counter() - asked_at)
        await asyncio.sleep(0.002)
    looking.cancel()
    await walking
    each = ", ".join(f"{what} {p99(some) * 1000:.1f} (worst {max(some) * 1000:.0f}) ms" for what, some in took.items())
    seconds = f"{time.perf_counter() - began:.0f} s"
    return Row(
        f"meanwhile {name}: p99 of a command that writes, of one that reads, the loop's longest stall",
        f"{each}, {max(stalls) * 1000:.0f} ms, in {seconds}",
        "stall < 50 ms",
    )


def p99(some: Sequence[float]) -> float:
    return sorted(some)[len(some) * 99 // 100]


async def look(stalls: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(0.001)
        stalls.append(time.perf_counter() - began - 0.001)


class TakesAll:
    """An executor that takes a number of jobs at once and never finishes them; knows when it was asked for room."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.asked: list[float] = []
        self.full = asyncio.Event()

    def has_room(self, job: Job, held: Sequence[Job]) -> bool:
        self.asked.append(time.perf_counter())
        if len(held) == self._number:
            self.full.set()
        return len(held) < self._number

    def status(self) -> Sequence[WorkerStatus]:
        return []

    async def run(self, changed: Callable[[], None]) -> None:
        await asyncio.get_running_loop().create_future()

    async def paint(self, work: Work) -> AsyncGenerator[Progress | Preview | Painted, None]:
        await asyncio.get_running_loop().create_future()
        yield Progress(1, 1, 1, 1)

    def preview(self, job_id: str, interval: float | None) -> None: ...

    def cancel(self, job_id: str) -> None: ...


class Unread(Images):
    """There are no files."""

    async def read(self, image: Image) -> bytes:
        return b""


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Service]:
    settings = Settings(data_dir=folder, queue_limit=2 * QUEUED, drain_seconds=0)
    async with open_service(settings, executor=TakesAll(0), clock=lambda: NOW) as service:
        yield service
