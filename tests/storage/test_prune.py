"""What goes when old things are erased, and what stays."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import storage.prune
from storage.database import Database
from storage.deliveries import Deliveries
from storage.files import ImageFolder
from storage.folder import IMAGES
from storage.images import Images
from storage.jobs import Jobs
from storage.prune import DAY, NEVER, Pruned, prune, would_prune
from storage.rules import RulesOfSpaces
from tests.storage.filled import Filled, name_of

NOW = 1000.0


@pytest.fixture
def data(tmp_path: Path) -> Filled:
    return Filled(tmp_path / "data")


async def pruned(data: Filled, before: float = NOW) -> Pruned:
    """By a dry run first, which changes nothing and tells the same."""
    async with Database.open(data.index, now=0) as database:
        images = Images(database, ImageFolder(data.folder / IMAGES))
        told = await would_prune(database, before)
        assert await would_prune(database, before) == told
        assert await prune(database, images, before) == told
        assert await prune(database, images, before) == Pruned(0, 0)
    return told


async def test_what_is_older_goes_with_files_jobs_and_prompts_and_what_is_younger_stays(data: Filled) -> None:
    await data.add(1, 2, at=NOW - 1)
    await data.add(3, at=NOW)

    assert await pruned(data) == Pruned(2, 2)

    assert await data.images() == [name_of(3)]
    assert await data.jobs() == ["job 3"]
    assert [data.file(number).exists() for number in (1, 2, 3)] == [False, False, True]


async def test_nothing_of_what_went_can_be_read_from_the_disk_not_even_from_the_log(data: Filled) -> None:
    await data.add(1, at=NOW - 1)
    assert b"a cat" in data.index.read_bytes()

    async with Database.open(data.index, now=0) as database:
        await prune(database, Images(database, ImageFolder(data.folder / IMAGES)), NOW)
        content = data.content().values()

    assert not any(b"a cat" in one or b"test:ann" in one for one in content)


async def test_a_job_that_brought_no_image_stays_until_that_is_told(data: Filled) -> None:
    await data.wait_with(1, origin="somewhere")
    async with Database.open(data.index, now=0) as database:
        await Jobs(database).cancel("job 1", NOW - 1)

    assert await pruned(data) == Pruned(0, 0)

    async with Database.open(data.index, now=0) as database:
        await Deliveries(database).delivered("job 1", {})
    assert await pruned(data) == Pruned(0, 1)


async def test_a_space_may_keep_things_for_fewer_days_than_all_others(data: Filled) -> None:
    now = 100 * DAY
    await data.add(1, at=now - 10 * DAY)
    await data.add(2, at=now - 5 * DAY)
    async with Database.open(data.index, now=0) as database:
        rules, images = RulesOfSpaces(database), Images(database, ImageFolder(data.folder / IMAGES))
        assert not await rules.spaces_with_retention()
        await rules.change("test:elsewhere", lambda found: replace(found, retention_days=1))
        assert await rules.spaces_with_retention()
        assert await prune(database, images, NEVER, now) == Pruned(0, 0)
        await rules.change("test:studio", lambda found: replace(found, retention_days=7))

        assert await prune(database, images, NEVER, now) == Pruned(1, 1)
        assert await data.images() == [name_of(2)]
        # What holds for all is the longer time here.
        assert await prune(database, images, now - 30 * DAY, now) == Pruned(0, 0)
        assert await prune(database, images, now - 2 * DAY, now) == Pruned(1, 1)


async def test_what_was_refined_from_an_older_image_stays_without_a_parent(data: Filled) -> None:
    await data.add(1, at=NOW - 1)
    await data.add(2, at=NOW, of=1)

    assert await pruned(data) == Pruned(1, 1)

    async with Database.open(data.index, now=0) as database:
        child = await Images(database, ImageFolder(data.folder / IMAGES)).get(name_of(2))
    assert child is not None
    assert child.parent_id is None


async def test_an_ending_that_is_owed_keeps_its_job_and_images_until_it_is_told(data: Filled) -> None:
    await data.add(1, at=NOW - 1, origin="somewhere")
    await data.add(2, at=NOW - 1, origin="somewhere", told=True)

    assert await pruned(data) == Pruned(1, 1)
    assert await data.images() == [name_of(1)]

    async with Database.open(data.index, now=0) as database:
        await Deliveries(database).give_up("job 1", "nobody is there")
    assert await pruned(data) == Pruned(1, 1)
    assert await data.jobs() == []


async def test_an_image_that_a_waiting_job_starts_from_stays_and_so_does_the_job(data: Filled) -> None:
    await data.add(1, 2, at=NOW - 1)
    await data.wait_with(3, of=1)

    assert (await pruned(data)).images == 1

    assert await data.images() == [name_of(1)]
    assert await data.jobs() == ["job 1", "job 3"]


async def test_however_many_they_are_they_go_in_small_transactions(
    data: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.prune, "TOGETHER", 2)
    await data.add(1, 2, 3, 4, 5, at=NOW - 1)

    assert await pruned(data) == Pruned(5, 5)


async def test_what_cannot_go_does_not_keep_the_others(data: Filled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage.prune, "TOGETHER", 1)
    await data.add(1, at=NOW - 1, origin="somewhere")
    await data.add(2, at=NOW, origin="somewhere", told=True)
    await data.add(3, at=NOW - 1)

    assert await pruned(data) == Pruned(1, 1)


async def test_few_rows_are_looked_at_in_one_statement_also_where_nothing_is_old(
    data: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.prune, "TOGETHER", 2)
    await data.add(1, 2, 3, 4, 5, at=NOW)
    looked_at: list[int] = []
    original = Database.all

    async def heard(database: Database, sql: str, values: dict[str, Any]) -> list[Any]:
        looked_at.extend([values["last"] - values["after"]] if "last" in values else [])
        return await original(database, sql, values)

    monkeypatch.setattr(Database, "all", heard)

    assert await pruned(data) == Pruned(0, 0)
    assert set(looked_at) == {2}
