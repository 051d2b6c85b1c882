"""Slack keeps what every chat adapter promises."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from bot.service import Service
from tests.adapters.slack.conftest import StartBot
from tests.contracts.chat import Chat, ChatContract, Person, Picture, Place, Press, Shown
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Asked, Channel, FakeMessage, FakeSlack
from tests.fakes.slack import Person as Member

T = TypeVar("T")


class OnSlack:
    """Something that a person asked for."""

    def __init__(self, asked: Asked, channel: Channel, person: Member) -> None:
        self.asked = asked
        self._channel = channel
        self._person = person
        self._before = len(channel.whispers)

    @property
    def seconds(self) -> float | None:
        return self.asked.ack_seconds

    @property
    def told(self) -> str:
        whispers = self._channel.whispers[self._before :]
        return "\n".join(one.shown for one in whispers if one.ephemeral_to is self._person)


class SlackChat:
    """Implements tests.contracts.chat.Chat."""

    def __init__(self, slack: FakeSlack, bot: StartBot) -> None:
        self._slack = slack
        self._bot = bot
        other = slack.workspace("Another")
        self._places: dict[Place, Channel] = {
            Place.HERE: slack.channel("art"),
            Place.ELSEWHERE: slack.channel("hall", team=other),
        }
        self._people: dict[Person, Member] = {
            person: slack.person(person, admin=person is Person.MO, team=other if person is Person.EVE else None)
            for person in Person
        }

    @asynccontextmanager
    async def limner(self, executor: FakeExecutor, **settings: Any) -> AsyncIterator[Service]:
        async with self._bot(executor, **settings) as limner:
            yield limner.service

    async def generate(self, person: Person, place: Place, prompt: str, *, size: str | None = None) -> OnSlack:
        return await self._command(person, place, "/generate", prompt if size is None else f"{prompt} --size {size}")

    async def refine(self, person: Person, place: Place, prompt: str, *, image: str | None = None) -> OnSlack:
        return await self._command(person, place, "/refine", prompt if image is None else f"{image} {prompt}")

    async def _command(self, person: Person, place: Place, name: str, text: str) -> OnSlack:
        member, channel = self._people[person], self._places[place]
        return OnSlack(await member.command(channel, name, text), channel, member)

    async def press(self, person: Person, place: Place, shown: Shown, press: Press) -> OnSlack:
        member, channel = self._people[person], self._places[place]
        message = channel.find(shown.id)
        assert message is not None
        return OnSlack(await member.click(message, f"limner:{press}"), channel, member)

    async def deliver_again(self, asked: Any) -> None:
        await self._slack.repeat(asked.asked)

    def mention(self, person: Person) -> str:
        return self._people[person].tag

    def messages(self, place: Place) -> Sequence[Shown]:
        return [shown(message) for message in self._places[place].messages]

    async def until(self, condition: Callable[[], T]) -> T:
        return await self._slack.until(condition)


def shown(message: FakeMessage) -> Shown:
    pictures = [Picture(one.file.data or b"", one.alt_text) for one in message.pictures]
    return Shown(message.ts, message.shown, pictures, message.pings)


class TestSlack(ChatContract):
    @pytest.fixture
    def chat(self, slack: FakeSlack, bot: StartBot) -> Chat:
        return SlackChat(slack, bot)
