"""Each door to painting and refining on Slack: what is asked there becomes one job, and mistakes are told privately."""

from pathlib import Path

import pytest

from bot.jobs import ImageRequest, Refinement
from tests.adapters.slack.conftest import Bot, StartBot
from tests.adapters.slack.watching import (
    Rows,
    finished,
    image_of,
    paint,
    picture,
    requests,
    settled,
    shown_in,
    told,
    told_in_answer,
    whispered,
)
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Channel, FakeMessage, FakeSlack, Person, Upload, payloads

UNKNOWN = "I know no image by that"
SOME_ID = "9e107d9d-372b-4b7a-9f0f-6d5c0e1f2a3b"


@pytest.fixture
def art(slack: FakeSlack) -> Channel:
    return slack.channel("art")


@pytest.fixture
def ada(slack: FakeSlack) -> Person:
    return slack.person("Ada")


@pytest.fixture
def ben(slack: FakeSlack) -> Person:
    return slack.person("Ben")


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return Rows(tmp_path)


def asked_for(limner: Bot, number: int = 0) -> ImageRequest:
    request = limner.executor.works[number].request
    assert isinstance(request, ImageRequest)
    return request


def refinement(limner: Bot) -> Refinement:
    """The last one that was painted."""
    request = limner.executor.works[-1].request
    assert isinstance(request, Refinement)
    return request


def link_to(message: FakeMessage) -> str:
    where = f"https://{message.channel.team.domain}.slack.com/archives/{message.channel.id}"
    return f"{where}/p{message.ts.replace('.', '')}"


# /generate


async def test_all_options_reach_the_painter(slack: FakeSlack, art: Channel, ada: Person, bot: StartBot) -> None:
    text = (
        "a cat & a <dog> --size 128x64 --steps 4 --seed 7 --guidance 3,5 --images 2 --quality draft --no text, frames"
    )
    async with bot() as limner:
        await ada.command(art, "/generate", text)
        message = await shown_in(slack, art)
        asked = asked_for(limner)

    assert asked.prompt == "a cat & a <dog>"
    assert (asked.width, asked.height, asked.num_inference_steps, asked.seed) == (128, 64, 4, 7)
    assert (asked.guidance_scale, asked.num_images, asked.quality) == (3.5, 2, "draft")
    assert asked.negative_prompt == "text, frames"
    assert len(message.pictures) == 2


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a cat --setps 40", "Did you mean “--steps”?"),
        ("a cat --neagtive dogs", "Did you mean “--negative”?"),
        ("a cat --seed", "`--seed 7`"),
        ("a cat --steps many", "takes a whole number"),
        ("", "The prompt is empty"),
        ("a cat --strength 0.4", "only for refining"),
        ("a cat --steps 100000", "`--steps` goes from"),
    ],
)
async def test_a_mistake_is_told_privately_and_nothing_is_queued(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, text: str, part: str
) -> None:
    async with bot():
        asked = await ada.command(art, "/generate", text)
        await told(slack, art, ada, part)
        await asked.until(lambda one: one.acknowledged)
    assert art.messages == []
    assert rows.statuses() == []


