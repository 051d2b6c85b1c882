"""Every question that is asked while Limner serves is answered through an index, however much there is.

Also after ANALYZE, which some operators run: then SQLite plans by what is in the tables.
"""

import inspect
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import pytest

from benchmarks.full_index import fill, requester_of, space_of
from bot.decisions import Act, Cause, Decision, Report
from bot.jobs import Belongings, Failure, Image, ImageRequest, Job, Message, together
from bot.policy import Rules
from storage import backup, check, prune
from storage.belongings import BelongingsStore
from storage.database import Database
from storage.deliveries import Deliveries
from storage.files import ImageFolder
from storage.images import DELETE, ORPHAN, Images
from storage.jobs import Jobs
from storage.moderation import Moderation
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

DECISION = Decision(at=0, space="test:studio", act=Act.REPORTED, by="test:bob", about="test:ann", image_id="image")
REPORT = Report(
    image_id="image",
    platform="test",
    space="test:studio",
    cause=Cause.REPORTED,
    reporter="test:bob",
    created_at=0,
)

#: Somebody with a few images and jobs, in the filled index.
SOMEBODY, THEIR_SPACE, SMALL_SPACE = requester_of(space_of(0), 0), space_of(0), space_of(1)
#: After all that was made.
LATER = 2e9

#: Moves that take several statements, in one transaction; belongings in several.
TRANSACTIONS = {
    "jobs add": 2,
    "images delete": 3,
    "deliveries delivered": 3,
    "rules change": 2,
    "rules block": 2,
    "rules unblock": 2,
    "moderation report": 3,
    "moderation told": 2,
    "moderation approve": 3,
    "belongings of": 7,
    "belongings erase": 12,
    "belongings erase_in": 9,
    "belongings erase_in, one requester": 9,
}

#: Statements that look nothing up.
PLAIN = {"jobs add", "images add", "rules block", "rules spaces_with_retention", "moderation record"}

#: Of the keeper and of `limner db` beside a server.
WHILE_SERVING = {
    "page of what is kept": check.PAGE,
    "old images": prune.OLD_IMAGES,
    "last image": prune.LAST_IMAGE,
    "children of old images": ORPHAN,
    "old images go": DELETE,
    "old jobs": prune.OLD_JOBS,
    "last job": prune.LAST_JOB,
    "old jobs go": prune.DELETE_JOBS,
}
#: Of programs of their own that look at everything, or work on a copy: nobody waits for them.
ALONE = {
    "what is kept": check.IMAGES,
    "what is named": check.NAMED,
    "jobs that would go": prune.COUNT_JOBS,
    "a child in a copy": backup.FORGET[0],
    "an image in a copy": backup.FORGET[1],
}
VALUES = {"before": 1, "now": 1, "after": 0, "last": 100, "limit": 1, "ids": "[]", "going": "[]", "id": "image"}

#: Of an index that holds nothing else, and of five rows.
OF_UNFINISHED, OF_COUNTS = "SCAN jobs USING INDEX jobs_unfinished", "SCAN job_counts"
#: To its first entry alone.
OF_RETENTION = "SCAN rules USING INDEX rules_with_retention"
#: Of what a statement was given, and of no table.
OF_WHAT_WAS_GIVEN = ("SCAN wanted VIRTUAL TABLE", "SCAN json_each VIRTUAL TABLE", "SCAN CONSTANT ROW")

#: The largest number of a table, and the larger of two that were found.
LAST_NUMBER, OF_TWO_ROWS = {"SEARCH images", "SEARCH jobs"}, "SEARCH (subquery-2)"

#: How a statement begins that has a plan.
WORDS = {"SELECT", "INSERT", "UPDATE", "DELETE"}

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
        "ended_since": lambda: jobs.ended_since(0),
        "newest_failed": lambda: jobs.newest_failed(20),
        "newest_of": lambda: jobs.newest_of("test:ann", 20, None),
        "newest_of, next page": lambda: jobs.newest_of("test:ann", 20, "job"),
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
        "with_sha256": lambda: images.with_sha256("0" * 64),
        "of_job": lambda: images.of_job("job"),
        "of_jobs": lambda: images.of_jobs(["job", "another"]),
        "children": lambda: images.children("image"),
        "newest": lambda: images.newest("test:studio", 10, None),
        "newest, next page": lambda: images.newest("test:studio", 10, "image"),
        "newest_of": lambda: images.newest_of("test:ann", 10, age_restricted=False),
        "newest_of, among adults": lambda: images.newest_of("test:ann", 10, age_restricted=True),
        "brought": lambda: images.brought("test:ann", 100, 0, LATER),
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
    }


def calls_of_rules(rules: RulesOfSpaces) -> Calls:
    return {
        "get": lambda: rules.get("test:studio"),
        "change": lambda: rules.change("test:studio", lambda _: Rules()),
        "is_blocked": lambda: rules.is_blocked("test:studio", "test:ann"),
        "block": lambda: rules.block("test:studio", "test:ann", DECISION),
        "unblock": lambda: rules.unblock("test:studio", "test:ann", DECISION),
        "spaces_with_retention": lambda: rules.spaces_with_retention(),
    }


def calls_of_moderation(moderation: Moderation) -> Calls:
    return {
        "report": lambda: moderation.report(REPORT, DECISION),
        "owed": lambda: moderation.owed("test"),
        "told": lambda: moderation.told("image", MESSAGE),
        "approve": lambda: moderation.approve(IMAGE, DECISION),
        "refuse": lambda: moderation.refuse(IMAGE, [DECISION]),
        "record": lambda: moderation.record(DECISION),
        "newest": lambda: moderation.newest("test:studio", 10),
    }


