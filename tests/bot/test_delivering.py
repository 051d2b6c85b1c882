"""What is owed to a platform, what it was told, and the way back from messages to images."""

from dataclasses import replace

import pytest

from bot.errors import JobFailed
from bot.events import Failed
from bot.jobs import JobStatus
from tests.bot.asking import ANN, BOB, ask, hear_all, message, paint, painted
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor

ORIGIN = "where to answer"


async def test_a_message_that_shows_images_leads_back_to_them(limner: OpenLimner) -> None:
    async with limner() as service:
        job = await ask(service, images=2)
        images = await painted(service, job)
        await service.delivered(job.id, {image.id: message("1", thread="t") for image in images})

        assert await service.shown_by("test", "painting", "1") == [image.id for image in images]
        assert await service.shown_by("test", "painting", "2") == []
        assert await service.newest_in_thread("test", "painting", "t") == images[-1].id
        assert await service.newest_in_thread("test", "painting", "") is None


async def test_the_newest_in_a_channel_is_the_askers_own(limner: OpenLimner) -> None:
    async with limner() as service:
        shown = {}
        for number, asker in enumerate((ANN, ANN, BOB)):
            image = await paint(service, asker)
            await service.delivered(image.job_id or "", {image.id: message(str(number), thread=str(number))})
            shown[asker] = image.id
        await paint(service)

        assert await service.newest_in_channel(ANN, "test", "painting") == shown[ANN]
        assert await service.newest_in_channel(BOB, "test", "painting") == shown[BOB]
        assert await service.newest_in_channel(replace(ANN, space="test:third"), "test", "painting") == shown[ANN]
        assert await service.newest_in_channel(ANN, "test", "another") is None
        hidden = await paint(service, replace(ANN, private=True))
        await service.delivered(hidden.job_id or "", {hidden.id: message("9")})
        assert await service.newest_in_channel(ANN, "test", "painting") == shown[ANN]
        assert await service.newest_in_channel(replace(ANN, private=True), "test", "painting") == hidden.id
        await service.delete(shown[BOB], BOB)
        assert await service.newest_in_channel(BOB, "test", "painting") is None


async def test_only_jobs_that_say_where_to_answer_are_owed_and_only_to_their_platform(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False)) as service:
        await ask(service)
        job = await ask(service, origin=ORIGIN)

        (delivery,) = await service.undelivered("test")
        assert (delivery.job, delivery.note) == (job, "")
        assert await service.undelivered("other") == []
        assert await service.undelivered("tes") == []


async def test_the_way_of_a_delivery_survives_restarts_whatever_became_of_the_job(limner: OpenLimner) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor) as service:
        told, waiting, cancelled, lost = [await ask(service, origin=ORIGIN) for _ in range(4)]
        await service.cancel(cancelled.id, ANN)
        for job in (told, waiting, cancelled, lost):
            await service.note(job.id, f"status message of {job.id}")
    executor = FakeExecutor()
    executor.hold(at_step=2)
    async with limner(executor) as service:
        owed = await service.undelivered("test")
        assert [delivery.job.id for delivery in owed] == [told.id, waiting.id, cancelled.id, lost.id]
        assert [delivery.note for delivery in owed] == [f"status message of {delivery.job.id}" for delivery in owed]
        executor.release()
        (image,) = await painted(service, told)
        await painted(service, waiting)
        await service.delivered(told.id, {image.id: message("1")})
        await service.undeliverable(lost.id, "The channel is gone.")
    async with limner() as service:
        owed = await service.undelivered("test")
        assert [(delivery.job.id, delivery.job.status) for delivery in owed] == [
            (waiting.id, JobStatus.DONE),
            (cancelled.id, JobStatus.CANCELLED),
        ]
        assert [job.image_ids for job in (waiting,)] == [tuple(image.id for image in await painted(service, waiting))]
        for delivery in owed:
            await service.delivered(delivery.job.id, {})
        assert await service.undelivered("test") == []
        assert await service.shown_by("test", "painting", "1") == [image.id]


async def test_a_failure_is_owed_too(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    executor.fail_next(JobFailed("out_of_memory", "Try a smaller size."))
    async with limner(executor) as service:
        job = await ask(service, origin=ORIGIN)
        assert isinstance((await hear_all(service, job))[-1], Failed)
    async with limner() as service:
        (delivery,) = await service.undelivered("test")

    assert delivery.job.failure is not None
    assert delivery.job.failure.code == "out_of_memory"


@pytest.mark.parametrize("times", [1, 2])
async def test_what_was_delivered_twice_is_shown_once(limner: OpenLimner, times: int) -> None:
    async with limner() as service:
        job = await ask(service, origin=ORIGIN)
        (image,) = await painted(service, job)
        for _ in range(times):
            assert await service.delivered(job.id, {image.id: message("1")}) == []

        assert await service.shown_by("test", "painting", "1") == [image.id]
        assert await service.undelivered("test") == []
