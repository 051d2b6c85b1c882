"""Brings a database up to date: every .sql file in migrations/ once, in the order of names, each with its record."""

import asyncio
import sqlite3
from collections.abc import Iterable
from importlib.resources import files

import aiosqlite

from bot.errors import DatabaseTooNew


def migrations() -> dict[str, str]:
    """Name -> SQL, in order."""
    folder = files("storage") / "migrations"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".sql"))
    return {name.removesuffix(".sql"): (folder / name).read_text(encoding="utf-8") for name in names}


async def migrate(connection: aiosqlite.Connection, *, now: float) -> list[str]:
    """Returns the names that were applied. Raises DatabaseTooNew before anything is changed."""
    await connection.execute(
        "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at REAL NOT NULL) STRICT"
    )
    if unknown := await unknown_migrations(connection):
        raise DatabaseTooNew(
            f"The database has migrations that this Limner does not know: {', '.join(unknown)}. "
            "Start the newer Limner that wrote it, or restore a backup from before."
        )
    known = migrations()
    applied = await _applied(connection)
    missing = [name for name in known if name not in applied]
    for name in missing:
        await _apply(connection, statements(known[name]), name, now)
    return missing


async def unknown_migrations(connection: aiosqlite.Connection) -> list[str]:
    """Applied by a newer program."""
    return sorted(await _applied(connection) - migrations().keys())


async def _applied(connection: aiosqlite.Connection) -> set[str]:
    async with connection.execute("SELECT name FROM migrations") as rows:
        return {str(row[0]) for row in await rows.fetchall()}


async def _apply(connection: aiosqlite.Connection, sql: Iterable[str], name: str, now: float) -> None:
    # executescript would commit first, so statements run singly inside one transaction.
    await connection.execute("BEGIN IMMEDIATE")
    try:
        for statement in sql:
            await connection.execute(statement)
        record = {"name": name, "now": now}
        await connection.execute("INSERT INTO migrations (name, applied_at) VALUES (:name, :now)", record)
    except BaseException:
        # SQLite may have done it by itself, e.g. on a full disk.
        if connection.in_transaction:
            await connection.execute("ROLLBACK")
        raise
    await connection.execute("COMMIT")


def statements(script: str) -> list[str]:
    """As SQLite itself finds their ends, so that a trigger, which has some within, stays whole."""
    found, begun = [], ""
    for part in script.split(";"):
        begun += f"{part};"
        if sqlite3.complete_statement(begun):
            found.append(begun)
            begun = ""
    # What never ends is left to SQLite to complain of.
    return [stripped for statement in (*found, begun) if (stripped := statement.strip().removesuffix(";").strip())]


async def schema() -> str:
    """The schema that all migrations together make; kept in schema.sql for readers, and a test holds it equal."""
    async with aiosqlite.connect(":memory:", isolation_level=None) as connection:
        await migrate(connection, now=0)
        query = "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid"
        async with connection.execute(query) as rows:
            return "\n\n".join(f"{row[0]};" for row in await rows.fetchall()) + "\n"


if __name__ == "__main__":
    print(asyncio.run(schema()), end="")
