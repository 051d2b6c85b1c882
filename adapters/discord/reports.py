"""Longer answers to one person: how an image was made, how Limner is, and what. Pure."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from adapters.discord.markdown import code, fitting, length, person, quoted, small
from adapters.discord.words import Words
from bot.jobs import Image, Recipe
from bot.service import Lately, Running, Status

CONTENT_MAX = 2000
#: Characters of what is said in other places that stand in a line.
DETAIL_SHOWN = 200
#: Running jobs that are shown one by one.
RUNNING_SHOWN = 8
#: Kinds of failures.
FAILURES_SHOWN = 5


def recipe(image: Image, words: Words, siblings: Mapping[int, Image] | None = None) -> str:
    """All that the index knows of how an image was made; prompts are cut where they must be.

    `siblings` are the images of its set with their numbers, this one too. They differ in seeds and IDs only.
    """
    made = image.recipe
    if made is None:
        return f"{words.say('recipe.brought')}\n{words.say('recipe.id', image=code(image.id))}"
    title, cut = words.say("recipe.title"), small(words.say("recipe.cut"))
    # The prompts leave half of it free.
    lines = [*_identities(image, made, siblings or {}, words), *fitting(_facts(made, words), CONTENT_MAX // 2)]
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
    state = "stopping" if now.stopping else "ready" if now.ready else "not_ready"
    lines = [
        words.say(f"status.{state}", version=version),
        words.say("status.queue", queued=now.queued, running=len(now.running)),
        words.say("status.lately"),
        *_lately(lately, words),
        *_running(now.running, words, space),
        *_workers(now, words),
        *_libraries(libraries, words),
    ]
    return "\n".join(fitting(lines, CONTENT_MAX))


def about(now: Status, version: str, words: Words) -> str:
    models = dict.fromkeys(code(worker.model) for worker in now.workers if worker.model is not None)
    return words.say("about", version=version, model=", ".join(models) or words.say("about.no_model"))


def duration(seconds: float, words: Words) -> str:
    if seconds < 60:
        return words.say("done.seconds", seconds=float(seconds))
    minutes, rest = divmod(round(seconds), 60)
    return words.say("done.minutes", minutes=minutes, seconds=rest)


def _identities(image: Image, made: Recipe, siblings: Mapping[int, Image], words: Words) -> Iterator[str]:
    if len(siblings) < 2:
        yield words.say("recipe.id", image=code(image.id))
        yield words.say("recipe.seed", seed=made.seed)
        return
    for number, one in siblings.items():
        assert one.recipe is not None
        yield words.say("recipe.each", number=number, seed=one.recipe.seed, image=code(one.id))


def _prompts(made: Recipe, room: int) -> tuple[str, str]:
    """Each gets half of the room at least; what one leaves, the other may have."""
    needed = min(room, _length_of(made.negative_prompt or ""))
    prompt = quoted(made.prompt, max(room // 2, room - needed))
    return prompt, quoted(made.negative_prompt or "", room - length(prompt))


def _length_of(prompt: str) -> int:
    return length(quoted(prompt, sys.maxsize))


def _facts(made: Recipe, words: Words) -> Iterator[str]:
    yield words.say("recipe.size", width=made.width, height=made.height)
    yield " · ".join(_course(made, words))
    if made.parent_id is not None and made.strength is not None:
        yield words.say("recipe.refined", image=code(made.parent_id), strength=float(made.strength))
    yield words.say("recipe.model", model=code(made.model))
    if made.refiner is not None and made.refine_at is not None:
        yield words.say("recipe.refiner", refiner=code(made.refiner), part=1 - made.refine_at)
    if made.loras:
        loras = [words.say("recipe.lora", lora=code(name), weight=float(weight)) for name, weight in made.loras.items()]
        yield words.say("recipe.loras", loras=", ".join(loras))
    yield words.say("recipe.device", device=quoted(made.device, DETAIL_SHOWN), dtype=quoted(made.dtype, DETAIL_SHOWN))
    if made.versions:
        versions = ", ".join(f"{name} {version}" for name, version in made.versions.items())
        yield words.say("recipe.versions", versions=quoted(versions, DETAIL_SHOWN))


def _course(made: Recipe, words: Words) -> Iterator[str]:
    yield words.say("recipe.steps", steps=made.num_inference_steps)
    guidance = words.say("recipe.guidance", guidance=float(made.guidance_scale))
    if made.guidance_end < 1:
        guidance += " " + words.say("recipe.guidance_end", part=float(made.guidance_end))
    yield guidance
    yield words.say("recipe.sampler", sampler=code(made.sampler))


def _libraries(libraries: Mapping[str, str], words: Words) -> Iterator[str]:
    if libraries:
        versions = ", ".join(f"{name} {version}" for name, version in libraries.items())
        yield small(words.say("recipe.versions", versions=quoted(versions, DETAIL_SHOWN)))


def _lately(lately: Lately, words: Words) -> Iterator[str]:
    half, most = lately.percentile(0.5), lately.percentile(0.95)
    if half is None or most is None:
        yield f"- {words.say('status.lately.nothing')}"
    else:
        times = {"half": duration(half, words), "most": duration(most, words)}
        yield f"- {words.say('status.lately.done', count=len(lately.seconds), **times)}"
    if lately.failures:
        most_first = sorted(lately.failures.items(), key=lambda failure: (-failure[1], failure[0]))
        failures = [
            words.say("status.lately.failure", count=count, code=code(name))
            for name, count in most_first[:FAILURES_SHOWN]
        ]
        yield f"- {words.say('status.lately.failures', failures=', '.join(failures))}"


def _running(running: Sequence[Running], words: Words, space: str) -> Iterator[str]:
    if running:
        yield words.say("status.running")
    for run in running[:RUNNING_SHOWN]:
        progress = run.progress
        where = words.say("queue.starting")
        if progress is not None:
            where = words.say("progress.step", step=progress.step, steps=progress.steps)
        yield f"- {_whose(run, words, space)} · {where}"
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
    for worker in now.workers:
        parts = [f"{code(worker.name)} {words.say(f'status.worker.{worker.state}')}"]
        if worker.model is not None:
            parts.append(words.say("status.worker.model", model=code(worker.model)))
        if worker.refiner is not None:
            parts.append(words.say("status.worker.refiner", refiner=code(worker.refiner)))
        if worker.device is not None:
            parts.append(" ".join(quoted(part, DETAIL_SHOWN) for part in (worker.device, worker.dtype or "") if part))
        if worker.memory_used is not None and worker.memory_total is not None:
            used, total = worker.memory_used / 1e9, worker.memory_total / 1e9
            parts.append(words.say("status.worker.memory", used=used, total=total))
        if worker.restarts:
            parts.append(words.say("status.worker.restarts", restarts=worker.restarts))
        yield f"- {' · '.join(parts)}"
        for text in (worker.plan, worker.detail):
            if text:
                yield small(quoted(text, DETAIL_SHOWN))
