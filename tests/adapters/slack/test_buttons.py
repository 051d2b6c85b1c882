"""What the buttons below a message do, whoever presses them, wherever and whenever."""

import asyncio
import uuid
from dataclasses import replace

import pytest

from adapters.slack.words import words_for
from bot.errors import JobFailed
from bot.jobs import ImageRequest
from bot.service import VARIED
from tests.adapters.slack.conftest import StartBot
from tests.adapters.slack.watching import (
    Rows,
    answered,
    asked_for,
    image_of,
    paint,
    refinement,
    settled,
    shown_in,
    told_in_answer,
    unchanged,
)
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Channel, FakeMessage, FakeSlack, Person
from tests.fakes.slack.posting import post

ENGLISH = words_for("en")
UNKNOWN = ENGLISH.say("refusal.not_found.image")
YEAR = 365 * 24 * 3600.0

#: That the bot may have put below a message in some version of it, or that somebody forged.
GARBAGE = ["x", "../../etc/passwd", "me", "1/2/3", "'; DROP TABLE images; --", str(uuid.UUID(int=0)), "x" * 2000]


@pytest.fixture
def mo(slack: FakeSlack) -> Person:
    return slack.person("Mo", admin=True)


def planted(channel: Channel, action_id: str, value: str | None = None) -> FakeMessage:
    """A message of the bot with such a button: an old one, or one that should not be there."""
    button = {"type": "button", "action_id": action_id, "text": {"type": "plain_text", "text": "Press"}}
    if value is not None:
        button["value"] = value
    return post(channel, {"text": "Something", "blocks": [{"type": "actions", "elements": [button]}]})


async def waiting(slack: FakeSlack, person: Person, channel: Channel, text: str = "a cat") -> FakeMessage:
    """The message of a job that is not painted yet."""
    before = len(channel.messages)
    await person.command(channel, "/generate", text)
    await slack.until(lambda: len(channel.messages) > before and channel.messages[-1].labels == ["Cancel"])
    return channel.messages[-1]


async def noted(slack: FakeSlack, rows: Rows, number: int = 1) -> None:
    await slack.until(lambda: len([note for note in rows.notes() if note]) == number, waiting="a note")


# Vary and Again


@pytest.mark.parametrize("label", ["Vary", "Again"])
async def test_vary_and_again_paint_anew_for_who_presses(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows, label: str
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art, "a cat --no dogs --seed 7")
        await ben.click(message, label)
        result = await shown_in(slack, art, 2)
        await settled(slack, rows, ["delivered"] * 2)

        assert "for Ben" in result.shown
        if label == "Vary":
            varied = refinement(limner)
            assert (varied.prompt, varied.negative_prompt, varied.strength) == ("a cat", "dogs", VARIED)
            assert varied.image_id == image_of(message)
        else:
            first, second = asked_for(limner), asked_for(limner, 1)
            assert second == replace(first, seed=second.seed)
            assert second.seed != 7


