"""What people rely on, of every chat adapter: asked as they ask, and judged by what they read and see.

An adapter's tests subclass `ChatContract` and give it a `chat`: the real adapter on a local copy of its platform.
"""

import io
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal, Protocol, TypeVar

from PIL import Image

from bot.errors import JobFailed
from bot.jobs import JobStatus
from bot.service import Service
from tests.fakes.executor import FakeExecutor

T = TypeVar("T")

#: Seconds in which chat platforms want to be answered.
PATIENCE = 3.0
SOME_ID = "9e107d9d-372b-4b7a-9f0f-6d5c0e1f2a3b"

Press = Literal["refine", "vary", "again", "retry", "recipe", "delete", "cancel"]


class Place(StrEnum):
    HERE = "here"
    #: Of another space.
    ELSEWHERE = "elsewhere"


class Person(StrEnum):
    """All but Eve are in the space of HERE."""

    ADA = "Ada"
    BEN = "Ben"
    #: Moderates it.
    MO = "Mo"
    #: Is in the other space only.
    EVE = "Eve"


@dataclass(frozen=True, slots=True)
class Picture:
    content: bytes
    alt_text: str


@dataclass(frozen=True, slots=True)
class Shown:
    """A message as those in the place see it now."""

    id: str
    text: str
    pictures: Sequence[Picture]
    #: Names of those for whom it rang, and of whole crowds.
    rang_for: Sequence[str]


class Asked(Protocol):
    """Something that a person asked for."""

    @property
    def seconds(self) -> float | None:
        """Until the platform had its first answer."""

    @property
    def told(self) -> str:
        """What nobody but the asker reads; empty until there is something."""


class Chat(Protocol):
    """A platform, the people there, and the real adapter."""

    def limner(self, executor: FakeExecutor, **settings: Any) -> AbstractAsyncContextManager[Service]:
        """Connected within the block. A second time is a restart."""

    async def generate(self, person: Person, place: Place, prompt: str, *, size: str | None = None) -> Asked: ...

    async def refine(self, person: Person, place: Place, prompt: str, *, image: str | None = None) -> Asked:
        """By the command; without an image it is the person's last one there."""

    async def press(self, person: Person, place: Place, shown: Shown, press: Press) -> Asked: ...

    async def deliver_again(self, asked: Asked) -> None:
        """The platform sends the very same request a second time."""

    def mention(self, person: Person) -> str:
        """How the platform writes it in a text."""

    def messages(self, place: Place) -> Sequence[Shown]:
        """In the order in which they were posted."""

    async def until(self, condition: Callable[[], T]) -> T:
        """Until it holds, for a few seconds at most. Returns what it returned."""


