"""Discord waits three seconds for a first answer: whatever the database does meanwhile, one comes in time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import structlog

from adapters.discord import intake
from storage.database import Database
from tests.adapters.discord import kept
from tests.adapters.discord.conftest import StartBot
from tests.adapters.discord.watching import buttons, paint, painted, press, told
from tests.fakes.discord import Asked, Channel, FakeDiscord, FakeMessage, Person
from tests.fakes.executor import FakeExecutor

CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"

Ask = Callable[[Person, FakeMessage], Awaitable[Asked]]


def command(name: str, **options: Any) -> Ask:
    return lambda person, message: person.command(message.channel, name, **options)


def button(action: str) -> Ask:
    return lambda person, message: press(person, message, action)


#: What promises an answer before it looks anything up.
PROMISES: dict[str, Ask] = {
    "/generate": command("generate", prompt="a dog"),
    "/refine": command("refine", prompt="in the snow"),
    "/status": command("status"),
    "/limner help": command("limner help"),
    "/limner about": command("limner about"),
    "/limner mydata": command("limner mydata"),
    "/limner forget": command("limner forget"),
    "/limner pause": command("limner pause"),
    "/limner resume": command("limner resume"),
    "/limner block": lambda person, message: person.command(message.channel, "limner block", person=person),
    "/limner unblock": lambda person, message: person.command(message.channel, "limner unblock", person=person),
    "/limner limits": command("limner limits"),
    "/limner channels": command("limner channels", action="list"),
    "/limner purge": command("limner purge"),
    "Vary": button("vary"),
    "Again": button("again"),
}
#: What must look something up first.
LOOK_UPS: dict[str, Ask] = {
    "Refine": button("refine"),
    "Recipe": button("recipe"),
    "Delete": button("delete"),
    "Refine image": lambda person, message: person.menu(message.channel, "Refine image", message),
    "Show recipe": lambda person, message: person.menu(message.channel, "Show recipe", message),
}


@pytest.fixture
def art(discord: FakeDiscord) -> Channel:
    return discord.guild("Studio").channel("art")


@pytest.fixture
def ada(discord: FakeDiscord, art: Channel) -> Person:
    ada = discord.person("Ada")
    assert art.guild
    art.guild.join(ada, manage_guild=True)
    return ada


class Stalled:
    """The database answers nothing until it is told to go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._go_on = asyncio.Event()
        for method in ("all", "_in_turn"):
            monkeypatch.setattr(Database, method, self._late(getattr(Database, method)))

    def _late(self, method: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def late(*args: Any, **kwargs: Any) -> Any:
            await self._go_on.wait()
            return await method(*args, **kwargs)

        return late

    def go_on(self) -> None:
        self._go_on.set()


@pytest.mark.parametrize("ask", PROMISES.values(), ids=PROMISES)
async def test_a_slow_database_does_not_keep_an_answer_from_being_promised(
    bot: StartBot, art: Channel, ada: Person, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        database = Stalled(monkeypatch)
        asked = await ask(ada, message)
        await asked.until(lambda asked: asked.acknowledged)
        database.go_on()

        assert await told(asked)


@pytest.mark.parametrize("ask", LOOK_UPS.values(), ids=LOOK_UPS)
async def test_what_cannot_be_looked_up_in_time_is_told_in_time(
    bot: StartBot, art: Channel, ada: Person, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    monkeypatch.setattr(intake, "PATIENCE", 0.05)
    async with bot() as limner:
        message = await paint(limner, ada, art)
        database = Stalled(monkeypatch)
        asked = await ask(ada, message)

        assert "try again" in await told(asked)
        database.go_on()


async def test_a_window_that_comes_back_is_answered_before_anything_is_looked_up(
    bot: StartBot, art: Channel, ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bot() as limner:
        window = await press(ada, await paint(limner, ada, art), "refine")
        await window.until(lambda window: window.modal)
        database = Stalled(monkeypatch)
        asked = await ada.submit(window, {"prompt": "in the snow"})
        await asked.until(lambda asked: asked.acknowledged)
        database.go_on()

        await painted(limner, asked)


@pytest.mark.parametrize("confirmed", ["generate", "delete", "forget", "purge"])
async def test_a_yes_and_a_cancel_are_answered_before_anything_is_looked_up(
    bot: StartBot, art: Channel, ada: Person, monkeypatch: pytest.MonkeyPatch, confirmed: str
) -> None:
    executor = FakeExecutor()
    async with bot(executor) as limner:
        message = await paint(limner, ada, art)
        match confirmed:
            case "generate":
                executor.hold()
                await ada.command(art, "generate", prompt="a dog")
                question = await art.fake.until(lambda: art.messages[1:] and art.messages[1])
                assert isinstance(question, FakeMessage)
            case "delete":
                question = await asked_back(await press(ada, message, "delete"))
            case _:
                question = await asked_back(await ada.command(art, f"limner {confirmed}"))
        database = Stalled(monkeypatch)
        asked = await ada.click(question, buttons(question)[0])
        await asked.until(lambda asked: asked.acknowledged)
        database.go_on()
        await art.fake.until(lambda: not buttons(question, "confirm") and not buttons(question, "cancel"))


async def asked_back(asked: Asked) -> FakeMessage:
    """The question that an interaction is answered with."""
    await told(asked)
    assert asked.original
    return asked.original


@pytest.mark.parametrize("ask", (PROMISES | LOOK_UPS).values(), ids=PROMISES | LOOK_UPS)
async def test_what_reaches_the_bot_too_late_changes_nothing(
    bot: StartBot, discord: FakeDiscord, art: Channel, ada: Person, ask: Ask
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        asked = await ask(ada, message)
        discord.clock.advance(4)
        with structlog.testing.capture_logs() as logs:
            await discord.until(lambda: [one for one in discord.requests if one.route == CALLBACK][-1].status == 404)
            dog = await paint(limner, ada, art, "a cow")

        assert not asked.acknowledged
        assert [log["event"] for log in logs if log["log_level"] in ("warning", "error")] == [
            "an interaction could not be acknowledged"
        ]
        assert art.messages == [message, dog]
        assert (await kept.jobs(limner, ada), await kept.images(limner, ada)) == (2, 2)


async def test_an_acknowledgement_that_discord_took_and_answered_with_an_error_begins_the_job(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person
) -> None:
    async with bot():
        # discord.py tries again by itself, and is told that there is an answer already.
        discord.fail("POST", CALLBACK, status=500, taken=True)
        asked = await ada.command(art, "generate", prompt="a cat")
        await asked.until(lambda asked: "Your picture will be here" in asked.text, 8)
