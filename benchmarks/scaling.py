"""What more workers bring, what an executor costs, and where the one serving process would be full.

The workers are light: a step takes a fixed time and no computing, so that two cores can stand for many devices.
"""

import asyncio
import os
import pickle
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.report import Row
from bot import log
from bot.app import open_service
from bot.inference.cluster import cluster_team
from bot.inference.local import local_team
from bot.inference.team import Roster, Team
from bot.inference.wire import Cancel, Dropped, Finished, Load, Loaded, Order, Paint, Report, Told
from bot.jobs import ImageRequest
from bot.policy import Asker
from bot.ports import Executor, Work, WorkerState
from bot.quality import Menu
from bot.service import Service
from bot.settings import Settings
from tests.fakes.executor import SIDE
from tests.fakes.light_worker import ROWS, Painting, serve

LIGHT = Load("light", "none")
#: Seconds of a step, and steps of a picture: four pictures take a second.
STEP, STEPS = 0.05, 20
WORKERS = (1, 2, 4)
#: Pictures for each worker, of as many requesters as share them evenly.
EACH, REQUESTERS = 100, 20
#: Of the overhead: steps of one picture that take no time, and pictures of one step.
MANY_STEPS, MANY_PICTURES = 2000, 200
REQUEST = Menu().filled_in(ImageRequest(prompt="a cat", width=SIDE, height=SIDE, num_inference_steps=STEPS, seed=1))

#: Of the simulation: a large GPU takes a step of four pictures of 1024x1024 in this time.
GPU_STEP, GPU_STEPS = 0.35, 30
GPUS = (16, 64, 128, 256, 512, 1024)
CROWD = 10_000
#: Seconds that each number of GPUs is watched, and before that.
WATCHED, SETTLING = 10.0, 4.0

Make = Callable[[int, float], AbstractContextManager[Team]]


def measure() -> Iterator[Row]:
    log.write_nothing()
    ways: dict[str, Make] = {"child processes": of_processes, "Ray actors": of_actors}
    for name, make in ways.items():
        yield from asyncio.run(throughput(name, make))
        yield from asyncio.run(overhead(name, make))
    yield from asyncio.run(saturation())


@contextmanager
def of_processes(workers: int, step: float) -> Iterator[Team]:
    command = (sys.executable, "-m", "tests.fakes.light_worker", str(step))
    yield local_team(LIGHT, dict(os.environ), devices=",".join(map(str, range(workers))), command=command)


@contextmanager
def of_actors(workers: int, step: float) -> Iterator[Team]:
    import ray

    context: Any = ray.init(num_cpus=workers, num_gpus=workers, include_dashboard=False, configure_logging=False)
    try:
        yield cluster_team(LIGHT, {}, address=context.address_info["address"], work=partial(serve, seconds=step))
    finally:
        ray.shutdown()


async def throughput(name: str, make: Make) -> list[Row]:
    rows, alone = [], 0.0
    for workers in WORKERS:
        with make(workers, STEP) as team:
            async with serving(team, workers) as service:
                rate = await painted_each_second(service, EACH * workers)
        alone = alone or rate
        what = f"{name}: pictures each second by {workers} worker(s), and its part of {workers} times one worker's"
        rows.append(Row(what, f"{rate:.2f}, {rate / alone / workers:.3f}", "≥ 0.95"))
    return rows


async def painted_each_second(service: Service, pictures: int) -> float:
    """Through the whole service: accepted, claimed, painted, kept and told."""
    began = time.perf_counter()

    async def one(number: int) -> None:
        asker = Asker(f"web:{number % REQUESTERS}", "web:bench")
        job = await service.generate(replace(REQUEST, seed=number), asker)
        async with aclosing(service.follow(job.id, asker)) as events:
            async for _ in events:
                pass

    async with asyncio.TaskGroup() as tasks:
        for number in range(pictures):
            tasks.create_task(one(number))
    return pictures / (time.perf_counter() - began)


async def overhead(name: str, make: Make) -> list[Row]:
    """Of the executor alone; a step takes no time."""
    with make(1, 0.0) as team:
        async with running(team, 1):
            await spent(team, replace(REQUEST, num_inference_steps=MANY_STEPS))
            step = await spent(team, replace(REQUEST, num_inference_steps=MANY_STEPS))
            pictures = [await spent(team, replace(REQUEST, num_inference_steps=1)) for _ in range(MANY_PICTURES)]
    wall, cpu = (sum(each) / MANY_PICTURES * 1e3 for each in zip(*pictures, strict=True))
    return [
        Row(f"{name}: for each step", f"{step[0] / MANY_STEPS * 1e3:.3f} ms, {step[1] / MANY_STEPS * 1e3:.3f} of CPU"),
        Row(f"{name}: for each picture, from order to picture", f"{wall:.2f} ms, {cpu:.2f} of CPU"),
    ]


