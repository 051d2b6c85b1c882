"""Whole copies of the index, also while a server writes to it, and what a copy must be before anybody trusts it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from bot.errors import CannotStart
from storage.files import sync
from storage.migrate import migrations
from storage.trouble import trouble_of


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """One view of the index for all that is read, whatever a server writes meanwhile."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("BEGIN")
        yield connection


def copy_index(source: Path, target: Path) -> None:
    """The name appears only once all is on the disk; an older file of that name goes. Raises sqlite3.Error, OSError."""
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        with reading(source) as connection, closing(sqlite3.connect(part)) as copy:
            connection.execute("COMMIT")
            # In one go, as the copy begins anew whenever another program writes meanwhile.
            connection.backup(copy)
            # One file, not three.
            copy.execute("PRAGMA journal_mode = DELETE")
        sync(part)
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    sync(target.parent)


def keep_before_migrating(path: Path) -> None:
    """Copies an index that is about to be brought up to date. Raises CannotStart where that fails."""
    missing = pending(path)
    if not missing:
        return
    target = path.with_name(f"{path.name}.before-{missing[0]}")
    try:
        copy_index(path, target)
    except (sqlite3.Error, OSError) as error:
        if trouble_of(error) is None:
            raise
        raise CannotStart(
            f"{path} is to be brought up to date, and the copy that is kept of it before cannot be written to "
            f"{target}: {error}. Nothing was changed. Make room on the disk, then start again."
        ) from error


def pending(path: Path) -> list[str]:
    """Migrations that are to come; none for a new index, and for one that a newer program wrote."""
    with closing(sqlite3.connect(path)) as connection:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'migrations'").fetchone():
            return []
        applied = applied_in(connection)
    known = migrations()
    return [name for name in known if name not in applied] if applied and applied <= known.keys() else []


def applied_in(connection: sqlite3.Connection) -> set[str]:
    return {str(row[0]) for row in connection.execute("SELECT name FROM migrations")}
