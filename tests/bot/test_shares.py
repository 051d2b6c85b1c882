"""What one requester and one space may have of the queue, and what a role is worth, through the whole service."""

import asyncio
import time
from contextlib import aclosing
from dataclasses import replace

import pytest

from bot.errors import QueueFull, ShareFull
from bot.events import Event, Queued, Started
from bot.jobs import Job
from bot.policy import Asker, Weights
from bot.scheduler import Scheduler
from bot.telling import PAUSE
from storage.jobs import Jobs
from tests.bot.asking import ADMIN, ANN, BOB, EVE, MODERATOR, ask, painted, reach
from tests.bot.slow_stores import Slow
from tests.bot.test_ready_at import Clock, standing, take_step
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor


async def test_of_fifty_that_one_requester_asks_for_at_once_as_many_are_taken_as_places_are_left(
    limner: OpenLimner,
) -> None:
    async with limner(FakeExecutor(ready=False), queue_limit=10) as service:
        answers = await asyncio.gather(*(ask(service) for _ in range(50)), return_exceptions=True)
        for other in (BOB, EVE, MODERATOR, ADMIN):
            await ask(service, other)

    assert sum(isinstance(answer, Job) for answer in answers) == 5
    refused = [answer for answer in answers if isinstance(answer, ShareFull)]
    assert len(refused) == 45
    assert all((error.whose, error.waiting) == ("requester", 5) for error in refused)


async def test_what_waited_before_a_restart_counts_after_it(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False), queue_limit=4) as service:
        jobs = [await ask(service) for _ in range(2)]
    async with limner(FakeExecutor(ready=False), queue_limit=4) as service:
        with pytest.raises(ShareFull):
            await ask(service)
        await service.cancel(jobs[0].id, ANN)
        await ask(service)


async def test_what_is_painted_takes_no_place(limner: OpenLimner) -> None:
    executor = FakeExecutor(slots=2)
    executor.hold()
    async with limner(executor, queue_limit=2) as service:
        for _ in range(2):
            job = await ask(service)
            async with aclosing(service.follow(job.id, ANN)) as stream:
                async for event in stream:
                    if not isinstance(event, Queued):
                        break
        await ask(service)
        with pytest.raises(ShareFull):
            await ask(service)


async def test_a_job_whose_caller_goes_away_holds_its_place_while_it_is_written_down(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Slow(monkeypatch, Jobs, "add")
    async with limner(FakeExecutor(ready=False), queue_limit=1) as service:
        caller = asyncio.create_task(ask(service))
        await add.reached()
        caller.cancel()
        await asyncio.wait([caller])
        with pytest.raises(QueueFull):
            await ask(service, BOB)
        add.go_on()


@pytest.mark.parametrize(
    ("asker", "weight"),
    [
        (ANN, 1),
        (MODERATOR, 2),
        (ADMIN, 3),
        (replace(ADMIN, moderator=True), 3),
    ],
    ids=["member", "moderator", "admin", "both"],
)
def test_the_role_with_the_most_weight_counts(asker: Asker, weight: float) -> None:
    assert Weights(moderator=2, admin=3).of(asker) == weight
    assert Weights().of(asker) == 1


@pytest.mark.parametrize(
    ("admin_weight", "first"), [(1, ["ada", "ann", "ada", "ann"]), (3, ["ada", "ann", "ada", "ada"])]
)
async def test_an_admin_gets_as_large_a_share_as_the_operator_says(
    limner: OpenLimner, admin_weight: float, first: list[str]
) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor, admin_weight=admin_weight) as service:
        jobs = {}
        for _ in range(3):
            for name, asker in (("ada", ADMIN), ("ann", ANN)):
                jobs[(await ask(service, asker)).id] = name
        executor.become_ready()
        for job_id, name in jobs.items():
            await painted(service, await service.job(job_id, ADMIN if name == "ada" else ANN))

    assert [jobs[work.job_id] for work in executor.works][:4] == first


async def test_who_waits_is_told_of_their_place_now_and_then_and_not_at_each_claim(limner: OpenLimner) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor, queue_limit=1000) as service:
        jobs = [await ask(service, steps=1) for _ in range(60)]
        heard: list[Event] = []
        async with aclosing(service.follow(jobs[-1].id, ANN)) as stream:
            heard.append(await anext(stream))
            began = time.monotonic()
            executor.become_ready()
            heard += [event async for event in stream]
            seconds = time.monotonic() - began
    places = [event.position for event in heard if isinstance(event, Queued)]

    assert places[0] == 60
    assert places == sorted(places, reverse=True)
    assert len(places) <= 2 + seconds / PAUSE
    assert not any(isinstance(event, Queued) for event in heard[len(places) :]), "never after it was started"


async def test_who_is_started_while_places_are_told_hears_of_no_place_any_more(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = FakeExecutor()
    executor.hold()
    async with limner(executor) as service:
        first, second, third = [await ask(service, steps=1) for _ in range(3)]
        await reach(service, first, Started())
        line = Scheduler.line
        monkeypatch.setattr(Scheduler, "line", lambda *asked: [*line(*asked), first.id])
        async with aclosing(service.follow(first.id, ANN)) as started, aclosing(service.follow(third.id, ANN)) as waits:
            assert [await anext(started), await anext(waits)] == [Started(), Queued(2)]
            await service.cancel(second.id, ANN)
            assert await anext(waits) == Queued(1)
            executor.release()
            heard = [event async for event in started]

    assert not any(isinstance(event, Queued) for event in heard)


async def test_nobody_pretends_to_know_when_the_end_of_a_very_long_line_is_ready(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.telling.FORESEEN", 2)
    clock, executor = Clock(), FakeExecutor()
    executor.hold()
    async with limner(executor, clock=clock) as service:
        jobs = [await ask(service, steps=4) for _ in range(4)]
        await reach(service, jobs[0], Started())
        await take_step(service, executor, clock, 1, jobs[0], seconds=2)
        async with aclosing(service.follow(jobs[3].id, ANN)) as stream:
            told = [*[await standing(service, job) for job in jobs[1:3]], await anext(stream)]
            await service.cancel(jobs[1].id, ANN)
            moved = await anext(stream)

    assert told == [Queued(1, 1002 + 6 + 8), Queued(2, 1002 + 6 + 16), Queued(3)]
    assert moved == Queued(2, 1002 + 6 + 16)
