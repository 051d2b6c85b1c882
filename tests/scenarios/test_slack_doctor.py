"""Doctor as a process of its own, with a local Slack: what its owner reads, and what to do."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters.slack.manifest import manifest
from tests.fakes.slack import FakeSlack
from tests.scenarios.conftest import LIMNER, PATIENCE, environment

pytestmark = pytest.mark.slow


@pytest.fixture
async def slack() -> AsyncIterator[FakeSlack]:
    async with FakeSlack(manifest()) as fake:
        yield fake


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    log: str


async def doctor(folder: Path, slack: FakeSlack, **variables: str) -> Ended:
    where = {
        "CUDA_VISIBLE_DEVICES": "",
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
        "LIMNER_SLACK_API_URL": slack.api_url,
    }
    process = await asyncio.create_subprocess_exec(
        *(*LIMNER, "doctor"),
        cwd=folder,
        env=environment(folder / "data", **where | variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        out, log = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), log.decode())


async def test_doctor_finds_nothing_where_all_is_well_on_slack(tmp_path: Path, slack: FakeSlack) -> None:
    slack.channel("art")

    run = await doctor(tmp_path, slack, LIMNER_SLACK_ADMINS=slack.owner.id)

    assert (run.code, run.log) == (0, "")
    assert run.out.endswith("All is well.\n")
    assert re.search(r"^ok  SLACK_SIGNING_SECRET not set$", run.out, re.MULTILINE)
    assert re.search(r"^ok  slack bot       @limner in the workspace Studio, https://\S+$", run.out, re.MULTILINE)
    assert re.search(r"^ok  slack scopes    all \d+ that Limner needs$", run.out, re.MULTILINE)
    assert re.search(r"^ok  slack socket    Socket Mode is on", run.out, re.MULTILINE)
    assert re.search(r"^ok  slack channels  #art$", run.out, re.MULTILINE)
    assert slack.connections == 0


async def test_doctor_says_what_to_do_about_slack(tmp_path: Path, slack: FakeSlack) -> None:
    slack.channel("art")

    run = await doctor(
        tmp_path,
        slack,
        SLACK_APP_TOKEN="",
        SLACK_SIGNING_SECRET="hush",
        LIMNER_SLACK_ADMINS="U0NOBODY",
    )

    assert (run.code, run.log) == (1, "")
    assert run.out.endswith("3 thing(s) to mend.\n")
    assert run.out.count("SLACK_SIGNING_SECRET") == 1
    assert re.search(r"^!!  SLACK_SIGNING_SECRET set, but .*\n +-> It has 32 digits", run.out, re.MULTILINE)
    assert re.search(r"^!!  slack http      .*\n +-> Set LIMNER_PUBLIC_URL to ", run.out, re.MULTILINE)
    assert re.search(r"^!!  slack admins    nobody here has the ID U0NOBODY\n +-> Correct ", run.out, re.MULTILINE)
    assert all(secret not in run.out for secret in ("hush", slack.bot_token))


@pytest.mark.nightly
async def test_doctor_does_not_show_a_token_to_slack_that_cannot_be_one(tmp_path: Path, slack: FakeSlack) -> None:
    run = await doctor(tmp_path, slack, SLACK_BOT_TOKEN=slack.app_token, SLACK_APP_TOKEN="xoxp-hush")

    assert run.code == 1
    assert "!!  SLACK_BOT_TOKEN set, but it is an app token\n" in run.out
    assert "!!  SLACK_APP_TOKEN set, but it is a user token\n" in run.out
    assert run.out.endswith("2 thing(s) to mend.\n")
    assert slack.requests == []
