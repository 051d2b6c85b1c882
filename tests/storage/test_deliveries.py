"""What is owed to the platforms, what they were told, and which messages show which images."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.jobs import Delivery, Failure, Image, ImageRequest, Job, JobStatus, Message
from storage.database import Database
from storage.deliveries import Deliveries
from storage.files import ImageFolder
from storage.images import Images
from storage.jobs import Jobs

STUDIO, ELSEWHERE = "test:studio", "test:elsewhere"
STRANGE = " \U0001f408\u200d\u2b1b 'in' a \"hat\"\u2028\x00'); DROP TABLE deliveries -- "


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(tmp_path / "limner.sqlite", now=0) as database:
        yield database


@pytest.fixture
def deliveries(database: Database) -> Deliveries:
    return Deliveries(database)


@pytest.fixture
def images(database: Database, tmp_path: Path) -> Images:
    return Images(database, ImageFolder(tmp_path / "images"))


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return Jobs(database)


def job(job_id: str = "job", *, requester: str = "test:ann", origin: str = "where to answer") -> Job:
    return Job(
        id=job_id,
        requester=requester,
        space=STUDIO,
        origin=origin,
        request=ImageRequest(prompt="a cat", seed=7),
        image_ids=(job_id,),
        created_at=0,
    )


def image(image_id: str, *, requester: str = "test:ann") -> Image:
    return Image(
        id=image_id,
        job_id=None,
        requester=requester,
        space=STUDIO,
        parent_id=None,
        file=f"{image_id}.png",
        sha256="0" * 64,
        size=1,
        width=64,
        height=128,
        recipe=None,
        created_at=10,
    )


def message(message_id: str = "1", *, channel: str = "painting", thread: str = "") -> Message:
    return Message(platform="test", space=STUDIO, channel=channel, message_id=message_id, thread=thread)


async def add(images: Images, *image_ids: str, requester: str = "test:ann") -> None:
    for image_id in image_ids:
        await images.add(image(image_id, requester=requester))


async def show(deliveries: Deliveries, *image_ids: str, by: Message | None = None) -> list[str]:
    """Returns which are gone."""
    return list(await deliveries.delivered("job", dict.fromkeys(image_ids, by or message())))


async def owed(deliveries: Deliveries, platform: str = "test") -> list[str]:
    return [delivery.job.id for delivery in await deliveries.owed(platform)]


async def test_the_ending_of_a_job_that_says_where_to_answer_is_owed_from_the_start(
    jobs: Jobs, deliveries: Deliveries
) -> None:
    await jobs.add(job())

    assert await deliveries.owed("test") == [Delivery(job=job(), note="")]


async def test_a_job_whose_caller_waits_for_it_is_owed_to_nobody(jobs: Jobs, deliveries: Deliveries) -> None:
    await jobs.add(job(origin=""))

    assert await owed(deliveries) == []


@pytest.mark.parametrize("status", JobStatus)
async def test_an_ending_is_owed_whatever_became_of_the_job(
    jobs: Jobs, deliveries: Deliveries, status: JobStatus
) -> None:
    await jobs.add(job())
    if status is JobStatus.CANCELLED:
        await jobs.cancel("job", 20)
    elif status is not JobStatus.QUEUED:
        await jobs.claim("job", 20)
    if status is JobStatus.DONE:
        await jobs.finish("job", [], 30)
    if status is JobStatus.FAILED:
        await jobs.fail("job", Failure("code", "detail"), 30)

    (delivery,) = await deliveries.owed("test")

    assert delivery.job == await jobs.get("job")
    assert delivery.job.status is status


async def test_the_oldest_delivery_comes_first_and_each_platform_gets_its_own(
    jobs: Jobs, deliveries: Deliveries
) -> None:
    for job_id in "zay":
        await jobs.add(job(job_id))
        await jobs.add(job(f"other {job_id}", requester="other:ann"))

    assert await owed(deliveries) == ["z", "a", "y"]
    assert await owed(deliveries, "other") == ["other z", "other a", "other y"]
    assert await owed(deliveries, "third") == []


async def test_a_note_comes_back_as_it_was_written_last(jobs: Jobs, deliveries: Deliveries) -> None:
    await jobs.add(job())
    await jobs.add(job("another"))

    for note in ("first", STRANGE):
        await deliveries.note("job", note)

    assert [delivery.note for delivery in await deliveries.owed("test")] == [STRANGE, ""]
    assert [await deliveries.noted(job_id) for job_id in ("job", "another", "nobody")] == [STRANGE, "", ""]


async def test_what_was_delivered_is_owed_no_more(jobs: Jobs, deliveries: Deliveries, images: Images) -> None:
    for job_id in ("job", "another"):
        await jobs.add(job(job_id))
    await add(images, "cat")

    await deliveries.delivered("job", {"cat": message()})

    assert await owed(deliveries) == ["another"]
    assert await deliveries.by_message("test", "painting", "1") == ["cat"]


async def test_what_cannot_be_delivered_is_given_up_with_the_reason(
    jobs: Jobs, deliveries: Deliveries, database: Database
) -> None:
    for job_id in ("job", "another"):
        await jobs.add(job(job_id))

    await deliveries.give_up("job", STRANGE)

    assert await owed(deliveries) == ["another"]
    row = await database.one("SELECT state, detail FROM deliveries WHERE job_id = 'job'", {})
    assert row is not None
    assert tuple(row) == ("failed", STRANGE)


async def test_the_first_word_on_a_delivery_stands(jobs: Jobs, deliveries: Deliveries, database: Database) -> None:
    for job_id in ("delivered", "given up"):
        await jobs.add(job(job_id))
    await deliveries.delivered("delivered", {})
    await deliveries.give_up("given up", "no way")

    await deliveries.give_up("delivered", "no way")
    await deliveries.delivered("given up", {})

    rows = await database.all("SELECT job_id, state FROM deliveries ORDER BY job_id", {})
    assert [tuple(row) for row in rows] == [("delivered", "delivered"), ("given up", "failed")]


async def test_nothing_happens_to_a_job_that_nobody_knows(deliveries: Deliveries, images: Images) -> None:
    await add(images, "cat")

    await deliveries.note("nobody", "a note")
    await deliveries.give_up("nobody", "no way")
    await deliveries.delivered("nobody", {"cat": message()})

    assert await owed(deliveries) == []
    assert await deliveries.by_message("test", "painting", "1") == ["cat"], "it was shown all the same"


async def test_images_that_are_gone_when_they_were_delivered_are_named_and_the_others_are_kept(
    jobs: Jobs, deliveries: Deliveries, images: Images
) -> None:
    await jobs.add(job())
    await add(images, "a", "b", "c", "d")
    for image_id in ("a", "c"):
        await images.delete(image_id)

    assert await show(deliveries, "a", "b", "c", "d") == ["a", "c"]

    assert await deliveries.by_message("test", "painting", "1") == ["b", "d"]
    assert await owed(deliveries) == []


async def test_a_message_shows_its_images_in_their_order(deliveries: Deliveries, images: Images) -> None:
    await add(images, "c", "a", "b")

    assert await show(deliveries, "b", "c", "a") == []

    assert await deliveries.by_message("test", "painting", "1") == ["b", "c", "a"]


async def test_the_same_message_a_second_time_changes_nothing(deliveries: Deliveries, images: Images) -> None:
    await add(images, "first", "second")
    for image_id in ("first", "second", "first"):
        assert await show(deliveries, image_id, by=message(thread="7")) == []

    assert await deliveries.by_message("test", "painting", "1") == ["first", "second"]
    assert await deliveries.newest_in_thread("test", "painting", "7") == "second"


async def test_an_image_may_be_shown_by_many_messages(deliveries: Deliveries, images: Images) -> None:
    await add(images, "cat", "dog")
    shown = [message("1"), message("2", channel="another", thread="7")]
    for one in shown:
        await show(deliveries, "cat", by=one)
    await show(deliveries, "dog", by=message("3"))

    assert await deliveries.by_message("test", "painting", "1") == ["cat"]
    assert await deliveries.by_message("test", "another", "2") == ["cat"]
    assert await images.delete("CAT") == []
    assert await images.delete("cat") == shown
    assert await deliveries.by_message("test", "painting", "3") == ["dog"]


@pytest.mark.parametrize(
    "place", [("other", "painting", "1"), ("test", "other", "1"), ("test", "painting", "other"), ("", "", "")]
)
async def test_a_message_is_known_by_platform_channel_and_id_together(
    deliveries: Deliveries, images: Images, place: tuple[str, str, str]
) -> None:
    await add(images, "cat")
    await show(deliveries, "cat", by=message("1", thread="1"))

    assert await deliveries.by_message(*place) == []
    assert await deliveries.newest_in_thread(*place) is None


async def test_the_newest_image_of_a_thread_is_what_was_shown_there_last(
    deliveries: Deliveries, images: Images
) -> None:
    await add(images, "c", "b", "a", "elsewhere")
    for number, image_id in enumerate(("a", "c", "b")):
        await show(deliveries, image_id, by=message(str(number), thread="7"))
    await show(deliveries, "elsewhere", by=message("8", thread="8"))
    await show(deliveries, "elsewhere", by=message("9"))

    assert await deliveries.newest_in_thread("test", "painting", "7") == "b"


async def test_the_newest_image_of_a_requester_in_a_channel_is_their_own_and_from_there(
    deliveries: Deliveries, images: Images
) -> None:
    await add(images, "old", "new", "elsewhere", "unshown")
    await add(images, "theirs", requester="test:bob")
    for number, image_id in enumerate(("new", "old", "theirs")):
        await show(deliveries, image_id, by=message(str(number), thread=str(number)))
    await show(deliveries, "elsewhere", by=message("8", channel="elsewhere"))

    async def newest(
        requester: str, channel: str = "painting", platform: str = "test", *, private: bool = True
    ) -> str | None:
        return await deliveries.newest_of_requester(requester, platform, channel, private=private)

    assert await newest("test:ann") == "new"
    assert await newest("test:bob") == "theirs"
    assert await newest("test:ann", "elsewhere") == "elsewhere"
    assert await newest("test:bob", "elsewhere") is None
    assert await newest("test:ann", platform="other") is None
    assert await newest("test:eve") is None
    # These are private.
    assert await newest("test:ann", private=False) is None


async def test_nothing_is_kept_of_a_delivery_that_cannot_be_written(
    jobs: Jobs, deliveries: Deliveries, images: Images
) -> None:
    await jobs.add(job())
    await add(images, "cat")
    broken = replace(message(), channel=None)  # type: ignore[arg-type]

    with pytest.raises(sqlite3.IntegrityError):
        await deliveries.delivered("job", {"cat": broken})

    assert await owed(deliveries) == ["job"]
    assert await images.delete("cat") == []


async def test_of_a_deletion_and_a_delivery_at_once_either_comes_first(deliveries: Deliveries, images: Images) -> None:
    for number in range(20):
        image_id = str(number)
        await add(images, image_id)
        calls = [show(deliveries, image_id, by=message(image_id)), images.delete(image_id)]
        gone, shown_by = (await asyncio.gather(*(calls if number % 2 else calls[::-1])))[:: 1 if number % 2 else -1]

        assert (shown_by, gone) in [([message(image_id)], []), ([], [image_id])], "one of them takes the message down"
        assert await deliveries.by_message("test", "painting", image_id) == []


async def test_everything_is_still_known_after_a_restart(tmp_path: Path) -> None:
    for start in range(2):
        async with Database.open(tmp_path / "limner.sqlite", now=start) as database:
            deliveries = Deliveries(database)
            if start == 0:
                await add(Images(database, ImageFolder(tmp_path / "images")), "cat")
                for job_id in ("owed", "delivered", "given up"):
                    await Jobs(database).add(job(job_id))
                await deliveries.note("owed", "a note")
                await deliveries.delivered("delivered", {"cat": message(thread="7")})
                await deliveries.give_up("given up", "no way")
            assert await deliveries.owed("test") == [Delivery(job=job("owed"), note="a note")]
            assert await deliveries.by_message("test", "painting", "1") == ["cat"]
            assert await deliveries.newest_in_thread("test", "painting", "7") == "cat"
