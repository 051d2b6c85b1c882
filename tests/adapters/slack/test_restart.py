"""Restarts: what was shown and asked before one works after it."""

import pytest

from adapters.slack.words import words_for
from tests.adapters.slack.conftest import StartBot
from tests.adapters.slack.watching import (
    Rows,
    answered,
    finished,
    image_of,
    paint,
    picture,
    refinement,
    settled,
    shown_in,
    unchanged,
)
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Channel, FakeSlack, Person

ENGLISH = words_for("en")


async def test_a_window_that_is_open_across_a_restart_works(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
        window = await ada.click(message, "Refine")
        await window.until(lambda one: one.view)
    async with bot() as limner:
        await ada.submit(window, {"prompt": "warmer"})
        await shown_in(slack, art, 2)

        assert refinement(limner).image_id == image_of(message)


async def test_a_window_of_somebodys_picture_is_asked_to_be_opened_again(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        said = (await ada.say(art, "Look!", files=[picture()])).message
        assert said is not None
        window = await ada.shortcut(said, "refine_image")
        await window.until(lambda one: one.view)
    async with bot() as limner:
        with unchanged(limner, rows):
            text = await answered(art, ada, ada.submit(window, {"prompt": "warmer"}))

    assert text == ENGLISH.say("picture.too_late")


async def test_a_window_that_was_sent_before_a_restart_is_taken_once(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        sent = await ada.submit(await ada.click(await paint(slack, rows, ada, art), "Refine"))
        await shown_in(slack, art, 2)
        await settled(slack, rows, ["delivered"] * 2)
    async with bot() as limner:
        await slack.repeat(sent)
        await sent.until(lambda one: one.acks == 2)
        await paint(slack, rows, ada, art, "a dog")

        assert [work.request.prompt for work in limner.executor.works] == ["a dog"]


@pytest.mark.parametrize("what", ["delete", "forget", "purge"])
async def test_a_question_that_is_open_across_a_restart_works(
    slack: FakeSlack, art: Channel, bot: StartBot, rows: Rows, what: str
) -> None:
    mo = slack.person("Mo", admin=True)
    async with bot():
        message = await paint(slack, rows, mo, art)
        await answered(art, mo, mo.click(message, "Delete") if what == "delete" else mo.command(art, "/limner", what))
        question = art.whispers[-1]
    async with bot():
        await mo.click(question, f"limner:confirm_{what}")
        await slack.until(lambda: message.deleted and question.labels == [])


async def test_cancel_and_try_again_work_across_restarts(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(FakeExecutor(ready=False)):
        await ada.command(art, "/generate", "a cat")
        await slack.until(lambda: art.messages and rows.notes() != [""])
    (message,) = art.messages
    async with bot(FakeExecutor(ready=False)):
        await ada.click(message, "Cancel")
        await settled(slack, rows, ["delivered"])
        assert message.labels == ["Try again"]
    async with bot():
        await ada.click(message, "Try again")
        await settled(slack, rows, ["delivered"] * 2)

    assert len(finished(art)) == 1


async def test_a_press_that_slack_sends_again_after_a_restart_is_taken_once(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        pressed = await ada.click(await paint(slack, rows, ada, art), "Vary")
        await shown_in(slack, art, 2)
        await settled(slack, rows, ["delivered"] * 2)
    async with bot() as limner:
        await slack.repeat(pressed)
        await pressed.until(lambda one: one.acks == 2)
        await paint(slack, rows, ada, art, "a dog")

        assert [work.request.prompt for work in limner.executor.works] == ["a dog"]
