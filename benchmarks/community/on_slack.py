"""People on Slack, and what they do there."""

from collections import deque
from collections.abc import Awaitable

from benchmarks.community.chance import ASKERS, CHANNELS, ENDLESS, NEWCOMERS, PATIENCE, PEOPLE, REMEMBERED, Chance, Deed
from tests.fakes.slack import Asked, Channel, FakeMessage, FakeSlack, Person, Upload


class SlackPeople:
    def __init__(self, slack: FakeSlack, chance: Chance) -> None:
        self._slack = slack
        self._chance = chance
        self._channels = [slack.channel(f"art-{number}") for number in range(CHANNELS)]
        self._mo = slack.person("Mo", admin=True)
        self._people = [slack.person(f"Person {number}") for number in range(PEOPLE)]
        self._number = 0
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
        return [one for channel in self._channels for one in channel.messages if "limner:delete" in one.action_ids]

    async def _command(self, command: str, text: str) -> None:
        person, channel = self._someone()
        self._askers.append(person)
        asked = await person.command(channel, command, text)
        await asked.until(lambda one: one.acknowledged, PATIENCE)

    async def generate(self, more: str = "") -> None:
        said = f"--steps {self._chance.steps()}" if "--steps" not in more else ""
        await self._command("/generate", f"{self._chance.prompt()} --size {self._chance.typed_size()} {said} {more}")

    async def generate_privately(self) -> None:
        await self.generate("--private --images 2")

    async def cancel(self) -> None:
        person, channel = self._someone()
        prompt = self._chance.prompt()
        await person.command(channel, "/generate", f"{prompt} --steps {ENDLESS} --size 64x64")

        def shown() -> FakeMessage | None:
            waiting = [one for one in channel.messages if "limner:cancel" in one.action_ids]
            return next((one for one in waiting if prompt[:40] in one.shown), None)

        message = await self._slack.until(shown, PATIENCE)
        assert message is not None
        await person.click(message, "limner:cancel")

    async def say_a_mistake(self) -> None:
        await self.generate("--guidance much")

    async def mention(self) -> None:
        person, channel = self._someone()
        size, steps = self._chance.typed_size(), self._chance.steps()
        await person.mention(channel, f"{self._chance.prompt()} --size {size} --steps {steps}")

    async def bring(self) -> None:
        person, channel = self._someone()
        picture = Upload("mine.png", "image/png", self._chance.picture())
        await person.say(channel, f"<@bot> {self._chance.prompt()} --steps 8", files=[picture])

    async def press(self) -> None:
        person, _ = self._someone()
        message = self._chance.random.choice(self._finished())
        action = self._chance.random.choice(["vary", "again", "recipe"])
        asked = await person.click(message, f"limner:{action}")
        await asked.until(lambda one: one.acknowledged, PATIENCE)

    async def refine(self) -> None:
        person, _ = self._someone()
        window = await person.click(self._chance.random.choice(self._finished()), "limner:refine")
        if self._chance.random.random() < 0.8:
            await person.submit(window, {"prompt": self._chance.prompt()})

    async def look(self) -> None:
        person, _ = self._someone()
        await person.opens_home()
        await self._command("/limner", "status")

    async def delete(self) -> None:
        message = self._chance.random.choice(self._finished())
        await self._confirmed(self._mo, message.channel, self._mo.click(message, "limner:delete"))

    async def forget(self) -> None:
        person, (_, channel) = self._chance.random.choice(self._askers), self._someone()
        await self._confirmed(person, channel, person.command(channel, "/limner", "forget"))

    async def _confirmed(self, person: Person, channel: Channel, asking: Awaitable[Asked]) -> None:
        """Unless there is nothing to confirm."""

        def answers() -> list[FakeMessage]:
            return [one for one in channel.record if one.ephemeral_to is person]

        before = len(answers())
        await asking
        await self._slack.until(lambda: len(answers()) > before, PATIENCE)
        answer = answers()[-1]
        if sure := [name for name in answer.action_ids if "confirm" in name]:
            await person.click(answer, sure[0])
            await self._slack.until(lambda: answer.deleted or not answer.labels, PATIENCE)

    async def trouble(self) -> None:
        match self._chance.random.randrange(4):
            case 0:
                await self._slack.disconnect(self._chance.random.choice([None, "refresh_requested"]))
            case 1:
                self._slack.limit("chat.update", times=2)
            case 2:
                self._slack.limit("chat.postMessage", times=2)
            case 3:
                self._slack.fail("chat.update", status=self._chance.random.choice([500, 503, None]), times=2)

    async def connected(self) -> None:
        await self._slack.until(lambda: self._slack.sockets.ready, 60)

    def newcomers(self) -> None:
        """Some people and a channel take the place of others."""
        self._number += 1
        for _ in range(NEWCOMERS):
            self._people[self._chance.random.randrange(PEOPLE)] = self._slack.person(f"Newcomer {self._number}")
        self._channels.pop(0).archive()
        self._channels.append(self._slack.channel(f"art-{CHANNELS + self._number}"))

    def tidy(self) -> None:
        self._slack.heal()
        self._slack.requests.clear()
        self._slack.asked.clear()
        for channel in self._channels:
            del channel.record[:-REMEMBERED]
