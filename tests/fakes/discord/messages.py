"""A message as the fake keeps it, and the parts it is made of."""

import io
import mimetypes
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntFlag
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from PIL import Image

from tests.fakes.discord.kinds import Part

if TYPE_CHECKING:
    from tests.fakes.discord.asked import Asked
    from tests.fakes.discord.people import Person
    from tests.fakes.discord.places import Channel

Json = dict[str, Any]


class Flags(IntFlag):
    """Of a message; named as in Discord's documentation."""

    SUPPRESS_EMBEDS = 1 << 2
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    IS_COMPONENTS_V2 = 1 << 15


NO_FLAGS = Flags(0)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file on its way to Discord."""

    name: str
    content_type: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class FakeAttachment:
    id: int
    filename: str
    description: str | None
    data: bytes = field(repr=False)
    content_type: str | None
    url: str
    #: Width and height; only a picture has them.
    pixels: tuple[int, int] | None

    @staticmethod
    def content_type_of(filename: str) -> str | None:
        """Discord looks at the name alone."""
        return mimetypes.guess_type(PurePosixPath(filename).name)[0]

    @staticmethod
    def pixels_of(data: bytes, content_type: str | None) -> tuple[int, int] | None:
        if not content_type or not content_type.startswith("image/"):
            return None
        try:
            with Image.open(io.BytesIO(data)) as picture:
                return picture.size
        except OSError:
            return None


def walk(components: Iterable[Json]) -> Iterator[Json]:
    """All components, parents first."""
    for component in components:
        yield component
        yield from walk(component.get("components") or ())
        yield from walk(component[key] for key in ("accessory", "component") if component.get(key))


@dataclass(frozen=True, slots=True)
class Contents:
    """What an edit may change."""

    content: str = ""
    embeds: Sequence[Json] = ()
    components: Sequence[Json] = ()
    attachments: Sequence[FakeAttachment] = ()
    flags: Flags = NO_FLAGS

    @property
    def text(self) -> str:
        """All that can be read outside of embeds."""
        displays = (part["content"] for part in walk(self.components) if part.get("type") == Part.TEXT_DISPLAY)
        return "\n".join(filter(None, [self.content, *displays]))

    @property
    def empty(self) -> bool:
        return not (self.content or self.embeds or self.components or self.attachments)


@dataclass(slots=True, eq=False)
class FakeMessage:
    id: int
    channel: "Channel" = field(repr=False)
    author: "Person"
    contents: Contents
    created: float
    nonce: str | None = None
    reply_to: "FakeMessage | None" = field(default=None, repr=False)
    #: Of the webhook that wrote it under the author's name.
    webhook_id: int | None = None
    #: The message that it passes on, as it was then.
    forwards: "FakeMessage | None" = field(default=None, repr=False)
    #: The interaction that it answers.
    asked: "Asked | None" = field(default=None, repr=False)
    allowed_mentions: Json | None = None
    mentions: list["Person"] = field(default_factory=list)
    #: Whom it rang for: names, "@everyone", "@here", or "@" and a role's name.
    pings: list[str] = field(default_factory=list)
    edited: float | None = None
    edits: int = 0
    deleted: bool = False
    #: Moment, content and number of attachments, once when made and after each edit.
    history: list[tuple[float, str, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._remember(self.created)

    @property
    def content(self) -> str:
        return self.contents.content

    @property
    def text(self) -> str:
        return self.contents.text

    @property
    def embeds(self) -> list[Json]:
        return list(self.contents.embeds)

    @property
    def components(self) -> list[Json]:
        return list(self.contents.components)

    @property
    def attachments(self) -> list[FakeAttachment]:
        return list(self.contents.attachments)

    @property
    def flags(self) -> Flags:
        return self.contents.flags

    @property
    def ephemeral(self) -> bool:
        return Flags.EPHEMERAL in self.flags

    @property
    def thinking(self) -> bool:
        """Stands there for an answer that was only promised."""
        return Flags.LOADING in self.flags

    @property
    def custom_ids(self) -> list[str]:
        return [part["custom_id"] for part in walk(self.components) if part.get("custom_id")]

    @property
    def labels(self) -> list[str]:
        return [part["label"] for part in walk(self.components) if part.get("label")]

    def button(self, label: str) -> str:
        """The custom_id of the button with this label."""
        custom_id = self.component(label).get("custom_id")
        assert isinstance(custom_id, str), f"“{label}” leads to a page, it cannot be clicked."
        return custom_id

    def component(self, name: str) -> Json:
        """By custom_id or label."""
        for key in ("custom_id", "label"):
            for part in walk(self.components):
                if part.get(key) == name:
                    return part
        raise AssertionError(f"No component {name!r} among {self.labels} ({self.custom_ids}).")

    def rewrite(self, contents: Contents, now: float) -> None:
        self.contents = contents
        self.edited = now
        self.edits += 1
        self._remember(now)

    def remove(self) -> None:
        """A moderator deletes it."""
        self.channel.remove(self)

    def _remember(self, now: float) -> None:
        self.history.append((now, self.content, len(self.contents.attachments)))
