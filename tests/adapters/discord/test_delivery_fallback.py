"""Messages, channels and permissions that go, and tokens that expire: the ending comes by another way, and says why."""

import pytest

from bot.errors import JobFailed
from tests.adapters.discord.conftest import TEMPO, StartBot
from tests.adapters.discord.delivering import (
    LACONIC,
    MESSAGE,
    MESSAGES,
    ORIGINAL,
    Rows,
    finished,
    only_message,
    pictures,
    requests,
    said,
    settled,
    shown_in,
)
from tests.fakes.discord import Asked, Channel, FakeDiscord, Guild, Person
from tests.fakes.executor import FakeExecutor

ME = "/users/@me/channels"


async def mention(person: Person, channel: Channel, text: str = "a cat") -> None:
    """There is no interaction then, whose answer could be edited."""
    await person.say(channel, f"<@bot> {text}")


async def private_answer(discord: FakeDiscord, asked: Asked) -> None:
    await discord.until(lambda: asked.original and pictures(asked.original), waiting=asked)
    assert asked.original
    assert asked.original.ephemeral


async def test_a_message_deleted_while_the_job_waits_is_not_posted_again_and_the_image_comes_privately(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, ben: Person, rows: Rows
) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor) as limner:
        asked = await ada.command(art, "generate", prompt="a cat")
        message = await only_message(discord, art, "Next in line")
        await asked.until(lambda asked: asked.text)
        message.remove()
        executor.become_ready()
        await private_answer(discord, asked)
        await settled(discord, rows, ["delivered"])
        assert asked.original
        image_id = pictures(asked.original)[0].filename.removesuffix(".png")
        assert list(await limner.service.shown_by("discord", str(art.id), str(asked.original.id))) == [image_id]

    assert art.record == [message]
    assert discord.dm(ada).record == []


async def test_a_message_deleted_while_the_job_is_painted_is_not_posted_again(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=2)
    async with bot(executor):
        asked = await ada.command(art, "generate", prompt="a cat", steps=3)
        message = await only_message(discord, art, "Step 1 of 3")
        await asked.until(lambda asked: asked.text)
        message.remove()
        executor.release()
        await private_answer(discord, asked)
        await settled(discord, rows, ["delivered"])

    assert art.record == [message]


async def test_a_message_deleted_just_before_the_image_comes_is_not_posted_again(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor, tempo=LACONIC):
        await mention(ada, art)
        await discord.until(lambda: len(art.messages) == 2)
        message = art.messages[-1]
        discord.delay("PATCH", MESSAGE, 0.1, times=1, taken=False)
        executor.become_ready()
        await discord.until(lambda: requests(discord, "PATCH", MESSAGE))
        message.remove()
        await settled(discord, rows, ["delivered"])

    (direct,) = discord.dm(ada).record
    assert len(pictures(direct)) == 1
    assert direct.content.startswith(
        f"The message in {art.mention} that was to show your picture is gone, so here it is.\n> a cat\n"
    )
    assert len(art.record) == 2


async def test_a_direct_message_says_why_the_first_way_was_closed(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor):
        await ada.command(art, "generate", prompt="a cat")
        (await only_message(discord, art, "Next in line")).remove()
        discord.clock.advance(16 * 60)
        executor.become_ready()
        await settled(discord, rows, ["delivered"])

    (direct,) = discord.dm(ada).record
    assert direct.content.startswith(f"The message in {art.mention} that was to show your picture is gone")


async def test_an_ending_without_an_image_falls_back_in_the_same_way(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    executor = FakeExecutor(ready=False)
    executor.fail_next(JobFailed("out_of_memory", "CUDA out of memory"))
    async with bot(executor):
        await mention(ada, art)
        (await said(discord, art, "Next in line")).remove()
        executor.become_ready()
        await settled(discord, rows, ["delivered"])

    (direct,) = discord.dm(ada).record
    assert f"The message in {art.mention} that was to show your picture is gone" in direct.content
    assert "This could not be painted." in direct.content
    assert direct.labels == ["Try again"]


@pytest.mark.parametrize("by_command", [True, False])
async def test_where_the_channel_is_deleted_the_image_comes_by_direct_message(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, by_command: bool
) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor):
        await (ada.command(art, "generate", prompt="a cat") if by_command else mention(ada, art))
        await said(discord, art, "Next in line")
        art.delete()
        executor.become_ready()
        await settled(discord, rows, ["delivered"])

    (direct,) = discord.dm(ada).record
    assert len(pictures(direct)) == 1
    assert direct.content.startswith("The channel in which you asked is gone, so here is your picture.\n")


