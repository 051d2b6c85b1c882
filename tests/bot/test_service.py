"""What is accepted and what is refused, and who may do what."""

import asyncio
import random
import uuid
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

import pytest

from bot.errors import BadRequest, DataFolderInUse, Forbidden, NotFound, QueueFull
from bot.events import Started
from bot.jobs import ImageRequest, Job, JobStatus
from bot.policy import Asker
from bot.ports import WorkerState
from bot.quality import Menu
from storage.jobs import Jobs
from tests.bot.asking import ADMIN, ANN, BOB, EVE, MODERATOR, NO_IDS, ask, painted, refine
from tests.bot.slow_stores import Slow
from tests.conftest import CHANCE, OpenLimner
from tests.fakes.executor import FakeExecutor, png


async def test_an_accepted_job_is_kept_as_it_was_asked_for(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False)) as service:
        job = await service.generate(ImageRequest(prompt=" a  cat\n", seed=7), ANN, "where to answer")
        assert await service.job(job.id, ANN) == job

    assert (job.requester, job.space, job.origin) == (ANN.requester, ANN.space, "where to answer")
    assert job.request == Menu().filled_in(ImageRequest(prompt="a cat", seed=7))
    assert job.status is JobStatus.QUEUED


@pytest.mark.parametrize("seed", [0, 7, 2**63, 2**64 - 1])
async def test_a_seed_that_is_given_is_kept(limner: OpenLimner, seed: int) -> None:
    async with limner() as service:
        (image,) = await painted(service, await ask(service, seed=seed))

    assert image.recipe is not None
    assert image.recipe.seed == seed


async def test_a_seed_that_is_missing_is_chosen_by_chance(limner: OpenLimner) -> None:
    chance = random.Random(CHANCE)
    async with limner() as service:
        jobs = [await ask(service) for _ in range(3)]

    assert [job.request.seed for job in jobs] == [chance.randrange(2**32) for _ in jobs]


async def test_four_images_come_with_their_ids_and_seeds_in_order(limner: OpenLimner) -> None:
    async with limner() as service:
        job = await ask(service, seed=7, images=4)
        images = await painted(service, job)
        kept = await service.images_of(job)

    assert tuple(image.id for image in images) == job.image_ids
    assert len(set(job.image_ids)) == 4
    assert [image.recipe.seed for image in images if image.recipe] == [7, 8, 9, 10]
    assert list(images) == kept


async def test_a_request_with_mistakes_is_refused_and_nothing_is_written(limner: OpenLimner) -> None:
    async with limner() as service:
        with pytest.raises(BadRequest) as refused:
            await service.generate(ImageRequest(prompt=" ", width=65, num_inference_steps=0), ANN)
        counts = (await service.status()).counts

    assert {mistake.field for mistake in refused.value.mistakes} == {"prompt", "width", "num_inference_steps"}
    assert not any(counts.values())


async def test_the_queue_is_full_exactly_at_its_limit(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False), queue_limit=3) as service:
        for asker in (ANN, BOB, EVE):
            await ask(service, asker)
        with pytest.raises(QueueFull, match="3 jobs wait") as refused:
            await ask(service, MODERATOR)
        status = await service.status()

    assert refused.value.retry_after > 0
    assert (status.queued, status.counts[JobStatus.QUEUED]) == (3, 3)


async def test_of_fifty_that_come_at_once_exactly_the_limit_is_accepted(limner: OpenLimner) -> None:
    askers = [Asker(f"test:{number}", f"test:studio {number % 5}") for number in range(50)]
    async with limner(FakeExecutor(ready=False), queue_limit=10) as service:
        answers = await asyncio.gather(*(ask(service, asker) for asker in askers), return_exceptions=True)
        counts = (await service.status()).counts

    accepted = [answer for answer in answers if isinstance(answer, Job)]
    assert len(accepted) == 10
    assert sum(isinstance(answer, QueueFull) for answer in answers) == 40
    assert (counts[JobStatus.QUEUED], sum(counts.values())) == (10, 10)


