"""What only a cluster can do: lose a machine in the middle of a job, and get another."""

import asyncio
import re
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import Any

import pytest
from PIL import Image

from bot import doctor
from bot.events import Done, Progress
from bot.inference import worker
from bot.inference.cluster import cluster_team
from bot.inference.pipelines import DEMO
from bot.inference.wire import Load
from bot.inference.worker import Line
from bot.jobs import ImageRequest
from bot.ports import Executor, WorkerState
from bot.service import Service
from bot.settings import Settings
from tests.bot.asking import ANN
from tests.conftest import OpenLimner
from tests.fakes import light_worker
from tests.fakes.cluster import NODE
from tests.fakes.cluster import cluster as cluster

pytestmark = pytest.mark.slow

STEPS = 100


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(100):
        while not is_so():
            await asyncio.sleep(0.02)


def states(executor: Executor) -> list[WorkerState]:
    return [worker.state for worker in executor.status()]


async def painted(service: Service, seeds: Sequence[int], begun: Callable[[], None] = lambda: None) -> list[bytes]:
    """A picture of each seed; `begun` is called once all are being painted."""
    left = set(seeds)

    async def one(seed: int) -> bytes:
        request = ImageRequest(prompt="a cat", width=64, height=64, num_inference_steps=STEPS, seed=seed)
        job = await service.generate(request, ANN)
        async with aclosing(service.follow(job.id, ANN)) as events:
            async for event in events:
                if isinstance(event, Progress) and event.step > 1 and seed in left:
                    left.discard(seed)
                    if not left:
                        begun()
        assert isinstance(event, Done), event
        (image,) = event.images
        return Image.open(service.file(image)).tobytes()

    async with asyncio.TaskGroup() as tasks:
        all_painted = [tasks.create_task(one(seed)) for seed in seeds]
    return [task.result() for task in all_painted]


@pytest.mark.nightly
@pytest.mark.parametrize(
    "work",
    [
        pytest.param(partial(light_worker.serve, seconds=0.01), id="light workers"),
        pytest.param(worker.serve, id="with the demo model"),
    ],
)
async def test_a_machine_is_lost_in_the_middle_of_jobs_and_another_joins(
    limner: OpenLimner, cluster: Any, work: Callable[[Line], int]
) -> None:
    executor = cluster_team(Load(DEMO, DEMO), {}, address=cluster.address, work=work)
    async with limner(executor) as service:
        await until(lambda: states(executor) == [WorkerState.READY] * 3)
        undisturbed = await painted(service, (1, 2, 3))
        assert len(set(undisturbed)) == 3

        lost = cluster.worker_nodes.copy().pop()
        again = await painted(service, (1, 2, 3), begun=lambda: cluster.remove_node(lost, allow_graceful=False))

        assert again == undisturbed
        await until(lambda: states(executor) == [WorkerState.READY] * 2)
        cluster.add_node(**NODE)
        await until(lambda: states(executor) == [WorkerState.READY] * 3)
        assert await painted(service, (3,)) == undisturbed[2:]


async def test_a_cluster_that_cannot_be_reached_is_told_and_tried_again() -> None:
    executor = cluster_team(Load(DEMO, DEMO), {}, address="127.0.0.1:1")
    running = asyncio.create_task(executor.run(lambda: None))
    await until(lambda: states(executor) == [WorkerState.FAILED])
    (nobody,) = executor.status()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running

    assert nobody.name == "ray"
    assert nobody.detail
    assert nobody.detail.startswith("The Ray cluster at 127.0.0.1:1 cannot be reached: ")


async def test_doctor_says_what_paints_and_what_to_do_where_nothing_does(cluster: Any) -> None:
    (well,) = await doctor._cluster(Settings(executor="ray", ray_address=cluster.address))
    (unreachable,) = await doctor._cluster(Settings(executor="ray", ray_address="127.0.0.1:1"))

    assert (well.subject, well.remedy) == ("ray", None)
    assert re.fullmatch(r"\d GPU\(s\): .+ gpu 0(, .+ gpu 0)+", well.what)
    assert unreachable.what.startswith("The Ray cluster at 127.0.0.1:1 cannot be reached: ")
    assert unreachable.remedy
    assert await doctor._cluster(Settings()) == []
