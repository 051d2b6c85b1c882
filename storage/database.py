"""The SQLite file: how it is opened, and the one write lock."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import aiosqlite

from bot.errors import CannotStart
from storage.files import rehearse
from storage.migrate import migrate, unknown_migrations
from storage.snapshot import keep_before_migrating
from storage.trouble import ROOM, Trouble, translated, trouble_of

# synchronous=FULL, not NORMAL: with WAL, NORMAL may forget the last commits at a power cut, and a job that was
# accepted must not be forgotten.
# wal_autocheckpoint in pages, a quarter of SQLite's own: a commit in some also brings the log into the file, and nobody
# shall wait long for that one.
# secure_delete, as what somebody had erased must not be found in the file's free pages.
BUSY_TIMEOUT = "busy_timeout = 5000"
PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "wal_autocheckpoint = 250",
    "foreign_keys = ON",
    BUSY_TIMEOUT,
    "secure_delete = ON",
)

Row = sqlite3.Row
Values = dict[str, Any]
T = TypeVar("T")


class Database:
    """One connection writes, one reads: readers never see half a transaction."""

    def __init__(self, path: Path, writer: aiosqlite.Connection, reader: aiosqlite.Connection) -> None:
        self._path = path
        self._writer = writer
        self._reader = reader
        self._lock = asyncio.Lock()
        self._transactions: set[asyncio.Task[Any]] = set()
        self.trouble = Trouble("index")

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, *, now: float) -> AsyncIterator["Database"]:
        """Creates or migrates the file, of which it keeps a copy first.

        Raises CannotStart, DatabaseTooNew where a newer Limner wrote it.
        """
        await asyncio.to_thread(_check, path)
        await asyncio.to_thread(keep_before_migrating, path)
        async with _connect(path) as writer:
            with _cannot_start(path):
                await migrate(writer, now=now)
            async with _connect(path) as reader:
                await reader.execute("PRAGMA query_only = ON")
                database = cls(path, writer, reader)
                try:
                    yield database
                finally:
                    await database._settle()

    async def transact(self, work: Callable[[aiosqlite.Connection], Awaitable[T]]) -> T:
        """Runs `work` in one transaction; what it raises rolls back. Raises StorageTrouble.

        All writes pass here, one at a time, as statements of two tasks on one connection would mix in one transaction.
        A caller that is cancelled meanwhile does not tear the transaction: it goes on to its end in a task of its own.
        """
        return await self._in_turn(lambda: self._committed(work))

    async def _in_turn(self, write: Callable[[], Awaitable[T]]) -> T:
        task = asyncio.create_task(self._alone(write), name="database transaction")
        self._transactions.add(task)
        task.add_done_callback(self._transactions.discard)
        return await asyncio.shield(task)

    async def _alone(self, write: Callable[[], Awaitable[T]]) -> T:
        async with self._lock:
            with self.trouble.told():
                return await write()

    async def _committed(self, work: Callable[[aiosqlite.Connection], Awaitable[T]]) -> T:
        await self._writer.execute("BEGIN IMMEDIATE")
        try:
            answer = await work(self._writer)
            await self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                await self._writer.execute("ROLLBACK")
            raise
        return answer

    async def write(self, sql: str, values: Values) -> int:
        """One statement; returns how many rows it changed.

        By itself it is a transaction for SQLite too: BEGIN and COMMIT would be two more ways to its thread.
        """

        async def write() -> int:
            async with self._writer.execute(sql, values) as cursor:
                return cursor.rowcount

        return await self._in_turn(write)

    async def change(self, sql: str, values: Values) -> list[Row]:
        """As `write`, for a statement that returns rows."""

        async def change() -> list[Row]:
            return list(await self._writer.execute_fetchall(sql, values))

        return await self._in_turn(change)

    async def look(self) -> None:
        """Tries a write that changes nothing, and whether there is room for others. Raises StorageTrouble."""
        with self.trouble.told():
            await asyncio.to_thread(rehearse, self._path.with_suffix(".tmp"), ROOM)
        await self.write("UPDATE migrations SET applied_at = applied_at", {})
        self.trouble.over()

    @asynccontextmanager
    async def view(self) -> AsyncIterator[aiosqlite.Connection]:
        """To read much in one state of the index while others read and write. The log grows meanwhile."""
        async with _connect(self._path) as connection:
            await connection.execute("PRAGMA query_only = ON")
            await connection.execute("BEGIN")
            yield connection

    async def empty_log(self) -> None:
        """The write-ahead log has what was deleted until something overwrites it. Left for later where it is read."""
        async with self._lock:
            with suppress(sqlite3.Error):
                await self._writer.execute("PRAGMA busy_timeout = 0")
                await self._writer.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
            await self._writer.execute(f"PRAGMA {BUSY_TIMEOUT}")

    async def _settle(self) -> None:
        if self._transactions:
            await asyncio.wait(self._transactions)

    async def one(self, sql: str, values: Values) -> Row | None:
        return next(iter(await self.all(sql, values)), None)

    async def all(self, sql: str, values: Values) -> list[Row]:
        # In one go: a statement that is left half read keeps its view of the database for all others on its
        # connection, and they would not see what was written since.
        with translated():
            return list(await self._reader.execute_fetchall(sql, values))


def _check(path: Path) -> None:
    """Not left to aiosqlite: the thread of a connection that could not be made may outlive the loop, and complains."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        remedy = "Restore it from a backup with `limner db restore`, or set LIMNER_DATA_DIR."
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            remedy = "Make room on its disk and make it writable, or set LIMNER_DATA_DIR."
        raise CannotStart(f"The database {path} cannot be opened: {error}. {remedy}") from error


@contextmanager
def _cannot_start(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if (trouble := trouble_of(error)) is None:
            raise
        raise CannotStart(
            f"The database {path} cannot be brought up to date: {trouble.why}. It is as it was before. Make room on "
            "the disk and make it writable, then start again."
        ) from error


@asynccontextmanager
async def _connect(path: Path) -> AsyncIterator[aiosqlite.Connection]:
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        connection.row_factory = sqlite3.Row
        for pragma in PRAGMAS:
            await connection.execute(f"PRAGMA {pragma}")
        yield connection


async def examine(path: Path) -> str | None:
    """What is wrong with a database, or None. Reads only, also while a server works on it."""
    try:
        async with aiosqlite.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True) as connection:
            async with connection.execute("PRAGMA quick_check(1)") as rows:
                found = [str(row[0]) for row in await rows.fetchall()]
            unknown = await unknown_migrations(connection)
    except sqlite3.Error as error:
        return f"{path}: {error}"
    if found != ["ok"]:
        return f"{path} is damaged: {found[0]}"
    return f"{path} was written by a newer Limner ({', '.join(unknown)})" if unknown else None