async def test_whoever_asks_privately_is_told_so_and_gets_it_by_direct_message(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        await ada.command(art, "/generate", "a secret cat --private")
        await told(slack, art, ada, "privately")
        await shown_in(slack, slack.dm(ada))

        assert asked_for(limner).prompt == "a secret cat"
    assert art.messages == []


async def test_who_asks_in_a_channel_without_the_bot_reads_there_what_to_type(
    slack: FakeSlack, ada: Person, bot: StartBot, rows: Rows
) -> None:
    hall = slack.channel("hall", member=False)
    async with bot():
        asked = await ada.command(hall, "/generate", "a cat")
        await told_in_answer(asked, f"`/invite @{slack.bot.username}`")
        assert rows.statuses() == []

        hall.invite_bot()
        await ada.command(hall, "/generate", "a cat")
        await shown_in(slack, hall)


async def test_a_closed_channel_without_the_bot_is_answered_so_too(
    slack: FakeSlack, ada: Person, bot: StartBot, rows: Rows
) -> None:
    attic = slack.channel("attic", private=True, member=False)
    async with bot():
        await told_in_answer(await ada.command(attic, "/generate", "a cat"), f"`/invite @{slack.bot.username}`")
    assert rows.statuses() == []


async def test_nobody_is_told_to_invite_the_bot_into_a_talk_of_two(
    slack: FakeSlack, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        asked = await ada.command(slack.dm(ada, ben), "/generate", "a cat")
        text = await told_in_answer(asked, "not in this conversation")

    assert "/invite" not in text
    assert rows.statuses() == []


async def test_private_pictures_can_be_asked_for_where_the_bot_is_not(
    slack: FakeSlack, ada: Person, bot: StartBot
) -> None:
    hall = slack.channel("hall", member=False)
    async with bot():
        asked = await ada.command(hall, "/generate", "a cat --private")
        await told_in_answer(asked, "privately")
        await shown_in(slack, slack.dm(ada))


async def test_an_archived_channel_takes_nothing(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
    async with bot() as limner:
        slack.delay("conversations.info", 0.05, taken=False)
        asked = await ada.click(message, "Again")
        art.archive()
        await slack.until(lambda: "archived" in asked.told + whispered(art, ada))

        assert limner.executor.works == []


async def test_what_slack_cannot_look_up_now_is_not_answered_with_an_invitation(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        slack.fail("conversations.info", status=503)
        await ada.command(art, "/generate", "a cat")
        text = await told(slack, art, ada, "try again")

    assert "/invite" not in text
    assert rows.statuses() == []


async def test_a_name_that_slack_does_not_tell_keeps_nobody_waiting(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        slack.fail("users.info", times=None)
        await paint(slack, rows, ada, art)


async def test_what_was_typed_rings_for_nobody(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    slack.escapes_commands = False
    async with bot():
        await paint(slack, rows, ada, art, f"<!channel> <!here> @channel {ben.tag} a *cat* --no <!everyone>")
        await ada.command(art, "/generate", f"a cat --x<!channel> {ben.tag}")
        await told(slack, art, ada, "option")

    assert [message.pings for message in art.record] == [[] for _ in art.record]


# /refine


async def test_refine_takes_an_id_a_link_or_the_last_image_here(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        first, last = await paint(slack, rows, ada, art), await paint(slack, rows, ada, art, "a dog")
        named = {"": last, image_of(first): first, link_to(first): first, f"<{link_to(first)}?x=1|here>": first}
        for number, (name, message) in enumerate(named.items(), start=3):
            slack.escapes_commands = not name.startswith("<")
            await ada.command(art, "/refine", f"{name} more snow --strength 0.4")
            await settled(slack, rows, ["delivered"] * number)

            assert refinement(limner).image_id == image_of(message)
            assert (refinement(limner).prompt, refinement(limner).strength) == ("more snow", 0.4)


async def test_one_of_a_set_is_chosen_by_its_number(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art, "a cat --images 3")
        await ada.command(art, "/refine", f"{link_to(message)} more snow")
        await told(slack, art, ada, "Say which one, for example with `--image 2`")
        await ada.command(art, "/refine", f"{link_to(message)} more snow --image 2")
        await shown_in(slack, art, 2)

        assert refinement(limner).image_id == message.value("limner:refine:2")
        await ada.command(art, "/refine", f"{link_to(message)} more snow --image 9")
        await told(slack, art, ada, "no image 9")
    assert len(rows.statuses()) == 2


async def test_without_an_image_here_there_is_nothing_to_refine(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        await paint(slack, rows, ben, art)
        await ada.command(art, "/refine", "more snow")
        await told(slack, art, ada, "no image of yours in this channel")

        assert len(limner.executor.works) == 1


async def test_images_of_another_workspace_are_unknown(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    other = slack.workspace("Another")
    hall, eve = slack.channel("hall", team=other), slack.person("Eve", team=other)
    async with bot() as limner:
        message = await paint(slack, rows, ada, art, "a cat --images 2")
        for named in (image_of(message), link_to(message), SOME_ID):
            before = len(hall.whispers)
            await eve.command(hall, "/refine", f"{named} more snow")
            await slack.until(lambda: len(hall.whispers) > before)  # noqa: B023

            assert UNKNOWN in hall.whispers[-1].shown
        assert len(limner.executor.works) == 1


# Spoken to


async def test_a_mention_is_painted_in_the_channel(slack: FakeSlack, art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        await ada.mention(art, "a cat in a hat --steps 4")
        message = await shown_in(slack, art)

        assert asked_for(limner).prompt == "a cat in a hat"
        assert asked_for(limner).num_inference_steps == 4
        assert message.thread_ts is None


async def test_a_mention_in_the_thread_of_a_result_refines_its_newest_image_there(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        result = await paint(slack, rows, ada, art)
        await ben.mention(art, "warmer light", thread=result)
        first = await shown_in(slack, art, 2)
        await settled(slack, rows, ["delivered"] * 2)
        assert refinement(limner).image_id == image_of(result)

        await ada.mention(art, "more snow --strength 0.3", thread=result)
        second = await shown_in(slack, art, 3)
        await settled(slack, rows, ["delivered"] * 3)
        assert refinement(limner).image_id == image_of(first)
        assert refinement(limner).strength == 0.3
    assert {first.thread_ts, second.thread_ts} == {result.ts}


async def test_a_mention_in_any_other_thread_is_painted_there(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        said = await ada.say(art, "What shall we paint?")
        assert said.message is not None
        await ada.mention(art, "a cat", thread=said.message)
        result = await shown_in(slack, art)

        assert asked_for(limner).prompt == "a cat"
    assert result.thread_ts == said.message.ts


async def test_a_mention_without_words_says_what_can_be_said(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        await ada.mention(art, "")
        await told(slack, art, ada, "Say in words what to paint")
    assert rows.statuses() == []


async def test_words_in_a_direct_message_are_painted(slack: FakeSlack, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        await ada.say(slack.dm(ada), "a cat & a dog --seed 7")
        await shown_in(slack, slack.dm(ada))

        assert asked_for(limner).prompt == "a cat & a dog"
        assert asked_for(limner).seed == 7


async def test_a_picture_in_a_direct_message_is_refined(slack: FakeSlack, ada: Person, bot: StartBot) -> None:
    talk = slack.dm(ada)
    async with bot() as limner:
        await ada.say(talk, "more snow --strength 0.3", files=[picture()])
        result = await shown_in(slack, talk)

        assert (refinement(limner).prompt, refinement(limner).strength) == ("more snow", 0.3)
        assert result.pictures[0].file.pixels == (128, 64)


@pytest.mark.parametrize("content", [b"no picture", b""], ids=["no picture", "nothing"])
async def test_a_file_that_is_no_picture_is_told(
    slack: FakeSlack, ada: Person, bot: StartBot, rows: Rows, content: bytes
) -> None:
    async with bot():
        await ada.say(slack.dm(ada), "more snow", files=[Upload("mine.png", "image/png", content)])
        await told(slack, slack.dm(ada), ada, "picture")
    assert rows.statuses() == []


async def test_a_picture_that_slack_does_not_give_out_is_told(
    slack: FakeSlack, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        slack.fail("download", status=503)
        await ada.say(slack.dm(ada), "more snow", files=[picture()])
        await told(slack, slack.dm(ada), ada, "Slack does not give me this picture")
    assert rows.statuses() == []


async def test_the_bots_own_messages_and_those_to_others_are_left_alone(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        await ada.say(art, "a cat that nobody asked for")
        await ada.say(slack.dm(ada), "a cat")
        await shown_in(slack, slack.dm(ada))
        await settled(slack, rows, ["delivered"])
    assert len(art.messages) == 1


async def test_what_slack_delivers_twice_is_taken_once(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        command = await ada.command(art, "/generate", "a cat")
        await slack.repeat(command)
        message = await shown_in(slack, art)
        mention = await ada.mention(art, "a dog")
        await slack.repeat(mention)
        await shown_in(slack, art, 2)
        await slack.until(lambda: "limner:again" in message.action_ids)
        button = await ada.click(message, "Again")
        await slack.repeat(button)
        await shown_in(slack, art, 3)
        direct = await ada.say(slack.dm(ada), "a cow")
        await slack.repeat(direct)
        await shown_in(slack, slack.dm(ada))
        await direct.until(lambda one: one.acks == 2)
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

        assert [work.request.prompt for work in limner.executor.works] == ["a cow"]
    assert rows.read("SELECT count(*) FROM images WHERE job_id IS NULL") == [(1,)]


# Buttons


async def test_refine_opens_a_window_with_the_words_filled_in(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art, "a cat --no dogs")
        pressed = await ben.click(message, "Refine")
        await pressed.until(lambda one: one.view)
        await ben.submit(pressed, {"strength": "0,4"})
        result = await shown_in(slack, art, 2)

        assert refinement(limner).image_id == image_of(message)
        assert (refinement(limner).prompt, refinement(limner).strength) == ("a cat", 0.4)
        assert refinement(limner).negative_prompt == "dogs"
        assert "for Ben" in result.shown


@pytest.mark.parametrize("strength", ["much", "7", "0"])
async def test_a_strength_that_is_none_is_told(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, strength: str
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        pressed = await ada.click(message, "Refine")
        sent = await ada.submit(pressed, {"prompt": "a dog", "strength": strength})
        await slack.until(lambda: "--st" in whispered(art, ada) or sent.errors)

        assert len(limner.executor.works) == 1


@pytest.mark.parametrize("label", ["Vary", "Again"])
async def test_vary_and_again_paint_anew(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows, label: str
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        await ben.click(message, label)
        result = await shown_in(slack, art, 2)

        assert limner.executor.works[-1].request.prompt == "a cat"
        assert isinstance(limner.executor.works[-1].request, Refinement) == (label == "Vary")
        assert "for Ben" in result.shown


async def test_the_buttons_in_a_thread_answer_there(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        result = await paint(slack, rows, ada, art)
        await ada.mention(art, "warmer", thread=result)
        reply = await shown_in(slack, art, 2)
        await settled(slack, rows, ["delivered"] * 2)
        await ada.click(reply, "Again")
        again = await shown_in(slack, art, 3)
        pressed = await ada.click(reply, "Refine")
        await ada.submit(pressed, {"prompt": "colder"})
        refined = await shown_in(slack, art, 4)

    assert {again.thread_ts, refined.thread_ts} == {result.ts}


async def test_cancel_is_for_the_owner(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    executor = FakeExecutor()
    executor.hold()
    async with bot(executor):
        await ada.command(art, "/generate", "a cat")
        await slack.until(lambda: executor.works and art.messages)
        (message,) = art.messages
        await ben.click(message, "Cancel")
        await told(slack, art, ben, "only with what is yours")
        assert rows.statuses() == ["running"]

        await ada.click(message, "Cancel")
        await slack.until(lambda: "Cancelled." in message.shown)
        executor.release()
        await ada.click(message, "Try again")
        await shown_in(slack, art)


async def test_the_recipe_is_told_to_who_asks(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art, "a cat --seed 7")
        await ben.click(message, "Recipe")
        assert image_of(message) in await told(slack, art, ben, "Seed: 7")
        await ada.shortcut(message, "show_recipe")
        await told(slack, art, ada, "Seed: 7")


# The shortcut


async def test_the_shortcut_refines_a_result_in_a_thread(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        root = await paint(slack, rows, ada, art)
        await ada.mention(art, "warmer", thread=root)
        reply = await shown_in(slack, art, 2)
        await settled(slack, rows, ["delivered"] * 2)
        asked = await ben.shortcut(reply, "Refine image")
        await ben.submit(asked, {"prompt": "colder"})
        result = await shown_in(slack, art, 3)

        assert refinement(limner).image_id == image_of(reply)
    assert result.thread_ts == root.ts


async def test_the_shortcut_lets_one_of_a_set_be_chosen(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art, "a cat --images 2")
        asked = await ada.shortcut(message, "refine_image")
        second = message.value("limner:refine:2")
        await ada.submit(asked, {"image": second, "prompt": "colder"})
        await shown_in(slack, art, 2)

        assert refinement(limner).image_id == second


async def test_the_shortcut_refines_somebodys_picture(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        said = await ada.say(art, "Look!", files=[picture()])
        assert said.message is not None
        asked = await ben.shortcut(said.message, "refine_image")
        await ben.submit(asked, {"prompt": "the same in snow", "strength": ""})
        await slack.until(lambda: len(finished(art)) == 1)

        assert (refinement(limner).prompt, refinement(limner).strength) == ("the same in snow", 0.5)


async def test_the_shortcut_on_a_message_without_a_picture_says_so(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot():
        said = await ada.say(art, "Look!")
        assert said.message is not None
        await ada.shortcut(said.message, "refine_image")
        await told(slack, art, ada, "There is no picture in this message")

    assert requests(slack, "views.open") == []


async def test_the_shortcut_where_the_bot_is_not_says_what_to_type(
    slack: FakeSlack, ada: Person, bot: StartBot
) -> None:
    hall = slack.channel("hall", member=False)
    async with bot():
        said = await ada.say(hall, "Look!", files=[picture()])
        assert said.message is not None
        asked = await ada.shortcut(said.message, "refine_image")
        await told_in_answer(asked, f"`/invite @{slack.bot.username}`")

    assert requests(slack, "views.open") == []


async def test_a_picture_that_lies_elsewhere_is_not_fetched_with_the_bots_token(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_of = payloads.file
    monkeypatch.setattr(payloads, "file", lambda file: told_of(file) | {"is_external": True, "mode": "external"})
    async with bot():
        said = await ada.say(art, "Look!", files=[picture()])
        assert said.message is not None
        await ada.shortcut(said.message, "refine_image")
        await told(slack, art, ada, "There is no picture in this message")

    assert requests(slack, "download") == []


async def test_a_picture_that_the_bot_may_not_see_is_told_as_such(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        said = await ada.say(art, "Look!", files=[picture()])
        assert said.message is not None
        asked = await ada.shortcut(said.message, "refine_image")
        await asked.until(lambda one: one.view)
        said.message.remove()
        await ada.submit(asked, {"prompt": "the same in snow"})
        await told(slack, art, ada, "The picture is gone from Slack")
    assert rows.statuses() == []
