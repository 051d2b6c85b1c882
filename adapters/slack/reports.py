"""Longer answers to one person: how an image was made, how Limner is, and what. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from adapters.chat import facts
from adapters.chat.text import fitting
from adapters.slack.blocks import SECTION_MAX, Shown, context, quote, section
from adapters.slack.mrkdwn import code, quoted
from adapters.slack.words import Words
from bot.jobs import Image
from bot.prompts import PROMPT_LIMIT
from bot.status import Lately, Running, Status

NAME_SHOWN = 80
#: Running jobs that are shown one by one.
RUNNING_SHOWN = 8

NOBODY: Mapping[str, str] = MappingProxyType({})


def recipe(image: Image, words: Words, siblings: Mapping[int, Image] | None = None) -> Shown:
    """All that the index knows of how an image was made.

    `siblings` are the images of its set with their numbers, this one too. They differ in seeds and IDs only.
    """
    notice = words.say("recipe.notice", image=code(image.id))
    made = image.recipe
    if made is None:
        lines = [words.say("recipe.brought"), words.say("recipe.id", image=code(image.id))]
        return Shown(notice, [section(lines)])
    shown = [section([words.say("recipe.title")]), quote(made.prompt, PROMPT_LIMIT)]
    if made.negative_prompt:
        shown += [section([words.say("recipe.without")]), quote(made.negative_prompt, PROMPT_LIMIT)]
    lines = [*facts.identities(image, made, siblings or {}, words), *facts.of_recipe(made, words, SECTION_MAX // 3)]
    return Shown(notice, [*shown, section(lines)])


def status(
    now: Status,
    lately: Lately,
    version: str,
    words: Words,
    space: str,
    *,
    names: Mapping[str, str] = NOBODY,
    libraries: Mapping[str, str] = NOBODY,
) -> Shown:
    """As somebody in this space may see it: what happens in others, or in closed places, has no names.

    `names` are those of requesters, where they are known; `libraries` have their versions.
    """
    lines = [
        words.say(f"status.{now.state}", version=quoted(version, NAME_SHOWN)),
        words.say("status.queue", queued=now.queued, running=len(now.running)),
        words.say("status.lately"),
        *(f"• {line}" for line in facts.of_last_hour(lately, words)),
        *_running(now.running, words, space, names),
    ]
    # A section of their own, as there may be many.
    workers = list(_workers(now, words))
    shown = [section(lines), *([section(workers)] if workers else [])]
    if libraries:
        shown.append(context(words.say("recipe.versions", versions=facts.versions(libraries))))
    return Shown("\n".join(fitting(lines[:2], SECTION_MAX)), shown)


def about(now: Status, version: str, words: Words) -> Shown:
    models = dict.fromkeys(code(worker.model) for worker in now.workers if worker.model is not None)
    named = ", ".join(fitting(models, SECTION_MAX // 2)) or words.say("about.no_model")
    text = words.say("about", version=quoted(version, NAME_SHOWN), model=named)
    return Shown(text, [section(text.splitlines())])


def guide(words: Words, *, admin: bool = False) -> Shown:
    """How to paint and refine; what admins can do besides is told to them."""
    keys = ["help", "help.admin"] if admin else ["help"]
    parts = [words.say(key) for key in keys]
    return Shown("\n\n".join(parts), [section(part.splitlines()) for part in parts])


def _running(running: Sequence[Running], words: Words, space: str, names: Mapping[str, str]) -> Iterator[str]:
    if running:
        yield words.say("status.running")
    for run in running[:RUNNING_SHOWN]:
        yield f"• {_whose(run, words, space, names)} · {facts.of_run(run, words)}"
    if len(running) > RUNNING_SHOWN:
        yield f"• {words.say('status.running.more', count=len(running) - RUNNING_SHOWN)}"


def _whose(run: Running, words: Words, space: str, names: Mapping[str, str]) -> str:
    if run.job.space != space:
        return words.say("status.running.elsewhere")
    if run.job.audience != space:
        return words.say("status.running.private")
    _, _, requester = run.job.requester.partition(":")
    return words.say("done.for", person=quoted(names.get(run.job.requester, requester), NAME_SHOWN))


def _workers(now: Status, words: Words) -> Iterator[str]:
    if now.workers:
        yield words.say("status.workers")
    for line, more in facts.of_workers(now, words):
        yield f"• {line}"
        yield from (f"   {text}" for text in more)
