"""A message as the fake keeps it, and the parts it is made of."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.fakes.slack import blocks as kit

if TYPE_CHECKING:
    from tests.fakes.slack.files import FakeFile
    from tests.fakes.slack.people import Person
    from tests.fakes.slack.places import Channel

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Upload:
    """A file that a person sends."""

    name: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Picture:
    """A file that is shown: by an image block, or because it was shared with the message."""

    file: "FakeFile"
    alt_text: str
    title: str | None


@dataclass(frozen=True, slots=True)
class Contents:
    """What an edit may change."""

    #: Shown where there are no blocks, and in notifications.
    text: str = ""
    blocks: Sequence[Json] = ()
    attachments: Sequence[Json] = ()
    metadata: Json | None = None
    #: Files that were shared with it; those in image blocks are not among them.
    shared: Sequence["FakeFile"] = ()


@dataclass(slots=True, eq=False)
class FakeMessage:
    ts: str
    channel: "Channel" = field(repr=False)
    user: "Person"
    contents: Contents
    created: float
    #: Of the message that began the thread; None outside of threads, and for that one itself.
    thread_ts: str | None = None
    #: The only one who sees it.
    ephemeral_to: "Person | None" = None
    #: Shown in the channel though it is in a thread.
    broadcast: bool = False
    subtype: str | None = None
    #: Whom it rang for: names, "@channel", "@here", "@everyone", or "@subteam".
    pings: list[str] = field(default_factory=list)
    edited: float | None = None
    edits: int = 0
    deleted: bool = False
    #: Moment, text and number of files, once when made and after each edit.
    history: list[tuple[float, str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._remember(self.created)

    @property
    def text(self) -> str:
        return self.contents.text

    @property
    def blocks(self) -> list[Json]:
        """As Slack tells them, with an ID each."""
        return list(self.contents.blocks)

    @property
    def texts(self) -> list[str]:
        """What those in the channel read: the blocks' texts, or the text where there are none."""
        return kit.texts(self.blocks) if self.contents.blocks else [self.text]

    @property
    def shown(self) -> str:
        return "\n".join(self.texts)

    @property
    def pictures(self) -> list[Picture]:
        """Those in image blocks first."""
        files = self.channel.fake.file_host
        told = [(files.of_block(block), block) for block in kit.pictures(self.blocks)]
        shown = [Picture(file, block["alt_text"], _title(block)) for file, block in told if file]
        shared = [file for file in self.contents.shared if file.mimetype.startswith("image/")]
        return [*shown, *(Picture(file, file.alt_txt or "", file.title) for file in shared)]

    @property
    def files(self) -> list["FakeFile"]:
        """Those in image blocks, and those that were shared with it."""
        return list(dict.fromkeys([*(picture.file for picture in self.pictures), *self.contents.shared]))

    @property
    def ephemeral(self) -> bool:
        return self.ephemeral_to is not None

    @property
    def root_ts(self) -> str:
        """What a reply to it has as thread_ts."""
        return self.thread_ts or self.ts

    @property
    def replies(self) -> list["FakeMessage"]:
        return [one for one in self.channel.messages if one.thread_ts == self.ts]

    @property
    def labels(self) -> list[str]:
        """What stands on its buttons."""
        return [label for part in kit.walk(self.blocks) if (label := kit.label(part))]

    @property
    def action_ids(self) -> list[str]:
        return [part["action_id"] for part in kit.walk(self.blocks) if part.get("action_id")]

    def button(self, label: str) -> str:
        """The action_id of the button with this label."""
        _, part = kit.find(self.blocks, label)
        action_id: str = part["action_id"]
        return action_id

    def value(self, name: str) -> str | None:
        """Of a button, by action_id or label."""
        value: str | None = kit.find(self.blocks, name)[1].get("value")
        return value

    def rewrite(self, contents: Contents, now: float) -> None:
        self.contents = contents
        self.edited = now
        self.edits += 1
        self._remember(now)

    def remove(self) -> None:
        """An admin deletes it."""
        self.channel.remove(self)

    def _remember(self, now: float) -> None:
        self.history.append((now, self.text, len(self.files)))


def _title(block: Json) -> str | None:
    title: str | None = (block.get("title") or {}).get("text")
    return title
