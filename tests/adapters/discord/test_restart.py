"""Restarts: what was accepted is delivered once, whatever was told, noted or forgotten before."""

import json

import pytest

from bot.errors import JobFailed
from bot.policy import Asker
from storage.deliveries import Deliveries
from tests.adapters.discord.conftest import StartBot
from tests.adapters.discord.delivering import (
    LACONIC,
    MESSAGE,
    MESSAGES,
    Refusing,
    Rows,
    finished,
    only_message,
    pictures,
    said,
    settled,
    shown_in,
)
from tests.fakes.discord import Channel, FakeDiscord, Person
from tests.fakes.executor import FakeExecutor

RESTARTING = "Limner restarts; your place is kept."


def waiting() -> FakeExecutor:
    return FakeExecutor(ready=False)


async def test_a_waiting_job_is_told_of_the_restart_and_keeps_its_message_and_its_place(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, ben: Person, rows: Rows
) -> None:
    async with bot(waiting()):
        for person in (ada, ben):
            await person.command(art, "generate", prompt=f"a cat for {person.name}")
            await said(discord, art, f"for {person.name}", "line")
    told = [message.content.splitlines()[1] for message in art.messages]
    assert told == [RESTARTING, RESTARTING]

    async with bot(waiting()) as limner:
        await said(discord, art, "for Ada", "Next in line")
        await said(discord, art, "for Ben", "Place 2 in line")
        limner.executor.become_ready()
        await settled(discord, rows, ["delivered", "delivered"])

    assert len(art.record) == 2
    assert len(finished(art)) == 2


async def test_a_job_that_was_being_painted_is_painted_anew_into_the_same_message(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=2)
    async with bot(executor):
        await ada.command(art, "generate", prompt="a cat", steps=3)
        message = await only_message(discord, art, "Step 1 of 3")
    assert RESTARTING in message.content
    assert message.attachments == []

    async with bot():
        await settled(discord, rows, ["delivered"])
    assert art.record == [message]
    assert len(pictures(message)) == 1


@pytest.mark.parametrize("ending", ["done", "failed", "cancelled"])
async def test_an_ending_that_was_not_told_is_told_after_the_restart(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, ending: str
) -> None:
    executor = waiting()
    if ending == "failed":
        executor.fail_next(JobFailed("out_of_memory", "CUDA out of memory"))
    async with bot(executor, finish_seconds=0) as limner:
        await ada.command(art, "generate", prompt="a cat")
        message = await only_message(discord, art, "Next in line")
        await discord.until(lambda: rows.notes() != [""])
        discord.fail("PATCH", MESSAGE, status=503, times=None)
        if ending == "cancelled":
            ((job_id,),) = rows.read("SELECT id FROM jobs")
            await limner.service.cancel(str(job_id), Asker(f"discord:{ada.id}", ""))
        executor.become_ready()
        await discord.until(lambda: rows.read("SELECT status FROM jobs") == [(ending,)])
    assert "Next in line" in message.content

    discord.heal()
    async with bot(waiting()):
        await settled(discord, rows, ["delivered"])
    words = {"done": "seed", "failed": "This could not be painted.", "cancelled": "Cancelled."}
    assert words[ending] in message.content
    assert len(pictures(message)) == (ending == "done")
    assert art.record == [message]


@pytest.mark.parametrize("minutes", [0, 6, 16], ids=["at once", "nonce forgotten", "token expired"])
@pytest.mark.parametrize("done", [True, False], ids=["done", "waiting"])
async def test_a_message_that_was_posted_but_not_noted_is_found_again(
    discord: FakeDiscord,
    bot: StartBot,
    art: Channel,
    ada: Person,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    minutes: int,
    done: bool,
) -> None:
    refusing = Refusing(monkeypatch, Deliveries, "note", 10_000)
    async with bot(FakeExecutor(ready=done), finish_seconds=0):
        await ada.command(art, "generate", prompt="a cat")
        message = await only_message(discord, art)
        await discord.until(lambda: rows.read("SELECT status FROM jobs") == [("done" if done else "queued",)])
    assert rows.notes() == [""]
    refusing.left = 0
    for number in range(150):
        await ada.say(art, f"This channel is busy: {number}")
    discord.clock.advance(60 * minutes)

    async with bot():
        await settled(discord, rows, ["delivered"])
    assert [one for one in art.record if one.author is discord.bot] == [message]
    assert len(pictures(message)) == 1


