"""The window in which an image is refined. Its custom_id says what it is about, so a restart while it is open is no
matter: what comes back is read from what Discord sends, not from memory."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import discord

from adapters.discord.render import short
from adapters.discord.words import Words
from bot.errors import BadRequest, Mistake
from bot.jobs import STRENGTH, Image
from bot.prompts import PROMPT_LIMIT

#: What is after the slash tells of the message from whose menu it was opened, as Discord will not say.
CUSTOM_ID = re.compile(r"limner:(?P<kind>refine|picture):(?P<subject>[^/]+)(?:/(?P<message>[0-9]{1,20}|private))?")
STRENGTH_DIGITS = 8
NUMBER = re.compile(r"[0-9]*[.,]?[0-9]+")


@dataclass(frozen=True, slots=True)
class Submitted:
    #: `refine` for an image of ours, `picture` for any other.
    kind: str
    #: The image's ID, or the key under which the picture is remembered.
    subject: str
    #: Opened from the menu of this message.
    message_id: int | None
    #: Opened from the menu of one that only one person sees.
    private: bool
    #: What the fields hold.
    fields: Mapping[str, str]


def refine_modal(images: Mapping[int, Image], words: Words, message: discord.Message | None = None) -> discord.ui.Modal:
    """For one image, or several of which one is chosen there by its number. The message is one with a menu."""
    first = next(iter(images.values()))
    prompt = "" if first.recipe is None else first.recipe.prompt
    modal = _modal(words.say("modal.title"), _custom_id("refine", first.id, message), prompt, words)
    if len(images) > 1:
        which: discord.ui.Select[Any] = discord.ui.Select(custom_id="image", options=_options(images, words))
        modal.add_item(_label("image", which, words))
    return modal


def picture_modal(key: str, words: Words, message: discord.Message) -> discord.ui.Modal:
    return _modal(words.say("modal.title.picture"), _custom_id("picture", key, message), "", words)


def _custom_id(kind: str, subject: str, message: discord.Message | None) -> str:
    if message is None:
        return f"limner:{kind}:{subject}"
    return f"limner:{kind}:{subject}/{'private' if message.flags.ephemeral else message.id}"


def submitted(interaction: discord.Interaction[Any]) -> Submitted | None:
    """One of these windows; None for anything else."""
    given: Any = interaction.data
    match = CUSTOM_ID.fullmatch(given.get("custom_id", ""))
    if match is None:
        return None
    private = match["message"] == "private"
    message_id = None if match["message"] is None or private else int(match["message"])
    fields = dict(_fields(given.get("components", [])))
    return Submitted(match["kind"], match["subject"], message_id, private, fields)


def strength_of(text: str) -> float:
    """What was typed into the field; empty stands for the usual. Raises BadRequest where it is no number."""
    if not text.strip():
        return STRENGTH
    if not NUMBER.fullmatch(text.strip()):
        message = "strength must be a number above 0 and up to 1."
        raise BadRequest(Mistake("strength", message, "range", {"above": 0, "most": 1}))
    return float(text.replace(",", "."))


def _modal(title: str, custom_id: str, prompt: str, words: Words) -> discord.ui.Modal:
    modal = discord.ui.Modal(title=title, custom_id=custom_id)
    modal.add_item(
        _label(
            "prompt",
            discord.ui.TextInput[Any](
                custom_id="prompt",
                style=discord.TextStyle.paragraph,
                default=prompt or None,
                placeholder=words.say("modal.prompt.placeholder"),
                max_length=PROMPT_LIMIT,
            ),
            words,
        )
    )
    modal.add_item(
        _label(
            "strength",
            discord.ui.TextInput[Any](
                custom_id="strength",
                default=words.say("modal.strength.usual", strength=STRENGTH),
                placeholder=words.say("modal.strength.placeholder"),
                max_length=STRENGTH_DIGITS,
                required=False,
            ),
            words,
        )
    )
    # One that has ended is not kept in memory until it is sent back.
    modal.stop()
    return modal


def _label(field: str, item: discord.ui.Item[Any], words: Words) -> discord.ui.Label[Any]:
    text, description = words.say(f"modal.{field}"), words.say(f"modal.{field}.description")
    return discord.ui.Label(text=text, description=description, component=item)


def _options(images: Mapping[int, Image], words: Words) -> list[discord.SelectOption]:
    return [
        discord.SelectOption(
            label=words.say("modal.image.option", number=number),
            value=image.id,
            description=words.say("done.seed", seed=image.recipe.seed) if image.recipe else short(image.id),
            default=number == min(images),
        )
        for number, image in images.items()
    ]


def _fields(components: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Of labels and rows, as Discord nests them."""
    for component in components:
        inner = [component["component"]] if "component" in component else component.get("components", [])
        yield from _fields(inner)
        if custom_id := component.get("custom_id"):
            values = component.get("values")
            yield str(custom_id), str(values[0]) if values else str(component.get("value", ""))