@pytest.mark.parametrize("how", ["the channel is closed", "the bot is thrown out", "files are forbidden"])
async def test_where_the_permission_is_lost_the_image_comes_by_direct_message(
    discord: FakeDiscord, bot: StartBot, guild: Guild, art: Channel, ada: Person, rows: Rows, how: str
) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor):
        await mention(ada, art)
        await said(discord, art, "Next in line")
        match how:
            case "the channel is closed":
                art.deny("view_channel")
            case "the bot is thrown out":
                guild.kick_bot()
            case _:
                art.deny("attach_files")
        executor.become_ready()
        await settled(discord, rows, ["delivered"])

    (direct,) = discord.dm(ada).record
    assert len(pictures(direct)) == 1
    assert direct.content.startswith(f"I may no longer post in {art.mention}, so here is your picture.\n")


async def test_where_replies_are_not_allowed_a_plain_message_comes(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    async with bot():
        await ada.command(art, "generate", prompt="a cat")
        (first,) = await shown_in(discord, art)
        art.deny("read_message_history")
        await ada.click(first, "Vary")
        await settled(discord, rows, ["delivered", "delivered"])

    assert [message.reply_to for message in art.record] == [None, None]
    assert len(finished(art)) == 2


async def test_what_no_way_is_left_for_is_noted_with_the_reasons_and_holds_nobody_up(
    discord: FakeDiscord, bot: StartBot, guild: Guild, art: Channel, ada: Person, ben: Person, rows: Rows
) -> None:
    executor, other = FakeExecutor(ready=False), guild.channel("other")
    ada.closes_dms = True
    async with bot(executor):
        await mention(ada, art)
        await said(discord, art, "Next in line")
        await ben.command(other, "generate", prompt="a dog")
        await said(discord, other, "Place 2 in line")
        art.deny("view_channel")
        before = len(discord.requests)
        executor.become_ready()
        await shown_in(discord, other)
        await settled(discord, rows, ["failed", "delivered"])
        asked = [request for request in discord.requests[before:] if str(other.id) not in request.path]
        assert [request.status for request in asked if request.route == MESSAGE] == [403]
        # Where the bot has just started, it may look first whether an earlier life has posted there.
        posted = [request for request in asked if request.route == MESSAGES and request.method == "POST"]
        assert [request.status for request in posted] == [403]
        assert len([request for request in asked if request.route == ME]) <= 1

    (detail,) = rows.details()
    assert detail == (
        "post: Missing Access (Discord's code 50001); direct: Cannot send messages to this user (Discord's code 50007)"
    )
    before = len(discord.requests)
    async with bot():
        await discord.until(lambda: len(discord.requests) > before + 3)
    assert not [one for one in discord.requests[before:] if one.method == "POST"]


async def test_a_person_who_left_discord_holds_nobody_up(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, ben: Person, rows: Rows
) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor):
        await mention(ada, art)
        await said(discord, art, "Next in line")
        art.delete()
        del discord.people[ada.id]
        executor.become_ready()
        await settled(discord, rows, ["failed"])
    assert "Unknown User" in rows.details()[0]


# Private answers


