"""Discord and Slack at once, on one service: they share its queue fairly, and each picture lands where it belongs."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from adapters.chat.deliveries import Tempo
from adapters.discord import client
from adapters.slack import connection
from adapters.slack.manifest import manifest
from bot.app import open_service
from bot.settings import Settings
from tests.fakes import discord, slack
from tests.fakes.executor import FakeExecutor

TEMPO = Tempo(progress=0.02, queue=0.02, retry=0.01)
#: Seconds.
PATIENCE = 20.0


class Chats:
    """One person on each, and a channel in which they ask."""

    def __init__(self, on_discord: discord.FakeDiscord, on_slack: slack.FakeSlack, executor: FakeExecutor) -> None:
        self._discord = on_discord
        self._slack = on_slack
        self.executor = executor
        self._guild_channel = on_discord.guild("Studio").channel("art")
        self._slack_channel = on_slack.channel("art")
        self._dora, self._sam = on_discord.person("Dora"), on_slack.person("Sam")

    async def ask_on_discord(self, prompt: str) -> None:
        before = len(self._guild_channel.messages)
        await self._dora.command(self._guild_channel, "generate", prompt=prompt)
        await self._discord.until(lambda: len(self._guild_channel.messages) > before, PATIENCE)

    async def ask_on_slack(self, prompt: str) -> None:
        before = len(self._slack_channel.messages)
        await self._sam.command(self._slack_channel, "/generate", prompt)
        await self._slack.until(lambda: len(self._slack_channel.messages) > before, PATIENCE)

    async def refine_on_slack(self, image_id: str) -> str:
        """What is told of it."""
        before = len(self._slack_channel.whispers)
        await self._sam.command(self._slack_channel, "/refine", f"{image_id} in snow")
        await self._slack.until(lambda: len(self._slack_channel.whispers) > before, PATIENCE)
        return self._slack_channel.whispers[-1].shown

    async def all_shown(self, number: int) -> tuple[set[str], set[str]]:
        """Images on Discord, and on Slack, once there are so many in all."""
        async with asyncio.timeout(PATIENCE):
            while len(self._on_discord()) + len(self._on_slack()) < number:
                await asyncio.sleep(0.01)
        return set(self._on_discord()), set(self._on_slack())

    def _on_discord(self) -> list[str]:
        return [Path(one.filename).stem for message in self._guild_channel.messages for one in final(message)]

    def _on_slack(self) -> list[str]:
        return [Path(file.name).stem for message in self._slack_channel.messages for file in message.files]

    def images_of(self, platform: str) -> set[str]:
        return {
            image_id
            for work in self.executor.works
            for image_id in work.image_ids
            if work.request.prompt.startswith(platform)
        }


def final(message: discord.FakeMessage) -> list[discord.FakeAttachment]:
    return [one for one in message.attachments if not one.filename.startswith("preview")]


@pytest.fixture
async def chats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Chats]:
    import discord as library

    # The library holds its addresses by class, and other tests may want the real ones.
    gateway = library.gateway.DiscordWebSocket
    monkeypatch.setattr(library.http.Route, "BASE", library.http.Route.BASE)
    monkeypatch.setattr(gateway, "DEFAULT_GATEWAY", gateway.DEFAULT_GATEWAY)
    async with discord.FakeDiscord() as on_discord, slack.FakeSlack(manifest()) as on_slack:
        executor = FakeExecutor(ready=False)
        async with limner(tmp_path, on_discord, on_slack, executor):
            yield Chats(on_discord, on_slack, executor)


@asynccontextmanager
async def limner(
    folder: Path, on_discord: discord.FakeDiscord, on_slack: slack.FakeSlack, executor: FakeExecutor
) -> AsyncIterator[None]:
    api_url, gateway_url = on_discord.api_url, on_discord.gateway_url
    async with (
        open_service(Settings(data_dir=folder, drain_seconds=0), executor=executor) as service,
        client.connected(
            service, on_discord.token, api_url=api_url, gateway_url=gateway_url, tempo=TEMPO, finish_seconds=1
        ) as one,
        connection.connected(
            service,
            on_slack.bot_token,
            app_token=on_slack.app_token,
            api_url=on_slack.api_url,
            tempo=TEMPO,
            finish_seconds=1,
        ),
    ):
        # Otherwise it takes discord.py two seconds to call itself ready.
        one._connection.guild_ready_timeout = 0.01
        await on_discord.connected()
        await on_slack.connected()
        yield
        await service.drain(0)


@pytest.mark.parametrize("many_on", ["discord", "slack"])
async def test_who_asks_for_one_does_not_wait_behind_all_that_somebody_asked_for_on_the_other(
    chats: Chats, many_on: str
) -> None:
    many, one = chats.ask_on_discord, chats.ask_on_slack
    if many_on == "slack":
        many, one = one, many
    for number in range(5):
        await many(f"{many_on} {number}")
    await one("the other")
    chats.executor.become_ready()
    await chats.all_shown(6)

    prompts = [work.request.prompt for work in chats.executor.works]
    assert prompts.index("the other") <= 1
    assert [prompt for prompt in prompts if prompt != "the other"] == [f"{many_on} {number}" for number in range(5)]


async def test_those_who_ask_for_as_much_take_turns_and_get_it_where_they_asked(chats: Chats) -> None:
    for number in range(3):
        await chats.ask_on_discord(f"discord {number}")
        await chats.ask_on_slack(f"slack {number}")
    chats.executor.become_ready()
    on_discord, on_slack = await chats.all_shown(6)

    turns = [work.request.prompt.split()[0] for work in chats.executor.works]
    assert sorted(turns[:2]) == sorted(turns[2:4]) == sorted(turns[4:]) == ["discord", "slack"]
    assert on_discord == chats.images_of("discord")
    assert on_slack == chats.images_of("slack")


async def test_what_was_painted_on_one_is_unknown_on_the_other(chats: Chats) -> None:
    chats.executor.become_ready()
    await chats.ask_on_discord("discord")
    (image_id,), _ = await chats.all_shown(1)
    there = await chats.refine_on_slack(image_id)
    nowhere = await chats.refine_on_slack("9e107d9d-372b-4b7a-9f0f-6d5c0e1f2a3b")

    assert there == nowhere
    assert len(chats.executor.works) == 1