def calls_of_belongings(belongings: BelongingsStore) -> Calls:
    async def all_of(erasing: Awaitable[AsyncIterator[Belongings]]) -> Belongings:
        return together([piece async for piece in await erasing])

    return {
        "of": lambda: belongings.of(SOMEBODY),
        "erase_in, one requester": lambda: all_of(belongings.erase_in(THEIR_SPACE, LATER, SOMEBODY)),
        "erase": lambda: all_of(belongings.erase(SOMEBODY)),
        "erase_in": lambda: all_of(belongings.erase_in(SMALL_SPACE, LATER, None)),
    }


class Heard(Database):
    """On one connection, so that all statements are heard."""

    @asynccontextmanager
    async def view(self) -> AsyncIterator[aiosqlite.Connection]:
        yield self._reader


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("index") / "limner.sqlite"
    fill(path, 300, 100)
    return path


@pytest.fixture(params=["", "ANALYZE"])
async def connection(
    tmp_path: Path, index: Path, request: pytest.FixtureRequest
) -> AsyncIterator[aiosqlite.Connection]:
    copy = shutil.copy(index, tmp_path / "limner.sqlite")
    async with aiosqlite.connect(copy, isolation_level=None) as connection:
        connection.row_factory = aiosqlite.Row
        await connection.execute(request.param)
        yield connection


@pytest.fixture
async def plans(tmp_path: Path, connection: aiosqlite.Connection) -> Plans:
    database = Heard(tmp_path / "limner.sqlite", connection, connection)
    stores = {
        "jobs": calls_of_jobs(Jobs(database)),
        "images": calls_of_images(Images(database, ImageFolder(tmp_path / "images"))),
        "deliveries": calls_of_deliveries(Deliveries(database)),
        "rules": calls_of_rules(RulesOfSpaces(database)),
        "moderation": calls_of_moderation(Moderation(database)),
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
    return {sql: await plan(sql, {}, connection) for sql in heard if sql.split()[0] in WORDS}


async def plan(sql: str, values: dict[str, object], connection: aiosqlite.Connection) -> list[str]:
    async with connection.execute(f"EXPLAIN QUERY PLAN {sql}", values) as rows:
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
        (Moderation, calls_of_moderation),
        (BelongingsStore, calls_of_belongings),
    ],
)
def test_every_method_is_looked_at(store: type, calls_of: Callable[[Any], Calls]) -> None:
    methods = {name for name, _ in inspect.getmembers(store, inspect.isfunction) if not name.startswith("_")}

    assert {name.partition(",")[0] for name in calls_of(None)} == methods - FILES_ONLY


def test_every_method_but_a_move_of_several_rows_asks_the_database_once(plans: Plans) -> None:
    assert {name: len(statements) for name, statements in plans.items()} == dict.fromkeys(plans, 1) | TRANSACTIONS


def test_no_statement_goes_through_a_table_that_grows(plans: Plans) -> None:
    scans = [step for found in steps(plans, "SCAN").values() for step in found]

    looked_at = {step for step in scans if not step.startswith(OF_WHAT_WAS_GIVEN)}
    assert looked_at == {OF_UNFINISHED, OF_COUNTS, OF_RETENTION}


def test_every_search_goes_through_an_index(plans: Plans) -> None:
    searches = [step for steps in steps(plans, "SEARCH").values() for step in steps]

    assert plans.keys() - steps(plans, "SEARCH").keys() <= PLAIN | {"jobs unfinished", "jobs counts"}
    assert [step for step in searches if not is_through_an_index(step)] == []


def is_through_an_index(step: str) -> bool:
    """Of the schema, not one that SQLite makes for the statement alone. By its number a table is ordered anyway."""
    by_number = " INTEGER PRIMARY KEY " in step or step in LAST_NUMBER
    return (" INDEX " in step or by_number or step == OF_TWO_ROWS) and "AUTOMATIC" not in step


def test_the_newest_image_of_a_requester_in_a_channel_is_at_the_end_of_an_index(plans: Plans) -> None:
    """However many others, or they elsewhere, have images."""
    (steps,) = plans["deliveries newest_of_requester"].values()
    at_the_end = "messages_by_requester (requester=? AND platform=? AND channel=? AND private=?)"

    assert [step.partition("INDEX ")[2] for step in steps if "messages" in step] == [at_the_end] * 2


def test_only_what_is_small_is_sorted(plans: Plans) -> None:
    """The images of one message, what is owed, and the few that are handed out or erased at once."""
    small = {"deliveries by_message", "deliveries owed", "moderation owed"}

    assert {name for name in steps(plans, "TEMP B-TREE") if not name.startswith("belongings ")} <= small


@pytest.mark.parametrize("name", WHILE_SERVING)
async def test_the_keeper_and_those_beside_a_server_look_at_a_few_rows_at_a_time(
    connection: aiosqlite.Connection, name: str
) -> None:
    steps = await plan(WHILE_SERVING[name], VALUES, connection)

    assert [step for step in steps if "SCAN" in step and not step.startswith(OF_WHAT_WAS_GIVEN)] == []
    assert all(is_through_an_index(step) for step in steps if "SEARCH" in step)


async def test_only_what_wants_to_see_all_images_walks_through_them(connection: aiosqlite.Connection) -> None:
    plans = {name: await plan(sql, VALUES, connection) for name, sql in ALONE.items()}
    walks = {
        name for name, steps in plans.items() if any(step.startswith(("SCAN images", "SCAN jobs")) for step in steps)
    }

    assert walks == {"what is kept", "what is named"}
