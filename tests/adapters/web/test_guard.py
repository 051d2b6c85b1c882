"""No page from elsewhere makes a browser its tool: by a name that it points here, or by requests sent blindly."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import Response
from starlette.types import Message, Receive, Scope, Send
from structlog.testing import capture_logs

from adapters.web.access import LOCAL
from adapters.web.app import build
from adapters.web.guard import Guard
from adapters.web.server import listen, server
from bot.service import Service
from tests.adapters.web.clients import problem
from tests.conftest import OpenLimner
from tests.fakes.executor import png

CAT = {"prompt": "a cat", "num_inference_steps": 1}
UNKNOWN = "00000000-0000-4000-8000-000000000000"
#: All that changes something.
CHANGES = [
    ("POST", "/generate"),
    ("POST", "/refine"),
    ("POST", "/jobs"),
    ("POST", "/chat"),
    ("POST", "/images"),
    ("POST", f"/images/{UNKNOWN}/vary"),
    ("POST", f"/images/{UNKNOWN}/again"),
    ("POST", f"/jobs/{UNKNOWN}/again"),
    ("DELETE", f"/jobs/{UNKNOWN}"),
    ("DELETE", f"/images/{UNKNOWN}"),
]


REACHED = Response("reached")


def guarded(host: str, *, keyed: bool = False, **more: Any) -> httpx.AsyncClient:
    """What it lets through is told so."""
    guard = Guard(REACHED, hosts=more.get("hosts", ()), public_url=more.get("public_url"), keyed=keyed, doors=())
    return httpx.AsyncClient(transport=httpx.ASGITransport(guard), base_url="http://server", headers={"Host": host})


def client(service: Service, host: str) -> httpx.AsyncClient:
    """Of a server without keys that knows itself by no other names than this machine's."""
    transport = httpx.ASGITransport(build(service, []))
    return httpx.AsyncClient(transport=transport, base_url="http://server", headers={"Host": host})


def reached(response: httpx.Response) -> None:
    assert (response.status_code, response.text) == (200, "reached")


@asynccontextmanager
async def on_the_wire(service: Service, *, hosts: Sequence[str] = ()) -> AsyncIterator[int]:
    """The port of a real server."""
    with listen("127.0.0.1", 0) as socket:
        http = server(build(service, [], hosts=hosts))
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(http.serve(sockets=[socket]))
            yield socket.getsockname()[1]
            http.should_exit = True
            await serving


