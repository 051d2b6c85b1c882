"""What admins set for images and words on Slack, and what they read of what was decided."""

import csv
import io

import pytest

from adapters.slack.governing import RETENTION_MOST
from adapters.slack.words import words_for
from tests.adapters.slack.conftest import StartBot
from tests.adapters.slack.deciding import flagging, pressed, report_in, saying
from tests.adapters.slack.watching import Rows, answered, paint, settled, unchanged
from tests.fakes.slack import Channel, FakeSlack, Person

ENGLISH, GERMAN = words_for("en"), words_for("de")
BOTH = pytest.mark.parametrize("locale", ["en-US", "de-DE"])


@pytest.fixture
def mo(slack: FakeSlack) -> Person:
    return slack.person("Mo", admin=True)


@pytest.fixture
def mods(slack: FakeSlack, mo: Person) -> Channel:
    channel = slack.channel("mods", private=True)
    channel.members.add(mo)
    return channel


async def ask(person: Person, channel: Channel, text: str) -> str:
    return await answered(channel, person, person.command(channel, "/limner", text))


def changes(rows: Rows) -> list[object]:
    """Of rules, as they stand on record."""
    return [detail for (detail,) in rows.read("SELECT detail FROM decisions WHERE act = 'rules' ORDER BY number")]


# Who may


@pytest.mark.parametrize(
    "text",
    ["flagged", "flagged allow", "reports", "words", "words add x", "words list", "retention", "retention 1", "record",
     "record export"],
)  # fmt: skip
async def test_who_is_no_admin_is_refused_and_changes_nothing(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, text: str
) -> None:
    async with bot() as limner:
        with unchanged(limner, rows):
            assert await ask(ada, art, text) == ENGLISH.say("admins_only")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("flagged hide", ENGLISH.say("flagged.choices", choices="allow, spoiler, hold, refuse, default")),
        ("flagged allow refuse", ENGLISH.say("flagged.choices", choices="allow, spoiler, hold, refuse, default")),
        ("flagged allow {art} {attic}", ENGLISH.say("command.one_channel")),
        ("flagged {attic}", ENGLISH.say("flagged.choices", choices="allow, spoiler, hold, refuse, default")),
        ("reports mods", ENGLISH.say("command.no_channel")),
        ("reports {art} {attic}", ENGLISH.say("command.one_channel")),
        ("words", ENGLISH.say("words.none")),
        ("words add", ENGLISH.say("words.no_text")),
        ("words remove  ", ENGLISH.say("words.no_text")),
        ("words remove 7", ENGLISH.say("mistake.words.too_short", least=2)),
        ("words remove zeppelin", ENGLISH.say("words.unknown")),
        ("words zeppelin", ENGLISH.say("words.actions")),
        ("words list all", ENGLISH.say("command.too_much", text="all")),
        ("words add *", ENGLISH.say("mistake.words.only_stars")),
        ("words add a*b", ENGLISH.say("mistake.words.star_inside")),
        ("words add x", ENGLISH.say("mistake.words.too_short", least=2)),
        ("words add " + "x" * 61, ENGLISH.say("mistake.words.too_long", limit=60, length=61)),
        ("retention soon", ENGLISH.say("command.too_much", text="soon")),
        ("retention -1", ENGLISH.say("command.too_much", text="-1")),
        ("retention 1.5", ENGLISH.say("command.too_much", text="1.5")),
        (f"retention {RETENTION_MOST + 1}", ENGLISH.say("retention.range", most=RETENTION_MOST)),
        ("retention " + "9" * 30, ENGLISH.say("retention.range", most=RETENTION_MOST)),
        ("record all", ENGLISH.say("command.too_much", text="all")),
    ],
)
async def test_what_is_not_understood_is_told_and_changes_nothing(
    slack: FakeSlack, art: Channel, mo: Person, bot: StartBot, rows: Rows, text: str, said: str
) -> None:
    async with bot() as limner:
        with unchanged(limner, rows):
            assert await ask(mo, art, text.format(art=art.tag, attic=slack.channel("attic").tag)) == said


# Flagged images


