"""Connections that come and go: what people ask meanwhile is done, and what Discord says twice is done once."""

import pytest

from adapters.discord import client
from adapters.discord.client import LimnerClient
from tests.adapters.discord.conftest import StartBot
from tests.adapters.discord.delivering import Rows, finished, said, settled, shown_in
from tests.fakes.discord import Channel, FakeDiscord, Person
from tests.fakes.executor import FakeExecutor

#: With this code the Gateway says that it is no use to come back.
INVALID_SHARD = 4010


def waiting() -> FakeExecutor:
    return FakeExecutor(ready=False)


async def test_what_people_ask_while_the_connection_is_lost_is_done_once_it_is_back(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, ben: Person, rows: Rows
) -> None:
    async with bot() as limner:
        limner.executor.hold()
        await ada.command(art, "generate", prompt="before")
        await said(discord, art, "before", "Starting")
        async with discord.cut_off():
            meanwhile = await ben.command(art, "generate", prompt="meanwhile by command")
            await ben.say(art, "<@bot> meanwhile by mention")
            limner.executor.release()
            await said(discord, art, "before", "seed")
        await meanwhile.until(lambda asked: asked.text)
        await settled(discord, rows, ["delivered"] * 3)

    assert (discord.identifies, discord.resumes) == (1, 1)
    assert len(finished(art)) == 3


async def test_what_is_repeated_after_a_resumption_is_done_once(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    async with bot():
        asked = await ada.command(art, "generate", prompt="by command")
        await asked.until(lambda asked: asked.text)
        mention = await ada.say(art, "<@bot> by mention")
        await discord.until(lambda: len(finished(art)) == 2)
        for _ in range(2):
            await discord.disconnect()
            await discord.connected()
            await discord.repeat(asked)
            discord.gateway.tell_message("MESSAGE_CREATE", mention)
        last = await ada.command(art, "generate", prompt="the last")
        await last.until(lambda asked: asked.text)
        await settled(discord, rows, ["delivered"] * 3)

    assert discord.resumes == 2
    assert rows.jobs() == 3
    assert len(finished(art)) == 3


async def test_buttons_and_windows_that_are_repeated_make_one_job_each(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    async with bot():
        await ada.command(art, "generate", prompt="a cat")
        (message,) = await shown_in(discord, art)
        pressed = await ada.click(message, "Vary")
        await discord.repeat(pressed)
        window = await ada.submit(await ada.click(message, "Refine"), {"prompt": "warmer"})
        await discord.repeat(window)
        for asked in (pressed, window):
            await asked.until(lambda asked: asked.text)
        await settled(discord, rows, ["delivered"] * 3)
    assert rows.jobs() == 3


async def test_an_interaction_that_comes_too_late_makes_no_job(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    async with bot():
        async with discord.cut_off():
            late = await ada.command(art, "generate", prompt="too late")
            discord.clock.advance(4)
        quick = await ada.command(art, "generate", prompt="in time")
        await quick.until(lambda asked: asked.text)
        await settled(discord, rows, ["delivered"])
    assert not late.acknowledged


async def test_after_an_invalid_session_a_new_one_begins_and_nothing_doubles(
    discord: FakeDiscord,
    bot: StartBot,
    art: Channel,
    ada: Person,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_pauses(monkeypatch)
    async with bot(waiting()) as limner:
        await ada.command(art, "generate", prompt="before")
        await said(discord, art, "before", "Next in line")
        await discord.disconnect(resumable=False)
        await discord.until(lambda: discord.identifies == 2)
        await discord.connected()
        asked = await ada.command(art, "generate", prompt="after")
        await said(discord, art, "after", "Place 2 in line")
        await asked.until(lambda asked: asked.text)
        limner.executor.become_ready()
        await settled(discord, rows, ["delivered", "delivered"])
    assert len(art.record) == 2


async def test_deliveries_go_on_while_there_is_no_connection_to_the_gateway(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pauses(monkeypatch)
    async with bot(waiting()) as limner:
        await ada.command(art, "generate", prompt="a cat")
        await said(discord, art, "Next in line")
        async with discord.cut_off(resumable=False):
            limner.executor.become_ready()
            await settled(discord, rows, ["delivered"])
        # discord.py leaves the thread that keeps a connection alive behind, where it is stopped while it connects.
        await discord.connected()
    assert len(finished(art)) == 1


@pytest.mark.slow
async def test_deliveries_outlive_a_connection_that_the_library_gives_up(
    discord: FakeDiscord,
    bot: StartBot,
    art: Channel,
    ada: Person,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_pauses(monkeypatch)
    monkeypatch.setattr(client, "RECONNECT", 0.5)
    async with bot(waiting()) as limner:
        await ada.command(art, "generate", prompt="a cat")
        asked = await ada.command(art, "generate", prompt="a dog")
        await asked.until(lambda asked: asked.text)
        (connection,) = discord.gateway._connections
        await connection.socket.close(code=INVALID_SHARD)
        await discord.until(limner.client.is_closed)
        limner.executor.become_ready()
        await discord.until(lambda: discord.identifies == 2)
        await settled(discord, rows, ["delivered", "delivered"])
    assert len(art.record) == 2


def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """discord.py waits for five seconds before it begins a new session."""

    async def at_once(self: LimnerClient, shard_id: int | None, *, initial: bool = False) -> None: ...

    monkeypatch.setattr(LimnerClient, "before_identify_hook", at_once)
