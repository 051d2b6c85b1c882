"""What the log looks like, and what it leaves out: secrets, and the parts of addresses that may be one."""

import logging
import re
import sys
from collections.abc import Iterable, MutableMapping
from typing import Any

import structlog

#: Shorter ones would stand in ordinary words.
SECRET_LEAST = 8
ADDRESS = re.compile(r"\b(?:https?|wss?)://[^\s'\"<>\\]+")
#: Characters of a part of a path that may be a key; those at which platforms take answers have more.
KEY_LEAST = 20
#: Stands for what is left out.
LEFT_OUT = "***"
#: Shown whole: the link that invites the bot, which has nothing secret in it.
OPEN = "invite"


class Mask:
    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted((one for one in secrets if len(one) >= SECRET_LEAST), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, LEFT_OUT)
        return ADDRESS.sub(lambda found: _masked(found[0]), text)


def _masked(address: str) -> str:
    scheme, _, rest = address.partition("://")
    path, question, _ = rest.partition("?")
    host, *parts = path.split("/")
    shown = [part if len(part) < KEY_LEAST else LEFT_OUT for part in parts]
    return f"{scheme}://{'/'.join([host.rpartition('@')[2], *shown])}{question and '?' + LEFT_OUT}"


def write_lines(secrets: Iterable[str] = ()) -> None:
    """One line per move of a job on standard error; JSON where nobody reads along."""
    mask = Mask(secrets)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=False),
            structlog.processors.format_exc_info,
            _Masked(mask),
            _ForPeople() if sys.stderr.isatty() else structlog.processors.JSONRenderer(),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    # Of libraries that nobody listens to, and of asyncio.
    if logging.lastResort is not None:
        logging.lastResort.setFormatter(_MaskedRecords(mask))


def write_nothing() -> None:
    """For commands whose progress bar tells enough; errors arrive as exceptions."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("critical"))


class _Masked:
    def __init__(self, mask: Mask) -> None:
        self._mask = mask

    def __call__(self, logger: Any, name: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        for key, value in line.items():
            if isinstance(value, str) and key != OPEN:
                line[key] = self._mask(value)
        return line


class _MaskedRecords(logging.Formatter):
    def __init__(self, mask: Mask) -> None:
        super().__init__()
        self._mask = mask

    def format(self, record: logging.LogRecord) -> str:
        return self._mask(super().format(record))


class _ForPeople(structlog.dev.ConsoleRenderer):
    def __call__(self, logger: Any, name: str, line: MutableMapping[str, Any]) -> str:
        """A link that invites stands alone in the next line, where it can be clicked."""
        link = line.pop(OPEN, None)
        text = super().__call__(logger, name, line)
        return text if link is None else f"{text}\n  ● Open this to let it into a server: {link}"
