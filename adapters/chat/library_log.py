"""What a platform's library says in its log -> lines of ours. It says nothing to anybody by itself."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

log = structlog.get_logger(__name__)


class Lines(logging.Handler):
    def __init__(self, platform: str, unreachable: tuple[type[Exception], ...], level: int = logging.WARNING) -> None:
        """`unreachable`: errors that happen to every connection, and after which the library tries again."""
        super().__init__(level)
        self._platform = platform
        self._unreachable = unreachable

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, self._unreachable):
            why = str(error) or repr(error)
            log.warning(f"{self._platform} cannot be reached", why=why, said=record.getMessage())
        else:
            log.log(record.levelno, record.getMessage(), by=record.name, exc_info=record.exc_info or None)


@contextmanager
def heard_by(handler: logging.Handler, *loggers: str) -> Iterator[None]:
    libraries = [logging.getLogger(name) for name in loggers]
    for library in libraries:
        library.addHandler(handler)
    try:
        yield
    finally:
        for library in libraries:
            library.removeHandler(handler)