@BOTH
async def test_what_happens_to_flagged_images_is_told_in_the_admins_language(
    slack: FakeSlack, art: Channel, bot: StartBot, rows: Rows, locale: str
) -> None:
    words, nia = words_for(locale), slack.person("Nia", admin=True, locale=locale)
    nowhere, attic = words.say("flagged.no_reports"), slack.channel("attic")
    async with bot():
        assert await ask(nia, art, "flagged") == f"{words.say('flagged.none')}\n{nowhere}"
        assert await ask(nia, art, "flagged Spoiler") == f"{words.say('flagged.spoiler')}\n{nowhere}"
        there = words.say("flagged.place", place=attic.tag, treatment=words.say("treatment.allow"))
        assert (
            await ask(nia, art, f"flagged allow {attic.tag}") == f"{words.say('flagged.spoiler')}\n{there}\n{nowhere}"
        )
        assert there not in await ask(nia, art, f"flagged default {attic.tag}")
        assert await ask(nia, art, "flagged default") == f"{words.say('flagged.none')}\n{nowhere}"

    assert len(changes(rows)) == 4


# Reports


@BOTH
async def test_a_channel_for_reports_is_set_and_told(
    slack: FakeSlack, art: Channel, mods: Channel, bot: StartBot, locale: str
) -> None:
    words, nia = words_for(locale), slack.person("Nia", admin=True, locale=locale)
    async with bot():
        assert await ask(nia, art, "reports") == words.say("reports.nowhere")
        assert await ask(nia, art, f"reports {mods.tag}") == words.say("reports.here", channel=mods.tag)
        assert await ask(nia, art, "reports") == words.say("reports.here", channel=mods.tag)


@BOTH
async def test_a_channel_that_the_bot_is_not_in_is_not_taken_and_the_invitation_is_told(
    slack: FakeSlack, art: Channel, mods: Channel, bot: StartBot, rows: Rows, locale: str
) -> None:
    words, nia = words_for(locale), slack.person("Nia", admin=True, locale=locale)
    mods.kick_bot()
    hall = slack.channel("hall", member=False)
    async with bot() as limner:
        with unchanged(limner, rows):
            for channel in (mods, hall):
                told = await ask(nia, art, f"reports {channel.tag}")
                assert told == words.say("reports.not_there", channel=channel.tag, bot=slack.bot.username)
                assert f"`/invite @{slack.bot.username}`" in told
        # Who was told to invite it does so at once.
        hall.members.add(slack.bot)
        assert await ask(nia, art, f"reports {hall.tag}") == words.say("reports.here", channel=hall.tag)


async def test_a_channel_that_is_archived_is_not_taken(
    slack: FakeSlack, art: Channel, mo: Person, bot: StartBot, rows: Rows
) -> None:
    attic = slack.channel("attic")
    attic.archived = True
    async with bot() as limner:
        with unchanged(limner, rows):
            assert await ask(mo, art, f"reports {attic.tag}") == ENGLISH.say("reports.archived", channel=attic.tag)


