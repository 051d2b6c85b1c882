"""What others wrote, made harmless for one line of a chat, whatever the platform's markup is. Pure."""

import unicodedata
from collections.abc import Iterable, Iterator

CUT = "…"
#: Marks upon one letter, at most; living scripts need no more, and towers of them cover the lines above.
MARKS_MAX = 4
#: They turn the direction of all that follows. LRM, RLM and the letters themselves do not.
TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
NO_SPACE = "\u200b"


def length(text: str) -> int:
    """In UTF-16, as chat clients count; by any other count of characters a text is no longer than this."""
    return len(text) + sum(char > "\uffff" for char in text)


def fitting(lines: Iterable[str], limit: int) -> list[str]:
    """As many of these lines as fit together, the first ones first."""
    kept: list[str] = []
    for line in lines:
        if length(line) + 1 <= limit:
            kept.append(line)
            limit -= length(line) + 1
    return kept


def tamed(text: str) -> Iterator[str]:
    """The characters of one line, without those that reach out of it."""
    spaced = "".join(" " if unicodedata.category(char) in ("Cc", "Cs") else char for char in text if char not in TURNS)
    marks = 0
    for char in " ".join(spaced.split()):
        category = unicodedata.category(char)
        if category in ("Mn", "Me"):
            marks += 1
        elif category != "Cf":
            # What has no width begins no letter.
            marks = 0
        if marks <= MARKS_MAX or category == "Cf":
            yield char


def cut(pieces: Iterable[str], limit: int) -> str:
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