async def test_a_private_image_comes_by_edits_of_the_answer_and_nowhere_else(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    executor = FakeExecutor(ready=False)
    executor.hold(at_step=3)
    async with bot(executor):
        asked = await ada.command(art, "generate", prompt="a cat", private=True, steps=4)
        await asked.until(lambda asked: "Next in line" in asked.text)
        # Not before somebody looks, or the only preview could be missed.
        executor.become_ready()
        await asked.until(lambda asked: asked.original and "Step 2 of 4" in asked.text and asked.original.attachments)
        executor.release()
        await private_answer(discord, asked)
        await settled(discord, rows, ["delivered"])
        assert asked.original
        assert rows.shown() == {pictures(asked.original)[0].filename.removesuffix(".png"): str(asked.original.id)}

    assert art.record == []
    assert asked.followups == []
    assert discord.dm(ada).record == []


@pytest.mark.parametrize("deaf", [True, False], ids=["nothing in between", "progress in between"])
async def test_after_15_minutes_a_private_image_comes_by_direct_message(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, deaf: bool
) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=2)
    async with bot(executor, tempo=LACONIC if deaf else TEMPO):
        asked = await ada.command(art, "generate", prompt="a cat", private=True)
        await asked.until(lambda asked: asked.text)
        discord.clock.advance(15 * 60 + 1)
        executor.release()
        await settled(discord, rows, ["delivered"])

    (direct,) = discord.dm(ada).record
    assert len(pictures(direct)) == 1
    assert direct.content.startswith(
        f"This took longer than Discord lets me answer in {art.mention}, so here is your picture.\n"
    )
    assert asked.original
    assert pictures(asked.original) == []
    assert art.record == []


async def test_an_image_whose_arrival_was_never_heard_of_is_offered_once_nobody_can_look(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=2)
    async with bot(executor, tempo=LACONIC):
        asked = await ada.command(art, "generate", prompt="a cat", private=True)
        await asked.until(lambda asked: asked.text)
        discord.fail("PATCH", ORIGINAL, status=None, times=None, taken=True)
        executor.release()
        await private_answer(discord, asked)
        discord.clock.advance(15 * 60 + 1)
        discord.heal()
        await settled(discord, rows, ["delivered"])

    (offer,) = discord.dm(ada).record
    assert pictures(offer) == []
    assert offer.labels == ["Show"]


async def test_an_image_that_may_be_in_a_channel_that_is_closed_now_is_offered(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    async with bot(finish_seconds=0, tempo=LACONIC):
        discord.fail("PATCH", MESSAGE, status=None, times=None, taken=True)
        await mention(ada, art)
        await shown_in(discord, art)
        art.deny("view_channel")
        discord.heal()
        await settled(discord, rows, ["delivered"])

    (offer,) = discord.dm(ada).record
    assert pictures(offer) == []
    assert offer.labels == ["Show"]


async def test_where_the_bot_may_not_post_the_answer_shows_the_image_while_it_can(
    discord: FakeDiscord, bot: StartBot, guild: Guild, ada: Person, rows: Rows
) -> None:
    closed, foreign = guild.channel("closed", deny=["send_messages"]), discord.foreign_guild("Far").channel("away")
    async with bot():
        for channel in (closed, foreign):
            asked = await ada.command(channel, "generate", prompt="a cat")
            await asked.until(lambda asked: asked.original and pictures(asked.original))
        await settled(discord, rows, ["delivered", "delivered"])
    assert discord.dm(ada).record == []


async def test_where_the_bot_may_not_post_the_image_comes_by_direct_message_after_15_minutes(
    discord: FakeDiscord, bot: StartBot, guild: Guild, ada: Person, rows: Rows
) -> None:
    closed = guild.channel("closed", deny=["send_messages"])
    executor = FakeExecutor(ready=False)
    async with bot(executor):
        asked = await ada.command(closed, "generate", prompt="a cat")
        await asked.until(lambda asked: "Next in line" in asked.text)
        discord.clock.advance(15 * 60 + 1)
        executor.become_ready()
        await settled(discord, rows, ["delivered"])

    (direct,) = discord.dm(ada).record
    assert len(pictures(direct)) == 1
    assert direct.content.startswith("This took longer than Discord lets me answer")


async def test_a_lost_answer_to_a_direct_message_makes_no_second_one(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor):
        await mention(ada, art)
        await said(discord, art, "Next in line")
        art.delete()
        discord.fail("POST", MESSAGES, status=None, taken=True)
        executor.become_ready()
        await settled(discord, rows, ["delivered"])

    assert len(discord.dm(ada).record) == 1
