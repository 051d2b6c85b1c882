"""Those who use the bot, and what they do."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.fakes.discord import message_payloads
from tests.fakes.discord.asked import PATIENCE, Asked
from tests.fakes.discord.kinds import CommandType, Kind, Part, Type
from tests.fakes.discord.messages import Contents, FakeMessage, Json, Upload
from tests.fakes.discord.modals import Filled
from tests.fakes.discord.options import Options

if TYPE_CHECKING:
    from tests.fakes.discord.places import Channel
    from tests.fakes.discord.server import FakeDiscord

MENTION = re.compile(r"<@!?(\d+)>")


class Person:
    def __init__(self, fake: "FakeDiscord", name: str, *, locale: str = "en-US", is_bot: bool = False) -> None:
        self.fake = fake
        self.id = fake.clock.snowflake()
        self.name = name
        self.locale = locale
        self.is_bot = is_bot
        #: Takes no direct messages from the bot.
        self.closes_dms = False
        fake.people[self.id] = self

    def __repr__(self) -> str:
        return f"<@{self.name}>"

    @property
    def username(self) -> str:
        return self.name if self.is_bot else self.name.lower().replace(" ", "_")

    @property
    def mention(self) -> str:
        return f"<@{self.id}>"

    async def command(self, channel: "Channel", name: str, /, *, force: bool = False, **values: Any) -> Asked:
        """A slash command; subcommands after a space.

        `force`: though the person's client would not offer it, or would not let these values through.
        """
        first, *path = name.split()
        command = self._find(channel, CommandType.SLASH, first, force)
        options = Options(channel, command, path, force=force)
        given = options.fill(values)
        return self._ask(Type.COMMAND, channel, _named(command, options=given, resolved=options.resolved))

    async def complete(self, channel: "Channel", name: str, option: str, typed: str, /, **values: Any) -> list[Json]:
        """The choices that are offered while the person types into an option: each a name and a value."""
        first, *path = name.split()
        command = self._find(channel, CommandType.SLASH, first, False)
        options = Options(channel, command, path)
        # Discord does not say more of files and people than their IDs then.
        asked = self._ask(
            Type.AUTOCOMPLETE, channel, _named(command, options=options.fill_partly(values, option, typed))
        )
        await asked.until(lambda asked: asked.choices is not None, PATIENCE)
        assert asked.choices is not None
        return asked.choices

    async def menu(self, channel: "Channel", name: str, message: FakeMessage, /, *, force: bool = False) -> Asked:
        """An entry of a message's context menu."""
        command = self._find(channel, CommandType.MESSAGE_MENU, name, force)
        assert not message.deleted, "The message is gone."
        resolved = {"messages": {str(message.id): message_payloads.message(message)}}
        return self._ask(Type.COMMAND, channel, _named(command, target_id=str(message.id), resolved=resolved))

    async def click(self, message: FakeMessage, name: str, /, *, select: Sequence[str] | None = None) -> Asked:
        """A button, or a select menu and its values; by custom_id or label."""
        assert not message.deleted, f"The message with {name!r} is gone."
        component = message_payloads.numbered_component(message, name)
        assert not component.get("disabled"), f"{name!r} cannot be clicked."
        assert component.get("custom_id"), f"{name!r} only leads to a page."
        data: Json = {
            "component_type": component["type"],
            "custom_id": component["custom_id"],
            "id": component["id"],
        }
        if component["type"] == Part.SELECT:
            data["values"] = _selected(component, select)
        else:
            assert component["type"] == Part.BUTTON, f"The fake cannot click components of type {component['type']}."
            assert select is None, f"{name!r} is a button."
        return self._ask(Type.COMPONENT, message.channel, data, message)

    async def submit(self, asked: Asked, values: dict[str, Any] | None = None, /) -> Asked:
        """Fills in the modal that the interaction was answered with, and sends it."""
        await asked.until(lambda asked: asked.modal is not None, PATIENCE)
        assert asked.modal is not None
        filled = Filled(asked.channel, asked.modal, values or {})
        data = {"custom_id": asked.modal["custom_id"], "components": filled.components, "resolved": filled.resolved}
        return self._ask(Type.MODAL_SUBMIT, asked.channel, data, asked.message, asked)

    async def say(
        self,
        channel: "Channel",
        content: str,
        *,
        reply_to: FakeMessage | None = None,
        ping: bool = True,
        uploads: Sequence[Upload] = (),
    ) -> FakeMessage:
        """A message; `<@bot>` in it stands for the bot's mention. `ping`: whether a reply rings."""
        self._enter(channel)
        content = content.replace("<@bot>", self.fake.bot.mention)
        mentions = self._mentioned_in(content)
        # An answer to an interaction is not the bot's own message in this respect.
        if reply_to and ping and reply_to.asked is None:
            mentions.append(reply_to.author)
        message = FakeMessage(
            id=self.fake.clock.snowflake(),
            channel=channel,
            author=self,
            contents=Contents(content, attachments=[self.fake.cdn.keep(upload, channel.id) for upload in uploads]),
            created=self.fake.clock.now(),
            reply_to=reply_to,
            mentions=list(dict.fromkeys(mentions)),
        )
        channel.keep(message)
        return message

    def _mentioned_in(self, content: str) -> list["Person"]:
        return [self.fake.people[int(found)] for found in MENTION.findall(content) if int(found) in self.fake.people]

    async def edit(self, message: FakeMessage, content: str) -> None:
        """One of their own messages."""
        assert message.author is self
        content = content.replace("<@bot>", self.fake.bot.mention)
        message.mentions = list(dict.fromkeys(self._mentioned_in(content)))
        message.rewrite(replace(message.contents, content=content), self.fake.clock.now())
        self.fake.gateway.tell_message("MESSAGE_UPDATE", message)

    async def forward(self, message: FakeMessage, channel: "Channel") -> FakeMessage:
        self._enter(channel)
        passed_on = FakeMessage(
            id=self.fake.clock.snowflake(),
            channel=channel,
            author=self,
            contents=Contents(),
            created=self.fake.clock.now(),
            forwards=message,
        )
        channel.keep(passed_on)
        return passed_on

    def _find(self, channel: "Channel", type: CommandType, name: str, force: bool) -> Json:
        self._enter(channel)
        command = self.fake.commands.find(channel, type, name)
        if not force:
            self.fake.commands.check(command, channel, self)
        return command

    def _ask(
        self,
        type: Type,
        channel: "Channel",
        data: Json,
        message: FakeMessage | None = None,
        cause: Asked | None = None,
    ) -> Asked:
        self._enter(channel)
        asked = Asked(self.fake, type, self, channel, data, message, cause)
        self.fake.gateway.tell_interaction(asked)
        return asked

    def _enter(self, channel: "Channel") -> None:
        """Becomes a member where needed, so that tests need not say what goes without saying."""
        assert not channel.deleted, f"{channel} is gone."
        if channel.kind in (Kind.DM, Kind.GROUP_DM):
            assert self in channel.people, f"{self.name} is not in {channel}."
        elif channel.guild:
            if self.id not in channel.guild.members:
                channel.guild.join(self)
            if not channel.permissions_of(self):
                channel.let_in(self)


def _named(command: Json, **more: Any) -> Json:
    data = {"id": command["id"], "name": command["name"], "type": command["type"]}
    if "guild_id" in command:
        data["guild_id"] = command["guild_id"]
    return data | {key: value for key, value in more.items() if value}


def _selected(component: Json, values: Sequence[str] | None) -> list[str]:
    assert values is not None, f"{component['custom_id']!r} is a select menu: say what is chosen."
    known = [option["value"] for option in component["options"]]
    assert set(values) <= set(known), f"{component['custom_id']!r} offers {known}, not {list(values)}."
    low = component.get("min_values")
    low, high = 1 if low is None else low, component.get("max_values") or 1
    assert low <= len(values) <= high, f"{component['custom_id']!r} takes {low} to {high} values."
    return list(values)
