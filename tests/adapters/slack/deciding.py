"""What tests do about flagged images: the rules that an admin sets, the messages that come of them, and presses."""

import asyncio
import io
from collections.abc import Callable

from PIL import Image

from adapters.slack.words import words_for
from tests.adapters.slack.watching import PATIENCE, answered
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Asked, Channel, FakeFile, FakeMessage, FakeSlack, Person

ENGLISH = words_for("en")


def flagging(*numbers: int) -> FakeExecutor:
    """Of each job these images are flagged; without numbers the first one."""
    executor = FakeExecutor()
    executor.flag(*(numbers or (1,)))
    return executor


async def set_rules(admin: Person, channel: Channel, *commands: str) -> str:
    """Returns the last answer."""
    told = ""
    for command in commands:
        told = await answered(channel, admin, admin.command(channel, "/limner", command))
    return told


async def seen(channel: Channel, holds: Callable[[FakeMessage], object]) -> FakeMessage:
    """The newest message of the bot of which this holds, once there is one."""

    def newest() -> FakeMessage | None:
        mine = [one for one in channel.messages if one.user is channel.fake.bot]
        return next((one for one in reversed(mine) if holds(one)), None)

    found = await channel.fake.until(newest, PATIENCE, waiting="a message of the bot")
    assert found is not None
    return found


async def saying(channel: Channel, key: str, **values: object) -> FakeMessage:
    """The newest message with this sentence."""
    return await seen(channel, lambda one: ENGLISH.say(key, **values) in one.shown)


async def report_in(channel: Channel, number: int = 1) -> FakeMessage:
    """The newest of so many reports that wait for a decision."""

    def open_ones() -> list[FakeMessage]:
        return [one for one in channel.messages if "Approve" in one.labels]

    await channel.fake.until(lambda: len(open_ones()) >= number, PATIENCE, waiting="a report")
    assert len(open_ones()) == number
    return open_ones()[-1]


async def pressed(person: Person, message: FakeMessage, label: str) -> Asked:
    """Once all that came of it is done."""
    asked = await (await person.click(message, label)).until(lambda one: one.acknowledged)
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "slack request"))
    return asked


async def whisper(channel: Channel, person: Person, part: str) -> FakeMessage:
    """What they alone see, once something holds this."""

    def newest() -> FakeMessage | None:
        mine = [one for one in channel.whispers if one.ephemeral_to is person and part in one.shown]
        return mine[-1] if mine else None

    found = await channel.fake.until(newest, PATIENCE, waiting=part)
    assert found is not None
    return found


async def told_to(person: Person, message: FakeMessage, label: str) -> str:
    """What a press is answered with, to who pressed alone."""
    return await answered(message.channel, person, person.click(message, label))


def is_blur(file: FakeFile) -> bool:
    with Image.open(io.BytesIO(file.data or b"")) as picture:
        return picture.format == "JPEG" and max(picture.size) == 512 and file.name.startswith("covered-")


def is_painted(file: FakeFile) -> bool:
    with Image.open(io.BytesIO(file.data or b"")) as picture:
        return picture.format == "PNG"


def left_on(slack: FakeSlack) -> list[FakeFile]:
    """Files that nobody deleted."""
    return [file for file in slack.files if file.completed and not file.deleted]
