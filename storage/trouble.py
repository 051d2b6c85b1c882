"""What the operating system and SQLite refuse -> StorageTrouble, and a log line when that begins and when it ends."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from bot.errors import DiskFull, StorageTrouble

#: RLIMIT_FSIZE and file systems with small files say EFBIG.
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
#: Bytes for which there must be room before trouble is said to be over.
ROOM = 2**18
#: Primary result codes that say something of the disk or of other programs. All others are mistakes of ours.
REFUSALS = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
}

log = structlog.get_logger(__name__)


class Trouble:
    """Of one part of the data folder; says so once, not at every try."""

    def __init__(self, part: str) -> None:
        self._part = part
        #: None while all is well, as far as is known.
        self.now: StorageTrouble | None = None

    @contextmanager
    def told(self) -> Iterator[None]:
        """Around a write. Raises StorageTrouble in place of what the disk or SQLite says.

        That something can be written is no end of it: a little fits in where more does not.
        """
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            trouble = trouble_of(error)
            if trouble is None:
                raise
            if self.now is None or self.now.code != trouble.code:
                log.error("storage trouble", part=self._part, code=trouble.code, why=trouble.why)
            self.now = trouble
            raise trouble from error

    def over(self) -> None:
        if self.now is not None:
            log.info("storage works again", part=self._part)
        self.now = None


@contextmanager
def translated() -> Iterator[None]:
    """Around a read: that it works says nothing of writes."""
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        trouble = trouble_of(error)
        if trouble is None:
            raise
        raise trouble from error


def trouble_of(error: sqlite3.Error | OSError) -> StorageTrouble | None:
    """None for what is no trouble of the disk."""
    if isinstance(error, OSError):
        return DiskFull(str(error)) if error.errno in FULL else StorageTrouble(str(error))
    # Extended codes have more in their higher bytes. Errors that Python's module makes by itself have none.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return DiskFull(str(error))
    return StorageTrouble(str(error)) if code & 0xFF in REFUSALS else None