async def spent(executor: Executor, request: ImageRequest) -> tuple[float, float]:
    """Seconds on the clock, and of this process's CPU."""
    began, cpu = time.perf_counter(), time.process_time()
    async with aclosing(executor.paint(Work(job_id="job", image_ids=("image",), request=request))) as stream:
        async for _ in stream:
            pass
    return time.perf_counter() - began, time.process_time() - cpu


@asynccontextmanager
async def serving(team: Team, workers: int) -> AsyncIterator[Service]:
    with TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder), queue_limit=4 * CROWD, drain_seconds=0)
        async with open_service(settings, executor=team) as service:
            await until_ready(team, workers)
            yield service


@asynccontextmanager
async def running(team: Team, workers: int) -> AsyncIterator[None]:
    task = asyncio.create_task(team.run(lambda: None))
    await until_ready(team, workers)
    yield
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def until_ready(team: Team, workers: int) -> None:
    while sum(worker.state is WorkerState.READY for worker in team.status()) < workers:
        await asyncio.sleep(0.05)


class Simulated:
    """A worker in this process. What it says is pickled, as if it came from elsewhere."""

    def __init__(self) -> None:
        self.pid: int | None = None
        self._reports: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._held: dict[int, Painting] = {}
        self._stepping = asyncio.create_task(self._step())

    def send(self, order: Order) -> None:
        match pickle.loads(pickle.dumps(order)):
            case Load():
                pixels = SIDE**2
                self._say(Loaded("light", "none", "cuda", "bfloat16", None, None, pixels, ROWS * pixels, ROWS, ""))
            case Paint(number, work):
                self._held[number] = Painting(work)
            case Cancel(number):
                if self._held.pop(number, None):
                    self._say(Told(number, Dropped()))

    async def _step(self) -> None:
        while True:
            await asyncio.sleep(GPU_STEP)
            for number, painting in list(self._held.items())[:ROWS]:
                for news in next(painting.steps):
                    self._say(Told(number, news))
                    if isinstance(news, Finished):
                        del self._held[number]

    def _say(self, report: Report) -> None:
        self._reports.put_nowait(pickle.dumps(report))

    async def reports(self) -> AsyncIterator[Report]:
        while (report := await self._reports.get()) is not None:
            yield pickle.loads(report)

    def kill(self) -> None:
        self._reports.put_nowait(None)

    async def end(self) -> str:
        self._stepping.cancel()
        return "was told to end"


async def simulated() -> Simulated:
    return Simulated()


async def saturation() -> list[Row]:
    """More and more GPUs paint what 10,000 people have queued; the same process serves and simulates them."""
    numbers: asyncio.Queue[int] = asyncio.Queue()

    async def rosters() -> AsyncIterator[Roster]:
        while True:
            yield Roster({f"gpu {gpu}": simulated for gpu in range(await numbers.get())})

    team = Team("simulated", rosters, LIGHT)
    rows: list[Row] = []
    async with serving(team, 0) as service:
        crowd = asyncio.create_task(keep_asking(service))
        while (await service.status()).queued < CROWD:
            await asyncio.sleep(0.2)
        for gpus in GPUS:
            numbers.put_nowait(gpus)
            await asyncio.sleep(SETTLING)
            rows.append(await watched(service, gpus))
        crowd.cancel()
        with suppress(asyncio.CancelledError):
            await crowd
    return rows


async def keep_asking(service: Service) -> None:
    """So that as many wait all the time."""
    number = 0
    while True:
        waiting = (await service.status()).queued
        for _ in range(CROWD - waiting):
            number += 1
            asker = Asker(f"web:{number % CROWD}", "web:bench")
            await service.generate(replace(REQUEST, num_inference_steps=GPU_STEPS, seed=number), asker)
        await asyncio.sleep(0.2)


async def watched(service: Service, gpus: int) -> Row:
    began, cpu = time.perf_counter(), time.process_time()
    done, late = done_of(service), await lateness(WATCHED)
    seconds = time.perf_counter() - began
    rate, possible = (done_of(service) - done) / seconds, gpus * ROWS / GPU_STEP / GPU_STEPS
    return Row(
        f"simulated: {gpus} GPUs, {CROWD:,} people's jobs: pictures each second, of how many possible; load; lateness",
        f"{rate:.1f} of {possible:.1f}; {(time.process_time() - cpu) / seconds:.0%} of a core; "
        f"p50 {late[len(late) // 2] * 1e3:.1f} ms, p99 {late[len(late) * 99 // 100] * 1e3:.0f} ms",
    )


def done_of(service: Service) -> float:
    return service.telemetry.metrics.registry.get_sample_value("limner_images_total") or 0.0


async def lateness(seconds: float) -> Sequence[float]:
    """How late the event loop comes to something every ten milliseconds, in ascending order."""
    late: list[float] = []
    over = time.perf_counter() + seconds
    while time.perf_counter() < over:
        due = time.perf_counter() + 0.01
        await asyncio.sleep(0.01)
        late.append(time.perf_counter() - due)
    return sorted(late)
