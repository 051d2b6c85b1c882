"""The commands that the bot registered, and who may use them where."""

from typing import TYPE_CHECKING

from tests.fakes.discord.kinds import CommandType, Context
from tests.fakes.discord.messages import Json
from tests.fakes.discord.permissions import ADMINISTRATOR
from tests.fakes.discord.problems import Problem, Refused

if TYPE_CHECKING:
    from tests.fakes.discord.people import Person
    from tests.fakes.discord.places import Channel
    from tests.fakes.discord.server import FakeDiscord

#: How an app is installed.
IN_GUILD, FOR_PERSON = 0, 1


class Commands:
    def __init__(self, fake: "FakeDiscord") -> None:
        self._fake = fake
        #: By ID; each tells its guild, or None.
        self._by_id: dict[int, Json] = {}

    def all(self, guild_id: int | None = None) -> list[Json]:
        wanted = None if guild_id is None else str(guild_id)
        return [command for command in self._by_id.values() if command.get("guild_id") == wanted]

    def replace(self, commands: list[Json], guild_id: int | None) -> list[Json]:
        old = {(command["type"], command["name"]): command["id"] for command in self.all(guild_id)}
        for command in self.all(guild_id):
            del self._by_id[int(command["id"])]
        return [self._keep(one, guild_id, old.get((one.get("type") or 1, one["name"]))) for one in commands]

    def add(self, command: Json, guild_id: int | None) -> Json:
        """One of the same name and type gives way."""
        same = (command.get("type") or 1, command["name"])
        old = [one["id"] for one in self.all(guild_id) if (one["type"], one["name"]) == same]
        return self._keep(command, guild_id, next(iter(old), None))

    def one(self, command_id: int) -> Json:
        if command_id not in self._by_id:
            raise Refused(Problem.UNKNOWN_COMMAND)
        return self._by_id[command_id]

    def remove(self, command_id: int) -> None:
        del self._by_id[int(self.one(command_id)["id"])]

    def _keep(self, command: Json, guild_id: int | None, command_id: str | None) -> Json:
        kept = {
            "id": command_id or str(self._fake.clock.snowflake()),
            "application_id": str(self._fake.application_id),
            "version": str(self._fake.clock.snowflake()),
            "type": command.get("type") or CommandType.SLASH,
            "name": command["name"],
            "name_localizations": command.get("name_localizations"),
            "description": command.get("description") or "",
            "description_localizations": command.get("description_localizations"),
            "options": command.get("options") or [],
            "default_member_permissions": None,
            "dm_permission": command.get("dm_permission") is not False,
            "contexts": command.get("contexts"),
            "integration_types": command.get("integration_types") or [IN_GUILD],
            "nsfw": bool(command.get("nsfw")),
        }
        if (needed := command.get("default_member_permissions")) is not None:
            kept["default_member_permissions"] = str(needed)
        if guild_id is not None:
            kept["guild_id"] = str(guild_id)
        self._by_id[int(kept["id"])] = kept
        return kept

    def find(self, channel: "Channel", type: CommandType, name: str) -> Json:
        """As the person's client would; the guild's own commands come before the global ones."""
        scopes = [*([channel.guild.id] if channel.guild else []), None]
        for guild_id in scopes:
            for command in self.all(guild_id):
                if command["type"] == type and command["name"] == name:
                    return command
        known = sorted(command["name"] for command in self._by_id.values())
        raise AssertionError(f"No {type.name} command {name!r} is registered; there are {known}.")

    def check(self, command: Json, channel: "Channel", person: "Person") -> None:
        """Raises AssertionError where the person's client would not offer it."""
        if reason := self._obstacle(command, channel, person):
            raise AssertionError(f"{person.name} cannot use {command['name']!r} in {channel}: {reason}.")

    def _obstacle(self, command: Json, channel: "Channel", person: "Person") -> str | None:
        contexts = command["contexts"]
        if contexts is None:
            contexts = list(Context) if command["dm_permission"] else [Context.GUILD]
        if channel.context not in contexts:
            return f"its contexts are {contexts}"
        if not channel.has_bot and FOR_PERSON not in command["integration_types"]:
            return "the bot is not there, and people cannot install it for themselves"
        if command["nsfw"] and channel.guild and not channel.nsfw:
            return "it is age-restricted"
        if channel.guild is None or command["default_member_permissions"] is None:
            return None
        needed, given = int(command["default_member_permissions"]), channel.permissions_of(person)
        allowed = given & ADMINISTRATOR or (needed and given & needed == needed)
        return None if allowed else f"it is for those with the permissions {needed}"
