"""The rules of a space at work: who is blocked, where and how much is taken, and who may decide it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from bot.errors import AskedTooMuch, Blocked, Forbidden, PlaceClosed, QueueFull, Refused, SpacePaused
from bot.jobs import ImageRequest, Job, Quality, Refinement
from bot.policy import Asker, Rules
from bot.service import Service
from storage.jobs import Jobs
from tests.bot.asking import ADMIN, ANN, BOB, ELSEWHERE, EVE, MODERATOR, ask, paint, painted, refine
from tests.bot.slow_stores import Slow, fail_once
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor, png


async def every_request_is_refused(service: Service, image_id: str, asker: Asker, reason: type[Refused]) -> None:
    requests: list[Callable[[], Awaitable[object]]] = [
        lambda: ask(service, asker),
        lambda: refine(service, image_id, asker),
        lambda: service.again(image_id, asker),
        lambda: service.vary(image_id, asker),
        lambda: service.bring(png(), asker),
    ]
    before = (await service.status()).counts
    for request in requests:
        with pytest.raises(reason):
            await request()
    assert (await service.status()).counts == before


async def decide(service: Service, **rules: object) -> Rules:
    return await service.change_rules(ADMIN, lambda found: replace(found, **rules))  # type: ignore[arg-type]


async def test_whoever_is_blocked_asks_for_nothing_here_until_they_are_unblocked(limner: OpenLimner) -> None:
    async with limner() as service:
        image = await paint(service)
        assert await service.block(ANN.requester, ADMIN)
        assert not await service.block(ANN.requester, ADMIN)

        await every_request_is_refused(service, image.id, ANN, Blocked)
        await paint(service, BOB)
        await paint(service, replace(ANN, space=ELSEWHERE))

        assert await service.unblock(ANN.requester, ADMIN)
        assert not await service.unblock(ANN.requester, ADMIN)
        await paint(service)


async def test_whoever_is_blocked_keeps_what_is_theirs(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False)) as service:
        job = await ask(service)
        brought = await service.bring(png(), ANN)
        await service.block(ANN.requester, ADMIN)

        assert await service.own_images(ANN, 10) == [brought]
        await service.cancel(job.id, ANN)
        await service.delete(brought.id, ANN)
        assert len((await service.forget(ANN)).jobs) == 1


async def test_a_paused_space_takes_nothing_new_and_paints_what_it_took(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    async with limner(executor) as service:
        image = await paint(service)
        executor.hold()
        accepted = await ask(service)
        await decide(service, paused=True)

        for asker in (ANN, BOB, MODERATOR, ADMIN):
            await every_request_is_refused(service, image.id, asker, SpacePaused)
        executor.release()
        await painted(service, accepted)
        await paint(service, EVE)

        await decide(service, paused=False)
        await paint(service)


async def test_a_space_may_take_requests_in_some_places_only(limner: OpenLimner) -> None:
    async with limner() as service:
        image = await paint(service)
        await decide(service, places=frozenset({"lobby", "attic"}))

        for asker in (ANN, replace(ANN, place="cellar"), ADMIN):
            await every_request_is_refused(service, image.id, asker, PlaceClosed)
        await paint(service, replace(ANN, place="lobby"))
        await paint(service, replace(BOB, place="attic"))
        await paint(service, replace(EVE, place="cellar"))


async def test_a_space_may_limit_what_one_request_asks_for(limner: OpenLimner) -> None:
    async with limner() as service:
        await decide(service, images_most=2, steps_most=29)

        for request, what in (
            (ImageRequest(prompt="a cat", num_images=3, num_inference_steps=29), "images"),
            (ImageRequest(prompt="a cat", num_images=2, num_inference_steps=30), "steps"),
        ):
            with pytest.raises(AskedTooMuch) as refused:
                await service.generate(request, ANN)
            assert refused.value.what == what
        allowed = ImageRequest(prompt="a cat", num_images=2, num_inference_steps=29)
        image, _ = await painted(service, await service.generate(allowed, ANN))
        await decide(service, steps_most=1)
        with pytest.raises(AskedTooMuch):
            await refine(service, image.id)


async def test_a_quality_takes_as_many_steps_as_a_space_allows(limner: OpenLimner) -> None:
    async with limner() as service:
        await decide(service, steps_most=7)
        requests = [(await service.generate(ImageRequest(prompt="a cat", quality=quality), ANN)) for quality in Quality]
        (image,) = await painted(service, requests[0])
        refined = await service.refine(Refinement(image_id=image.id, prompt="warmer"), ANN)

    assert [job.request.num_inference_steps for job in (*requests, refined)] == [7, 7, 7, 7]


def told_apart(answers: list[Job | BaseException]) -> tuple[list[Job], list[AskedTooMuch]]:
    accepted = [answer for answer in answers if isinstance(answer, Job)]
    refused = [answer for answer in answers if isinstance(answer, AskedTooMuch)]
    assert len(accepted) + len(refused) == len(answers), answers
    return accepted, refused


@pytest.mark.parametrize("limit", [1, 3])
async def test_of_many_that_one_requester_asks_for_at_once_as_many_are_taken_as_the_rules_allow(
    limner: OpenLimner, limit: int
) -> None:
    async with limner(FakeExecutor(ready=False)) as service:
        await decide(service, jobs_each=limit)
        answers = await asyncio.gather(*(ask(service) for _ in range(10)), return_exceptions=True)
        accepted, refused = told_apart(answers)

        assert (len(accepted), len(refused)) == (limit, 10 - limit)
        assert {(error.what, error.limit) for error in refused} == {("jobs", limit)}
        assert (await service.status()).queued == limit


async def test_the_jobs_of_others_and_elsewhere_do_not_count(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False)) as service:
        await ask(service, replace(ANN, space=ELSEWHERE))
        await ask(service, BOB)
        await decide(service, jobs_each=1)
        await ask(service)
        await ask(service, EVE)
        await ask(service, replace(ANN, space=ELSEWHERE))
        with pytest.raises(AskedTooMuch):
            await ask(service, BOB)


async def test_a_job_counts_until_it_is_over_also_while_it_runs(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    async with limner(executor) as service:
        await decide(service, jobs_each=1)
        for _ in range(3):
            executor.hold()
            job = await ask(service)
            with pytest.raises(AskedTooMuch):
                await ask(service)
            executor.release()
            await painted(service, job)
        cancelled = await ask(service)
        await service.cancel(cancelled.id, ANN)
        await service.forget(ANN)
        await painted(service, await ask(service))


async def test_unfinished_jobs_count_after_a_restart_too(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False)) as service:
        await decide(service, jobs_each=1)
        job = await ask(service)
    executor = FakeExecutor()
    executor.hold()
    async with limner(executor) as service:
        with pytest.raises(AskedTooMuch):
            await ask(service)
        executor.release()
        await painted(service, job)
        await painted(service, await ask(service))


async def test_a_job_that_could_not_be_written_down_counts_for_nothing(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_once(monkeypatch, Jobs, "add", OSError(28, "No space left on device"))
    async with limner() as service:
        await decide(service, jobs_each=1)
        with pytest.raises(OSError, match="No space"):
            await ask(service)
        await paint(service)


async def test_a_job_for_which_there_is_no_room_counts_for_nothing(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False), queue_limit=1) as service:
        await decide(service, jobs_each=1)
        theirs = await ask(service, BOB)
        with pytest.raises(QueueFull):
            await ask(service)
        await service.cancel(theirs.id, BOB)
        await ask(service)


async def test_a_job_whose_caller_goes_away_while_it_is_accepted_counts(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = Slow(monkeypatch, Jobs, "add")
    async with limner(FakeExecutor(ready=False)) as service:
        await decide(service, jobs_each=1)
        caller = asyncio.create_task(ask(service))
        await add.reached()
        caller.cancel()
        await asyncio.wait([caller])
        with pytest.raises(AskedTooMuch):
            await ask(service)
        add.go_on()


@pytest.mark.parametrize("asker", [ANN, MODERATOR, replace(EVE, space="")], ids=["member", "moderator", "nowhere"])
async def test_only_admins_decide_and_everybody_may_know(limner: OpenLimner, asker: Asker) -> None:
    async with limner() as service:
        for decision in (
            lambda: service.change_rules(asker, lambda _: Rules(paused=True)),
            lambda: service.block(BOB.requester, asker),
            lambda: service.unblock(BOB.requester, asker),
        ):
            with pytest.raises(Forbidden):
                await decision()

        assert await service.rules(asker) == Rules()
        await paint(service, BOB)


async def test_an_admin_decides_for_their_own_space(limner: OpenLimner) -> None:
    async with limner() as service:
        await service.change_rules(replace(ADMIN, space=ELSEWHERE), lambda _: Rules(paused=True))
        await service.block(ANN.requester, replace(ADMIN, space=ELSEWHERE))

        assert await service.rules(ANN) == Rules()
        assert await service.rules(EVE) == Rules(paused=True)
        await paint(service)


async def test_of_two_admins_who_decide_at_once_neither_loses_anything(limner: OpenLimner) -> None:
    async with limner() as service:
        await asyncio.gather(
            decide(service, paused=True),
            decide(service, jobs_each=2),
            service.change_rules(replace(ADMIN, requester="test:ben"), lambda found: replace(found, steps_most=30)),
        )

        assert await service.rules(ANN) == Rules(paused=True, jobs_each=2, steps_most=30)


async def test_rules_and_blocks_hold_after_a_restart(limner: OpenLimner) -> None:
    async with limner() as service:
        await decide(service, places=frozenset({"lobby"}))
        await service.block(BOB.requester, ADMIN)
    async with limner() as service:
        with pytest.raises(PlaceClosed):
            await ask(service)
        with pytest.raises(Blocked):
            await ask(service, replace(BOB, place="lobby"))
