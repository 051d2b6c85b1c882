"""The bot itself: login, its commands, and the people and guilds that it looks up."""

from typing import TYPE_CHECKING, Any

from tests.fakes.discord import payloads
from tests.fakes.discord.command_rules import command_breaches, commands_breaches
from tests.fakes.discord.messages import Json
from tests.fakes.discord.problems import Problem, Refused
from tests.fakes.discord.requests import Request, Routes

if TYPE_CHECKING:
    from tests.fakes.discord.places import Guild
    from tests.fakes.discord.server import FakeDiscord

#: Discord closes the bot's sessions after so many in a day.
SESSIONS_PER_DAY = 1000
COMMANDS, GUILD_COMMANDS = (
    "/applications/{application_id}/commands",
    "/applications/{application_id}/guilds/{guild_id}/commands",
)

routes = Routes()


@routes("GET", "/users/@me")
def get_me(fake: "FakeDiscord", request: Request) -> Any:
    return payloads.user(fake.bot) | {"verified": True, "mfa_enabled": True, "locale": "en-US", "email": None}


@routes("GET", "/oauth2/applications/@me")
@routes("GET", "/applications/@me")
def get_application(fake: "FakeDiscord", request: Request) -> Any:
    return {
        "id": str(fake.application_id),
        "name": fake.bot.name,
        "description": "Paints",
        "icon": None,
        "type": None,
        "summary": "",
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": "0" * 64,
        "flags": 0,
        "flags_new": "0",
        "redirect_uris": [],
        "interactions_endpoint_url": None,
        "role_connections_verification_url": None,
        "approximate_guild_count": len(fake.guilds),
        "approximate_user_install_count": 0,
        "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0,
        "eligible_oauth2_scopes": [],
        "owner": payloads.user(fake.owner),
        "team": None,
        "bot": payloads.user(fake.bot),
        "integration_types_config": {"0": {}, "1": {}},
        "tags": [],
    }


@routes("GET", "/gateway/bot")
def get_gateway(fake: "FakeDiscord", request: Request) -> Any:
    limit = {
        "total": SESSIONS_PER_DAY,
        "remaining": SESSIONS_PER_DAY - fake.identifies,
        "reset_after": 86_400_000,
        "max_concurrency": 1,
    }
    return {"url": fake.gateway_url, "shards": fake.shards, "session_start_limit": limit}


@routes("GET", "/users/{user_id}")
def get_user(fake: "FakeDiscord", request: Request) -> Any:
    return payloads.user(_person(fake, request.place("user_id")))


@routes("POST", "/users/@me/channels")
def open_dm(fake: "FakeDiscord", request: Request) -> Any:
    return payloads.channel(fake.dm(_person(fake, int(request.form["recipient_id"]))))


def _person(fake: "FakeDiscord", person_id: int) -> Any:
    if person_id not in fake.people:
        raise Refused(Problem.UNKNOWN_USER)
    return fake.people[person_id]


@routes("GET", "/guilds/{guild_id}")
def get_guild(fake: "FakeDiscord", request: Request) -> Any:
    return payloads.guild_profile(_guild(fake, request))


@routes("GET", "/guilds/{guild_id}/channels")
def get_guild_channels(fake: "FakeDiscord", request: Request) -> Any:
    return [payloads.channel(channel) for channel in _guild(fake, request).channels if not channel.is_thread]


@routes("GET", "/guilds/{guild_id}/members/{user_id}")
def get_member(fake: "FakeDiscord", request: Request) -> Any:
    guild, person = _guild(fake, request), _person(fake, request.place("user_id"))
    if person.id not in guild.members:
        raise Refused(Problem.UNKNOWN_MEMBER)
    return payloads.member(guild, person) | {"user": payloads.user(person)}


def _guild(fake: "FakeDiscord", request: Request) -> "Guild":
    guild = fake.guilds.get(request.place("guild_id"))
    if guild is None:
        raise Refused(Problem.UNKNOWN_GUILD)
    if not guild.has_bot:
        raise Refused(Problem.MISSING_ACCESS)
    return guild


def _scope(fake: "FakeDiscord", request: Request) -> int | None:
    """The guild of guild commands."""
    if request.place("application_id") != fake.application_id:
        raise Refused(Problem.MISSING_ACCESS)
    return _guild(fake, request).id if "guild_id" in request.places else None


@routes("GET", COMMANDS)
@routes("GET", GUILD_COMMANDS)
def get_commands(fake: "FakeDiscord", request: Request) -> Any:
    return fake.commands.all(_scope(fake, request))


@routes("PUT", COMMANDS)
@routes("PUT", GUILD_COMMANDS)
def replace_commands(fake: "FakeDiscord", request: Request) -> Any:
    commands: list[Json] = request.body or []
    _check(list(commands_breaches(commands)))
    return fake.commands.replace(commands, _scope(fake, request))


@routes("POST", COMMANDS)
@routes("POST", GUILD_COMMANDS)
def add_command(fake: "FakeDiscord", request: Request) -> Any:
    _check(list(command_breaches(request.form)))
    return fake.commands.add(request.form, _scope(fake, request))


@routes("GET", f"{COMMANDS}/{{command_id}}")
@routes("GET", f"{GUILD_COMMANDS}/{{command_id}}")
def get_command(fake: "FakeDiscord", request: Request) -> Any:
    return fake.commands.one(request.place("command_id"))


@routes("DELETE", f"{COMMANDS}/{{command_id}}")
@routes("DELETE", f"{GUILD_COMMANDS}/{{command_id}}")
def delete_command(fake: "FakeDiscord", request: Request) -> None:
    fake.commands.remove(request.place("command_id"))


def _check(breaches: list[str]) -> None:
    if breaches:
        raise Refused(Problem.INVALID_FORM, breaches)
