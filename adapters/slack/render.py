"""What the core says of a job -> messages. Pure. Whatever a prompt or a name holds, they are legal and ring for nobody.

People are told by `name`, as their profile shows it: a mention would notify them with every message.
"""

from collections.abc import Iterator, Sequence

from adapters.chat.facts import details, how_far
from adapters.chat.facts import numbers_of as numbers_of
from adapters.chat.kept_back import NOTHING, KeptBack, of_kept_back
from adapters.chat.text import fitting, length
from adapters.slack import blocks
from adapters.slack.blocks import Button, Shown, Style, actions, context, picture, quote, section, small
from adapters.slack.mrkdwn import code, plain, quoted, when
from adapters.slack.words import Words
from bot.decisions import Report
from bot.events import Progress, Queued, Started
from bot.jobs import Failure, Image, Job, Refinement, Treatment

#: Characters of a prompt that a message shows; the recipe shows more.
PROMPT_SHOWN = 600
#: Of a prompt in a notification.
PROMPT_TOLD = 200
NAME_SHOWN = 80
STYLE_SHOWN = 60
#: As many characters of an ID as tell it from its neighbours.
SHORT_ID = 8

#: What can be done with each image of a job.
ACTIONS: Sequence[tuple[str, Style | None]] = (("refine", "primary"), ("vary", None), ("delete", "danger"))


def waiting(job: Job, event: Queued, words: Words, name: str) -> Shown:
    return _underway(job, place_in_line(event, words), words, name)


def painting(job: Job, event: Started | Progress, words: Words, name: str) -> Shown:
    return _underway(job, how_far(event, words), words, name)


def restarting(job: Job, words: Words, name: str) -> Shown:
    return _underway(job, words.say("restarting"), words, name)


def coming(job: Job, words: Words, name: str) -> Shown:
    """Painted, and not shown yet."""
    prompt = quote(job.request.prompt, PROMPT_SHOWN)
    line = words.say("coming")
    return Shown(_notice(job, line), [prompt, section([line]), context(_for(name, words))])


def finished(
    job: Job,
    images: Sequence[tuple[Image, str | None]],
    words: Words,
    seconds: float,
    notes: Sequence[str] = (),
    *,
    name: str,
    kept_back: KeptBack = NOTHING,
) -> Shown:
    """`images` come with their Slack files; where there is None, a note tells of it. `notes` are lines of mrkdwn."""
    numbers = numbers_of(job)
    shown = [quote(job.request.prompt, PROMPT_SHOWN)]
    for image, file_id in images:
        number = numbers.get(image.id)
        covered = is_covered(job, image)
        if file_id is not None:
            alt = alt_text(image, number, words, covered=covered)
            shown.append(picture(file_id, alt, title(image, number, words, covered=covered)))
        if number is not None:
            shown.append(actions(image_buttons(image, number, words, covered=covered)))
    shown.append(context(" · ".join(_details(job, [image for image, _ in images], words, seconds, name))))
    if isinstance(job.request, Refinement):
        parent, strength = code(short(job.request.image_id)), float(job.request.strength)
        shown.append(small(words.say("done.refined", image=parent, strength=strength)))
    if lines := [*notes, *of_kept_back(kept_back, words)]:
        shown.append(section(lines))
    if images:
        why = [_why(job, words)] if kept_back else []
        shown.append(actions([*_buttons(job, images[0][0], single=not numbers, words=words), *why]))
    return Shown(notice(job, words, name), shown)


def kept_back(job: Job, kept: KeptBack, words: Words, name: str) -> Shown:
    """None of its images is shown; and so not what was asked for, either."""
    lines = [*of_kept_back(kept, words)]
    retry = [] if kept.held else [Button("retry", job.id, words.say("button.retry"))]
    row = actions([_why(job, words), *retry])
    return Shown("\n".join(lines), [section(lines), context(_for(name, words)), row])


def notice(job: Job, words: Words, name: str) -> str:
    """That it is done, in words alone."""
    return _notice(job, words.say("done.notice", person=quoted(name, NAME_SHOWN)))


def failed(job: Job, failure: Failure, words: Words, name: str) -> Shown:
    return _over(job, words.say("failed", why=words.failure(failure)), words, name)


def cancelled(job: Job, words: Words, name: str, by: str | None = None) -> Shown:
    """`by` is the name of who did, where it was not the requester."""
    if by is None:
        return _over(job, words.say("cancelled"), words, name)
    return _over(job, words.say("cancelled.by", person=quoted(by, NAME_SHOWN)), words, name)


def confirmation(question: str, what: str, subject: str, words: Words) -> Shown:
    """`what` is done to the subject if somebody presses so: `delete`, `forget` or `purge`."""
    yes = Button(f"confirm_{what}", subject, words.say(f"button.confirm_{what}"), "danger")
    no = Button("keep", subject, words.say("button.keep"))
    return Shown(question, [section(question.splitlines()), actions([yes, no])])


def told_privately(shown: Shown, gone: str, channel: str, words: Words) -> Shown:
    """With a line about why it is not where it was asked for."""
    why = words.say(f"told_privately.{gone}", channel=f"<#{channel}>")
    return Shown(f"{why}\n{shown.text}", [section([why]), *shown.blocks])


def answer(text: str) -> Shown:
    """A sentence or several, in mrkdwn."""
    return Shown("\n".join(fitting(text.splitlines(), blocks.TEXT_MAX)), [section(text.splitlines())])


def place_in_line(event: Queued, words: Words) -> str:
    line = words.say("queue.next") if event.position <= 1 else words.say("queue.place", position=event.position)
    return line if event.ready_at is None else f"{line} · {words.say('queue.ready', when=when(event.ready_at))}"


