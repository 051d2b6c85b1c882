"""The start with Slack, as a process of its own with a local Slack: it connects, paints, ends, and says what to do."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx
import pytest

from adapters.slack.manifest import HTTP_PATH, manifest
from tests.fakes.discord import FakeDiscord
from tests.fakes.slack import Channel, FakeSlack
from tests.scenarios.conftest import PATIENCE, Run, running

pytestmark = pytest.mark.slow

DRAFT = "a cat --steps 2"


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(manifest()) as fake:
        yield fake


def begun(folder: Path, slack: FakeSlack, **variables: str) -> AbstractAsyncContextManager[Run]:
    tokens = {"SLACK_BOT_TOKEN": slack.bot_token, "SLACK_APP_TOKEN": slack.app_token}
    return running(folder, "serve", **{**tokens, "LIMNER_SLACK_API_URL": slack.api_url, **variables})


def painted(channel: Channel) -> bool:
    return any(message.pictures for message in channel.messages)


def tells_no_secret(run: Run, slack: FakeSlack) -> bool:
    secrets = (slack.bot_token, slack.app_token, slack.signing_secret, "ticket=", "/response/", "a cat")
    return not any(secret in run.out + run.log for secret in secrets)


async def test_serve_connects_by_socket_mode_paints_and_stops(tmp_path: Path, slack: FakeSlack) -> None:
    art, ada = slack.channel("art"), slack.person("Ada")
    async with begun(tmp_path, slack) as run:
        await slack.connected()
        asked = await ada.command(art, "/generate", DRAFT)
        await slack.until(lambda: painted(art), PATIENCE)

    (line,) = run.lines("slack connected")
    assert (line["name"], line["by"]) == (slack.bot.username, "Socket Mode")
    assert asked.error is None
    assert "● Slack   connecting; the log says when it is there" in run.out
    assert (run.process.returncode, "Traceback" in run.log, "Unclosed" in run.log) == (0, False, False)
    assert tells_no_secret(run, slack)


async def test_serve_takes_what_slack_sends_by_http(tmp_path: Path) -> None:
    async with FakeSlack(manifest("https://limner.example")) as slack:
        art, ada = slack.channel("art"), slack.person("Ada")
        secret = {"SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": slack.signing_secret}
        async with begun(tmp_path, slack, **secret) as run:
            await run.until_says("slack connected")
            (url,) = re.findall(r"http://127\S+", run.out)
            slack.http_events_url = url + HTTP_PATH
            assert await slack.verify_url()
            asked = await ada.command(art, "/generate", DRAFT)
            await slack.until(lambda: painted(art), PATIENCE)

        assert asked.http_status == 200
        assert "● Slack   connecting; Slack comes to /slack/events, the log says when it is there" in run.out
        assert (run.process.returncode, "Traceback" in run.log, "Unclosed" in run.log) == (0, False, False)
        assert tells_no_secret(run, slack)


@pytest.mark.nightly
async def test_serve_works_over_http_while_slack_is_away_and_connects_once_it_is_there(
    tmp_path: Path, slack: FakeSlack
) -> None:
    slack.fail("auth.test", times=None)
    async with begun(tmp_path, slack) as run:
        await run.until_says("slack cannot be reached; trying again")
        (url,) = re.findall(r"http://127\S+", run.out)
        async with httpx.AsyncClient(base_url=url) as http:
            assert (await http.get("/healthz")).status_code == 200
            assert (await http.post(HTTP_PATH)).status_code == 404
        slack.heal()
        await run.until_says("slack connected")

    assert (run.process.returncode, "Traceback" in run.log, "Unclosed" in run.log) == (0, False, False)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"SLACK_BOT_TOKEN": "xoxb-nonsense"}, "Slack refuses SLACK_BOT_TOKEN: invalid_auth. Copy the Bot User OAuth"),
        ({"SLACK_APP_TOKEN": "xapp-nonsense"}, "Slack refuses SLACK_APP_TOKEN: invalid_auth. Make an app-level token"),
        ({"SLACK_APP_TOKEN": "xoxb-nonsense"}, "SLACK_APP_TOKEN is not an app-level token"),
        ({"SLACK_APP_TOKEN": ""}, "SLACK_BOT_TOKEN alone does not connect Slack. Set SLACK_APP_TOKEN too"),
        ({"SLACK_BOT_TOKEN": ""}, "SLACK_APP_TOKEN without SLACK_BOT_TOKEN does not connect Slack"),
        (
            {"SLACK_BOT_TOKEN": "", "SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": "nonsense"},
            "SLACK_SIGNING_SECRET without SLACK_BOT_TOKEN does not connect Slack",
        ),
    ],
)
async def test_serve_with_tokens_that_cannot_work_ends_and_says_what_to_do(
    tmp_path: Path, slack: FakeSlack, variables: dict[str, str], told: str
) -> None:
    async with begun(tmp_path, slack, **variables) as run:
        code = await run.ended()

    assert code == 2
    assert run.log.splitlines()[-1].startswith(f"limner: {told}")
    assert "https://api.slack.com/apps" in run.log.splitlines()[-1]
    assert "Traceback" not in run.log
    assert "nonsense" not in run.out + run.log


async def test_serve_paints_for_discord_and_slack_at_once(tmp_path: Path, slack: FakeSlack) -> None:
    async with FakeDiscord() as discord:
        there, here = discord.guild("Studio").channel("art"), slack.channel("art")
        where = {
            "DISCORD_TOKEN": discord.token,
            "LIMNER_DISCORD_API_URL": discord.api_url,
            "LIMNER_DISCORD_GATEWAY_URL": discord.gateway_url,
            "SLACK_SIGNING_SECRET": slack.signing_secret,
        }
        async with begun(tmp_path, slack, **where) as run:
            await slack.connected()
            await run.until_says("discord connected")
            await slack.person("Ada").command(here, "/generate", DRAFT)
            await discord.person("Ben").command(there, "generate", prompt="a cat", steps=2)
            await slack.until(lambda: painted(here), PATIENCE)
            await discord.until(lambda: any(message.attachments for message in there.messages), PATIENCE)

    told = [json.loads(line)["event"] for line in run.log.splitlines() if line.startswith("{")]
    assert "slack connects by Socket Mode: SLACK_APP_TOKEN is set, so SLACK_SIGNING_SECRET is not used" in told
    assert (run.process.returncode, "Traceback" in run.log) == (0, False)
    assert tells_no_secret(run, slack)
