"""Images in the index: their families, the newest of a space and of a requester, and how they go."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from math import inf
from pathlib import Path

import pytest

from bot.jobs import Image, ImageRequest, Job, Message, Recipe, Sampler, Stage
from storage.database import Database
from storage.deliveries import Deliveries
from storage.files import ImageFolder
from storage.images import Images
from storage.jobs import Jobs

STUDIO, ELSEWHERE = "test:studio", "test:elsewhere"

RECIPE = Recipe(
    stage=Stage.REFINER,
    model="an owner/a model",
    prompt="a \U0001f408\u200d\u2b1b 'in' a \"hat\"\u2028",
    negative_prompt="",
    width=64,
    height=128,
    seed=2**64 - 1,
    sampler=Sampler.DPMPP_2M,
    num_inference_steps=30,
    guidance_scale=1 / 3,
    strength=0.3,
    parent_id="parent",
    parent_sha256="a" * 64,
    device="cuda",
    dtype="float16",
    versions={"torch": "2.13.0", "diffusers": "0.42.1"},
)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(tmp_path / "limner.sqlite", now=0) as database:
        yield database


@pytest.fixture
def images(database: Database, tmp_path: Path) -> Images:
    return Images(database, ImageFolder(tmp_path / "images"))


def image(
    image_id: str,
    *,
    space: str = STUDIO,
    requester: str = "test:ann",
    audience: str | None = None,
    age_restricted: bool = False,
    parent_id: str | None = None,
    job_id: str | None = None,
    recipe: Recipe | None = None,
    created_at: float = 10,
) -> Image:
    """Open to its space, where nothing else is said."""
    return Image(
        id=image_id,
        job_id=job_id,
        requester=requester,
        space=space,
        audience=space if audience is None else audience,
        age_restricted=age_restricted,
        parent_id=parent_id,
        file=f"{image_id}.png",
        sha256="0" * 64,
        size=1,
        width=64,
        height=128,
        recipe=recipe,
        created_at=created_at,
    )


async def children_of(images: Images, image_id: str) -> list[str]:
    return [child.id for child in await images.children(image_id)]


async def add(images: Images, *image_ids: str, space: str = STUDIO) -> None:
    for image_id in image_ids:
        await images.add(image(image_id, space=space))


async def accept(database: Database, job_id: str) -> None:
    request = ImageRequest(prompt="a cat", seed=7)
    job = Job(
        id=job_id, requester="test:ann", space=STUDIO, origin="", request=request, image_ids=(job_id,), created_at=0
    )
    await Jobs(database).add(job)


@pytest.mark.parametrize("recipe", [None, RECIPE, replace(RECIPE, stage=Stage.BASE, strength=None, versions={})])
async def test_an_image_comes_back_with_every_field(database: Database, images: Images, recipe: Recipe | None) -> None:
    await accept(database, "job")
    await add(images, "parent")
    added = image(
        "child",
        job_id="job",
        parent_id="parent",
        recipe=recipe,
        created_at=1e9 / 7,
        audience="test:closed",
        age_restricted=True,
    )

    await images.add(added)

    assert await images.get("child") == added


async def test_an_image_of_an_unknown_job_is_refused(images: Images) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        await images.add(image("cat", job_id="nobody"))

    assert await images.get("cat") is None


async def test_an_image_whose_parent_is_gone_by_now_has_none(images: Images) -> None:
    await images.add(image("cat", parent_id="nobody"))

    assert await images.get("cat") == image("cat")


@pytest.mark.parametrize("second", [replace(image("cat"), file="dog.png"), replace(image("dog"), file="cat.png")])
async def test_an_id_and_a_file_belong_to_one_image(images: Images, second: Image) -> None:
    await add(images, "cat")

    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        await images.add(second)


async def test_an_id_that_nobody_knows_finds_nothing(images: Images) -> None:
    await add(images, "cat")

    assert await images.get("CAT") is None
    assert await images.of_job("cat") == []
    assert await children_of(images, "cat") == []
    assert await images.newest("cat", 10, None) == []
    assert await images.newest(STUDIO, 10, "dog") == []
    assert await images.newest_of("cat", 10, age_restricted=True) == []
    assert not await images.delete("CAT")


async def test_the_images_of_a_job_come_in_the_order_in_which_they_were_painted(
    database: Database, images: Images
) -> None:
    for job_id in ("ours", "theirs"):
        await accept(database, job_id)
    painted = [image(image_id, job_id="ours") for image_id in "dbca"]
    for one in painted:
        await images.add(one)
        await images.add(image(f"other {one.id}", job_id="theirs"))

    assert await images.of_job("ours") == painted


async def test_an_image_knows_its_children_but_not_its_grandchildren(images: Images) -> None:
    await add(images, "parent", "stranger")
    for child in ("z", "a", "m"):
        await images.add(image(child, parent_id="parent"))
    await images.add(image("grandchild", parent_id="a"))

    assert await children_of(images, "parent") == ["z", "a", "m"]
    assert await children_of(images, "a") == ["grandchild"]
    assert await children_of(images, "stranger") == []


async def test_the_newest_images_of_a_space_come_page_by_page_also_where_times_are_equal(images: Images) -> None:
    for number in range(10):
        await add(images, f"ours {number}")
        await add(images, f"theirs {number}", space=ELSEWHERE)

    pages, before = [], None
    while page := await images.newest(STUDIO, 4, before):
        pages.append([found.id for found in page])
        before = page[-1].id

    assert pages == [
        ["ours 9", "ours 8", "ours 7", "ours 6"],
        ["ours 5", "ours 4", "ours 3", "ours 2"],
        ["ours 1", "ours 0"],
    ]


async def test_a_page_is_not_shifted_by_images_that_come_meanwhile(images: Images) -> None:
    await add(images, "1", "2", "3", "4")
    first = await images.newest(STUDIO, 2, None)
    await add(images, "5", "6")

    second = await images.newest(STUDIO, 2, first[-1].id)

    assert [found.id for found in [*first, *second]] == ["4", "3", "2", "1"]


async def test_the_newest_is_what_came_last_whatever_the_clock_said(images: Images) -> None:
    for number, created_at in enumerate([30, 10, 20]):
        await images.add(image(str(number), created_at=created_at))

    assert [found.id for found in await images.newest(STUDIO, 10, None)] == ["2", "1", "0"]


@pytest.mark.parametrize(
    "hidden",
    [
        image("hidden", audience=""),
        image("hidden", audience="test:closed"),
        image("hidden", age_restricted=True),
        image("hidden", space=ELSEWHERE, audience=STUDIO),
    ],
    ids=["private", "of a closed place", "made among adults", "of another space"],
)
async def test_the_newest_of_a_space_are_those_that_everybody_there_may_see(images: Images, hidden: Image) -> None:
    await add(images, "old")
    await images.add(hidden)
    await add(images, "new")

    assert [found.id for found in await images.newest(STUDIO, 2, None)] == ["new", "old"]
    assert [found.id for found in await images.newest(STUDIO, 2, "hidden")] == ["old"]


async def test_the_newest_of_a_requester_come_from_everywhere(images: Images) -> None:
    await images.add(image("first", audience=""))
    await images.add(image("second", space=ELSEWHERE))
    await images.add(image("theirs", requester="test:bob"))
    await images.add(image("third", audience="test:closed"))

    newest = await images.newest_of("test:ann", 2, age_restricted=False)

    assert [found.id for found in newest] == ["third", "second"]


async def test_what_was_made_among_adults_takes_no_room_where_it_may_not_be_shown(images: Images) -> None:
    await add(images, "harmless")
    for number in range(3):
        await images.add(image(f"restricted {number}", age_restricted=True))

    async def newest(*, age_restricted: bool) -> list[str]:
        return [found.id for found in await images.newest_of("test:ann", 2, age_restricted=age_restricted)]

    assert await newest(age_restricted=False) == ["harmless"]
    assert await newest(age_restricted=True) == ["restricted 2", "restricted 1"]


async def test_a_deleted_image_leaves_its_children_without_a_parent_and_its_messages_go(
    database: Database, images: Images
) -> None:
    await accept(database, "job")
    await images.add(image("parent", job_id="job"))
    for child in ("a", "b"):
        await images.add(image(child, parent_id="parent"))
    await images.add(image("grandchild", parent_id="a"))
    shown = Message(platform="test", space=STUDIO, channel="painting", message_id="1")
    deliveries = Deliveries(database)
    await deliveries.delivered("job", {"parent": shown, "a": shown})

    assert await images.delete("parent")

    assert await images.get("parent") is None
    assert await images.of_job("job") == []
    assert [await images.get(child) for child in "ab"] == [image("a"), image("b")]
    assert await children_of(images, "a") == ["grandchild"]
    assert await deliveries.by_message("test", "painting", "1") == ["a"]


async def test_two_may_delete_one_image_at_once(images: Images) -> None:
    await add(images, "cat", "dog")

    await asyncio.gather(images.delete("cat"), images.delete("cat"))

    assert await images.get("cat") is None
    assert await images.get("dog") == image("dog")


async def test_everything_is_still_known_after_a_restart(tmp_path: Path) -> None:
    for start in range(2):
        async with Database.open(tmp_path / "limner.sqlite", now=start) as database:
            images = Images(database, ImageFolder(tmp_path / "images"))
            if start == 0:
                await add(images, "cat")
            assert await images.get("cat") == image("cat")


async def test_images_of_several_jobs_are_found_at_once(images: Images, database: Database) -> None:
    for job_id in ("one", "two", "three"):
        await accept(database, job_id)
    for image_id, job_id in (("a", "one"), ("b", "two"), ("c", "two"), ("d", "three")):
        await images.add(image(image_id, job_id=job_id))
    await images.add(image("brought"))

    assert {found.id for found in await images.of_jobs(["one", "two", "nobody knows"])} == {"a", "b", "c"}
    assert await images.of_jobs([]) == []


async def test_pictures_that_somebody_brought_are_found_by_when_that_was(images: Images, database: Database) -> None:
    await accept(database, "job")
    for image_id, created_at in (("a", 10), ("b", 20), ("c", 20), ("d", 30)):
        await images.add(image(image_id, created_at=created_at))
    await images.add(image("painted", job_id="job", created_at=20))
    await images.add(image("of another", requester="test:ben", created_at=20))

    async def brought(after: float, until: float, limit: int = 10) -> list[str]:
        return [found.id for found in await images.brought("test:ann", limit, after, until)]

    assert await brought(-inf, inf) == ["d", "c", "b", "a"]
    # So that what is between two pages is on one of them.
    assert await brought(10, 20) == ["c", "b"]
    assert await brought(20, 30) == ["d"]
    assert await brought(-inf, inf, limit=3) == ["d", "c", "b"]
