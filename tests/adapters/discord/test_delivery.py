"""How the news of a job reach Discord, and that its ending is told once, whatever happens on the way."""

from itertools import pairwise

import pytest

from adapters.chat.deliveries import Tempo
from bot.errors import JobFailed
from tests.adapters.discord.conftest import TEMPO, StartBot
from tests.adapters.discord.delivering import (
    MESSAGE,
    MESSAGES,
    Rows,
    only_message,
    pictures,
    requests,
    said,
    settled,
    shown_in,
)
from tests.adapters.discord.watching import paint
from tests.fakes.discord import Channel, FakeDiscord, Guild, Person
from tests.fakes.executor import FakeExecutor


async def test_a_job_has_one_message_that_tells_its_place_its_steps_and_at_last_shows_the_image(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, ben: Person, rows: Rows
) -> None:
    elsewhere = discord.guild("Elsewhere").channel("pictures")
    executor = FakeExecutor()
    async with bot(executor) as limner:
        executor.hold(at_step=3)
        await ben.command(elsewhere, "generate", prompt="a dog", steps=4)
        await only_message(discord, elsewhere, "Step 2 of 4")
        asked = await ada.command(art, "generate", prompt="a *cat* in a hat", steps=4, seed="7")
        waiting = await only_message(discord, art, "Next in line")
        assert waiting.labels == ["Cancel"]
        assert f"for {ada.mention}" in waiting.content
        executor.release()
        executor.hold(at_step=3)
        await discord.until(lambda: "Step 2 of 4" in waiting.content and waiting.attachments)
        assert [file.filename for file in waiting.attachments] == ["preview.jpg"]
        executor.release()
        (message,) = await shown_in(discord, art)
        await settled(discord, rows, ["delivered", "delivered"])
        (image_id,) = await limner.service.shown_by("discord", str(art.id), str(message.id))

    assert art.record == [message]
    assert len([one for one in message.history if "Next in line" in one[1]]) == 1
    (picture,) = pictures(message)
    assert picture.description == "a *cat* in a hat (painted by a machine)"
    assert picture.filename == f"{image_id}.png"
    assert message.content.startswith("> a \\*cat\\* in a hat\n")
    assert "seed 7" in message.content
    assert "4 steps" in message.content
    assert " s · " in message.content
    assert f"for {ada.mention}" in message.content
    assert message.pings == []
    assert f"/{message.id}" in asked.text


async def test_who_waits_is_told_when_it_will_be_ready_and_when_others_ahead_go(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, ben: Person
) -> None:
    executor = FakeExecutor()
    async with bot(executor):
        executor.hold(at_step=3)
        await ben.command(art, "generate", prompt="sets the pace", steps=4)
        await only_message(discord, art, "Step 2 of 4")
        discord.clock.advance(8)
        executor.release()
        await shown_in(discord, art)
        executor.hold()
        for prompt in ("one", "two", "three"):
            await ben.command(art, "generate", prompt=prompt)
        await ada.command(art, "generate", prompt="four", images=4)
        await said(discord, art, "> one", "Starting")
        ahead = await said(discord, art, "> two", "Next in line")
        mine = await said(discord, art, "> four", "Place 2 in line", "expected <t:")
        await said(discord, art, "> three", "Place 3 in line")

        await ben.click(ahead, "Cancel")

        await said(discord, art, "> four", "Next in line")
        await said(discord, art, "> three", "Place 2 in line")
        assert "Cancelled." in ahead.content
        assert mine.labels == ["Cancel"]
        executor.release()


@pytest.mark.slow
async def test_edits_keep_their_pace_also_where_many_jobs_share_a_channel(
    discord: FakeDiscord, bot: StartBot, art: Channel
) -> None:
    jobs, pace = 6, 0.15
    executor = FakeExecutor(slots=jobs, step_seconds=0.01)
    people = [discord.person(f"Person {number}") for number in range(jobs)]
    async with bot(executor, tempo=Tempo(progress=pace, queue=pace)):
        for person in people:
            await person.command(art, "generate", prompt="a cat", steps=150)
        await shown_in(discord, art, jobs)

    edits = requests(discord, "PATCH", MESSAGE)
    news = [edit for edit in edits if not edit.files or edit.files[0].name.startswith("preview")]
    seconds = edits[-1].time - edits[0].time
    assert seconds > 4 * pace
    assert jobs < len(news) <= jobs + seconds / (pace / 3)
    for message in art.messages:
        told = [moment for moment, _, _ in message.history[1:-1]]
        assert all(later - earlier > 0.9 * pace for earlier, later in pairwise(told))


async def test_a_held_job_is_edited_only_when_there_is_news(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor):
        executor.hold(at_step=2)
        await ada.command(art, "generate", prompt="a cat", steps=2)
        await said(discord, art, "Next in line")
        # Not before somebody looks, or the only preview could be missed.
        executor.become_ready()
        message = await only_message(discord, art, "Step 1 of 2")
        await discord.until(lambda: message.attachments)
        edits = message.edits
        held = discord.clock.now()
        await discord.until(lambda: discord.clock.now() > held + 10 * TEMPO.progress)
        assert message.edits == edits
        executor.release()
        await settled(discord, rows, ["delivered"])


async def test_every_message_is_posted_under_a_nonce_of_its_own_that_discord_is_to_enforce(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    async with bot():
        for number in range(3):
            await ada.command(art, "generate", prompt=f"cat {number}")
        await settled(discord, rows, ["delivered"] * 3)

    bodies = [request.body for request in requests(discord, "POST", MESSAGES)]
    assert all(body["enforce_nonce"] is True for body in bodies)
    assert len({body["nonce"] for body in bodies}) == 3
    assert all(body["allowed_mentions"]["parse"] == [] for body in bodies)


async def test_a_failure_is_told_in_the_same_message(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    executor = FakeExecutor()
    executor.fail_next(JobFailed("out_of_memory", "CUDA out of memory"))
    async with bot(executor):
        await ada.command(art, "generate", prompt="a cat")
        message = await only_message(discord, art, "This could not be painted.")
        await settled(discord, rows, ["delivered"])
        assert message.attachments == []
        assert message.labels == ["Try again"]

        await ada.click(message, "Try again")

        await shown_in(discord, art)
    assert len(art.record) == 2


@pytest.mark.parametrize("steps", [0, 2])
async def test_a_cancellation_is_told_in_the_same_message(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, steps: int
) -> None:
    executor = FakeExecutor(ready=False)
    executor.hold(at_step=steps + 1)
    async with bot(executor):
        await ada.command(art, "generate", prompt="a cat")
        await said(discord, art, "Next in line")
        if steps:
            executor.become_ready()
        message = await only_message(discord, art, f"Step {steps} of" if steps else "Next in line")
        await discord.until(lambda: not steps or message.attachments)

        pressed = await ada.click(message, "Cancel")

        await discord.until(lambda: "Cancelled." in message.content)
        await settled(discord, rows, ["delivered"])
        assert pressed.acknowledged
        assert message.attachments == []
    assert art.record == [message]


async def test_a_channel_in_which_nothing_is_told_any_more_is_not_remembered(
    discord: FakeDiscord, guild: Guild, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        deliveries = limner.client.deliveries
        for number in range(3):
            await paint(limner, ada, guild.channel(f"art {number}"))
        await discord.until(lambda: not deliveries._at_work)

        assert (dict(deliveries.live), dict(deliveries.painted)) == ({}, {})
