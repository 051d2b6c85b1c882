"""What becomes of images that the check flags, where they were asked for: shown, covered, held, or not shown."""

import io
import json
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageStat

from bot.pictures import covered
from tests.adapters.slack.conftest import StartBot
from tests.adapters.slack.deciding import (
    ENGLISH,
    flagging,
    is_blur,
    is_painted,
    left_on,
    pressed,
    report_in,
    saying,
    set_rules,
    told_to,
    whisper,
)
from tests.adapters.slack.watching import (
    Rows,
    answered,
    finished,
    only_ids_are_told,
    paint,
    requests,
    settled,
    shown_in,
    told_in_answer,
    whispered,
)
from tests.fakes.executor import FakeExecutor, png
from tests.fakes.slack import Channel, FakeMessage, FakeSlack, Person, Upload

PROMPT = "a very particular cat"


@pytest.fixture
def mo(slack: FakeSlack) -> Person:
    return slack.person("Mo", admin=True)


@pytest.fixture
def mods(slack: FakeSlack, mo: Person) -> Channel:
    channel = slack.channel("mods", private=True)
    channel.members.add(mo)
    return channel


def texts_of(message: FakeMessage) -> str:
    """All of it, with what notifications and screen readers get."""
    return json.dumps([message.text, message.blocks])


# Allow and refuse


