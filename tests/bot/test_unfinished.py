"""Who has how many unfinished jobs where, also where one job is asked for twice at the same time."""

import asyncio
import gc
import sqlite3
from dataclasses import replace

import pytest

from bot.errors import AskedTooMuch, DiskFull
from bot.jobs import ImageRequest, Job
from bot.policy import Asker, Rules
from bot.service import Service
from bot.unfinished import Unfinished
from storage.jobs import Jobs
from tests.bot.asking import ADMIN, ANN, BOB, ELSEWHERE, STUDIO, ask, painted
from tests.bot.slow_stores import Slow, fail_once
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor

#: The same button, pressed once and told of twice.
TWICE = replace(ANN, asked_by="a press")
FULL = DiskFull("database or disk is full")


def job(job_id: str, requester: str = "test:ann", space: str = STUDIO) -> Job:
    return Job(
        id=job_id,
        requester=requester,
        space=space,
        origin="",
        request=ImageRequest(prompt="a cat"),
        image_ids=(),
        created_at=0,
    )


def test_unfinished_jobs_are_counted_by_requester_and_space_and_found_by_requester() -> None:
    unfinished = Unfinished()
    jobs = [job("a"), job("b"), job("c", space=ELSEWHERE), job("d", requester="test:bob")]
    for one in jobs:
        unfinished.add(one)
    unfinished.discard("a")
    unfinished.discard("unknown")

    assert unfinished.of("test:ann") == jobs[1:3]
    assert unfinished.count("test:ann", STUDIO) == 1
    assert unfinished.count("test:ann", ELSEWHERE) == 1
    assert unfinished.count("test:bob", ELSEWHERE) == 0
    assert unfinished.get("b") == jobs[1]
    assert unfinished.get("a") is None


def test_of_whose_jobs_are_over_nothing_is_kept() -> None:
    unfinished = Unfinished()
    for number in range(3):
        unfinished.add(job(str(number)))
    for number in range(3):
        unfinished.discard(str(number))

    assert [len(part) for part in (unfinished._jobs, unfinished._of, unfinished._counts)] == [0, 0, 0]


async def jobs_each(service: Service, number: int) -> None:
    await service.change_rules(ADMIN, lambda _: Rules(jobs_each=number))


async def may_ask_for_more(service: Service, asker: Asker = ANN) -> bool:
    try:
        await ask(service, asker)
    except AskedTooMuch:
        return False
    return True


@pytest.mark.parametrize("when", ["before", "after"])
async def test_of_two_at_once_that_ask_for_one_job_one_is_accepted_and_counts(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    add = Slow(monkeypatch, Jobs, "add", when=when)
    async with limner(FakeExecutor(ready=False)) as service:
        await jobs_each(service, 3)
        asking = [asyncio.create_task(ask(service, TWICE)) for _ in range(2)]
        for _ in range(2 if when == "before" else 1):
            await add.reached()
        for _ in range(3):
            add.go_on()
        first, second = await asyncio.gather(*asking, return_exceptions=True)
        accepted = await ask(service)

        assert isinstance(first, Job)
        assert isinstance(second, sqlite3.IntegrityError)
        assert [one.id for one in service._engine.unfinished_of(ANN.requester)] == [first.id, accepted.id]
        assert (await service.status()).queued == 2


async def test_where_the_first_of_two_cannot_be_written_the_second_is_accepted_and_painted(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_once(monkeypatch, Jobs, "add", FULL)
    executor = FakeExecutor(ready=False)
    async with limner(executor) as service:
        first, second = await asyncio.gather(*(ask(service, TWICE) for _ in range(2)), return_exceptions=True)
        assert first is FULL
        assert isinstance(second, Job)
        assert [one.id for one in service._engine.unfinished_of(ANN.requester)] == [second.id]
        executor.become_ready()
        assert len(await painted(service, second)) == 1
        assert service._engine.unfinished_of(ANN.requester) == []


async def test_what_is_just_being_accepted_counts(limner: OpenLimner, monkeypatch: pytest.MonkeyPatch) -> None:
    async with limner(FakeExecutor(ready=False)) as service:
        await jobs_each(service, 1)
        add = Slow(monkeypatch, Jobs, "add")
        asking = asyncio.create_task(ask(service))
        await add.reached()
        for _ in range(2):
            add.go_on()

        assert not await may_ask_for_more(service)
        await asking
        assert not await may_ask_for_more(service)
        assert await may_ask_for_more(service, BOB)


async def test_a_job_that_is_cancelled_on_its_way_into_the_line_counts_no_more_once_its_turn_has_come(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor) as service:
        await jobs_each(service, 1)
        add = Slow(monkeypatch, Jobs, "add", when="after")
        asking = asyncio.create_task(ask(service, TWICE))
        await add.reached()
        accepted = await service.accepted(TWICE)
        assert accepted is not None
        await service.cancel(accepted.id, ANN)
        add.go_on()
        await asking
        executor.become_ready()
        async with asyncio.timeout(5):
            while service._engine.unfinished_of(ANN.requester):
                await asyncio.sleep(0)
        add.go_on()

        assert await may_ask_for_more(service)


@pytest.mark.parametrize(("many", "kept"), [(2, True), (3, False)])
async def test_many_jobs_that_wait_at_the_start_are_kept_from_the_garbage_collector(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch, many: int, kept: bool
) -> None:
    async with limner(FakeExecutor(ready=False)) as service:
        for _ in range(2):
            await ask(service)
    before = gc.get_freeze_count()
    monkeypatch.setattr("bot.engine.MANY", many)

    async with limner(FakeExecutor(ready=False)):
        found = gc.get_freeze_count()
        gc.unfreeze()

    assert (found > before) is kept
