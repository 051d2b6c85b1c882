"""What people read on Discord, in their language. The sentences stand in words/*.toml; here is when which is said."""

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from string import Formatter
from typing import Any

from adapters.discord.markdown import fitting, quoted
from bot.errors import (
    AgeRestricted,
    AlreadyOver,
    AskedTooMuch,
    BadRequest,
    Blocked,
    Forbidden,
    Mistake,
    NotFound,
    PlaceClosed,
    QueueFull,
    Refused,
    ShuttingDown,
    SpacePaused,
)
from bot.jobs import Failure

LANGUAGES = ("en", "de")
#: Languages that write 0,5 for 0.5.
WITH_COMMA = ("de",)
#: Characters of what others wrote that an answer repeats, at most.
REPEATED = 300
#: All that an answer may have.
ANSWER = 1900


class Words:
    """All sentences of one language."""

    def __init__(self, language: str, sentences: Mapping[str, str]) -> None:
        self.language = language
        self.sentences = sentences
        self._formatter = _Formatter(decimal="," if language in WITH_COMMA else ".")

    def say(self, key: str, **values: object) -> str:
        """Raises KeyError for a sentence that is not there, and for a value that is missing."""
        return self._formatter.vformat(self.sentences[key], (), values)

    def refusal(self, error: Refused) -> str:
        """Why something was not done, and what can be done about it."""
        match error:
            case BadRequest(mistakes=mistakes):
                return _listed([self.mistake(mistake) for mistake in mistakes])
            case NotFound(kind=kind):
                return self._one_of("refusal.not_found", kind)
            case AlreadyOver(status=status):
                return self._one_of("refusal.already_over", status)
            case Forbidden():
                return self.say("refusal.forbidden")
            case Blocked():
                return self.say("refusal.blocked")
            case SpacePaused():
                return self.say("refusal.paused")
            case PlaceClosed(places=places):
                return self.say("refusal.place_closed", places=channels(places))
            case AskedTooMuch(what=what, limit=limit):
                return self._one_of("refusal.asked_too_much", what, limit=limit)
            case AgeRestricted():
                return self.say("refusal.age_restricted")
            case QueueFull(retry_after=seconds):
                return self.say("refusal.queue_full", seconds=seconds)
            case ShuttingDown():
                return self.say("refusal.shutting_down")
            case _:
                return self.say("refusal.other", why=quoted(str(error), REPEATED))

    def mistake(self, mistake: Mistake) -> str:
        """In the names that things have on Discord; where there are no words for it, in the core's own."""
        kind = mistake.kind + (".suggested" if mistake.values.get("suggestion") else "")
        for key in (f"mistake.{mistake.field}.{kind}", f"mistake.option.{kind}"):
            if key in self.sentences:
                return self.say(key, **{name: _repeated(value) for name, value in mistake.values.items()})
        return quoted(mistake.message, REPEATED)

    def failure(self, failure: Failure) -> str:
        """Why a job failed. Details are for the operator, unless nothing else is known."""
        return self._one_of("failure", failure.code, detail=quoted(failure.detail, REPEATED))

    def _one_of(self, section: str, name: str, **values: object) -> str:
        key = f"{section}.{name}"
        return self.say(key if key in self.sentences else f"{section}.other", **values)


def words_for(locale: str) -> Words:
    """Of a locale as Discord names it: `de`, `en-GB`."""
    language = locale.partition("-")[0].lower()
    return _words(language if language in LANGUAGES else LANGUAGES[0])


@cache
def _words(language: str) -> Words:
    text = files("adapters.discord").joinpath("words", f"{language}.toml").read_text(encoding="utf-8")
    return Words(language, _flat(tomllib.loads(text)))


def _flat(tables: Mapping[str, Any]) -> dict[str, str]:
    """Sentences outside of all tables keep their keys, all others get their table's name before it."""
    sentences: dict[str, str] = {}
    for name, entry in tables.items():
        entries = {name: entry} if isinstance(entry, str) else {f"{name}.{key}": text for key, text in entry.items()}
        sentences |= {key: text.strip("\n") for key, text in entries.items()}
    return sentences


class _Formatter(Formatter):
    """Also `{count:image|images}`, a number with its noun singular or plural, and numbers as the language has them."""

    def __init__(self, *, decimal: str) -> None:
        self._decimal = decimal

    def format_field(self, value: object, format_spec: str) -> str:
        one, bar, many = format_spec.partition("|")
        if bar:
            return f"{value} {one if value == 1 else many}"
        if isinstance(value, float):
            return format(value, format_spec or "g").replace(".", self._decimal)
        return format(value, format_spec)


def channels(places: list[str]) -> str:
    """Places of a space's rules as Discord shows them."""
    shown = [f"<#{place}>" for place in places[:20]]
    return ", ".join([*shown, "…"] if len(places) > len(shown) else shown)


def _listed(sentences: list[str]) -> str:
    """One sentence needs no list."""
    if len(sentences) == 1:
        return sentences[0]
    return "\n".join(fitting((f"- {sentence}" for sentence in sentences), ANSWER))


def _repeated(value: object) -> object:
    return quoted(value, REPEATED) if isinstance(value, str) else value
