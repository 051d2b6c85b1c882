"""What people read in a chat: sentences by key, and which of them tells what the core refused or failed at."""

import tomllib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Formatter
from typing import Any, ClassVar

from adapters.chat.text import CUT, fitting
from bot.errors import (
    AgeRestricted,
    AlreadyDecided,
    AlreadyOver,
    AskedTooMuch,
    BadRequest,
    Blocked,
    Forbidden,
    ImageHeld,
    Mistake,
    NobodyHears,
    NotFound,
    PlaceClosed,
    QueueFull,
    Refused,
    ShareFull,
    ShuttingDown,
    SpacePaused,
    WordsRefused,
)
from bot.jobs import Failure

#: Languages that write 0,5 for 0.5.
WITH_COMMA = ("de",)
#: Characters of what others wrote that an answer repeats, at most.
REPEATED = 300


class Words(ABC):
    """All sentences of one language; a platform adds how it writes what others wrote."""

    bullet: ClassVar[str]
    #: Characters of an answer.
    answer_most: ClassVar[int]

    def __init__(self, language: str, sentences: Mapping[str, str]) -> None:
        self.language = language
        self.sentences = sentences
        self._formatter = _Formatter(decimal="," if language in WITH_COMMA else ".")

    @abstractmethod
    def quoted(self, text: str, limit: int) -> str:
        """Of at most so many characters, in one line, and without any effect on this platform."""

    @abstractmethod
    def code(self, text: str) -> str:
        """As code, which nothing in it can end."""

    def listed(self, sentences: Sequence[str]) -> str:
        """As many of them as fit into one answer; one sentence needs no list."""
        if len(sentences) == 1:
            return sentences[0]
        return "\n".join(fitting((f"{self.bullet} {sentence}" for sentence in sentences), self.answer_most))

    def say(self, key: str, **values: object) -> str:
        """Raises KeyError for a sentence that is not there, and for a value that is missing."""
        return self._formatter.vformat(self.sentences[key], (), values)

    def refusal(self, error: Refused) -> str:
        """Why something was not done, and what can be done about it."""
        match error:
            case BadRequest(mistakes=mistakes):
                return self.listed([self.mistake(mistake) for mistake in mistakes])
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
            case WordsRefused(number=number, shipped=shipped):
                return self.say("refusal.words.everywhere" if shipped else "refusal.words.here", number=number)
            case ImageHeld():
                return self.say("refusal.image_held")
            case NobodyHears():
                return self.say("refusal.nobody_hears")
            case AlreadyDecided():
                return self.say("refusal.already_decided")
            case AgeRestricted():
                return self.say("refusal.age_restricted")
            case ShareFull(whose=whose, waiting=waiting, retry_after=seconds):
                return self.say(f"refusal.share_full.{whose}", waiting=waiting, seconds=seconds)
            case QueueFull(retry_after=seconds):
                return self.say("refusal.queue_full", seconds=seconds)
            case ShuttingDown():
                return self.say("refusal.shutting_down")
            case _:
                return self.say("refusal.other", why=self.quoted(str(error), REPEATED))

    def mistake(self, mistake: Mistake) -> str:
        """In the names that things have here; where there are no words for it, in the core's own."""
        kind = mistake.kind + (".suggested" if mistake.values.get("suggestion") else "")
        for key in (f"mistake.{mistake.field}.{kind}", f"mistake.option.{kind}"):
            if key in self.sentences:
                return self.say(key, **{name: self._repeated(value) for name, value in mistake.values.items()})
        return self.quoted(mistake.message, REPEATED)

    def failure(self, failure: Failure) -> str:
        """Why a job failed. Details are for the operator, unless nothing else is known."""
        return self._one_of("failure", failure.code, detail=self.quoted(failure.detail, REPEATED))

    def _one_of(self, section: str, name: str, **values: object) -> str:
        key = f"{section}.{name}"
        return self.say(key if key in self.sentences else f"{section}.other", **values)

    def _repeated(self, value: object) -> object:
        return self.quoted(value, REPEATED) if isinstance(value, str) else value


def channels(places: Sequence[str]) -> str:
    """Places of a space's rules as people see them, the first twenty; both platforms write them alike."""
    shown = [f"<#{place}>" for place in places[:20]]
    return ", ".join([*shown, CUT] if len(places) > len(shown) else shown)


def language_of(locale: str, languages: Sequence[str]) -> str:
    """Of a locale as platforms name it, e.g. `de`, `en-GB`; the first language where there is no other."""
    language = locale.partition("-")[0].lower()
    return language if language in languages else languages[0]


def sentences(package: str, file: str) -> dict[str, str]:
    """Of a word file in that package."""
    return _flat(tomllib.loads(files(package).joinpath("words", file).read_text(encoding="utf-8")))


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
