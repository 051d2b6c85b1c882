"""What tests of the Slack adapter look at: messages, requests, and the rows that the bot wrote."""

import asyncio
import sqlite3
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from adapters.chat.deliveries import Tempo
from adapters.slack.people import PLATFORM, requester_of
from bot.app import DATABASE
from bot.jobs import ImageRequest, Refinement
from bot.policy import Asker
from tests.fakes.executor import png
from tests.fakes.slack import Asked, Channel, FakeMessage, FakeSlack, Person, Upload, payloads
from tests.fakes.slack.requests import Request

if TYPE_CHECKING:
    from tests.adapters.slack.conftest import Bot

#: Seconds; a busy machine takes its time.
PATIENCE = 20.0
#: Nothing is told between the first news and the ending.
LACONIC = Tempo(progress=1000, queue=1000, retry=0.01)


class Rows:
    """What stands in the index."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / DATABASE

    def read(self, sql: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self._path)) as connection:
            return connection.execute(sql).fetchall()

    def states(self) -> list[object]:
        """Of deliveries, in the order of their jobs."""
        rows = self.read("SELECT state FROM deliveries JOIN jobs ON jobs.id = job_id ORDER BY jobs.number")
        return [state for (state,) in rows]

    def statuses(self) -> list[object]:
        """Of jobs, in their order."""
        return [status for (status,) in self.read("SELECT status FROM jobs ORDER BY number")]

    def everything(self) -> list[str]:
        with closing(sqlite3.connect(self._path)) as connection:
            return list(connection.iterdump())

    def notes(self) -> list[str]:
        return [str(note) for (note,) in self.read("SELECT note FROM deliveries")]

    def shown(self) -> dict[str, str]:
        """Image ID -> ts of its message."""
        rows = self.read("SELECT image_id, message_id FROM messages")
        assert len({image for image, _ in rows}) == len(rows), f"an image is shown twice: {rows}"
        return {str(image): str(message) for image, message in rows}


async def settled(slack: FakeSlack, rows: Rows, states: Sequence[str]) -> None:
    await slack.until(lambda: rows.states() == list(states), PATIENCE, waiting=f"deliveries that are {states}")


def requests(slack: FakeSlack, method: str) -> list[Request]:
    return [request for request in slack.requests if request.method == method]


def finished(channel: Channel) -> list[FakeMessage]:
    return [message for message in channel.messages if message.user is channel.fake.bot and message.pictures]


def picture() -> Upload:
    return Upload("mine.png", "image/png", png((128, 64)))


async def shown_in(slack: FakeSlack, channel: Channel, number: int = 1) -> FakeMessage:
    """The last of so many messages with pictures."""
    await slack.until(lambda: len(finished(channel)) >= number, PATIENCE, waiting="a picture")
    assert len(finished(channel)) == number
    return finished(channel)[-1]


async def paint(slack: FakeSlack, rows: Rows, person: Person, channel: Channel, text: str = "a cat") -> FakeMessage:
    """A result that the index knows of."""
    number, owed = len(finished(channel)) + 1, len(rows.states()) + 1
    await person.command(channel, "/generate", text)
    message = await shown_in(slack, channel, number)
    await settled(slack, rows, ["delivered"] * owed)
    return message


def image_of(message: FakeMessage) -> str:
    """The ID of the image that it shows first."""
    value = message.value("limner:again")
    assert value is not None
    return value


def whispered(channel: Channel, person: Person) -> str:
    return "\n".join(one.shown for one in channel.whispers if one.ephemeral_to is person)


async def told(slack: FakeSlack, channel: Channel, person: Person, part: str) -> str:
    """What they alone read in the channel, once it holds this."""
    await slack.until(lambda: part in whispered(channel, person), waiting=part)
    return whispered(channel, person)


async def told_in_answer(asked: Asked, part: str) -> str:
    """By the response URL, which works everywhere."""
    await asked.until(lambda one: part in one.told)
    return asked.told


async def answered(channel: Channel, person: Person, asking: Awaitable[Asked]) -> str:
    """What they alone read in the channel, in one answer."""
    before = channel.whispers
    await asking
    await channel.fake.until(lambda: len(channel.whispers) > len(before), waiting="an answer")
    await asyncio.gather(*(task for task in asyncio.all_tasks() if task.get_name() == "slack request"))
    (answer,) = channel.whispers[len(before) :]
    assert answer.ephemeral_to is person
    return answer.shown


@contextmanager
def unchanged(limner: "Bot", rows: Rows) -> Iterator[None]:
    """Nothing is queued, kept or erased within it, nor said to others."""
    before = rows.everything()
    works = len(limner.executor.works)
    said = [message for channel in limner.slack.channels.values() for message in channel.messages]
    yield
    assert rows.everything() == before
    assert len(limner.executor.works) == works
    everywhere = [message for channel in limner.slack.channels.values() for message in channel.messages]
    assert [one for one in everywhere if one.user is limner.slack.bot and one not in said] == []


def asker(person: Person) -> Asker:
    """As they ask in a public channel."""
    return Asker(requester_of(person.id), f"{PLATFORM}:{person.team.id}")


def asked_for(limner: "Bot", number: int = 0) -> ImageRequest:
    request = limner.executor.works[number].request
    assert isinstance(request, ImageRequest)
    return request


def refinement(limner: "Bot") -> Refinement:
    """The last one that was painted."""
    request = limner.executor.works[-1].request
    assert isinstance(request, Refinement)
    return request


def link_to(message: FakeMessage) -> str:
    """As Slack copies it."""
    where = f"https://{message.channel.team.domain}.slack.com/archives/{message.channel.id}"
    link = f"{where}/p{message.ts.replace('.', '')}"
    return f"{link}?thread_ts={message.thread_ts}&cid={message.channel.id}" if message.thread_ts else link


def told_as(monkeypatch: pytest.MonkeyPatch, channel: Channel, **fields: object) -> None:
    """As conversations.info has it from now on."""
    tell = payloads.channel
    monkeypatch.setattr(payloads, "channel", lambda one: tell(one) | (fields if one is channel else {}))


def only_ids_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of files in messages, as in channels that workspaces share."""
    tell = payloads.message

    def told_of(message: Any) -> Any:
        files = [{"id": file.id, "mode": "file_access", "file_access": "check_file_info"} for file in message.files]
        return tell(message) | ({"files": files} if files and not message.user.is_bot else {})

    monkeypatch.setattr(payloads, "message", told_of)
