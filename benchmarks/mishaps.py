"""What a killed worker costs, and how long the serving process is held up while large PNGs are made."""

import asyncio
import os
import random
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import structlog
from PIL import Image as Picture

from benchmarks.alike import are_alike
from benchmarks.report import Row
from bot.app import open_service
from bot.jobs import Image, ImageRequest, Job
from bot.policy import Asker
from bot.service import Service
from bot.settings import Settings

ME = Asker("bench:me", "bench")
CAT = ImageRequest(prompt="a cat in a hat", num_inference_steps=20)
JOBS = 8
LARGE = ImageRequest(prompt="a cat", width=1024, height=1024, num_inference_steps=1)
LARGE_JOBS = 6
#: Seconds between two looks at the event loop, and between two at the service.
TICK = 0.001
LOOK = 0.005


def measure() -> Iterator[Row]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))
    yield from asyncio.run(killed())
    yield from asyncio.run(held_up())


@asynccontextmanager
async def limner() -> AsyncIterator[Service]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(model="demo", refiner="demo", data_dir=Path(folder), drain_seconds=0)
        async with open_service(settings, chance=random.Random(1)) as service:
            yield service


async def killed() -> list[Row]:
    async with limner() as service:
        began = time.perf_counter()
        await until(is_ready, service)
        load = time.perf_counter() - began
        undisturbed = await images_of(service, await ask(service, CAT, JOBS))
        jobs = await ask(service, CAT, JOBS)
        await until(many_step, service)
        await kill(service)
        killed_at = time.perf_counter()
        await until(is_starting, service)
        await until(is_ready, service)
        ready = time.perf_counter()
        await until(any_steps, service)
        stepped = time.perf_counter()
        images = await images_of(service, jobs)
        pairs = [map(service.file, pair) for pair in zip(undisturbed, images, strict=True)]
        alike = sum(are_alike(*map(Picture.open, pair)) for pair in pairs)
    return [
        Row("start of a worker until it is ready", f"{load:.1f} s"),
        Row(
            f"kill -9 of the worker, {JOBS} jobs", f"{JOBS - len(images)} lost, {alike} alike", f"0 lost, {JOBS} alike"
        ),
        Row("from the kill until the next worker is ready", f"{ready - killed_at:.1f} s"),
        Row("from there to the next step", f"{stepped - ready:.2f} s", "≤ 5 s"),
    ]


async def held_up() -> list[Row]:
    """The longest time in which nothing else could run on the serving process's event loop."""
    async with limner() as service:
        await until(is_ready, service)
        stalls: list[float] = []
        watch = asyncio.create_task(watch_loop(stalls), name="watch the loop")
        images = await images_of(service, await ask(service, LARGE, LARGE_JOBS))
        watch.cancel()
        sizes = sum(image.size for image in images) / len(images)
    worst = max(stalls)
    text = f"{worst * 1000:.1f} ms; p99 {sorted(stalls)[len(stalls) * 99 // 100] * 1000:.1f} ms of {len(stalls)} looks"
    what = f"longest stall of the event loop while {LARGE_JOBS} PNGs of 1024x1024 ({sizes / 1e6:.1f} MB) are made"
    return [Row(what, text, "≤ 20 ms")]


async def watch_loop(stalls: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(TICK)
        stalls.append(time.perf_counter() - began - TICK)


async def ask(service: Service, request: ImageRequest, number: int) -> list[Job]:
    return [await service.generate(replace(request, seed=seed), ME) for seed in range(number)]


async def images_of(service: Service, jobs: Sequence[Job]) -> list[Image]:
    """Once all are painted."""
    for job in jobs:
        async for _ in service.follow(job.id, ME):
            pass
    return [image for job in jobs for image in await service.images_of(job)]


async def until(is_so: Callable[[Service], Awaitable[bool]], service: Service) -> None:
    async with asyncio.timeout(120):
        while not await is_so(service):
            await asyncio.sleep(LOOK)


async def is_ready(service: Service) -> bool:
    return (await service.status()).ready


async def is_starting(service: Service) -> bool:
    return not await is_ready(service)


async def many_step(service: Service) -> bool:
    return sum(run.progress is not None for run in (await service.status()).running) > 1


async def any_steps(service: Service) -> bool:
    return any(run.progress is not None for run in (await service.status()).running)


async def kill(service: Service) -> None:
    pid = (await service.status()).workers[0].pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
