"""How a database is brought up to date, and which one is refused."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import aiosqlite
import pytest

import storage.migrate
from bot.errors import DatabaseTooNew
from storage.database import Database
from storage.deliveries import Deliveries
from storage.files import ImageFolder
from storage.images import Images
from storage.jobs import Jobs
from storage.migrate import migrate, migrations, schema, statements

ROOT = Path(storage.migrate.__file__).parents[1]
SCHEMA = ROOT / "storage" / "schema.sql"


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[aiosqlite.Connection]:
    async with aiosqlite.connect(tmp_path / "limner.sqlite", isolation_level=None) as connection:
        yield connection


class AddMigration:
    """Lets the program know one migration more than it has."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def __call__(self, sql: str) -> None:
        known = {**migrations(), "9999_next": sql}
        self._monkeypatch.setattr(storage.migrate, "migrations", lambda: known)


@pytest.fixture
def with_next(monkeypatch: pytest.MonkeyPatch) -> AddMigration:
    return AddMigration(monkeypatch)


def folder_content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


async def everything(connection: aiosqlite.Connection) -> list[str]:
    """Schema and content."""
    return [line async for line in connection.iterdump()]


async def column(connection: aiosqlite.Connection, sql: str) -> list[object]:
    async with connection.execute(sql) as rows:
        return [row[0] for row in await rows.fetchall()]


async def test_schema_sql_is_what_the_migrations_make() -> None:
    assert await schema() == SCHEMA.read_text(encoding="utf-8")


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_a_fresh_process_makes_the_same_schema(hash_seed: str) -> None:
    made = subprocess.run(
        [sys.executable, "-W", "error", "-m", "storage.migrate"],
        cwd=ROOT,
        env={"PYTHONHASHSEED": hash_seed},
        capture_output=True,
        check=True,
    )

    assert made.stdout == SCHEMA.read_bytes()


async def test_a_database_that_is_opened_has_that_schema(tmp_path: Path, connection: aiosqlite.Connection) -> None:
    async with Database.open(tmp_path / "limner.sqlite", now=0):
        pass

    made = await column(connection, "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid")

    assert "\n\n".join(f"{sql};" for sql in made) + "\n" == SCHEMA.read_text(encoding="utf-8")


def test_migrations_are_numbered_without_gaps() -> None:
    assert [int(name[:4]) for name in migrations()] == list(range(1, len(migrations()) + 1))


async def test_every_migration_is_recorded_by_its_name_and_time(connection: aiosqlite.Connection) -> None:
    assert await migrate(connection, now=7.5) == list(migrations())

    assert await column(connection, "SELECT name FROM migrations ORDER BY name") == list(migrations())
    assert await column(connection, "SELECT DISTINCT applied_at FROM migrations") == [7.5]


async def test_migrating_a_second_time_changes_nothing(connection: aiosqlite.Connection) -> None:
    await migrate(connection, now=1)
    before = await everything(connection)

    assert await migrate(connection, now=2) == []
    assert await everything(connection) == before


async def test_only_what_is_missing_is_applied_and_content_stays(
    connection: aiosqlite.Connection, with_next: AddMigration
) -> None:
    await migrate(connection, now=1)
    before = set(await everything(connection))

    with_next("CREATE TABLE more (word TEXT) STRICT; INSERT INTO more VALUES ('cat')")

    assert await migrate(connection, now=2) == ["9999_next"]
    assert before < set(await everything(connection))
    assert await column(connection, "SELECT word FROM more") == ["cat"]


@pytest.mark.parametrize("rest", ["CREATE TABLE jobs (word TEXT) STRICT", "INSERT INTO more VALUES (NULL)", "nonsense"])
async def test_a_migration_that_fails_half_way_leaves_nothing_and_may_be_mended(
    connection: aiosqlite.Connection, with_next: AddMigration, rest: str
) -> None:
    await migrate(connection, now=1)
    before = await everything(connection)
    start = "CREATE TABLE more (word TEXT NOT NULL) STRICT; INSERT INTO more VALUES ('cat')"

    with_next(f"{start}; {rest}")
    with pytest.raises(aiosqlite.Error):
        await migrate(connection, now=2)
    after = await everything(connection)
    with_next(start)

    assert after == before
    assert not connection.in_transaction
    assert await migrate(connection, now=3) == ["9999_next"]


async def test_migrations_before_the_one_that_fails_are_kept(
    connection: aiosqlite.Connection, with_next: AddMigration
) -> None:
    with_next("nonsense")
    with pytest.raises(aiosqlite.Error):
        await migrate(connection, now=1)

    assert await column(connection, "SELECT name FROM migrations") == list(migrations())


async def test_a_database_of_a_newer_program_is_refused_by_name_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "limner.sqlite"
    async with Database.open(path, now=1) as database:
        await database.write("INSERT INTO migrations VALUES ('9998_later', 2), ('9999_last', 3)", {})
    before = folder_content(tmp_path)

    with pytest.raises(DatabaseTooNew, match=r"9998_later, 9999_last\..* newer Limner"):
        async with Database.open(path, now=4):
            pass

    assert folder_content(tmp_path) == before


