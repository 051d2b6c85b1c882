"""What the engine relies on, of every executor: the one that paints and the one that tests use in its place."""

import asyncio
import io
import os
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from bot.errors import JobCancelled
from bot.events import Preview, Progress
from bot.inference.cluster import cluster_team
from bot.inference.local import local_team
from bot.inference.pipelines import DEMO
from bot.inference.wire import Load
from bot.jobs import ImageRequest, Job, Refinement, Sampler, Stage
from bot.ports import Executor, Painted, Work, WorkerState
from bot.quality import Menu
from tests.fakes import light_worker
from tests.fakes.cluster import cluster as cluster
from tests.fakes.executor import FakeExecutor

pytestmark = pytest.mark.asyncio(loop_scope="module")

STEPS = 3
MENU = Menu()
CAT = MENU.filled_in(ImageRequest(prompt="a cat", width=64, height=96, num_inference_steps=STEPS, seed=7))
JOB = Job(id="job", requester="", space="", origin="", request=CAT, image_ids=(), created_at=0)

LOAD = Load(DEMO, DEMO)
EXECUTORS: dict[str, Callable[[], Executor]] = {
    "fake": FakeExecutor,
    "local": lambda: local_team(LOAD, dict(os.environ)),
    "ray": lambda: cluster_team(LOAD, {}),
}
SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ("local", "ray")]


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["fake", *SLOW])
async def executor(request: pytest.FixtureRequest) -> AsyncIterator[Executor]:
    if request.param == "ray":
        # Three workers with models would take long to load on a small machine; tests/bot/inference has them.
        address = request.getfixturevalue("cluster").address
        executor: Executor = cluster_team(LOAD, {}, address=address, work=partial(light_worker.serve, seconds=0.005))
    else:
        executor = EXECUTORS[request.param]()
    task = asyncio.create_task(executor.run(lambda: None))
    try:
        # Workers that start need the CPU themselves.
        await until(lambda: set(states(executor)) == {WorkerState.READY}, pause=0.01)
        yield executor
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(is_so: Callable[[], bool], pause: float = 0.0) -> None:
    async with asyncio.timeout(100):
        while not is_so():
            await asyncio.sleep(pause)


def states(executor: Executor) -> list[WorkerState]:
    return [worker.state for worker in executor.status()]


def work(job_id: str = "job", request: ImageRequest | Refinement = CAT, **more: Any) -> Work:
    image_ids = tuple(f"{job_id}-{number}" for number in range(request.num_images))
    return Work(job_id=job_id, image_ids=image_ids, request=request, **more)


async def events(executor: Executor, of: Work) -> list[Progress | Preview | Painted]:
    async with aclosing(executor.paint(of)) as stream:
        return [event async for event in stream]


async def images(executor: Executor, of: Work) -> list[Painted]:
    """In the order of the work's IDs; they may come in any."""
    painted = [event for event in await events(executor, of) if isinstance(event, Painted)]
    return sorted(painted, key=lambda image: of.image_ids.index(image.image_id))


async def test_a_job_brings_its_progress_and_then_its_image(executor: Executor) -> None:
    *progress, image = await events(executor, work())

    assert progress == [Progress(1, 1, step, STEPS) for step in range(1, STEPS + 1)]
    assert isinstance(image, Painted)
    assert image.image_id == "job-0"
    assert Image.open(io.BytesIO(image.png)).size == (64, 96)
    assert (image.recipe.prompt, image.recipe.seed, image.recipe.width) == ("a cat", 7, 64)


async def test_each_image_has_its_id_and_seeds_count_up(executor: Executor) -> None:
    painted = await images(executor, work(request=replace(CAT, num_images=3)))

    assert [image.image_id for image in painted] == ["job-0", "job-1", "job-2"]
    assert [image.recipe.seed for image in painted] == [7, 8, 9]


async def test_a_refinement_has_the_size_of_its_source_and_names_it(executor: Executor) -> None:
    (parent,) = await images(executor, work())
    refinement = Refinement(
        image_id="parent",
        prompt="snow",
        num_inference_steps=4,
        guidance_scale=5.0,
        sampler=Sampler.EULER,
        stage=Stage.REFINER,
        seed=1,
    )

    (image,) = await images(executor, work("refine", refinement, source=parent.png, source_sha256="ab" * 32))

    assert Image.open(io.BytesIO(image.png)).size == (64, 96)
    assert (image.recipe.parent_id, image.recipe.parent_sha256) == ("parent", "ab" * 32)
    assert image.recipe.strength == refinement.strength


