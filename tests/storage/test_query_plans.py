"""Every question that the stores ask is answered through an index, however much there is."""

import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from bot.jobs import Failure, Image, ImageRequest, Job, Message
from storage.database import Database
from storage.files import ImageFolder
from storage.images import Images
from storage.jobs import Jobs
from storage.migrate import migrate

#: What they do has nothing to do with the database.
FILES_ONLY = {"save", "discard", "read", "path"}

JOB = Job(
    id="job",
    requester="test:ann",
    space="test:studio",
    origin="",
    request=ImageRequest(prompt="a cat", seed=7),
    image_ids=("image",),
    created_at=0,
)
IMAGE = Image(
    id="image",
    job_id="job",
    requester="test:ann",
    space="test:studio",
    parent_id=None,
    file="image.png",
    sha256="0" * 64,
    size=1,
    width=64,
    height=64,
    recipe=None,
    created_at=0,
)
MESSAGE = Message(platform="test", space="test:studio", channel="painting", message_id="1", thread="1")

#: Of an index that holds nothing else.
OF_UNFINISHED = "SCAN jobs USING INDEX jobs_unfinished"

#: Of a store, by the method that is called and, where there are several ways to ask, which one.
Calls = dict[str, Callable[[], Awaitable[object]]]
#: Method -> statement -> how sqlite goes about it.
Plans = dict[str, dict[str, list[str]]]


def calls_of_jobs(jobs: Jobs) -> Calls:
    return {
        "add": lambda: jobs.add(JOB),
        "get": lambda: jobs.get("job"),
        "unfinished": lambda: jobs.unfinished(),
        "counts": lambda: jobs.counts(),
        "claim": lambda: jobs.claim("job", 0),
        "requeue": lambda: jobs.requeue("job", attempt_counts=True),
        "finish": lambda: jobs.finish("job", [], 0),
        "fail": lambda: jobs.fail("job", Failure("code", "detail"), 0),
        "cancel": lambda: jobs.cancel("job", 0),
    }


def calls_of_images(images: Images) -> Calls:
    return {
        "add": lambda: images.add(IMAGE),
        "get": lambda: images.get("image"),
        "of_job": lambda: images.of_job("job"),
        "children": lambda: images.children("image"),
        "newest": lambda: images.newest("test:studio", 10, None),
        "newest, next page": lambda: images.newest("test:studio", 10, "image"),
        "add_message": lambda: images.add_message("image", MESSAGE),
        "by_message": lambda: images.by_message("test", "painting", "1"),
        "newest_in_thread": lambda: images.newest_in_thread("test", "painting", "1"),
    }


@pytest.fixture
async def plans(tmp_path: Path) -> Plans:
    async with aiosqlite.connect(tmp_path / "limner.sqlite", isolation_level=None) as connection:
        connection.row_factory = aiosqlite.Row
        await migrate(connection, now=0)
        database = Database(connection, connection)
        calls = {
            **calls_of_jobs(Jobs(database)),
            **{f"image {name}": call for name, call in calls_of_images(images(database, tmp_path)).items()},
        }
        return {name: await plans_of(call, connection) for name, call in calls.items()}


def images(database: Database, folder: Path) -> Images:
    return Images(database, ImageFolder(folder / "images"))


async def plans_of(call: Callable[[], Awaitable[object]], connection: aiosqlite.Connection) -> dict[str, list[str]]:
    """Of every statement that the call runs, as sqlite saw it."""
    heard: list[str] = []
    await connection.set_trace_callback(heard.append)
    await call()
    await connection.set_trace_callback(None)  # type: ignore[arg-type]
    return {sql: await plan(sql, connection) for sql in heard if sql not in ("BEGIN IMMEDIATE", "COMMIT")}


async def plan(sql: str, connection: aiosqlite.Connection) -> list[str]:
    async with connection.execute(f"EXPLAIN QUERY PLAN {sql}") as rows:
        return [row["detail"] for row in await rows.fetchall()]


def steps(plans: Plans, kind: str) -> dict[str, list[str]]:
    """Method -> the steps of this kind, where there are any."""
    found = {
        name: [step for plan in statements.values() for step in plan if kind in step]
        for name, statements in plans.items()
    }
    return {name: steps for name, steps in found.items() if steps}


@pytest.mark.parametrize(("store", "calls_of"), [(Jobs, calls_of_jobs), (Images, calls_of_images)])
def test_every_method_is_looked_at(store: type, calls_of: Callable[[Any], Calls]) -> None:
    methods = {name for name, _ in inspect.getmembers(store, inspect.isfunction) if not name.startswith("_")}

    assert {name.partition(",")[0] for name in calls_of(None)} == methods - FILES_ONLY


def test_every_method_asks_the_database_once(plans: Plans) -> None:
    assert {name: len(statements) for name, statements in plans.items()} == dict.fromkeys(plans, 1)


def test_only_the_count_of_all_jobs_goes_through_all_of_them_and_that_in_an_index(plans: Plans) -> None:
    scans = {name: steps for name, steps in steps(plans, "SCAN").items() if steps != [OF_UNFINISHED]}

    assert scans == {"counts": ["SCAN jobs USING COVERING INDEX jobs_by_status"]}


def test_every_search_goes_through_an_index(plans: Plans) -> None:
    searches = [step for steps in steps(plans, "SEARCH").values() for step in steps]

    assert len(searches) >= len(plans) - len(("add", "unfinished", "counts", "image add", "image add_message"))
    assert [step for step in searches if " INDEX " not in step] == []


def test_only_the_few_images_of_one_message_and_the_unfinished_jobs_are_sorted(plans: Plans) -> None:
    assert steps(plans, "TEMP B-TREE").keys() <= {"image by_message", "unfinished"}
