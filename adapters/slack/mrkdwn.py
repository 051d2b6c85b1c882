"""What others wrote -> text that Slack shows as it stands, and that cannot get out of its line. Pure.

Slack's mrkdwn has no backslash: what would format is shown by a sign that looks like it, or kept apart by a space
without width. Prompts stand in rich text or plain text, where nothing formats, so that they are shown unchanged.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime

from adapters.chat.text import CUT, NO_SPACE, cut, tamed

ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
#: Pairs of these format what is between them.
LIKENESS = {"*": "\u2217", "~": "\u223c", "`": "'", "_": "\uff3f"}
#: An underline inside a word formats nothing. A colon matters before a slash (links) and around a word (`:cat:`), an at
#: sign before a name.
_EFFECT = re.compile(r"[&<>*~`]|(?<![^\W_])_|_(?![^\W_])|@(?=\w)|:(?=/|[^\s:]+:)")


def plain(text: str, limit: int) -> str:
    """One line without control characters, never empty, for plain text and rich text."""
    return cut(tamed(text), limit) or CUT


def quoted(text: str, limit: int) -> str:
    """One line for mrkdwn, in which nothing formats, mentions, rings or links."""
    return cut(_escaped("".join(tamed(text))), limit)


def code(text: str) -> str:
    """Between back quotes, which nothing in it can close."""
    line = "".join(tamed(text)).replace("`", "'")
    return f"`{''.join(ESCAPED.get(char, char) for char in line) or ' '}`"


def when(timestamp: int) -> str:
    """A time of day, as the reader's clock has it; in UTC where a client cannot tell."""
    hours, minutes = divmod(timestamp // 60 % (24 * 60), 60)
    return f"<!date^{timestamp}^{{time}}|{hours:02}:{minutes:02} UTC>"


def moment(timestamp: float) -> str:
    """A day and a time of day."""
    seconds = int(timestamp)
    told = datetime.fromtimestamp(seconds, UTC)
    return f"<!date^{seconds}^{{date_short}} {{time}}|{told:%Y-%m-%d %H:%M} UTC>"


def _escaped(line: str) -> Iterator[str]:
    """Characters; what stands for one comes in one piece."""
    if line.startswith(">"):
        # At the start of a line it makes a quote, even escaped.
        yield NO_SPACE
    at = 0
    for found in _EFFECT.finditer(line):
        yield from line[at : found.start()]
        char = found[0]
        yield ESCAPED.get(char) or LIKENESS.get(char) or char + NO_SPACE
        at = found.end()
    yield from line[at:]
