"""The window in which an image is refined, by a button or by a message's menu, and the recipe from that menu."""

import json
from typing import Any

import pytest

from adapters.slack.words import words_for
from bot.jobs import STRENGTH
from tests.adapters.slack.conftest import StartBot
from tests.adapters.slack.judging import breaches
from tests.adapters.slack.watching import (
    Rows,
    answered,
    image_of,
    paint,
    picture,
    refinement,
    requests,
    settled,
    shown_in,
    told,
    told_in_answer,
    unchanged,
)
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Asked, Channel, FakeMessage, FakeSlack, Person, Upload, payloads
from tests.fakes.slack.rules import view_breaches

ENGLISH, GERMAN = words_for("en"), words_for("de")
UNKNOWN = ENGLISH.say("refusal.not_found.image")
NO_STRENGTH = ENGLISH.say("modal.strength.none", usual=STRENGTH)


async def opened(asked: Asked) -> Asked:
    return await asked.until(lambda one: one.view)


async def said(slack: FakeSlack, person: Person, channel: Channel, *files: Upload) -> FakeMessage:
    message = (await person.say(channel, "Look!", files=files)).message
    assert message is not None
    return message


def fields(asked: Asked) -> dict[str, Any]:
    """As they are filled in at first."""
    assert asked.view is not None
    inputs = [block for block in asked.view.blocks if block["type"] == "input"]
    return {block["block_id"]: block["element"].get("initial_value") for block in inputs}


# What it shows


async def test_refine_opens_a_window_with_the_words_filled_in(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art, "a cat --no dogs")
        window = await opened(await ben.click(message, "Refine"))
        assert fields(window) == {"prompt": "a cat", "strength": "0.5"}
        await ben.submit(window, {"strength": "0,4"})
        result = await shown_in(slack, art, 2)

        refined = refinement(limner)
        assert (refined.image_id, refined.prompt, refined.strength) == (image_of(message), "a cat", 0.4)
        assert refined.negative_prompt == "dogs"
        assert "for Ben" in result.shown