async def test_without_a_rule_a_flagged_image_is_not_shown_and_neither_are_its_words(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await ada.command(art, "/generate", PROMPT)
        message = await saying(art, "kept_back.refused", count=1)
        await settled(slack, rows, ["delivered"])

    assert PROMPT not in texts_of(message)
    assert message.labels == ["Why?", "Try again"]
    assert "for Ada" in message.shown
    assert len(art.messages) == 1
    assert slack.files == []


async def test_a_flagged_image_that_is_allowed_is_shown_like_any_other(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await set_rules(mo, art, "flagged allow")
        message = await paint(slack, rows, ada, art, PROMPT)

    assert PROMPT in message.shown
    assert is_painted(message.pictures[0].file)
    assert {"Show", "Why?"}.isdisjoint(message.labels)


async def test_what_is_not_flagged_is_shown_whatever_the_rule(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    executor = FakeExecutor()
    executor.flag()
    async with bot(executor):
        message = await paint(slack, rows, ada, art, PROMPT)

    assert is_painted(message.pictures[0].file)
    assert "Report" in message.labels


async def test_of_a_set_the_others_are_shown_with_a_line_about_the_refused(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging(1, 3)):
        message = await paint(slack, rows, ada, art, f"{PROMPT} --images 4")

    assert len(message.pictures) == 2
    assert PROMPT in message.shown
    assert ENGLISH.say("kept_back.refused", count=2) in message.shown
    assert [label for label in message.labels if label.startswith("Refine")] == ["Refine 2", "Refine 4"]
    assert message.labels[-4:] == ["Again", "Recipe", "Report", "Why?"]


async def test_try_again_asks_for_the_same_once_more(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    executor = flagging()
    async with bot(executor):
        await ada.command(art, "/generate", PROMPT)
        message = await saying(art, "kept_back.refused", count=1)
        await settled(slack, rows, ["delivered"])
        executor.flag()
        await ada.click(message, "Try again")
        result = await shown_in(slack, art)

    assert PROMPT in result.shown


async def test_why_tells_who_asked_and_moderators_and_nobody_else(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await ada.command(art, "/generate", PROMPT)
        message = await saying(art, "kept_back.refused", count=1)
        await settled(slack, rows, ["delivered"])

        assert await told_to(ada, message, "Why?") == ENGLISH.say("why.refused", count=1)
        assert await told_to(mo, message, "Why?") == ENGLISH.say("why.refused", count=1)
        assert await told_to(ben, message, "Why?") == ENGLISH.say("why.not_yours")


async def test_a_rule_of_the_channel_goes_before_that_of_the_workspace(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    hall = slack.channel("hall")
    async with bot(flagging()):
        await set_rules(mo, art, "flagged allow", f"flagged refuse {hall.tag}")
        await paint(slack, rows, ada, art, PROMPT)
        await ada.command(hall, "/generate", PROMPT)
        await saying(hall, "kept_back.refused", count=1)


async def test_in_direct_messages_it_is_not_shown_either(
    slack: FakeSlack, ada: Person, bot: StartBot, rows: Rows
) -> None:
    talk = slack.dm(ada)
    async with bot(flagging()):
        await ada.say(talk, PROMPT)
        message = await saying(talk, "kept_back.refused", count=1)
        await settled(slack, rows, ["delivered"])

    assert PROMPT not in texts_of(message)


async def test_an_own_message_that_shows_nothing_says_so_where_its_menu_asks_for_more(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await ada.command(art, "/generate", PROMPT)
        message = await saying(art, "kept_back.refused", count=1)
        await settled(slack, rows, ["delivered"])
        told = await answered(art, ada, ada.shortcut(message, "refine_image"))

    assert told == ENGLISH.say("picture.kept_back")


# Spoiler


async def test_a_covered_image_is_a_blur_with_words_that_say_so(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await set_rules(mo, art, "flagged spoiler")
        message = await paint(slack, rows, ada, art, PROMPT)

    (picture,) = message.pictures
    assert is_blur(picture.file)
    assert picture.alt_text == picture.file.alt_txt == ENGLISH.say("alt.covered")
    assert picture.title == ENGLISH.say("done.covered")
    assert message.labels[0] == "Show"
    assert len(slack.files) == 1


@pytest.mark.parametrize("size", [(1024, 1024), (64, 2048), (2048, 64), (8, 8)])
def test_a_blur_has_the_shape_of_the_image_and_none_of_its_details(size: tuple[int, int]) -> None:
    fine = Image.effect_noise(size, 100).convert("RGB")
    flat = Image.new("RGB", size, tuple(map(round, ImageStat.Stat(fine).mean)))
    blurs = []
    for picture in (fine, flat):
        file = io.BytesIO()
        picture.save(file, "PNG")
        blurs.append(Image.open(io.BytesIO(covered(file.getvalue()).bytes)).convert("RGB"))

    assert max(blurs[0].size) == 512
    assert abs(blurs[0].width / blurs[0].height / (size[0] / size[1]) - 1) < 0.1
    # Nearly the same, though one of the two is all details.
    if min(size) > 8:
        assert max(ImageStat.Stat(ImageChops.difference(*blurs)).mean) < 15


async def test_what_is_deleted_while_it_is_uncovered_leaves_no_file(
    slack: FakeSlack,
    art: Channel,
    ada: Person,
    mo: Person,
    bot: StartBot,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with bot(flagging()) as limner:
        await set_rules(mo, art, "flagged spoiler")
        message = await paint(slack, rows, ada, art, PROMPT)
        encode = limner.service.encoded

        async def deleted(*args: Any) -> Any:
            encoded = await encode(*args)
            await ada.click(message, "Delete")
            question = await whisper(art, ada, "Delete this image")
            await (await ada.click(question, "Delete for good")).until(lambda one: one.acknowledged)
            return encoded

        monkeypatch.setattr(limner.service, "encoded", deleted)
        await ada.click(message, "Show")
        await whisper(art, ada, ENGLISH.say("refusal.not_found.image"))
        await slack.until(lambda: message.deleted and left_on(slack) == [])


async def test_show_uncovers_it_for_who_presses_and_for_nobody_else(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await set_rules(mo, art, "flagged spoiler")
        message = await paint(slack, rows, ada, art, PROMPT)
        before = texts_of(message)
        await pressed(ben, message, "Show")
        await pressed(ada, message, "Show")

        for person in (ada, ben):
            (picture,) = (await whisper(art, person, ENGLISH.say("uncovered"))).pictures
            assert is_painted(picture.file)
            assert PROMPT in picture.alt_text
        assert texts_of(message) == before
        # One file, however many look, and in no channel.
        assert len(slack.files) == 2
        assert slack.files[-1].shares == []
        assert len(art.messages) == 1


async def test_show_waits_until_slack_shows_the_file(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await set_rules(mo, art, "flagged spoiler")
        message = await paint(slack, rows, ada, art, PROMPT)
        slack.fail("chat.postEphemeral", error="invalid_blocks", times=2)
        await pressed(ada, message, "Show")

        assert is_painted((await whisper(art, ada, ENGLISH.say("uncovered"))).pictures[0].file)


@pytest.mark.parametrize(
    ("method", "error", "key"),
    [
        ("chat.postEphemeral", "invalid_blocks", "not_shown"),
        ("files.getUploadURLExternal", "storage_limit_reached", "storage_full"),
    ],
)
async def test_what_cannot_be_uncovered_is_told(
    slack: FakeSlack,
    art: Channel,
    ada: Person,
    mo: Person,
    bot: StartBot,
    rows: Rows,
    method: str,
    error: str,
    key: str,
) -> None:
    async with bot(flagging()):
        await set_rules(mo, art, "flagged spoiler")
        message = await paint(slack, rows, ada, art, PROMPT)
        slack.fail(method, error=error, times=5 if key == "not_shown" else 1)
        assert await told_to(ada, message, "Show") == ENGLISH.say(key)


async def test_in_a_set_only_the_flagged_ones_are_covered(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging(2)):
        await set_rules(mo, art, "flagged spoiler")
        message = await paint(slack, rows, ada, art, f"{PROMPT} --images 3")
        assert [is_blur(picture.file) for picture in message.pictures] == [False, True, False]
        assert [label for label in message.labels if label.startswith("Show")] == ["Show 2"]
        assert message.pictures[1].title == ENGLISH.say("done.covered.number", number=2)
        await pressed(ada, message, "Show 2")
        shown = (await whisper(art, ada, ENGLISH.say("uncovered"))).pictures[0]

    assert shown.alt_text.startswith("Image 2: ")


async def test_what_slack_shows_in_no_block_comes_covered_too(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    slack.blocks_show_files = False
    async with bot(flagging()):
        await set_rules(mo, art, "flagged spoiler")
        await paint(slack, rows, ada, art, PROMPT)
        (message,) = finished(art)
        assert all(is_blur(file) for file in message.files)
        assert all(is_blur(file) for file in left_on(slack))
        slack.blocks_show_files = True
        own = next(one for one in art.messages if "Show" in one.labels)
        await pressed(ada, own, "Show")
        assert is_painted((await whisper(art, ada, ENGLISH.say("uncovered"))).pictures[0].file)


async def test_the_home_tab_covers_it_too(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    talk = slack.dm(ada)
    async with bot(flagging()):
        await set_rules(mo, art, "flagged spoiler")
        await paint(slack, rows, ada, art, PROMPT)
        await ada.opens_home()
        home = await slack.until(lambda: slack.home(ada))
        assert home is not None
        (block,) = [block for block in home.blocks if block["type"] == "image"]
        assert block["alt_text"] == ENGLISH.say("alt.covered")
        await ada.click(home, "Show")
        await slack.until(lambda: any(one.pictures for one in talk.messages))

    assert is_painted(talk.messages[-1].pictures[0].file)


async def test_deleting_a_covered_image_takes_all_its_files_from_slack(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await set_rules(mo, art, "flagged spoiler")
        message = await paint(slack, rows, ada, art, PROMPT)
        await pressed(ada, message, "Show")
        await pressed(ada, message, "Delete")
        await pressed(ada, await whisper(art, ada, "Delete this image"), "Delete for good")
        await slack.until(lambda: message.deleted and not left_on(slack))


async def test_what_was_uncovered_before_a_restart_is_forgotten_after_it(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await set_rules(mo, art, "flagged spoiler")
        message = await paint(slack, rows, ada, art, PROMPT)
        await pressed(ada, message, "Show")
        assert len(left_on(slack)) == 2
    async with bot(flagging()):
        await ada.command(art, "/limner", "forget")
        await pressed(ada, await whisper(art, ada, "Nobody can bring it back"), "Erase all of it")
        await slack.until(lambda: message.deleted and not left_on(slack))


# Hold


async def test_a_held_image_waits_and_comes_in_the_same_message_once_approved(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await set_rules(mo, art, f"reports {mods.tag}", "flagged hold")
        await ada.command(art, "/generate", PROMPT)
        message = await saying(art, "kept_back.held", count=1)
        await settled(slack, rows, ["delivered"])
        assert PROMPT not in texts_of(message)
        assert message.labels == ["Why?"]
        assert await told_to(ada, message, "Why?") == ENGLISH.say("why.held", count=1)

        await pressed(mo, await report_in(mods), "Approve")
        result = await shown_in(slack, art)
        await settled(slack, rows, ["delivered"])

        assert result is message
        assert PROMPT in message.shown
        assert is_painted(message.pictures[0].file)
        assert "Why?" not in message.labels


async def test_a_held_image_that_is_refused_stays_away_with_its_words(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await set_rules(mo, art, f"reports {mods.tag}", "flagged hold")
        await ada.command(art, "/generate", PROMPT)
        message = await saying(art, "kept_back.held", count=1)
        await pressed(mo, await report_in(mods), "Refuse")
        assert await saying(art, "kept_back.removed", count=1) is message
        await settled(slack, rows, ["delivered"])

        assert PROMPT not in texts_of(message)
        assert message.labels == ["Why?", "Try again"]
        assert await told_to(ada, message, "Why?") == ENGLISH.say("why.removed", count=1)
        await slack.until(lambda: left_on(slack) == [])


async def test_of_a_set_the_held_one_joins_the_others_once_approved(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging(2)):
        await set_rules(mo, art, f"reports {mods.tag}", "flagged hold")
        message = await paint(slack, rows, ada, art, f"{PROMPT} --images 3")
        assert len(message.pictures) == 2
        assert ENGLISH.say("kept_back.held", count=1) in message.shown
        await pressed(mo, await report_in(mods), "Approve")
        await slack.until(lambda: len(message.pictures) == 3)
        await settled(slack, rows, ["delivered"])

    assert [str(picture.title)[:7] for picture in message.pictures] == ["Image 1", "Image 2", "Image 3"]
    assert ENGLISH.say("kept_back.held", count=1) not in message.shown
    # Those that were there are not uploaded again: three, and the one that covered.
    assert len(slack.files) == 4


async def test_of_a_set_that_came_apart_the_held_one_comes_after_it(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    slack.blocks_show_files = False
    async with bot(flagging(1)):
        await set_rules(mo, art, f"reports {mods.tag}", "flagged hold")
        await paint(slack, rows, ada, art, f"{PROMPT} --images 2")
        await pressed(mo, await report_in(mods), "Approve")
        await slack.until(lambda: len(finished(art)) == 2)
        await settled(slack, rows, ["delivered"])

    first, second = finished(art)
    assert (len(first.files), len(second.files)) == (1, 1)
    assert PROMPT in first.shown
    assert second.text == ""


async def test_deleting_what_is_shown_of_a_set_leaves_the_message_for_what_is_held(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging(1)):
        await set_rules(mo, art, f"reports {mods.tag}", "flagged hold")
        message = await paint(slack, rows, ada, art, f"{PROMPT} --images 2")
        report = await report_in(mods)
        await pressed(ada, message, "Delete 2")
        await pressed(ada, await whisper(art, ada, "Delete image 2"), "Delete for good")
        await slack.until(lambda: not message.pictures)
        assert PROMPT not in texts_of(message)
        await pressed(mo, report, "Approve")
        await slack.until(lambda: message.pictures)

    assert not message.deleted


async def test_without_a_place_for_reports_nothing_can_be_held(
    slack: FakeSlack, art: Channel, mo: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        assert await set_rules(mo, art, "flagged hold") == ENGLISH.say("refusal.nobody_hears")
        assert await set_rules(mo, art, f"flagged hold {art.tag}") == ENGLISH.say("refusal.nobody_hears")


# Words


async def test_words_that_are_refused_are_told_to_who_asked_alone_and_not_repeated(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        await set_rules(mo, art, "words add zeppelin*")
        for ask in (ada.command(art, "/generate", "a Zeppelin at dawn"), ada.mention(art, "a z.e.p.p.e.l.i.n at dawn")):
            told = await answered(art, ada, ask)
            assert told == ENGLISH.say("refusal.words.here", number=1)
            assert "eppelin" not in told
        assert limner.executor.works == []

    assert [one for one in art.messages if one.user is slack.bot] == []
    assert "eppelin" not in whispered(art, ada)


async def test_a_mention_in_a_thread_is_refused_for_its_words_to_who_wrote_it_alone(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
        await set_rules(mo, art, "words add zeppelin")
        # A thread has replies before Slack shows whispers there.
        told = await answered(art, ada, ada.mention(art, "a zeppelin", thread=message))

    assert told == ENGLISH.say("refusal.words.here", number=1)
    assert art.whispers[-1].thread_ts == message.ts


async def test_what_holds_everywhere_is_refused_without_a_rule(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        told = await answered(art, ada, ada.command(art, "/generate", "csam"))
        assert limner.executor.works == []

    assert told == ENGLISH.say("refusal.words.everywhere", number=1)


@pytest.mark.parametrize("shared", [False, True], ids=["told", "looked up"])
async def test_the_name_of_a_picture_that_somebody_brings_counts_too(
    slack: FakeSlack,
    art: Channel,
    ada: Person,
    mo: Person,
    bot: StartBot,
    monkeypatch: pytest.MonkeyPatch,
    shared: bool,
) -> None:
    if shared:
        only_ids_are_told(monkeypatch)
    upload = Upload("my_zeppelin.png", "image/png", png((128, 64)))
    async with bot() as limner:
        await set_rules(mo, art, "words add zeppelin")
        told = await answered(art, ada, ada.say(art, "<@bot> warmer", files=[upload]))
        assert limner.executor.works == []

    assert told == ENGLISH.say("refusal.words.here", number=1)


async def test_a_refusal_for_words_arrives_where_the_bot_is_not(slack: FakeSlack, ada: Person, bot: StartBot) -> None:
    hall = slack.channel("hall", member=False)
    async with bot():
        await told_in_answer(await ada.command(hall, "/generate", "csam --private"), "rule 1")
        assert requests(slack, "chat.postMessage") == []
