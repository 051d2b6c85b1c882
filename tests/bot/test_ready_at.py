"""When a queued job will be done, as far as the pace tells, and what the last hour was like."""

import asyncio
from contextlib import aclosing

import pytest

from bot.errors import JobFailed
from bot.events import Progress, Queued, Started
from bot.jobs import ImageRequest, Job
from bot.service import Service
from bot.status import Lately
from tests.bot.asking import ANN, BOB, ask, hear_all, hear_until, idle, painted, reach
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def standing(service: Service, job: Job) -> Queued:
    """What a follower hears at once."""
    async with aclosing(service.follow(job.id, ANN)) as stream:
        event = await anext(stream)
    assert isinstance(event, Queued)
    return event


async def begun(service: Service, job: Job) -> None:
    """The index says so a moment before the forecast knows."""
    await reach(service, job, Started())
    async with asyncio.timeout(5):
        while job.id not in [running.job.id for running in (await service.status()).running]:
            await asyncio.sleep(0.001)


async def take_step(
    service: Service, executor: FakeExecutor, clock: Clock, step: int, *jobs: Job, seconds: float
) -> None:
    """The jobs take this step of their four together, in so many seconds, and are held before the next."""
    clock.now += seconds
    executor.release()
    executor.hold(at_step=step + 1)
    for job in jobs:
        await reach(service, job, Progress(1, 1, step, 4))


async def test_a_job_is_ready_when_all_before_it_and_itself_are_painted_at_this_pace(limner: OpenLimner) -> None:
    clock, executor = Clock(), FakeExecutor()
    executor.hold()
    async with limner(executor, clock=clock) as service:
        first, second, third = [await ask(service, steps=4) for _ in range(3)]
        await begun(service, first)
        unknown = [await standing(service, job) for job in (second, third)]
        await take_step(service, executor, clock, 1, first, seconds=2)
        known = [await standing(service, job) for job in (second, third)]
        await take_step(service, executor, clock, 2, first, seconds=2)
        later = [await standing(service, job) for job in (second, third)]

    assert unknown == [Queued(1), Queued(2)]
    # Two seconds a step: what is left of the first, and four steps each.
    assert known == [Queued(1, 1002 + 6 + 8), Queued(2, 1002 + 6 + 16)]
    assert later == known, "all went as foreseen"


async def test_jobs_that_share_steps_are_ready_sooner(limner: OpenLimner) -> None:
    clock, executor = Clock(), FakeExecutor(slots=2)
    executor.hold()
    async with limner(executor, clock=clock) as service:
        first, second, third = [await ask(service, steps=4) for _ in range(3)]
        for job in (first, second):
            await begun(service, job)
        await take_step(service, executor, clock, 1, first, second, seconds=2)
        told = await standing(service, third)

    assert told == Queued(1, 1002 + (3 + 3 + 4) * 1)


async def test_larger_pictures_and_more_of_them_take_longer(limner: OpenLimner) -> None:
    clock, executor = Clock(), FakeExecutor()
    executor.hold()
    async with limner(executor, clock=clock) as service:
        first = await ask(service, steps=4)
        wide = ImageRequest(prompt="a cat", num_inference_steps=4, width=2000, height=1000, num_images=2)
        second = await service.generate(wide, ANN)
        await begun(service, first)
        await take_step(service, executor, clock, 1, first, seconds=1)
        told = await standing(service, second)

    assert told == Queued(1, 1001 + 3 + 4 * 2 * 2)


async def test_hours_without_work_do_not_count(limner: OpenLimner) -> None:
    clock, executor = Clock(), FakeExecutor()
    executor.hold()
    async with limner(executor, clock=clock) as service:
        first = await ask(service, steps=4)
        await begun(service, first)
        for step in range(1, 4):
            await take_step(service, executor, clock, step, first, seconds=2)
        clock.now += 2
        executor.release()
        await painted(service, first)
        await idle(service)
        clock.now += 3600
        executor.hold()
        second, third = [await ask(service, steps=4) for _ in range(2)]
        await begun(service, second)
        told = await standing(service, third)

    assert told == Queued(1, 1000 + 8 + 3600 + 8 + 8)


