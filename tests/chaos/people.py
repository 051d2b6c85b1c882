"""People on both chats, and programs at the HTTP API, who ask for all that can be asked for, at random."""

import asyncio
import itertools
import random
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.fakes import discord, slack

STEPS = 4
#: Seconds between two things that somebody does, at most.
PACE = 0.2
#: Seconds in which the program opens a window, or asks back.
PROMPTLY = 1.0
NAMES = ("Ada", "Ben", "Cleo")


class Words:
    """No two ask for the same. Faults say what the next ones ask for besides."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self.besides: deque[str] = deque()

    def new(self) -> str:
        more = f" {self.besides.popleft()}" if self.besides else ""
        return f"cat {next(self._numbers):05}{more}"


@dataclass(frozen=True, slots=True)
class Erasure:
    """Somebody pressed "Delete for good"."""

    image_id: str
    question: discord.FakeMessage | slack.FakeMessage

    @property
    def told(self) -> str:
        question = self.question
        return question.text if isinstance(question, discord.FakeMessage) else question.shown


class Crowd:
    """Those who do something now and then."""

    def __init__(self, words: Words, chance: random.Random) -> None:
        self.words = words
        self.chance = chance
        self.erasures: list[Erasure] = []

    def acts(self) -> Sequence[Callable[[], Awaitable[None]]]:
        raise NotImplementedError

    async def ask_until(self, is_over: Callable[[], bool]) -> None:
        while not is_over():
            # A program that is killed answers no more, and its messages may be half there.
            with suppress(AssertionError):
                await self.chance.choice(self.acts())()
            await asyncio.sleep(self.chance.uniform(0, PACE))


class OnDiscord(Crowd):
    def __init__(self, fake: discord.FakeDiscord, words: Words, chance: random.Random) -> None:
        super().__init__(words, chance)
        self.fake = fake
        self.people = [fake.person(name) for name in NAMES]
        guild = fake.guild("Studio")
        self.channels = [guild.channel("art"), guild.channel("more art")]
        self.asked: list[discord.Asked] = []

    def acts(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return [
            self.command,
            self.command,
            self.mention,
            self.click,
            self.refine,
            self.reply,
            self.write,
            self.erase,
            self.erase,
        ]

    def whoever(self) -> tuple[discord.Person, discord.Channel]:
        return self.chance.choice(self.people), self.chance.choice(self.channels)

    async def command(self) -> None:
        person, channel = self.whoever()
        how: dict[str, Any] = {
            "images": self.chance.randint(1, 2),
            "private": self.chance.random() < 0.3,
            "steps": STEPS,
        }
        self.asked.append(await person.command(channel, "generate", prompt=self.words.new(), **how))

    async def mention(self) -> None:
        person, channel = self.whoever()
        await person.say(channel, f"<@bot> {self.words.new()} --steps {STEPS}")

    async def write(self) -> None:
        person, _ = self.whoever()
        await person.say(self.fake.dm(person), f"<@bot> {self.words.new()} --steps {STEPS}")

    async def reply(self) -> None:
        person, channel = self.whoever()
        message, _ = self._with_button(person, channel, ["Refine", "Refine 1"])
        assert not message.ephemeral, "Nobody can reply to it."
        await person.say(message.channel, f"{self.words.new()} --image 1", reply_to=message)

    async def click(self) -> None:
        person, channel = self.whoever()
        message, label = self._with_button(
            person, channel, ["Vary", "Again", "Vary 1", "Cancel", "Cancel", "Try again"]
        )
        self.asked.append(await person.click(message, label))

    async def refine(self) -> None:
        person, channel = self.whoever()
        message, label = self._with_button(person, channel, ["Refine", "Refine 1"])
        opened = await person.click(message, label)
        await opened.until(lambda asked: asked.modal, PROMPTLY)
        self.asked.append(await person.submit(opened, {"prompt": self.words.new()}))

    async def erase(self) -> None:
        person, channel = self.whoever()
        message, label = self._with_button(person, channel, ["Delete", "Delete 1"])
        image_id = message.button(label).rpartition(":")[2]
        asked = await person.click(message, label)
        await asked.until(lambda asked: asked.original and "Delete for good" in asked.original.labels, PROMPTLY)
        assert asked.original
        self.erasures.append(Erasure(image_id, asked.original))
        await person.click(asked.original, "Delete for good")

    def _with_button(
        self, person: discord.Person, channel: discord.Channel, labels: Collection[str]
    ) -> tuple[discord.FakeMessage, str]:
        """In a channel, or what this person alone sees."""
        answers = [answer for asked in self.asked if asked.person is person for answer in asked.answers]
        seen = [*channel.messages, *self.fake.dm(person).messages, *answers]
        found = [(message, label) for message in seen for label in labels if label in message.labels]
        assert found, "There is none yet."
        return self.chance.choice(found)


class OnSlack(Crowd):
    def __init__(self, fake: slack.FakeSlack, words: Words, chance: random.Random) -> None:
        super().__init__(words, chance)
        self.fake = fake
        self.people = [fake.person(name) for name in NAMES]
        self.channels = [fake.channel("art"), fake.channel("more-art", private=True)]
        #: By the words that it asks for.
        self.asked: dict[str, slack.Asked] = {}

    def acts(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return [
            self.command,
            self.command,
            self.mention,
            self.click,
            self.refine,
            self.reply,
            self.write,
            self.erase,
            self.erase,
        ]

    def whoever(self) -> tuple[slack.Person, slack.Channel]:
        return self.chance.choice(self.people), self.chance.choice(self.channels)

    async def command(self) -> None:
        person, channel = self.whoever()
        said = self.words.new()
        options = f"--steps {STEPS} --images {self.chance.randint(1, 2)}" + " --private" * (self.chance.random() < 0.3)
        self.asked[said] = await person.command(channel, "/generate", f"{said} {options}")

    async def mention(self) -> None:
        person, channel = self.whoever()
        said = self.words.new()
        self.asked[said] = await person.mention(channel, f"{said} --steps {STEPS}")

    async def write(self) -> None:
        person, _ = self.whoever()
        said = self.words.new()
        self.asked[said] = await person.say(self.fake.dm(person), f"{said} --steps {STEPS}")

    async def reply(self) -> None:
        person, channel = self.whoever()
        message, _ = self._with_button(person, channel, ["Refine", "Refine 1"])
        said = self.words.new()
        self.asked[said] = await person.mention(message.channel, said, thread=message)

    async def click(self) -> None:
        person, channel = self.whoever()
        message, label = self._with_button(
            person, channel, ["Vary", "Again", "Vary 1", "Cancel", "Cancel", "Try again"]
        )
        await person.click(message, label)

    async def refine(self) -> None:
        person, channel = self.whoever()
        message, label = self._with_button(person, channel, ["Refine", "Refine 1"])
        opened = await person.click(message, label)
        await opened.until(lambda asked: asked.view, PROMPTLY)
        said = self.words.new()
        self.asked[said] = await person.submit(opened, {"prompt": said})

    async def erase(self) -> None:
        person, channel = self.whoever()
        message, label = self._with_button(person, channel, ["Delete", "Delete 1"])
        image_id = message.value(label)
        assert image_id
        before = len(message.channel.whispers)
        await person.click(message, label)
        question = await self.fake.until(lambda: self._asks_back(message.channel, image_id, before), PROMPTLY)
        assert question
        self.erasures.append(Erasure(image_id, question))
        await person.click(question, "Delete for good")

    def _asks_back(self, channel: slack.Channel, image_id: str, before: int) -> slack.FakeMessage | None:
        """About this image: an answer to what somebody gave up on may come late."""
        new = [one for one in channel.whispers[before:] if "Delete for good" in one.labels]
        return next((one for one in new if image_id in (one.value("Delete for good") or "")), None)

    def _with_button(
        self, person: slack.Person, channel: slack.Channel, labels: Collection[str]
    ) -> tuple[slack.FakeMessage, str]:
        """In a channel, or in this person's direct messages."""
        seen = [*channel.messages, *self.fake.dm(person).messages]
        found = [(message, label) for message in seen for label in labels if label in message.labels]
        assert found, "There is none yet."
        return self.chance.choice(found)


