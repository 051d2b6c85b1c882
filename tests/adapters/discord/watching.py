"""What becomes of what people ask: the message that shows it, or the words that refuse it."""

import asyncio
import re
from typing import Any

from adapters.discord.buttons import TEMPLATE_OF_BUTTON
from bot.jobs import Image, ImageRequest, Job, Refinement
from bot.policy import Asker
from tests.adapters.discord.conftest import Bot
from tests.fakes.discord import Asked, Channel, FakeMessage, Person

LINK = re.compile(r"https://discord\.com/channels/(?:\d+|@me)/\d+/(\d+)")


async def painted(limner: Bot, asked: Asked) -> FakeMessage:
    """The message with the pictures, once the index knows of it."""
    message = await begun(asked)
    await until_painted(limner, message)
    return message


async def begun(asked: Asked) -> FakeMessage:
    """The message that will show the pictures; a private one is the answer itself."""

    def found() -> FakeMessage | None:
        if link := LINK.search(asked.text):
            return asked.fake.messages[int(link[1])]
        for message in asked.answers:
            if message is not asked.message and buttons(message):
                return message
        return None

    message = await asked.fake.until(found, waiting=asked)
    assert message is not None
    return message


async def until_painted(limner: Bot, message: FakeMessage) -> None:
    await message.channel.fake.until(lambda: image_ids(message), waiting=message)
    await at_rest(limner)


async def at_rest(limner: Bot) -> None:
    """Until everybody was told what they are owed."""
    async with asyncio.timeout(5):
        while await limner.service.undelivered("discord"):
            await asyncio.sleep(0.001)


async def paint(limner: Bot, person: Person, channel: Channel, prompt: str = "a cat", **options: Any) -> FakeMessage:
    return await painted(limner, await person.command(channel, "generate", prompt=prompt, **options))


async def spoken(limner: Bot, person: Person, channel: Channel, text: str, **more: Any) -> FakeMessage:
    """What is painted for a message that somebody writes."""
    said = await person.say(channel, text, **more)
    answer = await answer_to(said)
    await until_painted(limner, answer)
    return answer


async def answer_to(said: FakeMessage) -> FakeMessage:
    """The bot's reply."""

    def found() -> FakeMessage | None:
        return next((message for message in said.channel.messages if message.reply_to is said), None)

    answer = await said.channel.fake.until(found, waiting=said)
    assert answer is not None
    return answer


async def told(asked: Asked) -> str:
    """The words that an interaction is answered with, for nobody else's eyes."""

    def answer() -> FakeMessage | None:
        own = [one for one in asked.answers if one is not asked.message and not one.thinking and one.text]
        return own[-1] if own else None

    message = await asked.fake.until(answer, waiting=asked)
    assert message is not None
    assert message.ephemeral
    return message.text


async def press(person: Person, message: FakeMessage, action: str, number: int = 1) -> Asked:
    """One of the buttons for this, counted from the left."""
    return await person.click(message, buttons(message, action)[number - 1])


async def delete(person: Person, message: FakeMessage, number: int = 1) -> str:
    """Says yes when asked; the answer."""
    asked = await press(person, message, "delete", number)
    await told(asked)
    assert asked.original is not None
    return await confirmed(person, asked.original)


async def confirmed(person: Person, question: FakeMessage) -> str:
    """What stands in place of the question after a yes, or beside it."""
    yes = next(custom_id for custom_id in question.custom_ids if custom_id.startswith("limner:confirm_"))
    before = question.text
    sure = await person.click(question, yes)
    await sure.until(lambda sure: question.text != before or sure.followups)
    return question.text if question.text != before else await told(sure)


def buttons(message: FakeMessage, action: str = "") -> list[str]:
    """The custom_ids of the buttons for an action, or for any."""
    return [custom_id for custom_id in message.custom_ids if custom_id.startswith(f"limner:{action}")]


def subject(custom_id: str) -> str:
    match = TEMPLATE_OF_BUTTON.fullmatch(custom_id)
    assert match is not None
    return match["subject"]


def image_ids(message: FakeMessage) -> list[str]:
    return [subject(custom_id) for custom_id in buttons(message, "delete:")]


def asker(person: Person) -> Asker:
    """As the owner of what they made."""
    return Asker(f"discord:{person.id}", "")


async def image(limner: Bot, message: FakeMessage, owner: Person, number: int = 1) -> Image:
    return await limner.service.image(
        image_ids(message)[number - 1], Asker(f"discord:{owner.id}", "", age_restricted=True)
    )


async def job(limner: Bot, message: FakeMessage, owner: Person) -> Job:
    found = await image(limner, message, owner)
    assert found.job_id is not None
    return await limner.service.job(found.job_id, asker(owner))


async def refinement(limner: Bot, message: FakeMessage, owner: Person) -> Refinement:
    request = (await job(limner, message, owner)).request
    assert isinstance(request, Refinement)
    return request


async def request(limner: Bot, message: FakeMessage, owner: Person) -> ImageRequest:
    request = (await job(limner, message, owner)).request
    assert isinstance(request, ImageRequest)
    return request


def fields(asked: Asked) -> dict[str, Any]:
    """What stands in the fields of the window, by custom_id."""
    assert asked.modal is not None
    parts = [part["component"] for part in asked.modal["components"]]
    return {part["custom_id"]: part.get("value") or part.get("options") for part in parts}
