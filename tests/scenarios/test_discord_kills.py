"""The whole program is killed again and again while people ask: all that it accepted arrives, and nothing twice."""

import asyncio
import json
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import pytest

from bot.app import DATABASE
from tests.fakes.discord import Asked, Channel, FakeDiscord, FakeMessage, Person
from tests.fakes.discord.asked import LIFETIME
from tests.scenarios.chat_program import COMMAND, ROOT
from tests.scenarios.conftest import SEED, environment

KILLS = 20
#: Seconds in which a program that is not killed must have come up, and have delivered the rest in the end.
PATIENCE = 20.0
STEP_SECONDS, SLOTS = "0.004", "2"
#: How often people do something, in seconds.
PACE = 0.08


class Life:
    """Of the program."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    def is_over(self) -> bool:
        return self.process.returncode is not None


@asynccontextmanager
async def life(discord: FakeDiscord, data_dir: Path, log: Path, drain_seconds: float = 0) -> AsyncIterator[Life]:
    variables = environment(
        data_dir,
        DISCORD_TOKEN=discord.token,
        LIMNER_DISCORD_API_URL=discord.api_url,
        LIMNER_DISCORD_GATEWAY_URL=discord.gateway_url,
        LIMNER_DRAIN_SECONDS=str(drain_seconds),
    )
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(
            *COMMAND, STEP_SECONDS, SLOTS, "quick", cwd=ROOT, env=variables, stdout=file, stderr=file
        )
    try:
        yield Life(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        # The fake may still read what was sent before.
        await discord.until(lambda: not discord.gateway.ready, PATIENCE)


class Crowd:
    """People who ask for all that can be asked for, at random."""

    def __init__(self, discord: FakeDiscord, chance: random.Random) -> None:
        self.discord = discord
        self.chance = chance
        self.people = [discord.person(name) for name in ("Ada", "Ben", "Cleo")]
        guild = discord.guild("Studio")
        self.channels = [guild.channel("art"), guild.channel("more art")]
        self.asked: list[Asked] = []
        self.said: list[FakeMessage] = []

    async def ask_until(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            person, channel = self.chance.choice(self.people), self.chance.choice(self.channels)
            act = self.chance.choice([self.command, self.command, self.mention, self.click, self.refine, self.reply])
            # A program that is killed answers no more, and its messages may be half there.
            with suppress(AssertionError):
                await act(person, channel)
            await asyncio.sleep(self.chance.uniform(0, 2 * PACE))

    async def command(self, person: Person, channel: Channel) -> None:
        private = self.chance.random() < 0.25
        images = self.chance.randint(1, 2)
        self.asked.append(
            await person.command(channel, "generate", prompt="a cat", steps=6, images=images, private=private)
        )

    async def mention(self, person: Person, channel: Channel) -> None:
        self.said.append(await person.say(channel, "<@bot> a dog --steps 6"))

    async def click(self, person: Person, channel: Channel) -> None:
        labels = ["Vary", "Again", "Vary 1", "Cancel", "Try again"]
        message, label = self.with_button(channel, labels)
        self.asked.append(await person.click(message, label))

    async def refine(self, person: Person, channel: Channel) -> None:
        message, label = self.with_button(channel, ["Refine", "Refine 1"])
        opened = await person.click(message, label)
        await self.discord.until(lambda: opened.modal, 0.5)
        self.asked.append(await person.submit(opened, {"prompt": "warmer"}))

    async def reply(self, person: Person, channel: Channel) -> None:
        message, _ = self.with_button(channel, ["Refine", "Refine 1"])
        self.said.append(await person.say(channel, "colder --image 1", reply_to=message))

    def with_button(self, channel: Channel, labels: Sequence[str]) -> tuple[FakeMessage, str]:
        found = [(message, label) for message in channel.messages for label in labels if label in message.labels]
        assert found, "There is none yet."
        return self.chance.choice(found)


async def kill_at_random(discord: FakeDiscord, life: Life, chance: random.Random) -> None:
    """At any time, or just when Discord has taken some request: then nobody will hear its answer."""
    if chance.random() < 0.2:
        await asyncio.sleep(chance.uniform(0.3, 1.5))
    else:
        await discord.until(lambda: discord.gateway.ready, PATIENCE)
        if chance.random() < 0.3:
            await asyncio.sleep(chance.uniform(0, 1.5))
        else:
            method, route = chance.choice(
                [
                    ("POST", "/channels/{channel_id}/messages"),
                    ("PATCH", "/channels/{channel_id}/messages/{message_id}"),
                    ("PATCH", "/webhooks/{webhook_id}/{webhook_token}/messages/@original"),
                    ("POST", "/interactions/{interaction_id}/{interaction_token}/callback"),
                ]
            )
            number = _count(discord, method, route) + chance.randint(1, 8)
            await discord.bell.until(lambda: _count(discord, method, route) >= number, 3)
    life.process.kill()
    await life.process.wait()


def _count(discord: FakeDiscord, method: str, route: str) -> int:
    """Of requests that were answered."""
    return sum((one.method, one.route) == (method, route) and one.status is not None for one in discord.requests)


def read(data_dir: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(data_dir / DATABASE)) as connection:
        return connection.execute(sql).fetchall()


def all_messages(discord: FakeDiscord, crowd: Crowd) -> list[FakeMessage]:
    """Of the bot, all that there ever were; those that only one person sees, too."""
    places = [*crowd.channels, *(discord.dm(person) for person in crowd.people)]
    messages = [message for place in places for message in place.record]
    messages += [answer for asked in crowd.asked for answer in asked.answers]
    return [message for message in dict.fromkeys(messages) if message.author is discord.bot]


@pytest.mark.slow
@pytest.mark.timeout(180)
# Where two processes meet, some chance is left.
@pytest.mark.parametrize("seed", [SEED])
async def test_what_was_accepted_is_delivered_once_however_often_the_program_is_killed(
    tmp_path: Path, seed: int
) -> None:
    chance, data_dir, log = random.Random(seed), tmp_path / "data", tmp_path / "log"
    async with FakeDiscord() as discord:
        crowd = Crowd(discord, chance)
        for _ in range(KILLS):
            async with life(discord, data_dir, log) as one, asyncio.TaskGroup() as tasks:
                tasks.create_task(kill_at_random(discord, one, chance), name="kill")
                tasks.create_task(ask_once_connected(discord, crowd, one), name="people")
            # Sometimes Discord has forgotten nonces and tokens when the program comes back.
            discord.clock.advance(chance.choice([0, 0, 6 * 60, 16 * 60]))
        async with life(discord, data_dir, log):
            owed = "SELECT 1 FROM deliveries WHERE state = 'owed'"
            await discord.until(lambda: not read(data_dir, owed), PATIENCE, waiting=log.read_text()[-5000:])
        check(discord, crowd, data_dir, more_than=KILLS)


async def ask_once_connected(discord: FakeDiscord, crowd: Crowd, life: Life) -> None:
    await discord.until(lambda: life.is_over() or discord.gateway.ready, PATIENCE)
    await crowd.ask_until(life.is_over)


def check(discord: FakeDiscord, crowd: Crowd, data_dir: Path, *, more_than: int) -> None:
    """`more_than`: so many jobs."""
    jobs = read(
        data_dir, "SELECT id, status, origin, image_ids, state FROM jobs LEFT JOIN deliveries ON job_id = jobs.id"
    )
    shown_by = dict(read(data_dir, "SELECT image_id, message_id FROM messages"))
    messages = all_messages(discord, crowd)
    by_image = Counter(file.filename.rpartition(".")[0] for message in messages for file in message.attachments)
    by_id = {str(message.id): message for message in messages}

    asked_by = Counter(json.loads(origin)["asked_by"] for _, _, origin, _, _ in jobs)
    assert [asked for asked, count in asked_by.items() if count > 1] == []
    accepted = [asked for asked in crowd.asked if "Your picture will be here" in asked.text]
    assert [asked for asked in accepted if asked.id not in asked_by] == []
    assert len(jobs) > more_than
    for job_id, status, _, image_ids, state in jobs:
        about = [message for message in messages if job_id in str(message.custom_ids)]
        endings = [message for message in about if message.labels == ["Try again"]]
        assert state == "delivered", job_id
        assert all(is_left_behind(message) for message in about if message not in endings), job_id
        if status == "done":
            assert endings == []
            for image_id in json.loads(image_ids):
                message = by_id[shown_by[image_id]]
                if message.labels == ["Show"]:
                    # Nobody but who asked could look whether it arrived.
                    assert by_image.pop(image_id, 0) <= 1, image_id
                    continue
                assert by_image.pop(image_id) == 1, image_id
                assert any(image_id in file.filename for file in message.attachments)
        else:
            assert endings, job_id
            # Nor could anybody look whether a private answer had come to its end before it was left behind.
            assert sum(not is_left_behind(message) for message in endings) <= 1, job_id
    # And no picture that nobody owes.
    assert not by_image


def is_left_behind(message: FakeMessage) -> bool:
    """A private answer that nobody can edit any more: the ending came by direct message."""
    return message.ephemeral and message.asked is not None and message.asked.age > LIFETIME
