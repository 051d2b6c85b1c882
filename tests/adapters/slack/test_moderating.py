"""Reports: what anyone reports, what moderators see of it and decide, and what becomes of the image then."""

import json
from typing import Any

import pytest
from structlog.testing import capture_logs

from adapters.slack.words import words_for
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
    seen,
    set_rules,
    told_to,
    whisper,
)
from tests.adapters.slack.watching import (
    Rows,
    answered,
    finished,
    image_of,
    link_to,
    paint,
    requests,
    settled,
    shown_in,
)
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Channel, FakeMessage, FakeSlack, Person
from tests.fakes.slack.posting import post

GERMAN = words_for("de")
PROMPT = "a very particular cat"
MODERATORS_ONLY = ENGLISH.say("moderators_only")
DECIDED = ENGLISH.say("refusal.already_decided")


@pytest.fixture
def mo(slack: FakeSlack) -> Person:
    return slack.person("Mo", admin=True)


@pytest.fixture
def mods(slack: FakeSlack, mo: Person) -> Channel:
    channel = slack.channel("mods", private=True)
    channel.members.add(mo)
    return channel


def texts_of(message: FakeMessage) -> str:
    return json.dumps([message.text, message.blocks])


async def hold(admin: Person, mods: Channel) -> None:
    await set_rules(admin, mods, f"reports {mods.tag}", "flagged hold")


async def held(
    slack: FakeSlack, rows: Rows, person: Person, channel: Channel, mods: Channel
) -> tuple[FakeMessage, FakeMessage]:
    """The message where it was asked for, and the report."""
    await person.command(channel, "/generate", PROMPT)
    message = await saying(channel, "kept_back.held", count=1)
    await settled(slack, rows, ["delivered"])
    report = await report_in(mods)
    await slack.until(lambda: rows.read("SELECT state FROM reports") == [("told",)])
    return message, report


async def report(person: Person, message: FakeMessage, label: str = "Report it") -> FakeMessage:
    """What stands in place of the question."""
    await pressed(person, message, "Report")
    question = await whisper(message.channel, person, ENGLISH.say("confirm.report"))
    await pressed(person, question, label)
    return question


def posted_again(message: FakeMessage) -> FakeMessage:
    """As if Slack had taken the post twice."""
    blocks = [{key: part for key, part in block.items() if key != "block_id"} for block in message.blocks]
    return post(message.channel, {"text": message.text, "blocks": blocks})


# Reporting


