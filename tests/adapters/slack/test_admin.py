"""/limner and /limner-status: what admins set and what it does to others, and what everybody may know."""

import pytest

import bot as limner_itself
from adapters.slack.words import words_for
from bot.errors import JobFailed
from storage.rules import RulesOfSpaces
from tests.adapters.slack.conftest import StartBot
from tests.adapters.slack.watching import Rows, answered, paint, settled, shown_in, told_in_answer, unchanged
from tests.fakes.executor import FakeExecutor
from tests.fakes.slack import Channel, FakeSlack, Person

ENGLISH, GERMAN = words_for("en"), words_for("de")
ADMINS_ONLY = ENGLISH.say("admins_only")


@pytest.fixture
def mo(slack: FakeSlack) -> Person:
    return slack.person("Mo", admin=True)


async def ask(person: Person, channel: Channel, text: str = "", command: str = "/limner") -> str:
    return await answered(channel, person, person.command(channel, command, text))


def misunderstood(text: str) -> str:
    return ENGLISH.say("command.too_much", text=text)


# For everybody


@pytest.mark.parametrize("text", ["", "help", "HELP", "  help  ", "help refine"])
async def test_help_is_for_everyone_and_tells_admins_more(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, text: str
) -> None:
    async with bot():
        assert "/limner pause" not in await ask(ada, art, text)
        answer = await ask(mo, art, text)

    assert ENGLISH.say("help") in answer
    assert ENGLISH.say("help.admin") in answer


async def test_help_is_there_in_german(slack: FakeSlack, art: Channel, bot: StartBot) -> None:
    dora = slack.person("Dora", locale="de-DE")
    async with bot():
        assert await ask(dora, art, "help") == GERMAN.say("help")
        assert await ask(dora, art, "pause") == GERMAN.say("admins_only")


async def test_commands_work_in_direct_messages_and_where_the_bot_is_not(
    slack: FakeSlack, ada: Person, bot: StartBot
) -> None:
    hall = slack.channel("hall", member=False)
    async with bot():
        assert await ask(ada, slack.dm(ada), "help") == ENGLISH.say("help")
        await told_in_answer(await ada.command(hall, "/limner", "help"), "*Paint*")


async def test_about_names_the_version(slack: FakeSlack, art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot():
        assert f"*Limner {limner_itself.__version__}*" in await ask(ada, art, "about")


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        ("mydta", ENGLISH.say("command.unknown.suggested", word="mydta", suggestion="mydata")),
        ("Blok @ben", ENGLISH.say("command.unknown.suggested", word="blok", suggestion="block")),
        ("&lt;x&gt;", "There is no “/limner &lt;x&gt;”."),
        ("<x>", "There is no “/limner &lt;x&gt;”."),
        ("zzz", "There is no “/limner zzz”. There are: help, about"),
        ("*bold*", "There is no “/limner \u2217bold\u2217”."),
        ("z" * 3000, "There is no “/limner zzz"),
    ],
)
async def test_a_word_that_is_none_is_told(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, typed: str, answer: str
) -> None:
    # So that what is typed as `&lt;` comes in this way.
    slack.escapes_commands = not typed.startswith("&")
    async with bot() as limner:
        with unchanged(limner, rows):
            assert (await ask(ada, art, typed)).startswith(answer)


@pytest.mark.parametrize(
    "text",
    ["forget me", "mydata of ben", "pause 10 minutes", "resume now", "channels list all", "channels everywhere x"],
)
async def test_words_that_a_command_does_not_take_are_told_and_nothing_is_done(
    slack: FakeSlack, art: Channel, mo: Person, bot: StartBot, rows: Rows, text: str
) -> None:
    async with bot() as limner:
        with unchanged(limner, rows):
            left = text.removeprefix("channels ").partition(" ")[2]
            assert await ask(mo, art, text) == misunderstood(left)


# Who is an admin


