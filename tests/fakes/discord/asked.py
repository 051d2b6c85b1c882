"""One interaction, and all that the bot answers to it."""

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.fakes.discord import message_payloads, payloads
from tests.fakes.discord.kinds import Answer, Context, Type
from tests.fakes.discord.messages import FakeMessage, Json

if TYPE_CHECKING:
    from tests.fakes.discord.people import Person
    from tests.fakes.discord.places import Channel
    from tests.fakes.discord.server import FakeDiscord

#: Seconds in which the first answer must come.
PATIENCE = 3
#: Seconds for which the token lives.
LIFETIME = 15 * 60


class Asked:
    def __init__(
        self,
        fake: "FakeDiscord",
        type: Type,
        person: "Person",
        channel: "Channel",
        data: Json,
        message: FakeMessage | None = None,
        cause: "Asked | None" = None,
    ) -> None:
        self.fake = fake
        self.id = fake.clock.snowflake()
        self.token = secrets.token_urlsafe(96)
        self.type = type
        self.person = person
        self.channel = channel
        self.data = data
        #: On which it was clicked, or from which the modal came.
        self.message = message
        #: Which was answered with the modal that is submitted now.
        self.cause = cause
        self.sent = fake.clock.now()
        #: Seconds between the interaction and its callback.
        self.ack_seconds: float | None = None
        self.callback_type: Answer | None = None
        self.modal: Json | None = None
        self.choices: list[Json] | None = None
        self.original: FakeMessage | None = None
        self.followups: list[FakeMessage] = []
        #: As INTERACTION_CREATE has it.
        self.payload = self._payload()
        fake.asked[self.token] = self

    def __repr__(self) -> str:
        name = self.data.get("name") or self.data.get("custom_id")
        answers = [(one.content, [file.filename for file in one.attachments]) for one in self.answers]
        return f"<Asked {self.type.name} {name!r}: {self.callback_type!r}, {answers}>"

    @property
    def acknowledged(self) -> bool:
        return self.callback_type is not None

    @property
    def age(self) -> float:
        return self.fake.clock.now() - self.sent

    @property
    def answers(self) -> list[FakeMessage]:
        return [*filter(None, [self.original]), *self.followups]

    @property
    def text(self) -> str:
        """What stands in the original answer."""
        return self.original.text if self.original else ""

    @property
    def promised(self) -> bool:
        """The original answer still thinks, so that a follow-up takes its place."""
        return self.original is not None and self.original.thinking and not self.original.deleted

    @property
    def owners(self) -> dict[str, str]:
        """For whom the app acts: 0 the guild, 1 the person who installed it for themselves."""
        if not self.channel.has_bot:
            return {"1": str(self.person.id)}
        return {"0": str(self.channel.guild.id) if self.channel.guild else "0"}

    @property
    def must_be_private(self) -> bool:
        channel = self.channel
        return channel.context is Context.GUILD and not channel.has_bot and not self._person_may_use_external_apps

    @property
    def _person_may_use_external_apps(self) -> bool:
        return self.channel.may(self.person, "use_external_apps")

    async def until(self, condition: Callable[["Asked"], Any], timeout: float = 5) -> "Asked":  # noqa: ASYNC109
        await self.fake.until(lambda: condition(self), timeout, waiting=self)
        return self

    def _payload(self) -> Json:
        person, channel = self.person, self.channel
        told: Json = {
            "id": str(self.id),
            "application_id": str(self.fake.application_id),
            "type": int(self.type),
            "token": self.token,
            "version": 1,
            "data": self.data,
            "channel_id": str(channel.id),
            "channel": payloads.channel(channel) | {"permissions": str(channel.permissions_of(person))},
            "locale": person.locale,
            "app_permissions": str(channel.permissions_of(self.fake.bot)),
            "entitlements": [],
            "entitlement_sku_ids": [],
            "authorizing_integration_owners": self.owners,
            "context": int(channel.context),
            "attachment_size_limit": channel.size_limit,
        }
        if self.message:
            told["message"] = message_payloads.message(self.message)
        if guild := channel.guild:
            return told | {
                "guild_id": str(guild.id),
                "guild": {"id": str(guild.id), "locale": guild.locale, "features": []},
                "guild_locale": guild.locale,
                "member": payloads.member(guild, person)
                | {"user": payloads.user(person), "permissions": str(channel.permissions_of(person))},
            }
        return told | {"user": payloads.user(person)}
