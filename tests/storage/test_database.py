"""Transactions, locks and pragmas of the SQLite file, and what is said about files that cannot be used."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import aiosqlite
import pytest

from bot.errors import CannotStart, StorageTrouble
from storage.database import Database, Row, examine
from storage.snapshot import reading

ADD = "INSERT INTO notes (word, after) VALUES (:word, :after)"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "limner.sqlite"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    async with Database.open(path, now=0) as database:
        await database.write("CREATE TABLE notes (word TEXT PRIMARY KEY, after TEXT REFERENCES notes) STRICT", {})
        yield database


async def add(database: Database, word: str, *, after: str | None = None) -> None:
    await database.write(ADD, {"word": word, "after": after})


async def words(database: Database) -> list[str]:
    return [row["word"] for row in await database.all("SELECT word FROM notes ORDER BY rowid", {})]


async def insert(connection: aiosqlite.Connection, *words: str) -> None:
    for word in words:
        await connection.execute(ADD, {"word": word, "after": None})


@pytest.mark.parametrize(
    ("pragma", "value"),
    [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 5000), ("secure_delete", 1)],
)
async def test_the_pragmas_hold_on_both_connections(database: Database, pragma: str, value: object) -> None:
    async def ask(connection: aiosqlite.Connection) -> Row | None:
        async with connection.execute(f"PRAGMA {pragma}") as cursor:
            return await cursor.fetchone()

    for row in (await database.transact(ask), await database.one(f"PRAGMA {pragma}", {})):
        assert row is not None
        assert row[0] == value


async def test_a_row_that_refers_to_nothing_is_refused(database: Database) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        await add(database, "cat", after="dog")


async def test_nothing_is_written_on_the_connection_for_reading(database: Database) -> None:
    with pytest.raises(StorageTrouble) as told:
        await database.all(ADD, {"word": "cat", "after": None})
    assert "readonly" in told.value.why


async def test_a_write_says_how_many_rows_it_changed(database: Database) -> None:
    async def three(connection: aiosqlite.Connection) -> None:
        await insert(connection, "ant", "bee", "cat")

    await database.transact(three)

    assert await database.write("UPDATE notes SET after = 'ant' WHERE word > :word", {"word": "ant"}) == 2
    assert await database.write("UPDATE notes SET after = 'ant' WHERE word > :word", {"word": "owl"}) == 0


@pytest.mark.parametrize("length", [10, 20_000])
async def test_of_what_was_deleted_no_bytes_are_left(database: Database, path: Path, length: int) -> None:
    word = "secret" * length
    await add(database, word)
    await add(database, "cat")
    assert "secret" in bytes_of(path)

    await database.write("DELETE FROM notes WHERE word = :word", {"word": word})
    await database.empty_log()

    assert "secret" not in bytes_of(path)
    assert "cat" in bytes_of(path)


async def test_a_log_that_somebody_reads_is_left_for_later(database: Database, path: Path) -> None:
    await database.write("PRAGMA busy_timeout = 1", {})
    await add(database, "cat")
    with closing(sqlite3.connect(path)) as other:
        reading = other.execute("BEGIN").connection.execute("SELECT * FROM notes")
        assert reading.fetchone()
        await add(database, "dog")
        await database.empty_log()

    assert await words(database) == ["cat", "dog"]


def bytes_of(path: Path) -> str:
    """Of the database and its log."""
    return "".join(one.read_bytes().decode("latin-1") for one in path.parent.glob(f"{path.name}*"))


async def test_a_transaction_answers_what_its_work_answers_and_outlives_the_program(path: Path) -> None:
    async def work(connection: aiosqlite.Connection) -> str:
        await connection.execute("CREATE TABLE notes (word TEXT) STRICT")
        await connection.execute("INSERT INTO notes VALUES ('cat')")
        return "written"

    async with Database.open(path, now=0) as database:
        assert await database.transact(work) == "written"
    async with Database.open(path, now=1) as database:
        assert await words(database) == ["cat"]


@pytest.mark.parametrize("error", [RuntimeError(), sqlite3.IntegrityError(), asyncio.CancelledError()])
async def test_a_transaction_that_raises_leaves_nothing_and_the_next_one_works(
    database: Database, error: BaseException
) -> None:
    async def work(connection: aiosqlite.Connection) -> None:
        await insert(connection, "ant", "bee")
        raise error

    with pytest.raises(type(error)):
        await database.transact(work)
    await add(database, "cat")

    assert await words(database) == ["cat"]


async def test_a_statement_that_fails_takes_those_before_it_along(database: Database) -> None:
    async def work(connection: aiosqlite.Connection) -> None:
        await insert(connection, "ant", "bee", "ant")

    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        await database.transact(work)

    assert await words(database) == []


async def test_a_commit_that_fails_leaves_nothing_and_the_next_transaction_works(database: Database) -> None:
    async def work(connection: aiosqlite.Connection) -> None:
        await connection.execute("PRAGMA defer_foreign_keys = ON")
        await connection.execute(ADD, {"word": "cat", "after": "nobody"})

    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        await database.transact(work)
    await add(database, "dog")

    assert await words(database) == ["dog"]


async def test_transactions_come_one_after_the_other(database: Database) -> None:
    inside = 0

    async def work(connection: aiosqlite.Connection) -> None:
        nonlocal inside
        inside += 1
        count = f"SELECT '{inside}' || count(*), NULL FROM notes"
        await connection.execute(f"INSERT INTO notes {count}")
        await asyncio.sleep(0)
        await connection.execute(f"INSERT INTO notes {count}")
        inside -= 1

    await asyncio.gather(*(database.transact(work) for _ in range(10)))

    assert await words(database) == [f"1{number}" for number in range(20)]


async def test_a_transaction_that_fails_does_not_touch_one_that_waits_for_it(database: Database) -> None:
    async def fail(connection: aiosqlite.Connection) -> None:
        await insert(connection, "ant")
        await asyncio.sleep(0.01)
        raise RuntimeError("boom")

    answers = await asyncio.gather(database.transact(fail), add(database, "bee"), return_exceptions=True)

    assert isinstance(answers[0], RuntimeError)
    assert await words(database) == ["bee"]


async def test_readers_are_not_held_up_by_a_write_and_never_see_half_of_it(database: Database) -> None:
    half_way, go_on = asyncio.Event(), asyncio.Event()

    async def work(connection: aiosqlite.Connection) -> None:
        await insert(connection, "ant")
        half_way.set()
        await go_on.wait()
        await insert(connection, "bee")

    writing = asyncio.create_task(database.transact(work))
    await half_way.wait()
    before = await asyncio.wait_for(words(database), 1)
    go_on.set()
    await writing

    assert (before, await words(database)) == ([], ["ant", "bee"])


async def test_what_was_written_is_seen_at_once_also_while_others_read(database: Database) -> None:
    done = False

    async def read_on() -> None:
        while not done:
            await database.one("SELECT word FROM notes", {})

    readers = [asyncio.create_task(read_on()) for _ in range(5)]
    seen = []
    for number in range(30):
        await add(database, str(number))
        seen.append(await database.one("SELECT count(*) FROM notes", {}))
    done = True
    await asyncio.gather(*readers)

    assert [row and row[0] for row in seen] == list(range(1, 31))


async def test_a_caller_that_goes_away_does_not_tear_its_transaction(database: Database) -> None:
    half_way, go_on = asyncio.Event(), asyncio.Event()

    async def work(connection: aiosqlite.Connection) -> None:
        await insert(connection, "ant")
        half_way.set()
        await go_on.wait()
        await insert(connection, "bee")

    caller = asyncio.create_task(database.transact(work))
    await half_way.wait()
    caller.cancel()
    await asyncio.wait([caller])
    go_on.set()
    await add(database, "cat")

    assert caller.cancelled()
    assert await words(database) == ["ant", "bee", "cat"]


async def test_the_file_is_closed_only_after_the_last_transaction(path: Path) -> None:
    begun = asyncio.Event()

    async def work(connection: aiosqlite.Connection) -> None:
        begun.set()
        await asyncio.sleep(0.05)
        await connection.execute("CREATE TABLE notes (word TEXT) STRICT")

    async with Database.open(path, now=0) as database:
        caller = asyncio.create_task(database.transact(work))
        await begun.wait()
        caller.cancel()
    async with Database.open(path, now=1) as database:
        assert await words(database) == []


async def test_a_write_waits_until_another_program_has_written_and_reads_do_not(database: Database, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO notes VALUES ('theirs', NULL)")
        writing = asyncio.create_task(add(database, "ours"))
        await asyncio.sleep(0.05)
        waited = not writing.done()
        before = await words(database)
        other.execute("COMMIT")
        await writing

    assert waited
    assert (before, await words(database)) == ([], ["theirs", "ours"])


async def test_a_transaction_keeps_other_programs_from_writing_from_its_beginning_on(
    database: Database, path: Path
) -> None:
    async def work(connection: aiosqlite.Connection) -> None:
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("INSERT INTO notes VALUES ('theirs', NULL)")
        await insert(connection, "ours")

    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        await database.transact(work)

    assert await words(database) == ["ours"]


async def test_a_write_that_finds_the_file_locked_for_too_long_raises_and_may_be_tried_again(
    database: Database, path: Path
) -> None:
    async def lose_patience(connection: aiosqlite.Connection) -> None:
        await connection.execute("PRAGMA busy_timeout = 10")

    await database.transact(lose_patience)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageTrouble) as told:
            await add(database, "cat")
        other.execute("ROLLBACK")
    assert "locked" in told.value.why
    await add(database, "cat")

    assert await words(database) == ["cat"]


@pytest.fixture
async def threads_end() -> AsyncIterator[None]:
    """aiosqlite's thread outlives a connection that could not be made, and must not outlive the loop."""
    yield
    while any("_connection_worker_thread" in thread.name for thread in threading.enumerate()):
        await asyncio.sleep(0.001)


