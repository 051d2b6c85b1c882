"""Which worker paints what, and what becomes of jobs as workers come and go."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from bot.errors import WorkerDied
from bot.inference import local, worker_client
from bot.inference.team import Roster, Team
from bot.inference.wire import Cancel, Load, Look
from bot.jobs import ImageRequest, Job, Refinement, Stage
from bot.ports import Work, WorkerState
from tests.fakes.connection import SIDE, FakeConnection

LOAD = Load("fake", "none")


class Studio:
    """A team of fake workers, and jobs that wait for their end."""

    def __init__(self) -> None:
        self.rosters: asyncio.Queue[Roster] = asyncio.Queue()
        self.team = Team("studio", self._rosters, LOAD, step_timeout=60)
        self.lives: dict[str, list[FakeConnection]] = {}
        self.jobs: dict[str, asyncio.Task[None]] = {}

    def employ(self, *names: str) -> None:
        """These, and no others any more."""
        self.rosters.put_nowait(Roster({name: lambda name=name: self._start(name) for name in names}))  # type: ignore[misc]

    async def _rosters(self) -> AsyncIterator[Roster]:
        while True:
            yield await self.rosters.get()

    async def _start(self, name: str) -> FakeConnection:
        life = FakeConnection()
        self.lives.setdefault(name, []).append(life)
        return life

    async def paint(self, job: Job) -> str:
        """The worker that got it."""
        self.jobs[job.id] = asyncio.create_task(self._painted(work_of(job)))
        await settled()
        (name,) = [name for name, lives in self.lives.items() for life in lives if job.id in life.paints]
        return name

    async def _painted(self, work: Work) -> None:
        async with aclosing(self.team.paint(work)) as stream:
            async for _ in stream:
                pass

    def states(self) -> list[tuple[str, WorkerState]]:
        return [(status.name, status.state) for status in self.team.status()]


@asynccontextmanager
async def studio(*names: str) -> AsyncIterator[Studio]:
    here = Studio()
    running = asyncio.create_task(here.team.run(lambda: None))
    here.employ(*names)
    await settled()
    yield here
    for task in [running, *here.jobs.values()]:
        task.cancel()
        with suppress(asyncio.CancelledError, WorkerDied):
            await task


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


def job(job_id: str = "job", *, attempts: int = 0, **request: Any) -> Job:
    asked = ImageRequest(prompt="a cat", **request)
    return Job(
        id=job_id, requester="", space="", origin="", request=asked, image_ids=(), created_at=0, attempts=attempts
    )


def work_of(job: Job) -> Work:
    return Work(job_id=job.id, image_ids=(), request=job.request, alone=job.attempts > 1)


async def test_a_worker_takes_what_it_paints_at_once_and_one_more() -> None:
    async with studio("a") as here:

        def room(*held: Job) -> bool:
            running = [replace(other, id=f"held {number}", attempts=1) for number, other in enumerate(held)]
            return here.team.has_room(job("next"), running)

        assert room()
        assert room(*[job()] * 4)
        assert not room(*[job()] * 5)
        assert not room(job(num_images=4), job(width=SIDE, height=SIDE))
        assert room(*[job(width=64, height=64)] * 4)
        assert not room(*[job(width=64, height=64)] * 5)
        assert not room(job(width=8 * SIDE, height=8 * SIDE))
        assert not room(job(height=8 * SIDE))


async def test_nobody_has_room_before_its_model_is_there() -> None:
    async with studio() as here:
        assert here.states() == [("studio", WorkerState.STARTING)]
        assert not here.team.has_room(job(), [])
        with pytest.raises(WorkerDied, match="No worker is ready"):
            await here._painted(work_of(job()))

        here.employ("a", "b")
        await settled()

        assert here.states() == [("a", WorkerState.READY), ("b", WorkerState.READY)]
        assert here.team.has_room(job(), [])


async def test_jobs_go_to_whoever_is_idle_and_then_where_they_can_share_steps() -> None:
    async with studio("a", "b", "c") as here:
        square, wide = {"width": SIDE, "height": SIDE}, {"width": 2 * SIDE, "height": SIDE // 2}
        given = [
            await here.paint(job("1", **square)),
            await here.paint(job("2", **wide)),
            await here.paint(job("3", **square, style="ink")),
            await here.paint(job("4", **wide)),
            await here.paint(job("5", **square, style="ink")),
            await here.paint(job("6", **square)),
            await here.paint(job("7", **wide)),
        ]

        assert given == ["a", "b", "c", "b", "c", "a", "b"]


async def test_jobs_that_share_no_steps_go_where_least_is_done() -> None:
    async with studio("a", "b") as here:
        await here.paint(job("1", width=SIDE, height=SIDE, num_images=2))
        await here.paint(job("2", width=SIDE, height=SIDE // 2))

        assert await here.paint(job("3", width=64, height=64)) == "b"


async def test_no_job_waits_at_one_worker_while_another_could_begin() -> None:
    async with studio("a", "b") as here:
        given = [await here.paint(job(str(number))) for number in range(8)]

        assert sorted(given) == ["a"] * 4 + ["b"] * 4
        assert here.team.has_room(job("9"), [])
        assert {await here.paint(job("9")), await here.paint(job("10"))} == {"a", "b"}
        assert not here.team.has_room(job("11"), [])


async def test_refinements_share_steps_with_each_other_by_their_stage() -> None:
    async with studio("a", "b") as here:
        refinement = Refinement(image_id="x", prompt="snow", stage=Stage.REFINER)
        jobs = [replace(job(number), request=refinement) for number in ("1", "2")]

        assert [await here.paint(jobs[0]), await here.paint(job("3")), await here.paint(jobs[1])] == ["a", "b", "a"]


async def test_a_job_that_was_interrupted_gets_an_idle_worker_for_itself() -> None:
    async with studio("a", "b") as here:
        await here.paint(job("1"))
        assert await here.paint(job("again", attempts=2)) == "b"

        assert not here.team.has_room(job("another", attempts=1), [])
        assert here.team.has_room(job("2"), [])
        assert await here.paint(job("2")) == "a"
        here.lives["b"][0].finish(["again"])
        await settled()
        assert here.team.has_room(job("another", attempts=1), [])
        assert not here.team.has_room(job("another", attempts=1), [job("on its way", attempts=1)])


async def test_jobs_that_are_on_their_way_to_a_worker_count() -> None:
    async with studio("a", "b") as here:
        await here.paint(job("1", num_images=4))
        claimed = [job(f"claimed {number}", attempts=1, num_images=4) for number in range(4)]

        assert here.team.has_room(job(), claimed[:2])
        assert not here.team.has_room(job(), claimed[:3])
        assert here.team.has_room(job(), [job("1", attempts=1, num_images=4)])


async def test_a_worker_that_dies_takes_its_own_jobs_along_and_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    async with studio("a", "b") as here:
        for number in range(4):
            await here.paint(job(str(number)))
        of_a = here.lives["a"][0].paints
        here.lives["a"][0].kill()
        await settled()

        assert {job_id: task.done() for job_id, task in here.jobs.items()} == {str(n): str(n) in of_a for n in range(4)}
        assert all(isinstance(here.jobs[job_id].exception(), WorkerDied) for job_id in of_a)
        assert len(here.lives["a"]) == 2, "it was replaced"
        assert [status.restarts for status in here.team.status()] == [1, 0]
        assert await here.paint(job("next")) == "a"
        here.lives["b"][0].finish(here.lives["b"][0].paints)
        await settled()
        assert all(task.done() for job_id, task in here.jobs.items() if job_id != "next")


async def test_workers_join_and_leave_while_jobs_run() -> None:
    async with studio("a") as here:
        await here.paint(job("1"))
        here.employ("a", "b")
        await settled()
        assert await here.paint(job("2")) == "b"

        here.employ("b")
        await settled()

        assert here.lives["a"][0].ended
        assert here.states() == [("b", WorkerState.BUSY)]
        with pytest.raises(WorkerDied):
            await here.jobs["1"]
        here.lives["b"][0].finish(["2"])
        await here.jobs["2"]
        here.rosters.put_nowait(Roster({}, "The cluster cannot be reached."))
        await settled()
        (nobody,) = here.team.status()
        assert (nobody.state, nobody.detail) == (WorkerState.FAILED, "The cluster cannot be reached.")
        here.employ("c")
        await settled()
        assert here.states() == [("c", WorkerState.READY)]


async def test_a_worker_that_cannot_be_started_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker_client, "PAUSES", (0.0, 0.01))
    tries: list[None] = []

    async def start() -> FakeConnection:
        tries.append(None)
        if len(tries) == 1:
            raise WorkerDied("There is no place for it.")
        return FakeConnection()

    async with studio() as here:
        here.rosters.put_nowait(Roster({"a": start}))
        await settled()
        assert (here.team.status()[0].state, here.team.status()[0].detail) == (
            WorkerState.FAILED,
            "There is no place for it.",
        )

        await asyncio.sleep(0.05)
        assert here.states() == [("a", WorkerState.READY)]
        assert here.team.status()[0].detail is None


async def test_what_is_said_of_a_job_reaches_its_worker_alone() -> None:
    async with studio("a", "b") as here:
        await here.paint(job("1"))
        await here.paint(job("2"))
        here.team.preview("2", 1.0)
        here.team.cancel("1")

        assert [type(order) for order in here.lives["a"][0].orders[2:]] == [Cancel]
        assert [type(order) for order in here.lives["b"][0].orders[2:]] == [Look]


def answers(text: str) -> tuple[str, ...]:
    return "printf", "%s", text


THREE_GPUS = """GPU 0: NVIDIA A100 (UUID: GPU-aaaa-1)
GPU 1: NVIDIA H200 (UUID: GPU-bbbb-2)
  MIG 1g.18gb     Device  0: (UUID: MIG-cccc-3)
  MIG 1g.18gb     Device  1: (UUID: MIG-dddd-4)
