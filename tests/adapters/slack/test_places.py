"""Where Limner is asked: what comes where, and what is told where it cannot post."""

import pytest
import structlog

from adapters.slack.words import words_for
from bot.service import Service
from tests.adapters.slack.conftest import StartBot
from tests.adapters.slack.watching import (
    Rows,
    answered,
    asked_for,
    asker,
    paint,
    picture,
    shown_in,
    told,
    told_as,
    told_in_answer,
    unchanged,
    whispered,
)
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Channel, FakeSlack, Person

ENGLISH = words_for("en")


def somewhere(slack: FakeSlack, place: str, person: Person, monkeypatch: pytest.MonkeyPatch) -> Channel:
    match place:
        case "a channel":
            return slack.channel("art")
        case "a private channel":
            return slack.channel("attic", private=True)
        case "a group":
            group = slack.channel("mpdm-ada--ben--limner-1", private=True)
            told_as(monkeypatch, group, is_mpim=True, is_private=True, is_channel=False)
            return group
        case "a channel that workspaces share":
            shared = slack.channel("bridge")
            told_as(monkeypatch, shared, is_shared=True, is_ext_shared=True)
            return shared
        case "direct messages":
            return slack.dm(person)
    raise AssertionError(place)


PLACES = ["a channel", "a private channel", "a group", "a channel that workspaces share", "direct messages"]


