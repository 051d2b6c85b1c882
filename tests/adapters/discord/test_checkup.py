"""What `limner doctor` finds on Discord, told by a local one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import discord as library
import pytest
from aiohttp import web

from adapters.chat.checkup import Found
from adapters.discord import checkup as module
from adapters.discord.checkup import checkup
from adapters.discord.place import INVITED
from tests.fakes.discord import FakeDiscord, Guild
from tests.fakes.discord import server as fake_server
from tests.fakes.discord.permissions import bits

#: A port on which nobody listens.
CLOSED = "127.0.0.1:1"
#: Seconds, where it shall take too long.
SOON = 0.3
APPLICATION = "/oauth2/applications/@me"


@pytest.fixture(autouse=True)
def addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library holds them by class, and other tests may want the real ones."""
    monkeypatch.setattr(library.http.Route, "BASE", library.http.Route.BASE)
    gateway = library.gateway.DiscordWebSocket
    monkeypatch.setattr(gateway, "DEFAULT_GATEWAY", gateway.DEFAULT_GATEWAY)


@pytest.fixture
async def discord() -> AsyncIterator[FakeDiscord]:
    async with FakeDiscord(checks_itself=True) as fake:
        yield fake


@pytest.fixture
def studio(discord: FakeDiscord) -> Guild:
    """A server in which all is well."""
    guild = discord.guild("Studio")
    guild.channel("art")
    return guild


async def look(discord: FakeDiscord, token: str | None = None, **more: Any) -> list[Found]:
    where = {"api_url": discord.api_url, "gateway_url": discord.gateway_url} | more
    return await checkup(token or discord.token, **where)


def wrong(found: list[Found]) -> list[tuple[str, str, str]]:
    return [(one.subject, one.what, one.remedy) for one in found if one.remedy is not None]


def said(found: list[Found], subject: str) -> list[str]:
    return [one.what for one in found if one.subject == subject]


def take(guild: Guild, *names: str) -> None:
    """From the bot in the whole server: its own role and everybody's."""
    for role in guild.roles.values():
        role.permissions &= ~bits(names)


async def test_where_all_is_well_it_tells_the_bot_its_servers_and_the_link(discord: FakeDiscord, studio: Guild) -> None:
    discord.guild("Lab")

    found = await look(discord)

    link = (
        "https://discord.com/oauth2/authorize"
        f"?client_id={discord.application_id}&scope=bot+applications.commands&permissions=274878024704"
    )
    assert wrong(found) == []
    assert said(found, "discord bot") == [f"Limner#0000 of the application Limner, ID {discord.application_id}"]
    assert said(found, "discord invite") == [link]
    assert said(found, "discord servers") == ["Studio, Lab"]
    assert said(found, "discord gateway") == ["127.0.0.1 says hello; 1000 of 1000 connections are left today"]


async def test_it_starts_no_session_and_changes_nothing(discord: FakeDiscord, studio: Guild) -> None:
    await look(discord)

    assert (discord.connections, discord.identifies, discord.resumes) == (1, 0, 0)
    assert {request.method for request in discord.requests} == {"GET"}


async def test_a_token_that_discord_refuses_is_to_be_copied_again_and_nothing_else_is_asked(
    discord: FakeDiscord, studio: Guild
) -> None:
    found = await look(discord, "nonsense")

    ((subject, what, remedy),) = wrong(found)
    assert len(found) == 1
    assert (subject, what) == ("discord bot", "Discord refuses DISCORD_TOKEN")
    assert "page Bot of your application at https://discord.com/developers/applications" in remedy
    assert len(discord.requests) == 1


async def test_a_bot_that_is_in_no_server_gets_the_link(discord: FakeDiscord) -> None:
    found = await look(discord)

    ((subject, what, remedy),) = wrong(found)
    assert (subject, what) == ("discord servers", "the bot is in none")
    assert said(found, "discord invite")[0] in remedy


async def test_permissions_that_lack_in_a_whole_server_are_named_as_discord_names_them(
    discord: FakeDiscord, studio: Guild
) -> None:
    take(studio, "attach_files", "send_messages_in_threads")

    found = await look(discord)

    ((subject, what, remedy),) = wrong(found)
    assert (subject, what) == ("discord server", "in Studio the bot lacks Send Messages in Threads, Attach Files")
    assert said(found, "discord invite")[0] in remedy
    assert "Server Settings > Roles" in remedy


async def test_an_administrator_lacks_nothing(discord: FakeDiscord, studio: Guild) -> None:
    take(studio, "attach_files", "view_channel")
    studio.join(discord.bot, administrator=True)

    assert wrong(await look(discord)) == []


async def test_a_permission_that_lacks_in_some_channels_is_told_with_their_names(
    discord: FakeDiscord, studio: Guild
) -> None:
    studio.channel("memes", deny=["attach_files"])
    for name in ("one", "two", "three", "four"):
        studio.channel(name, deny=["send_messages"])
    studio.channel("hidden", deny=["view_channel"])

    ((subject, what, remedy),) = wrong(await look(discord))

    assert subject == "discord server"
    assert what.removeprefix("in Studio the bot lacks ").split("; ") == [
        "Attach Files in #memes",
        "Send Messages in #one, #two, #three and 1 more",
        "View Channel in #hidden",
    ]
    assert remedy == "Give it to the bot's role in the channel's settings, under Permissions."


