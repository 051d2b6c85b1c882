"""A crowd on Discord while the painter is busy: how soon each is answered, and that all that was accepted arrives once.

The whole program but for its painter runs in a process of its own, against a local Discord in this one. Needs the
repository: that Discord and that painter are the tests' own.
"""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

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
from tests.fakes.discord import Channel, FakeDiscord


def measure() -> list[Row]:
    return rows_of(asyncio.run(crowd()), "< 1000 ms")


async def crowd() -> Crowd:
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        async with FakeDiscord() as discord, program(data, **settings(discord)) as process:
            await discord.connected()
            guild = discord.guild("Studio")
            channels = [guild.channel(f"art {number}") for number in range(CHANNELS)]
            before = discord.person("Was here before")
            for _ in range(BEFORE):
                await before.command(channels[0], "generate", prompt="a cat", steps=150)
            await discord.until(lambda: len(channels[0].messages) == BEFORE, PATIENCE)
            people = [discord.person(f"Person {number}") for number in range(REQUESTERS)]
            requests, cpu, began = len(discord.requests), cpu_of(process), time.perf_counter()
            asked = [
                await person.command(channels[number % CHANNELS], "generate", prompt=f"cat {number} of {turn}")
                for turn in range(EACH)
                for number, person in enumerate(people)
            ]
            await discord.until(lambda: all(one.text for one in asked), PATIENCE)
            await until_delivered(data)
            return Crowd(
                acknowledged=[one.ack_seconds for one in asked if one.ack_seconds is not None],
                asked=len(asked),
                accepted=sum("Your picture will be here" in one.text for one in asked),
                refused=sum(refuses(one.text) for one in asked),
                owed=images_in(data),
                shown=shown_in(channels),
                seconds=time.perf_counter() - began,
                cpu_seconds=cpu_of(process) - cpu,
                requests=Counter(f"{one.method} {one.route}" for one in discord.requests[requests:]),
            )


def settings(discord: FakeDiscord) -> dict[str, str]:
    return {
        "DISCORD_TOKEN": discord.token,
        "LIMNER_DISCORD_API_URL": discord.api_url,
        "LIMNER_DISCORD_GATEWAY_URL": discord.gateway_url,
    }


def shown_in(channels: Sequence[Channel]) -> Counter[str]:
    """Image ID -> messages that show it, of all that there ever were."""
    messages = [message for channel in channels for message in channel.record]
    return Counter(Path(file.filename).stem for message in messages for file in message.attachments)
