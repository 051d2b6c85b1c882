"""What a person typed in a message -> words and options, or every mistake in it told kindly."""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bot.errors import BadRequest, Mistake
from bot.jobs import STRENGTH, ImageRequest, Quality, Refinement
from bot.prompts import checked_refinement, checked_request, parse_size, tidy
from bot.quality import Menu

#: Characters of what was typed that a mistake repeats, at most.
QUOTED = 40
#: A value may stand between quotation marks, also the round ones that phones make of them.
QUOTES = re.compile(
    "[\"\u201c\u201d\u201e]([^\"\u201c\u201d\u201e]*)[\"\u201c\u201d]|['`\u2018\u2019]([^'`\u2018\u2019]*)['`\u2018\u2019]"
)
#: What the IDs of images look like.
UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
#: As many as the largest seed has.
DIGITS_MAX = 20
#: Told of one text: nobody reads more, and to find out what was meant takes its time.
MISTAKES_MOST = 50
#: How like a known option another one must be to be taken for it, as difflib counts.
LIKENESS = 0.7


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What was said, unchecked but for its form; None was not said."""

    words: str
    negative_prompt: str | None = None
    #: As typed; `parse_size` reads it.
    size: str | None = None
    quality: Quality | None = None
    style: str | None = None
    steps: int | None = None
    guidance: float | None = None
    seed: int | None = None
    images: int | None = None
    strength: float | None = None
    #: Which image of a set, or an ID.
    image: str | None = None
    private: bool = False
    #: What could not be read; told with all others.
    mistakes: tuple[Mistake, ...] = ()

    def request(self, menu: Menu) -> ImageRequest:
        """Raises BadRequest with all mistakes at once, those too that the service would find."""
        mistakes = list(self.mistakes)
        width = height = None
        try:
            if self.size is not None:
                width, height = parse_size(_short(self.size))
        except BadRequest as wrong:
            mistakes += wrong.mistakes
        mistakes += [
            _mistake(name, "only_when_refining", f"--{name} is only for refining an image.")
            for name in ("strength", "image")
            if getattr(self, name) is not None
        ]
        request = ImageRequest(prompt=self.words, width=width, height=height, **self._said())
        _check(mistakes, lambda: checked_request(menu.filled_in(request), menu))
        return request

    def refinement(self, image_id: str, menu: Menu) -> Refinement:
        """Of this image, whatever `image` says. Raises BadRequest as `request` does."""
        mistakes = list(self.mistakes)
        if self.size is not None:
            words = "--size is not for refining: the new image gets the size of the one that is refined."
            mistakes.append(_mistake("size", "not_when_refining", words))
        strength = STRENGTH if self.strength is None else self.strength
        refinement = Refinement(image_id=image_id, prompt=self.words, strength=strength, **self._said())
        _check(mistakes, lambda: checked_refinement(menu.filled_in_for(refinement), menu))
        return refinement

    def _said(self) -> dict[str, Any]:
        """What both kinds of request have, by the names that it has there."""
        fields = {
            "negative_prompt": self.negative_prompt,
            "quality": self.quality,
            "style": self.style,
            "num_inference_steps": self.steps,
            "guidance_scale": self.guidance,
            "seed": self.seed,
            "num_images": self.images,
        }
        return {name: value for name, value in fields.items() if value is not None}


def read(text: str) -> Typed:
    """`a cat --steps 40 in a hat` -> the words "a cat in a hat" and 40 steps.

    An option begins with two hyphens, or the dash that phones make of them, at the start of a word. Raises BadRequest
    with all mistakes at once.
    """
    words, options = _parted(text)
    said: dict[str, Any] = {}
    mistakes: list[Mistake] = []
    for option in options:
        if len(mistakes) >= MISTAKES_MOST:
            break
        rule = OPTIONS.get(option.name)
        if rule is None:
            mistakes.append(_unknown(option))
            continue
        value, rest = rule.divided(option.words)
        words += rest
        if rule.field in said:
            mistakes.append(_mistake(option.name, "repeated", f"--{option.name} may be said only once."))
            continue
        said[rule.field] = None
        try:
            said[rule.field] = rule.value(option, value)
        except BadRequest as wrong:
            mistakes += wrong.mistakes
    if mistakes:
        raise BadRequest(*dict.fromkeys(mistakes))
    return Typed(words=" ".join(words), **said)


@dataclass(frozen=True, slots=True)
class _Option:
    """An option as it stands in the text."""

    #: Without hyphens, in lower case.
    name: str
    #: All that follows up to the next option, beginning with what an equals sign glues to it.
    words: list[str]
    glued: bool


@dataclass(frozen=True, slots=True)
class _Rule:
    """How an option is read."""

    #: Of `Typed`.
    field: str
    #: Takes the option's name and its value. Raises BadRequest.
    read: Callable[[str, str], object]
    #: What somebody could have said.
    example: str
    #: How many of the words that follow are its value; None means all.
    takes: int | None = 1

    def divided(self, words: list[str]) -> tuple[str, list[str]]:
        """The value, and what belongs to the prompt again."""
        takes = len(words) if self.takes is None else self.takes
        return _unquoted(" ".join(words[:takes])), words[takes:]

    def value(self, option: _Option, text: str) -> object:
        if self.takes == 0 and option.glued:
            raise _refused(option.name, "takes_none", f"--{option.name} takes no value.")
        if self.takes != 0 and not text:
            words = f"--{option.name} needs a value, as in --{option.name} {self.example}."
            raise _refused(option.name, "no_value", words, example=self.example)
        return self.read(option.name, text)


def _parted(text: str) -> tuple[list[str], list[_Option]]:
    """The words before the first option, and the options with the words after them."""
    words: list[str] = []
    options: list[_Option] = []
    for word in tidy(text).split():
        option = _option(word)
        if option is not None:
            options.append(option)
        else:
            (options[-1].words if options else words).append(word)
    return words, options


def _option(word: str) -> _Option | None:
    found = re.fullmatch(r"(--|[\u2013\u2014])([^\W\d_][^=]*)(?:=(.*))?", word, re.DOTALL)
    if found is None:
        return None
    hyphens, name, glued = found[1], found[2].lower(), found[3]
    # Prose has dashes too, and in some languages right before a word.
    if hyphens != "--" and name not in OPTIONS and not _nearest(name):
        return None
    return _Option(name, [glued] if glued else [], bool(glued))


def _unknown(option: _Option) -> Mistake:
    nearest = _nearest(option.name)
    suggestion = f"--{nearest}" if nearest else ""
    name = _short(option.name)
    words = f"There is no option --{name}." + (f" Did you mean {suggestion}?" if suggestion else "")
    return _mistake(name, "unknown_option", words, suggestion=suggestion)


def _nearest(name: str) -> str:
    """The option that was probably meant, or nothing."""
    name = name[:QUOTED].replace("-", "_")
    if name in ALIASES:
        return ALIASES[name]
    # Hardly anything is unlike a name of two letters.
    known = [other for other in (*OPTIONS, *ALIASES) if len(other) > 3]
    found = difflib.get_close_matches(name, known, n=1, cutoff=LIKENESS)
    return ALIASES.get(found[0], found[0]) if found else ""


def _whole_number(name: str, text: str) -> int:
    if not re.fullmatch(rf"[0-9]{{1,{DIGITS_MAX}}}", text):
        words = f"--{name} takes a whole number of up to {DIGITS_MAX} digits, not {_short(text)!r}."
        raise _refused(name, "whole_number", words, digits=DIGITS_MAX, text=_short(text))
    return int(text)


def _number(name: str, text: str) -> float:
    if not re.fullmatch(rf"-?[0-9]{{0,{DIGITS_MAX}}}([0-9]|[.,][0-9]{{1,{DIGITS_MAX}}})", text):
        words = f"--{name} takes a number, not {_short(text)!r}."
        raise _refused(name, "not_a_number", words, text=_short(text))
    return float(text.replace(",", "."))


def _quality(name: str, text: str) -> Quality:
    try:
        return Quality(text.lower())
    except ValueError:
        choices = ", ".join(Quality)
        words = f"--{name} is one of {choices}, not {_short(text)!r}."
        raise _refused(name, "quality", words, choices=choices, text=_short(text)) from None


def _as_typed(name: str, text: str) -> str:
    return text


def _true(name: str, text: str) -> bool:
    return True


OPTIONS = {
    "size": _Rule("size", _as_typed, "1024x768"),
    "steps": _Rule("steps", _whole_number, "40"),
    "seed": _Rule("seed", _whole_number, "7"),
    "images": _Rule("images", _whole_number, "4"),
    "no": _Rule("negative_prompt", _as_typed, "text, watermark", takes=None),
    "negative": _Rule("negative_prompt", _as_typed, "text, watermark", takes=None),
    "style": _Rule("style", _as_typed, "ink", takes=None),
    "quality": _Rule("quality", _quality, "draft"),
    "guidance": _Rule("guidance", _number, "5"),
    "strength": _Rule("strength", _number, "0.5"),
    "image": _Rule("image", _as_typed, "2"),
    "private": _Rule("private", _true, "", takes=0),
}


def _by_meaning(names: dict[str, str]) -> dict[str, str]:
    return {alias: meant for meant, aliases in names.items() for alias in aliases.split()}


#: What other bots and diffusers call it -> the option that is meant.
ALIASES = _by_meaning(
    {
        "size": "ar aspect aspect_ratio ratio resolution dimensions width height w h",
        "steps": "step num_steps num_inference_steps inference_steps iterations",
        "images": "n num count number batch num_images samples amount",
        "no": "neg negative_prompt exclude",
        "guidance": "cfg cfg_scale scale guidance_scale",
        "strength": "denoise denoising denoising_strength iw",
        "quality": "q preset",
        "style": "lora",
        "image": "img id parent",
        "private": "hidden secret ephemeral",
    }
)


def _check(mistakes: Sequence[Mistake], check: Callable[[], object]) -> None:
    """Raises BadRequest for these mistakes and what the check finds."""
    found: Sequence[Mistake] = ()
    try:
        check()
    except BadRequest as wrong:
        found = wrong.mistakes
    if mistakes or found:
        raise BadRequest(*mistakes, *found)


def _unquoted(text: str) -> str:
    quoted = QUOTES.fullmatch(text)
    return text if quoted is None else (quoted[1] or quoted[2] or "")


def _short(text: str) -> str:
    return text if len(text) <= QUOTED else text[: QUOTED - 1] + "\u2026"


def _refused(name: str, kind: str, words: str, **values: object) -> BadRequest:
    return BadRequest(_mistake(name, kind, words, **values))


def _mistake(name: str, kind: str, words: str, **values: object) -> Mistake:
    return Mistake(name, words, kind, {"option": f"--{name}"} | values)
