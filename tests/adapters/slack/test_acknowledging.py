"""Slack waits three seconds for an acknowledgement: one comes in time, and not before what was asked for is safe."""

from collections.abc import Awaitable, Callable

import pytest

from adapters.slack import app
from adapters.slack.words import words_for
from tests.adapters.slack.conftest import StartBot
from tests.adapters.slack.watching import Rows, asked_for, paint, picture, requests, settled, shown_in, told
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Asked, Channel, FakeMessage, FakeSlack, Person

ENGLISH = words_for("en")
#: Seconds that Slack takes for what is looked up. Long enough to tell who waits for it.
SLOWLY = 0.5

Ask = Callable[[Person, FakeMessage], Awaitable[Asked]]

ASKS: dict[str, Ask] = {
    "/generate": lambda person, message: person.command(message.channel, "/generate", "a dog"),
    "/refine": lambda person, message: person.command(message.channel, "/refine", "more snow"),
    "/limner": lambda person, message: person.command(message.channel, "/limner", "help"),
    "/limner-status": lambda person, message: person.command(message.channel, "/limner-status"),
    "a mention": lambda person, message: person.mention(message.channel, f"a portrait of {message.user.tag}"),
    "a reply": lambda person, message: person.mention(message.channel, "warmer", thread=message),
    "a picture": lambda person, message: person.say(message.channel, "<@bot> in oil", files=[picture()]),
    "a direct message": lambda person, message: person.say(message.channel.fake.dm(person), "a dog"),
    "the home tab": lambda person, message: person.opens_home(),
    "Vary": lambda person, message: person.click(message, "Vary"),
    "Again": lambda person, message: person.click(message, "Again"),
    "Refine": lambda person, message: person.click(message, "Refine"),
    "Recipe": lambda person, message: person.click(message, "Recipe"),
    "Delete": lambda person, message: person.click(message, "Delete"),
    "Refine image": lambda person, message: person.shortcut(message, "Refine image"),
    "Show recipe": lambda person, message: person.shortcut(message, "Show recipe"),
}
LOOKED_UP = ("users.info", "conversations.info", "files.info", "download", "views.publish", "views.open")


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
async def test_whatever_is_asked_is_acknowledged_in_time_however_slow_slack_is(
    slack: FakeSlack,
    art: Channel,
    ada: Person,
    bot: StartBot,
    rows: Rows,
    ask: Ask,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert app.ACKNOWLEDGED < 2
    monkeypatch.setattr(app, "ACKNOWLEDGED", 0.1)
    async with bot():
        message = await paint(slack, rows, ada, art)
    # Started anew, it remembers nobody.
    async with bot():
        for method in LOOKED_UP:
            slack.delay(method, SLOWLY, taken=False)
        asked = await ask(ada, message)
        await asked.until(lambda one: one.acknowledged)

        assert asked.ack_seconds is not None
        assert asked.ack_seconds < SLOWLY
        assert asked.answers == []
        assert asked.error is None


@pytest.mark.parametrize("door", ["/generate", "a mention", "a direct message", "Again"])
async def test_what_is_acknowledged_is_accepted_so_that_no_crash_can_lose_it(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, door: str
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
    async with bot(FakeExecutor(ready=False)):
        slack.delay("users.info", SLOWLY, taken=False)
        asked = await ASKS[door](ada, message)
        await asked.until(lambda one: one.acknowledged)

        assert rows.statuses() == ["done", "queued"]
        assert asked.ack_seconds is not None
        assert asked.ack_seconds > SLOWLY


@pytest.mark.parametrize("method", ["users.info", "conversations.info"])
async def test_a_slow_look_up_only_delays_the_picture(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, method: str
) -> None:
    async with bot():
        slack.delay(method, SLOWLY, taken=False)
        await ada.command(art, "/generate", "a cat")
        await shown_in(slack, art)


async def test_what_several_want_to_know_at_once_is_asked_once(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        for method in ("users.info", "conversations.info"):
            slack.delay(method, SLOWLY, taken=False)
        for prompt in ("a cat", "a dog", "a cow"):
            await ada.command(art, "/generate", prompt)
        await settled(slack, rows, ["delivered"] * 3)

    assert len(requests(slack, "users.info")) == len(requests(slack, "conversations.info")) == 1


@pytest.mark.parametrize("error", ["expired_trigger_id", "exchanged_trigger_id", "internal_error"])
@pytest.mark.parametrize("door", ["button", "menu"])
async def test_a_window_that_came_too_late_is_told(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, error: str, door: str
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
        slack.fail("views.open", error=error)
        pressed = await (ada.click(message, "Refine") if door == "button" else ada.shortcut(message, "refine_image"))
        text = await told(slack, art, ada, "in time")

    assert text == ENGLISH.say("too_slow")
    assert pressed.view is None


# Once


async def test_what_slack_delivers_twice_is_taken_once(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        command = await ada.command(art, "/generate", "a cat")
        message = await shown_in(slack, art)
        await settled(slack, rows, ["delivered"])
        mention = await ada.mention(art, "a dog")
        pressed = await ada.click(message, "Again")
        await settled(slack, rows, ["delivered"] * 3)

        for asked in (command, mention, pressed):
            acks = asked.acks
            await slack.repeat(asked)
            await asked.until(lambda one, acks=acks: one.acks > acks)  # type: ignore[misc]
        await ada.command(art, "/generate", "a cow")
        await settled(slack, rows, ["delivered"] * 4)

        assert len(limner.executor.works) == 4


async def test_what_slack_delivers_again_after_a_restart_is_taken_once(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        mention = await ada.mention(art, "a dog")
        command = await ada.command(art, "/generate", "a cat")
        sent = await ada.say(slack.dm(ada), "a cat as a dog", files=[picture()])
        await settled(slack, rows, ["delivered"] * 3)

    async with bot() as limner:
        for asked in (mention, command, sent):
            acks = asked.acks
            await slack.repeat(asked)
            await asked.until(lambda one, acks=acks: one.acks > acks)  # type: ignore[misc]
        await ada.command(art, "/generate", "a cow")
        await settled(slack, rows, ["delivered"] * 4)

        assert asked_for(limner).prompt == "a cow"
        assert len(limner.executor.works) == 1
    assert rows.read("SELECT count(*) FROM images WHERE job_id IS NULL") == [(1,)]


async def test_a_job_knows_its_requester_and_its_space_by_slacks_ids(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        await paint(slack, rows, ada, art)

    home = f"slack:{slack.team_id}"
    assert rows.read("SELECT requester, space, audience FROM jobs") == [(f"slack:{ada.id}", home, home)]
