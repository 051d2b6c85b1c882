"""What follows the word of an admin's command: people, channels, options. Pure."""

import re
from collections.abc import Awaitable, Callable, Mapping

from adapters.chat.refusals import Unclear
from adapters.slack.blocks import Shown
from adapters.slack.tokens import unescaped
from adapters.slack.words import Words
from bot.policy import Asker

PERSON = re.compile(r"<@(?P<user>[UW][A-Z0-9]{1,20})(?:\|[^>]*)?>")
CHANNEL = re.compile(r"<#(?P<channel>[CG][A-Z0-9]{1,20})(?:\|[^>]*)?>")
#: Phones make one dash of two hyphens.
OPTION = re.compile(r"(?:--|[\u2013\u2014])(?P<name>[a-z]+)(?:=|\s+)(?P<number>-?[0-9]{1,20})(?!\S)", re.IGNORECASE)
#: Characters of what is not understood that an answer repeats.
REPEATED = 80

#: Takes who asks, in which words, and what follows the command's word.
Act = Callable[[Asker, Words, str], Awaitable[Shown]]


def person_in(text: str, word: str, words: Words) -> str:
    """The only one who is named. Raises Unclear."""
    rest, people = parted(text)
    if len(people) != 1:
        raise Unclear("command.one_person" if people else "command.no_person", word=word)
    check_nothing_left(rest, words)
    return people[0]


def parted(text: str) -> tuple[str, list[str]]:
    """What is said besides, and the IDs of the people who are named."""
    return PERSON.sub(" ", text), list(dict.fromkeys(found["user"] for found in PERSON.finditer(text)))


def channels_in(text: str, asker: Asker) -> frozenset[str]:
    """Without any, the one in which is asked. Raises Unclear."""
    named = frozenset(found["channel"] for found in CHANNEL.finditer(text))
    if CHANNEL.sub("", text).strip(" ,\n\t"):
        raise Unclear("command.no_channel")
    # Direct messages are no channel that could be listed.
    if not named and not asker.place.startswith(("C", "G")):
        raise Unclear("command.no_channel")
    return named or frozenset({asker.place})


def one_channel_in(text: str) -> tuple[str, str | None]:
    """What is said besides, and the only channel that is named. Raises Unclear for several."""
    named = list(dict.fromkeys(found["channel"] for found in CHANNEL.finditer(text)))
    if len(named) > 1:
        raise Unclear("command.one_channel")
    return CHANNEL.sub(" ", text).strip(), named[0] if named else None


def options_in(text: str, words: Words, most: Mapping[str, int]) -> dict[str, int]:
    """Of those that there are, which go from 0 to their most. Raises Unclear for everything else that is said."""
    given: dict[str, int] = {}
    for found in OPTION.finditer(text):
        name, number = found["name"].lower(), int(found["number"])
        if name not in most or name in given:
            raise not_understood(found[0], words)
        if not 0 <= number <= most[name]:
            raise Unclear("command.range", option=name, most=most[name])
        given[name] = number
    check_nothing_left(OPTION.sub(" ", text), words)
    return given


def check_nothing_left(text: str, words: Words) -> None:
    """Raises Unclear."""
    if text.strip():
        raise not_understood(text, words)


def not_understood(text: str, words: Words) -> Unclear:
    return Unclear("command.too_much", text=words.quoted(unescaped(text.strip()), REPEATED))
