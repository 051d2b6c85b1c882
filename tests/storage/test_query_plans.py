"""Every question that the stores ask is answered through an index, however much there is."""

import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from bot.jobs import Failure, Image, ImageRequest, Job, Message
from bot.policy import Rules
from storage.belongings import BelongingsStore
from storage.database import Database
from storage.deliveries import Deliveries
from storage.files import ImageFolder
from storage.images import Images
from storage.jobs import Jobs
from storage.migrate import migrate
from storage.rules import RulesOfSpaces

#: What they do has nothing to do with the database.
FILES_ONLY = {"save", "discard", "read", "path", "look"}

JOB = Job(
    id="job",
    requester="test:ann",
    space="test:studio",
    origin="where to answer",
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

#: Moves that take several statements, in one transaction.
TRANSACTIONS = {
    "jobs add": 2,
    "images delete": 2,
    "deliveries delivered": 3,
    "rules change": 2,
    "belongings of": 4,
    "belongings erase": 8,
    "belongings erase_in": 8,
    "belongings erase_in, one requester": 8,
}

#: Statements that look nothing up.
PLAIN = {"jobs add", "images add", "rules block"}

#: Of an index that holds nothing else.
OF_UNFINISHED = "SCAN jobs USING INDEX jobs_unfinished"
#: Of what a statement was given, and of no table.
OF_WHAT_WAS_GIVEN = ("SCAN wanted VIRTUAL TABLE", "SCAN json_each VIRTUAL TABLE", "SCAN CONSTANT ROW")

#: Of a store, by the method that is called and, where there are several ways to ask, which one.
Calls = dict[str, Callable[[], Awaitable[object]]]
#: Method -> statement -> how sqlite goes about it.
Plans = dict[str, dict[str, list[str]]]


def calls_of_jobs(jobs: Jobs) -> Calls:
    return {
        "add": lambda: jobs.add(JOB),
        "get": lambda: jobs.get("job"),
        "unfinished": lambda: jobs.unfinished(),
        "over_since": lambda: jobs.over_since(0),
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
        "newest_of": lambda: images.newest_of("test:ann", 10, age_restricted=False),
        "delete": lambda: images.delete("image"),
    }


def calls_of_deliveries(deliveries: Deliveries) -> Calls:
    return {
        "owed": lambda: deliveries.owed("test"),
        "noted": lambda: deliveries.noted("job"),
        "note": lambda: deliveries.note("job", "a note"),
        "delivered": lambda: deliveries.delivered("job", {"image": MESSAGE}),
        "give_up": lambda: deliveries.give_up("job", "no way"),
        "by_message": lambda: deliveries.by_message("test", "painting", "1"),
        "newest_in_thread": lambda: deliveries.newest_in_thread("test", "painting", "1"),
        "newest_of_requester": lambda: deliveries.newest_of_requester("test:ann", "test", "painting", private=False),
        "of_image": lambda: deliveries.of_image("image"),
    }


def calls_of_rules(rules: RulesOfSpaces) -> Calls:
    return {
        "get": lambda: rules.get("test:studio"),
        "change": lambda: rules.change("test:studio", lambda _: Rules()),
        "is_blocked": lambda: rules.is_blocked("test:studio", "test:ann"),
        "block": lambda: rules.block("test:studio", "test:ann"),
        "unblock": lambda: rules.unblock("test:studio", "test:ann"),
    }


def calls_of_belongings(belongings: BelongingsStore) -> Calls:
    return {
        "of": lambda: belongings.of("test:ann"),
        "erase": lambda: belongings.erase("test:ann"),
        "erase_in": lambda: belongings.erase_in("test:studio", 0, None),
        "erase_in, one requester": lambda: belongings.erase_in("test:studio", 0, "test:ann"),
    }


@pytest.fixture
async def plans(tmp_path: Path) -> Plans:
    async with aiosqlite.connect(tmp_path / "limner.sqlite", isolation_level=None) as connection:
        connection.row_factory = aiosqlite.Row
        await migrate(connection, now=0)
        database = Database(tmp_path / "limner.sqlite", connection, connection)
        stores = {
            "jobs": calls_of_jobs(Jobs(database)),
            "images": calls_of_images(Images(database, ImageFolder(tmp_path / "images"))),
            "deliveries": calls_of_deliveries(Deliveries(database)),
            "rules": calls_of_rules(RulesOfSpaces(database)),
            "belongings": calls_of_belongings(BelongingsStore(database)),
        }
        return {
            f"{store} {name}": await plans_of(call, connection)
            for store, calls in stores.items()
            for name, call in calls.items()
        }


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


@pytest.mark.parametrize(
    ("store", "calls_of"),
    [
        (Jobs, calls_of_jobs),
        (Images, calls_of_images),
        (Deliveries, calls_of_deliveries),
        (RulesOfSpaces, calls_of_rules),
        (BelongingsStore, calls_of_belongings),
    ],
)
def test_every_method_is_looked_at(store: type, calls_of: Callable[[Any], Calls]) -> None:
    methods = {name for name, _ in inspect.getmembers(store, inspect.isfunction) if not name.startswith("_")}

    assert {name.partition(",")[0] for name in calls_of(None)} == methods - FILES_ONLY


def test_every_method_but_a_move_of_several_rows_asks_the_database_once(plans: Plans) -> None:
    assert {name: len(statements) for name, statements in plans.items()} == dict.fromkeys(plans, 1) | TRANSACTIONS


def test_only_the_count_of_all_jobs_goes_through_all_of_them_and_that_in_an_index(plans: Plans) -> None:
    scans = {
        name: [step for step in found if step != OF_UNFINISHED and not step.startswith(OF_WHAT_WAS_GIVEN)]
        for name, found in steps(plans, "SCAN").items()
    }

    assert {name: found for name, found in scans.items() if found} == {
        "jobs counts": ["SCAN jobs USING COVERING INDEX jobs_by_status"]
    }


def test_every_search_goes_through_an_index(plans: Plans) -> None:
    searches = [step for steps in steps(plans, "SEARCH").values() for step in steps]

    assert plans.keys() - steps(plans, "SEARCH").keys() <= PLAIN | {"jobs unfinished", "jobs counts"}
    assert [step for step in searches if " INDEX " not in step] == []


def test_only_what_is_small_is_sorted(plans: Plans) -> None:
    """The images of one message, the unfinished jobs, what is owed, and what is handed out as a whole anyway."""
    small = {"deliveries by_message", "jobs unfinished", "deliveries owed"}

    assert {name for name in steps(plans, "TEMP B-TREE") if not name.startswith("belongings ")} <= small
