"""People on Discord, and what they do there."""

from collections import deque
from typing import Any

from benchmarks.community.chance import ASKERS, CHANNELS, ENDLESS, NEWCOMERS, PATIENCE, PEOPLE, REMEMBERED, Chance, Deed
from tests.fakes.discord import Asked, Channel, FakeDiscord, FakeMessage, Person, Upload


class DiscordPeople:
    def __init__(self, discord: FakeDiscord, chance: Chance) -> None:
        self._discord = discord
        self._chance = chance
        self._guild = guild = discord.guild("Studio")
        self._channels = [guild.channel(f"art {number}") for number in range(CHANNELS)]
        self._mo = discord.person("Mo")
        guild.join(self._mo, manage_messages=True, manage_guild=True)
        self._people = [discord.person(f"Person {number}") for number in range(PEOPLE)]
        self._number = 0
        #: Who asked for something lately.
        self._askers: deque[Person] = deque(maxlen=ASKERS)

    def deeds(self) -> list[Deed]:
        return [
            *[self.generate] * 6,
            *[self.generate_privately] * 2,
            self.say_a_mistake,
            self.mention,
            self.bring,
            *[self.press] * 3,
            *[self.refine] * 2,
            self.look,
            self.delete,
            self.forget,
            *[self.cancel] * 2,
        ]

    def _someone(self) -> tuple[Person, Channel]:
        return self._chance.random.choice(self._people), self._chance.random.choice(self._channels)

    def _finished(self) -> list[FakeMessage]:
        return [one for channel in self._channels for one in channel.messages if _has(one, "delete")]

    async def generate(self, **more: Any) -> None:
        person, channel = self._someone()
        self._askers.append(person)
        said = {"steps": self._chance.steps(), "size": self._chance.typed_size(), **more}
        asked = await person.command(channel, "generate", prompt=self._chance.prompt(), **said)
        await asked.until(lambda one: one.acknowledged, PATIENCE)

    async def generate_privately(self) -> None:
        await self.generate(private=True, images=2)

    async def cancel(self) -> None:
        person, channel = self._someone()
        prompt = self._chance.prompt()
        await person.command(channel, "generate", prompt=prompt, steps=ENDLESS, size="64x64")

        def shown() -> FakeMessage | None:
            return next((one for one in channel.messages if prompt[:40] in one.text and _has(one, "cancel")), None)

        message = await self._discord.until(shown, PATIENCE)
        assert message is not None
        await person.click(message, _button(message, "cancel"))

    async def say_a_mistake(self) -> None:
        await self.generate(size="large")

    async def mention(self) -> None:
        person, channel = self._someone()
        size, steps = self._chance.typed_size(), self._chance.steps()
        await person.say(channel, f"<@bot> {self._chance.prompt()} --size {size} --steps {steps}")

    async def bring(self) -> None:
        person, channel = self._someone()
        picture = Upload("mine.png", "image/png", self._chance.picture())
        asked = await person.command(channel, "refine", prompt=self._chance.prompt(), picture=picture, steps=8)
        await asked.until(lambda one: one.acknowledged, PATIENCE)

    async def press(self) -> None:
        """Three buttons that ask for no window."""
        person, _ = self._someone()
        message = self._chance.random.choice(self._finished())
        action = self._chance.random.choice(["vary", "again", "recipe"])
        asked = await person.click(message, _button(message, action))
        await asked.until(lambda one: one.acknowledged, PATIENCE)

    async def refine(self) -> None:
        person, _ = self._someone()
        message = self._chance.random.choice(self._finished())
        window = await person.click(message, _button(message, "refine"))
        if self._chance.random.random() < 0.8:
            await person.submit(window, {"prompt": self._chance.prompt()})

    async def look(self) -> None:
        person, channel = self._someone()
        await person.complete(channel, "refine", "image", "a")
        asked = await self._mo.command(channel, "status")
        await asked.until(lambda one: one.acknowledged, PATIENCE)

    async def delete(self) -> None:
        """The moderator does."""
        message = self._chance.random.choice(self._finished())
        await self._confirmed(self._mo, await self._mo.click(message, _button(message, "delete")))

    async def forget(self) -> None:
        person, (_, channel) = self._chance.random.choice(self._askers), self._someone()
        await self._confirmed(person, await person.command(channel, "limner forget"))

    async def _confirmed(self, person: Person, asked: Asked) -> None:
        """Unless there is nothing to confirm."""
        await asked.until(lambda one: one.original and not one.original.thinking, PATIENCE)
        assert asked.original is not None
        if _has(asked.original, "confirm_"):
            sure = await person.click(asked.original, _button(asked.original, "confirm_"))
            await sure.until(lambda one: one.acknowledged, PATIENCE)

    async def trouble(self) -> None:
        """Of one kind or another."""
        edit = "/channels/{channel_id}/messages/{message_id}"
        post = "/channels/{channel_id}/messages"
        match self._chance.random.randrange(4):
            case 0:
                await self._discord.disconnect(resumable=self._chance.random.random() < 0.5)
            case 1:
                self._discord.limit("PATCH", edit, times=3)
            case 2:
                self._discord.limit("POST", post, times=2)
            case 3:
                self._discord.fail("PATCH", edit, status=self._chance.random.choice([500, 503, None]), times=2)

    async def connected(self) -> None:
        await self._discord.until(lambda: self._discord.gateway.ready, 60)

    def newcomers(self) -> None:
        """Some people and a channel take the place of others."""
        self._number += 1
        for _ in range(NEWCOMERS):
            self._people[self._chance.random.randrange(PEOPLE)] = self._discord.person(f"Newcomer {self._number}")
        self._channels.pop(0).delete()
        self._channels.append(self._guild.channel(f"art {CHANNELS + self._number}"))

    def tidy(self) -> None:
        """The platform forgets what nobody will ask for again."""
        self._discord.heal()
        self._discord.requests.clear()
        self._discord.cdn.asked_for.clear()
        self._discord.nonces.clear()
        self._discord.asked.clear()
        for channel in self._channels:
            del channel.record[:-REMEMBERED]
        kept = [one for channel in self._discord.channels.values() for one in channel.record]
        self._discord.messages = {one.id: one for one in kept}


def _has(message: FakeMessage, action: str) -> bool:
    return any(name.startswith(f"limner:{action}") for name in message.custom_ids)


def _button(message: FakeMessage, action: str) -> str:
    return next(name for name in message.custom_ids if name.startswith(f"limner:{action}"))