GPU 2: NVIDIA A100 (UUID: GPU-eeee-5)
"""


@pytest.mark.parametrize(
    ("wanted", "environment", "found"),
    [
        ("auto", {}, ["GPU-aaaa-1", "MIG-cccc-3", "MIG-dddd-4", "GPU-eeee-5"]),
        ("auto", {"CUDA_VISIBLE_DEVICES": "1,0"}, ["1", "0"]),
        ("0,2", {"CUDA_VISIBLE_DEVICES": "1"}, ["0", "2"]),
    ],
)
async def test_each_gpu_gets_a_worker(
    monkeypatch: pytest.MonkeyPatch, wanted: str, environment: dict[str, str], found: list[str]
) -> None:
    monkeypatch.setattr(local, "LIST_GPUS", answers(THREE_GPUS))

    devices = await local._devices(wanted, environment)

    assert devices == {f"gpu {number}": {"CUDA_VISIBLE_DEVICES": name} for number, name in enumerate(found)}


async def test_without_gpus_there_is_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "LIST_GPUS", ("/nowhere/nvidia-smi",))
    assert await local._devices("auto", {}) == {"local": {}}
    monkeypatch.setattr(local, "LIST_GPUS", answers("No devices were found\n"))
    assert await local._devices("auto", {}) == {"local": {}}
    assert await local._devices("auto", {"CUDA_VISIBLE_DEVICES": ""}) == {"local": {}}
    monkeypatch.setattr(local, "LIST_GPUS", answers(THREE_GPUS))
    assert await local._devices("cpu", {}) == {"cpu": {"CUDA_VISIBLE_DEVICES": ""}}