class ChatContract:
    async def test_whoever_asks_is_answered_at_once(self, chat: Chat) -> None:
        executor = FakeExecutor()
        executor.hold()
        async with chat.limner(executor):
            asked = await chat.generate(Person.ADA, Place.HERE, "a cat")
            await chat.until(lambda: asked.seconds is not None and chat.messages(Place.HERE))

            assert asked.seconds is not None
            assert asked.seconds < PATIENCE
            assert not any(message.pictures for message in chat.messages(Place.HERE))

    async def test_the_place_in_line_is_shown_and_gets_better(self, chat: Chat) -> None:
        executor = FakeExecutor()
        executor.hold()
        async with chat.limner(executor):
            await chat.generate(Person.ADA, Place.HERE, "a cat")
            await chat.until(lambda: executor.works)
            await chat.generate(Person.ADA, Place.HERE, "a dog")
            await chat.until(lambda: about(chat, "a dog"))
            await chat.generate(Person.ADA, Place.HERE, "a cow")

            await chat.until(lambda: about(chat, "a cow"))
            await chat.until(lambda: re.search(r"\b2\b", about(chat, "a cow")[0].text))
            await chat.press(Person.ADA, Place.HERE, about(chat, "a dog")[0], "cancel")
            await chat.until(lambda: not re.search(r"\b2\b", about(chat, "a cow")[0].text))

    async def test_the_image_comes_as_bytes_with_the_words_as_its_alt_text(self, chat: Chat) -> None:
        async with chat.limner(FakeExecutor()):
            await chat.generate(Person.ADA, Place.HERE, "a cat in a hat", size="64x96")
            (message,) = await painted(chat)

        (picture,) = message.pictures
        assert Image.open(io.BytesIO(picture.content)).size == (64, 96)
        assert "a cat in a hat" in picture.alt_text
        assert "a cat in a hat" in message.text

    async def test_a_mistake_is_told_privately_in_plain_words(self, chat: Chat) -> None:
        async with chat.limner(FakeExecutor()) as service:
            asked = await chat.generate(Person.ADA, Place.HERE, "a cat", size="huge")
            await chat.until(lambda: asked.told)

            assert "1024x768" in asked.told
            assert "huge" in asked.told
            assert chat.messages(Place.HERE) == []
            assert not any((await service.status()).counts.values())

    async def test_a_full_queue_is_told(self, chat: Chat) -> None:
        executor = FakeExecutor()
        executor.hold()
        async with chat.limner(executor, queue_limit=1) as service:
            await chat.generate(Person.ADA, Place.HERE, "a cat")
            await chat.until(lambda: executor.works)
            await chat.generate(Person.ADA, Place.HERE, "a dog")
            await chat.until(lambda: about(chat, "a dog"))
            asked = await chat.generate(Person.BEN, Place.HERE, "a cow")
            await chat.until(lambda: asked.told)

            assert "full" in asked.told
            assert not about(chat, "a cow")
            assert sum((await service.status()).counts.values()) == 2

    async def test_cancel_stops_a_job_and_says_so(self, chat: Chat) -> None:
        executor = FakeExecutor()
        executor.hold()
        async with chat.limner(executor) as service:
            await chat.generate(Person.ADA, Place.HERE, "a cat")
            (message,) = await chat.until(lambda: about(chat, "a cat"))
            await chat.press(Person.ADA, Place.HERE, message, "cancel")
            await chat.until(lambda: "Cancelled" in about(chat, "a cat")[0].text)

            assert (await service.status()).counts[JobStatus.CANCELLED] == 1

    async def test_only_the_owner_or_a_moderator_can_cancel(self, chat: Chat) -> None:
        executor = FakeExecutor()
        executor.hold()
        async with chat.limner(executor) as service:
            await chat.generate(Person.ADA, Place.HERE, "a cat")
            await chat.until(lambda: executor.works)
            (message,) = await chat.until(lambda: about(chat, "a cat"))

            refused = await chat.press(Person.BEN, Place.HERE, message, "cancel")
            await chat.until(lambda: refused.told)
            assert (await service.status()).counts[JobStatus.RUNNING] == 1

            await chat.press(Person.MO, Place.HERE, message, "cancel")
            await chat.until(lambda: "Cancelled" in about(chat, "a cat")[0].text)

    async def test_a_failure_is_told_in_plain_words(self, chat: Chat) -> None:
        executor = FakeExecutor()
        executor.fail_next(JobFailed("out_of_memory", "CUDA error 2 at 0x7f"))
        async with chat.limner(executor):
            await chat.generate(Person.ADA, Place.HERE, "a cat")
            await chat.until(lambda: about(chat, "a cat") and "memory" in about(chat, "a cat")[0].text)

            assert "0x7f" not in about(chat, "a cat")[0].text

    async def test_after_a_restart_the_image_still_comes_and_once(self, chat: Chat) -> None:
        executor = FakeExecutor()
        executor.hold()
        async with chat.limner(executor):
            await chat.generate(Person.ADA, Place.HERE, "a cat")
            await chat.until(lambda: about(chat, "a cat"))

        async with chat.limner(FakeExecutor()):
            await painted(chat)

        assert len(about(chat, "a cat")) == 1

    async def test_refining_without_an_image_takes_the_askers_last_one_here(self, chat: Chat) -> None:
        executor = FakeExecutor()
        async with chat.limner(executor):
            await chat.generate(Person.ADA, Place.HERE, "a cat")
            await painted(chat, 1)
            await chat.generate(Person.BEN, Place.HERE, "a dog")
            await painted(chat, 2)
            await chat.refine(Person.ADA, Place.HERE, "in the snow")
            await painted(chat, 3)

        cat, _, snow = executor.works
        assert getattr(snow.request, "image_id", None) == cat.image_ids[0]

    async def test_a_button_below_an_image_makes_another_like_it(self, chat: Chat) -> None:
        executor = FakeExecutor()
        async with chat.limner(executor):
            await chat.generate(Person.ADA, Place.HERE, "a cat")
            (message,) = await painted(chat, 1)
            await chat.press(Person.BEN, Place.HERE, message, "vary")
            await painted(chat, 2)

        cat, like_it = executor.works
        assert getattr(like_it.request, "image_id", None) == cat.image_ids[0]

    async def test_a_stranger_elsewhere_cannot_use_an_id_nor_learn_whether_it_is_one(self, chat: Chat) -> None:
        executor = FakeExecutor()
        async with chat.limner(executor) as service:
            await chat.generate(Person.ADA, Place.HERE, "a cat")
            await painted(chat)
            image_id = executor.works[0].image_ids[0]

            there = await chat.refine(Person.EVE, Place.ELSEWHERE, "a dog", image=image_id)
            nowhere = await chat.refine(Person.EVE, Place.ELSEWHERE, "a dog", image=SOME_ID)
            await chat.until(lambda: there.told and nowhere.told)

            assert there.told == nowhere.told
            assert chat.messages(Place.ELSEWHERE) == []
            assert sum((await service.status()).counts.values()) == 1

    async def test_what_somebody_asks_for_rings_for_nobody(self, chat: Chat) -> None:
        async with chat.limner(FakeExecutor()):
            for prompt in ("@everyone", "@here", "<!channel>", chat.mention(Person.BEN)):
                await chat.generate(Person.ADA, Place.HERE, f"{prompt} as a cat")
            await painted(chat, 4)

        assert [message.rang_for for message in chat.messages(Place.HERE)] == [[]] * 4

    async def test_a_request_that_comes_twice_is_taken_once(self, chat: Chat) -> None:
        executor = FakeExecutor()
        async with chat.limner(executor):
            asked = await chat.generate(Person.ADA, Place.HERE, "a cat")
            await chat.deliver_again(asked)
            await painted(chat, 1)
            await chat.deliver_again(asked)
            await chat.generate(Person.ADA, Place.HERE, "a dog")
            await painted(chat, 2)

        assert [work.request.prompt for work in executor.works] == ["a cat", "a dog"]


def about(chat: Chat, prompt: str) -> Sequence[Shown]:
    return [message for message in chat.messages(Place.HERE) if prompt in message.text]


async def painted(chat: Chat, count: int = 1) -> Sequence[Shown]:
    """The messages, once all of so many show pictures and are finished."""

    def all_of_them() -> Sequence[Shown]:
        finished = [one for one in chat.messages(Place.HERE) if any(part.alt_text for part in one.pictures)]
        return finished if len(finished) >= count else []

    return await chat.until(all_of_them)