@pytest.mark.parametrize("place", PLACES)
async def test_the_picture_comes_where_it_was_asked_for(
    slack: FakeSlack, ada: Person, bot: StartBot, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    channel = somewhere(slack, place, ada, monkeypatch)
    async with bot() as limner:
        await ada.command(channel, "/generate", "a cat")
        message = await shown_in(slack, channel)

        assert asked_for(limner).prompt == "a cat"
    assert channel.record == [message]
    assert message.thread_ts is None


@pytest.mark.parametrize("place", PLACES[:-1])
async def test_whoever_asks_privately_is_told_so_and_gets_it_by_direct_message(
    slack: FakeSlack, ada: Person, bot: StartBot, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    channel = somewhere(slack, place, ada, monkeypatch)
    async with bot() as limner:
        await ada.command(channel, "/generate", "a secret cat --private")
        await told(slack, channel, ada, "privately")
        await shown_in(slack, slack.dm(ada))

        assert asked_for(limner).prompt == "a secret cat"
    assert channel.messages == []


async def test_who_takes_no_direct_messages_is_told_so_before_anything_is_queued(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        slack.fail("conversations.open", error="cannot_dm_bot", times=None)
        with unchanged(limner, rows):
            for asking in (ada.command(art, "/generate", "a cat --private"), ada.mention(art, "a cat --private")):
                assert await answered(art, ada, asking) == ENGLISH.say("no_direct_messages")


async def test_what_is_asked_privately_in_direct_messages_is_not_told_to_come_there(
    slack: FakeSlack, ada: Person, bot: StartBot
) -> None:
    talk = slack.dm(ada)
    async with bot():
        await ada.command(talk, "/generate", "a secret cat --private")
        message = await shown_in(slack, talk)

    assert talk.record == [message]


# Where the bot is not


async def test_who_asks_in_a_channel_without_the_bot_reads_there_what_to_type(
    slack: FakeSlack, ada: Person, bot: StartBot, rows: Rows
) -> None:
    hall = slack.channel("hall", member=False)
    async with bot() as limner:
        with unchanged(limner, rows):
            asked = await ada.command(hall, "/generate", "a cat")
            await told_in_answer(asked, f"`/invite @{slack.bot.username}`")

        hall.invite_bot()
        await ada.command(hall, "/generate", "a cat")
        await shown_in(slack, hall)


@pytest.mark.parametrize("command", ["/generate", "/refine"])
async def test_a_closed_channel_without_the_bot_is_answered_so_too(
    slack: FakeSlack, ada: Person, bot: StartBot, rows: Rows, command: str
) -> None:
    attic = slack.channel("attic", private=True, member=False)
    async with bot() as limner:
        with unchanged(limner, rows):
            await told_in_answer(await ada.command(attic, command, "a cat"), f"`/invite @{slack.bot.username}`")


async def test_nobody_is_told_to_invite_the_bot_into_a_talk_of_two(
    slack: FakeSlack, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        with unchanged(limner, rows):
            asked = await ada.command(slack.dm(ada, ben), "/generate", "a cat")
            text = await told_in_answer(asked, "not in this conversation")

    assert "/invite" not in text


@pytest.mark.parametrize("text", ["a cat --stpes 4", "", "a cat --size huge"])
async def test_a_mistake_is_told_where_the_bot_is_not(
    slack: FakeSlack, ada: Person, ben: Person, bot: StartBot, rows: Rows, text: str
) -> None:
    async with bot() as limner:
        with unchanged(limner, rows):
            for channel in (slack.channel("hall", member=False), slack.dm(ada, ben)):
                asked = await ada.command(channel, "/generate", f"{text} --private")
                await asked.until(lambda one: one.told)
                assert len(asked.answers) == 1


async def test_private_pictures_can_be_asked_for_where_the_bot_is_not(
    slack: FakeSlack, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot():
        for number, channel in enumerate((slack.channel("hall", member=False), slack.dm(ada, ben)), start=1):
            asked = await ada.command(channel, "/generate", "a cat --private")
            await told_in_answer(asked, "privately")
            await shown_in(slack, slack.dm(ada), number)


async def test_whose_answer_cannot_be_given_anywhere_else_is_told_directly(
    slack: FakeSlack, ada: Person, bot: StartBot
) -> None:
    hall = slack.channel("hall", member=False)
    async with bot():
        slack.fail("response_url", status=404)
        await ada.command(hall, "/generate", "a cat")
        await slack.until(lambda: slack.dm(ada).messages)

    assert "/invite" in slack.dm(ada).messages[0].shown


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


# What Slack does not tell


@pytest.mark.parametrize("status", [503, None])
async def test_what_slack_cannot_look_up_now_is_not_answered_with_an_invitation(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, status: int | None
) -> None:
    async with bot() as limner:
        slack.fail("conversations.info", status=status, times=None)
        with unchanged(limner, rows):
            text = await answered(art, ada, ada.command(art, "/generate", "a cat"))

        assert text == ENGLISH.say("too_slow")
        slack.heal()
        await ada.command(art, "/generate", "a cat")
        await shown_in(slack, art)


async def test_a_name_that_slack_does_not_tell_keeps_nobody_waiting(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        slack.fail("users.info", times=None)
        await paint(slack, rows, ada, art)


# What stops a request


async def test_a_full_queue_is_told_with_when_to_come_back(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    executor = FakeExecutor()
    executor.hold()
    async with bot(executor, queue_limit=1):
        await ada.command(art, "/generate", "a cat")
        await slack.until(lambda: executor.works)
        await ada.command(art, "/generate", "a dog")
        await slack.until(lambda: len(art.messages) == 2)
        text = await answered(art, ben, ben.command(art, "/generate", "a cow"))

        assert text.startswith("The queue is full. Please try again in ")
        assert len(art.messages) == 2


async def test_a_restart_that_has_begun_is_told(art: Channel, ada: Person, bot: StartBot, rows: Rows) -> None:
    async with bot() as limner:
        await limner.service.drain(0)
        with unchanged(limner, rows):
            for asking in (ada.command(art, "/generate", "a cat"), ada.mention(art, "a cat")):
                assert (await answered(art, ada, asking)).startswith("Limner is restarting.")


async def test_an_error_that_nobody_foresaw_is_told_and_logged(
    art: Channel, ada: Person, bot: StartBot, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*args: object) -> None:
        raise RuntimeError("the password is 1234")

    async with bot() as limner:
        monkeypatch.setattr(Service, "_accept", broken)
        with unchanged(limner, rows), structlog.testing.capture_logs() as logs:
            text = await answered(art, ada, ada.command(art, "/generate", "a cat"))

    assert "went wrong" in text
    assert "1234" not in text
    assert [str(log["exc_info"]) for log in logs if log["log_level"] == "error"] == ["the password is 1234"]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("pause", "paused painting on this workspace"),
        ("channels allow {hall}", "Painting is not allowed in this channel, only in:"),
        ("block {ada}", "take no requests from you"),
        ("limits --images 1", "allow up to 1 picture per request"),
        ("limits --steps 3", "allow up to 3 steps per request"),
    ],
)
async def test_what_the_admins_do_not_allow_is_told_privately(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, rule: str, said: str
) -> None:
    hall, text = slack.channel("hall"), "a cat --images 2 --steps 4"
    async with bot() as limner:
        command = slack.owner.command(art, "/limner", rule.format(hall=hall.tag, ada=ada.tag))
        await answered(art, slack.owner, command)
        for asking in (
            ada.mention(art, text),
            ada.say(art, f"<@bot> {text}", files=[picture()]),
            ada.command(art, "/generate", text),
        ):
            with unchanged(limner, rows):
                assert said in await answered(art, ada, asking)
        assert await limner.service.own_images(asker(ada), 10) == []
