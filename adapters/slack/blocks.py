"""The parts of Block Kit that messages and views are made of. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from adapters.chat.text import CUT, fitting
from adapters.slack.mrkdwn import plain

#: Slack's limits, in characters.
SECTION_MAX = 3000
ALT_TEXT_MAX = 2000
TITLE_MAX = 2000
#: Some of what Slack allows a context element; a name is no novel.
CONTEXT_MAX = 1500
#: Of a message's text, which an edit wants below 4000.
TEXT_MAX = 3900

Block = dict[str, Any]
Style = Literal["primary", "danger"]


@dataclass(frozen=True, slots=True)
class Shown:
    """A message."""

    #: For notifications and screen readers, in mrkdwn.
    text: str
    blocks: list[Block]


@dataclass(frozen=True, slots=True)
class Button:
    action: str
    #: A job's ID or an image's, or what else it is about.
    subject: str
    label: str
    style: Style | None = None
    #: Tells buttons apart that do the same for different images.
    number: int | None = None

    @property
    def action_id(self) -> str:
        return f"limner:{self.action}" + ("" if self.number is None else f":{self.number}")

    def element(self) -> Block:
        element = {
            "type": "button",
            "text": plain_text(self.label, 75),
            "action_id": self.action_id,
            "value": self.subject,
        }
        return element if self.style is None else element | {"style": self.style}


def plain_text(text: str, limit: int) -> Block:
    return {"type": "plain_text", "text": plain(text, limit), "emoji": False}


def mrkdwn(text: str) -> Block:
    """Text in which what others wrote is escaped already; Slack adds no links and mentions of its own."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def section(lines: Iterable[str]) -> Block:
    """As many lines as fit."""
    return {"type": "section", "text": mrkdwn("\n".join(fitting(lines, SECTION_MAX)) or CUT)}


def context(text: str) -> Block:
    """A small line, in which nothing formats."""
    return {"type": "context", "elements": [plain_text(text, CONTEXT_MAX)]}


def small(text: str) -> Block:
    """A small line of mrkdwn."""
    return {"type": "context", "elements": [mrkdwn(text)]}


def quote(text: str, limit: int) -> Block:
    """What somebody wrote, in rich text, which knows no markup."""
    words = {"type": "text", "text": plain(text, limit)}
    return {"type": "rich_text", "elements": [{"type": "rich_text_quote", "elements": [words]}]}


def actions(buttons: Sequence[Button]) -> Block:
    return {"type": "actions", "elements": [button.element() for button in buttons]}


def picture(file_id: str, alt_text: str, title: str) -> Block:
    """`file_id`: of a file that Slack has processed."""
    return {
        "type": "image",
        "slack_file": {"id": file_id},
        "alt_text": alt_text,
        "title": plain_text(title, TITLE_MAX),
    }
