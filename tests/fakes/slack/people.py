"""Those who use the bot, and what they do."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tests.fakes.slack import interactions
from tests.fakes.slack.asked import PATIENCE, Asked, Kind
from tests.fakes.slack.forms import filled
from tests.fakes.slack.messages import Contents, FakeMessage, Upload
from tests.fakes.slack.views import View

if TYPE_CHECKING:
    from tests.fakes.slack.places import Channel, Team
    from tests.fakes.slack.server import FakeSlack

#: What a person's client sends for those whom they choose from its list.
TOKEN = re.compile(r"(<[@#][A-Z0-9]+>)")


class Person:
    def __init__(
        self,
        fake: "FakeSlack",
        name: str,
        team: "Team",
        *,
        admin: bool = False,
        owner: bool = False,
        locale: str = "en-US",
        is_bot: bool = False,
    ) -> None:
        self.fake = fake
        self.id = fake.ids.new("U")
        self.name = name
        self.team = team
        self.admin = admin
        self.owner = owner
        self.locale = locale
        self.is_bot = is_bot
        self.created = fake.clock.now()
        fake.people[self.id] = self

    def __repr__(self) -> str:
        return f"<@{self.name}>"

    @property
    def username(self) -> str:
        return self.name.lower().replace(" ", "_")

    @property
    def tag(self) -> str:
        """What stands for them in a text."""
        return f"<@{self.id}>"

    async def command(
        self, channel: "Channel", command: str, text: str = "", *, thread: FakeMessage | None = None
    ) -> Asked:
        """A slash command with all that follows it."""
        assert thread is None, f"{command} is not supported in threads."
        known = self.fake.manifest.commands
        assert command in known, f"The manifest has no command {command!r}; it has {sorted(known)}."
        self._enter(channel)
        asked = Asked(self.fake, Kind.COMMAND, self, channel, name=command)
        interactions.send_command(asked, _escaped(text) if self.fake.escapes_commands else text)
        return asked

    async def click(self, where: FakeMessage | View, name: str, value: str | Sequence[str] | None = None) -> Asked:
        """A button by action_id or label; or a select, an overflow menu and the like, and what is chosen there."""
        asked = Asked(self.fake, Kind.ACTION, self, name=name)
        if isinstance(where, View):
            assert not where.closed, f"{where} is closed."
            assert where.person is self, f"{where} is not {self.name}'s."
            asked.source = where
        else:
            self._look_at(where)
            asked.channel, asked.message = where.channel, where
        interactions.send_action(asked, where.blocks, name, value)
        return asked

    async def shortcut(self, message: FakeMessage, callback_id: str) -> Asked:
        """An entry in a message's menu, by its callback_id or its name."""
        known = self.fake.manifest.shortcuts
        named = [key for key, one in known.items() if callback_id in (key, one["name"]) and one["type"] == "message"]
        assert named, f"The manifest has no message shortcut {callback_id!r}; it has {sorted(known)}."
        self._look_at(message)
        assert not message.ephemeral, "Messages that only one person sees have no shortcuts."
        asked = Asked(self.fake, Kind.SHORTCUT, self, message.channel, name=named[0], message=message)
        interactions.send_shortcut(asked)
        return asked

    async def submit(self, of: Asked | View, values: dict[str, Any] | None = None) -> Asked:
        """Fills in the modal that was opened in answer to something, and sends it. See `forms.filled`."""
        view = await self._view(of)
        view.state = filled(view, values or {})
        asked = Asked(self.fake, Kind.SUBMISSION, self, name=view.callback_id, source=view)
        interactions.send_submission(asked)
        return asked

    async def close(self, of: Asked | View) -> Asked:
        """Closes a modal without sending it; the bot hears of it where it wished to."""
        view = await self._view(of)
        view.close()
        asked = Asked(self.fake, Kind.CLOSING, self, name=view.callback_id, source=view)
        if view.notify_on_close:
            interactions.send_closing(asked)
        return asked

    async def say(
        self,
        channel: "Channel",
        text: str,
        *,
        thread: FakeMessage | None = None,
        files: Sequence[Upload] = (),
    ) -> Asked:
        """A message, with whatever the person types; `<@bot>` in it stands for the bot's mention."""
        self._enter(channel)
        takes_messages = not channel.is_im or not channel.has_bot or self.fake.manifest.takes_messages
        assert takes_messages, "The manifest lets nobody write to the bot."
        shared = [self.fake.file_host.keep(upload, self) for upload in files]
        message = FakeMessage(
            ts=self.fake.ids.timestamp(),
            channel=channel,
            user=self,
            contents=Contents(_escaped(text.replace("<@bot>", self.fake.bot.tag)), shared=shared),
            created=self.fake.clock.now(),
            thread_ts=thread.root_ts if thread else None,
            subtype="file_share" if files else None,
        )
        return self.fake.events.say(message)

    async def mention(self, channel: "Channel", text: str, *, thread: FakeMessage | None = None) -> Asked:
        """A message that begins with the bot's mention."""
        return await self.say(channel, f"<@bot> {text}", thread=thread)

    async def opens_home(self) -> Asked:
        """The bot's home tab."""
        assert self.fake.manifest.home_tab, "The manifest does not switch the home tab on."
        asked = Asked(self.fake, Kind.EVENT, self, self.fake.dm(self), name="app_home_opened")
        self.fake.events.open_home(asked)
        return asked

    async def _view(self, of: Asked | View) -> View:
        if isinstance(of, Asked):
            await of.until(lambda asked: asked.view is not None, PATIENCE)
        view = of if isinstance(of, View) else of.view
        assert view is not None
        assert view.person is self, f"{view} is not {self.name}'s."
        assert not view.closed, f"{view} is closed."
        return view

    def _look_at(self, message: FakeMessage) -> None:
        assert not message.deleted, "The message is gone."
        assert message.ephemeral_to in (None, self), f"{self.name} cannot see the message."
        self._enter(message.channel)

    def _enter(self, channel: "Channel") -> None:
        """Becomes a member where needed, so that tests need not say what goes without saying."""
        assert not channel.archived, f"{channel} is archived."
        assert not channel.is_im or self in channel.members, f"{self.name} is not in {channel}."
        channel.members.add(self)


def _escaped(text: str) -> str:
    """As Slack keeps what a person typed."""
    parts = TOKEN.split(text)
    escaped = (part.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for part in parts[::2])
    tokens = [*parts[1::2], ""]
    return "".join(part + token for part, token in zip(escaped, tokens, strict=True))