@dataclass(slots=True)
class Told:
    """What the HTTP API answered, and so promised."""

    #: Job ID -> prompt.
    accepted: dict[str, str] = field(default_factory=dict)
    #: Job ID -> image IDs.
    done: dict[str, list[str]] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)
    #: Image IDs.
    erased: set[str] = field(default_factory=set)
    #: The same, and those of whose erasing nobody heard the answer.
    perhaps_erased: set[str] = field(default_factory=set)
    #: Answers that no promise allows.
    wrong: list[str] = field(default_factory=list)


class OverHttp(Crowd):
    """Programs with a key each, which speak to whatever server there is just now."""

    def __init__(self, keys: Sequence[str], address: Callable[[], str], words: Words, chance: random.Random) -> None:
        super().__init__(words, chance)
        self._keys = keys
        self._address = address
        self.told = {key: Told() for key in keys}
        self._waiting: set[asyncio.Task[None]] = set()

    def acts(self) -> Sequence[Callable[[], Awaitable[None]]]:
        return [self.accept, self.accept, self.generate, self.refine, self.cancel, self.erase, self.download]

    @property
    def waits(self) -> bool:
        return bool(self._waiting)

    async def accept(self) -> None:
        await self._accept(self._key(), {"prompt": self.words.new(), "num_inference_steps": STEPS, "num_images": 2})

    async def refine(self) -> None:
        key = self._key()
        await self._accept(key, {"prompt": self.words.new(), "id": self._image(key)})

    async def _accept(self, key: str, body: Mapping[str, Any]) -> None:
        answer = await self._ask(key, "POST", "/jobs", json=body)
        if answer is not None and answer.status_code == 202:
            self.told[key].accepted[answer.json()["id"]] = body["prompt"]

    async def generate(self) -> None:
        """Waits for its picture, while others go on."""
        task = asyncio.create_task(self._generate(self._key(), self.words.new()), name="waits for a picture")
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _generate(self, key: str, prompt: str) -> None:
        answer = await self._ask(key, "POST", "/generate", json={"prompt": prompt, "num_inference_steps": STEPS})
        if answer is not None and answer.status_code == 200:
            job = answer.json()
            self.told[key].done[job["job_id"]] = [image["id"] for image in job["images"]]

    async def cancel(self) -> None:
        key = self._key()
        job_id = self._one_of(list(self.told[key].accepted)[-3:])
        answer = await self._ask(key, "DELETE", f"/jobs/{job_id}")
        if answer is not None and answer.status_code == 200:
            self.told[key].cancelled.add(job_id)

    async def erase(self) -> None:
        key = self._key()
        image_id = self._image(key)
        self.told[key].perhaps_erased.add(image_id)
        answer = await self._ask(key, "DELETE", f"/images/{image_id}")
        if answer is not None and answer.status_code == 204:
            self.told[key].erased.add(image_id)

    async def download(self) -> None:
        """One's own, and not another's."""
        key, other = self.chance.sample(list(self._keys), 2)
        image_id = self._image(key)
        mine, others = [await self._ask(who, "GET", f"/download/{image_id}") for who in (key, other)]
        if mine is not None and mine.status_code not in (200, 503):
            self.told[key].wrong.append(f"{image_id} is answered with {mine.status_code}")
        if others is not None and others.status_code not in (404, 503):
            self.told[other].wrong.append(f"{image_id} of another key is answered with {others.status_code}")

    def _key(self) -> str:
        return self.chance.choice(self._keys)

    def _image(self, key: str) -> str:
        told = self.told[key]
        images = [image for images in told.done.values() for image in images]
        return self._one_of([image for image in images if image not in told.perhaps_erased])

    def _one_of(self, known: Sequence[str]) -> str:
        assert known, "There is none yet."
        return self.chance.choice(known)

    async def _ask(self, key: str, method: str, path: str, **more: Any) -> httpx.Response | None:
        """None where nobody heard, or nobody knows."""
        headers = {"Authorization": f"Bearer {key}"}
        try:
            async with httpx.AsyncClient(base_url=self._address(), headers=headers, timeout=60, verify=False) as client:
                return await client.request(method, path, **more)
        except httpx.HTTPError:
            return None
