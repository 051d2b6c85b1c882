"""What Discord and the network may do to a delivery: the ending is told all the same, and once."""

import pytest

from bot.errors import JobFailed
from tests.adapters.discord.conftest import TEMPO, StartBot
from tests.adapters.discord.delivering import (
    CALLBACK,
    LACONIC,
    MESSAGE,
    MESSAGES,
    ORIGINAL,
    Rows,
    finished,
    only_message,
    pictures,
    requests,
    settled,
)
from tests.fakes.discord import Channel, FakeDiscord, Guild, Person
from tests.fakes.executor import FakeExecutor


@pytest.mark.parametrize("history", [True, False], ids=["by looking", "by its nonce"])
async def test_a_lost_answer_to_the_post_makes_no_second_message(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows, history: bool
) -> None:
    if not history:
        art.deny("read_message_history")
    async with bot():
        discord.fail("POST", MESSAGES, status=None, taken=True, times=2)
        await ada.command(art, "generate", prompt="a cat")
        await settled(discord, rows, ["delivered"])

    assert len(art.record) == 1
    assert len(finished(art)) == 1


async def test_a_lost_answer_makes_no_second_message_though_the_nonce_is_forgotten(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    async with bot():
        discord.fail("POST", MESSAGES, status=None, taken=True)
        discord.fail("GET", MESSAGES, status=503, times=None)
        await ada.command(art, "generate", prompt="a cat")
        await discord.until(lambda: len(requests(discord, "GET", MESSAGES)) > 2)
        discord.clock.advance(6 * 60)
        discord.heal()
        await settled(discord, rows, ["delivered"])

    assert len(art.record) == 1


async def test_a_message_whose_posting_nobody_heard_of_says_how_the_job_stands_now(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    executor = FakeExecutor(ready=False)
    executor.fail_next(JobFailed("out_of_memory", "CUDA out of memory"))
    async with bot(executor):
        discord.fail("POST", MESSAGES, status=None, taken=True)
        discord.fail("GET", MESSAGES, status=503, times=None)
        await ada.command(art, "generate", prompt="a cat")
        message = await only_message(discord, art, "Next in line")
        executor.become_ready()
        await discord.until(lambda: rows.read("SELECT status FROM jobs") == [("failed",)])
        discord.heal()
        await settled(discord, rows, ["delivered"])

    assert art.record == [message]
    assert "This could not be painted." in message.content


async def test_a_lost_answer_to_the_last_edit_changes_nothing(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    async with bot(tempo=LACONIC):
        discord.fail("PATCH", MESSAGE, status=None, taken=True)
        await ada.command(art, "generate", prompt="a cat")
        await settled(discord, rows, ["delivered"])

    (message,) = art.record
    assert len(pictures(message)) == 1
    assert rows.shown() == {message.attachments[0].filename.removesuffix(".png"): str(message.id)}


@pytest.mark.parametrize(
    ("method", "route"), [("POST", MESSAGES), ("PATCH", MESSAGE)], ids=["while posting", "while editing"]
)
@pytest.mark.parametrize(
    ("status", "code"),
    [(503, 0), (None, 0), (401, 0), (403, 0), (400, 20028), (429, 30046), (400, 130000)],
    ids=["unavailable", "cut", "token replaced", "banned", "channel full", "old message", "overloaded"],
)
async def test_what_discord_does_not_do_now_is_tried_again(
    discord: FakeDiscord,
    bot: StartBot,
    art: Channel,
    ada: Person,
    rows: Rows,
    method: str,
    route: str,
    status: int | None,
    code: int,
) -> None:
    async with bot(tempo=LACONIC if method == "PATCH" else TEMPO):
        discord.fail(method, route, status=status, code=code, times=5)
        await ada.command(art, "generate", prompt="a cat")
        await settled(discord, rows, ["delivered"])

    assert len(requests(discord, method, route)) >= 6
    (message,) = art.record
    assert len(pictures(message)) == 1


@pytest.mark.slow
async def test_a_private_answer_is_tried_again_too(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    async with bot(tempo=LACONIC):
        discord.fail("PATCH", ORIGINAL, status=502)
        discord.fail("PATCH", ORIGINAL, status=None, taken=True, times=2)
        discord.limit("PATCH", ORIGINAL)
        asked = await ada.command(art, "generate", prompt="a cat", private=True)
        await settled(discord, rows, ["delivered"])

    assert asked.original
    assert len(pictures(asked.original)) == 1
    assert asked.followups == []


async def test_a_message_that_could_not_be_posted_comes_later_though_there_is_no_other_news(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person
) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor):
        discord.fail("POST", MESSAGES, status=503, times=3)
        asked = await ada.command(art, "generate", prompt="a cat")
        message = await only_message(discord, art, "Next in line")
        await asked.until(lambda asked: str(message.id) in asked.text)


async def test_an_edit_that_failed_comes_later_though_there_is_no_other_news(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person
) -> None:
    executor = FakeExecutor(ready=False)
    executor.hold(at_step=2)
    async with bot(executor):
        await ada.command(art, "generate", prompt="a cat", steps=2)
        message = await only_message(discord, art, "Next in line")
        discord.fail("PATCH", MESSAGE, status=503, times=3)
        executor.become_ready()
        await discord.until(lambda: "Step 1 of 2" in message.content)
        executor.release()


async def test_a_limit_is_kept(discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows) -> None:
    wait = 0.3
    async with bot(tempo=LACONIC):
        discord.limit("POST", MESSAGES, retry_after=wait)
        discord.limit("PATCH", MESSAGE, retry_after=wait)
        await ada.command(art, "generate", prompt="a cat")
        await settled(discord, rows, ["delivered"])

    for method, route in (("POST", MESSAGES), ("PATCH", MESSAGE)):
        first, second = requests(discord, method, route)
        assert first.status == 429
        assert second.time - first.time >= wait


async def test_a_global_limit_is_kept_in_all_channels(
    discord: FakeDiscord, bot: StartBot, guild: Guild, art: Channel, ada: Person, ben: Person, rows: Rows
) -> None:
    wait, other = 0.4, guild.channel("other")
    async with bot(tempo=LACONIC):
        discord.limit("POST", MESSAGES, retry_after=wait, global_=True)
        await ada.command(art, "generate", prompt="a cat")
        await discord.until(lambda: requests(discord, "POST", MESSAGES))
        await ben.command(other, "generate", prompt="a dog")
        await settled(discord, rows, ["delivered", "delivered"])

    limited, *later = requests(discord, "POST", MESSAGES)
    assert limited.status == 429
    assert len(later) == 2
    assert min(request.time for request in later) - limited.time >= wait


async def test_an_acknowledgement_whose_answer_is_lost_is_given_again_and_the_job_is_made_once(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    async with bot():
        for taken in (True, False):
            discord.fail("POST", CALLBACK, status=None, taken=taken)
            asked = await ada.command(art, "generate", prompt="a cat")
            await asked.until(lambda asked: "Your picture will be here" in asked.text)
        discord.fail("POST", CALLBACK, status=None, taken=True)
        asked = await ada.command(art, "generate", prompt=" ")
        await asked.until(lambda asked: "The prompt is empty" in asked.text)
        await settled(discord, rows, ["delivered", "delivered"])


async def test_nobody_is_told_that_something_went_wrong_where_only_the_link_to_the_message_was_lost(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    async with bot(FakeExecutor(ready=False)) as limner:
        discord.fail("PATCH", ORIGINAL, status=None)
        asked = await ada.command(art, "generate", prompt="a cat")
        await discord.until(lambda: requests(discord, "PATCH", ORIGINAL))
        limner.executor.become_ready()
        await settled(discord, rows, ["delivered"])

    assert asked.text == ""
    assert len(requests(discord, "PATCH", ORIGINAL)) == 1