async def test_nothing_is_applied_to_a_database_of_a_newer_program(
    connection: aiosqlite.Connection, with_next: AddMigration
) -> None:
    await migrate(connection, now=1)
    await connection.execute("INSERT INTO migrations VALUES ('9998_later', 2)")
    before = await everything(connection)

    with_next("CREATE TABLE more (word TEXT) STRICT")
    with pytest.raises(DatabaseTooNew):
        await migrate(connection, now=3)

    assert await everything(connection) == before


OLD_JOB = """
INSERT INTO jobs (id, requester, space, origin, kind, request, image_ids, status, attempts, created_at, finished_at)
VALUES (:id, 'web:ann', :space, '', 'generate', '{"prompt": "a cat", "seed": 7}', '[]', :status, 0, 10, :finished_at)
"""
OLD_IMAGE = """
INSERT INTO images (id, requester, space, file, sha256, size, width, height, created_at)
VALUES (:id, 'web:ann', :space, :id, :sha256, 1, 64, 64, 10)
"""


async def test_what_was_made_before_there_were_audiences_is_open_to_its_space(
    tmp_path: Path, connection: aiosqlite.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = dict([*migrations().items()][:1])
    with monkeypatch.context() as patch:
        patch.setattr(storage.migrate, "migrations", lambda: first)
        await migrate(connection, now=1)
    for number, space in enumerate(("web:ann", "web:bob")):
        over = {"status": "done", "finished_at": 20} if number else {"status": "queued", "finished_at": None}
        await connection.execute(OLD_JOB, {"id": f"job {number}", "space": space, **over})
        await connection.execute(OLD_IMAGE, {"id": f"image {number}", "space": space, "sha256": "0" * 64})

    async with Database.open(tmp_path / "limner.sqlite", now=2) as database:
        jobs, images = Jobs(database), Images(database, ImageFolder(tmp_path / "images"))
        made = [
            thing
            for number in range(2)
            for thing in (await jobs.get(f"job {number}"), await images.get(f"image {number}"))
        ]
        unfinished = [job.id for job in await jobs.unfinished()]
        newest = [image.id for image in await images.newest("web:bob", 10, None)]

    assert [(thing.space, thing.audience, thing.age_restricted) for thing in made if thing] == [
        *[("web:ann", "web:ann", False)] * 2,
        *[("web:bob", "web:bob", False)] * 2,
    ]
    assert (unfinished, newest) == (["job 0"], ["image 1"])


TRIGGER = "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b; DELETE FROM c; END"


async def test_all_tables_are_strict(connection: aiosqlite.Connection) -> None:
    await migrate(connection, now=0)
    lax = "SELECT name FROM pragma_table_list WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND NOT strict"

    assert await column(connection, lax) == []
    assert set(await column(connection, "SELECT name FROM pragma_table_list")) > {"jobs", "images", "messages"}


@pytest.mark.parametrize(
    ("script", "parts"),
    [
        ("", []),
        (" ;\n; ", []),
        ("A", ["A"]),
        ("A;\n\nB\n;", ["A", "B"]),
        ("A;B;C", ["A", "B", "C"]),
        (f"A; {TRIGGER}; B", ["A", TRIGGER, "B"]),
        ("A;\n-- one; two\nB;", ["A", "-- one; two\nB"]),
        ("A; SELECT ';'; B", ["A", "SELECT ';'", "B"]),
        ("A; CREATE TRIGGER t BEGIN B;", ["A", "CREATE TRIGGER t BEGIN B;"]),
    ],
)
def test_a_script_falls_apart_where_its_statements_end(script: str, parts: Iterable[str]) -> None:
    assert statements(script) == parts


async def test_an_index_from_before_job_counts_is_counted_and_its_messages_say_whose_they_are(
    tmp_path: Path, connection: aiosqlite.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = dict([*migrations().items()][:2])
    with monkeypatch.context() as patch:
        patch.setattr(storage.migrate, "migrations", lambda: before)
        await migrate(connection, now=1)
    for number in range(3):
        over = {"status": "done", "finished_at": 20} if number else {"status": "queued", "finished_at": None}
        await connection.execute(OLD_JOB, {"id": f"job {number}", "space": "web:ann", **over})
    for image_id, audience in (("open", "web:ann"), ("private", "")):
        await connection.execute(OLD_IMAGE, {"id": image_id, "space": "web:ann", "sha256": "0" * 64})
        await connection.execute("UPDATE images SET audience = ? WHERE id = ?", (audience, image_id))
        shown = ("web", "web:ann", "channel", image_id, "", image_id)
        columns = "platform, space, channel, message_id, thread, image_id"
        await connection.execute(f"INSERT INTO messages ({columns}) VALUES (?, ?, ?, ?, ?, ?)", shown)

    async with Database.open(tmp_path / "limner.sqlite", now=2) as database:
        counts = await Jobs(database).counts()
        newest = [
            await Deliveries(database).newest_of_requester("web:ann", "web", "channel", private=private)
            for private in (False, True)
        ]

    assert {status.value: count for status, count in counts.items() if count} == {"queued": 1, "done": 2}
    assert newest == ["open", "private"]
