"""What discord.py says in its log -> lines of ours. It says nothing to anybody by itself."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from adapters.discord.client import UNREACHABLE

#: Of what it says below a warning, that a connection is back.
BACK = "RESUMED"

log = structlog.get_logger(__name__)


@contextmanager
def heard() -> Iterator[None]:
    library, gateway = logging.getLogger("discord"), logging.getLogger("discord.gateway")
    handler, level = Lines(), gateway.level
    library.addHandler(handler)
    gateway.setLevel(logging.INFO)
    try:
        yield
    finally:
        library.removeHandler(handler)
        gateway.setLevel(level)


class Lines(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno < logging.WARNING:
            if BACK in record.msg:
                log.info("discord connected again")
            return
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, UNREACHABLE):
            # It happens, and the library tries again.
            log.warning("discord cannot be reached", why=str(error) or repr(error), said=record.getMessage())
        else:
            log.log(record.levelno, record.getMessage(), by=record.name, exc_info=record.exc_info or None)
