"""What others wrote -> text that Slack shows as it stands, and that cannot get out of its line. Pure.

Slack's mrkdwn has no backslash: what would format is shown by a sign that looks like it, or kept apart by a space
without width. Prompts stand in rich text or plain text, where nothing formats, so that they are shown unchanged.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

CUT = "…"
#: Marks upon one letter, at most; living scripts need no more, and towers of them cover the lines above.
MARKS_MAX = 4
#: They turn the direction of all that follows. LRM, RLM and the letters themselves do not.
TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
NO_SPACE = "\u200b"

ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
#: Pairs of these format what is between them.
LIKENESS = {"*": "\u2217", "~": "\u223c", "`": "'", "_": "\uff3f"}
#: An underline inside a word formats nothing. A colon matters before a slash (links) and around a word (`:cat:`), an at
#: sign before a name.
_EFFECT = re.compile(r"[&<>*~`]|(?<![^\W_])_|_(?![^\W_])|@(?=\w)|:(?=/|[^\s:]+:)")


def length(text: str) -> int:
    """In UTF-16; by any other count of characters a text is no longer than this."""
    return len(text) + sum(char > "\uffff" for char in text)


def plain(text: str, limit: int) -> str:
    """One line without control characters, never empty, for plain text and rich text."""
    return _cut(_tamed(text), limit) or CUT


def quoted(text: str, limit: int) -> str:
    """One line for mrkdwn, in which nothing formats, mentions, rings or links."""
    return _cut(_escaped("".join(_tamed(text))), limit)


def code(text: str) -> str:
    """Between back quotes, which nothing in it can close."""
    line = "".join(_tamed(text)).replace("`", "'")
    return f"`{''.join(ESCAPED.get(char, char) for char in line) or ' '}`"


def when(timestamp: int) -> str:
    """A time of day, as the reader's clock has it; in UTC where a client cannot tell."""
    hours, minutes = divmod(timestamp // 60 % (24 * 60), 60)
    return f"<!date^{timestamp}^{{time}}|{hours:02}:{minutes:02} UTC>"


def fitting(lines: Iterable[str], limit: int) -> list[str]:
    """As many of these lines as fit together, the first ones first."""
    kept: list[str] = []
    for line in lines:
        if length(line) + 1 <= limit:
            kept.append(line)
            limit -= length(line) + 1
    return kept


def _tamed(text: str) -> Iterator[str]:
    spaced = "".join(" " if unicodedata.category(char) in ("Cc", "Cs") else char for char in text if char not in TURNS)
    marks = 0
    for char in " ".join(spaced.split()):
        marks = marks + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        if marks <= MARKS_MAX:
            yield char


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


def _cut(pieces: Iterable[str], limit: int) -> str:
    """As many pieces as fit; where some do not, with the sign of that."""
    kept: list[str] = []
    room = limit
    for piece in pieces:
        room -= length(piece)
        kept.append(piece)
        if room < 0:
            while kept and room < length(CUT):
                room += length(kept.pop())
            return "".join(kept).rstrip() + CUT
    return "".join(kept)
