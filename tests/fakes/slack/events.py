"""What happens in the workspace, told to the bot as far as its manifest asks for it."""

from typing import TYPE_CHECKING

from tests.fakes.slack import payloads
from tests.fakes.slack.asked import Asked, Kind
from tests.fakes.slack.deliveries import Type
from tests.fakes.slack.messages import FakeMessage, Json

if TYPE_CHECKING:
    from tests.fakes.slack.places import Channel
    from tests.fakes.slack.server import FakeSlack

#: Fields of a message that events do not have, by what their sample is called.
ABSENT = {
    "event_app_mention": {"app_id", "parent_user_id"},
    "event_message": {"app_id"},
    "event_message_file_share": {"app_id", "client_msg_id", "team"},
}


class Events:
    def __init__(self, fake: "FakeSlack") -> None:
        self._fake = fake

    def tell(self, name: str, event: Json, channel: "Channel", asked: Asked | None = None) -> None:
        """`name`: as the manifest has it."""
        if name not in self._fake.manifest.events or not channel.has_bot:
            return
        sample = _sample(event)
        absent = ABSENT.get(sample, ())
        payload = self._wrapped({key: value for key, value in event.items() if key not in absent}, channel)
        self._fake.check_payload(sample, payload)
        self._fake.deliveries.send(Type.EVENT, payload, asked)

    def _wrapped(self, event: Json, channel: "Channel") -> Json:
        fake, team_id = self._fake, channel.team.id
        authorization = {
            "enterprise_id": None,
            "team_id": team_id,
            "user_id": fake.bot.id,
            "is_bot": True,
            "is_enterprise_install": False,
        }
        return {
            "token": fake.verification_token,
            "team_id": team_id,
            "api_app_id": fake.app_id,
            "event": event,
            "type": "event_callback",
            "event_id": fake.ids.new("Ev"),
            "event_time": int(fake.clock.now()),
            "authorizations": [authorization],
            "is_ext_shared_channel": False,
            "event_context": fake.ids.new("4-"),
        }

    def say(self, message: FakeMessage) -> Asked:
        """A person's message is kept, and the bot is told of it."""
        channel = message.channel
        asked = Asked(self._fake, Kind.EVENT, message.user, channel, message=message)
        mentioned = self._fake.bot.tag in message.text and not channel.is_im
        asked.name = "app_mention" if mentioned else f"message.{_kind(channel)}"
        channel.keep(message, None if mentioned else asked)
        if mentioned:
            told = payloads.message(message) | {"type": "app_mention", "channel": channel.id, "event_ts": message.ts}
            self.tell("app_mention", told, channel, asked)
        return asked

    def tell_posted(self, message: FakeMessage, asked: Asked | None) -> None:
        """Of the bot's own messages, too."""
        if not message.ephemeral:
            event = payloads.message(message) | _where(message, message.ts)
            self.tell(f"message.{_kind(message.channel)}", event, message.channel, asked)

    def tell_changed(self, message: FakeMessage, before: Json) -> None:
        if not message.ephemeral:
            told = {"message": payloads.message(message), "previous_message": before}
            self._tell_change(message, "message_changed", told)

    def tell_deleted(self, message: FakeMessage) -> None:
        if not message.ephemeral:
            told = {"deleted_ts": message.ts, "previous_message": payloads.message(message)}
            self._tell_change(message, "message_deleted", told)

    def _tell_change(self, message: FakeMessage, subtype: str, told: Json) -> None:
        ts = self._fake.ids.timestamp()
        event = {"type": "message", "subtype": subtype, "hidden": True, "ts": ts, **told, **_where(message, ts)}
        self.tell(f"message.{_kind(message.channel)}", event, message.channel)

    def open_home(self, asked: Asked) -> None:
        assert asked.channel
        told: Json = {
            "type": "app_home_opened",
            "user": asked.person.id,
            "channel": asked.channel.id,
            "tab": "home",
            "event_ts": self._fake.ids.timestamp(),
        }
        if view := self._fake.views.homes.get(asked.person.id):
            told["view"] = view.payload
        self.tell("app_home_opened", told, asked.channel, asked)


def _where(message: FakeMessage, ts: str) -> Json:
    return {"channel": message.channel.id, "event_ts": ts, "channel_type": _type(message.channel)}


def _kind(channel: "Channel") -> str:
    return "im" if channel.is_im else "groups" if channel.private else "channels"


def _type(channel: "Channel") -> str:
    return {"channels": "channel", "groups": "group"}.get(_kind(channel), "im")


def _sample(event: Json) -> str:
    """The name of a payload that shows which fields there can be; none is for those that have no such sample."""
    match event:
        case {"type": "message", "subtype": "file_share"}:
            return "event_message_file_share"
        case {"type": "message", "subtype": _}:
            return ""
    return f"event_{event['type']}"
