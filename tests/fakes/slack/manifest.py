"""The app's manifest: what it may do, what it hears, and what people can ask of it."""

from collections.abc import Iterator

from tests.fakes.slack import spec
from tests.fakes.slack.messages import Json

#: That an event needs; those that are not here need none.
EVENT_SCOPES = {
    "app_mention": "app_mentions:read",
    "message.channels": "channels:history",
    "message.groups": "groups:history",
    "message.im": "im:history",
    "message.mpim": "mpim:history",
}
LONGEST_NAME, LONGEST_DESCRIPTION, SHORTEST_LONG_DESCRIPTION = 35, 140, 175
MOST_COMMANDS, MOST_SHORTCUTS = 50, 10


class Manifest:
    def __init__(self, told: Json) -> None:
        self.told = told
        features, settings = told.get("features", {}), told.get("settings", {})
        home = features.get("app_home", {})
        self.scopes = frozenset[str](told.get("oauth_config", {}).get("scopes", {}).get("bot", ()))
        self.events = frozenset[str](settings.get("event_subscriptions", {}).get("bot_events", ()))
        self.commands: dict[str, Json] = {one["command"]: one for one in features.get("slash_commands", ())}
        self.shortcuts: dict[str, Json] = {one["callback_id"]: one for one in features.get("shortcuts", ())}
        self.name: str = told.get("display_information", {}).get("name", "")
        self.bot_name: str = features.get("bot_user", {}).get("display_name", self.name)
        self.home_tab: bool = home.get("home_tab_enabled", False)
        self.messages_tab: bool = home.get("messages_tab_enabled", False)
        #: Whether people may write to the bot.
        self.takes_messages: bool = self.messages_tab and not home.get("messages_tab_read_only_enabled", False)
        self.interactive: bool = settings.get("interactivity", {}).get("is_enabled", False)
        self.socket_mode: bool = settings.get("socket_mode_enabled", False)

    def breaches(self) -> Iterator[str]:
        if document := spec.load():
            yield from document.manifest_breaches(self.told)
        yield from self._limits()
        if not self.told.get("features", {}).get("bot_user"):
            yield "there is no bot_user"
        for event in sorted(self.events):
            if (scope := EVENT_SCOPES.get(event)) and scope not in self.scopes:
                yield f"the event {event} needs the scope {scope}"
        if (self.commands or self.shortcuts) and "commands" not in self.scopes:
            yield "commands and shortcuts need the scope commands"
        if self.shortcuts and not self.interactive:
            yield "shortcuts need interactivity"

    def _limits(self) -> Iterator[str]:
        display = self.told.get("display_information", {})
        if not 1 <= len(self.name) <= LONGEST_NAME:
            yield f"the name has {len(self.name)} characters, 1 to {LONGEST_NAME} are allowed"
        if len(display.get("description", "")) > LONGEST_DESCRIPTION:
            yield f"the description is longer than {LONGEST_DESCRIPTION} characters"
        if 0 < len(display.get("long_description", "")) < SHORTEST_LONG_DESCRIPTION:
            yield f"the long description is shorter than {SHORTEST_LONG_DESCRIPTION} characters"
        if len(self.commands) > MOST_COMMANDS or len(self.shortcuts) > MOST_SHORTCUTS:
            yield f"more than {MOST_COMMANDS} commands or {MOST_SHORTCUTS} shortcuts"
