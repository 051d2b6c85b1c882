"""Connections that come and go: what people ask meanwhile is done, and what Slack says twice is done once."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.slack import sockets
from adapters.slack.app import LimnerApp
from adapters.slack.connection import connected
from adapters.slack.library_log import heard
from bot.app import open_service
from bot.errors import CannotStart
from bot.service import Service
from bot.settings import Settings
from tests.adapters.slack.conftest import TEMPO
from tests.adapters.slack.watching import Rows, finished, paint, requests, settled, shown_in
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Channel, FakeSlack, Person
from tests.fakes.slack.sockets import Connection

#: Seconds within which the program stops, whatever it waits for.
AT_ONCE = 3.0

Line = MutableMapping[str, Any]
Start = Callable[..., AbstractAsyncContextManager[LimnerApp]]


@pytest.fixture
def lines(slack: FakeSlack) -> Iterator[list[Line]]:
    """The log, which tells no secret whatever happens."""
    with capture_logs() as lines, heard():
        yield lines
    for secret in (slack.bot_token, slack.app_token, slack.signing_secret, "ticket=", "/response/"):
        assert secret not in repr(lines)


def said(lines: list[Line], event: str) -> list[Line]:
    return [line for line in lines if line["event"] == event]


@pytest.fixture
def service_of(slack: FakeSlack, tmp_path: Path) -> Callable[[FakeExecutor], AbstractAsyncContextManager[Service]]:
    settings = Settings(data_dir=tmp_path, drain_seconds=0)
    return lambda executor: open_service(settings, executor=executor, clock=slack.clock.now)


@pytest.fixture
def start(
    slack: FakeSlack, service_of: Callable[[FakeExecutor], AbstractAsyncContextManager[Service]], lines: list[Line]
) -> Start:
    """Does not wait until it is connected. Starting it a second time is a restart."""

    @asynccontextmanager
    async def start(executor: FakeExecutor | None = None, **more: Any) -> AsyncIterator[LimnerApp]:
        tokens = {"bot_token": slack.bot_token, "app_token": slack.app_token}
        options = {"api_url": slack.api_url, "clock": slack.clock.now, "tempo": TEMPO, "finish_seconds": 0}
        often = {"ping_interval": 1.0, "reconnect": 0.05}
        async with (
            service_of(executor or FakeExecutor()) as service,
            connected(service, **{**tokens, **options, **often, **more}) as app,
        ):
            yield app
            await service.drain(0)

    return start


async def test_slack_is_away_at_first_and_connected_once_it_is_there(
    slack: FakeSlack, start: Start, art: Channel, ada: Person, rows: Rows, lines: list[Line]
) -> None:
    slack.fail("auth.test", times=None)
    async with start():
        await slack.until(lambda: len(said(lines, "slack cannot be reached; trying again")) > 1)
        slack.heal()
        await slack.connected()
        await ada.command(art, "/generate", "a cat")
        await shown_in(slack, art)
        await settled(slack, rows, ["delivered"])

    (line,) = said(lines, "slack connected")
    assert (line["name"], line["by"]) == (slack.bot.username, "Socket Mode")


@pytest.mark.parametrize(
    ("method", "error", "told"),
    [
        (
            "auth.test",
            "invalid_auth",
            r"refuses SLACK_BOT_TOKEN: invalid_auth. Copy the Bot User OAuth Token \(xoxb-\)",
        ),
        ("auth.test", "token_revoked", "refuses SLACK_BOT_TOKEN: token_revoked"),
        ("apps.connections.open", "invalid_auth", "refuses SLACK_APP_TOKEN: invalid_auth. Make an app-level token"),
        ("apps.connections.open", "not_allowed_token_type", "refuses SLACK_APP_TOKEN: not_allowed_token_type"),
        ("apps.connections.open", "missing_scope", "SLACK_APP_TOKEN lacks the scope connections:write"),
    ],
)
async def test_a_token_that_slack_refuses_ends_it_and_the_owner_reads_why(
    slack: FakeSlack, start: Start, method: str, error: str, told: str
) -> None:
    slack.fail(method, error=error)

    with pytest.RaisesGroup(CannotStart, flatten_subgroups=True) as refused:
        async with start():
            await asyncio.sleep(AT_ONCE)
    assert pytest.RaisesExc(CannotStart, match=told).matches(leaf(refused.value))


@pytest.mark.parametrize(
    ("tokens", "told"),
    [
        ({"bot_token": "xapp-1-swapped"}, "SLACK_BOT_TOKEN is not a bot's token"),
        ({"bot_token": "xoxp-of-a-person"}, "SLACK_BOT_TOKEN is not a bot's token"),
        ({"app_token": "xoxb-swapped"}, "SLACK_APP_TOKEN is not an app-level token"),
    ],
)
async def test_a_token_of_another_kind_is_not_shown_to_slack(
    slack: FakeSlack, start: Start, tokens: dict[str, str], told: str
) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(CannotStart, match=told), flatten_subgroups=True):
        async with start(**tokens):
            pass
    assert slack.requests == []


async def test_a_token_that_is_revoked_later_ends_it_too(slack: FakeSlack, start: Start) -> None:
    with pytest.RaisesGroup(CannotStart, flatten_subgroups=True):
        async with start():
            await slack.connected()
            slack.fail("apps.connections.open", error="token_revoked", times=None)
            await slack.disconnect("refresh_requested")
            await asyncio.sleep(AT_ONCE)


@pytest.mark.slow
async def test_a_socket_that_dies_without_a_word_is_found_out(
    slack: FakeSlack, start: Start, art: Channel, ada: Person, rows: Rows, lines: list[Line]
) -> None:
    async with start(ping_interval=0.4):
        await slack.connected()
        slack.lose_sockets()
        await ada.mention(art, "meanwhile by mention")
        await slack.connected()
        await ada.command(art, "/generate", "after")
        await ada.mention(art, "after by mention")
        await shown_in(slack, art, 3)
        await settled(slack, rows, ["delivered"] * 3)

    assert slack.connections == 2
    assert len(said(lines, "slack connection lost; connecting again")) == 1


@pytest.mark.parametrize("reason", ["warning", "refresh_requested", "link_disabled"])
async def test_slack_wants_another_socket_and_nothing_is_lost_meanwhile(
    slack: FakeSlack, start: Start, art: Channel, ada: Person, rows: Rows, lines: list[Line], reason: str
) -> None:
    async with start():
        await slack.connected()
        await slack.disconnect(reason)
        command = await ada.command(art, "/generate", "by command")
        await ada.mention(art, "by mention")
        await slack.until(lambda: slack.connections == 2)
        await command.until(lambda one: one.acknowledged)
        slack.clock.advance(10)
        last = await ada.command(art, "/generate", "the last")
        await shown_in(slack, art, 3)
        await settled(slack, rows, ["delivered"] * 3)

    assert (command.error, last.error) == (None, None)
    assert len(said(lines, "slack connection lost; connecting again")) == (reason == "link_disabled")


async def test_an_acknowledgement_takes_the_next_socket_where_its_own_is_gone(
    slack: FakeSlack, start: Start, art: Channel, ada: Person, rows: Rows
) -> None:
    async with start():
        await slack.connected()
        for number in range(1, 4):
            await slack.disconnect("refresh_requested")
            asked = [await ada.command(art, "/generate", f"{n}") for n in range(5)]
            await slack.until(lambda: slack.connections > number)  # noqa: B023 - it is awaited within the round
            for one in asked:
                await one.until(lambda one: one.acknowledged or one.error)
            assert [one.error for one in asked] == [None] * 5
        await settled(slack, rows, ["delivered"] * 15)


async def test_a_message_that_comes_while_it_is_cut_off_is_painted_later_and_once(
    slack: FakeSlack, start: Start, art: Channel, ada: Person, rows: Rows
) -> None:
    async with start():
        await slack.connected()
        async with slack.cut_off():
            mention = await ada.mention(art, "a cat")
        await slack.connected()
        await slack.repeat(mention)
        await mention.until(lambda one: one.acks == 2)
        await settled(slack, rows, ["delivered"])

    assert len(finished(art)) == 1


async def test_an_event_that_comes_again_after_the_socket_died_makes_one_job(
    slack: FakeSlack, start: Start, art: Channel, ada: Person, rows: Rows
) -> None:
    async with start():
        await slack.connected()
        mention = await ada.mention(art, "a cat")
        await slack.disconnect(None)
        await slack.connected()
        await slack.repeat(mention)
        await ada.mention(art, "a dog")
        await settled(slack, rows, ["delivered"] * 2)

    assert len(finished(art)) == 2


@pytest.mark.slow
async def test_it_comes_back_after_slack_was_out_of_order_and_said_too_many(
    slack: FakeSlack, start: Start, art: Channel, ada: Person, rows: Rows, lines: list[Line]
) -> None:
    async with start():
        await slack.connected()
        slack.fail("apps.connections.open", status=500, times=2)
        await slack.disconnect(None)
        await slack.connected()
        slack.limit("apps.connections.open", retry_after=1)
        await slack.disconnect(None)
        await slack.connected()
        await paint(slack, rows, ada, art)

    whys = [(line["why"], line["seconds"]) for line in said(lines, "slack cannot be reached; trying again")]
    assert whys == [("HTTP 500", 0.05), ("HTTP 500", 0.05), ("ratelimited", 1.0)]
    assert len(said(lines, "slack connected again")) == 2


async def test_a_ticket_that_is_spent_is_not_tried_again(
    slack: FakeSlack, start: Start, lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    ticket = slack.sockets.ticket

    def spent() -> str:
        monkeypatch.undo()
        url = ticket()
        slack.sockets.spend()
        return url

    monkeypatch.setattr(slack.sockets, "ticket", spent)
    async with start():
        await slack.connected()

    (line,) = said(lines, "slack cannot be reached; trying again")
    assert line["why"].startswith("HTTP 404")
    assert len(requests(slack, "apps.connections.open")) == 2


async def test_a_web_api_that_is_away_does_not_lose_events_that_a_socket_brings(
    slack: FakeSlack, start: Start, art: Channel, ada: Person, rows: Rows
) -> None:
    async with start():
        await slack.connected()
        slack.fail("auth.test", status=500, times=None)
        await ada.mention(art, "a cat")
        await settled(slack, rows, ["delivered"])


async def test_a_socket_over_which_slack_never_says_hello_is_given_up(
    slack: FakeSlack,
    start: Start,
    art: Channel,
    ada: Person,
    rows: Rows,
    lines: list[Line],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    welcome = slack.sockets._welcome
    mute: list[Connection] = []

    async def welcomes_the_second(connection: Connection) -> None:
        if mute:
            await welcome(connection)
        mute.append(connection)

    monkeypatch.setattr(sockets, "OPENING", 0.2)
    monkeypatch.setattr(slack.sockets, "_welcome", welcomes_the_second)
    async with start():
        await slack.until(lambda: mute and mute[0].socket.closed, waiting="the end of the first socket")
        await slack.connected()
        await paint(slack, rows, ada, art)

    (line,) = said(lines, "slack connection lost; connecting again")
    assert line["reason"] == "lost"


@pytest.mark.parametrize(
    "frame",
    ["[]", "ping", '"word"', "{}", '{"type": "news"}', '{"envelope_id": 7}', '{"type": "hello"}', b"\x00{"],
    ids=repr,
)
async def test_what_is_not_understood_changes_nothing(
    slack: FakeSlack, start: Start, art: Channel, ada: Person, rows: Rows, lines: list[Line], frame: str | bytes
) -> None:
    async with start():
        await slack.connected()
        (connection,) = slack.sockets._connections
        if isinstance(frame, str):
            await connection.socket.send_str(frame)
        else:
            await connection.socket.send_bytes(frame)
        await paint(slack, rows, ada, art)

    # Whoever says hello twice may be left.
    assert slack.connections == 1 or frame == '{"type": "hello"}'
    assert [line for line in lines if line["log_level"] == "error"] == []


@pytest.mark.parametrize(
    "frame",
    [
        '{"half": ',
        '{"envelope_id": "e", "type": "events_api"}',
        '{"envelope_id": "e", "type": "events_api", "payload": []}',
        '{"envelope_id": "e", "type": "events_api", "payload": {"type": "event_callback"}}',
        '{"a":' * 100_000,
        '{"long": "' + "x" * 5_000_000 + '"}',
    ],
    ids=["half", "no payload", "a list", "no event", "deep", "huge"],
)
async def test_what_makes_no_sense_is_survived(
    slack: FakeSlack, start: Start, art: Channel, ada: Person, rows: Rows, frame: str
) -> None:
    async with start():
        await slack.connected()
        (connection,) = slack.sockets._connections
        with suppress(ConnectionError):
            await connection.socket.send_str(frame)
        await ada.mention(art, "a cat")
        await shown_in(slack, art)
        await settled(slack, rows, ["delivered"])

    slack.violations.clear()


async def test_what_comes_twice_at_once_is_acknowledged_twice_and_never_before_it_is_accepted(
    slack: FakeSlack, start: Start, art: Channel, ada: Person, rows: Rows
) -> None:
    slack.delay("users.info", 0.5, taken=False)
    async with start(FakeExecutor(ready=False)):
        await slack.connected()
        mention = await ada.mention(art, "a cat")
        await slack.repeat(mention)
        await mention.until(lambda one: one.acks > 0)
        assert rows.statuses() == ["queued"]
        await mention.until(lambda one: one.acks == 2)

    assert rows.statuses() == ["queued"]


async def test_a_refusal_that_cannot_be_told_is_logged(
    slack: FakeSlack, start: Start, art: Channel, ada: Person, lines: list[Line], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with start() as app:
        await slack.connected()
        monkeypatch.setattr(app.desk, "tell", None)
        asked = await ada.command(art, "/refine", "more snow")
        await asked.until(lambda one: one.acknowledged)

    assert len(said(lines, "a refusal could not be told")) == 1


async def test_all_goes_through_a_proxy_where_there_is_one(
    slack: FakeSlack, start: Start, art: Channel, ada: Person, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = slack.url
    monkeypatch.setenv("HTTP_PROXY", proxy)
    # Nothing is found there but by the proxy.
    monkeypatch.setattr(FakeSlack, "url", "http://slack.invalid")
    async with start():
        await slack.connected()
        await paint(slack, rows, ada, art)


async def test_it_stops_at_once_while_slack_is_away(slack: FakeSlack, start: Start, lines: list[Line]) -> None:
    slack.fail("auth.test", times=None)
    begun = time.monotonic()
    async with start(reconnect=60):
        await slack.until(lambda: said(lines, "slack cannot be reached; trying again"))
    assert time.monotonic() - begun < AT_ONCE


async def test_it_stops_at_once_while_a_socket_is_being_opened(slack: FakeSlack, start: Start) -> None:
    slack.sockets.bar()
    begun = time.monotonic()
    async with start():
        await slack.until(lambda: requests(slack, "apps.connections.open"))
    assert time.monotonic() - begun < AT_ONCE


async def test_it_stops_at_once_where_the_socket_is_dead_and_nobody_knows(slack: FakeSlack, start: Start) -> None:
    async with start(ping_interval=60.0):
        await slack.connected()
        slack.lose_sockets()
        begun = time.monotonic()
    assert time.monotonic() - begun < AT_ONCE


async def test_a_delivery_that_is_under_way_is_finished_before_it_disconnects(
    slack: FakeSlack, start: Start, art: Channel, ada: Person, rows: Rows
) -> None:
    slack.delay("upload", 0.3)
    async with start(finish_seconds=10):
        await slack.connected()
        await ada.command(art, "/generate", "a cat")
        await slack.until(lambda: rows.statuses() == ["done"])
        assert rows.states() != ["delivered"]

    assert rows.states() == ["delivered"]
    assert len(finished(art)) == 1


async def test_what_a_stop_cuts_short_is_delivered_once_after_the_next_start(
    slack: FakeSlack, start: Start, art: Channel, ada: Person, rows: Rows
) -> None:
    slack.delay("upload", 0.3)
    async with start():
        await slack.connected()
        await ada.command(art, "/generate", "a cat")
        await slack.until(lambda: rows.statuses() == ["done"])
    assert rows.states() != ["delivered"]
    slack.heal()
    async with start():
        await settled(slack, rows, ["delivered"])

    assert len(finished(art)) == 1


async def test_what_was_owed_is_delivered_once_slack_is_there_again(
    slack: FakeSlack, start: Start, art: Channel, ada: Person, rows: Rows, lines: list[Line]
) -> None:
    executor = FakeExecutor()
    executor.hold()
    async with start(executor):
        await slack.connected()
        await ada.command(art, "/generate", "a cat")
        await slack.until(lambda: rows.statuses() == ["running"])
    slack.fail("auth.test", times=None)
    async with start():
        await slack.until(lambda: said(lines, "slack cannot be reached; trying again"))
        slack.heal()
        await settled(slack, rows, ["delivered"])


def test_the_library_says_errors_alone_and_nothing_that_people_typed(lines: list[Line]) -> None:
    bolt = logging.getLogger("slack_bolt.limner")
    bolt.warning("Unhandled request ({'text': 'a secret cat', 'response_url': 'https://hooks/response/x'})")
    bolt.error("Failed to run a middleware function")

    (line,) = lines
    assert (line["event"], line["by"]) == ("Failed to run a middleware function", "slack_bolt.limner")


def leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
    return error