async def test_again_of_a_refinement_refines_the_same_image_again(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        first = await paint(slack, rows, ada, art)
        await ada.click(first, "Vary")
        second = await shown_in(slack, art, 2)
        await settled(slack, rows, ["delivered"] * 2)
        await ada.click(second, "Again")
        await shown_in(slack, art, 3)

        assert refinement(limner).image_id == image_of(first)


async def test_buttons_in_a_thread_answer_there(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        result = await paint(slack, rows, ada, art)
        await ada.mention(art, "warmer", thread=result)
        reply = await shown_in(slack, art, 2)
        await settled(slack, rows, ["delivered"] * 2)
        await ada.click(reply, "Again")
        again = await shown_in(slack, art, 3)
        await ada.click(reply, "Vary")
        varied = await shown_in(slack, art, 4)
        assert "Recipe" in await answered(art, ada, ada.click(reply, "Recipe"))

    assert {again.thread_ts, varied.thread_ts} == {result.ts}
    assert art.whispers[-1].thread_ts == result.ts


async def test_buttons_in_direct_messages_answer_there(
    slack: FakeSlack, ada: Person, bot: StartBot, rows: Rows
) -> None:
    talk = slack.dm(ada)
    async with bot():
        result = await paint(slack, rows, ada, talk)
        await ada.click(result, "Again")
        await shown_in(slack, talk, 2)
        await settled(slack, rows, ["delivered"] * 2)
        assert "Seed" in await answered(talk, ada, ada.click(result, "Recipe"))


@pytest.mark.parametrize("label", ["Vary", "Again"])
async def test_a_press_where_the_bot_is_no_more_is_answered_with_what_to_type(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, label: str
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
    art.members.discard(slack.bot)
    async with bot() as limner:
        with unchanged(limner, rows):
            await told_in_answer(await ada.click(message, label), f"`/invite @{slack.bot.username}`")


@pytest.mark.parametrize(
    ("decision", "part"),
    [("pause", "paused painting"), ("block", "take no requests from you"), ("channels", "not allowed in this channel")],
)
@pytest.mark.parametrize("label", ["Vary", "Again"])
async def test_what_admins_forbid_is_not_done_by_a_button_either(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows, decision: str, part: str,
    label: str,
) -> None:  # fmt: skip
    words = {"block": f"block {ada.tag}", "channels": f"channels allow {slack.channel('attic').tag}"}
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        await answered(art, mo, mo.command(art, "/limner", words.get(decision, decision)))
        with unchanged(limner, rows):
            assert part in await answered(art, ada, ada.click(message, label))


# Recipe


async def test_the_recipe_is_told_privately_and_whole(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art, "a *cat* --no dogs --seed 5 --steps 9 --guidance 4")
        with unchanged(limner, rows):
            text = await answered(art, ben, ben.click(message, "Recipe"))

    facts = ["a *cat*", "dogs", "Seed: 5", "64 \u00d7 64", "Steps: 9", "guidance: 4", "`euler`", image_of(message)]
    assert [fact for fact in facts if fact not in text] == []


async def test_the_recipe_of_a_set_tells_all_seeds_and_ids(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art, "a cat --images 3 --seed 5")
        text = await answered(art, ada, ada.click(message, "Recipe"))

    ids = [message.value(f"limner:refine:{number}") for number in (1, 2, 3)]
    assert [f"Image {n}: seed {n + 4}, ID `{one}`" in text for n, one in enumerate(ids, start=1)] == [True] * 3


# Cancel, and Try again


@pytest.mark.parametrize("who", ["ada", "mo"])
@pytest.mark.parametrize("painted", [True, False], ids=["while painted", "waiting"])
async def test_owner_and_admins_cancel(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows, who: str, painted: bool
) -> None:
    executor = FakeExecutor(ready=painted)
    executor.hold(at_step=2)
    async with bot(executor) as limner:
        message = await waiting(slack, ada, art)
        if painted:
            await slack.until(lambda: "Step 1 of" in message.shown)
        await {"ada": ada, "mo": mo}[who].click(message, "Cancel")
        await settled(slack, rows, ["delivered"])

        assert "Cancelled." in message.shown
        assert message.labels == ["Try again"]
        assert len(limner.executor.works) == painted
    assert art.whispers == []
    assert art.messages == [message]


async def test_strangers_cancel_nothing(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor):
        message = await waiting(slack, ada, art)
        await noted(slack, rows)
        assert await answered(art, ben, ben.click(message, "Cancel")) == ENGLISH.say("refusal.forbidden")
        assert rows.statuses() == ["queued"]
        assert not message.deleted
        executor.become_ready()
        await shown_in(slack, art)


async def test_of_two_who_cancel_at_once_one_is_told_that_it_was_cancelled(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(FakeExecutor(ready=False)):
        message = await waiting(slack, ada, art)
        await asyncio.gather(ada.click(message, "Cancel"), mo.click(message, "Cancel"))
        await settled(slack, rows, ["delivered"])
        await slack.until(lambda: art.whispers)

    assert [one.shown for one in art.whispers] == [ENGLISH.say("refusal.already_over.cancelled")]
    assert "Cancelled." in message.shown


async def test_a_cancel_that_comes_after_the_end_is_told_so(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor):
        message = await waiting(slack, ada, art)
        as_it_was = message.contents
        executor.become_ready()
        await settled(slack, rows, ["delivered"])
        now = message.contents
        # Their screen is not fresh any more.
        message.contents = as_it_was
        pressed = ada.click(message, "Cancel")
        text = await answered(art, ada, pressed)
        message.contents = now

    assert text == ENGLISH.say("refusal.already_over.done")
    assert not message.deleted


@pytest.mark.parametrize("ending", ["failed", "cancelled"])
async def test_what_came_to_nothing_is_tried_again_by_whoever_presses(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows, ending: str
) -> None:
    executor = FakeExecutor(ready=ending == "failed")
    if ending == "failed":
        executor.fail_next(JobFailed("out_of_memory", "CUDA out of memory"))
    async with bot(executor) as limner:
        await ada.command(art, "/generate", "a cat --no dogs --steps 5 --images 2 --seed 1")
        await slack.until(lambda: art.messages)
        (message,) = art.messages
        if ending == "cancelled":
            await slack.until(lambda: "Cancel" in message.labels)
            await ada.click(message, "Cancel")
        await settled(slack, rows, ["delivered"])
        executor.become_ready()
        await ben.click(message, "Try again")
        result = await shown_in(slack, art)
        await settled(slack, rows, ["delivered"] * 2)
        request = limner.executor.works[-1].request

    assert isinstance(request, ImageRequest)
    assert (request.prompt, request.negative_prompt, request.num_images) == ("a cat", "dogs", 2)
    assert request.seed != 1
    assert "for Ben" in result.shown
    assert message.labels == ["Try again"]


# A second message of a job


async def test_a_press_on_a_message_that_nobody_edits_does_what_it_says_and_takes_it_away(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(FakeExecutor(ready=False)) as limner:
        slack.fail("chat.postMessage", status=None, taken=True)
        await ada.command(art, "/generate", "a cat")
        await noted(slack, rows)
        stray, message = art.messages
        assert stray.labels == ["Cancel"]
        await ada.click(stray, "Cancel")
        await settled(slack, rows, ["delivered"])
        await slack.until(lambda: stray.deleted)
        assert limner.executor.works == []

    assert art.messages == [message]
    assert "Cancelled." in message.shown


async def test_a_stray_message_of_what_is_painted_goes_with_a_word(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor):
        slack.fail("chat.postMessage", status=None, taken=True)
        await ada.command(art, "/generate", "a cat")
        await noted(slack, rows)
        stray, message = art.messages
        executor.become_ready()
        await settled(slack, rows, ["delivered"])
        assert await answered(art, ada, ada.click(stray, "Cancel")) == ENGLISH.say("refusal.already_over.done")

    assert stray.deleted
    assert art.messages == [message]


# Whenever they are pressed, and whatever they say


async def test_buttons_work_after_months_and_restarts(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art, "a cat --images 2")
    slack.clock.advance(YEAR)
    async with bot():
        for number, label in enumerate(["Vary 2", "Again"], start=2):
            await ada.click(message, label)
            await shown_in(slack, art, number)
            await settled(slack, rows, ["delivered"] * number)
        assert "Recipe" in await answered(art, ada, ada.click(message, "Recipe"))


@pytest.mark.parametrize("action", ["refine", "vary", "again", "recipe", "delete"])
async def test_a_button_of_an_image_that_is_gone_says_so(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, action: str
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        await ada.click(message, "Delete")
        await slack.until(lambda: art.whispers)
        await ada.click(art.whispers[-1], "Delete for good")
        await slack.until(lambda: message.deleted)
        left = planted(art, f"limner:{action}", image_of(message))
        with unchanged(limner, rows):
            assert await answered(art, ada, ada.click(left, "Press")) == UNKNOWN


@pytest.mark.parametrize("action", ["refine", "vary", "again", "retry", "recipe", "cancel", "delete"])
async def test_garbage_for_a_subject_is_answered_and_does_nothing(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, action: str
) -> None:
    async with bot() as limner:
        await paint(slack, rows, ada, art)
        messages = [planted(art, f"limner:{action}", subject) for subject in [*GARBAGE, None]]
        with unchanged(limner, rows):
            for message in messages:
                text = await answered(art, ada, ada.click(message, "Press"))
                assert text in (UNKNOWN, ENGLISH.say("refusal.not_found.job"))


@pytest.mark.parametrize("action_id", ["limner:upscale", "limner:refine:x", "limner:", "paint_1", "limner:42"])
async def test_a_button_that_nobody_knows_is_answered(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, action_id: str
) -> None:
    async with bot() as limner:
        message = planted(art, action_id, "x")
        with unchanged(limner, rows):
            assert await answered(art, ada, ada.click(message, "Press")) == ENGLISH.say("unknown_button")


@pytest.mark.parametrize("label", ["Cancel", "Delete", "Vary", "Recipe"])
async def test_what_is_of_another_workspace_is_unknown_there(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, label: str
) -> None:
    other = slack.workspace("Another")
    hall, eve = slack.channel("hall", team=other), slack.person("Eve", team=other, admin=True)
    executor = FakeExecutor(ready=label != "Cancel")
    async with bot(executor) as limner:
        if label == "Cancel":
            message = await waiting(slack, ada, art)
            await noted(slack, rows)
        else:
            message = await paint(slack, rows, ada, art)
        forged = planted(hall, message.button(label), message.value(label))
        with unchanged(limner, rows):
            key = "refusal.not_found.job" if label == "Cancel" else "refusal.not_found.image"
            assert await answered(hall, eve, eve.click(forged, "Press")) == ENGLISH.say(key)


async def test_who_presses_is_answered_in_their_language(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    dora, german = slack.person("Dora", locale="de-DE"), words_for("de")
    async with bot():
        message = await paint(slack, rows, ada, art)
        assert await answered(art, dora, dora.click(message, "Delete")) == german.say("refusal.forbidden")
        assert "*Rezept*" in await answered(art, dora, dora.click(message, "Recipe"))
        await dora.click(message, "Vary")
        result = await shown_in(slack, art, 2)
        await settled(slack, rows, ["delivered"] * 2)

    assert german.say("button.delete") in result.labels
    assert "Delete" in message.labels
