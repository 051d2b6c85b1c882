"""Longer answers to one person: how an image was made, how Limner is, and what. Pure."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from adapters.chat import facts
from adapters.chat.text import fitting, length
from adapters.discord.markdown import code, person, quoted, small
from adapters.discord.words import Words
from bot.jobs import Image, Recipe
from bot.status import Lately, Running, Status

CONTENT_MAX = 2000
#: Running jobs that are shown one by one.
RUNNING_SHOWN = 8


def recipe(image: Image, words: Words, siblings: Mapping[int, Image] | None = None) -> str:
    """All that the index knows of how an image was made; prompts are cut where they must be.

    `siblings` are the images of its set with their numbers, this one too. They differ in seeds and IDs only.
    """
    made = image.recipe
    if made is None:
        return f"{words.say('recipe.brought')}\n{words.say('recipe.id', image=code(image.id))}"
    title, cut = words.say("recipe.title"), small(words.say("recipe.cut"))
    told = facts.of_recipe(made, words, CONTENT_MAX)
    # The prompts leave half of it free.
    lines = [*facts.identities(image, made, siblings or {}, words), *fitting(told, CONTENT_MAX // 2)]
    room = CONTENT_MAX - length("\n".join([title, *lines, cut, words.say("recipe.without")])) - 2 * len("\n> ")
    prompt, negative = _prompts(made, room)
    shown = [f"> {prompt}", *([words.say("recipe.without"), f"> {negative}"] if negative else [])]
    whole = length(prompt + negative) == _length_of(made.prompt) + _length_of(made.negative_prompt or "")
    return "\n".join([title, *shown, *([] if whole else [cut]), *lines])


def status(
    now: Status,
    lately: Lately,
    version: str,
    words: Words,
    space: str,
    libraries: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """As somebody in this space may see it: what happens in others has no names. `libraries` have their versions."""
    lines = [
        words.say(f"status.{now.state}", version=version),
        words.say("status.queue", queued=now.queued, running=len(now.running)),
        words.say("status.lately"),
        *(f"- {line}" for line in facts.of_last_hour(lately, words)),
        *_running(now.running, words, space),
        *_workers(now, words),
        *_libraries(libraries, words),
    ]
    return "\n".join(fitting(lines, CONTENT_MAX))


def about(now: Status, version: str, words: Words) -> str:
    models = dict.fromkeys(code(worker.model) for worker in now.workers if worker.model is not None)
    return words.say("about", version=version, model=", ".join(models) or words.say("about.no_model"))


def _prompts(made: Recipe, room: int) -> tuple[str, str]:
    """Each gets half of the room at least; what one leaves, the other may have."""
    needed = min(room, _length_of(made.negative_prompt or ""))
    prompt = quoted(made.prompt, max(room // 2, room - needed))
    return prompt, quoted(made.negative_prompt or "", room - length(prompt))


def _length_of(prompt: str) -> int:
    return length(quoted(prompt, sys.maxsize))


def _libraries(libraries: Mapping[str, str], words: Words) -> Iterator[str]:
    if libraries:
        versions = quoted(facts.versions(libraries), facts.DETAIL_SHOWN)
        yield small(words.say("recipe.versions", versions=versions))


def _running(running: Sequence[Running], words: Words, space: str) -> Iterator[str]:
    if running:
        yield words.say("status.running")
    for run in running[:RUNNING_SHOWN]:
        yield f"- {_whose(run, words, space)} · {facts.of_run(run, words)}"
    if len(running) > RUNNING_SHOWN:
        yield f"- {words.say('status.running.more', count=len(running) - RUNNING_SHOWN)}"


def _whose(run: Running, words: Words, space: str) -> str:
    if run.job.space != space:
        return words.say("status.running.elsewhere")
    if not run.job.audience:
        return words.say("status.running.private")
    return words.say("done.for", person=person(run.job.requester))


def _workers(now: Status, words: Words) -> Iterator[str]:
    if now.workers:
        yield words.say("status.workers")
    for line, more in facts.of_workers(now, words):
        yield f"- {line}"
        yield from map(small, more)