async def unusable(folder: Path, kind: str) -> Path:
    """A place where no database can be opened."""
    path = folder / "limner.sqlite"
    match kind:
        case "folder is missing":
            return folder / "missing" / path.name
        case "folder is a file":
            path.write_bytes(b"")
            return path / path.name
        case "a folder itself":
            path.mkdir()
        case "no database":
            path.write_text("a shopping list\n" * 300)
        case "cut off":
            async with Database.open(path, now=0):
                pass
            path.write_bytes(path.read_bytes()[:20_000])
    return path


UNUSABLE = ["folder is missing", "folder is a file", "a folder itself", "no database", "cut off"]


@pytest.mark.parametrize("kind", UNUSABLE)
@pytest.mark.usefixtures("threads_end")
async def test_a_file_that_cannot_be_opened_as_a_database_is_a_reason_not_to_start(tmp_path: Path, kind: str) -> None:
    path = await unusable(tmp_path, kind)

    with pytest.raises(CannotStart) as error:
        async with Database.open(path, now=0):
            pass

    assert str(path) in str(error.value)


@pytest.mark.parametrize("kind", UNUSABLE)
@pytest.mark.usefixtures("threads_end")
async def test_an_examination_names_the_file_that_is_no_sound_database_and_changes_nothing(
    tmp_path: Path, kind: str
) -> None:
    path = await unusable(tmp_path, kind)
    before = path.read_bytes() if path.is_file() else None

    found = await examine(path)

    assert found is not None
    assert found.startswith(str(path))
    assert (path.read_bytes() if path.is_file() else None) == before


