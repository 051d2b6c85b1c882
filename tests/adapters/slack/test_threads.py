"""Mentions in channels and threads: what is asked for there, where it is answered, and what is left alone."""

import re

import pytest

from adapters.slack.words import words_for
from tests.adapters.slack.conftest import StartBot
from tests.adapters.slack.watching import (
    LACONIC,
    Rows,
    answered,
    asked_for,
    asker,
    finished,
    image_of,
    link_to,
    only_ids_are_told,
    paint,
    picture,
    refinement,
    settled,
    shown_in,
    told,
    unchanged,
)
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Channel, FakeSlack, Person, Upload, payloads, people

ENGLISH = words_for("en")


@pytest.fixture
def signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """What people choose from lists, and all links, come in Slack's own signs."""
    monkeypatch.setattr(people, "TOKEN", re.compile(r"(<[@#!hm][^<>]*>)"))


# In a channel


async def test_a_mention_is_painted_in_the_channel(slack: FakeSlack, art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        await ada.mention(art, "a cat in a hat --steps 4")
        message = await shown_in(slack, art)

        assert asked_for(limner).prompt == "a cat in a hat"
        assert asked_for(limner).num_inference_steps == 4
        assert message.thread_ts is None


@pytest.mark.parametrize("text", ["<@bot>, a cat", "a cat <@bot>", "<@bot> a <@bot>: cat <@bot>", "\n<@bot>\na cat"])
async def test_the_mention_itself_is_no_part_of_the_words(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, text: str
) -> None:
    async with bot() as limner:
        await ada.say(art, text)
        await shown_in(slack, art)

        assert asked_for(limner).prompt == "a cat"
        assert len(limner.executor.works) == 1


@pytest.mark.usefixtures("signs")
async def test_names_channels_and_links_in_a_mention_come_as_words(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    text = (
        f"{ben.tag} <@{ada.id}|ada> & a <dog> in <#C012AB3CD|art> <#C012AB3CE|> <!here> <http://x.org|x.org> "
        "<https://example.org/?a=1> <mailto:ada@x.org|ada@x.org>"
    )
    async with bot() as limner:
        await ada.mention(art, text)
        message = await shown_in(slack, art)

        said = "Ben ada & a <dog> in art here x.org https://example.org/?a=1 ada@x.org"
        assert asked_for(limner).prompt == said
    assert message.pings == []


async def test_somebody_whom_slack_does_not_name_is_somebody(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        slack.fail("users.info", times=None, error="user_not_found")
        await ada.mention(art, f"a portrait of {ben.tag}")
        await shown_in(slack, art)

        assert asked_for(limner).prompt == "a portrait of somebody"


@pytest.mark.usefixtures("signs")
async def test_a_mention_with_a_link_or_an_id_refines_what_it_names(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        first = await paint(slack, rows, ada, art)
        await paint(slack, rows, ada, art, "a dog")
        ways = (
            f"<{link_to(first)}> warmer",
            f"<{link_to(first)}?a=1&amp;b=2|this one> warmer",
            f"warmer --image <{link_to(first)}>",
            f"warmer \u2014image `{image_of(first)}`",
            f"{image_of(first)} warmer",
        )
        for number, text in enumerate(ways, start=3):
            await ben.mention(art, text)
            await settled(slack, rows, ["delivered"] * number)

            assert refinement(limner).image_id == image_of(first)
            assert refinement(limner).prompt == "warmer"


async def test_a_mention_with_a_strength_or_a_number_refines_ones_own_last_image_here(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        own = await paint(slack, rows, ada, art, "a cat --images 2")
        await paint(slack, rows, ben, art, "a dog")
        await ada.mention(art, "warmer --image 1")
        await settled(slack, rows, ["delivered"] * 3)
        assert refinement(limner).image_id == own.value("limner:refine:1")

        await ada.mention(art, "warmer --strength 0.3")
        await settled(slack, rows, ["delivered"] * 4)
        assert refinement(limner).image_id == image_of(finished(art)[-2])


@pytest.mark.parametrize("text", ["help", "Hi!", "hello", "HELP.", "?"])
async def test_a_greeting_is_answered_with_what_can_be_done(
    art: Channel, ada: Person, bot: StartBot, rows: Rows, text: str
) -> None:
    async with bot() as limner:
        with unchanged(limner, rows):
            assert "Press *Refine*" in await answered(art, ada, ada.mention(art, text))


# In a thread


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


async def test_a_number_in_the_thread_of_a_set_is_one_of_that_set(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        result = await paint(slack, rows, ada, art, "a cat --images 3")
        await ben.mention(art, "warmer --image 2", thread=result)
        await settled(slack, rows, ["delivered"] * 2)
        assert refinement(limner).image_id == result.value("limner:refine:2")

        await ben.mention(art, "colder --image 3", thread=result)
        await settled(slack, rows, ["delivered"] * 3)
        assert refinement(limner).image_id == result.value("limner:refine:3")
        with unchanged(limner, rows):
            answer = await answered(art, ben, ben.mention(art, "colder --image 4", thread=result))
        assert answer == "There is no image 4 in this message, only 1, 2, 3."
        assert art.whispers[-1].thread_ts == result.ts


async def test_a_number_in_a_thread_is_one_of_the_newest_set_where_a_later_one_is_a_set(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        result = await paint(slack, rows, ada, art, "a cat")
        await ada.mention(art, "warmer --images 2", thread=result)
        later = await shown_in(slack, art, 2)
        await settled(slack, rows, ["delivered"] * 2)
        await ada.mention(art, "colder --image 1", thread=result)
        await settled(slack, rows, ["delivered"] * 3)

        assert refinement(limner).image_id == later.value("limner:refine:1")


async def test_the_thread_of_somebodys_command_is_open_to_all_in_the_channel(
    slack: FakeSlack, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    attic = slack.channel("attic", private=True)
    async with bot() as limner:
        result = await paint(slack, rows, ada, attic)
        await ben.mention(attic, "warmer", thread=result)
        await shown_in(slack, attic, 2)

        assert refinement(limner).image_id == image_of(result)


async def test_a_mention_in_any_other_thread_is_painted_there(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        said = await ada.say(art, "What shall we paint?")
        assert said.message is not None
        await ada.mention(art, "a cat", thread=said.message)
        result = await shown_in(slack, art)
        await settled(slack, rows, ["delivered"])
        assert asked_for(limner).prompt == "a cat"

        await ada.mention(art, "warmer", thread=said.message)
        await shown_in(slack, art, 2)
        assert refinement(limner).image_id == image_of(result)
    assert {one.thread_ts for one in finished(art)} == {said.message.ts}


@pytest.mark.parametrize("text", ["warmer --image 2", "warmer --strength 0.3"])
async def test_what_can_only_be_refined_is_not_looked_for_outside_the_thread(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, text: str
) -> None:
    async with bot() as limner:
        await paint(slack, rows, ada, art)
        said = await ada.say(art, "What shall we paint?")
        with unchanged(limner, rows):
            answer = await answered(art, ada, ada.mention(art, text, thread=said.message))

    assert answer == ENGLISH.say("image.none_in_thread")


async def test_images_that_were_deleted_are_passed_over(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        result = await paint(slack, rows, ada, art)
        await ada.mention(art, "warmer", thread=result)
        later = await shown_in(slack, art, 2)
        await settled(slack, rows, ["delivered"] * 2)
        await limner.service.delete(image_of(later), asker(ada))
        await ada.mention(art, "colder", thread=result)
        await settled(slack, rows, ["delivered"] * 3)

        assert refinement(limner).image_id == image_of(result)


async def test_in_the_thread_of_what_is_still_painted_it_is_told_to_wait(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    executor = FakeExecutor()
    executor.hold()
    async with bot(executor, tempo=LACONIC):
        await ada.command(art, "/generate", "a cat")
        await slack.until(lambda: executor.works and art.messages and rows.notes() != [""])
        answer = await answered(art, ada, ada.mention(art, "warmer", thread=art.messages[0]))

        assert answer == ENGLISH.say("picture.not_yet")
        assert rows.statuses() == ["running"]


async def test_what_is_asked_privately_in_a_thread_comes_directly(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        result = await paint(slack, rows, ada, art)
        await ada.mention(art, "warmer --private", thread=result)
        await shown_in(slack, slack.dm(ada))
        await told(slack, art, ada, "privately")

        assert refinement(limner).image_id == image_of(result)
    assert [one for one in art.messages if one.user is slack.bot] == [result]


# With a picture


async def test_a_picture_that_comes_with_a_mention_is_refined(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        await ada.say(art, "<@bot> in oil --strength 0.7", files=[picture()])
        result = await shown_in(slack, art)

        assert (refinement(limner).prompt, refinement(limner).strength) == ("in oil", 0.7)
        assert result.pictures[0].file.pixels == (128, 64)


async def test_a_picture_goes_before_the_images_of_a_thread(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        result = await paint(slack, rows, ada, art)
        await ada.say(art, "<@bot> in oil", thread=result, files=[picture()])
        refined = await shown_in(slack, art, 2)

        assert refinement(limner).image_id != image_of(result)
        assert refined.thread_ts == result.ts


@pytest.mark.parametrize("named", ["--image 1", "--image {id}", "{id}"])
async def test_of_a_picture_and_an_image_only_one_may_be_meant(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, named: str
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        text = f"<@bot> {named.replace('{id}', image_of(message))} in oil"
        with unchanged(limner, rows):
            answer = await answered(art, ada, ada.say(art, text, files=[picture()]))

    assert answer == ENGLISH.say("picture.and_image")


async def test_a_picture_of_which_slack_tells_only_the_id_is_looked_up(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_ids_are_told(monkeypatch)
    async with bot() as limner:
        await ada.say(art, "<@bot> in oil", files=[picture()])
        await shown_in(slack, art)

        assert refinement(limner).prompt == "in oil"


@pytest.mark.parametrize(
    ("error", "upload", "said"),
    [
        ("file_not_found", picture(), "picture.not_there"),
        ("", Upload("mine.txt", "text/plain", b"a cat"), "picture.none"),
    ],
)
async def test_what_is_looked_up_in_vain_is_told(
    slack: FakeSlack,
    art: Channel,
    ada: Person,
    bot: StartBot,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    error: str,
    upload: Upload,
    said: str,
) -> None:
    only_ids_are_told(monkeypatch)
    async with bot() as limner:
        if error:
            slack.fail("files.info", error=error)
        with unchanged(limner, rows):
            answer = await answered(art, ada, ada.say(art, "<@bot> in oil", files=[upload]))

    assert answer in (ENGLISH.sentences.get(said), ENGLISH.sentences.get(f"mistake.{said}"))


# Mistakes


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Say in words what to paint"),
        ("--steps 4", "Say in words what to paint"),
        ("a cat --stpes 4", "Did you mean “--steps”?"),
        ("a cat \u2014stpes 4", "Did you mean “--steps”?"),
        ("a cat --size @everyone", "not like “@\u200beveryone”"),
        ("https://example.org/cat.png in oil", "I know no image by that"),
    ],
)
@pytest.mark.parametrize("in_thread", [False, True])
async def test_a_mistake_is_told_privately_where_it_was_made(
    art: Channel, ada: Person, bot: StartBot, rows: Rows, text: str, said: str, in_thread: bool
) -> None:
    async with bot() as limner:
        root = (await ada.say(art, "Look!")).message if in_thread else None
        with unchanged(limner, rows):
            assert said in await answered(art, ada, ada.mention(art, text, thread=root))

    assert art.whispers[0].thread_ts == (root.ts if root else None)
    assert art.whispers[0].pings == []


# What is not for the bot


async def test_what_is_said_to_others_or_by_the_bot_is_left_alone(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        await ada.say(art, "a cat")
        await ada.say(art, f"{ben.tag} a cat")
        await ada.say(art, "@limner a cat <!channel>")
        await paint(slack, rows, ada, art, "a dog")

        assert len(limner.executor.works) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"bot_id": "B012AB3CD", "bot_profile": {"id": "B012AB3CD", "name": "Other"}},
        {"bot_id": "B012AB3CD", "subtype": "bot_message", "user": None},
        {"user": None},
        {"edited": {"user": "U012AB3CD", "ts": "1.0"}},
    ],
    ids=["a bot", "a workflow", "nobody", "an edit"],
)
async def test_bots_workflows_and_edits_are_not_listened_to(
    slack: FakeSlack,
    art: Channel,
    ada: Person,
    bot: StartBot,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    fields: dict[str, object],
) -> None:
    tell = payloads.message
    async with bot() as limner:
        with monkeypatch.context() as strange:
            strange.setattr(payloads, "message", lambda message: tell(message) | fields)
            said = await ada.mention(art, "a cat")
            await said.until(lambda one: one.acknowledged)
        await paint(slack, rows, ada, art, "a dog")

        assert [work.request.prompt for work in limner.executor.works] == ["a dog"]
    assert art.whispers == []


async def test_a_message_that_is_edited_is_not_taken_again(
    slack: FakeSlack, ada: Person, bot: StartBot, rows: Rows
) -> None:
    talk = slack.dm(ada)
    async with bot() as limner:
        said = await ada.say(talk, "a cat")
        await shown_in(slack, talk)
        assert said.message is not None
        before = payloads.message(said.message)
        slack.events.tell_changed(said.message, before)
        await paint(slack, rows, ada, talk, "a dog")

        assert [work.request.prompt for work in limner.executor.works] == ["a cat", "a dog"]