def report(report: Report, image: Image, file_id: str | None, name: str, where: str | None, words: Words) -> Shown:
    """To moderators. `file_id` covers the image, `where` is a link to the message that shows it, or will."""
    line = words.say(f"report.{report.cause}", person=quoted(name, NAME_SHOWN))
    shown = [section([line])]
    if image.recipe is not None:
        shown.append(quote(image.recipe.prompt, PROMPT_SHOWN))
    if file_id is not None:
        shown.append(_covered(file_id, words))
    if where is not None:
        shown.append(section([words.say("report.where", link=f"<{where}>")]))
    styles: Sequence[tuple[str, Style]] = (("approve", "primary"), ("refuse", "danger"), ("block", "danger"))
    row = [Button(action, image.id, words.say(f"button.{action}"), style) for action, style in styles]
    return Shown(line, [*shown, actions([_look(image, words), *row]), small(words.say("report.blocks"))])


def decided(text: str, image: Image, file_id: str | None, words: Words) -> Shown:
    """In place of a report; the image stays where it has a file that covers it."""
    shown = [section([text])]
    if file_id is not None:
        shown += [_covered(file_id, words), actions([_look(image, words)])]
    return Shown(text, shown)


def report_question(images: Sequence[tuple[str, int | None]], words: Words) -> Shown:
    """Whether to report one of these, which have numbers where they are several."""
    row = [
        Button(
            "confirm_report",
            image_id,
            words.say("button.confirm_report" if number is None else "button.confirm_report.number", number=number),
            "danger",
            number,
        )
        for image_id, number in images
    ]
    keep = Button("keep_quiet", images[0][0], words.say("button.keep_quiet"))
    question = words.say("confirm.report")
    return Shown(question, [section(question.splitlines()), actions([*row, keep])])


def uncovered(image: Image, number: int | None, file_id: str, words: Words) -> Shown:
    """For one person alone."""
    line = words.say("uncovered")
    return Shown(line, [section([line]), picture(file_id, alt_text(image, number, words), title(image, number, words))])


def is_covered(job: Job, image: Image) -> bool:
    return bool(image.flagged) and job.treatment is Treatment.SPOILER


def alt_text(
    thing: Job | Image,
    number: int | None,
    words: Words,
    limit: int = blocks.ALT_TEXT_MAX,
    *,
    covered: bool = False,
) -> str:
    """`number` says which of a set it is, counted from 1; None where it is alone."""
    if covered:
        return words.say("alt.covered" if number is None else "alt.covered.number", number=number)
    if isinstance(thing, Job):
        prompt = thing.request.prompt
    elif thing.recipe is not None:
        prompt = thing.recipe.prompt
    else:
        return words.say("alt.brought")
    key = "alt.image" if number is None else "alt.image.number"
    room = limit - length(words.say(key, prompt="", number=number))
    return words.say(key, prompt=plain(prompt, room), number=number)


def title(image: Image, number: int | None, words: Words, *, covered: bool = False) -> str:
    if covered:
        return words.say("done.covered" if number is None else "done.covered.number", number=number)
    if image.recipe is None:
        return words.say("alt.brought")
    key = "done.title" if number is None else "done.title.number"
    return words.say(key, number=number, seed=image.recipe.seed)


def image_buttons(image: Image, number: int, words: Words, *, covered: bool = False) -> list[Button]:
    """What can be done with one of several images."""
    show = [Button("show", image.id, words.say("button.show.number", number=number), number=number)] if covered else []
    return show + [
        Button(action, image.id, words.say(f"button.{action}.number", number=number), style, number)
        for action, style in ACTIONS
    ]


def short(image_id: str) -> str:
    return image_id[:SHORT_ID]


def _underway(job: Job, line: str, words: Words, name: str) -> Shown:
    return _shown(job, line, Button("cancel", job.id, words.say("button.cancel")), words, name)


def _over(job: Job, line: str, words: Words, name: str) -> Shown:
    return _shown(job, line, Button("retry", job.id, words.say("button.retry")), words, name)


def _shown(job: Job, line: str, button: Button, words: Words, name: str) -> Shown:
    prompt = quote(job.request.prompt, PROMPT_SHOWN)
    return Shown(_notice(job, line), [prompt, section([line]), context(_for(name, words)), actions([button])])


def _notice(job: Job, line: str) -> str:
    return f"{line}\n{quoted(job.request.prompt, PROMPT_TOLD)}"


def _details(job: Job, images: Sequence[Image], words: Words, seconds: float, name: str) -> Iterator[str]:
    yield from details(job, images, words, seconds, lambda style: plain(style, STYLE_SHOWN))
    yield _for(name, words)


def _buttons(job: Job, first: Image, *, single: bool, words: Words) -> list[Button]:
    """For all images together, or for the only one."""
    again, recipe, report = (
        Button(action, first.id, words.say(f"button.{action}")) for action in ("again", "recipe", "report")
    )
    if not single:
        return [again, recipe, report]
    refine, vary, delete = (Button(action, first.id, words.say(f"button.{action}"), style) for action, style in ACTIONS)
    show = [Button("show", first.id, words.say("button.show"))] if is_covered(job, first) else []
    return [*show, refine, vary, again, recipe, delete, report]


def _why(job: Job, words: Words) -> Button:
    return Button("why", job.id, words.say("button.why"))


def _look(image: Image, words: Words) -> Button:
    """As moderators may, whatever became of the image where it was asked for."""
    return Button("look", image.id, words.say("button.show"))


def _covered(file_id: str, words: Words) -> blocks.Block:
    return picture(file_id, words.say("alt.covered"), words.say("done.covered"))


def _for(name: str, words: Words) -> str:
    return words.say("done.for", person=plain(name, NAME_SHOWN))