async def test_a_message_whose_answer_the_dying_program_never_heard_is_found_again(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    for number in range(600):
        await ada.say(art, f"There was much talk before: {number}")
    async with bot(waiting(), finish_seconds=0):
        discord.delay("POST", MESSAGES, 10, times=1)
        await ada.command(art, "generate", prompt="a cat")
        message = await said(discord, art, "a cat")
    discord.clock.advance(6 * 60)

    async with bot():
        await settled(discord, rows, ["delivered"])
    assert [one for one in art.record if one.author is discord.bot] == [message]


async def test_where_history_cannot_be_read_the_nonce_alone_keeps_messages_from_doubling(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    art.deny("read_message_history")
    refusing = Refusing(monkeypatch, Deliveries, "note", 10_000)
    async with bot(waiting(), finish_seconds=0):
        await ada.command(art, "generate", prompt="a cat")
        await only_message(discord, art, "Next in line")
    refusing.left = 0

    async with bot():
        await settled(discord, rows, ["delivered"])
    assert len(art.record) == 1


@pytest.mark.parametrize("minutes", [0, 6], ids=["at once", "nonce forgotten"])
async def test_a_direct_message_that_was_posted_but_not_noted_is_found_again(
    discord: FakeDiscord,
    bot: StartBot,
    art: Channel,
    ada: Person,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    minutes: int,
) -> None:
    executor, direct = waiting(), discord.dm(ada)
    async with bot(executor, finish_seconds=0):
        await ada.say(art, "<@bot> a cat")
        await said(discord, art, "Next in line")
        await discord.until(lambda: rows.notes() != [""])
        refusing = Refusing(monkeypatch, Deliveries, "note", 10_000)
        art.delete()
        executor.become_ready()
        await discord.until(lambda: direct.messages)
    assert json.loads(rows.notes()[0])["way"] == "post"
    refusing.left = 0
    discord.clock.advance(60 * minutes)

    async with bot():
        await settled(discord, rows, ["delivered"])
    (message,) = direct.record
    assert len(pictures(message)) == 1
    assert message.content.startswith("The channel in which you asked is gone")


async def test_a_direct_message_still_says_why_after_a_restart(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor, direct = waiting(), discord.dm(ada)
    refusing = Refusing(monkeypatch, Deliveries, "delivered", 10_000)
    async with bot(executor, finish_seconds=0):
        await ada.say(art, "<@bot> a cat")
        await said(discord, art, "Next in line")
        art.delete()
        executor.become_ready()
        await discord.until(lambda: finished(direct))
    refusing.left = 0

    async with bot():
        await settled(discord, rows, ["delivered"])
    (message,) = direct.record
    assert message.content.startswith("The channel in which you asked is gone")


async def test_an_image_that_is_shown_but_not_noted_as_delivered_is_shown_once(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = Refusing(monkeypatch, Deliveries, "delivered", 10_000)
    async with bot(finish_seconds=0):
        await ada.command(art, "generate", prompt="a cat", images=4)
        (message,) = await shown_in(discord, art)
    assert rows.states() == ["owed"]
    refusing.left = 0

    async with bot(waiting()):
        await settled(discord, rows, ["delivered"])
    assert art.record == [message]
    assert len(pictures(message)) == 4
    assert set(rows.shown().values()) == {str(message.id)}


async def test_a_private_image_of_which_nobody_heard_whether_it_arrived_is_offered_and_not_sent_again(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = Refusing(monkeypatch, Deliveries, "delivered", 10_000)
    async with bot(finish_seconds=0):
        asked = await ada.command(art, "generate", prompt="a cat", images=2, private=True)
        await asked.until(lambda asked: asked.original and pictures(asked.original))
    refusing.left = 0
    discord.clock.advance(16 * 60)

    async with bot():
        await settled(discord, rows, ["delivered"])
        (offer,) = discord.dm(ada).record
        assert pictures(offer) == []
        assert offer.content.startswith(f"I was interrupted just as your picture was to appear in {art.mention}")
        assert set(rows.shown().values()) == {str(offer.id)}

        await ada.click(offer, "Show")
        await discord.until(lambda: len(pictures(offer)) == 2)
    assert discord.dm(ada).record == [offer]
    assert "Vary 2" in offer.labels
    assert "interrupted" not in offer.content


async def test_what_is_offered_is_offered_once_however_often_the_program_dies(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = Refusing(monkeypatch, Deliveries, "delivered", 10_000)
    async with bot(finish_seconds=0):
        asked = await ada.command(art, "generate", prompt="a cat", private=True)
        await asked.until(lambda asked: asked.original and pictures(asked.original))
    discord.clock.advance(16 * 60)
    async with bot(finish_seconds=0):
        await said(discord, discord.dm(ada), "interrupted")
    refusing.left = 0

    async with bot():
        await settled(discord, rows, ["delivered"])
    (offer,) = discord.dm(ada).record
    assert pictures(offer) == []
    assert offer.content.startswith("I was interrupted")


async def test_a_private_image_that_discord_never_took_comes_by_direct_message(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor):
        asked = await ada.command(art, "generate", prompt="a cat", private=True)
        await asked.until(lambda asked: "Next in line" in asked.text)
    discord.clock.advance(16 * 60)

    async with bot():
        await settled(discord, rows, ["delivered"])
    (direct,) = discord.dm(ada).record
    assert len(pictures(direct)) == 1


async def test_where_all_images_of_an_undelivered_job_were_deleted_nothing_is_left_to_tell(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    async with bot(finish_seconds=0, tempo=LACONIC) as limner:
        discord.fail("PATCH", MESSAGE, status=503, times=None)
        await ada.command(art, "generate", prompt="a cat", images=2)
        await discord.until(lambda: rows.read("SELECT status FROM jobs") == [("done",)] and rows.notes() != [""])
        for image_id in rows.images():
            await limner.service.delete(image_id, Asker(f"discord:{ada.id}", ""))

    discord.heal()
    async with bot():
        await settled(discord, rows, ["delivered"])
        await discord.until(lambda: not art.messages)
    assert discord.dm(ada).record == []


async def test_a_message_deleted_while_the_program_was_down_is_not_posted_again(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    async with bot(waiting()):
        asked = await ada.command(art, "generate", prompt="a cat")
        message = await only_message(discord, art, "Next in line")
        await asked.until(lambda asked: asked.text)
    message.remove()

    async with bot():
        await settled(discord, rows, ["delivered"])
    assert art.record == [message]
    assert asked.original
    assert len(pictures(asked.original)) == 1


async def test_a_private_answer_is_taken_up_after_a_restart_and_comes_directly_after_15_minutes(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, ben: Person, rows: Rows
) -> None:
    async with bot(waiting()):
        quick = await ada.command(art, "generate", prompt="a cat", private=True)
        await quick.until(lambda asked: "Next in line" in asked.text)
    assert RESTARTING in quick.text
    async with bot():
        await settled(discord, rows, ["delivered"])
    assert quick.original
    assert len(pictures(quick.original)) == 1

    async with bot(waiting()):
        slow = await ben.command(art, "generate", prompt="a dog", private=True)
        await slow.until(lambda asked: "Next in line" in asked.text)
    discord.clock.advance(16 * 60)
    async with bot():
        await settled(discord, rows, ["delivered", "delivered"])
    (direct,) = discord.dm(ben).record
    assert len(pictures(direct)) == 1
    assert art.record == []


async def test_a_job_that_waited_for_an_hour_over_restarts_still_comes_into_its_message(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    async with bot(waiting()):
        await ada.command(art, "generate", prompt="a cat")
        message = await only_message(discord, art, "Next in line")
        await discord.until(lambda: rows.notes() != [""])
    edits = message.edits
    discord.clock.advance(70 * 60)

    async with bot(waiting()) as limner:
        await discord.until(lambda: limner.client.deliveries.live[str(art.id)])
        limner.executor.become_ready()
        await settled(discord, rows, ["delivered"])
    assert art.record == [message]
    assert len(pictures(message)) == 1
    assert message.edits == edits + 1


async def test_what_is_owed_is_read_again_where_the_disk_refuses(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bot(waiting()):
        await ada.command(art, "generate", prompt="a cat")
        await only_message(discord, art, "Next in line")
    Refusing(monkeypatch, Deliveries, "owed", 3)

    async with bot():
        await settled(discord, rows, ["delivered"])
    assert len(art.record) == 1


async def test_what_is_accepted_while_the_program_goes_down_is_told_after_the_restart(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    async with bot() as limner:
        await limner.client.finish(0)
        await ada.command(art, "generate", prompt="a cat")
        await discord.until(lambda: rows.read("SELECT status FROM jobs") == [("done",)])
    assert art.record == []
    assert rows.states() == ["owed"]

    async with bot():
        await settled(discord, rows, ["delivered"])
    assert len(finished(art)) == 1


async def test_buttons_of_old_messages_work_after_a_restart(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    async with bot():
        await ada.command(art, "generate", prompt="a cat")
        (message,) = await shown_in(discord, art)
        await settled(discord, rows, ["delivered"])
    discord.clock.advance(3600)

    async with bot(waiting()):
        window = await ada.click(message, "Refine")
        await ada.submit(window, {"prompt": "warmer light"})
        await said(discord, art, "warmer light", "Next in line")
        waits = art.messages[-1]
    async with bot(waiting()):
        await said(discord, art, "warmer light", "Next in line")
        await ada.click(waits, "Cancel")
        await discord.until(lambda: "Cancelled." in waits.content)
    async with bot() as limner:
        await ada.click(waits, "Try again")
        await ada.say(art, "colder", reply_to=message)
        await settled(discord, rows, ["delivered"] * 4)
        assert limner.executor.works
        deleting = await ada.click(message, "Delete")
        await deleting.until(lambda asked: asked.original and asked.original.labels)
        assert deleting.original
        await ada.click(deleting.original, "Delete for good")
        await discord.until(lambda: message.deleted)
    assert len(finished(art)) == 2