@pytest.mark.parametrize(
    "text",
    ["pause", "resume", "block", "block @ben", "unblock x", "limits", "limits --jobs 1", "limits x", "channels",
     "channels allow", "channels forbid", "channels everywhere", "purge", "purge --days x"],
)  # fmt: skip
async def test_who_is_no_admin_is_refused_and_changes_nothing(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, text: str
) -> None:
    async with bot() as limner:
        with unchanged(limner, rows):
            assert await ask(ada, art, text) == ADMINS_ONLY


async def test_owners_and_those_whom_the_operator_named_are_admins_too(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot(slack_admins=(ada.id,)):
        for person in (ada, slack.owner):
            assert await ask(person, art, "pause") == ENGLISH.say("paused")


# Rules


async def test_what_admins_decide_holds_for_others_until_they_undo_it(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot():
        for decision, undone, part in (
            ("pause", "resume", "paused"),
            (f"block {ada.tag}", f"unblock {ada.tag}", "no requests from you"),
            ("limits --images 1", "limits --images 0", "1 picture"),
            (f"channels allow {slack.channel('attic').tag}", "channels everywhere", "only in"),
        ):
            await ask(mo, art, decision)
            assert part in await ask(ada, art, "a cat --images 2", "/generate")
            await ask(mo, art, undone)
            await paint(slack, rows, ada, art, "a cat --images 2")


async def test_what_admins_decide_holds_in_their_workspace_alone_and_in_its_direct_messages(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    other = slack.workspace("Another")
    hall, eve = slack.channel("hall", team=other), slack.person("Eve", team=other)
    async with bot():
        await ask(mo, art, "pause")
        await paint(slack, rows, eve, hall)
        assert await ask(ada, slack.dm(ada), "a cat", "/generate") == ENGLISH.say("refusal.paused")


async def test_rules_outlive_a_restart(slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot) -> None:
    async with bot():
        await ask(mo, art, "pause")
    async with bot():
        assert await ask(ada, art, "a cat", "/generate") == ENGLISH.say("refusal.paused")


async def test_blocking_twice_is_told(slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot) -> None:
    async with bot():
        told = [await ask(mo, art, f"{word} {ada.tag}") for word in ("unblock", "block", "block", "unblock")]

    keys = ("not_blocked", "blocked", "blocked.already", "unblocked")
    assert told == [ENGLISH.say(key, person="Ada") for key in keys]


@pytest.mark.parametrize("word", ["block", "unblock"])
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("", ENGLISH.say("command.no_person", word="{word}")),
        ("@ada", ENGLISH.say("command.no_person", word="{word}")),
        ("{ada} {ben}", ENGLISH.say("command.one_person", word="{word}")),
        ("{ada} for a week", misunderstood("for a week")),
        ("<@nobody>", ENGLISH.say("command.no_person", word="{word}")),
    ],
)
async def test_a_person_who_is_none_is_told(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, mo: Person, bot: StartBot, rows: Rows, word: str,
    text: str, answer: str,
) -> None:  # fmt: skip
    async with bot() as limner:
        with unchanged(limner, rows):
            typed = text.format(ada=ada.tag, ben=ben.tag)
            assert await ask(mo, art, f"{word} {typed}") == answer.replace("{word}", word)


async def test_limits_are_shown_set_and_lifted_one_by_one(
    slack: FakeSlack, art: Channel, mo: Person, bot: StartBot
) -> None:
    none = ENGLISH.say("limits.none")
    async with bot():
        assert await ask(mo, art, "limits") == ENGLISH.say("limits", jobs=none, images=none, steps=none)
        assert await ask(mo, art, "limits --jobs 3 --steps=50") == ENGLISH.say("limits", jobs=3, images=none, steps=50)
        text = await ask(mo, art, "limits \u2014images 2 --JOBS 0")
        assert text == ENGLISH.say("limits", jobs=none, images=2, steps=50)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("--jobs -1", ENGLISH.say("command.range", option="jobs", most=1000)),
        ("--images 1001", ENGLISH.say("command.range", option="images", most=1000)),
        ("--steps 99999999999999999999", ENGLISH.say("command.range", option="steps", most=1000)),
        ("--days 3", misunderstood("--days 3")),
        ("--jobs 1 --jobs 2", misunderstood("--jobs 2")),
        ("--jobs many", misunderstood("--jobs many")),
        ("--jobs", misunderstood("--jobs")),
        ("--jobs 2x", misunderstood("--jobs 2x")),
        ("5", misunderstood("5")),
        ("--jobs 1 please", misunderstood("please")),
        ("--jobs " + "9" * 2000, "I do not understand"),
    ],
)
async def test_a_limit_that_is_none_is_told_and_nothing_is_set(
    slack: FakeSlack, art: Channel, mo: Person, bot: StartBot, rows: Rows, text: str, answer: str
) -> None:
    async with bot() as limner:
        with unchanged(limner, rows):
            assert (await ask(mo, art, f"limits {text}")).startswith(answer)


