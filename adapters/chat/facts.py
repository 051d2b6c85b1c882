"""Facts about images, jobs and Limner itself -> sentences that every chat tells alike. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from adapters.chat.text import fitting
from adapters.chat.words import Words
from bot.events import Progress, Started
from bot.jobs import Image, Job, Quality, Recipe
from bot.status import Lately, Running, Status

#: Cells of a progress bar.
BAR = 12
#: Characters of what is said in other places that stand in a line.
DETAIL_SHOWN = 200
#: Kinds of failures.
FAILURES_SHOWN = 5


def how_far(event: Started | Progress, words: Words) -> str:
    match event:
        case Started():
            return words.say("queue.starting")
        case Progress(image, images, step, steps):
            line = f"{_bar(step, steps)} {words.say('progress.step', step=step, steps=steps)}"
            return f"{line} · {words.say('progress.image', image=image, images=images)}" if images > 1 else line


def _bar(step: int, steps: int) -> str:
    done = min(BAR, BAR * step // max(1, steps))
    return "▰" * done + "▱" * (BAR - done)


def details(
    job: Job, images: Sequence[Image], words: Words, seconds: float, style: Callable[[str], str]
) -> Iterator[str]:
    """Of finished images. `style` makes a style's name harmless for where it stands."""
    request = job.request
    seeds = [image.recipe.seed for image in images if image.recipe is not None]
    if len(seeds) == 1:
        yield words.say("done.seed", seed=seeds[0])
    elif seeds:
        yield words.say("done.seeds", first=seeds[0], last=seeds[-1])
    if images:
        yield words.say("done.size", width=images[0].width, height=images[0].height)
    if request.num_inference_steps is not None:
        yield words.say("done.steps", steps=request.num_inference_steps)
    if request.quality is not Quality.STANDARD:
        yield words.say(f"done.quality.{request.quality}")
    if request.style is not None:
        yield words.say("done.style", style=style(request.style))
    yield duration(seconds, words)


def seconds_of(job: Job, images: Sequence[Image]) -> float:
    """From the request to the last image."""
    return max(image.created_at for image in images) - job.created_at


def duration(seconds: float, words: Words) -> str:
    if seconds < 60:
        return words.say("done.seconds", seconds=float(seconds))
    minutes, rest = divmod(round(seconds), 60)
    return words.say("done.minutes", minutes=minutes, seconds=rest)


def identities(image: Image, made: Recipe, siblings: Mapping[int, Image], words: Words) -> Iterator[str]:
    """Of an image, or of all in its set by their numbers."""
    if len(siblings) < 2:
        yield words.say("recipe.id", image=words.code(image.id))
        yield words.say("recipe.seed", seed=made.seed)
        return
    for number, one in siblings.items():
        assert one.recipe is not None
        yield words.say("recipe.each", number=number, seed=one.recipe.seed, image=words.code(one.id))


def of_recipe(made: Recipe, words: Words, loras_most: int) -> Iterator[str]:
    """All but the prompts. `loras_most`: characters of the list of LoRAs."""
    yield words.say("recipe.size", width=made.width, height=made.height)
    yield " · ".join(_course(made, words))
    if made.parent_id is not None and made.strength is not None:
        yield words.say("recipe.refined", image=words.code(made.parent_id), strength=float(made.strength))
    yield words.say("recipe.model", model=words.code(made.model))
    if made.refiner is not None and made.refine_at is not None:
        yield words.say("recipe.refiner", refiner=words.code(made.refiner), part=1 - made.refine_at)
    if made.loras:
        loras = [
            words.say("recipe.lora", lora=words.code(name), weight=float(weight)) for name, weight in made.loras.items()
        ]
        yield words.say("recipe.loras", loras=", ".join(fitting(loras, loras_most)))
    device, dtype = words.quoted(made.device, DETAIL_SHOWN), words.quoted(made.dtype, DETAIL_SHOWN)
    yield words.say("recipe.device", device=device, dtype=dtype)
    if made.versions:
        yield words.say("recipe.versions", versions=words.quoted(versions(made.versions), DETAIL_SHOWN))


def _course(made: Recipe, words: Words) -> Iterator[str]:
    yield words.say("recipe.steps", steps=made.num_inference_steps)
    guidance = words.say("recipe.guidance", guidance=float(made.guidance_scale))
    if made.guidance_end < 1:
        guidance += " " + words.say("recipe.guidance_end", part=float(made.guidance_end))
    yield guidance
    yield words.say("recipe.sampler", sampler=words.code(made.sampler))


def versions(libraries: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in libraries.items())


def of_last_hour(lately: Lately, words: Words) -> Iterator[str]:
    half, most = lately.percentile(0.5), lately.percentile(0.95)
    if half is None or most is None:
        yield words.say("status.lately.nothing")
    else:
        times = {"half": duration(half, words), "most": duration(most, words)}
        yield words.say("status.lately.done", count=len(lately.seconds), **times)
    if lately.failures:
        most_first = sorted(lately.failures.items(), key=lambda failure: (-failure[1], failure[0]))
        failures = [
            words.say("status.lately.failure", count=count, code=words.code(name))
            for name, count in most_first[:FAILURES_SHOWN]
        ]
        yield words.say("status.lately.failures", failures=", ".join(failures))


def numbers_of(job: Job) -> Mapping[str, int]:
    """The images of a set by their IDs; an only image has no number. They stay when others of the set are deleted."""
    ids = job.image_ids
    return {} if len(ids) == 1 else {image_id: number for number, image_id in enumerate(ids, start=1)}


def of_run(run: Running, words: Words) -> str:
    if run.progress is None:
        return words.say("queue.starting")
    return words.say("progress.step", step=run.progress.step, steps=run.progress.steps)


def of_workers(now: Status, words: Words) -> Iterator[tuple[str, Sequence[str]]]:
    """A line of each, and what it plans and complains of."""
    for worker in now.workers:
        parts = [f"{words.code(worker.name)} {words.say(f'status.worker.{worker.state}')}"]
        if worker.model is not None:
            parts.append(words.say("status.worker.model", model=words.code(worker.model)))
        if worker.refiner is not None:
            parts.append(words.say("status.worker.refiner", refiner=words.code(worker.refiner)))
        if worker.device is not None:
            device = (worker.device, worker.dtype or "")
            parts.append(" ".join(words.quoted(part, DETAIL_SHOWN) for part in device if part))
        if worker.memory_used is not None and worker.memory_total is not None:
            used, total = worker.memory_used / 1e9, worker.memory_total / 1e9
            parts.append(words.say("status.worker.memory", used=used, total=total))
        if worker.restarts:
            parts.append(words.say("status.worker.restarts", restarts=worker.restarts))
        if worker.model is not None and worker.image_check is None:
            parts.append(words.say("status.worker.unchecked"))
        elif worker.image_check is not None:
            parts.append(words.say("status.worker.checked", check=words.code(worker.image_check)))
        more = [words.quoted(text, DETAIL_SHOWN) for text in (worker.plan, worker.detail) if text]
        yield " · ".join(parts), more
