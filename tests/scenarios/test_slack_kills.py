"""As test_discord_kills.py, on Slack: the program is killed while people ask; all arrives, and nothing twice."""

import asyncio
import json
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import pytest

from adapters.slack.manifest import manifest
from bot.app import DATABASE
from bot.policy import Asker
from bot.service import job_id_for
from tests.fakes.slack import Asked, Channel, FakeMessage, FakeSlack, Person
from tests.fakes.slack.deliveries import RETRIES
from tests.scenarios.chat_program import COMMAND, ROOT
from tests.scenarios.conftest import SEED, environment

KILLS = 20
#: Seconds in which a program that is not killed must have come up, and have delivered the rest in the end.
PATIENCE = 20.0
STEP_SECONDS, SLOTS = "0.004", "2"
#: How often people do something, in seconds.
PACE = 0.08


@asynccontextmanager
async def life(slack: FakeSlack, data_dir: Path, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """Of the program."""
    variables = environment(
        data_dir,
        SLACK_BOT_TOKEN=slack.bot_token,
        SLACK_APP_TOKEN=slack.app_token,
        LIMNER_SLACK_API_URL=slack.api_url,
        LIMNER_DRAIN_SECONDS="0",
    )
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, STEP_SECONDS, SLOTS, "quick", cwd=ROOT, env=variables, stdout=file, stderr=file
        )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        # The fake may still read what was sent before.
        await slack.until(lambda: not slack.sockets.ready, PATIENCE)


class Crowd:
    """People who ask for all that can be asked for, at random. No two ask for the same words."""

    def __init__(self, slack: FakeSlack, chance: random.Random) -> None:
        self.slack = slack
        self.chance = chance
        self.people = [slack.person(name) for name in ("Ada", "Ben", "Cleo")]
        self.channels = [slack.channel("art"), slack.channel("more-art", private=True)]
        self.said = 0
        #: What asks for a job.
        self.asked: list[Asked] = []

    async def ask_until(self, is_over: Callable[[], bool]) -> None:
        acts = [self.command, self.command, self.mention, self.write, self.click, self.refine, self.reply]
        while not is_over():
            person, channel = self.chance.choice(self.people), self.chance.choice(self.channels)
            # A program that is killed answers no more, and its messages may be half there.
            with suppress(AssertionError):
                await self.chance.choice(acts)(person, channel)
            await asyncio.sleep(self.chance.uniform(0, 2 * PACE))

    def words(self) -> str:
        self.said += 1
        return f"cat {self.said:04}"

    async def command(self, person: Person, channel: Channel) -> None:
        options = f"--images {self.chance.randint(1, 2)}" + " --private" * (self.chance.random() < 0.25)
        self.asked.append(await person.command(channel, "/generate", f"{self.words()} --steps 6 {options}"))

    async def mention(self, person: Person, channel: Channel) -> None:
        self.asked.append(await person.mention(channel, f"{self.words()} --steps 6"))

    async def write(self, person: Person, channel: Channel) -> None:
        self.asked.append(await person.say(self.slack.dm(person), f"{self.words()} --steps 6"))

    async def reply(self, person: Person, channel: Channel) -> None:
        message, _ = self.with_button(channel, ["Refine", "Refine 1"])
        self.asked.append(await person.mention(channel, self.words(), thread=message))

    async def click(self, person: Person, channel: Channel) -> None:
        message, label = self.with_button(channel, ["Vary", "Again", "Vary 1", "Cancel", "Try again"])
        await person.click(message, label)

    async def refine(self, person: Person, channel: Channel) -> None:
        message, label = self.with_button(channel, ["Refine", "Refine 1"])
        opened = await person.click(message, label)
        await self.slack.until(lambda: opened.view, 0.5)
        self.asked.append(await person.submit(opened, {"prompt": self.words()}))

    def with_button(self, channel: Channel, labels: Sequence[str]) -> tuple[FakeMessage, str]:
        found = [(message, label) for message in channel.messages for label in labels if label in message.labels]
        assert found, "There is none yet."
        return self.chance.choice(found)


async def kill_at_random(slack: FakeSlack, process: asyncio.subprocess.Process, chance: random.Random) -> None:
    """While it starts, at any time later, or as it hears an answer."""
    if chance.random() < 0.2:
        await asyncio.sleep(chance.uniform(0.3, 1.5))
    else:
        await slack.until(lambda: slack.sockets.ready, PATIENCE)
        if chance.random() < 0.3:
            await asyncio.sleep(chance.uniform(0, 1.5))
        else:
            method = chance.choice(
                [
                    "chat.postMessage",
                    "chat.update",
                    "chat.update",
                    "files.getUploadURLExternal",
                    "files.completeUploadExternal",
                    "conversations.open",
                ]
            )
            number = _count(slack, method) + chance.randint(1, 8)
            await slack.bell.until(lambda: _count(slack, method) >= number, 3)
    process.kill()
    await process.wait()


