"""Anyone reports an image, moderators decide on it, and the record says who decided what."""

import csv
import io
from collections.abc import Callable
from typing import Any

from adapters.discord.words import words_for
from tests.adapters.discord.conftest import StartBot
from tests.adapters.discord.test_treatments import boss, office, reported, rule
from tests.adapters.discord.watching import at_rest, buttons, confirmed, delete, image_ids, paint, press, told
from tests.fakes.discord import Channel, FakeDiscord, FakeMessage, Person
from tests.fakes.executor import FakeExecutor

__all__ = ["boss", "office"]

ENGLISH = words_for("en")
SECRET = "zyxomma"

ImageFiles = Callable[[], set[str]]


async def report(person: Person, message: FakeMessage, number: int = 1) -> str:
    """Says yes when asked; the answer."""
    asked = await press(person, message, "report:")
    assert await told(asked) == ENGLISH.say("confirm.report")
    assert asked.original is not None
    question = asked.original
    sure = await person.click(question, buttons(question, "confirm_report")[number - 1])
    await sure.until(lambda sure: question.text != ENGLISH.say("confirm.report") or sure.followups)
    return question.text


async def test_whoever_sees_an_image_can_report_it_and_moderators_see_what_and_where(
    art: Channel, office: Channel, ada: Person, ben: Person, boss: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        await rule(boss, art, "reports", channel=office)
        message = await paint(limner, ada, art, SECRET)

        assert await report(ben, message) == ENGLISH.say("reported.told")
        shown = await reported(office)
        assert ENGLISH.say("report.reported", person=ada.mention) in shown.content
        assert SECRET in shown.content
        assert f"/{message.id}" in shown.content
        assert shown.attachments[0].filename == f"SPOILER_{image_ids(message)[0]}.png"
        assert ben.mention not in shown.content
        assert len(message.attachments) == 1


async def test_an_image_is_reported_once(
    art: Channel, office: Channel, ada: Person, ben: Person, boss: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        await rule(boss, art, "reports", channel=office)
        message = await paint(limner, ada, art)
        await report(ben, message)
        shown = await reported(office)

        assert await report(ada, message) == ENGLISH.say("reported.known")
        await press(boss, shown, "approve")
        await art.fake.until(lambda: not shown.labels, waiting=shown)
        assert await report(ben, message) == ENGLISH.say("reported.decided")
        assert office.messages == [shown]
        assert len(message.attachments) == 1


async def test_whoever_presses_by_mistake_reports_nothing(
    art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        asked = await press(ben, message, "report:")
        await told(asked)
        assert asked.original is not None
        await press(ben, asked.original, "keep_quiet")

        await asked.until(lambda asked: asked.original and asked.original.text == ENGLISH.say("kept_quiet"))
        assert await limner.service.moderation.owed("discord") == []


async def test_where_nobody_hears_of_it_it_is_written_down_and_comes_later(
    art: Channel, office: Channel, ada: Person, ben: Person, boss: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        assert await report(ben, message) == ENGLISH.say("reported.unheard")

        await rule(boss, art, "reports", channel=office)
        assert (await reported(office)).labels == ["Approve", "Refuse", "Block"]


async def test_of_a_set_one_image_is_reported_and_goes_alone(
    art: Channel, office: Channel, ada: Person, ben: Person, boss: Person, bot: StartBot, image_files: ImageFiles
) -> None:
    async with bot() as limner:
        await rule(boss, art, "reports", channel=office)
        message = await paint(limner, ada, art, images=3)
        first, _, third = image_ids(message)
        await report(ben, message, 2)
        shown = await reported(office)
        await press(boss, shown, "refuse")
        await art.fake.until(lambda: len(message.attachments) == 2, waiting=message)

        assert image_ids(message) == [first, third]
        assert ENGLISH.say("kept_back.removed", count=1) in message.content
        assert await told(await press(ada, message, "why")) == ENGLISH.say("why.removed", count=1)
        assert {name.partition("/")[2] for name in image_files()} == {f"{first}.png", f"{third}.png"}


async def test_a_refused_image_goes_wherever_it_is_shown_and_says_so_where_it_was(
    art: Channel, office: Channel, ada: Person, ben: Person, boss: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        await rule(boss, art, "reports", channel=office)
        message = await paint(limner, ada, art, SECRET)
        await report(ben, message)
        shown = await reported(office)
        await press(boss, shown, "refuse")
        await art.fake.until(lambda: not message.attachments, waiting=message)

        assert SECRET not in message.content
        assert message.content.splitlines()[0] == ENGLISH.say("kept_back.removed", count=1)
        assert shown.content == ENGLISH.say("report.refused", moderator=boss.mention, person=ada.mention)
        assert shown.attachments == []


async def test_only_moderators_decide(
    art: Channel, office: Channel, discord: FakeDiscord, ada: Person, ben: Person, boss: Person, bot: StartBot
) -> None:
    office.let_in(ben)
    elsewhere = discord.person("Eve")
    discord.guild("Another").join(elsewhere, manage_guild=True)
    office.let_in(elsewhere)
    async with bot() as limner:
        await rule(boss, art, "reports", channel=office)
        message = await paint(limner, ada, art)
        await report(ben, message)
        shown = await reported(office)
        for action in ("approve", "refuse", "block"):
            for person in (ben, elsewhere):
                assert await told(await press(person, shown, action)) == ENGLISH.say("moderators_only")

        assert len(message.attachments) == 1
        assert shown.labels == ["Approve", "Refuse", "Block"]


async def test_of_two_moderators_at_once_one_decides(
    art: Channel, office: Channel, ada: Person, ben: Person, boss: Person, mo: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        await rule(boss, art, "reports", channel=office)
        message = await paint(limner, ada, art)
        await report(ben, message)
        shown = await reported(office)
        first, second = buttons(shown, "approve")[0], buttons(shown, "refuse")[0]
        await boss.click(shown, first)
        late = await mo.click(shown, second)
        assert await told(late) == ENGLISH.say("refusal.already_decided")

        assert len(message.attachments) == 1


async def test_what_its_owner_deletes_or_forgets_goes_from_the_report_too(
    art: Channel, office: Channel, ada: Person, ben: Person, boss: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        await rule(boss, art, "reports", channel=office)
        deleted, forgotten = await paint(limner, ada, art), await paint(limner, ada, art)
        await report(ben, deleted)
        await report(ben, forgotten)
        await art.fake.until(lambda: len(office.messages) == 2, waiting=office)
        await at_rest(limner)
        assert await delete(ada, deleted) == ENGLISH.say("deleted")
        assert len(office.messages) == 1
        asked = await ada.command(art, "limner forget")
        await told(asked)
        assert asked.original is not None
        await confirmed(ada, asked.original)

        await art.fake.until(lambda: not office.messages, waiting=office)


async def test_the_record_says_who_decided_what_and_can_be_taken_along(
    art: Channel, office: Channel, ada: Person, ben: Person, boss: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        await rule(boss, art, "reports", channel=office)
        await rule(boss, art, "words", action="add", text=SECRET)
        await told(await ada.command(art, "generate", prompt=SECRET))
        message = await paint(limner, ada, art)
        await report(ben, message)
        await press(boss, await reported(office), "refuse")
        await art.fake.until(lambda: not message.attachments, waiting=message)
        lines = (await rule(boss, art, "record")).splitlines()
        table = await exported(boss, art)

    assert lines[0] == ENGLISH.say("record.title")
    acts = ["refused", "reported", "refused words", "changed the rules", "changed the rules"]
    assert [line.split(" · ")[2] for line in lines[1:]] == acts
    assert ada.mention in lines[1]
    assert boss.mention in lines[1]
    assert [row["act"] for row in table] == ["refused", "reported", "words", "rules", "rules"]
    assert table[0]["by"] == f"discord:{boss.id}"
    assert table[0]["about"] == f"discord:{ada.id}"
    assert table[2]["detail"] == "rule 1"
    assert table[3]["detail"] == f"words: +{SECRET}"


async def exported(person: Person, channel: Channel) -> list[dict[str, Any]]:
    asked = await person.command(channel, "limner record", export=True)
    await told(asked)
    assert asked.original is not None
    (file,) = asked.original.attachments
    assert file.filename == "limner-record.csv"
    return list(csv.DictReader(io.StringIO(file.data.decode())))


async def test_whoever_is_forgotten_is_named_in_no_record(
    art: Channel, office: Channel, ada: Person, ben: Person, boss: Person, bot: StartBot
) -> None:
    async with bot(FakeExecutor()) as limner:
        await rule(boss, art, "reports", channel=office)
        await report(ben, await paint(limner, ada, art))
        await reported(office)
        await at_rest(limner)
        for person in (ada, ben):
            asked = await person.command(art, "limner forget")
            question = await told(asked)
            assert asked.original is not None
            if question != ENGLISH.say("confirm.forget.nothing"):
                await confirmed(person, asked.original)
        text = await rule(boss, art, "record")

    assert "reported" in text
    assert ada.mention not in text
    assert ben.mention not in text