async def test_an_examination_finds_nothing_wrong_also_while_a_server_writes(database: Database, path: Path) -> None:
    async def work(connection: aiosqlite.Connection) -> str | None:
        await insert(connection, "cat")
        return await examine(path)

    assert await database.transact(work) is None


def damage_last_page(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:-4096] + b"\xff" * 4096)


async def test_an_examination_tells_of_a_damaged_page(path: Path) -> None:
    async with Database.open(path, now=0):
        pass
    damage_last_page(path)

    assert await examine(path) is not None


async def test_an_examination_tells_of_a_newer_program(database: Database, path: Path) -> None:
    await database.write("INSERT INTO migrations VALUES ('9999_future', 0)", {})

    found = await examine(path)

    assert found is not None
    assert "newer Limner (9999_future)" in found


async def test_the_log_is_emptied_only_where_nobody_must_wait_for_a_reader(tmp_path: Path) -> None:
    path = tmp_path / "limner.sqlite"
    async with Database.open(path, now=0) as database:
        await database.write("CREATE TABLE words (word TEXT)", {})
        with reading(path) as reader:
            reader.execute("SELECT * FROM words").fetchall()
            await database.write("INSERT INTO words VALUES ('cat')", {})
            async with asyncio.timeout(2):
                await database.empty_log()
        assert (tmp_path / "limner.sqlite-wal").stat().st_size > 0
        await database.empty_log()
        assert (tmp_path / "limner.sqlite-wal").stat().st_size == 0
        (row,) = await database.change("PRAGMA busy_timeout", {})
        assert row[0] == 5000, "all else waits as before"


async def test_a_view_stays_as_it_was_and_cannot_write(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "limner.sqlite", now=0) as database:
        await database.write("CREATE TABLE words (word TEXT)", {})
        async with database.view() as view:
            before = await view.execute_fetchall("SELECT * FROM words")
            await database.write("INSERT INTO words VALUES ('cat')", {})
            after = await view.execute_fetchall("SELECT * FROM words")
            with pytest.raises(sqlite3.OperationalError, match="readonly"):
                await view.execute("INSERT INTO words VALUES ('dog')")

        assert (list(before), list(after)) == ([], [])
        assert [row["word"] for row in await database.all("SELECT * FROM words", {})] == ["cat"]


async def test_a_statement_that_fails_alone_leaves_nothing(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "limner.sqlite", now=0) as database:
        await database.write("CREATE TABLE words (word TEXT UNIQUE)", {})
        with pytest.raises(sqlite3.IntegrityError):
            await database.write("INSERT INTO words VALUES ('cat'), ('dog'), ('cat')", {})

        assert await database.all("SELECT * FROM words", {}) == []
        assert [row[0] for row in await database.change("INSERT INTO words VALUES ('cat') RETURNING word", {})] == [
            "cat"
        ]
        assert [row["word"] for row in await database.all("SELECT * FROM words", {})] == ["cat"]