async def test_a_private_channel_counts_only_where_the_bot_was_let_in(discord: FakeDiscord, studio: Guild) -> None:
    studio.channel("closed", private=True, deny=["view_channel"])
    studio.channel("let-in", private=True, deny=["attach_files"])

    ((_, what, _),) = wrong(await look(discord))

    assert what == "in Studio the bot lacks Attach Files in #let-in"


async def test_a_channel_in_which_people_only_read_does_not_count(discord: FakeDiscord, studio: Guild) -> None:
    rules = studio.channel("rules", deny=["send_messages"])
    rules.overwrites.change(studio.id, of_member=False, deny=bits(["send_messages"]))

    assert wrong(await look(discord)) == []


async def test_what_lacks_in_the_whole_server_is_not_told_once_more_for_each_channel(
    discord: FakeDiscord, studio: Guild
) -> None:
    take(studio, "attach_files")

    assert len(wrong(await look(discord))) == 1


async def test_of_many_servers_with_mistakes_the_first_are_told_and_how_many_more(discord: FakeDiscord) -> None:
    for number in range(13):
        take(discord.guild(f"Server {number}"), "attach_files")

    found = await look(discord)

    assert said(found, "discord servers") == [
        "Server 0, Server 1, Server 2 and 10 more; the channels of the first 10 were looked at"
    ]
    assert [what for _, what, _ in wrong(found)] == [
        *(f"in Server {number} the bot lacks Attach Files" for number in range(10)),
        "and 3 more in which something is missing",
    ]


async def test_servers_that_fill_several_answers_of_discord_are_all_seen(
    discord: FakeDiscord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PAGE", 2)
    for number in range(5):
        discord.guild(f"Server {number}")
    take(list(discord.guilds.values())[-1], "embed_links")

    found = await look(discord)

    assert said(found, "discord servers") == ["Server 0, Server 1, Server 2 and 2 more"]
    assert [what for _, what, _ in wrong(found)] == ["in Server 4 the bot lacks Embed Links"]


async def test_a_server_that_throws_the_bot_out_meanwhile_is_passed_over(discord: FakeDiscord, studio: Guild) -> None:
    discord.fail("GET", "/guilds/{guild_id}/channels", status=403, code=50001)

    assert wrong(await look(discord)) == []


async def test_a_name_that_would_leave_its_line_does_not(discord: FakeDiscord) -> None:
    take(discord.guild("Stu\n\x1b[31mdio"), "embed_links")

    ((_, what, _),) = wrong(await look(discord))

    assert what == "in Stu [31mdio the bot lacks Embed Links"


@pytest.mark.parametrize(
    ("fields", "subject", "what", "remedy"),
    [
        pytest.param(
            {"bot_require_code_grant": True},
            "discord invite",
            "the link lets nobody in: it asks for a code grant",
            "Turn Requires OAuth2 Code Grant off at",
            id="code grant",
        ),
        pytest.param(
            {"interactions_endpoint_url": "https://example.org/hook"},
            "discord bot",
            "commands and buttons go to https://example.org/hook, and not to Limner",
            "Empty the field Interactions Endpoint URL at",
            id="endpoint",
        ),
    ],
)
async def test_a_setting_of_the_application_that_keeps_people_or_commands_away_is_told(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], subject: str, what: str, remedy: str
) -> None:
    route = fake_server.ROUTES["GET", APPLICATION]
    changed = replace(route, answer=lambda fake, request: route.answer(fake, request) | fields)
    monkeypatch.setitem(fake_server.ROUTES, ("GET", APPLICATION), changed)
    async with FakeDiscord() as discord:
        discord.guild("Studio")
        ((found_subject, found_what, found_remedy),) = wrong(await look(discord))

    assert (found_subject, found_what) == (subject, what)
    assert f"{remedy} https://discord.com/developers/applications/{discord.application_id}/" in found_remedy


async def test_an_api_that_cannot_be_reached_is_told_with_the_setting_that_leads_there() -> None:
    (found,) = await checkup("token", api_url=f"http://{CLOSED}/api/v10", gateway_url=f"ws://{CLOSED}/")

    assert found.what.startswith("cannot be reached: Cannot connect to host 127.0.0.1:1 ")
    assert found.remedy == (
        "Look whether this is right, and what is there runs: LIMNER_DISCORD_API_URL (http://127.0.0.1:1/api/v10). "
        "Limner tries again by itself."
    )