async def test_channels_are_listed_and_taken_off_the_list_but_for_the_last_one(
    slack: FakeSlack, art: Channel, mo: Person, bot: StartBot
) -> None:
    attic, hall = slack.channel("attic"), slack.channel("hall")
    everywhere = ENGLISH.say("channels.everywhere")

    def only(*allowed: Channel) -> str:
        named = ", ".join(f"<#{one}>" for one in sorted(channel.id for channel in allowed))
        return ENGLISH.say("channels.allowed", channels=named)

    async with bot():
        assert await ask(mo, art, "channels") == everywhere
        assert await ask(mo, art, "channels allow") == only(art)
        assert await ask(mo, art, f"channels Allow {attic.tag}, {hall.tag}") == only(art, attic, hall)
        assert await ask(mo, art, f"channels forbid {hall.tag}") == only(art, attic)
        not_listed = ENGLISH.say("channels.not_listed", channel=hall.tag, now=only(art, attic))
        assert await ask(mo, art, f"channels forbid {hall.tag}") == not_listed
        assert "the last one on the list" in await ask(mo, art, f"channels forbid {art.tag} {attic.tag}")
        assert await ask(mo, art, "channels list") == only(art, attic)
        assert await ask(mo, art, "channels everywhere") == everywhere


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("channels allow #attic", ENGLISH.say("command.no_channel")),
        ("channels forbid the attic", ENGLISH.say("command.no_channel")),
        ("channels close", misunderstood("close")),
    ],
)
async def test_a_channel_that_is_none_is_told(
    slack: FakeSlack, art: Channel, mo: Person, bot: StartBot, rows: Rows, text: str, answer: str
) -> None:
    async with bot() as limner:
        with unchanged(limner, rows):
            assert await ask(mo, art, text) == answer


async def test_direct_messages_are_no_channel_to_allow(slack: FakeSlack, mo: Person, bot: StartBot, rows: Rows) -> None:
    async with bot() as limner:
        with unchanged(limner, rows):
            assert await ask(mo, slack.dm(mo), "channels allow") == ENGLISH.say("command.no_channel")


# Purge


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "all of them"),
        ("--days 0", "all of them"),
        ("--days 1", "those older than 1 day"),
        ("{ada}", "those of Ada"),
        ("\u2014days 30 {ada}", "those of Ada that are older than 30 days"),
    ],
)
async def test_purge_says_what_would_be_erased(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows, text: str, what: str
) -> None:
    async with bot() as limner:
        with unchanged(limner, rows):
            question = await ask(mo, art, f"purge {text.format(ada=ada.tag)}")

    assert question == ENGLISH.say("confirm.purge", what=what)
    assert art.whispers[-1].labels == ["Erase", "Keep it"]


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("--jobs 3", misunderstood("--jobs 3")),
        ("--days", misunderstood("--days")),
        ("--days -1", ENGLISH.say("command.range", option="days", most=36500)),
        ("--days 36501", ENGLISH.say("command.range", option="days", most=36500)),
        ("--days 1.5", misunderstood("--days 1.5")),
        ("30", misunderstood("30")),
        ("@ada", ENGLISH.say("command.no_person", word="purge")),
        ("@ada --days 3", ENGLISH.say("command.no_person", word="purge")),
        ("{ada} {ben}", ENGLISH.say("command.one_person", word="purge")),
        ("{ada} everything", misunderstood("everything")),
    ],
)
async def test_a_purge_that_is_not_understood_asks_nothing(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, mo: Person, bot: StartBot, text: str, answer: str
) -> None:
    async with bot():
        assert await ask(mo, art, f"purge {text.format(ada=ada.tag, ben=ben.tag)}") == answer

    assert art.whispers[-1].labels == []


