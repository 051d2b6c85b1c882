"""What others wrote -> text that Discord shows as it stands, and that cannot get out of its line. Pure."""

import re
from collections.abc import Iterator

from adapters.chat.text import NO_SPACE, cut, tamed

#: With a backslash before them, Discord shows these. At the start of a line there are headings, lists and quotes; a
#: colon matters before a slash (links) and around a word (`:cat:`); a slash, as `discord.gg/…` needs no scheme.
_MARKDOWN = re.compile(r"[\\*_~`|<\[\]/]|^[#>+-]|:(?=/|[^\s:]+:)")
#: For these Discord wants more than a backslash.
_EVERYBODY = re.compile(r"@(?=everyone|here)", re.IGNORECASE)


def plain(text: str, limit: int) -> str:
    """One line without control characters, for where Discord knows no markdown."""
    return cut(tamed(text), limit)


def quoted(text: str, limit: int) -> str:
    """One line for a message, in which nothing is markdown, a mention or a link."""
    return cut(_escaped("".join(tamed(text))), limit)


def code(text: str) -> str:
    """In backticks."""
    return f"`{''.join(tamed(text)).replace('`', chr(39)) or ' '}`"


def small(line: str) -> str:
    return f"-# {line}"


def person(requester: str) -> str:
    """A mention, for `discord:1234`; it notifies nobody unless the message allows that. Of others the platform."""
    platform, _, name = requester.partition(":")
    return f"<@{name}>" if platform == "discord" and name.isdecimal() else quoted(platform, 40)


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
