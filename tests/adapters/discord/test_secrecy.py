"""The log tells what happens to Discord, and neither what people paint nor anything that lets somebody in."""

import pytest

from adapters.discord.library_log import heard
from bot.errors import JobFailed, WorkerDied
from bot.service import Service
from tests.adapters.discord.conftest import StartBot
from tests.adapters.discord.watching import at_rest, paint, painted, press, told
from tests.bot.log_reading import written
from tests.fakes.discord import Channel, FakeDiscord, Person
from tests.fakes.discord.messages import Upload
from tests.fakes.executor import FakeExecutor, png

#: In everything that somebody types here.
HUSH = "hush"
CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"
ORIGINAL = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"
MESSAGES = "/channels/{channel_id}/messages"
MESSAGE = "/channels/{channel_id}/messages/{message_id}"


async def test_whatever_goes_wrong_the_log_tells_no_word_and_no_secret(
    discord: FakeDiscord,
    art: Channel,
    ada: Person,
    bot: StartBot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    executor = FakeExecutor()
    asked = []
    with written([discord.token]) as read, heard():
        async with bot(executor) as limner:
            message = await paint(limner, ada, art, "a hush cat", negative_prompt="hush rain")
            executor.fail_next(JobFailed("style_unavailable", "no"))
            executor.fail_next(WorkerDied("gone"), times=3)
            discord.fail("PATCH", MESSAGE)
            discord.fail("POST", MESSAGES, taken=True)
            discord.limit("PATCH", MESSAGE)
            for _ in range(3):
                asked.append(await ada.command(art, "generate", prompt="a hush dog"))
                await at_rest(limner)
            discord.limit("PATCH", ORIGINAL, retry_after=0.1)
            asked.append(await ada.command(art, "generate", prompt="a hush cat", private=True))
            await painted(limner, asked[-1])
            discord.fail("POST", CALLBACK, status=None, times=2)
            asked.append(await ada.command(art, "generate", prompt="a hush cat"))
            await discord.until(lambda: "could not be acknowledged" in read(), waiting=read)
            asked.append(await ada.command(art, "generate", force=True, prompt="", size="hush", style="hush"))
            await told(asked[-1])
            upload = Upload("hush.png", "image/png", png())
            asked.append(await ada.command(art, "refine", prompt="hush", picture=upload))
            art.fake.cdn.lose_all()
            await at_rest(limner)

            async def broken(service: Service, request: object, asker: object, origin: str = "") -> None:
                raise NotImplementedError

            monkeypatch.setattr(Service, "generate", broken)
            asked.append(await ada.command(art, "generate", prompt="a hush cat in a hat"))
            await told(asked[-1])
            await told(await press(ada, message, "recipe"))
        lines = read()

    for event in ("job failed", "job delivered", "NotImplementedError", "discord connected", "rate limited"):
        assert event in lines, lines
    for secret in (HUSH, discord.token, *(one.token for one in asked)):
        assert secret not in lines
