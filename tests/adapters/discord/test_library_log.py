"""What discord.py says in its log, as our log has it."""

import logging
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from adapters.discord.library_log import heard

library = logging.getLogger("discord")


def said(record: Any) -> list[dict[str, Any]]:
    with capture_logs() as lines, heard():
        record()
    return [dict(line) for line in lines]


def test_a_mistake_in_what_handles_an_event_is_told_with_its_traceback() -> None:
    def fail() -> None:
        try:
            raise KeyError("hat")
        except KeyError:
            logging.getLogger("discord.client").exception("Ignoring exception in %s", "on_message")

    (line,) = said(fail)

    assert line | {"exc_info": None} == {
        "event": "Ignoring exception in on_message",
        "log_level": "error",
        "by": "discord.client",
        "exc_info": None,
    }
    assert isinstance(line["exc_info"][1], KeyError)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ConnectionRefusedError("nobody listens"), "nobody listens"),
        (TimeoutError(), "TimeoutError()"),
        (aiohttp.ServerDisconnectedError(), "Server disconnected"),
    ],
)
def test_that_discord_is_out_of_reach_is_one_line_without_a_traceback(error: Exception, why: str) -> None:
    (line,) = said(lambda: logging.getLogger("discord.shard").error("Attempting a reconnect", exc_info=error))

    assert line == {
        "event": "discord cannot be reached",
        "log_level": "warning",
        "why": why,
        "said": "Attempting a reconnect",
    }


def test_that_a_connection_is_back_is_told() -> None:
    gateway = logging.getLogger("discord.gateway")

    lines = said(lambda: gateway.info("Shard ID %s has successfully RESUMED session %s.", 0, "abc"))

    assert lines == [{"event": "discord connected again", "log_level": "info"}]


def test_what_else_it_says_below_a_warning_is_left_out() -> None:
    assert said(lambda: logging.getLogger("discord.gateway").info("Shard ID %s has connected", 0)) == []
    assert said(lambda: library.debug("GET has returned 200")) == []


def test_afterwards_it_is_as_it_was() -> None:
    gateway = logging.getLogger("discord.gateway")
    before = (list(library.handlers), gateway.level)

    said(lambda: library.warning("slow"))

    assert (list(library.handlers), gateway.level) == before