def _count(slack: FakeSlack, method: str) -> int:
    """Of requests that were answered."""
    return sum(one.method == method and one.status is not None for one in slack.requests)


def read(data_dir: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(data_dir / DATABASE)) as connection:
        return connection.execute(sql).fetchall()


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("blocks", "kills"),
    [
        pytest.param(True, KILLS, id="in blocks, often", marks=pytest.mark.nightly),
        pytest.param(True, KILLS // 2, id="in blocks"),
        pytest.param(False, KILLS // 4, id="apart"),
    ],
)
# Where two processes meet, some chance is left.
@pytest.mark.parametrize("seed", [SEED])
async def test_what_was_accepted_is_delivered_once_however_often_the_program_is_killed(
    tmp_path: Path, seed: int, blocks: bool, kills: int
) -> None:
    chance, data_dir, log = random.Random(seed), tmp_path / "data", tmp_path / "log"
    async with FakeSlack(manifest()) as slack:
        slack.blocks_show_files = blocks
        crowd = Crowd(slack, chance)
        for _ in range(kills):
            async with life(slack, data_dir, log) as process, asyncio.TaskGroup() as tasks:
                tasks.create_task(kill_at_random(slack, process, chance), name="kill")
                tasks.create_task(ask_once_connected(slack, crowd, process), name="people")
            slack.clock.advance(chance.choice([0, 0, 10, 16 * 60]))
        async with life(slack, data_dir, log):
            owed = "SELECT 1 FROM deliveries WHERE state = 'owed'"
            await slack.until(lambda: slack.sockets.ready, PATIENCE)
            await all_settled(slack, crowd)
            await slack.until(lambda: not read(data_dir, owed), PATIENCE, waiting=log.read_text()[-5000:])
        check(slack, crowd, data_dir, least=kills // 4)


async def all_settled(slack: FakeSlack, crowd: Crowd) -> None:
    """What was interrupted twice comes again only after minutes, which pass here where nothing else helps."""

    def settled_all() -> bool:
        return all(settled(one) for one in crowd.asked)

    for minutes in RETRIES:
        slack.clock.advance(minutes)
        with suppress(AssertionError):
            await slack.until(settled_all, PATIENCE / 2)
            return
    await slack.until(settled_all, PATIENCE)


def settled(asked: Asked) -> bool:
    """Slack sends an event until the bot has acknowledged it; of all else that is lost it tells who asked."""
    return asked.acknowledged or asked.error is not None


async def ask_once_connected(slack: FakeSlack, crowd: Crowd, process: asyncio.subprocess.Process) -> None:
    await slack.until(lambda: process.returncode is not None or slack.sockets.ready, PATIENCE)
    await crowd.ask_until(lambda: process.returncode is not None)


def check(slack: FakeSlack, crowd: Crowd, data_dir: Path, least: int) -> None:
    """`least`: fewer jobs would say little."""
    jobs = read(
        data_dir, "SELECT id, status, image_ids, state, note FROM jobs LEFT JOIN deliveries ON job_id = jobs.id"
    )
    shown_by = dict(read(data_dir, "SELECT image_id, message_id FROM messages"))
    places = [*crowd.channels, *(slack.dm(person) for person in crowd.people)]
    messages = {message.ts: message for place in places for message in place.record if message.user is slack.bot}
    by_image = Counter(file.name.rpartition(".")[0] for message in messages.values() for file in message.files)

    assert len(jobs) > least
    assert sum(asked.acknowledged for asked in crowd.asked) > least
    check_asked(slack, crowd, {job_id for job_id, *_ in jobs})
    for job_id, status, image_ids, state, note in jobs:
        assert state == "delivered", job_id
        message = messages[json.loads(note)["ts"]]
        if status == "done":
            for image_id in json.loads(image_ids):
                assert by_image.pop(image_id) == 1, image_id
                assert any(image_id in file.name for file in messages[shown_by[image_id]].files)
            assert {"Again", "Recipe"} <= set(message.labels)
        else:
            assert message.labels == ["Try again"]
    # And no picture that nobody owes.
    assert not by_image


def check_asked(slack: FakeSlack, crowd: Crowd, job_ids: Collection[str]) -> None:
    """What was acknowledged was taken, or is answered."""
    for asked in crowd.asked:
        key = asked.payload.get("event_id") or asked.trigger_id
        if asked.source is not None:
            key = asked.source.id
        asker = Asker(f"slack:{asked.person.id}", f"slack:{slack.team_id}", asked_by=key)
        if asked.acknowledged and job_id_for(asker) not in job_ids:
            told = [*crowd.channels, slack.dm(asked.person)]
            assert [one for place in told for one in place.whispers if one.ephemeral_to is asked.person], asked
