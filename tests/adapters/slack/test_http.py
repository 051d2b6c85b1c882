"""Slack comes by HTTP, to the real web server: what it signed is done as over a socket, all else is refused."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from structlog.testing import capture_logs

from adapters.slack.connection import connected
from adapters.slack.library_log import heard
from adapters.slack.manifest import HTTP_PATH, manifest
from adapters.web.app import build
from adapters.web.server import listen, server
from bot.app import open_service
from bot.settings import Settings
from tests.adapters.slack.conftest import TEMPO
from tests.adapters.slack.watching import Rows, finished, paint, requests, settled, shown_in
from tests.adapters.web.clients import problem
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Channel, FakeSlack, Person

Serve = Callable[..., AbstractAsyncContextManager[httpx.AsyncClient]]
Forge = Callable[[dict[str, str]], dict[str, str | bytes]]


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(manifest("https://limner.example")) as fake:
        yield fake


@pytest.fixture
def serve(slack: FakeSlack, tmp_path: Path) -> Serve:
    """The web server with Slack's door, and somebody who knocks there by their own. Tells no secret in its log."""

    @asynccontextmanager
    async def serve(executor: FakeExecutor | None = None, *, is_there: bool = True) -> AsyncIterator[httpx.AsyncClient]:
        settings = Settings(data_dir=tmp_path, drain_seconds=0)
        secrets: dict[str, Any] = {"bot_token": slack.bot_token, "signing_secret": slack.signing_secret}
        options: dict[str, Any] = {"api_url": slack.api_url, "clock": slack.clock.now, "tempo": TEMPO}
        with capture_logs() as lines, heard(), listen("127.0.0.1", 0) as socket:
            url = f"http://127.0.0.1:{socket.getsockname()[1]}"
            slack.http_events_url = url + HTTP_PATH
            async with (
                open_service(settings, executor=executor or FakeExecutor(), clock=slack.clock.now) as service,
                connected(service, **secrets, **options, finish_seconds=0, reconnect=0.05) as app,
                asyncio.TaskGroup() as tasks,
            ):
                assert app.door is not None
                http = server(build(service, ["key"], {HTTP_PATH: app.door}))
                serving = tasks.create_task(http.serve(sockets=[socket]))
                async with httpx.AsyncClient(base_url=url) as client:
                    if is_there:
                        await slack.until(lambda: any(line["event"] == "slack connected" for line in lines))
                    yield client
                await service.drain(0)
                http.should_exit = True
                await serving
        assert [line for line in lines if line["log_level"] == "error"] == []
        assert not any(secret in repr(lines) for secret in (slack.bot_token, slack.signing_secret, "/response/"))

    return serve


def signed(slack: FakeSlack, body: bytes, content_type: str = "application/json") -> dict[str, str]:
    moment = str(int(slack.clock.now()))
    digest = hmac.new(slack.signing_secret.encode(), b"v0:%s:%s" % (moment.encode(), body), hashlib.sha256)
    return {
        "X-Slack-Request-Timestamp": moment,
        "X-Slack-Signature": f"v0={digest.hexdigest()}",
        "Content-Type": content_type,
    }


async def test_commands_buttons_events_and_windows_work(
    slack: FakeSlack, serve: Serve, art: Channel, ada: Person, rows: Rows
) -> None:
    async with serve():
        message = await paint(slack, rows, ada, art)
        await slack.until(lambda: "limner:again" in message.action_ids)
        button = await ada.click(message, "Again")
        await shown_in(slack, art, 2)
        mention = await ada.mention(art, "a dog")
        await shown_in(slack, art, 3)
        window = await ada.submit(await ada.click(message, "Refine"))
        await shown_in(slack, art, 4)
        await settled(slack, rows, ["delivered"] * 4)

    assert [asked.http_status for asked in (button, mention, window)] == [200] * 3
    assert requests(slack, "apps.connections.open") == []


async def test_slack_can_verify_the_address(slack: FakeSlack, serve: Serve) -> None:
    async with serve():
        assert await slack.verify_url()


async def test_a_busy_painter_keeps_no_acknowledgement_waiting(
    slack: FakeSlack, serve: Serve, art: Channel, ada: Person, ben: Person
) -> None:
    executor = FakeExecutor()
    executor.hold()
    async with serve(executor):
        asked = [
            await person.command(art, "/generate", f"cat {number}") for person in (ada, ben) for number in range(3)
        ]
        asked += [await ada.mention(art, "a dog")]
        for one in asked:
            await one.until(lambda one: one.acknowledged)
        executor.release()

    assert max(one.ack_seconds or 0 for one in asked) < 3


async def test_an_event_that_slack_sends_again_makes_one_job(
    slack: FakeSlack, serve: Serve, art: Channel, ada: Person, rows: Rows
) -> None:
    async with serve():
        mention = await ada.mention(art, "a cat")
        await slack.repeat(mention)
        await mention.until(lambda one: one.acks == 2)
        await settled(slack, rows, ["delivered"])
    assert len(finished(art)) == 1


