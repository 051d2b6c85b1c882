"""What the core says of a job -> messages. Pure. Whatever a prompt holds, they are legal, and it stays in its line."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from adapters.chat.facts import details, how_far, numbers_of
from adapters.chat.kept_back import NOTHING, KeptBack, of_kept_back
from adapters.chat.text import fitting, length
from adapters.discord.markdown import code, person, plain, quoted, small
from adapters.discord.reports import recipe
from adapters.discord.words import Words
from bot.decisions import Report
from bot.events import Progress, Queued, Started
from bot.jobs import Failure, Image, Job, Refinement

__all__ = [
    "Button",
    "Shown",
    "alt_text",
    "cancelled",
    "choice",
    "failed",
    "finished",
    "kept_back",
    "numbers_of",
    "offered",
    "painting",
    "person",
    "quoted",
    "recipe",
    "restarting",
    "short",
    "waiting",
]

#: Discord allows 2000 characters; 200 are left for a line that somebody puts above.
CONTENT_MAX = 1800
ALT_TEXT_MAX = 1024
CHOICE_MAX = 100
#: Characters of a prompt that a message in a channel shows; the recipe shows more.
PROMPT_SHOWN = 600
PROMPT_LEAST = 200
#: Characters of a style's name.
STYLE_SHOWN = 60
#: As many characters of an ID as tell it from its neighbours.
SHORT_ID = 8

Style = Literal["primary", "secondary", "danger"]
#: What can be done with each image of a job.
ACTIONS: Sequence[tuple[str, Style]] = (("refine", "primary"), ("vary", "secondary"), ("delete", "danger"))


@dataclass(frozen=True, slots=True)
class Button:
    action: str
    #: A job's ID or an image's.
    subject: str
    label: str
    style: Style = "secondary"

    @property
    def custom_id(self) -> str:
        return f"limner:{self.action}:{self.subject}"


@dataclass(frozen=True, slots=True)
class Shown:
    content: str
    rows: tuple[tuple[Button, ...], ...] = ()


def waiting(job: Job, event: Queued, words: Words) -> Shown:
    line = words.say("queue.next") if event.position <= 1 else words.say("queue.place", position=event.position)
    if event.ready_at is not None:
        line += " · " + words.say("queue.ready", when=f"<t:{event.ready_at}:R>")
    return _underway(job, line, words)


def painting(job: Job, event: Started | Progress, words: Words) -> Shown:
    return _underway(job, how_far(event, words), words)


def restarting(job: Job, words: Words) -> Shown:
    return _underway(job, words.say("restarting"), words)


def finished(
    job: Job,
    images: Sequence[Image],
    words: Words,
    seconds: float,
    notes: Sequence[str] = (),
    kept_back: KeptBack = NOTHING,
) -> Shown:
    """`notes` are lines of their own; the image's or the set's buttons come with it."""
    lines = [small(" · ".join(_details(job, images, words, seconds))), *notes, *of_kept_back(kept_back, words)]
    if isinstance(job.request, Refinement):
        parent, strength = code(short(job.request.image_id)), float(job.request.strength)
        lines.insert(1, small(words.say("done.refined", image=parent, strength=strength)))
    why = (_why(job, words),) if kept_back else ()
    return Shown(_message(job, lines), _buttons(job, images, words, why))


def kept_back(job: Job, kept: KeptBack, words: Words) -> Shown:
    """None of its images is shown; and so not what was asked for, either."""
    retry = () if kept.held else (Button("retry", job.id, words.say("button.retry")),)
    lines = [*of_kept_back(kept, words), small(_for(job, words))]
    return Shown("\n".join(lines), ((_why(job, words), *retry),))


def offered(job: Job, images: Sequence[Image], words: Words, seconds: float) -> Shown:
    """Finished, but shown only to who presses the button."""
    show = Button("show", images[0].id, words.say("button.show"), "primary")
    return Shown(_message(job, [small(" · ".join(_details(job, images, words, seconds)))]), ((show,),))


def failed(job: Job, failure: Failure, words: Words) -> Shown:
    return _over(job, words.say("failed", why=words.failure(failure)), words)


def cancelled(job: Job, words: Words, by: str | None = None) -> Shown:
    """`by` is a requester, where it was not the job's own."""
    return _over(job, words.say("cancelled") if by is None else words.say("cancelled.by", person=person(by)), words)