async def test_a_full_queue_takes_jobs_again_once_one_leaves(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False), queue_limit=1) as service:
        first = await ask(service)
        with pytest.raises(QueueFull):
            await ask(service)
        await service.cancel(first.id, ANN)
        await ask(service)


async def test_a_caller_that_goes_away_while_its_job_is_accepted_leaves_a_job_that_is_painted(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = FakeExecutor()
    add = Slow(monkeypatch, Jobs, "add")
    async with limner(executor) as service:
        caller = asyncio.create_task(ask(service))
        await add.reached()
        caller.cancel()
        await asyncio.wait([caller])
        add.go_on()
        add.go_on()
        await painted(service, await ask(service))
        status = await service.status()

    assert caller.cancelled()
    assert status.counts[JobStatus.DONE] == 2
    assert len(executor.works) == 2


async def test_a_job_is_found_as_soon_as_it_is_accepted_however_much_is_read_meanwhile(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(slots=4), queue_limit=300) as service:
        over = asyncio.Event()

        async def read_on() -> None:
            while not over.is_set():
                await service.status()

        async def ask_and_look() -> None:
            for _ in range(5):
                await service.job((await ask(service)).id, ANN)

        readers = [asyncio.create_task(read_on()) for _ in range(3)]
        looked = await asyncio.gather(*(ask_and_look() for _ in range(20)), return_exceptions=True)
        over.set()
        await asyncio.wait(readers)

    assert set(looked) == {None}


async def test_only_who_asked_and_moderators_of_the_space_may_cancel(limner: OpenLimner) -> None:
    elsewhere = replace(MODERATOR, space=EVE.space)
    async with limner(FakeExecutor(ready=False)) as service:
        first, second = await ask(service, ANN), await ask(service, ANN)
        for other, refused in ((BOB, Forbidden), (ADMIN, Forbidden), (EVE, NotFound), (elsewhere, NotFound)):
            with pytest.raises(refused):
                await service.cancel(first.id, other)
        assert (await service.job(first.id, ANN)).status is JobStatus.QUEUED
        await service.cancel(first.id, replace(ANN, space=EVE.space))
        await service.cancel(second.id, MODERATOR)
        counts = (await service.status()).counts

    assert counts[JobStatus.CANCELLED] == 2


async def test_of_two_who_cancel_at_once_one_did(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False)) as service:
        job = await ask(service, ANN)
        answers = await asyncio.gather(
            service.cancel(job.id, ANN), service.cancel(job.id, MODERATOR), return_exceptions=True
        )

    assert sorted(type(answer).__name__ for answer in answers) == ["AlreadyOver", "Job"]


async def test_jobs_and_images_are_seen_in_their_space_only(limner: OpenLimner) -> None:
    async with limner() as service:
        job = await ask(service, ANN)
        (image,) = await painted(service, job)

        assert await service.image(image.id, BOB) == image
        assert await service.newest_images(BOB, 10) == [image]
        assert await painted(service, job, BOB) == (image,)

        assert await service.newest_images(EVE, 10) == []
        with pytest.raises(NotFound):
            await service.job(job.id, EVE)
        with pytest.raises(NotFound):
            await service.image(image.id, EVE)
        with pytest.raises(NotFound):
            await anext(service.follow(job.id, EVE))
        with pytest.raises(NotFound):
            await service.newest_images(EVE, 10, image.id)
        with pytest.raises(NotFound):
            await refine(service, image.id, EVE)


@pytest.mark.parametrize("text", [str(uuid.UUID(int=7)), *NO_IDS])
async def test_an_id_that_names_nothing_is_not_found(limner: OpenLimner, text: str) -> None:
    async with limner() as service:
        for look_up in (service.job, service.image, service.cancel):
            with pytest.raises(NotFound):
                await look_up(text, ANN)
        with pytest.raises(NotFound):
            await refine(service, text)
        with pytest.raises(NotFound):
            await anext(service.follow(text, ANN))
        counts = (await service.status()).counts

    assert not any(counts.values())


