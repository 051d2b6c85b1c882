"""What discord.py says in its log -> lines of ours."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from adapters.chat.library_log import Lines, heard_by
from adapters.discord.client import UNREACHABLE

#: Of what it says below a warning, that a connection is back.
BACK = "RESUMED"

log = structlog.get_logger(__name__)


@contextmanager
def heard() -> Iterator[None]:
    gateway = logging.getLogger("discord.gateway")
    level = gateway.level
    gateway.setLevel(logging.INFO)
    try:
        with heard_by(GatewayLines("discord", UNREACHABLE, logging.INFO), "discord"):
            yield
    finally:
        gateway.setLevel(level)


class GatewayLines(Lines):
    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.WARNING:
            super().emit(record)
        elif BACK in record.msg:
            log.info("discord connected again")
