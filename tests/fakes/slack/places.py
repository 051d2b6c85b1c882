"""Workspaces, and the channels and direct messages in them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.fakes.slack.messages import FakeMessage

if TYPE_CHECKING:
    from tests.fakes.slack.asked import Asked
    from tests.fakes.slack.people import Person
    from tests.fakes.slack.server import FakeSlack


@dataclass(frozen=True, slots=True)
class Team:
    id: str
    name: str
    domain: str


class Channel:
    def __init__(
        self,
        fake: "FakeSlack",
        name: str,
        team: Team,
        *,
        private: bool = False,
        between: tuple["Person", ...] = (),
        member: bool = True,
    ) -> None:
        """`between`: for direct messages, those in it; `member`: the bot is in it."""
        self.fake = fake
        self.id = fake.ids.new("D" if between else "C")
        self.name = name
        self.team = team
        self.private = private or bool(between)
        self.between = between
        self.members: set[Person] = {*between, *([fake.bot] if member else ())}
        self.archived = False
        self.created = fake.clock.now()
        #: All that was ever posted, deleted or not, and what only one person sees.
        self.record: list[FakeMessage] = []
        fake.channels[self.id] = self

    def __repr__(self) -> str:
        return f"<#{self.name}>"

    @property
    def tag(self) -> str:
        """What stands for it in a text."""
        return f"<#{self.id}>"

    @property
    def is_im(self) -> bool:
        return bool(self.between)

    @property
    def has_bot(self) -> bool:
        return self.fake.bot in self.members

    @property
    def told_name(self) -> str:
        """As payloads have it: of what is private, only that it is."""
        if self.is_im:
            return "directmessage"
        return "privategroup" if self.private else self.name

    @property
    def messages(self) -> list[FakeMessage]:
        """Those that all in the channel see."""
        return [message for message in self.record if not message.deleted and not message.ephemeral]

    @property
    def whispers(self) -> list[FakeMessage]:
        """Those that only one person sees."""
        return [message for message in self.record if not message.deleted and message.ephemeral]

    def find(self, ts: str | None) -> FakeMessage | None:
        """Deleted or not; what only one person sees has no name that the bot could use."""
        return next((one for one in self.record if one.ts == ts and not one.ephemeral), None)

    def keep(self, message: FakeMessage, asked: "Asked | None" = None) -> None:
        """`asked`: a person's message, if that is what this is."""
        self.record.append(message)
        self.fake.file_host.note(message)
        self.fake.events.tell_posted(message, asked)
        self.fake.bell.ring()

    def remove(self, message: FakeMessage) -> None:
        message.deleted = True
        self.fake.events.tell_deleted(message)
        self.fake.bell.ring()

    def kick_bot(self) -> None:
        assert not self.is_im
        self.members.discard(self.fake.bot)

    def invite_bot(self) -> None:
        self.members.add(self.fake.bot)

    def archive(self) -> None:
        self.archived = True
