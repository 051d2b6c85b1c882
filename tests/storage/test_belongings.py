"""All that is kept of somebody: handed out at once, erased at once."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

import storage.belongings
from bot.jobs import Belongings, Delivery, Failure, Image, ImageRequest, Job, JobStatus, Message, together
from storage.belongings import BelongingsStore
from storage.database import Database
from storage.deliveries import Deliveries
from storage.files import ImageFolder
from storage.images import Images
from storage.jobs import Jobs

ANN, BOB = "test:ann", "test:bob"
STUDIO, ELSEWHERE = "test:studio", "test:elsewhere"
NOTHING = Belongings(jobs=[], images=[], messages=[], deliveries=[])


class Index:
    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.jobs = Jobs(database)
        self.images = Images(database, ImageFolder(folder / "images"))
        self.deliveries = Deliveries(database)
        self.belongings = BelongingsStore(database)

    async def job(self, job_id: str, *, requester: str = ANN, space: str = STUDIO, at: float = 10) -> Job:
        """A queued one, whose ending is owed."""
        accepted = Job(
            id=job_id,
            requester=requester,
            space=space,
            origin="where to answer",
            request=ImageRequest(prompt="a cat", seed=7),
            image_ids=(job_id,),
            created_at=at,
        )
        await self.jobs.add(accepted)
        return accepted

    async def painted(
        self,
        image_id: str,
        *,
        requester: str = ANN,
        space: str = STUDIO,
        at: float = 10,
        done_at: float | None = None,
        parent: Image | None = None,
    ) -> Image:
        """An image of a job of its own with the same ID, which is shown by a message with that ID."""
        await self.job(image_id, requester=requester, space=space, at=at)
        await self.jobs.claim(image_id, at)
        painted = Image(
            id=image_id,
            job_id=image_id,
            requester=requester,
            space=space,
            parent_id=None if parent is None else parent.id,
            file=f"{image_id}.png",
            sha256="0" * 64,
            size=1,
            width=64,
            height=64,
            recipe=None,
            created_at=at if done_at is None else done_at,
        )
        await self.jobs.finish(image_id, [painted], painted.created_at)
        await self.deliveries.note(image_id, f"note of {image_id}")
        await self.deliveries.delivered(image_id, {image_id: message(image_id, space)})
        return painted

    async def erase(self, requester: str) -> Belongings:
        return together([piece async for piece in await self.belongings.erase(requester)])

    async def erase_in(self, space: str, before: float, requester: str | None) -> Belongings:
        return together([piece async for piece in await self.belongings.erase_in(space, before, requester)])

    async def rows(self) -> dict[str, int]:
        return {
            table: (await self.database.all(f"SELECT count(*) FROM {table}", {}))[0][0]
            for table in ("jobs", "images", "messages", "deliveries")
        }


@pytest.fixture
async def index(tmp_path: Path) -> AsyncIterator[Index]:
    async with Database.open(tmp_path / "limner.sqlite", now=0) as database:
        yield Index(database, tmp_path)


def message(message_id: str, space: str = STUDIO) -> Message:
    return Message(platform="test", space=space, channel="painting", message_id=message_id)


def ids(belongings: Belongings) -> tuple[list[str], list[str], list[str], list[str]]:
    """Of jobs, images, messages, and of the jobs of deliveries."""
    return (
        [job.id for job in belongings.jobs],
        [image.id for image in belongings.images],
        [shown.message_id for shown in belongings.messages],
        [delivery.job.id for delivery in belongings.deliveries],
    )


async def test_of_somebody_unknown_there_is_nothing(index: Index) -> None:
    await index.painted("cat")

    assert await index.belongings.of("test:ANN") == NOTHING
    assert await index.erase("test:ANN") == NOTHING
    assert await index.erase_in("test:STUDIO", 100, None) == NOTHING
    assert await index.belongings.of(ANN) != NOTHING


async def test_all_that_is_kept_of_somebody_is_handed_out_from_all_spaces_and_stays(index: Index) -> None:
    images = [await index.painted("b"), await index.painted("a", space=ELSEWHERE)]
    await index.painted("theirs", requester=BOB)
    queued = await index.job("c")
    before = await index.rows()

    found = await index.belongings.of(ANN)

    done = [await index.jobs.get(job_id) for job_id in ("b", "a")]
    assert found.jobs == [*done, queued]
    assert found.images == images
    assert found.messages == [message("b"), message("a", ELSEWHERE)]
    assert found.deliveries == [
        *(Delivery(job=job, note=f"note of {job.id}") for job in done if job is not None),
        Delivery(job=queued, note=""),
    ]
    assert await index.rows() == before


async def test_a_picture_that_somebody_brought_is_theirs_too(index: Index) -> None:
    brought = replace(await index.painted("cat"), id="brought", file="brought.png", job_id=None, requester=BOB)
    await index.images.add(brought)

    assert await index.belongings.of(BOB) == replace(NOTHING, images=[brought])
    assert await index.erase(BOB) == replace(NOTHING, images=[brought])
    assert await index.images.get("brought") is None


async def test_erasing_takes_all_that_was_handed_out_and_nothing_else(index: Index) -> None:
    await index.painted("a")
    theirs = await index.painted("theirs", requester=BOB)
    await index.painted("b", space=ELSEWHERE)
    found = await index.belongings.of(ANN)

    assert await index.erase(ANN) == found

    assert await index.belongings.of(ANN) == NOTHING
    assert await index.rows() == {"jobs": 1, "images": 1, "messages": 1, "deliveries": 1}
    assert await index.images.get("theirs") == theirs
    assert await index.erase(ANN) == NOTHING, "a second time there is nothing left"
    assert await index.images.delete("theirs") == [message("theirs")]


async def test_children_that_others_made_live_on_without_their_parent(index: Index) -> None:
    parent = await index.painted("parent")
    theirs = await index.painted("theirs", requester=BOB, parent=parent)
    await index.painted("mine", parent=theirs)

    await index.erase(ANN)

    assert await index.images.get("theirs") == replace(theirs, parent_id=None)
    assert list(await index.images.children("theirs")) == []


async def test_a_whole_family_may_go_at_once(index: Index) -> None:
    parent = await index.painted("parent")
    child = await index.painted("child", parent=parent)
    await index.painted("grandchild", parent=child)

    await index.erase(ANN)

    assert await index.rows() == dict.fromkeys(("jobs", "images", "messages", "deliveries"), 0)


@pytest.mark.parametrize("status", [JobStatus.QUEUED, JobStatus.RUNNING])
async def test_a_job_that_is_not_over_stays_with_what_is_owed_and_is_not_said_to_be_erased(
    index: Index, status: JobStatus
) -> None:
    await index.painted("cat")
    await index.job("waits")
    if status is JobStatus.RUNNING:
        await index.jobs.claim("waits", 20)

    assert ids(await index.erase(ANN)) == (["cat"], ["cat"], ["cat"], ["cat"])

    assert ids(await index.belongings.of(ANN)) == (["waits"], [], [], ["waits"])
    assert [delivery.job.id for delivery in await index.deliveries.owed("test")] == ["waits"]


async def test_jobs_that_brought_nothing_go_too(index: Index) -> None:
    for job_id in ("failed", "cancelled"):
        await index.job(job_id)
        await index.jobs.claim(job_id, 20)
    await index.jobs.fail("failed", Failure("code", "detail"), 30)
    await index.jobs.cancel("cancelled", 30)

    assert ids(await index.erase(ANN))[0] == ["failed", "cancelled"]
    assert (await index.rows())["jobs"] == 0


async def test_of_a_space_goes_what_is_older_and_of_one_requester_if_asked(index: Index) -> None:
    for image_id, requester, at in (("old", ANN, 10.0), ("old too", BOB, 10.0), ("new", ANN, 20.0)):
        await index.painted(image_id, requester=requester, at=at)
    await index.painted("elsewhere", space=ELSEWHERE)

    assert ids(await index.erase_in(STUDIO, 20, ANN))[1] == ["old"]
    assert ids(await index.erase_in(STUDIO, 20, "test:eve"))[1] == []
    assert ids(await index.erase_in(STUDIO, 20, None))[1] == ["old too"]
    assert ids(await index.erase_in(STUDIO, 21, None))[1] == ["new"]
    assert (await index.rows())["images"] == 1
    assert await index.images.get("elsewhere") is not None


async def test_a_job_stays_as_long_as_an_image_of_it_does(index: Index) -> None:
    await index.painted("cat", at=10, done_at=30)

    assert await index.erase_in(STUDIO, 20, None) == NOTHING
    assert ids(await index.belongings.of(ANN)) == (["cat"], ["cat"], ["cat"], ["cat"])
    assert ids(await index.erase_in(STUDIO, 31, None)) == (["cat"], ["cat"], ["cat"], ["cat"])


async def test_rules_and_blocks_are_nobodys_belongings(index: Index) -> None:
    await index.database.write("INSERT INTO blocks VALUES (:space, :requester)", {"space": STUDIO, "requester": ANN})

    await index.erase(ANN)

    assert len(await index.database.all("SELECT * FROM blocks", {})) == 1, "to be forgotten does not unblock"


async def test_of_two_that_erase_the_same_at_once_one_gets_it(index: Index) -> None:
    await index.painted("cat")

    erased = await asyncio.gather(index.erase(ANN), index.erase_in(STUDIO, 100, None))

    assert sorted(len(belongings.images) for belongings in erased) == [0, 1]


async def test_erasing_that_is_interrupted_has_erased_what_it_told_and_is_gone_on_with(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.belongings, "TOGETHER", 1)
    images = [await index.painted(image_id) for image_id in "abc"]
    before = await index.belongings.of(ANN)

    keep = "CREATE TRIGGER keep BEFORE DELETE ON images WHEN OLD.id = 'c' BEGIN SELECT RAISE(ABORT, 'c is kept'); END"
    await index.database.write(keep, {})
    pieces = await index.belongings.erase(ANN)
    told = [await anext(pieces), await anext(pieces)]
    with pytest.raises(sqlite3.IntegrityError, match="c is kept"):
        await anext(pieces)

    assert together(told).images == images[:2]
    left = await index.belongings.of(ANN)
    assert (left.images, left.jobs, left.messages) == (images[2:], before.jobs, [message("c")])
    await index.database.write("DROP TRIGGER keep", {})
    assert ids(await index.erase(ANN)) == (["a", "b", "c"], ["c"], ["c"], ["a", "b", "c"])
    assert await index.rows() == dict.fromkeys(("jobs", "images", "messages", "deliveries"), 0)


async def test_others_write_while_much_is_erased(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.belongings, "TOGETHER", 1)
    for image_id in "abc":
        await index.painted(image_id)

    pieces = await index.belongings.erase(ANN)
    await anext(pieces)
    async with asyncio.timeout(1):
        theirs = await index.painted("theirs", requester=BOB)
    assert [len(piece.images) async for piece in pieces] == [1, 1, 0, 0, 0]
    assert (await index.belongings.of(BOB)).images == [theirs]


async def test_a_thousand_images_go_in_one_go(index: Index) -> None:
    thousand = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n LIMIT 1000)"
    columns = "id, requester, space, file, sha256, size, width, height, created_at"
    values = f"n, '{ANN}', '{STUDIO}', n, '{'0' * 64}', 1, 1, 1, 1"
    await index.database.write(f"{thousand} INSERT INTO images ({columns}) SELECT {values} FROM n", {})

    assert len((await index.erase(ANN)).images) == 1000
    assert (await index.rows())["images"] == 0
