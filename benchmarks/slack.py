"""A crowd on Slack while the painter is busy: how soon each is answered, and that all that was accepted arrives once.

As benchmarks/discord.py, against a local Slack. That one says "too many" to nobody; the real one takes about one post
in a second and channel, and 50 edits in a minute.
"""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from adapters.slack.manifest import manifest
from benchmarks.crowd import (
    BEFORE,
    CHANNELS,
    EACH,
    PATIENCE,
    REQUESTERS,
    Crowd,
    cpu_of,
    images_in,
    program,
    refuses,
    rows_of,
    until_delivered,
)
from benchmarks.report import Row
from tests.fakes.slack import Channel, FakeMessage, FakeSlack


def measure() -> list[Row]:
    return rows_of(asyncio.run(crowd()), "< 3000 ms")


async def crowd() -> Crowd:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        async with FakeSlack(manifest()) as slack, program(data, **settings(slack)) as process:
            await slack.until(lambda: slack.sockets.ready, PATIENCE)
            channels = [slack.channel(f"art-{number}") for number in range(CHANNELS)]
            before = slack.person("Was here before")
            for _ in range(BEFORE):
                await before.command(channels[0], "/generate", "a cat --steps 150")
            await slack.until(lambda: len(channels[0].messages) == BEFORE, PATIENCE)
            people = [slack.person(f"Person {number}") for number in range(REQUESTERS)]
            requests, cpu, began = len(slack.requests), cpu_of(process), time.perf_counter()
            asked = [
                await person.command(channels[number % CHANNELS], "/generate", f"cat {number} of {turn}")
                for turn in range(EACH)
                for number, person in enumerate(people)
            ]
            await slack.until(lambda: accepted(channels) + refused(channels) == len(asked), PATIENCE)
            await until_delivered(data)
            return Crowd(
                acknowledged=[one.ack_seconds for one in asked if one.ack_seconds is not None],
                asked=len(asked),
                accepted=accepted(channels),
                refused=refused(channels),
                owed=images_in(data),
                shown=Counter(Path(file.name).stem for message in told(channels) for file in message.files),
                seconds=time.perf_counter() - began,
                cpu_seconds=cpu_of(process) - cpu,
                requests=Counter(one.method for one in slack.requests[requests:]),
            )


def settings(slack: FakeSlack) -> dict[str, str]:
    return {
        "SLACK_BOT_TOKEN": slack.bot_token,
        "SLACK_APP_TOKEN": slack.app_token,
        "LIMNER_SLACK_API_URL": slack.api_url,
    }


def told(channels: Sequence[Channel]) -> list[FakeMessage]:
    """All that ever was there for everybody."""
    return [message for channel in channels for message in channel.record if not message.ephemeral]


def accepted(channels: Sequence[Channel]) -> int:
    """Of those of the crowd."""
    return len(told(channels)) - BEFORE


def refused(channels: Sequence[Channel]) -> int:
    return sum(refuses(one.shown) for channel in channels for one in channel.whispers)
