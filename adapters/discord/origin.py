"""Where to answer a job, as it is stored with it, and where its message is, as it is noted on the way."""

import json
from dataclasses import asdict, dataclass
from typing import Any

#: In place of a reason: nobody can look whether the pictures arrived on an earlier way.
UNSURE = "unsure"
#: Seconds that an interaction's token lives (Discord: 15 minutes), less a minute for the last upload.
TOKEN_LIFE = 14 * 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """What the adapter must remember of a request, so that it can be answered in another life of the program."""

    channel_id: int
    guild_id: int | None
    #: The interaction or the message that asked: by Discord's own clock, no answer is older.
    asked_by: int
    locale: str
    #: The result comes as a message in the channel; else as the answer to the interaction.
    post: bool
    #: Only the requester may see the result.
    private: bool = False
    #: Bytes that a file may have, as Discord said with the interaction.
    filesize_limit: int
    #: The message that the result replies to.
    reply_to: int | None = None
    #: Of the interaction; with it the answer can be edited until it expires.
    token: str | None = None
    expires_at: float = 0.0

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Origin":
        fields: dict[str, Any] = json.loads(text)
        return cls(**fields)


@dataclass(frozen=True, slots=True)
class Note:
    """Where the message of a job is."""

    #: A name of ways.Way.
    way: str
    channel_id: int
    message_id: int
    #: Why it is not on the first way, as in mishaps.Unreachable, or UNSURE; "" where it is.
    gone: str = ""
    #: The finished pictures may be there already.
    sent: bool = False

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> "Note | None":
        return cls(**json.loads(text)) if text else None
