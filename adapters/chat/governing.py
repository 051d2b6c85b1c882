"""What admins are told of the rules that they set for images and words, and of what was decided. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from adapters.chat.refusals import Unclear
from adapters.chat.text import fitting
from adapters.chat.words import Words, channels
from bot.decisions import Decision
from bot.jobs import Treatment
from bot.policy import Rules
from bot.wordlist import RULES_MOST, parse_rule

#: Entries of the record that an answer shows.
RECORD_SHOWN = 20
#: Characters of a rule or a detail.
SHOWN = 100


def with_treatment(rules: Rules, treatment: Treatment | None, place: str | None) -> Rules:
    """In one place, or in all the space; None goes back to what holds without a rule."""
    if place is None:
        return replace(rules, treatment=treatment)
    others = {name: each for name, each in rules.treatments.items() if name != place}
    return replace(rules, treatments=others if treatment is None else {**others, place: treatment})


def with_word(rules: Rules, text: str) -> Rules:
    """Raises BadRequest or Unclear."""
    rule = parse_rule(text)
    if rule in rules.words:
        raise Unclear("words.known", number=rules.words.index(rule) + 1)
    if len(rules.words) >= RULES_MOST:
        raise Unclear("words.full", most=RULES_MOST)
    return replace(rules, words=(*rules.words, rule))


def without_word(rules: Rules, text: str) -> Rules:
    """By its number or as it is written. Raises BadRequest or Unclear."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= len(str(RULES_MOST)) else None
    rule = rules.words[number - 1] if number and number <= len(rules.words) else parse_rule(text)
    if rule not in rules.words:
        raise Unclear("words.unknown")
    return replace(rules, words=tuple(each for each in rules.words if each != rule))


def of_treatments(rules: Rules, words: Words) -> str:
    lines = [words.say(f"flagged.{rules.treatment or 'none'}")]
    for place, treatment in sorted(rules.treatments.items()):
        lines.append(words.say("flagged.place", place=channels([place]), treatment=words.say(f"treatment.{treatment}")))
    if not rules.reports_to:
        lines.append(words.say("flagged.no_reports"))
    return "\n".join(fitting(lines, words.answer_most))


def of_words(rules: Rules, words: Words) -> str:
    if not rules.words:
        return words.say("words.none")
    title = words.say("words.listed", count=len(rules.words))
    lines = (f"{number}. {words.code(rule)}" for number, rule in enumerate(rules.words, start=1))
    return "\n".join(fitting([title, *lines], words.answer_most))


def of_record(
    decisions: Sequence[Decision], words: Words, person: Callable[[str], str], when: Callable[[float], str]
) -> str:
    """The newest; `person` and `when` write a requester and a time as the platform wants them."""
    if not decisions:
        return words.say("record.none")
    lines = [_entry(decision, words, person, when) for decision in decisions[:RECORD_SHOWN]]
    return "\n".join(fitting([words.say("record.title"), *lines], words.answer_most))


def _entry(decision: Decision, words: Words, person: Callable[[str], str], when: Callable[[float], str]) -> str:
    return f"{words.bullet} " + " · ".join(_parts(decision, words, person, when))


def _parts(
    decision: Decision, words: Words, person: Callable[[str], str], when: Callable[[float], str]
) -> Iterator[str]:
    yield when(decision.at)
    yield person(decision.by) if decision.by else words.say("record.rule")
    yield words.say(f"record.{decision.act}")
    if decision.about and decision.about != decision.by:
        yield person(decision.about)
    if decision.image_id:
        yield words.code(decision.image_id)
    if decision.detail:
        yield words.quoted(decision.detail, SHOWN)