async def test_a_window_is_in_the_language_of_who_opens_it(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    dora = slack.person("Dora", locale="de-DE")
    async with bot():
        window = await opened(await dora.click(await paint(slack, rows, ada, art), "Refine"))
        assert window.view is not None
        assert window.view.title == GERMAN.say("modal.title")
        assert fields(window)["strength"] == "0,5"
        sent = await dora.submit(window, {"strength": "2"})
        await sent.until(lambda one: one.errors)

    assert sent.errors == {"strength": GERMAN.say("modal.strength.none", usual=0.5)}


@pytest.mark.parametrize(
    "prompt", ["x" * 2000, "\U0001f408" * 1000, "<&>" * 600, "a\u0301" * 1000, "\u202e" + "w " * 900]
)
async def test_the_longest_words_fit_into_a_window(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, prompt: str
) -> None:
    async with bot():
        window = await opened(await ada.click(await paint(slack, rows, ada, art, f"{prompt} --images 4"), "Refine 4"))

    assert window.view is not None
    form = requests(slack, "views.open")[-1].args["view"]
    form = json.loads(form) if isinstance(form, str) else form
    assert view_breaches(form) == []
    assert breaches(form["blocks"]) == []
    assert len(window.view.private_metadata) < 3000


async def test_a_window_that_comes_too_late_is_told(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        slack.fail("views.open", error="expired_trigger_id")
        with unchanged(limner, rows):
            assert await answered(art, ada, ada.click(message, "Refine")) == ENGLISH.say("too_slow")


# What comes back


@pytest.mark.parametrize(
    ("typed", "meant"), [("", STRENGTH), ("  ", STRENGTH), ("0,4", 0.4), ("1", 1.0), (".25", 0.25)]
)
async def test_a_strength_may_be_written_as(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, typed: str, meant: float
) -> None:
    async with bot() as limner:
        await ada.submit(await ada.click(await paint(slack, rows, ada, art), "Refine"), {"strength": typed})
        await shown_in(slack, art, 2)

        assert refinement(limner).strength == meant


@pytest.mark.parametrize(
    ("values", "errors"),
    [
        *[
            ({"strength": one}, {"strength": NO_STRENGTH})
            for one in ("lots", "0", "2", "-1", "nan", "50%", "--no", "1e0")
        ],
        ({"prompt": " \n "}, {"prompt": ENGLISH.say("modal.prompt.empty")}),
        ({"prompt": "\t", "strength": "7"}, {"prompt": ENGLISH.say("modal.prompt.empty"), "strength": NO_STRENGTH}),
    ],
)
async def test_a_mistake_stands_below_its_field_and_the_window_stays_open(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, values: dict[str, str], errors: Any
) -> None:
    async with bot() as limner:
        window = await opened(await ada.click(await paint(slack, rows, ada, art), "Refine"))
        with unchanged(limner, rows):
            sent = await ada.submit(window, values)
            await sent.until(lambda one: one.errors)
        assert sent.errors == errors
        assert window.view is not None
        assert not window.view.closed
        await ada.submit(window, {"prompt": "warmer", "strength": "0.3"})
        await shown_in(slack, art, 2)

        assert refinement(limner).prompt == "warmer"
    assert art.whispers == []


async def test_a_strength_that_leaves_no_step_is_told(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        window = await opened(await ada.click(await paint(slack, rows, ada, art), "Refine"))
        with unchanged(limner, rows):
            assert "leaves no step" in await answered(art, ada, ada.submit(window, {"strength": "0.001"}))


async def test_a_window_that_is_sent_twice_is_taken_once(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        window = await opened(await ada.click(await paint(slack, rows, ada, art), "Refine"))
        assert window.view is not None
        sent = await ada.submit(window)
        await slack.repeat(sent)
        await shown_in(slack, art, 2)
        await sent.until(lambda one: one.acks == 2)
        window.view.closed = False
        again = await ada.submit(window)
        await again.until(lambda one: one.acknowledged)
        await settled(slack, rows, ["delivered"] * 2)

        assert len(limner.executor.works) == 2


@pytest.mark.parametrize(
    "about",
    [
        "",
        "x" * 3000,
        "[]",
        "null",
        '"channel"',
        "{}",
        '{"channel": 1}',
        '{"channel": "C1", "thread": "", "image": "x"}',
    ],
)
async def test_a_window_of_another_version_is_told_as_such(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, about: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    talk = slack.dm(ada)
    async with bot():
        window = await opened(await ada.click(await paint(slack, rows, ada, art), "Refine"))
        assert window.view is not None
        window.view._form["private_metadata"] = about
        await ada.submit(window)
        await slack.until(lambda: talk.messages)
        assert rows.statuses() == ["done"]

    assert talk.messages[-1].shown == ENGLISH.say("unknown_window")


async def test_a_forged_image_in_a_window_is_unknown(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    """Of a channel that who sends it does not see."""
    cellar = slack.channel("cellar", private=True)
    async with bot() as limner:
        hidden = await paint(slack, rows, ben, cellar)
        window = await opened(await ada.click(await paint(slack, rows, ada, art), "Refine"))
        assert window.view is not None
        about = json.loads(window.view.private_metadata) | {"image": image_of(hidden)}
        window.view._form["private_metadata"] = json.dumps(about)
        with unchanged(limner, rows):
            assert await answered(art, ada, ada.submit(window)) == UNKNOWN


async def test_an_image_that_was_deleted_while_its_window_was_open_is_told_to_be_gone(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        window = await opened(await ben.click(message, "Refine"))
        await ada.click(message, "Delete")
        await slack.until(lambda: art.whispers)
        await ada.click(art.whispers[-1], "Delete for good")
        await slack.until(lambda: message.deleted)
        with unchanged(limner, rows):
            assert await answered(art, ben, ben.submit(window)) == UNKNOWN


async def test_what_admins_forbid_meanwhile_is_told_when_the_window_is_sent(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        window = await opened(await ada.click(await paint(slack, rows, ada, art), "Refine"))
        await answered(art, slack.owner, slack.owner.command(art, "/limner", "pause"))
        with unchanged(limner, rows):
            assert await answered(art, ada, ada.submit(window)) == ENGLISH.say("refusal.paused")


async def test_a_window_answers_in_the_thread_from_which_it_was_opened(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        root = await paint(slack, rows, ada, art)
        await ada.mention(art, "warmer", thread=root)
        reply = await shown_in(slack, art, 2)
        await settled(slack, rows, ["delivered"] * 2)
        await ada.submit(await ada.click(reply, "Refine"), {"prompt": "colder"})
        refined = await shown_in(slack, art, 3)

    assert refined.thread_ts == root.ts


# The menu of a message: Refine image


async def test_the_menu_refines_a_result_in_a_thread(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        root = await paint(slack, rows, ada, art)
        await ada.mention(art, "warmer", thread=root)
        reply = await shown_in(slack, art, 2)
        await settled(slack, rows, ["delivered"] * 2)
        await ben.submit(await ben.shortcut(reply, "Refine image"), {"prompt": "colder"})
        result = await shown_in(slack, art, 3)

        assert refinement(limner).image_id == image_of(reply)
    assert result.thread_ts == root.ts


async def test_the_menu_lets_one_of_a_set_be_chosen(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art, "a cat --images 2")
        second = message.value("limner:refine:2")
        await ada.submit(await ada.shortcut(message, "refine_image"), {"image": second, "prompt": "colder"})
        await shown_in(slack, art, 2)

        assert refinement(limner).image_id == second


async def test_images_keep_their_numbers_when_another_of_the_set_is_deleted(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art, "a cat --images 3")
        await ada.click(message, "Delete 1")
        await slack.until(lambda: art.whispers)
        await ada.click(art.whispers[-1], "Delete for good")
        await slack.until(lambda: len(message.pictures) == 2)
        window = await opened(await ada.shortcut(message, "refine_image"))
        assert window.view is not None
        options = next(block["element"]["options"] for block in window.view.blocks if block["block_id"] == "image")

    assert [option["text"]["text"] for option in options] == ["Image 2", "Image 3"]


async def test_the_menu_refines_somebodys_picture(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        window = await ben.shortcut(await said(slack, ada, art, picture()), "refine_image")
        await ben.submit(window, {"prompt": "the same in snow", "strength": ""})
        await shown_in(slack, art)

        assert (refinement(limner).prompt, refinement(limner).strength) == ("the same in snow", 0.5)


async def test_of_several_pictures_of_somebody_one_must_be_sent_alone(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await said(slack, ada, art, picture(), picture())
        with unchanged(limner, rows):
            assert "one at a time" in await answered(art, ben, ben.shortcut(message, "refine_image"))


async def test_a_message_without_a_picture_says_so(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await said(slack, ada, art)
        with unchanged(limner, rows):
            assert await answered(art, ada, ada.shortcut(message, "refine_image")) == ENGLISH.say("picture.none")
            assert await answered(art, ada, ada.shortcut(message, "show_recipe")) == ENGLISH.say("recipe.none")

    assert requests(slack, "views.open") == []


async def test_a_picture_that_is_not_painted_says_so(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(FakeExecutor(ready=False)):
        await ada.command(art, "/generate", "a cat")
        await slack.until(lambda: art.messages and art.messages[0].labels == ["Cancel"])
        (message,) = art.messages
        assert await answered(art, ada, ada.shortcut(message, "refine_image")) == ENGLISH.say("picture.not_yet")
        await ada.click(message, "Cancel")
        await settled(slack, rows, ["delivered"])
        assert await answered(art, ada, ada.shortcut(message, "refine_image")) == ENGLISH.say("picture.not_painted")


async def test_the_menu_where_the_bot_is_not_says_what_to_type(slack: FakeSlack, ada: Person, bot: StartBot) -> None:
    hall = slack.channel("hall", member=False)
    async with bot():
        asked = await ada.shortcut(await said(slack, ada, hall, picture()), "refine_image")
        await told_in_answer(asked, f"`/invite @{slack.bot.username}`")

    assert requests(slack, "views.open") == []


async def test_the_menu_works_in_direct_messages(slack: FakeSlack, ada: Person, bot: StartBot, rows: Rows) -> None:
    talk = slack.dm(ada)
    async with bot() as limner:
        message = await paint(slack, rows, ada, talk)
        assert "Seed" in await answered(talk, ada, ada.shortcut(message, "show_recipe"))
        await ada.submit(await ada.shortcut(message, "refine_image"), {"prompt": "colder"})
        await shown_in(slack, talk, 2)

        assert refinement(limner).image_id == image_of(message)


async def test_a_picture_that_lies_elsewhere_is_not_fetched_with_the_bots_token(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_of = payloads.file
    monkeypatch.setattr(payloads, "file", lambda file: told_of(file) | {"is_external": True, "mode": "external"})
    async with bot():
        await ada.shortcut(await said(slack, ada, art, picture()), "refine_image")
        await told(slack, art, ada, ENGLISH.say("picture.none"))

    assert requests(slack, "download") == []


async def test_a_picture_that_the_bot_may_not_see_is_told_as_such(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await said(slack, ada, art, picture())
        window = await opened(await ada.shortcut(message, "refine_image"))
        message.remove()
        await ada.submit(window, {"prompt": "the same in snow"})
        await told(slack, art, ada, "The picture is gone from Slack")
    assert rows.statuses() == []


# The menu of a message: Show recipe


async def test_the_menu_shows_the_recipe(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art, "a cat --seed 7 --images 2")
        text = await answered(art, ben, ben.shortcut(message, "show_recipe"))

    assert "Image 1: seed 7" in text
    assert "Image 2: seed 8" in text
