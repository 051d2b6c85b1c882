"""Longer answers to one person: how an image was made, how Limner is, and what. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from adapters.slack.blocks import SECTION_MAX, Shown, context, quote, section
from adapters.slack.mrkdwn import code, fitting, quoted
from adapters.slack.words import Words
from bot.jobs import Image, Recipe
from bot.prompts import PROMPT_LIMIT
from bot.service import Lately, Running, Status

#: Characters of what is said in other places that stand in a line.
DETAIL_SHOWN = 200
NAME_SHOWN = 80
#: Running jobs that are shown one by one.
RUNNING_SHOWN = 8
#: Kinds of failures.
FAILURES_SHOWN = 5

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
    lines = [*_identities(image, made, siblings or {}, words), *_facts(made, words)]
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
    """As somebody in this space may see it: what happens in others has no names.

    `names` are those of requesters, where they are known; `libraries` have their versions.
    """
    state = "stopping" if now.stopping else "ready" if now.ready else "not_ready"
    lines = [
        words.say(f"status.{state}", version=quoted(version, NAME_SHOWN)),
        words.say("status.queue", queued=now.queued, running=len(now.running)),
        words.say("status.lately"),
        *_lately(lately, words),
        *_running(now.running, words, space, names),
        *_workers(now, words),
    ]
    shown = [section(lines)]
    if libraries:
        shown.append(context(words.say("recipe.versions", versions=_versions(libraries))))
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
        yield words.say("recipe.loras", loras=", ".join(fitting(loras, SECTION_MAX // 3)))
    yield words.say("recipe.device", device=quoted(made.device, DETAIL_SHOWN), dtype=quoted(made.dtype, DETAIL_SHOWN))
    if made.versions:
        yield words.say("recipe.versions", versions=quoted(_versions(made.versions), DETAIL_SHOWN))


def _versions(libraries: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in libraries.items())


def _course(made: Recipe, words: Words) -> Iterator[str]:
    yield words.say("recipe.steps", steps=made.num_inference_steps)
    guidance = words.say("recipe.guidance", guidance=float(made.guidance_scale))
    if made.guidance_end < 1:
        guidance += " " + words.say("recipe.guidance_end", part=float(made.guidance_end))
    yield guidance
    yield words.say("recipe.sampler", sampler=code(made.sampler))


def _lately(lately: Lately, words: Words) -> Iterator[str]:
    half, most = lately.percentile(0.5), lately.percentile(0.95)
    if half is None or most is None:
        yield f"• {words.say('status.lately.nothing')}"
    else:
        times = {"half": duration(half, words), "most": duration(most, words)}
        yield f"• {words.say('status.lately.done', count=len(lately.seconds), **times)}"
    if lately.failures:
        most_first = sorted(lately.failures.items(), key=lambda failure: (-failure[1], failure[0]))
        failures = [
            words.say("status.lately.failure", count=count, code=code(name))
            for name, count in most_first[:FAILURES_SHOWN]
        ]
        yield f"• {words.say('status.lately.failures', failures=', '.join(failures))}"


def _running(running: Sequence[Running], words: Words, space: str, names: Mapping[str, str]) -> Iterator[str]:
    if running:
        yield words.say("status.running")
    for run in running[:RUNNING_SHOWN]:
        progress = run.progress
        where = words.say("queue.starting")
        if progress is not None:
            where = words.say("progress.step", step=progress.step, steps=progress.steps)
        yield f"• {_whose(run, words, space, names)} · {where}"
    if len(running) > RUNNING_SHOWN:
        yield f"• {words.say('status.running.more', count=len(running) - RUNNING_SHOWN)}"


def _whose(run: Running, words: Words, space: str, names: Mapping[str, str]) -> str:
    if run.job.space != space:
        return words.say("status.running.elsewhere")
    if not run.job.audience:
        return words.say("status.running.private")
    _, _, requester = run.job.requester.partition(":")
    return words.say("done.for", person=quoted(names.get(run.job.requester, requester), NAME_SHOWN))


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
        yield f"• {' · '.join(parts)}"
        for text in (worker.plan, worker.detail):
            if text:
                yield f"   {quoted(text, DETAIL_SHOWN)}"