async def answer(port: int, *lines: str, body: bytes = b"") -> str:
    """To a request that is sent as it stands here."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write("".join(f"{line}\r\n" for line in (*lines, "Connection: close", "")).encode("latin-1") + body)
    async with asyncio.timeout(10):
        told = await reader.read()
    writer.close()
    return told.decode()


LOOPBACK = [
    "localhost",
    "localhost:8000",
    "LOCALHOST:8000",
    "LocalHost.",
    "localhost:",
    "127.0.0.1",
    "127.0.0.1:8000",
    "127.8.9.10:1",
    "[::1]",
    "[::1]:8000",
    "[0:0:0:0:0:0:0:1]:8000",
]
ELSEWHERE = [
    "evil.example",
    "evil.example:8000",
    "localhost.evil.example",
    "evil.localhost",
    "127.0.0.1.evil.example",
    "127.0.0.1@evil.example",
    "evil.example#localhost",
    "localhost,evil.example",
    "localhost evil.example",
    "localhost/",
    "localhost:port",
    "localhost:123456",
    "localhost..",
    "http://localhost",
    "0.0.0.0",
    "192.168.1.7:8000",
    "169.254.169.254",
    "[::]",
    "[fe80::1]",
    "[::1",
    "::1",
    "[localhost]",
    "limner.example",
    "xn--lcalhost-n3a",
    "",
]


@pytest.mark.parametrize("host", LOOPBACK)
async def test_without_keys_a_server_answers_to_the_names_of_this_machine(host: str) -> None:
    async with guarded(host) as asked:
        for method in ("GET", "POST", "DELETE"):
            reached(await asked.request(method, "/images"))


@pytest.mark.parametrize("host", ELSEWHERE)
async def test_without_keys_a_name_that_may_be_made_to_point_here_is_refused(host: str) -> None:
    async with guarded(host) as asked:
        for path in ("/", "/status", "/images", "/openapi.json", "/admin", "/healthz", "/nothing"):
            refused = problem(await asked.get(path), 421, "foreign_host")

    for remedy in ("localhost", "LIMNER_PUBLIC_URL", "LIMNER_API_KEYS"):
        assert remedy in refused["detail"]


@pytest.mark.parametrize("hosts", [["localhost", "evil.example"], ["evil.example", "localhost"], []])
async def test_a_host_that_is_said_twice_or_not_at_all_is_none(hosts: list[str]) -> None:
    answered: list[Message] = []

    async def send(message: Message) -> None:
        answered.append(message)

    async def receive() -> Message:
        return {"type": "http.request"}

    headers = [(b"host", host.encode()) for host in hosts]
    scope: Scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    await Guard(REACHED, hosts=(), public_url=None, keyed=False, doors=())(scope, receive, send)

    assert answered[0]["status"] == 421


async def test_a_name_that_was_made_to_point_here_changes_nothing(limner: OpenLimner) -> None:
    async with limner() as service, client(service, "evil.example") as asked:
        image = await service.bring(png(), LOCAL)
        headers = {"Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"}
        for method, path in CHANGES:
            problem(await asked.request(method, path.replace(UNKNOWN, image.id), headers=headers), 421, "foreign_host")
        assert await service.newest_images(LOCAL, 10) == [image]
        assert not any((await service.status()).counts.values())


@pytest.mark.parametrize(
    ("hosts", "public_url", "host"),
    [
        ([], "https://limner.example", "limner.example"),
        ([], "https://Limner.Example/", "LIMNER.example:443"),
        ([], "http://limner.example:8080/paints", "limner.example:8080"),
        ([], "http://[fd00::1]:8000", "[fd00::1]:8000"),
        (["limner.local"], None, "limner.local:8000"),
        (["::1"], None, "[::1]:8000"),
        (["fd00::1"], None, "[fd00::1]:8000"),
    ],
)
async def test_the_names_by_which_others_know_a_server_are_its_own(
    hosts: list[str], public_url: str | None, host: str
) -> None:
    async with guarded(host, hosts=hosts, public_url=public_url) as asked:
        reached(await asked.get("/status"))
        asked.headers["Host"] = "evil.example"
        problem(await asked.get("/status"), 421, "foreign_host")


@pytest.mark.parametrize("host", ["limner.example", "192.168.1.7:8000", "anything at all"])
async def test_with_keys_any_name_will_do_as_no_page_has_a_key(host: str) -> None:
    async with guarded(host, keyed=True) as asked:
        reached(await asked.post("/generate"))


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("localhost:8000", "http://localhost:8000"),
        ("localhost:8000", "HTTP://LOCALHOST:8000"),
        ("localhost", "http://localhost"),
        ("localhost:80", "http://localhost"),
        ("localhost", "http://localhost:80"),
        # A proxy that speaks TLS for it.
        ("localhost", "https://localhost"),
        ("127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("[::1]:8000", "http://[::1]:8000"),
        # One that changes Host.
        ("127.0.0.1:8000", "https://limner.example"),
        ("127.0.0.1:8000", "https://limner.example:443"),
        ("limner.example", "https://limner.example"),
    ],
)
@pytest.mark.parametrize("keyed", [True, False], ids=["with keys", "without keys"])
async def test_a_page_of_the_server_itself_may_change_something(host: str, origin: str, keyed: bool) -> None:
    async with guarded(host, keyed=keyed, public_url="https://limner.example/paints") as asked:
        for site in ("same-origin", "none"):
            reached(await asked.post("/generate", headers={"Origin": origin, "Sec-Fetch-Site": site}))


FOREIGN = [
    [("Origin", "http://evil.example")],
    [("Origin", "https://localhost:8000.evil.example")],
    # Of another program on this machine.
    [("Origin", "http://localhost:3000")],
    [("Origin", "http://localhost")],
    [("Origin", "http://127.0.0.1:8000")],
    [("Origin", "https://limner.example:8443")],
    [("Origin", "http://limner.example")],
    [("Origin", "https://evil.limner.example")],
    [("Origin", "https://limner.example.evil.example")],
    [("Origin", "null")],
    [("Origin", "")],
    [("Origin", "localhost:8000")],
    [("Origin", "//localhost:8000")],
    [("Origin", "file://")],
    [("Origin", "chrome-extension://localhost:8000")],
    [("Origin", "http://user@localhost:8000")],
    [("Origin", "http://[::1:8000")],
    [("Origin", "http://localhost:8000"), ("Origin", "http://evil.example")],
    [("Sec-Fetch-Site", "cross-site")],
    [("Origin", "http://localhost:8000"), ("Sec-Fetch-Site", "cross-site")],
]


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: " ".join(f"{name}={value}" for name, value in headers))
@pytest.mark.parametrize("keyed", [True, False], ids=["with keys", "without keys"])
async def test_a_page_from_elsewhere_may_change_nothing(headers: list[tuple[str, str]], keyed: bool) -> None:
    async with guarded("localhost:8000", keyed=keyed, public_url="https://limner.example") as asked:
        for method in ("POST", "DELETE", "PUT", "PATCH", "TRACE", "BREW"):
            told = problem(await asked.request(method, "/images", headers=headers), 403, "foreign_origin")
            assert "LIMNER_PUBLIC_URL" in told["detail"]
        # It cannot read what it asks for; links from other sites lead here.
        for method in ("GET", "HEAD", "OPTIONS"):
            assert (await asked.request(method, "/images", headers=headers)).status_code == 200


async def test_a_page_from_elsewhere_changes_nothing(limner: OpenLimner) -> None:
    async with limner() as service, client(service, "localhost:8000") as asked:
        image = await service.bring(png(), LOCAL)
        headers = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
        for method, path in CHANGES:
            path = path.replace(UNKNOWN, image.id)
            problem(await asked.request(method, path, headers=headers, json=CAT), 403, "foreign_origin")
        assert await service.newest_images(LOCAL, 10) == [image]
        assert not any((await service.status()).counts.values())


async def test_programs_need_not_say_where_they_are_from() -> None:
    async with guarded("localhost") as asked:
        reached(await asked.post("/generate"))
        reached(await asked.post("/generate", headers={"Sec-Fetch-Site": "same-site"}))


async def test_a_door_is_guarded_by_itself(limner: OpenLimner) -> None:
    class Door:
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await Response("It was reached.")(scope, receive, send)

    async with limner() as service:
        app = build(service, [], {"/slack/events": Door()})
        headers = {"Host": "tunnel.example", "Origin": "https://evil.example"}
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://server") as asked:
            assert (await asked.post("/slack/events", headers=headers)).text == "It was reached."
            for path in ("/slack/events/", "/slack", "/SLACK/EVENTS", "/slack/events/../../jobs"):
                problem(await asked.post(path, headers=headers), 421, "foreign_host")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/status", 200),
        ("GET", "/nothing", 404),
        ("PUT", "/status", 405),
        ("POST", "/jobs", 422),
        ("GET", "/", 200),
        ("GET", "/openapi.json", 200),
    ],
)
async def test_every_answer_tells_browsers_to_be_careful(
    limner: OpenLimner, method: str, path: str, status: int
) -> None:
    async with limner() as service, client(service, "localhost") as asked:
        response = await asked.request(method, path)

    assert response.status_code == status
    careful(response)


def careful(response: httpx.Response) -> None:
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cross-origin-resource-policy"] == "same-origin"


async def test_so_do_pictures_refusals_and_what_went_wrong(limner: OpenLimner, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken() -> None:
        raise RuntimeError("no luck")

    async with limner() as service:
        image = await service.bring(png(), LOCAL)
        monkeypatch.setattr(service, "status", broken)
        transport = httpx.ASGITransport(build(service, []), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asked:
            with capture_logs():
                answers = [
                    await asked.get(f"/download/{image.id}"),
                    await asked.get("/status", headers={"Host": "evil.example"}),
                    await asked.post("/jobs", headers={"Origin": "null"}),
                    await asked.post("/jobs", content=b" " * 100_000),
                    await asked.get("/status"),
                ]

    assert [response.status_code for response in answers] == [200, 421, 403, 413, 500]
    for response in answers:
        careful(response)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        pytest.param(["GET /status HTTP/1.1", "Host: localhost"], 200, id="this machine"),
        pytest.param(["GET /status HTTP/1.1", "HOST:   localhost:1  "], 200, id="spaces"),
        pytest.param(["GET /status HTTP/1.1", "Host: evil.example"], 421, id="another name"),
        pytest.param(
            ["GET /status HTTP/1.1", "Host: evil.example", "X-Forwarded-Host: localhost"], 421, id="forwarded"
        ),
        pytest.param(["GET /status HTTP/1.1", "Host: evil.example", "Forwarded: host=localhost"], 421, id="Forwarded"),
        pytest.param(["GET http://localhost/status HTTP/1.1", "Host: evil.example"], 421, id="whole address"),
        pytest.param(["GET /status HTTP/1.1", "Host: localhost", "Host: evil.example"], 400, id="two hosts"),
        pytest.param(["GET /status HTTP/1.1", "Host: evil.example", "Host: localhost"], 400, id="two hosts, turned"),
        pytest.param(["GET /status HTTP/1.1"], 400, id="no host"),
        pytest.param(["GET /status HTTP/1.0"], 421, id="no host, as of old"),
        pytest.param(["GET /status HTTP/1.0", "Host: localhost"], 200, id="as of old"),
        pytest.param(["GET /status HTTP/1.1", "Host:"], 421, id="empty host"),
        pytest.param(["GET /status HTTP/1.1", "Host: \xe9vil.example"], 421, id="no ASCII"),
    ],
)
async def test_the_host_is_read_as_it_comes_over_the_wire(limner: OpenLimner, lines: list[str], status: int) -> None:
    async with limner() as service, on_the_wire(service) as port:
        told = await answer(port, *lines)

    assert told.startswith(f"HTTP/1.1 {status} ")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(["Origin: http://evil.example", "Content-Type: text/plain"], id="a form as text"),
        pytest.param(["Origin: null", "Content-Type: application/json"], id="from a frame in a box"),
        pytest.param(["Sec-Fetch-Site: cross-site", "Content-Type: application/json"], id="without an origin"),
    ],
)
@pytest.mark.parametrize("path", ["/chat", "/jobs", "/images"])
async def test_what_a_page_from_elsewhere_sends_over_the_wire_is_not_even_read(
    limner: OpenLimner, path: str, sent: list[str]
) -> None:
    async with limner() as service, on_the_wire(service) as port:
        head = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Length: 1000000"]
        told = await answer(port, *head, *sent, body=b'{"text": "a cat"')
        assert not any((await service.status()).counts.values())

    assert told.startswith("HTTP/1.1 403 ")
    assert '"code":"foreign_origin"' in told


async def test_a_browser_that_was_led_here_by_a_name_reads_nothing_over_the_wire(limner: OpenLimner) -> None:
    async with limner() as service, on_the_wire(service) as port:
        image = await service.bring(png(), LOCAL)
        for path in (f"/images/{image.id}", "/history", "/activity", f"/download/{image.id}"):
            told = await answer(port, f"GET {path} HTTP/1.1", f"Host: evil.example:{port}", "Accept: text/html")
            assert told.startswith("HTTP/1.1 421 ")
            assert image.id not in told


async def test_the_program_knows_the_names_that_its_settings_say(limner: OpenLimner) -> None:
    async with limner() as service, on_the_wire(service, hosts=["limner.local"]) as port:
        told = await answer(port, "GET /status HTTP/1.1", f"Host: limner.local:{port}")

    assert told.startswith("HTTP/1.1 200 ")
