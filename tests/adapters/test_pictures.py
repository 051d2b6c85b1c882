"""Pictures that people bring are fetched where they lie and nowhere else, for a while, and up to a size."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import discord
import pytest
from slack_sdk.web.async_client import AsyncWebClient

from adapters.discord import pictures as on_discord
from adapters.slack import pictures as on_slack
from bot.errors import BadRequest
from bot.pictures import BYTES_MAX
from tests.fakes.executor import png

OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
MEBIBYTE = b"%x\r\n" % 2**20 + bytes(2**20) + b"\r\n"
SECONDS = 0.3

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]
Fetch = Callable[[str], Awaitable[bytes]]


async def by_slack(url: str) -> bytes:
    return await on_slack.fetched({"url_private": f"{url}/a.png", "size": 7}, AsyncWebClient("xoxb-1", f"{url}/api/"))


async def by_discord(url: str) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discord.http.Route, "BASE", f"{url}/api/v10")
        return await on_discord.Found(f"{url}/a.png", 7, "image/png").fetch()


each = pytest.mark.parametrize("fetch", [by_slack, by_discord])


@asynccontextmanager
async def answering(answer: Answer, asked: list[bytes]) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append((await reader.readuntil(b"\r\n\r\n")).split()[1])
        try:
            await answer(writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def saying(*parts: bytes) -> Answer:
    async def say(writer: asyncio.StreamWriter) -> None:
        writer.writelines(parts)
        await writer.drain()

    return say


async def without_end(writer: asyncio.StreamWriter) -> None:
    writer.write(CHUNKED)
    while True:
        writer.write(MEBIBYTE)
        await writer.drain()


async def drop_by_drop(writer: asyncio.StreamWriter) -> None:
    writer.write(CHUNKED)
    while True:
        writer.write(b"1\r\nx\r\n")
        await writer.drain()
        await asyncio.sleep(SECONDS / 10)


async def silently(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(10 * SECONDS)


def body(content: bytes, *, length: int | None = None, more: bytes = b"") -> Answer:
    said = len(content) if length is None else length
    return saying(OK + more + b"Content-Length: %d\r\n\r\n" % said, content)


async def refusal(fetch: Fetch, answer: Answer) -> str:
    asked: list[bytes] = []
    async with answering(answer, asked) as url:
        with pytest.raises(BadRequest) as refused:
            await fetch(url)
    # Where nothing comes aiohttp asks once more.
    assert set(asked) == {b"/a.png"}
    (mistake,) = refused.value.mistakes
    return mistake.kind


@each
async def test_a_picture_comes_as_it_is(fetch: Fetch) -> None:
    async with answering(body(png()), []) as url:
        assert await fetch(url) == png()


@each
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(body(bytes(BYTES_MAX + 1)), "too_large", id="larger than was said"),
        pytest.param(without_end, "too_large", id="without end"),
        pytest.param(body(b"cut", length=7), "not_now", id="cut off"),
        pytest.param(body(b"", length=-7), "not_now", id="less than nothing"),
        pytest.param(saying(OK, b"no header\r\n\r\n"), "not_now", id="no HTTP"),
        pytest.param(saying(CHUNKED, b"zz\r\n"), "not_now", id="no chunk"),
        pytest.param(saying(), "not_now", id="nothing"),
    ],
)
async def test_a_lie_about_a_picture_is_no_picture(fetch: Fetch, answer: Answer, kind: str) -> None:
    assert await refusal(fetch, answer) == kind


@each
@pytest.mark.parametrize("answer", [drop_by_drop, silently])
async def test_one_that_takes_too_long_is_not_waited_for(
    fetch: Fetch, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for adapter in (on_slack, on_discord):
        monkeypatch.setattr(adapter, "FETCH_SECONDS", SECONDS)

    assert await refusal(fetch, answer) == "not_now"


@each
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("where", ["/b.png", "http://127.0.0.1:9/a.png", "//evil.example/a.png"])
async def test_no_redirect_is_followed(fetch: Fetch, status: int, where: str) -> None:
    answer = saying(f"HTTP/1.1 {status} Moved\r\nLocation: {where}\r\nContent-Length: 0\r\n\r\n".encode())

    assert await refusal(fetch, answer) in ("not_there", "not_now")


async def test_what_is_packed_is_not_unpacked_beyond_what_is_taken() -> None:
    packed = gzip.compress(bytes(2 * BYTES_MAX), 1)

    assert await refusal(by_slack, body(packed, more=b"Content-Encoding: gzip\r\n")) == "too_large"