def alt_text(thing: Job | Image, number: int | None, words: Words) -> str:
    """`number` says which of a set it is, counted from 1; None where it is alone."""
    if isinstance(thing, Job):
        prompt = thing.request.prompt
    elif thing.recipe is not None:
        prompt = thing.recipe.prompt
    else:
        return words.say("alt.brought")
    key = "alt.image" if number is None else "alt.image.number"
    room = ALT_TEXT_MAX - length(words.say(key, prompt="", number=number))
    return words.say(key, prompt=plain(prompt, room), number=number)


def choice(image: Image, words: Words) -> tuple[str, str]:
    """Name and value, for an option that completes itself."""
    rest = f" · {words.say('done.size', width=image.width, height=image.height)} · {short(image.id)}"
    prompt = words.say("choice.image.brought") if image.recipe is None else image.recipe.prompt
    return plain(prompt, CHOICE_MAX - length(rest)) + rest, image.id


def short(image_id: str) -> str:
    return image_id[:SHORT_ID]


def _underway(job: Job, line: str, words: Words) -> Shown:
    """By the button a message is found again whose posting nobody could note."""
    cancel = Button("cancel", job.id, words.say("button.cancel"))
    return Shown(_message(job, [line, small(_for(job, words))]), ((cancel,),))


def _over(job: Job, line: str, words: Words) -> Shown:
    retry = Button("retry", job.id, words.say("button.retry"))
    return Shown(_message(job, [line, small(_for(job, words))]), ((retry,),))


def _message(job: Job, lines: Sequence[str]) -> str:
    """The prompt, which makes room for the lines where they need it."""
    kept = fitting(lines, CONTENT_MAX - PROMPT_LEAST)
    room = CONTENT_MAX - length("\n".join(["> ", *kept]))
    return "\n".join([f"> {quoted(job.request.prompt, min(room, PROMPT_SHOWN))}", *kept])


def _details(job: Job, images: Sequence[Image], words: Words, seconds: float) -> Iterator[str]:
    yield from details(job, images, words, seconds, lambda style: quoted(style, STYLE_SHOWN))
    yield _for(job, words)


def report(report: Report, image: Image, where: str | None, words: Words) -> Shown:
    """To moderators. `where` is a link to the message that shows the image, or will."""
    lines = [words.say(f"report.{report.cause}", person=person(image.requester))]
    if image.recipe is not None:
        lines.append(f"> {quoted(image.recipe.prompt, PROMPT_SHOWN)}")
    if where is not None:
        lines.append(words.say("report.where", link=where))
    lines.append(small(words.say("report.blocks")))
    styles: Sequence[tuple[str, Style]] = (("approve", "primary"), ("refuse", "danger"), ("block", "danger"))
    row = tuple(Button(action, image.id, words.say(f"button.{action}"), style) for action, style in styles)
    return Shown("\n".join(lines), (row,))


def report_question(images: Sequence[tuple[str, int | None]], words: Words) -> Shown:
    """Whether to report one of these, which have numbers where they are several."""
    row = [
        Button(
            "confirm_report",
            image_id,
            words.say("button.confirm_report" if number is None else "button.confirm_report.number", number=number),
            "danger",
        )
        for image_id, number in images
    ]
    keep = Button("keep_quiet", images[0][0], words.say("button.keep_quiet"))
    return Shown(words.say("confirm.report"), ((*row, keep),))


def _buttons(
    job: Job, images: Sequence[Image], words: Words, more: tuple[Button, ...]
) -> tuple[tuple[Button, ...], ...]:
    if not images:
        return ()
    again, recipe, report = (
        Button(action, images[0].id, words.say(f"button.{action}")) for action in ("again", "recipe", "report")
    )
    numbers = numbers_of(job)
    if not numbers:
        refine, vary, delete = (
            Button(action, images[0].id, words.say(f"button.{action}"), style) for action, style in ACTIONS
        )
        return ((refine, vary, again, delete), (recipe, report, *more))
    each = [
        tuple(
            Button(action, image.id, words.say(f"button.{action}.number", number=numbers[image.id]), style)
            for image in images
        )
        for action, style in ACTIONS
    ]
    return (*each, (again, recipe, report, *more))


def _why(job: Job, words: Words) -> Button:
    return Button("why", job.id, words.say("button.why"))


def _for(job: Job, words: Words) -> str:
    return words.say("done.for", person=person(job.requester))
