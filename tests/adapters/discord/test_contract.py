"""Discord keeps what every chat adapter promises."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from bot.service import Service
from tests.adapters.discord.conftest import StartBot
from tests.contracts.chat import Chat, ChatContract, Person, Picture, Place, Press, Shown
from tests.fakes.discord import Asked, Channel, FakeDiscord, FakeMessage
from tests.fakes.discord import Person as Member
from tests.fakes.executor import FakeExecutor

T = TypeVar("T")


class OnDiscord:
    """Something that a person asked for."""

    def __init__(self, asked: Asked) -> None:
        self.asked = asked

    @property
    def seconds(self) -> float | None:
        return self.asked.ack_seconds

    @property
    def told(self) -> str:
        return "\n".join(answer.text for answer in self.asked.answers if answer.ephemeral and not answer.thinking)


class DiscordChat:
    """Implements tests.contracts.chat.Chat."""

    def __init__(self, discord: FakeDiscord, bot: StartBot) -> None:
        self._discord = discord
        self._bot = bot
        studio, other = discord.guild("Studio"), discord.guild("Another")
        self._places: dict[Place, Channel] = {
            Place.HERE: studio.channel("art"),
            Place.ELSEWHERE: other.channel("hall"),
        }
        self._people: dict[Person, Member] = {person: discord.person(person) for person in Person}
        for person, member in self._people.items():
            if person is not Person.EVE:
                studio.join(member, manage_messages=person is Person.MO)

    @asynccontextmanager
    async def limner(self, executor: FakeExecutor, **settings: Any) -> AsyncIterator[Service]:
        async with self._bot(executor, **settings) as limner:
            yield limner.service

    async def generate(self, person: Person, place: Place, prompt: str, *, size: str | None = None) -> OnDiscord:
        said = {} if size is None else {"size": size}
        return await self._command(person, place, "generate", prompt=prompt, **said)

    async def refine(self, person: Person, place: Place, prompt: str, *, image: str | None = None) -> OnDiscord:
        said = {} if image is None else {"image": image}
        return await self._command(person, place, "refine", prompt=prompt, **said)

    async def _command(self, person: Person, place: Place, name: str, **options: Any) -> OnDiscord:
        return OnDiscord(await self._people[person].command(self._places[place], name, **options))

    async def press(self, person: Person, place: Place, shown: Shown, press: Press) -> OnDiscord:
        message = self._discord.messages[int(shown.id)]
        (button,) = [one for one in message.custom_ids if one.startswith(f"limner:{press}:")]
        return OnDiscord(await self._people[person].click(message, button))

    async def deliver_again(self, asked: Any) -> None:
        await self._discord.repeat(asked.asked)

    def mention(self, person: Person) -> str:
        return self._people[person].mention

    def messages(self, place: Place) -> Sequence[Shown]:
        return [shown(message) for message in self._places[place].messages]

    async def until(self, condition: Callable[[], T]) -> T:
        return await self._discord.until(condition)


def shown(message: FakeMessage) -> Shown:
    pictures = [Picture(file.data, file.description or "") for file in message.attachments]
    return Shown(str(message.id), message.text, pictures, message.pings)


class TestDiscord(ChatContract):
    @pytest.fixture
    def chat(self, discord: FakeDiscord, bot: StartBot) -> Chat:
        return DiscordChat(discord, bot)
