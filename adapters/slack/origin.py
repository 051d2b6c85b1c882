"""Where to answer a job, as it is stored with it, and where its message is, as it is noted on the way."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What the adapter must remember of a request, so that it can be answered in another life of the program."""

    channel: str
    #: The ts of the thread's first message; "" for the channel itself.
    thread: str
    user: str
    #: As others see them.
    name: str
    locale: str
    #: Comes in direct messages, and nowhere else.
    private: bool

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Origin":
        fields: dict[str, Any] = json.loads(text)
        return cls(**fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Where the message of a job is, and which files were uploaded for it."""

    #: "" where other files were noted first.
    way: str
    channel: str
    #: "" before there is a message.
    ts: str
    thread: str
    #: Image ID -> Slack's file in the message of the job.
    files: Mapping[str, str] = field(default_factory=dict)
    #: Image ID -> the file that covers it in the message to moderators.
    covered: Mapping[str, str] = field(default_factory=dict)
    #: Image ID -> the file that shows it to those who uncover it.
    uncovered: Mapping[str, str] = field(default_factory=dict)
    #: They come with a message of their own, as Slack showed them in no block.
    apart: bool = False
    #: Why it is not on the first way; "" where it is.
    gone: str = ""

    def files_of(self, image_id: str) -> list[str]:
        """All that show it, wherever."""
        everywhere = (self.files, self.covered, self.uncovered)
        return [files[image_id] for files in everywhere if image_id in files]

    @property
    def all_files(self) -> list[str]:
        return [*self.files.values(), *self.covered.values(), *self.uncovered.values()]

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Note | None":
        return cls(**json.loads(text)) if text else None