@pytest.mark.parametrize("spelled", [str.upper, lambda text: text.replace("-", ""), lambda text: f"{{{text}}}"])
async def test_an_id_may_be_written_in_other_ways(limner: OpenLimner, spelled: Callable[[str], str]) -> None:
    async with limner() as service:
        (image,) = await painted(service, await ask(service))
        (child,) = await painted(service, await refine(service, spelled(image.id)))

    assert child.parent_id == image.id


async def test_a_refined_image_knows_its_parent_and_the_parent_its_children(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    async with limner(executor) as service:
        (parent,) = await painted(service, await ask(service))
        children = [await painted(service, await refine(service, parent.id)) for _ in range(2)]
        (first,), (second,) = children
        pixels = service.file(parent).read_bytes()

        assert await service.children(parent, ANN) == [first.id, second.id]

    assert executor.works[-1].source == pixels
    assert first.recipe is not None
    assert (first.parent_id, first.recipe.parent_id, first.recipe.parent_sha256) == (
        parent.id,
        parent.id,
        parent.sha256,
    )


async def test_a_picture_that_somebody_brings_can_be_refined(limner: OpenLimner) -> None:
    async with limner() as service:
        brought = await service.bring(png((96, 64)), ANN)
        (child,) = await painted(service, await refine(service, brought.id))

        assert service.file(brought).read_bytes() == png((96, 64))

    assert (brought.job_id, brought.recipe, brought.parent_id) == (None, None, None)
    assert (child.parent_id, child.width, child.height) == (brought.id, 96, 64)


async def test_a_picture_that_cannot_be_read_is_refused_and_nothing_is_kept(
    limner: OpenLimner, image_files: Callable[[], set[str]]
) -> None:
    async with limner() as service:
        with pytest.raises(BadRequest, match="no picture"):
            await service.bring(b"not a picture", ANN)
        assert await service.newest_images(ANN, 10) == []

    assert image_files() == set()


async def test_images_come_newest_first_and_page_by_page(limner: OpenLimner) -> None:
    async with limner() as service:
        brought = [await service.bring(png(seed=number), ANN) for number in range(5)]
        newest = brought[::-1]

        assert await service.newest_images(ANN, 2) == newest[:2]
        assert await service.newest_images(ANN, 2, newest[1].id) == newest[2:4]
        assert await service.newest_images(ANN, 2, newest[3].id) == newest[4:]
        assert await service.newest_images(ANN, 2, newest[4].id) == []


async def test_the_status_tells_what_runs_and_what_waits(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=1)
    async with limner(executor) as service:
        idle = await service.status()
        running, _ = await ask(service), await ask(service)
        async with aclosing(service.follow(running.id, ANN)) as stream:
            while await anext(stream) != Started():
                pass
        busy = await service.status()
        await service.drain(0)
        stopping = await service.status()

    assert (idle.ready, idle.queued, list(idle.running)) == (True, 0, [])
    assert (busy.ready, busy.queued, [run.job.id for run in busy.running]) == (True, 1, [running.id])
    assert busy.workers[0].state is WorkerState.BUSY
    assert (stopping.stopping, stopping.ready) == (True, False)


async def test_jobs_and_images_are_there_after_a_restart(limner: OpenLimner) -> None:
    async with limner() as service:
        job = await ask(service)
        (image,) = await painted(service, job)
    async with limner() as service:
        assert await service.image(image.id, ANN) == image
        assert service.file(image).is_file()
        assert (await service.job(job.id, ANN)).status is JobStatus.DONE


async def test_a_second_limner_cannot_open_the_same_data_folder(limner: OpenLimner) -> None:
    async with limner() as service:
        with pytest.raises(DataFolderInUse, match="LIMNER_DATA_DIR"):
            async with limner():
                pass
        await painted(service, await ask(service))
    async with limner():
        pass
