"""Doctor and the start, as processes of their own, with a local Discord: what their owner reads, and what to do."""

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import pytest

from tests.fakes.discord import FakeDiscord
from tests.scenarios.conftest import LIMNER, PATIENCE, Run, environment, running

pytestmark = pytest.mark.slow


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord() as fake:
        yield fake


def begun(folder: Path, discord: FakeDiscord, *arguments: str, **variables: str) -> AbstractAsyncContextManager[Run]:
    where = {
        "DISCORD_TOKEN": discord.token,
        "LIMNER_DISCORD_API_URL": discord.api_url,
        "LIMNER_DISCORD_GATEWAY_URL": discord.gateway_url,
    }
    return running(folder, *arguments, **where | variables)


async def test_doctor_finds_nothing_where_all_is_well_on_discord(tmp_path: Path, discord: FakeDiscord) -> None:
    discord.guild("Studio").channel("art")

    async with begun(tmp_path, discord, "doctor") as run:
        code = await run.ended()

    assert (code, run.log) == (0, "")
    assert run.out.endswith("All is well.\n")
    assert re.search(r"^ok  discord bot     Limner#0000 of the application Limner, ID \d+$", run.out, re.MULTILINE)
    assert re.search(r"^ok  discord invite  https://discord\.com/oauth2/authorize\?\S+$", run.out, re.MULTILINE)
    assert re.search(r"^ok  discord servers Studio$", run.out, re.MULTILINE)
    assert re.search(r"^ok  discord gateway 127\.0\.0\.1 says hello; ", run.out, re.MULTILINE)
    assert discord.identifies == 0


async def test_doctor_says_what_to_do_about_discord(tmp_path: Path, discord: FakeDiscord) -> None:
    discord.guild("Studio").channel("art", deny=["attach_files"])

    async with begun(tmp_path, discord, "doctor", LIMNER_DISCORD_GATEWAY_URL="ws://127.0.0.1:1/") as run:
        code = await run.ended()

    assert (code, run.log) == (1, "")
    assert run.out.endswith("2 thing(s) to mend.\n")
    assert re.search(
        r"^!!  discord server  in Studio the bot lacks Attach Files in #art\n +-> Give it to the bot's role",
        run.out,
        re.MULTILINE,
    )
    assert re.search(
        r"^!!  discord gateway cannot be reached: .*\n +-> Look whether this is right, .*LIMNER_DISCORD_GATEWAY_URL",
        run.out,
        re.MULTILINE,
    )


@pytest.mark.nightly
async def test_doctor_does_not_show_a_token_to_discord_that_cannot_be_one(tmp_path: Path, discord: FakeDiscord) -> None:
    async with begun(tmp_path, discord, "doctor", DISCORD_TOKEN="two words") as run:
        code = await run.ended()

    assert code == 1
    assert "!!  DISCORD_TOKEN   set, but it does not look right" in run.out
    assert discord.requests == []


async def test_serve_with_a_token_that_discord_refuses_ends_and_says_what_to_do(
    tmp_path: Path, discord: FakeDiscord
) -> None:
    async with begun(tmp_path, discord, "serve", DISCORD_TOKEN="nonsense") as run:
        code = await run.ended()

    assert code == 2
    assert run.log.splitlines()[-1] == (
        "limner: Discord refuses DISCORD_TOKEN. Copy the token again from the page Bot of your application at "
        "https://discord.com/developers/applications, or reset it there."
    )
    assert "Traceback" not in run.log
    assert "nonsense" not in run.out + run.log


async def test_serve_works_over_http_while_discord_is_away_and_connects_once_it_is_there(
    tmp_path: Path, discord: FakeDiscord
) -> None:
    discord.guild("Studio")
    discord.fail("GET", "/users/@me", status=None, times=None)
    async with begun(tmp_path, discord, "serve") as run:
        await run.until_says("Slack")
        await run.until_says("discord cannot be reached; trying again")
        (url,) = re.findall(r"http://127\S+", run.out)
        async with httpx.AsyncClient(base_url=url) as http:
            assert (await http.get("/healthz")).status_code == 200

        discord.heal()
        await run.until_says("discord connected")

    (line,) = run.lines("discord connected")
    assert line["servers"] == 1
    assert line["invite"].endswith("&permissions=274878024704")
    assert "● Discord connecting; the log says when it is there" in run.out
    assert (run.process.returncode, "Traceback" in run.log, "Unclosed" in run.log) == (0, False, False)


@pytest.mark.nightly
async def test_serve_says_so_where_the_gateway_alone_is_away_and_connects_once_it_is_there(
    tmp_path: Path, discord: FakeDiscord
) -> None:
    discord.refuse_gateway = True
    async with begun(tmp_path, discord, "serve") as run:
        await run.until_says("discord cannot be reached")
        discord.refuse_gateway = False
        await run.until_says("discord connected")
        await discord.disconnect()
        await run.until_says("discord connected again")

    (line, *_) = run.lines("discord cannot be reached")
    assert line["why"].startswith("503")
    assert (run.process.returncode, "Traceback" in run.log) == (0, False)


async def test_at_a_terminal_the_link_that_invites_stands_alone_in_its_line(
    tmp_path: Path, discord: FakeDiscord
) -> None:
    ours, theirs = os.openpty()
    process = await asyncio.create_subprocess_exec(
        *(*LIMNER, "serve"),
        cwd=tmp_path,
        env=environment(
            tmp_path / "data",
            CUDA_VISIBLE_DEVICES="",
            DISCORD_TOKEN=discord.token,
            LIMNER_DISCORD_API_URL=discord.api_url,
            LIMNER_DISCORD_GATEWAY_URL=discord.gateway_url,
            LIMNER_DRAIN_SECONDS="0",
        ),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    said = b""
    async with asyncio.timeout(PATIENCE):
        while not re.search(rb"permissions=\d+\r\n", said):
            said += await asyncio.to_thread(os.read, ours, 4096)
        process.send_signal(signal.SIGTERM)
        await process.wait()
    os.close(ours)

    plain = re.sub(r"\x1b\[[0-9;]*m", "", said.decode())
    assert re.search(
        r"discord connected +name=Limner#0000 servers=0\r\n  ● Open this to let it into a server: https://\S+\r\n",
        plain,
    )