@pytest.mark.parametrize(
    ("status", "what", "remedy"),
    [
        pytest.param(503, "Discord has a fault (it answers 503)", "Try again later; see https://disc", id="at once"),
        pytest.param(500, "Discord has a fault (it answers 500)", "Try again later; see https://disc", id="repeated"),
        pytest.param(404, "Discord refuses to tell (it answers 404)", "it ends in /api/v10", id="another address"),
    ],
)
async def test_an_api_with_a_fault_is_told_with_what_it_answers(
    discord: FakeDiscord, studio: Guild, status: int, what: str, remedy: str
) -> None:
    discord.fail("GET", "/users/@me", status=status, times=None)

    (found,) = await look(discord, seconds=SOON)

    assert (found.subject, found.what) == ("discord bot", what)
    assert found.remedy is not None
    assert remedy in found.remedy


async def test_an_api_that_has_a_fault_only_once_is_asked_again(discord: FakeDiscord, studio: Guild) -> None:
    discord.fail("GET", "/users/@me/guilds", status=502)

    assert wrong(await look(discord)) == []


async def test_an_api_that_takes_no_more_from_here_is_told(discord: FakeDiscord, studio: Guild) -> None:
    discord.limit("GET", "/users/@me", times=None, retry_after=30)

    ((_, what, remedy),) = wrong(await look(discord, seconds=SOON))

    assert what == "Discord takes no more from here at the moment: too many requests (429)"
    assert remedy.startswith("Wait an hour.")


async def test_an_api_that_never_answers_is_not_waited_for_any_longer(discord: FakeDiscord, studio: Guild) -> None:
    discord.delay("GET", "/users/@me", 5)

    (found,) = await look(discord, seconds=SOON)

    assert found.what == "no answer within 0.3 seconds"
    assert found.remedy is not None


async def test_something_that_answers_in_discords_place_is_told(discord: FakeDiscord) -> None:
    async with elsewhere(lambda request: web.Response(text="<html>Log in to the guests' network</html>")) as address:
        (found,) = await look(discord, api_url=f"http://{address}/api/v10")

    assert found.what == "something answers, but not as Discord does"
    assert found.remedy is not None
    assert "LIMNER_DISCORD_API_URL" in found.remedy


@asynccontextmanager
async def elsewhere(answer: Any) -> AsyncIterator[str]:
    """Another server; gives its host and port."""

    async def serve(request: web.Request) -> web.StreamResponse:
        answered = answer(request)
        return answered if isinstance(answered, web.StreamResponse) else await answered

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield "{}:{}".format(*runner.addresses[0])
    await runner.cleanup()


async def test_a_gateway_that_nobody_can_connect_to_is_told_with_the_setting_that_leads_there(
    discord: FakeDiscord, studio: Guild
) -> None:
    ((subject, what, remedy),) = wrong(await look(discord, gateway_url=f"ws://{CLOSED}/"))

    assert subject == "discord gateway"
    assert what.startswith("cannot be reached: Cannot connect to host 127.0.0.1:1 ")
    assert f"LIMNER_DISCORD_GATEWAY_URL (ws://{CLOSED}/)" in remedy


async def test_a_gateway_that_refuses_connections_is_told(discord: FakeDiscord, studio: Guild) -> None:
    discord.refuse_gateway = True

    ((subject, what, _),) = wrong(await look(discord))

    assert (subject, what.split(",")[0]) == ("discord gateway", "cannot be reached: 503")


async def silent(request: web.Request) -> web.WebSocketResponse:
    """Takes the connection, and says nothing until the other side goes."""
    socket = web.WebSocketResponse(timeout=0.01)
    await socket.prepare(request)
    await socket.receive()
    return socket


async def closing(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.close(code=4000)
    return socket


async def test_a_gateway_that_never_says_hello_is_not_waited_for_any_longer(
    discord: FakeDiscord, studio: Guild
) -> None:
    async with elsewhere(silent) as address:
        found = await look(discord, gateway_url=f"ws://{address}/", seconds=SOON)

    ((subject, what, _),) = wrong(found)
    assert (subject, what) == ("discord gateway", "no answer within 0.3 seconds")


async def test_a_gateway_that_closes_the_connection_at_once_is_told(discord: FakeDiscord, studio: Guild) -> None:
    async with elsewhere(closing) as address:
        found = await look(discord, gateway_url=f"ws://{address}/")

    ((subject, what, _),) = wrong(found)
    assert (subject, what) == ("discord gateway", "it closes the connection at once")


async def test_without_a_setting_the_gateway_is_where_discord_says(discord: FakeDiscord, studio: Guild) -> None:
    assert wrong(await look(discord, gateway_url=None)) == []

    assert discord.connections == 1


async def test_few_connections_that_are_left_today_are_a_warning(discord: FakeDiscord, studio: Guild) -> None:
    discord.gateway.identifies = 990

    ((subject, what, remedy),) = wrong(await look(discord))

    assert (subject, what) == (
        "discord gateway",
        "127.0.0.1 says hello; 10 of 1000 connections are left today",
    )
    assert remedy.startswith("Find out what connects so often: each start takes one. All 1000 are there again in 24 h")


def test_every_permission_that_the_invitation_asks_for_has_a_name() -> None:
    assert bits(module.ASKED_FOR) == INVITED.value