async def test_a_clock_that_is_set_back_does_no_harm(limner: OpenLimner) -> None:
    clock, executor = Clock(), FakeExecutor()
    executor.hold()
    async with limner(executor, clock=clock) as service:
        first, second = [await ask(service, steps=4) for _ in range(2)]
        await begun(service, first)
        await take_step(service, executor, clock, 1, first, seconds=2)
        clock.now -= 3600
        told = await standing(service, second)
        await take_step(service, executor, clock, 2, first, seconds=2)
        after = await standing(service, second)

    assert told.ready_at == 1002 - 3600 + 14
    assert after.ready_at is not None
    assert clock.now < after.ready_at < clock.now + 14


async def test_a_follower_hears_anew_when_a_job_before_it_goes(limner: OpenLimner) -> None:
    clock, executor = Clock(), FakeExecutor()
    executor.hold()
    async with limner(executor, clock=clock) as service:
        first, second, third = [await ask(service, steps=4) for _ in range(3)]
        await begun(service, first)
        await take_step(service, executor, clock, 1, first, seconds=2)
        async with aclosing(service.follow(third.id, ANN)) as stream:
            assert await anext(stream) == Queued(2, 1002 + 6 + 16)
            await service.cancel(second.id, ANN)
            heard = await hear_until(stream, Queued(1, 1002 + 6 + 8))
            clock.now += 2
            # Bob has a share of his own, and goes before the second of Ann's.
            await ask(service, BOB, steps=4)
            heard += await hear_until(stream, Queued(2, 1004 + 6 + 16))

    assert len(heard) == 2


async def test_lately_tells_how_long_jobs_took_and_what_went_wrong(limner: OpenLimner) -> None:
    clock, executor = Clock(), FakeExecutor()
    async with limner(executor, clock=clock) as service:
        assert await service.lately() == await service.lately()
        assert (await service.lately()).percentile(0.5) is None
        executor.hold()
        long_ago = await ask(service)
        clock.now += 100
        executor.release()
        await painted(service, long_ago)
        clock.now += 3601
        for seconds in (30, 10, 20):
            executor.hold()
            job = await ask(service)
            await begun(service, job)
            clock.now += seconds
            executor.release()
            await painted(service, job)
        for code in ("out_of_memory", "painting_failed", "out_of_memory"):
            executor.fail_next(JobFailed(code, "It broke."))
            await hear_all(service, await ask(service))
        executor.hold()
        cancelled = await ask(service)
        await service.cancel(cancelled.id, ANN)
        await ask(service)

        lately = await service.lately()

    assert lately.seconds == [10, 20, 30]
    assert lately.failures == {"out_of_memory": 2, "painting_failed": 1}
    assert (lately.percentile(0.5), lately.percentile(0.9)) == (20, 30)


@pytest.mark.parametrize(
    ("seconds", "part", "told"),
    [
        ([], 0.5, None),
        ([3.0], 0.0, 3.0),
        ([3.0], 0.5, 3.0),
        ([3.0], 1.0, 3.0),
        ([1.0, 2.0], 0.5, 1.0),
        ([1.0, 2.0], 0.51, 2.0),
        ([1.0, 2.0, 3.0], 0.5, 2.0),
        ([float(number) for number in range(1, 101)], 0.5, 50.0),
        ([float(number) for number in range(1, 101)], 0.95, 95.0),
        ([float(number) for number in range(1, 101)], 1.0, 100.0),
    ],
)
def test_a_percentile_is_what_so_many_did_not_exceed(seconds: list[float], part: float, told: float | None) -> None:
    assert Lately(seconds, {}).percentile(part) == told


async def test_a_stop_in_the_middle_keeps_the_line_and_forgets_the_pace(limner: OpenLimner) -> None:
    clock, executor = Clock(), FakeExecutor()
    executor.hold()
    async with limner(executor, clock=clock) as service:
        first, second = [await ask(service, steps=4) for _ in range(2)]
        await begun(service, first)
        await take_step(service, executor, clock, 1, first, seconds=2)
    async with limner(FakeExecutor(ready=False), clock=clock) as service:
        told = [await standing(service, job) for job in (first, second)]
        await asyncio.sleep(0)

    assert told == [Queued(1), Queued(2)]
