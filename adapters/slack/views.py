"""What is more than a message: the home tab, and the window in which an image is refined. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from adapters.chat.facts import how_far
from adapters.slack.blocks import Block, Button, actions, context, picture, plain_text, quote, section
from adapters.slack.mrkdwn import plain
from adapters.slack.render import PROMPT_TOLD, alt_text, place_in_line, short, title
from adapters.slack.reports import guide
from adapters.slack.words import Words
from bot.events import Progress, Queued, Started
from bot.jobs import STRENGTH, Image, Job
from bot.prompts import PROMPT_LIMIT

#: So that a home tab stays below 100 blocks.
WAITING_SHOWN = 10
IMAGES_SHOWN = 10
#: Of an image's alt text in the home tab, which holds many.
ALT_SHOWN = 500
#: Slack's limit for the name and the description of an option.
OPTION_MAX = 75
STRENGTH_DIGITS = 8

REFINE = "limner:refine"

View = dict[str, Any]


def home(
    images: Sequence[tuple[Image, str | None]],
    waiting: Sequence[tuple[Job, Queued | Started | Progress]],
    words: Words,
    *,
    admin: bool = False,
    covered: Collection[str] = (),
) -> View:
    """The home tab of one person: their jobs that are not over, their last images with their Slack files, and help.

    An image without a file is told by its words; the files of those that are covered do not show them.
    """
    blocks = [*_waiting(waiting, words), {"type": "divider"}, *_images(images, words, covered), {"type": "divider"}]
    return {"type": "home", "blocks": [*blocks, *guide(words, admin=admin).blocks]}


def refine_modal(images: Mapping[int, Image], words: Words, private_metadata: str) -> View:
    """For one image, or several of which one is chosen there by its number; without any, for a picture from Slack.

    What is filled in comes back as `state.values[field][field]`: `prompt`, `strength` and, for several, `image`.
    """
    blocks = [_prompt(images, words), _strength(words)]
    if len(images) > 1:
        options = [_option(number, image, words) for number, image in images.items()]
        which = {"type": "static_select", "action_id": "image", "options": options, "initial_option": options[0]}
        blocks.append(_input("image", which, words))
    return {
        "type": "modal",
        "callback_id": REFINE,
        "private_metadata": private_metadata,
        "title": _label("modal.title" if images else "modal.title.picture", words),
        "submit": _label("modal.submit", words),
        "close": _label("modal.close", words),
        "blocks": blocks,
    }


def _waiting(waiting: Sequence[tuple[Job, Queued | Started | Progress]], words: Words) -> Iterator[Block]:
    yield section([words.say("home.waiting")])
    if not waiting:
        yield section([words.say("home.waiting.none")])
    for number, (job, event) in enumerate(waiting[:WAITING_SHOWN], start=1):
        line = place_in_line(event, words) if isinstance(event, Queued) else how_far(event, words)
        cancel = Button("cancel", job.id, words.say("button.cancel"), number=number)
        yield quote(job.request.prompt, PROMPT_TOLD)
        yield section([line]) | {"accessory": cancel.element()}
    if len(waiting) > WAITING_SHOWN:
        yield context(words.say("home.waiting.more", count=len(waiting) - WAITING_SHOWN))


def _images(images: Sequence[tuple[Image, str | None]], words: Words, covered: Collection[str]) -> Iterator[Block]:
    yield section([words.say("home.images")])
    if not images:
        yield section([words.say("home.images.none")])
    for number, (image, file_id) in enumerate(images[:IMAGES_SHOWN], start=1):
        is_covered = file_id is not None and image.id in covered
        alt = alt_text(image, None, words, ALT_SHOWN, covered=is_covered)
        name = title(image, None, words, covered=is_covered)
        yield quote(alt, ALT_SHOWN) if file_id is None else picture(file_id, alt, name)
        show = [Button("show", image.id, words.say("button.show"), number=number)] if is_covered else []
        yield actions(
            [
                *show,
                Button("refine", image.id, words.say("button.refine"), "primary", number),
                Button("vary", image.id, words.say("button.vary"), number=number),
                Button("recipe", image.id, words.say("button.recipe"), number=number),
                Button("delete", image.id, words.say("button.delete"), "danger", number),
            ]
        )


def _prompt(images: Mapping[int, Image], words: Words) -> Block:
    made = next((image.recipe for image in images.values()), None)
    field = {
        "type": "plain_text_input",
        "action_id": "prompt",
        "multiline": True,
        "max_length": PROMPT_LIMIT,
        "placeholder": _label("modal.prompt.placeholder", words),
    }
    if made is not None:
        field["initial_value"] = plain(made.prompt, PROMPT_LIMIT)
    return _input("prompt", field, words)


def _strength(words: Words) -> Block:
    field = {
        "type": "plain_text_input",
        "action_id": "strength",
        "max_length": STRENGTH_DIGITS,
        "initial_value": words.say("modal.strength.usual", strength=STRENGTH),
        "placeholder": _label("modal.strength.placeholder", words),
    }
    return _input("strength", field, words) | {"optional": True}


def _input(field: str, element: Block, words: Words) -> Block:
    return {
        "type": "input",
        "block_id": field,
        "label": _label(f"modal.{field}", words),
        "hint": _label(f"modal.{field}.hint", words),
        "element": element,
    }


def _label(key: str, words: Words) -> Block:
    return plain_text(words.say(key), len(words.say(key)))


def _option(number: int, image: Image, words: Words) -> Block:
    seed = words.say("done.seed", seed=image.recipe.seed) if image.recipe else short(image.id)
    return {
        "text": plain_text(words.say("modal.image.option", number=number), OPTION_MAX),
        "value": image.id,
        "description": plain_text(seed, OPTION_MAX),
    }
