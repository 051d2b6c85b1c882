"""What is deleted, forgotten and purged is gone: rows, files and messages, also while a job is at work on it."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

import pytest

from bot.errors import AlreadyOver, Forbidden, ImageFileLost, NotFound
from bot.events import Cancelled, Failed, Progress, Started
from bot.jobs import JobStatus
from bot.policy import Asker
from bot.service import Service
from storage.belongings import BelongingsStore
from storage.images import Images
from storage.jobs import Jobs
from tests.bot.asking import (
    ADMIN,
    ANN,
    BOB,
    ELSEWHERE,
    EVE,
    MODERATOR,
    ask,
    hear_all,
    hear_until,
    idle,
    message,
    paint,
    painted,
    reach,
    refine,
)
from tests.bot.slow_stores import Slow
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor, png

ImageFiles = Callable[[], set[str]]


async def counts(service: Service) -> dict[str, int]:
    return {status.value: count for status, count in (await service.status()).counts.items() if count}


async def test_a_deleted_image_is_gone_and_told_with_its_messages(limner: OpenLimner, image_files: ImageFiles) -> None:
    async with limner() as service:
        image, other = await paint(service), await paint(service)
        shown = [message("1"), message("2", channel="another", thread="7")]
        for one in shown:
            await service.delivered(image.job_id or "", {image.id: one, other.id: one})

        assert await service.delete(image.id, ANN) == shown

        for look_up in (service.image, service.delete):
            with pytest.raises(NotFound):
                await look_up(image.id, ANN)
        with pytest.raises(ImageFileLost):
            service.file(image)
        assert await service.own_images(ANN, 10) == [other]
        assert await service.shown_by("test", "painting", "1") == [other.id]
        assert await service.images_of(await service.job(image.job_id or "", ANN)) == []
        assert image_files() == {other.file}


async def test_a_picture_that_somebody_brought_may_be_deleted(limner: OpenLimner, image_files: ImageFiles) -> None:
    async with limner() as service:
        brought = await service.bring(png(), ANN)

        assert await service.delete(brought.id, ANN) == []

    assert image_files() == set()


@pytest.mark.parametrize(
    ("asker", "refused"),
    [
        (BOB, Forbidden),
        (ADMIN, Forbidden),
        (EVE, NotFound),
        (replace(MODERATOR, space=ELSEWHERE), NotFound),
        (replace(EVE, moderator=True, admin=True), NotFound),
    ],
    ids=["stranger", "admin", "other space", "moderator elsewhere", "moderator of elsewhere"],
)
async def test_an_image_is_not_deleted_by(limner: OpenLimner, asker: Asker, refused: type[Exception]) -> None:
    async with limner() as service:
        image = await paint(service)
        with pytest.raises(refused):
            await service.delete(image.id, asker)
        with pytest.raises(refused):
            await service.check_may_delete(image.id, asker)

        assert service.file(image).is_file()
        assert await service.image(image.id, ANN) == image


@pytest.mark.parametrize(
    "asker",
    [ANN, replace(ANN, space=ELSEWHERE), MODERATOR],
    ids=["requester", "requester elsewhere", "moderator"],
)
async def test_an_image_is_deleted_by(limner: OpenLimner, asker: Asker) -> None:
    async with limner() as service:
        image = await paint(service, replace(ANN, age_restricted=True))
        assert await service.check_may_delete(image.id, asker) == image
        await service.delete(image.id, asker)
        with pytest.raises(NotFound):
            await service.image(image.id, ANN)


async def test_a_moderator_deletes_nothing_that_they_may_not_see(limner: OpenLimner) -> None:
    async with limner() as service:
        for asker in (replace(ANN, private=True), replace(ANN, closed_to="test:studio/attic")):
            image = await paint(service, asker)
            with pytest.raises(NotFound):
                await service.delete(image.id, MODERATOR)
        await service.delete(image.id, replace(MODERATOR, closed_to="test:studio/attic"))


async def test_of_two_who_delete_at_once_nobody_fails_badly(limner: OpenLimner, image_files: ImageFiles) -> None:
    async with limner() as service:
        image = await paint(service)
        answers = await asyncio.gather(
            *(service.delete(image.id, asker) for asker in (ANN, MODERATOR)), return_exceptions=True
        )

    assert all(answer == [] or isinstance(answer, NotFound) for answer in answers)
    assert image_files() == set()


async def test_children_live_on_without_their_parent(limner: OpenLimner) -> None:
    async with limner() as service:
        parent = await paint(service)
        (child,) = await painted(service, await refine(service, parent.id, BOB), BOB)
        await service.delete(parent.id, ANN)
        kept = await service.image(child.id, BOB)
        (grandchild,) = await painted(service, await refine(service, child.id))

        assert service.file(kept).is_file()

    assert kept == replace(child, parent_id=None)
    assert kept.recipe is not None
    assert kept.recipe.parent_id == parent.id, "the recipe still says what it was made from"
    assert grandchild.parent_id == child.id


async def test_a_refinement_that_waits_when_its_parent_is_deleted_says_so(
    limner: OpenLimner, image_files: ImageFiles
) -> None:
    executor = FakeExecutor()
    async with limner(executor) as service:
        parent = await paint(service)
        executor.hold()
        first = await ask(service)
        waiting = await refine(service, parent.id)
        await reach(service, first, Started())
        await service.delete(parent.id, ANN)
        executor.release()
        ending = (await hear_all(service, waiting))[-1]
        (kept,) = await painted(service, first)

    assert isinstance(ending, Failed)
    assert ending.failure.code == "image_gone"
    assert image_files() == {kept.file}


async def test_a_refinement_that_runs_when_its_parent_is_deleted_is_done_without_it(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    async with limner(executor) as service:
        parent = await paint(service)
        executor.hold(at_step=2)
        running = await refine(service, parent.id)
        await reach(service, running, Progress(1, 1, 1, 2))
        await service.delete(parent.id, ANN)
        executor.release()
        (child,) = await painted(service, running)
        kept = await service.image(child.id, ANN)

        assert kept.parent_id is None
        assert service.file(kept).is_file()
        (grandchild,) = await painted(service, await refine(service, child.id))
        assert (await service.image(grandchild.id, ANN)).parent_id == child.id


async def test_an_image_that_is_deleted_before_it_was_delivered_leaves_a_message_that_is_named(
    limner: OpenLimner,
) -> None:
    async with limner() as service:
        job = await ask(service, images=2, origin="where to answer")
        gone, kept = await painted(service, job)
        assert await service.delete(gone.id, ANN) == []

        assert await service.delivered(job.id, {gone.id: message("1"), kept.id: message("1")}) == [gone.id]

        assert await service.shown_by("test", "painting", "1") == [kept.id]
        assert await service.undelivered("test") == []


async def test_belongings_are_all_that_is_kept_of_the_asker_from_all_spaces(limner: OpenLimner) -> None:
    async with limner() as service:
        image = await paint(service)
        await service.delivered(image.job_id or "", {image.id: message("1")})
        private = await paint(service, replace(ANN, space=ELSEWHERE, private=True))
        brought = await service.bring(png(), ANN)
        await paint(service, BOB)
        job = await ask(service, origin="where to answer")
        await painted(service, job)
        await service.note(job.id, "a note")

        found = await service.belongings(ANN)

        assert [image.id for image in found.images] == [image.id, private.id, brought.id, *job.image_ids]
        assert [job.id for job in found.jobs] == [image.job_id, private.job_id, job.id]
        assert found.messages == [message("1")]
        assert [(delivery.job.id, delivery.note) for delivery in found.deliveries] == [(job.id, "a note")]
        assert await service.belongings(replace(ANN, space="test:third")) == found
        assert (await service.belongings(EVE)).jobs == []


async def test_whoever_is_forgotten_leaves_nothing_and_others_keep_theirs(
    limner: OpenLimner, image_files: ImageFiles
) -> None:
    async with limner() as service:
        parent = await paint(service)
        await service.delivered(parent.job_id or "", {parent.id: message("1")})
        await service.bring(png(), replace(ANN, space=ELSEWHERE))
        (theirs,) = await painted(service, await refine(service, parent.id, BOB), BOB)
        before = await service.belongings(ANN)

        assert await service.forget(ANN) == before

        after = await service.belongings(ANN)
        assert (after.jobs, after.images, after.messages, after.deliveries) == ([], [], [], [])
        assert await service.image(theirs.id, BOB) == replace(theirs, parent_id=None)
        assert await service.shown_by("test", "painting", "1") == []
        with pytest.raises(NotFound):
            await service.job(parent.job_id or "", ANN)
        assert await counts(service) == {"done": 1}

    assert image_files() == {theirs.file}


async def test_forgetting_cancels_what_waits_and_what_runs(limner: OpenLimner, image_files: ImageFiles) -> None:
    executor = FakeExecutor()
    async with limner(executor) as service:
        running = await ask(service, steps=3, images=2, origin="where to answer")
        async with aclosing(service.follow(running.id, ANN)) as stream:
            await hear_until(stream, Progress(1, 2, 3, 6))
            executor.hold(at_step=2)
            await hear_until(stream, Progress(2, 2, 4, 6))
            assert len(image_files()) == 1
            queued = await ask(service, origin="where to answer")
            theirs = await ask(service, BOB)
            following = asyncio.create_task(hear_all(service, queued))
            await asyncio.sleep(0.01)

            forgotten = await service.forget(ANN)

            assert [event async for event in stream] == [Cancelled()]
        assert (await following)[-1] == Cancelled()
        assert [(job.id, job.status) for job in forgotten.jobs] == [
            (running.id, JobStatus.CANCELLED),
            (queued.id, JobStatus.CANCELLED),
        ]
        assert await service.undelivered("test") == []
        executor.release()
        (image,) = await painted(service, theirs, BOB)
        await idle(service)
        assert await counts(service) == {"done": 1}
        assert [work.job_id for work in executor.works] == [running.id, theirs.id]

    assert image_files() == {image.file}


async def test_forgetting_that_comes_before_the_finish_wins_and_leaves_no_file(
    limner: OpenLimner, image_files: ImageFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Slow(monkeypatch, Jobs, "finish")
    async with limner(drain_seconds=5) as service:
        await ask(service, images=2)
        await finish.reached()
        assert len(image_files()) == 2
        await service.forget(ANN)
        finish.go_on()
        await idle(service)

        assert await counts(service) == {}
        assert (await service.belongings(ANN)).images == []

    assert image_files() == set()


async def test_forgetting_that_comes_just_after_the_finish_takes_the_image_too(
    limner: OpenLimner, image_files: ImageFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    erase = Slow(monkeypatch, BelongingsStore, "erase")
    executor = FakeExecutor()
    async with limner(executor) as service:
        image = await paint(service)
        forgetting = asyncio.create_task(service.forget(ANN))
        await erase.reached()
        late = await paint(service)
        erase.go_on()
        forgotten = await forgetting

        assert forgotten.images == [image, late]
        assert (await service.belongings(ANN)).images == []

    assert image_files() == set()


async def test_what_is_asked_while_the_asker_is_being_forgotten_is_painted(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    erase = Slow(monkeypatch, BelongingsStore, "erase")
    executor = FakeExecutor()
    async with limner(executor) as service:
        await paint(service)
        forgetting = asyncio.create_task(service.forget(ANN))
        await erase.reached()
        executor.hold()
        late = await ask(service)
        erase.go_on()
        forgotten = await forgetting
        executor.release()
        images = await painted(service, late)

        assert late.id not in [job.id for job in forgotten.jobs]
        assert (await service.belongings(ANN)).images == list(images)


async def test_whenever_forgetting_comes_files_and_rows_agree(limner: OpenLimner, image_files: ImageFiles) -> None:
    async with limner(FakeExecutor(slots=2), drain_seconds=5) as service:
        for delay in range(20):
            await ask(service, images=2)
            await ask(service, BOB)
            await asyncio.sleep(delay / 1000)
            await service.forget(ANN)
            await idle(service)
            assert (await service.belongings(ANN)).jobs == []
        rows = {image.file for image in (await service.belongings(BOB)).images}

        assert image_files() == rows
        assert len(rows) == 20


async def test_to_be_forgotten_does_not_unblock(limner: OpenLimner) -> None:
    async with limner() as service:
        await service.block(ANN.requester, ADMIN)
        await service.forget(ANN)
        assert not await service.block(ANN.requester, ADMIN), "it was so before"


async def test_a_forgotten_job_cannot_be_cancelled_or_followed(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False)) as service:
        job = await ask(service)
        await service.forget(ANN)
        with pytest.raises(NotFound):
            await service.cancel(job.id, ANN)
        with pytest.raises(NotFound):
            await anext(service.follow(job.id, ANN))


async def test_a_job_that_is_cancelled_while_it_is_forgotten_is_over_either_way(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False)) as service:
        for _ in range(10):
            job = await ask(service)
            answers = await asyncio.gather(service.forget(ANN), service.cancel(job.id, ANN), return_exceptions=True)
            assert not isinstance(answers[0], BaseException)
            assert not isinstance(answers[1], BaseException) or isinstance(answers[1], NotFound | AlreadyOver)
        assert await counts(service) == {}


async def test_a_purge_takes_what_is_older_than_it_says_and_of_this_space_only(
    limner: OpenLimner, image_files: ImageFiles
) -> None:
    now = 1000.0
    async with limner(clock=lambda: now) as service:
        old = await paint(service)
        old_brought = await service.bring(png(), replace(BOB, private=True))
        elsewhere = await paint(service, EVE)
        now = 2000.0
        new = await paint(service)
        now = 3000.0

        purged = await service.purge(ADMIN, older_than=1500)

        assert [image.id for image in purged.images] == [old.id, old_brought.id]
        assert [job.id for job in purged.jobs] == [old.job_id]
        assert image_files() == {elsewhere.file, new.file}
        assert await service.purge(ADMIN, older_than=1500) == replace(purged, images=[], jobs=[])
        assert [image.id for image in (await service.purge(ADMIN)).images] == [new.id]
        assert image_files() == {elsewhere.file}


async def test_a_purge_of_one_requester_leaves_the_others(limner: OpenLimner, image_files: ImageFiles) -> None:
    async with limner() as service:
        await paint(service)
        theirs = await paint(service, BOB)
        elsewhere = await paint(service, replace(ANN, space=ELSEWHERE))

        purged = await service.purge(ADMIN, requester=ANN.requester)

        assert len(purged.images) == 1
        assert image_files() == {theirs.file, elsewhere.file}


async def test_a_purge_leaves_jobs_alone_that_are_not_over_and_does_not_claim_them(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    executor.hold()
    async with limner(executor) as service:
        running, queued = [await ask(service, origin="where to answer") for _ in range(2)]
        await reach(service, running, Started())

        purged = await service.purge(ADMIN)

        assert (purged.jobs, purged.deliveries) == ([], [])
        assert len(await service.undelivered("test")) == 2
        executor.release()
        for job in (running, queued):
            await painted(service, job)


@pytest.mark.parametrize("asker", [ANN, MODERATOR, replace(ADMIN, admin=False)], ids=["member", "moderator", "was"])
async def test_only_admins_purge(limner: OpenLimner, asker: Asker, image_files: ImageFiles) -> None:
    async with limner() as service:
        await paint(service, asker)
        with pytest.raises(Forbidden):
            await service.purge(asker)
        with pytest.raises(Forbidden):
            await service.purge(asker, requester=asker.requester)

    assert len(image_files()) == 1


async def test_what_is_gone_is_still_gone_after_a_restart(limner: OpenLimner, image_files: ImageFiles) -> None:
    async with limner() as service:
        deleted, forgotten = await paint(service), await paint(service, BOB)
        await service.delete(deleted.id, ANN)
        await service.forget(BOB)
    async with limner() as service:
        for image, asker in ((deleted, ANN), (forgotten, BOB)):
            with pytest.raises(NotFound):
                await service.image(image.id, asker)

    assert image_files() == set()


async def test_a_parent_that_is_deleted_just_when_its_pixels_are_read_fails_its_child_alone(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with limner() as service:
        parent = await paint(service)
        read = Slow(monkeypatch, Images, "read")
        child = await refine(service, parent.id)
        await read.reached()
        await service.delete(parent.id, ANN)
        read.go_on()
        ending = (await hear_all(service, child))[-1]
        await paint(service)

    assert isinstance(ending, Failed)
    assert ending.failure.code == "image_gone"
