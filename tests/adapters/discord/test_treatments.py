"""What becomes of pictures that the image check flags, and of words that are refused, as people on Discord see it."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from adapters.discord.intake import jump_link
from adapters.discord.words import words_for
from tests.adapters.discord.conftest import Bot, StartBot
from tests.adapters.discord.watching import (
    asker,
    at_rest,
    begun,
    buttons,
    image_ids,
    paint,
    painted,
    press,
    told,
    until_painted,
)
from tests.fakes.discord import Channel, FakeDiscord, FakeMessage, Guild, Person, Upload
from tests.fakes.executor import FakeExecutor, png

ENGLISH = words_for("en")
#: Told by nothing else.
SECRET = "zyxomma"

ImageFiles = Callable[[], set[str]]


@pytest.fixture
def boss(discord: FakeDiscord, guild: Guild) -> Person:
    boss = discord.person("Ida")
    guild.join(boss, manage_guild=True)
    return boss


@pytest.fixture
def office(discord: FakeDiscord, guild: Guild, boss: Person, mo: Person) -> Channel:
    """Where moderators hear of reports."""
    office = guild.channel("office", private=True)
    for person in (discord.bot, boss, mo):
        office.let_in(person)
    return office


def flagging(*numbers: int) -> FakeExecutor:
    executor = FakeExecutor()
    executor.flag(*numbers or (1,))
    return executor


async def rule(person: Person, channel: Channel, name: str, /, **options: Any) -> str:
    return await told(await person.command(channel, f"limner {name}", **options))


async def kept_back(limner: Bot, person: Person, channel: Channel, **options: Any) -> FakeMessage:
    """The message of a request of which no picture is shown."""
    message = await begun(await person.command(channel, "generate", prompt=SECRET, **options))
    await channel.fake.until(lambda: buttons(message, "why"), waiting=message)
    await at_rest(limner)
    return message


async def why(person: Person, message: FakeMessage) -> str:
    return await told(await press(person, message, "why"))


def files(message: FakeMessage) -> list[str]:
    return [attachment.filename for attachment in message.attachments]


async def test_where_no_rule_is_set_a_flagged_picture_is_not_shown_among_all_ages(
    art: Channel, ada: Person, bot: StartBot, image_files: ImageFiles
) -> None:
    async with bot(flagging()) as limner:
        message = await kept_back(limner, ada, art)

        assert message.attachments == []
        assert message.content.splitlines()[0] == ENGLISH.say("kept_back.refused", count=1)
        assert SECRET not in message.content
        assert message.labels == ["Why?", "Try again"]
    assert image_files() == set()


async def test_whose_picture_it_was_is_told_privately_which_rule_and_who_can_change_it(
    art: Channel, ada: Person, ben: Person, mo: Person, bot: StartBot
) -> None:
    async with bot(flagging()) as limner:
        message = await kept_back(limner, ada, art)

        for person in (ada, mo):
            told_why = await why(person, message)
            assert "(rule: refuse)" in told_why
            assert "/limner flagged" in told_why
            assert SECRET not in told_why
        assert await why(ben, message) == ENGLISH.say("why.not_yours")


async def test_among_adults_it_is_shown(guild: Guild, ada: Person, bot: StartBot) -> None:
    async with bot(flagging()) as limner:
        message = await paint(limner, ada, guild.channel("late", nsfw=True))

        assert files(message) == [f"{image_ids(message)[0]}.png"]


async def test_trying_again_takes_another_seed(art: Channel, ada: Person, bot: StartBot) -> None:
    executor = flagging()
    async with bot(executor) as limner:
        message = await kept_back(limner, ada, art)
        executor.flag()
        again = await painted(limner, await press(ada, message, "retry"))

        assert len(again.attachments) == 1
        first, second = (work.request.seed for work in executor.works)
        assert first != second


async def test_of_a_set_the_others_are_shown_with_their_own_numbers(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot(flagging(2)) as limner:
        message = await paint(limner, ada, art, images=3)

        assert len(message.attachments) == 2
        assert ENGLISH.say("kept_back.refused", count=1) in message.content
        assert [label for label in message.labels if label.startswith("Vary")] == ["Vary 1", "Vary 3"]
        assert "(rule: refuse)" in await why(ada, message)
        refined = await painted(limner, await ada.command(art, "refine", prompt="warmer", image="3", force=True))
        assert len(refined.attachments) == 1


async def test_allowed_it_is_shown_as_it_is(art: Channel, ada: Person, boss: Person, bot: StartBot) -> None:
    async with bot(flagging()) as limner:
        assert await rule(boss, art, "flagged", treatment="allow") == "\n".join(
            [ENGLISH.say("flagged.allow"), ENGLISH.say("flagged.no_reports")]
        )

        message = await paint(limner, ada, art)
        assert files(message) == [f"{image_ids(message)[0]}.png"]


async def test_as_a_spoiler_it_comes_covered_and_only_the_flagged_one(
    art: Channel, ada: Person, boss: Person, bot: StartBot
) -> None:
    async with bot(flagging(1)) as limner:
        await rule(boss, art, "flagged", treatment="spoiler")
        message = await paint(limner, ada, art, SECRET, images=2)
        first, second = image_ids(message)

        assert files(message) == [f"SPOILER_{first}.png", f"{second}.png"]
        deleted = await press(ada, message, "delete")
        await told(deleted)


async def test_a_channel_may_have_a_rule_of_its_own(
    guild: Guild, art: Channel, ada: Person, boss: Person, bot: StartBot
) -> None:
    hall = guild.channel("hall")
    async with bot(flagging()) as limner:
        await rule(boss, art, "flagged", treatment="spoiler")
        await rule(boss, art, "flagged", treatment="allow", channel=hall)

        assert files(await paint(limner, ada, hall))[0].startswith("SPOILER_") is False
        assert files(await paint(limner, ada, hall.thread("more")))[0].startswith("SPOILER_") is False
        assert files(await paint(limner, ada, art))[0].startswith("SPOILER_")
        await rule(boss, art, "flagged", treatment="default", channel=hall)
        assert files(await paint(limner, ada, hall))[0].startswith("SPOILER_")


@pytest.mark.parametrize(("nsfw", "shown"), [(True, {"preview.jpg"}), (False, set())])
async def test_where_it_might_be_flagged_no_preview_is_shown(
    guild: Guild, ada: Person, bot: StartBot, nsfw: bool, shown: set[str]
) -> None:
    executor = flagging(2)
    executor.hold(at_step=1)
    channel = guild.channel("late", nsfw=nsfw)
    async with bot(executor) as limner:
        message = await begun(await ada.command(channel, "generate", prompt="a cat", steps=4))
        executor.release()
        executor.hold(at_step=3)
        await channel.fake.until(lambda: "Step 2 of 4" in message.content, waiting=message)
        if shown:
            await channel.fake.until(lambda: message.attachments, waiting=message)
        assert set(files(message)) == shown
        executor.release()
        await until_painted(limner, message)

        assert files(message) == [f"{image_ids(message)[0]}.png"]


async def test_nothing_can_be_held_where_no_moderator_would_hear_of_it(
    art: Channel, boss: Person, bot: StartBot
) -> None:
    async with bot():
        assert await rule(boss, art, "flagged", treatment="hold") == ENGLISH.say("refusal.nobody_hears")
        assert await rule(boss, art, "flagged") == "\n".join(
            [ENGLISH.say("flagged.none"), ENGLISH.say("flagged.no_reports")]
        )


async def test_held_it_comes_once_a_moderator_approves(
    guild: Guild, art: Channel, office: Channel, ada: Person, boss: Person, mo: Person, bot: StartBot
) -> None:
    async with bot(flagging()) as limner:
        await rule(boss, art, "reports", channel=office)
        await rule(boss, art, "flagged", treatment="hold")
        message = await kept_back(limner, ada, art)
        assert message.labels == ["Why?"]
        assert "(rule: hold)" in await why(ada, message)
        report = await reported(office)

        assert SECRET in report.content
        assert files(report)[0].startswith("SPOILER_")
        assert report.labels == ["Approve", "Refuse", "Block"]
        assert jump_link(guild.id, art.id, message.id) in report.content

        await press(mo, report, "approve")
        await until_painted(limner, message)
        assert len(message.attachments) == 1
        assert SECRET in message.content
        assert report.content == ENGLISH.say("report.approved", moderator=mo.mention, person=ada.mention)
        assert report.labels == []


async def test_nobody_uses_a_picture_that_is_held(
    art: Channel, office: Channel, ada: Person, ben: Person, boss: Person, bot: StartBot
) -> None:
    async with bot(flagging()) as limner:
        await rule(boss, art, "reports", channel=office)
        await rule(boss, art, "flagged", treatment="hold")
        await kept_back(limner, ada, art)
        report = await reported(office)
        (image_id,) = {custom_id.rpartition(":")[2] for custom_id in buttons(report)}

        asked = await ada.command(art, "refine", prompt="warmer", image=image_id)
        assert await told(asked) == ENGLISH.say("refusal.image_held")
        asked = await ben.command(art, "refine", prompt="warmer", image=image_id)
        assert await told(asked) == ENGLISH.say("refusal.not_found.image")
        assert await ada.complete(art, "refine", "image", "") == []


async def test_refused_it_is_deleted_and_who_asked_can_learn_why(
    art: Channel, office: Channel, ada: Person, boss: Person, bot: StartBot, image_files: ImageFiles
) -> None:
    async with bot(flagging()) as limner:
        await rule(boss, art, "reports", channel=office)
        await rule(boss, art, "flagged", treatment="hold")
        message = await kept_back(limner, ada, art)
        report = await reported(office)

        await press(boss, report, "refuse")
        await art.fake.until(lambda: message.labels == ["Why?", "Try again"], waiting=message)
        await art.fake.until(lambda: not report.labels, waiting=report)
        assert message.content.splitlines()[0] == ENGLISH.say("kept_back.removed", count=1)
        assert await why(ada, message) == ENGLISH.say("why.removed", count=1)
        assert SECRET not in report.content
        assert report.attachments == []
        assert (message.deleted, report.deleted) == (False, False)
        await at_rest(limner)
    assert image_files() == set()


async def test_blocking_refuses_it_and_takes_nothing_more(
    art: Channel, office: Channel, ada: Person, boss: Person, mo: Person, bot: StartBot
) -> None:
    async with bot(flagging()) as limner:
        await rule(boss, art, "reports", channel=office)
        await rule(boss, art, "flagged", treatment="hold")
        await kept_back(limner, ada, art)
        report = await reported(office)

        await press(mo, report, "block")
        await art.fake.until(lambda: not report.labels, waiting=report)
        assert await told(await ada.command(art, "generate", prompt="a cat")) == ENGLISH.say("refusal.blocked")
        assert "blocked" in await rule(boss, art, "record")


async def test_what_is_held_is_decided_after_a_restart_as_well(
    art: Channel, office: Channel, ada: Person, boss: Person, bot: StartBot
) -> None:
    async with bot(flagging()) as limner:
        await rule(boss, art, "reports", channel=office)
        await rule(boss, art, "flagged", treatment="hold")
        message = await kept_back(limner, ada, art)
        report = await reported(office)
    async with bot(flagging()) as limner:
        await press(boss, report, "approve")
        await until_painted(limner, message)

        assert len(message.attachments) == 1
        assert office.messages == [report]


async def test_a_decision_that_was_not_told_yet_is_told_after_a_restart(
    guild: Guild, art: Channel, office: Channel, ada: Person, boss: Person, bot: StartBot, discord: FakeDiscord
) -> None:
    async with bot(flagging()) as limner:
        await rule(boss, art, "reports", channel=office)
        await rule(boss, art, "flagged", treatment="hold")
        message = await kept_back(limner, ada, art)
        report = await reported(office)
        (image_id,) = {custom_id.rpartition(":")[2] for custom_id in buttons(report)}
        admin = replace(asker(boss), space=f"discord:{guild.id}", admin=True)
        await limner.service.moderation.approve(image_id, admin)
    async with bot() as limner:
        await until_painted(limner, message)

        assert len(message.attachments) == 1


async def test_a_report_that_found_no_channel_comes_once_there_is_one(
    art: Channel, guild: Guild, office: Channel, ada: Person, boss: Person, bot: StartBot
) -> None:
    lost = guild.channel("lost", private=True)
    async with bot(flagging()) as limner:
        await rule(boss, art, "reports", channel=lost)
        await rule(boss, art, "flagged", treatment="hold")
        lost.delete()
        await kept_back(limner, ada, art)
        await rule(boss, art, "reports", channel=office)

        assert (await reported(office)).labels == ["Approve", "Refuse", "Block"]


# Words


async def test_words_that_the_admins_refuse_are_refused_privately_and_not_repeated(
    art: Channel, ada: Person, boss: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        assert "1. `zyxomma`" in await rule(boss, art, "words", action="add", text=SECRET)
        said = ENGLISH.say("refusal.words.here", number=1)

        assert await told(await ada.command(art, "generate", prompt="a z y x o m m a")) == said
        assert await told(await ada.command(art, "generate", prompt="a cat", negative_prompt=SECRET)) == said
        message = await paint(limner, ada, art)
        window = await press(ada, message, "refine")
        assert await told(await ada.submit(window, {"prompt": SECRET})) == said
        picture = Upload("zyxomma.png", "image/png", png())
        assert await told(await ada.command(art, "refine", prompt="warmer", picture=picture)) == said
        assert limner.executor.works[0].request.prompt == "a cat"
        assert len(limner.executor.works) == 1


async def test_a_mention_with_refused_words_is_answered_directly(
    art: Channel, discord: FakeDiscord, ada: Person, boss: Person, bot: StartBot
) -> None:
    async with bot():
        await rule(boss, art, "words", action="add", text=SECRET)
        await ada.say(art, f"{discord.bot.mention} {SECRET}")
        direct = discord.dm(ada)
        await discord.until(lambda: direct.messages, waiting=direct)

        assert direct.messages[0].content == ENGLISH.say("refusal.words.here", number=1)
        assert [message.author for message in art.messages] == [ada]


async def test_words_that_no_limner_paints_are_refused_everywhere(
    art: Channel, discord: FakeDiscord, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        for channel in (art, discord.dm(ada)):
            refused = await told(await ada.command(channel, "generate", prompt="a naked child"))
            assert refused.startswith("This is not painted: rule ")
            assert "for every Limner" in refused
        assert limner.executor.works == []


async def test_what_a_refinement_inherits_counts(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art, "a child on a beach")
        asked = await ada.submit(await press(ada, message, "refine"), {"prompt": "naked"})

        assert "for every Limner" in await told(asked)


async def test_a_word_is_taken_off_by_its_number_or_as_it_is_written(art: Channel, boss: Person, bot: StartBot) -> None:
    async with bot():
        await rule(boss, art, "words", action="add", text="gore")
        await rule(boss, art, "words", action="add", text="Behead*")
        assert await rule(boss, art, "words", action="add", text="GORE") == ENGLISH.say("words.known", number=1)
        assert "`behead*`" in await rule(boss, art, "words", action="remove", text="1")
        assert await rule(boss, art, "words", action="remove", text="9") != ENGLISH.say("words.none")
        assert await rule(boss, art, "words", action="remove", text="behead*") == ENGLISH.say("words.none")
        assert await rule(boss, art, "words", action="add") == ENGLISH.say("words.no_text")
        assert await rule(boss, art, "words", action="add", text="***") == ENGLISH.say("mistake.words.only_stars")


@pytest.mark.parametrize("name", ["flagged", "reports", "retention", "record"])
async def test_rules_are_for_admins(art: Channel, ada: Person, mo: Person, bot: StartBot, name: str) -> None:
    async with bot():
        for person in (ada, mo):
            assert await rule(person, art, name) == ENGLISH.say("admins_only")
            assert await rule(person, art, "words", action="list") == ENGLISH.say("admins_only")


async def test_how_long_things_are_kept_is_said_and_lifted(art: Channel, boss: Person, bot: StartBot) -> None:
    async with bot():
        assert await rule(boss, art, "retention") == ENGLISH.say("retention.none")
        assert await rule(boss, art, "retention", days=30) == ENGLISH.say("retention", days=30)
        assert await rule(boss, art, "retention", days=0) == ENGLISH.say("retention.none")


async def reported(office: Channel) -> FakeMessage:
    """The first report, once it is there."""
    await office.fake.until(lambda: office.messages and buttons(office.messages[0], "approve"), waiting=office)
    return office.messages[0]