async def test_the_same_work_brings_the_same_bytes(executor: Executor) -> None:
    assert await images(executor, work()) == await images(executor, work())


async def test_many_may_be_in_flight(executor: Executor) -> None:
    async with asyncio.TaskGroup() as tasks:
        painting = [tasks.create_task(images(executor, work(f"job-{number}"))) for number in range(5)]

    assert [task.result()[0].image_id for task in painting] == [f"job-{number}-0" for number in range(5)]


async def test_a_cancelled_job_is_dropped_and_the_next_is_painted(executor: Executor) -> None:
    long = work(request=replace(CAT, num_inference_steps=150))
    async with aclosing(executor.paint(long)) as stream:
        heard = [await anext(stream)]
        executor.cancel("job")
        with pytest.raises(JobCancelled):
            heard += [event async for event in stream]

    assert len(heard) < 150
    assert len(await images(executor, work("next"))) == 1


async def test_a_job_is_cancelled_before_it_takes_its_first_step(executor: Executor) -> None:
    long = asyncio.create_task(images(executor, work("long", replace(CAT, num_inference_steps=150))))
    waiting = asyncio.create_task(images(executor, work("waiting")))
    await asyncio.sleep(0)

    executor.cancel("waiting")
    executor.cancel("long")

    assert [type(error) for error in await asyncio.gather(long, waiting, return_exceptions=True)] == [JobCancelled] * 2


async def test_previews_come_for_whoever_looks_and_only_then(executor: Executor) -> None:
    long = replace(CAT, num_inference_steps=40)

    assert any(isinstance(event, Preview) for event in await events(executor, work(request=long, preview_interval=0)))
    assert not any(isinstance(event, Preview) for event in await events(executor, work(request=long)))


async def test_one_may_begin_and_cease_to_look_in_the_middle(executor: Executor) -> None:
    executor.preview("unknown", 0)
    seen = 0
    async with aclosing(executor.paint(work(request=replace(CAT, num_inference_steps=150)))) as stream:
        await anext(stream)
        executor.preview("job", 0)
        async for event in stream:
            if isinstance(event, Preview):
                seen += 1
                executor.preview("job", None)

    assert 1 <= seen < 100


async def test_cancelling_what_nobody_knows_changes_nothing(executor: Executor) -> None:
    executor.cancel("unknown")
    await images(executor, work())
    executor.cancel("job")

    assert len(await images(executor, work())) == 1


async def test_a_job_that_nobody_waits_for_any_more_is_dropped(executor: Executor) -> None:
    async with aclosing(executor.paint(work(request=replace(CAT, num_inference_steps=150)))) as stream:
        await anext(stream)

    async with asyncio.timeout(10):
        assert len(await images(executor, work("next"))) == 1


async def test_a_task_that_is_cancelled_drops_its_job(executor: Executor) -> None:
    task = asyncio.create_task(images(executor, work(request=replace(CAT, num_inference_steps=150))))
    await until(lambda: WorkerState.BUSY in states(executor))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with asyncio.timeout(10):
        assert len(await images(executor, work("next"))) == 1


async def test_its_workers_say_how_they_are(executor: Executor) -> None:
    await until(lambda: set(states(executor)) == {WorkerState.READY})

    async with aclosing(executor.paint(work())) as stream:
        await anext(stream)
        assert states(executor).count(WorkerState.BUSY) == 1


async def test_a_job_that_was_interrupted_before_shares_its_worker_with_no_other(executor: Executor) -> None:
    again = replace(JOB, id="again", attempts=1)
    one_each = [replace(JOB, id=f"held {number}", attempts=1) for number in range(len(executor.status()))]

    assert executor.has_room(again, [])
    assert not executor.has_room(again, one_each)
    assert not executor.has_room(JOB, [replace(held, attempts=2) for held in one_each])


@pytest.mark.parametrize("make", EXECUTORS.values(), ids=EXECUTORS)
async def test_it_has_no_room_before_it_runs(make: Callable[[], Executor]) -> None:
    executor = make()

    if isinstance(executor, FakeExecutor):
        executor = FakeExecutor(ready=False)
    assert not executor.has_room(JOB, [])
    assert states(executor) == [WorkerState.STARTING]
