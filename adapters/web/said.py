"""A line of the playground's chat -> which command it is, and its words; or what was probably meant."""

import difflib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from bot.errors import BadRequest, Mistake
from bot.typed import UUID, Typed, read


class Command(StrEnum):
    GENERATE = "generate"
    REFINE = "refine"
    STATUS = "status"
    HELP = "help"


#: As other bots, and Limner on other platforms, call them.
ALIASES: Final = {
    **dict.fromkeys(("imagine", "dream", "draw", "paint", "create", "make"), Command.GENERATE),
    **dict.fromkeys(("edit", "remix", "change"), Command.REFINE),
    **dict.fromkeys(("limner-status", "limner", "queue"), Command.STATUS),
    "?": Command.HELP,
}
#: How like a known command another one must be to be taken for it, as difflib counts.
LIKENESS = 0.6
#: Characters of an unknown command that an answer repeats.
SHOWN = 20
#: What people put around an ID.
AROUND = "`'\"<>,:;"
HELP = """\
/generate a cat in a hat - paints from words; words without a command do the same.
/refine warmer light - paints the image that you answer to anew, else your newest one. Its ID may come first: \
/refine 01f2566a-... warmer light.
/status - what waits, what runs, and how the workers are.
Options: --size 1024x768, --steps 30, --seed 7, --images 4, --no text, --style NAME, --quality draft|standard|high, \
--guidance 5, --strength 0.5 (refine)."""


@dataclass(frozen=True, slots=True)
class Line:
    #: None: words alone.
    command: Command | None
    words: str


def line_of(text: str) -> Line:
    """Raises BadRequest for a command that there is not."""
    text = text.strip()
    if not text.startswith("/"):
        return Line(Command.HELP if text.lower() in ("help", "?") else None, text)
    name, words = (*text[1:].split(maxsplit=1), "", "")[:2] if text[1:2].strip() else ("", text[1:])
    try:
        return Line(Command(name.lower()), words)
    except ValueError:
        raise BadRequest(_unknown(name)) from None


def _unknown(name: str) -> Mistake:
    shown = name if len(name) <= SHOWN else name[: SHOWN - 1] + "\u2026"
    meant = _nearest(name.lower()[:SHOWN])
    there_are = f"There are {', '.join(f'/{command}' for command in Command)}."
    words = f"There is no command /{shown}. " + (f"Did you mean /{meant}?" if meant else there_are)
    return Mistake("text", words, "unknown_command", {"command": shown, "suggestion": meant})


def _nearest(name: str) -> str:
    known = {command.value: command for command in Command} | ALIASES
    found = difflib.get_close_matches(name, known, n=1, cutoff=LIKENESS)
    return known[found[0]] if found else ""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A refinement as it was typed."""

    typed: Typed
    #: The image that the words name.
    image: str | None


def wanted(words: str) -> Wanted:
    """An ID may be the first word, or the value of --image. Raises BadRequest."""
    first, rest = (*words.split(maxsplit=1), "", "")[:2]
    named = first.strip(AROUND)
    if not UUID.fullmatch(named):
        typed = typed_of(words)
        return Wanted(typed, typed.image and typed.image.strip(AROUND))
    typed = typed_of(rest)
    if typed.image is not None:
        mistake = Mistake("image", "Say the image once: as the first word, or with --image.", "image_twice")
        typed = replace(typed, mistakes=(*typed.mistakes, mistake))
    return Wanted(typed, named)


def typed_of(words: str) -> Typed:
    """Raises BadRequest."""
    typed = read(words)
    if not typed.private:
        return typed
    told = "--private is for Discord and Slack, where others look on. Here it means nothing; please leave it out."
    return replace(typed, mistakes=(*typed.mistakes, Mistake("private", told, "private_here")))
