"""Clients that ask by halves, hold on to lines, leave without a word or send what no library would: others go on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import httpx
import pytest

from adapters.web.access import LOCAL
from bot.service import Service
from tests.adapters.web.clients import client_of, ok, problem, served
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor, png

UNKNOWN = "00000000-0000-4000-8000-000000000000"
CAT = {"prompt": "a cat", "num_inference_steps": 2}
MANY = 100


@asynccontextmanager
async def lines(client: httpx.AsyncClient, count: int, sent: bytes) -> AsyncIterator[list[asyncio.StreamReader]]:
    """So many connections, each of which has sent this and no more."""
    async with AsyncExitStack() as stack:
        readers = []
        for _ in range(count):
            reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
            stack.callback(writer.close)
            writer.write(sent)
            readers.append(reader)
        yield readers


async def those_of_the_program() -> set[asyncio.Task[object]]:
    """The last of them begins once lost files were looked for."""
    async with asyncio.timeout(5):
        while "watch the disk" not in {task.get_name() for task in asyncio.all_tasks()}:
            await asyncio.sleep(0.001)
    return asyncio.all_tasks()


async def only(tasks: set[asyncio.Task[object]]) -> None:
    """Until no others run."""
    async with asyncio.timeout(10):
        while left := asyncio.all_tasks() - tasks:
            await asyncio.wait(left, timeout=0.05)


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"GET /healthz HT", id="half a line"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: limner\r\nX-Slow: ", id="half a header"),
        pytest.param(b"POST /jobs HTTP/1.1\r\nHost: limner\r\nContent-Length: 100\r\n\r\n{", id="half a body"),
        pytest.param(
            b"POST /jobs HTTP/1.1\r\nHost: limner\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{", id="half a chunk"
        ),
    ],
)
async def test_who_asks_by_halves_keeps_nobody_waiting_and_leaves_nothing_behind(
    limner: OpenLimner, sent: bytes
) -> None:
    async with limner() as service, served(service) as client:
        ok(await client.get("/healthz"))
        before = await those_of_the_program()
        async with lines(client, MANY, sent), asyncio.timeout(10):
            ok(await client.post("/generate", json=CAT))
        await only(before)


async def test_a_hundred_who_follow_a_job_and_leave_without_a_word_are_forgotten(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False)) as service, served(service) as client:
        job = ok(await client.post("/jobs", json=CAT), 202)
        before = await those_of_the_program()
        asked = f"GET /jobs/{job['id']}/events?preview_interval=0.2 HTTP/1.1\r\nHost: limner\r\n\r\n".encode()
        async with lines(client, MANY, asked) as readers, asyncio.timeout(20):
            for reader in readers:
                await reader.readuntil(b"event: queued")
            ok(await client.get("/status"))
        await only(before)
        assert ok(await client.get(f"/jobs/{job['id']}"))["status"] == "queued"


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: limner\r\nX-Long: " + b"x" * 2**20, id="header of a MiB"),
        pytest.param(b"GET /" + b"x" * 2**20, id="address of a MiB"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: limner\r\n" + b"X: y\r\n" * 100_000, id="100000 headers"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), id="TLS"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2"),
        pytest.param(b"GET /healthz HTTP/1.1\r\nHost: limner\r\nContent-Length: -1\r\n\r\n", id="less than no body"),
        pytest.param(b"POST /jobs HTTP/1.1\r\nHost: limner\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", id="no chunk"),
        pytest.param(
            b"POST /jobs HTTP/1.1\r\nHost: limner\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n{}", id="two lengths"
        ),
    ],
)
async def test_what_is_no_request_is_refused_and_the_line_closed(limner: OpenLimner, sent: bytes) -> None:
    async with limner() as service, served(service) as client:
        async with lines(client, 1, sent) as (reader,), asyncio.timeout(10):
            try:
                answer = await reader.read()
            except ConnectionResetError:
                # Closed while more was on its way.
                answer = b"HTTP/1.1 400 "
        ok(await client.get("/healthz"))
        assert not any((await service.status()).counts.values())

    assert answer.startswith(b"HTTP/1.1 4")


async def painting(service: Service) -> str:
    return (await service.bring(png((128, 128)), LOCAL)).id


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=10-", slice(10, None)),
        ("bytes=-5", slice(-5, None)),
        ("bytes=0-999999999", slice(None)),
    ],
)
async def test_a_part_of_a_picture_is_sent_where_a_part_is_asked_for(
    limner: OpenLimner, asked: str, part: slice
) -> None:
    async with limner() as service, client_of(service) as client:
        response = await client.get(f"/download/{await painting(service)}", headers={"Range": asked})

    assert (response.status_code, response.headers["content-type"]) == (206, "image/png")
    assert response.content == png((128, 128))[part]


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=5-2",
        "bytes=x-y",
        "bytes=999999999-",
        "items=0-9",
        "bytes=" + "0-0," * 5000,
    ],
)
async def test_a_range_that_means_nothing_is_ignored(limner: OpenLimner, asked: str) -> None:
    async with limner() as service, client_of(service) as client:
        response = await client.get(f"/download/{await painting(service)}", headers={"Range": asked})

    assert (response.status_code, response.headers["content-type"]) == (200, "image/png")
    assert response.content == png((128, 128))


async def test_many_parts_of_a_picture_are_no_more_than_the_picture(limner: OpenLimner) -> None:
    """Overlapping ones come once."""
    async with limner() as service, client_of(service) as client:
        asked = "bytes=" + ",".join("0-" for _ in range(99))
        response = await client.get(f"/download/{await painting(service)}", headers={"Range": asked})

    assert len(response.content) < 2 * len(png((128, 128)))


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "TRACE", "CONNECT", "BREW"])
@pytest.mark.parametrize("path", ["/", "/jobs", f"/jobs/{UNKNOWN}", "/verify", "/images", "/status"])
async def test_a_method_that_no_route_takes_is_refused_with_those_that_it_takes(
    limner: OpenLimner, method: str, path: str
) -> None:
    async with limner() as service, client_of(service) as client:
        response = await client.request(method, path)

    if method == "HEAD":
        assert response.status_code == 405
    else:
        problem(response, 405, "method_not_allowed")
    assert response.headers["allow"]
