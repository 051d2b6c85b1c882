"""What others wrote -> text that Discord shows as it stands, and that cannot get out of its line. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

CUT = "…"
#: Marks upon one letter, at most; living scripts need no more, and towers of them cover the lines above.
MARKS_MAX = 4
#: They turn the direction of all that follows. LRM, RLM and the letters themselves do not.
TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
NO_SPACE = "\u200b"

#: With a backslash before them, Discord shows these. At the start of a line there are headings, lists and quotes; a
#: colon matters before a slash (links) and around a word (`:cat:`); a slash, as `discord.gg/…` needs no scheme.
_MARKDOWN = re.compile(r"[\\*_~`|<\[\]/]|^[#>+-]|:(?=/|[^\s:]+:)")
#: For these Discord wants more than a backslash.
_EVERYBODY = re.compile(r"@(?=everyone|here)", re.IGNORECASE)


def length(text: str) -> int:
    """In UTF-16, as Discord's own client counts; by any other count a text is no longer than this."""
    return len(text) + sum(char > "\uffff" for char in text)


def plain(text: str, limit: int) -> str:
    """One line without control characters, for where Discord knows no markdown."""
    return _cut(_tamed(text), limit)


def quoted(text: str, limit: int) -> str:
    """One line for a message, in which nothing is markdown, a mention or a link."""
    return _cut(_escaped("".join(_tamed(text))), limit)


def code(text: str) -> str:
    """In backticks."""
    return f"`{''.join(_tamed(text)).replace('`', chr(39)) or ' '}`"


def small(line: str) -> str:
    return f"-# {line}"


def person(requester: str) -> str:
    """A mention, for `discord:1234`; it notifies nobody unless the message allows that. Of others the platform."""
    platform, _, name = requester.partition(":")
    return f"<@{name}>" if platform == "discord" and name.isdecimal() else quoted(platform, 40)


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
    """Characters; one that needs a backslash comes in one piece with it."""
    line = _EVERYBODY.sub("@" + NO_SPACE, line)
    numbered = re.match(r"\d+(?=\.)", line)
    at = numbered.end() if numbered else 0
    yield from line[:at]
    if numbered:
        yield "\\."
        at += 1
    for found in _MARKDOWN.finditer(line, at):
        yield from line[at : found.start()]
        yield "\\" + found[0]
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