# The status


async def test_the_status_is_for_admins(slack: FakeSlack, art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot():
        assert await ask(ada, art, command="/limner-status") == ADMINS_ONLY


async def test_the_status_tells_what_runs_what_waits_and_what_was_done(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    executor = FakeExecutor()
    async with bot(executor):
        await paint(slack, rows, ada, art)
        executor.fail_next(JobFailed("out_of_memory", "CUDA out of memory"))
        await ada.command(art, "/generate", "a cow")
        await settled(slack, rows, ["delivered"] * 2)
        executor.hold(at_step=3)
        for prompt in ("a dog", "a bee"):
            await ada.command(art, "/generate", prompt)
        await slack.until(lambda: any("Step 2 of" in message.shown for message in art.messages))
        text = await ask(mo, art, command="/limner-status")
        executor.release()
        await shown_in(slack, art, 3)

    facts = ["is ready", "Waiting: 1 · being painted: 1", "1 picture request done", "failed: 1 \u00d7 `out_of_memory`"]
    facts += ["for Ada · Step 2 of", "`fake` busy", "slack-bolt"]
    assert [fact for fact in facts if fact not in text] == []
    assert "a dog" not in text


async def test_the_status_names_nobody_from_elsewhere_and_nobody_who_paints_in_private(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot
) -> None:
    other = slack.workspace("Another")
    hall, eve = slack.channel("hall", team=other), slack.person("Eve", team=other)
    executor = FakeExecutor(slots=2)
    executor.hold()
    async with bot(executor):
        await eve.command(hall, "/generate", "a cat")
        await ada.command(art, "/generate", "a dog --private")
        await slack.until(lambda: len(executor.works) == 2)
        text = await ask(mo, art, command="/limner-status")

    assert "elsewhere · " in text
    assert "for somebody here, privately · " in text
    assert "Ada" not in text
    assert "Eve" not in text


async def test_an_error_in_the_store_is_told_and_changes_nothing(
    slack: FakeSlack, art: Channel, mo: Person, bot: StartBot, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(RulesOfSpaces, "change", broken)
    async with bot() as limner:
        with unchanged(limner, rows):
            assert await ask(mo, art, "pause") == ENGLISH.say("wrong")


async def test_a_list_of_channels_says_nothing_of_direct_messages_with_the_bot(
    slack: FakeSlack, art: Channel, ada: Person, mo: Person, bot: StartBot, rows: Rows
) -> None:
    attic = slack.channel("attic")
    async with bot():
        await ask(mo, attic, "channels allow")
        await ada.say(slack.dm(ada), "a cat")
        await shown_in(slack, slack.dm(ada))
        await settled(slack, rows, ["delivered"])
        assert "only in" in await ask(ada, art, "a cat", "/generate")
        assert "only in" in await ask(ada, art, "a cat --private", "/generate")


async def test_somebody_whom_slack_tells_of_another_workspace_obeys_the_rules_of_this_one(
    slack: FakeSlack, ada: Person, mo: Person, art: Channel, bot: StartBot, rows: Rows
) -> None:
    """As it may be at the home tab, for people of other companies."""
    async with bot():
        await paint(slack, rows, ada, art)
        await ada.opens_home()
        home = await slack.until(lambda: slack.home(ada))
        assert home is not None
        await ask(mo, art, "pause")
        elsewhere = slack.workspace("Another")
        ada.team = elsewhere
        await ada.click(home, "Vary")
        await slack.until(lambda: "paused" in "".join(one.shown for one in slack.dm(ada).messages))
    assert rows.statuses() == ["done"]
