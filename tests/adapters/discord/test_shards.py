"""Connections to the Gateway that fail, and are tried again."""

import asyncio
from types import SimpleNamespace
from typing import Any

import discord as library
import pytest
import yarl

from adapters.discord import client as module
from adapters.discord.shards import PatientClient
from bot.errors import CannotStart
from bot.service import Service
from tests.conftest import OpenLimner
from tests.fakes.discord import FakeDiscord

NOWHERE = yarl.URL("ws://127.0.0.1:1/")
pause = asyncio.sleep


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits between two tries; and other tests find the library's addresses as they were."""

    async def sleep(_: float) -> None:
        await pause(0)

    hurried = SimpleNamespace(**{name: getattr(asyncio, name) for name in dir(asyncio)} | {"sleep": sleep})
    monkeypatch.setattr(library.shard, "asyncio", hurried)
    monkeypatch.setattr(library.shard.AutoShardedClient, "before_identify_hook", _at_once)
    monkeypatch.setattr(module, "RECONNECT", 0.01)
    monkeypatch.setattr(library.http.Route, "BASE", library.http.Route.BASE)
    gateway = library.gateway.DiscordWebSocket
    monkeypatch.setattr(gateway, "DEFAULT_GATEWAY", gateway.DEFAULT_GATEWAY)


async def _at_once(client: library.Client, shard_id: int | None, *, initial: bool = False) -> None:
    pass


def connected(discord: FakeDiscord, service: Service) -> Any:
    return module.connected(service, discord.token, api_url=discord.api_url, gateway_url=discord.gateway_url)


@pytest.mark.slow
async def test_a_gateway_that_is_away_for_longer_than_the_library_can_bear_is_still_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries: list[bool] = []

    async def from_client(*_: object, initial: bool, **__: object) -> None:
        tries.append(initial)
        if len(tries) < 3000:
            raise OSError("nobody listens")
        raise asyncio.CancelledError

    monkeypatch.setattr(library.shard.DiscordWebSocket, "from_client", from_client)
    client = PatientClient(intents=library.Intents.none())

    with pytest.raises(asyncio.CancelledError):
        await client.launch_shard(NOWHERE, 0, initial=True)

    assert (len(tries), tries.count(True)) == (3000, 1)


async def test_a_gateway_that_refuses_at_first_is_connected_to_later(limner: OpenLimner) -> None:
    async with FakeDiscord(shards=2) as discord, limner() as service:
        discord.refuse_gateway = True
        async with connected(discord, service):
            await pause(0.1)
            discord.refuse_gateway = False
            await discord.connected()

        assert (discord.identifies, len(discord.gateway.sessions)) == (2, 2)


@pytest.mark.parametrize("status", [None, 503])
async def test_an_api_that_is_away_at_first_is_asked_again_and_nothing_stays_open(
    limner: OpenLimner, status: int | None
) -> None:
    """What stayed open would be a warning, and so an error."""
    async with FakeDiscord() as discord, limner() as service:
        discord.fail("GET", "/users/@me", status=status, times=3)
        async with connected(discord, service):
            await discord.connected()

        assert discord.identifies == 1


async def test_a_token_that_is_refused_while_the_bot_runs_ends_the_program_with_what_to_do(limner: OpenLimner) -> None:
    async with FakeDiscord() as discord, limner() as service:
        with pytest.RaisesGroup(CannotStart):
            async with connected(discord, service):
                await discord.connected()
                discord.token = "another"
                await discord.disconnect()
                await pause(5)


async def test_a_connection_that_ends_for_good_is_made_anew_only_once(limner: OpenLimner) -> None:
    async with FakeDiscord() as discord, limner() as service, connected(discord, service):
        await discord.connected()
        (connection,) = (session.connection for session in discord.gateway.sessions)
        assert connection is not None

        await connection.socket.close(code=4011)
        await discord.until(lambda: discord.identifies == 2)
        await discord.connected()
        await pause(0.3)

        assert discord.identifies == 2