async def test_a_channel_that_slack_does_not_tell_of_is_not_taken(
    slack: FakeSlack, art: Channel, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        await ask(mo, art, "help")
        slack.fail("conversations.info", status=500, times=None)
        with unchanged(limner, rows):
            assert await ask(mo, art, f"reports {mods.tag}") == ENGLISH.say("too_slow")
        slack.heal()


# Words


@BOTH
async def test_words_are_added_listed_and_removed(
    slack: FakeSlack, art: Channel, bot: StartBot, rows: Rows, locale: str
) -> None:
    words, nia = words_for(locale), slack.person("Nia", admin=True, locale=locale)
    async with bot():
        assert await ask(nia, art, "words") == words.say("words.none")
        assert await ask(nia, art, "words add Zeppelin*") == f"{words.say('words.listed', count=1)}\n1. `zeppelin*`"
        two = f"{words.say('words.listed', count=2)}\n1. `zeppelin*`\n2. `a &lt;b&gt; &amp; c`"
        assert await ask(nia, art, "words ADD a <b> & c") == two
        assert await ask(nia, art, "words add zeppelin*") == words.say("words.known", number=1)
        assert await ask(nia, art, "words list") == two
        assert (
            await ask(nia, art, "words remove 1") == f"{words.say('words.listed', count=1)}\n1. `a &lt;b&gt; &amp; c`"
        )
        assert await ask(nia, art, "words remove a <b> & c") == words.say("words.none")

    assert len(changes(rows)) == 4


# Retention


@BOTH
async def test_retention_is_set_told_and_lifted(slack: FakeSlack, art: Channel, bot: StartBot, locale: str) -> None:
    words, nia = words_for(locale), slack.person("Nia", admin=True, locale=locale)
    async with bot():
        assert await ask(nia, art, "retention") == words.say("retention.none")
        assert await ask(nia, art, "retention 90") == words.say("retention", days=90)
        assert await ask(nia, art, "retention") == words.say("retention", days=90)
        assert await ask(nia, art, "retention 0") == words.say("retention.none")


# The record


@BOTH
async def test_the_record_tells_who_decided_what_about_whom_and_rings_for_nobody(
    slack: FakeSlack, art: Channel, ada: Person, mods: Channel, bot: StartBot, rows: Rows, locale: str
) -> None:
    words, nia = words_for(locale), slack.person("Nia <x>", admin=True, locale=locale)
    mods.members.add(nia)
    async with bot(flagging()):
        assert await ask(nia, art, "record") == words.say("record.none")
        await ask(nia, art, f"reports {mods.tag}")
        await ask(nia, art, "flagged hold")
        await ada.command(art, "/generate", "a very particular cat")
        await saying(art, "kept_back.held", count=1)
        await settled(slack, rows, ["delivered"])
        await pressed(nia, await report_in(mods), "Refuse")
        told = await ask(nia, art, "record")

    title, refused, flagged, *_ = told.splitlines()
    assert title == words.say("record.title")
    assert f"Nia &lt;x&gt; · {words.say('record.refused')} · Ada" in refused
    assert f"{words.say('record.rule')} · {words.say('record.flagged')} · Ada" in flagged
    assert "<!date^" in refused
    assert "a very particular cat" not in told
    assert not [one for one in (ada.tag, nia.tag) if one in told]


async def test_a_long_record_shows_its_newest_entries(
    slack: FakeSlack, art: Channel, mo: Person, bot: StartBot
) -> None:
    async with bot():
        for days in range(1, 26):
            await ask(mo, art, f"retention {days}")
        lines = (await ask(mo, art, "record")).splitlines()

    assert lines[1].endswith("retention_days: 25")
    assert lines[-1].endswith("retention_days: 6")


@BOTH
async def test_the_record_is_exported_as_a_table_in_direct_messages(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, locale: str
) -> None:
    words, nia = words_for(locale), slack.person("Nia", admin=True, locale=locale)
    talk = slack.dm(nia)
    async with bot():
        await ask(nia, art, "words add zeppelin")
        await answered(art, ada, ada.command(art, "/generate", "a zeppelin"))
        assert await ask(nia, art, "record export") == words.say("record.sent")
        await slack.until(lambda: talk.messages)
        (message,) = talk.messages

    (file,) = message.files
    assert file.name == "limner-record.csv"
    assert message.text == words.say("record.file", count=2)
    entries = list(csv.DictReader(io.StringIO((file.data or b"").decode())))
    assert [(entry["act"], entry["by"]) for entry in entries] == [("words", ""), ("rules", f"slack:{nia.id}")]
    assert "a zeppelin" not in (file.data or b"").decode()


@pytest.mark.parametrize(
    ("method", "fault", "part"),
    [
        ("conversations.open", {"error": "user_disabled"}, ENGLISH.say("no_direct_messages.record")),
        ("files.getUploadURLExternal", {"error": "storage_limit_reached"}, "does not take the file with the record"),
        ("files.getUploadURLExternal", {"status": 500}, ENGLISH.say("record.not_now")),
    ],
)
async def test_a_record_that_does_not_arrive_is_told(
    slack: FakeSlack, art: Channel, mo: Person, bot: StartBot, method: str, fault: dict[str, str], part: str
) -> None:
    async with bot():
        slack.fail(method, times=None, **fault)  # type: ignore[arg-type]
        assert part in await ask(mo, art, "record export")
        slack.heal()


# What is told of it


@BOTH
async def test_help_tells_admins_of_all_of_it(slack: FakeSlack, art: Channel, bot: StartBot, locale: str) -> None:
    nia = slack.person("Nia", admin=True, locale=locale)
    async with bot():
        told = await ask(nia, art, "help")

    for word in (
        "`/limner flagged ",
        "`reports #",
        "`words add|remove|list`",
        "`retention ",
        "`record`",
        "`record export`",
    ):
        assert word in told, word


async def test_a_word_that_is_nearly_one_is_suggested(
    slack: FakeSlack, art: Channel, mo: Person, bot: StartBot
) -> None:
    async with bot():
        suggested = ENGLISH.say("command.unknown.suggested", word="retenton", suggestion="retention")
        assert await ask(mo, art, "retenton 3") == suggested


async def test_a_report_that_waited_comes_once_a_channel_is_set(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, mods: Channel, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        message = await paint(slack, rows, ada, art)
        await pressed(ada, message, "Report")
        await pressed(ada, art.whispers[-1], "Report it")
        assert mods.messages == []
        await ask(mo, mods, f"reports {mods.tag}")
        await report_in(mods)
