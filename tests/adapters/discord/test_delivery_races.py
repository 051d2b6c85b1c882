"""What people erase and the disk refuses while a delivery is on its way."""

from collections.abc import AsyncGenerator

import pytest

from adapters.chat.watch import Watch
from bot.errors import NotFound
from bot.events import Event
from bot.policy import Asker
from storage.deliveries import Deliveries
from storage.jobs import Jobs
from tests.adapters.discord.conftest import TEMPO, StartBot
from tests.adapters.discord.delivering import (
    LACONIC,
    MESSAGE,
    MESSAGES,
    Refusing,
    Rows,
    finished,
    only_message,
    pictures,
    requests,
    said,
    settled,
    shown_in,
)
from tests.bot.slow_stores import Slow
from tests.fakes.discord import Channel, FakeDiscord, Person
from tests.fakes.executor import FakeExecutor


def as_asker(person: Person) -> Asker:
    return Asker(f"discord:{person.id}", "")


async def forget(discord: FakeDiscord, person: Person, channel: Channel) -> None:
    asked = await person.command(channel, "limner forget")
    await asked.until(lambda asked: asked.original and asked.original.labels)
    assert asked.original
    pressed = await person.click(asked.original, "Erase all of it")
    await pressed.until(lambda pressed: "Erased" in pressed.text)


# Erased meanwhile


async def test_an_image_that_is_deleted_while_it_is_sent_is_taken_back(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivering = Slow(monkeypatch, Deliveries, "delivered")
    async with bot() as limner:
        await ada.command(art, "generate", prompt="a cat")
        await delivering.reached()
        assert len(finished(art)) == 1
        (image_id,) = rows.images()
        await limner.service.delete(image_id, as_asker(ada))
        delivering.go_on()
        await discord.until(lambda: not art.messages)

    assert rows.shown() == {}
    assert rows.states() == ["delivered"]
    assert discord.dm(ada).record == []


async def test_of_two_images_the_one_that_is_deleted_while_they_are_sent_is_taken_back(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivering = Slow(monkeypatch, Deliveries, "delivered")
    async with bot() as limner:
        await ada.command(art, "generate", prompt="a cat", images=2)
        await delivering.reached()
        first, second = rows.images()
        await limner.service.delete(first, as_asker(ada))
        delivering.go_on()
        await discord.until(lambda: first not in str(art.messages[0].custom_ids))

    (message,) = art.messages
    assert [file.filename for file in pictures(message)] == [f"{second}.png"]
    assert message.labels == ["Refine 2", "Vary 2", "Delete 2", "Again", "Recipe", "Report"]
    assert rows.shown() == {second: str(message.id)}


async def test_a_private_image_that_is_deleted_while_it_is_sent_is_taken_back(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    delivering = Slow(monkeypatch, Deliveries, "delivered")
    async with bot() as limner:
        asked = await ada.command(art, "generate", prompt="a cat", private=True)
        await delivering.reached()
        (image_id,) = rows.images()
        await limner.service.delete(image_id, as_asker(ada))
        delivering.go_on()
        await asked.until(lambda asked: asked.original and asked.original.deleted)
    assert discord.dm(ada).record == []


@pytest.mark.parametrize("moment", ["it waits", "it is posted", "it is painted", "it is sent"])
async def test_of_what_is_forgotten_no_message_stays_and_none_comes_later(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, moment: str
) -> None:
    executor = FakeExecutor(ready=moment in ("it is painted", "it is sent"))
    executor.hold(at_step=2)
    async with bot(executor, tempo=LACONIC if moment == "it is sent" else TEMPO):
        if moment == "it is posted":
            discord.delay("POST", MESSAGES, 0.2, times=1)
        await ada.command(art, "generate", prompt="a cat", steps=2)
        match moment:
            case "it waits":
                await only_message(discord, art, "Next in line")
                await discord.until(lambda: rows.notes() != [""])
            case "it is posted":
                await discord.until(lambda: art.messages)
            case "it is painted":
                await only_message(discord, art, "Step 1 of 2")
            case _:
                await discord.until(lambda: art.messages)
                discord.delay("PATCH", MESSAGE, 0.2, times=1, taken=False)
                executor.release()
                await discord.until(lambda: requests(discord, "PATCH", MESSAGE))

        await forget(discord, ada, art)

        await discord.until(lambda: not art.messages)
    assert rows.jobs() == 0
    assert art.messages == []
    assert discord.dm(ada).record == []


async def test_what_was_forgotten_is_not_told_directly_though_the_message_was_deleted_before(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor):
        await ada.say(art, "<@bot> a cat")
        message = await said(discord, art, "Next in line")
        await discord.until(lambda: rows.notes() != [""])
        message.remove()
        await forget(discord, ada, art)
    assert discord.dm(ada).messages == []


async def test_a_job_that_is_erased_before_it_is_followed_ends_its_delivery() -> None:
    async def nothing() -> AsyncGenerator[Event, None]:
        none: list[Event] = []
        for event in none:
            yield event

    watch = Watch()
    await watch.hear(nothing())
    with pytest.raises(NotFound):
        await watch.news(0)


# Refused by the disk


async def test_a_note_that_the_disk_refuses_is_written_later_and_nothing_doubles(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusing = Refusing(monkeypatch, Deliveries, "note", 4)
    async with bot(FakeExecutor(ready=False)) as limner:
        await ada.command(art, "generate", prompt="a cat")
        message = await only_message(discord, art, "Next in line")
        await discord.until(lambda: str(message.id) in rows.notes()[0])
        assert refusing.left == 0
        assert len(requests(discord, "POST", MESSAGES)) == 1
        limner.executor.become_ready()
        await settled(discord, rows, ["delivered"])
    assert art.record == [message]


async def test_a_delivery_that_the_disk_does_not_take_down_is_written_later_and_sent_once(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    Refusing(monkeypatch, Deliveries, "delivered", 4)
    async with bot(tempo=LACONIC):
        await ada.command(art, "generate", prompt="a cat")
        await settled(discord, rows, ["delivered"])

    (message,) = art.record
    assert message.edits == 1
    assert list(rows.shown().values()) == [str(message.id)]


async def test_a_reason_that_the_disk_does_not_take_down_is_written_later(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    Refusing(monkeypatch, Deliveries, "give_up", 2)
    ada.closes_dms = True
    async with bot(FakeExecutor(ready=False)) as limner:
        await ada.say(art, "<@bot> a cat")
        (await said(discord, art, "Next in line")).remove()
        limner.executor.become_ready()
        await settled(discord, rows, ["failed"])


@pytest.mark.parametrize("method", ["get", "add"])
async def test_jobs_that_cannot_be_read_or_written_for_a_moment_are_delivered_or_refused(
    discord: FakeDiscord,
    bot: StartBot,
    art: Channel,
    ada: Person,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
) -> None:
    Refusing(monkeypatch, Jobs, method, 1)
    async with bot():
        first = await ada.command(art, "generate", prompt="a cat")
        await first.until(lambda asked: asked.text)
        second = await ada.command(art, "generate", prompt="a dog")
        await second.until(lambda asked: "Your picture will be here" in asked.text)
        jobs = 2 if method == "get" else 1
        await settled(discord, rows, ["delivered"] * jobs)
        await shown_in(discord, art, jobs)
    assert ("Something went wrong on my side" in first.text) is (method == "add")