async def test_what_comes_before_it_is_known_who_the_bot_is_comes_again(
    slack: FakeSlack, serve: Serve, art: Channel, ada: Person, rows: Rows
) -> None:
    slack.fail("auth.test", status=500, times=None)
    async with serve(is_there=False):
        assert await slack.verify_url()
        mention = await ada.mention(art, "a cat")
        await mention.until(lambda one: one.http_status == 503)
        slack.heal()
        await slack.until(lambda: requests(slack, "auth.test")[-1].status == 200)
        slack.clock.advance(400)
        await settled(slack, rows, ["delivered"])


@pytest.mark.parametrize("mishap", [{"secret": "somebody else's"}, {"age": 301}, {"age": -330}], ids=str)
async def test_a_wrong_signature_and_an_old_one_are_refused(
    slack: FakeSlack, serve: Serve, art: Channel, ada: Person, rows: Rows, mishap: dict[str, Any]
) -> None:
    async with serve():
        slack.forge(**mishap)
        forged = await ada.command(art, "/generate", "a cat")
        await forged.until(lambda one: one.http_status is not None)
        assert forged.http_status == 401
        assert rows.statuses() == []
        genuine = await ada.command(art, "/generate", "a dog")
        await genuine.until(lambda one: one.http_status == 200)


FORGERIES: dict[str, Forge] = {
    "no signature": lambda headers: {**headers, "X-Slack-Signature": ""},
    "no timestamp": lambda headers: {**headers, "X-Slack-Request-Timestamp": ""},
    "a timestamp that is none": lambda headers: {**headers, "X-Slack-Request-Timestamp": "today"},
    "a timestamp beyond all floats": lambda headers: {**headers, "X-Slack-Request-Timestamp": "9" * 400},
    "an endless timestamp": lambda headers: {**headers, "X-Slack-Request-Timestamp": "9" * 5000},
    "no ASCII": lambda headers: {**headers, "X-Slack-Signature": "v0=\xe9".encode("latin-1")},
    "no headers": lambda headers: {},
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
@pytest.mark.parametrize("body", [b'{"type": "event_callback"}', b"no JSON", b"\xff", b""])
async def test_what_slack_did_not_sign_is_refused_before_it_is_read(
    slack: FakeSlack, serve: Serve, forge: Forge, body: bytes
) -> None:
    async with serve() as somebody:
        headers: Any = forge(signed(slack, body))
        response = await somebody.post(HTTP_PATH, content=body, headers=headers)

    assert response.status_code == 401
    assert "signature" in response.text


async def test_a_body_that_was_changed_on_its_way_is_refused(slack: FakeSlack, serve: Serve) -> None:
    async with serve() as somebody:
        response = await somebody.post(HTTP_PATH, content=b'{"a": 2}', headers=signed(slack, b'{"a": 1}'))
    assert response.status_code == 401


async def test_slack_may_only_post(serve: Serve) -> None:
    async with serve() as somebody:
        for method in ("GET", "PUT", "DELETE"):
            problem(await somebody.request(method, HTTP_PATH), 405, "method_not_allowed")


async def test_slack_may_send_more_than_others_but_not_without_end(slack: FakeSlack, serve: Serve) -> None:
    def body(size: int) -> bytes:
        told = {"type": "url_verification", "challenge": "c", "message": ""}
        return json.dumps(told | {"message": "x" * (size - len(json.dumps(told)))}).encode()

    async with serve() as somebody:
        taken = body(1024 * 1024)
        assert (await somebody.post(HTTP_PATH, content=taken, headers=signed(slack, taken))).status_code == 200
        long = body(1024 * 1024 + 1)
        refused = await somebody.post(HTTP_PATH, content=long, headers=signed(slack, long))
        problem(refused, 413, "body_too_large")
        others = await somebody.post("/generate", content=taken, headers={"Authorization": "Bearer key"})
        assert "64 KiB" in problem(others, 413, "body_too_large")["detail"]


async def test_a_check_of_the_certificate_is_answered(slack: FakeSlack, serve: Serve) -> None:
    body = urlencode({"ssl_check": "1", "token": "x"}).encode()
    async with serve() as somebody:
        headers = signed(slack, body, "application/x-www-form-urlencoded")
        assert (await somebody.post(HTTP_PATH, content=body, headers=headers)).status_code == 200


async def test_without_slack_there_is_no_door(tmp_path: Path) -> None:
    async with open_service(Settings(data_dir=tmp_path, drain_seconds=0), executor=FakeExecutor()) as service:
        transport = httpx.ASGITransport(build(service, []))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as somebody:
            problem(await somebody.post(HTTP_PATH, content=b"{}"), 404, "not_found")