async def test_whoever_sees_an_image_reports_it_after_being_asked_once(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        await set_rules(mo, mods, f"reports {mods.tag}")
        message = await paint(slack, rows, ada, art, PROMPT)
        question = await report(ben, message)
        assert question.shown == ENGLISH.say("reported.told")
        told = await report_in(mods)

    assert ENGLISH.say("report.reported", person="Ada") in told.shown
    assert PROMPT in told.shown
    assert f"<{link_to(message)}>" in told.shown
    assert told.labels == ["Show", "Approve", "Refuse", "Block"]
    assert {told.value(label) for label in told.labels} == {image_of(message)}
    (picture,) = told.pictures
    assert is_blur(picture.file)
    assert picture.alt_text == ENGLISH.say("alt.covered")
    # Who reported is on record alone, and what the notification says is no prompt.
    assert "Ben" not in texts_of(told)
    assert PROMPT not in told.text
    assert told.pings == []
    (post,) = [one for one in requests(slack, "chat.postMessage") if one.args["channel"] == mods.id]
    assert post.args["unfurl_links"] is False


async def test_a_question_can_be_answered_with_no(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        await set_rules(mo, mods, f"reports {mods.tag}")
        message = await paint(slack, rows, ada, art, PROMPT)
        assert (await report(ben, message, "Do not report")).shown == ENGLISH.say("kept_quiet")

    assert rows.read("SELECT * FROM reports") == []
    assert mods.messages == []


async def test_of_a_set_the_question_says_which(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        await set_rules(mo, mods, f"reports {mods.tag}")
        message = await paint(slack, rows, ada, art, f"{PROMPT} --images 3")
        await pressed(ben, message, "Report")
        question = await whisper(art, ben, ENGLISH.say("confirm.report"))
        assert question.labels == ["Report 1", "Report 2", "Report 3", "Do not report"]
        await pressed(ben, question, "Report 2")
        told = await report_in(mods)

    assert told.value("Approve") == message.value("limner:refine:2")


async def test_without_a_place_a_report_waits_for_one(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art, PROMPT)
        assert (await report(ben, message)).shown == ENGLISH.say("reported.unheard")
        await set_rules(mo, mods, f"reports {mods.tag}")
        await report_in(mods)


async def test_what_is_reported_twice_is_told_once(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        await set_rules(mo, mods, f"reports {mods.tag}")
        message = await paint(slack, rows, ada, art, PROMPT)
        await report(ben, message)
        told = await report_in(mods)
        assert (await report(ada, message)).shown == ENGLISH.say("reported.known")
        await pressed(mo, told, "Approve")
        assert (await report(ada, message)).shown == ENGLISH.say("reported.decided")

    assert len(mods.messages) == 1


async def test_a_report_about_direct_messages_has_no_link(
    slack: FakeSlack, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    talk = slack.dm(ada)
    async with bot():
        await set_rules(mo, mods, f"reports {mods.tag}")
        message = await paint(slack, rows, ada, talk, PROMPT)
        await report(ada, message)
        told = await report_in(mods)
        # Though nobody else could see it there, moderators can here.
        await pressed(mo, told, "Show")
        assert is_painted((await whisper(mods, mo, ENGLISH.say("uncovered"))).pictures[0].file)

    assert "archives" not in texts_of(told)


async def test_a_report_comes_without_what_slack_does_not_give(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        await set_rules(mo, mods, f"reports {mods.tag}")
        message = await paint(slack, rows, ada, art, PROMPT)
        slack.fail("chat.getPermalink", error="message_not_found")
        slack.blocks_show_files = False
        await report(ada, message)
        told = await report_in(mods)

    assert "archives" not in texts_of(told)
    assert told.pictures == []
    assert PROMPT in told.shown


async def test_reports_speak_the_language_of_who_asked(
    slack: FakeSlack, art: Channel, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    dora = slack.person("Dora", locale="de-DE")
    async with bot(flagging()):
        await hold(mo, mods)
        await dora.command(art, "/generate", PROMPT)
        told = await seen(mods, lambda one: "Freigeben" in one.labels)
        assert GERMAN.say("report.held", person="Dora") in told.shown
        await pressed(mo, told, "Freigeben")
        assert GERMAN.say("report.approved", moderator="Mo", person="Dora") in told.shown


# Deciding


async def test_moderators_see_what_is_held_and_nobody_else_does(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await hold(mo, mods)
        _, told = await held(slack, rows, ada, art, mods)
        assert ENGLISH.say("report.held", person="Ada") in told.shown
        assert is_blur(told.pictures[0].file)
        mods.members.add(ben)
        assert await told_to(ben, told, "Show") == MODERATORS_ONLY
        await pressed(mo, told, "Show")
        assert is_painted((await whisper(mods, mo, ENGLISH.say("uncovered"))).pictures[0].file)


@pytest.mark.parametrize("label", ["Approve", "Refuse", "Block"])
async def test_who_is_no_moderator_decides_nothing(
    slack: FakeSlack,
    art: Channel,
    ada: Person,
    ben: Person,
    mo: Person,
    mods: Channel,
    bot: StartBot,
    rows: Rows,
    label: str,
) -> None:
    async with bot(flagging()):
        await hold(mo, mods)
        _, told = await held(slack, rows, ada, art, mods)
        before, kept = texts_of(told), rows.everything()
        mods.members.add(ben)
        assert await told_to(ben, told, label) == MODERATORS_ONLY

    assert texts_of(told) == before
    assert rows.everything() == kept


async def test_an_approved_report_says_who_approved_and_keeps_the_covered_picture(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await hold(mo, mods)
        message, told = await held(slack, rows, ada, art, mods)
        await pressed(mo, told, "Approve")
        await shown_in(slack, art)
        assert PROMPT in message.shown
        assert ENGLISH.say("report.approved", moderator="Mo", person="Ada") in told.shown
        assert PROMPT not in texts_of(told)
        assert is_blur(told.pictures[0].file)
        assert told.labels == ["Show"]


async def test_a_refused_report_says_who_refused_and_shows_nothing_more(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await hold(mo, mods)
        _, told = await held(slack, rows, ada, art, mods)
        await pressed(mo, told, "Show")
        assert len(left_on(slack)) == 2
        await pressed(mo, told, "Refuse")
        await saying(art, "kept_back.removed", count=1)
        await slack.until(lambda: left_on(slack) == [])

    assert told.shown == ENGLISH.say("report.refused", moderator="Mo", person="Ada")
    assert PROMPT not in texts_of(told)
    assert (told.labels, told.pictures) == ([], [])
    assert not told.deleted


async def test_block_refuses_and_takes_nothing_more_from_who_asked(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await hold(mo, mods)
        _, told = await held(slack, rows, ada, art, mods)
        await pressed(mo, told, "Block")
        await saying(art, "kept_back.removed", count=1)
        assert told.shown == ENGLISH.say("report.blocked", moderator="Mo", person="Ada")
        assert await answered(art, ada, ada.command(art, "/generate", "a dog")) == ENGLISH.say("refusal.blocked")


async def test_a_shown_image_that_is_refused_goes_from_its_message(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        await set_rules(mo, mods, f"reports {mods.tag}")
        message = await paint(slack, rows, ada, art, PROMPT)
        await report(ben, message)
        await pressed(mo, await report_in(mods), "Refuse")
        assert await saying(art, "kept_back.removed", count=1) is message
        assert PROMPT not in texts_of(message)
        await slack.until(lambda: left_on(slack) == [])


async def test_a_refused_one_of_a_set_goes_and_the_others_stay(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        await set_rules(mo, mods, f"reports {mods.tag}")
        message = await paint(slack, rows, ada, art, f"{PROMPT} --images 2")
        await report(ben, message, "Report 1")
        await pressed(mo, await report_in(mods), "Refuse")
        await slack.until(lambda: len(message.pictures) == 1)
        await slack.until(lambda: len(left_on(slack)) == 1)

    assert ENGLISH.say("kept_back.removed", count=1) in message.shown
    assert message.pictures[0].file in left_on(slack)


async def test_a_refused_image_that_came_apart_takes_its_own_message_along(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    slack.blocks_show_files = False
    async with bot():
        await set_rules(mo, mods, f"reports {mods.tag}")
        apart = await paint(slack, rows, ada, art, PROMPT)
        own = await seen(art, lambda one: "Report" in one.labels)
        await report(ada, own)
        await pressed(mo, await report_in(mods), "Refuse")
        await slack.until(lambda: apart.deleted and left_on(slack) == [])
        assert await saying(art, "kept_back.removed", count=1) is own


async def test_an_approved_report_of_what_was_shown_changes_nothing_where_it_is_shown(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        await set_rules(mo, mods, f"reports {mods.tag}")
        message = await paint(slack, rows, ada, art, PROMPT)
        await report(ada, message)
        edits = message.edits
        await pressed(mo, await report_in(mods), "Approve")

    assert message.edits == edits
    assert len(finished(art)) == 1


# Mishaps and restarts


async def test_a_decision_after_a_restart_is_told_where_it_was_asked_for(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await hold(mo, mods)
        message, told = await held(slack, rows, ada, art, mods)
        await pressed(mo, told, "Show")
    async with bot(FakeExecutor()):
        await pressed(mo, told, "Refuse")
        assert await saying(art, "kept_back.removed", count=1) is message
        # The files are found again, in another life of the program too.
        await slack.until(lambda: left_on(slack) == [])


async def test_a_held_image_that_is_approved_after_a_restart_comes_in_its_message(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await hold(mo, mods)
        message, told = await held(slack, rows, ada, art, mods)
    async with bot(FakeExecutor()):
        await pressed(mo, told, "Approve")
        assert await shown_in(slack, art) is message
        assert PROMPT in message.shown
        await settled(slack, rows, ["delivered"])
        # What is reported after it was approved is not brought to moderators again.
        assert (await report(ada, message)).shown == ENGLISH.say("reported.decided")

    assert len(mods.messages) == 1


async def test_what_was_decided_and_not_told_is_told_after_a_restart(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await hold(mo, mods)
        message, told = await held(slack, rows, ada, art, mods)
        slack.fail("chat.update", status=500, times=None)
        await mo.click(told, "Approve")
        await slack.until(lambda: rows.states() == ["owed"])
    slack.heal()
    async with bot(FakeExecutor()):
        assert await shown_in(slack, art) is message
        # The report still asks; a press mends it.
        assert await told_to(mo, told, "Refuse") == DECIDED
        assert told.shown == DECIDED
        assert PROMPT in message.shown


async def test_a_report_that_was_not_told_is_told_after_a_restart(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await hold(mo, mods)
        mods.kick_bot()
        with capture_logs() as logs:
            await ada.command(art, "/generate", PROMPT)
            await settled(slack, rows, ["delivered"])
            await slack.until(lambda: [one for one in logs if one["event"].startswith("a report did not reach")])
    mods.members.add(slack.bot)
    async with bot(FakeExecutor()):
        told = await report_in(mods)
        assert is_blur(told.pictures[0].file)
        # The file that was uploaded for the first try is taken for the second.
        assert len(slack.files) == 1


async def test_after_a_lost_answer_a_press_on_the_second_message_says_that_it_is_decided(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await hold(mo, mods)
        await ada.command(art, "/generate", PROMPT)
        await saying(art, "kept_back.held", count=1)
        told = await report_in(mods)
        stray = posted_again(told)
        await pressed(mo, told, "Approve")
        await shown_in(slack, art)
        assert await told_to(mo, stray, "Refuse") == DECIDED
        assert stray.shown == DECIDED
        assert PROMPT not in texts_of(stray)

    assert len(finished(art)) == 1


async def test_a_report_whose_answer_was_lost_comes_a_second_time_and_no_more(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        await set_rules(mo, mods, f"reports {mods.tag}")
        message = await paint(slack, rows, ada, art, PROMPT)
        slack.fail("chat.postMessage", taken=True)
        await report(ada, message)
        await report_in(mods, 2)
        await slack.until(lambda: rows.read("SELECT state FROM reports") == [("told",)])

    assert len(mods.messages) == 2
    assert len(slack.files) == 2


async def test_a_press_on_a_stray_report_of_what_is_gone_takes_its_words_away(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot(flagging()):
        await hold(mo, mods)
        _, told = await held(slack, rows, ada, art, mods)
        stray = posted_again(told)
        await pressed(mo, told, "Refuse")
        await saying(art, "kept_back.removed", count=1)
        await told_to(mo, stray, "Approve")

    assert PROMPT not in texts_of(stray)
    assert stray.labels == []
    assert told.shown == ENGLISH.say("report.refused", moderator="Mo", person="Ada")


async def test_two_moderators_at_once_decide_once(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    mia = slack.person("Mia", admin=True)
    async with bot(flagging()):
        await hold(mo, mods)
        _, told = await held(slack, rows, ada, art, mods)
        await mo.click(told, "Refuse")
        assert await told_to(mia, told, "Block") in (DECIDED, ENGLISH.say("refusal.not_found.image"))
        await slack.until(lambda: told.labels == [])

    assert told.shown == ENGLISH.say("report.refused", moderator="Mo", person="Ada")


# Forgetting


@pytest.mark.parametrize("restarted", [False, True])
async def test_who_is_forgotten_is_gone_from_the_moderators_channel_too(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows, restarted: bool
) -> None:
    async def forget() -> None:
        await ada.command(art, "/limner", "forget")
        await pressed(ada, await whisper(art, ada, "Nobody can bring it back"), "Erase all of it")
        await slack.until(lambda: told.deleted and message.deleted and left_on(slack) == [])

    async with bot(flagging()):
        await hold(mo, mods)
        message, told = await held(slack, rows, ada, art, mods)
        await pressed(mo, told, "Show")
        if not restarted:
            await forget()
    if restarted:
        async with bot(FakeExecutor()):
            await forget()

    assert rows.read("SELECT * FROM reports") == []


async def test_deleting_an_image_takes_its_report_down(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        await set_rules(mo, mods, f"reports {mods.tag}")
        message = await paint(slack, rows, ada, art, f"{PROMPT} --images 2")
        await report(ada, message, "Report 2")
        told = await report_in(mods)
        await pressed(ada, message, "Delete 2")
        await pressed(ada, await whisper(art, ada, "Delete image 2"), "Delete for good")
        await slack.until(lambda: told.deleted and len(left_on(slack)) == 1)

    assert len(message.pictures) == 1


async def test_what_is_forgotten_while_it_is_reported_is_taken_back(
    slack: FakeSlack,
    art: Channel,
    ada: Person,
    mo: Person,
    mods: Channel,
    bot: StartBot,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with bot() as limner:
        await set_rules(mo, mods, f"reports {mods.tag}")
        message = await paint(slack, rows, ada, art, PROMPT)
        tell = limner.service.moderation.told

        async def forgotten(*args: Any) -> bool:
            monkeypatch.undo()
            await ada.command(art, "/limner", "forget")
            await pressed(ada, await whisper(art, ada, "Nobody can bring it back"), "Erase all of it")
            return await tell(*args)

        monkeypatch.setattr(limner.service.moderation, "told", forgotten)
        await report(ada, message)
        await slack.until(lambda: mods.record and not mods.messages and message.deleted and left_on(slack) == [])
