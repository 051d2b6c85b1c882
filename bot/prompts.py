"""What a person asked for -> a request within the limits, or every mistake in it told kindly."""

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace

from bot.errors import BadRequest, Mistake
from bot.jobs import ImageRequest, Refinement, Sampler
from bot.quality import Menu, can_be_shared

PROMPT_LIMIT = 2000
SIDE_MIN, SIDE_MAX, SIDE_UNIT = 64, 2048, 8
STEPS_MAX = 150
#: Of its distillation, which knows no timesteps in between.
LCM_STEPS_MAX = 50
GUIDANCE_MAX = 30.0
IMAGES_MAX = 4
SEED_MAX = 2**64 - 1

_SIDES: dict[str, object] = {"unit": SIDE_UNIT, "least": SIDE_MIN, "most": SIDE_MAX}


def checked_request(request: ImageRequest, menu: Menu) -> ImageRequest:
    """A request that is filled in, with its prompts tidied. Raises BadRequest with all mistakes at once."""
    mistakes = [
        *_mistakes_in_words(request),
        *_mistakes_in_numbers(request),
        *_mistakes_in_style(request, menu),
        *_mistakes_in_size(request),
        *_mistakes_in_ensemble(request, menu),
    ]
    if mistakes:
        raise BadRequest(*mistakes)
    return replace(request, prompt=tidy(request.prompt), negative_prompt=_tidy_negative(request.negative_prompt))


def checked_refinement(refinement: Refinement, menu: Menu) -> Refinement:
    """As `checked_request`."""
    mistakes = [
        *_mistakes_in_words(refinement),
        *_mistakes_in_numbers(refinement),
        *_mistakes_in_style(refinement, menu),
        *_mistakes_in_strength(refinement),
    ]
    if mistakes:
        raise BadRequest(*mistakes)
    negative_prompt = _tidy_negative(refinement.negative_prompt)
    return replace(refinement, prompt=tidy(refinement.prompt), negative_prompt=negative_prompt)


def tidy(prompt: str) -> str:
    """One line without control characters; the text encoders see no difference between kinds of white space."""
    printable = "".join(" " if unicodedata.category(char) in ("Cc", "Cs") else char for char in prompt)
    return " ".join(printable.split())


def parse_size(text: str) -> tuple[int, int]:
    """`1024x768` -> (1024, 768), in pixels. Raises BadRequest; the range is checked with the request."""
    match = re.fullmatch(r"\s*(\d{1,5})\s*[xX\u00d7*]\s*(\d{1,5})\s*", text)
    if match is None:
        words = f"A size looks like 1024x768 (width x height), not like {text!r}."
        raise BadRequest(Mistake("size", words, "pattern", {"text": text}))
    return int(match[1]), int(match[2])


def _tidy_negative(prompt: str | None) -> str | None:
    return None if prompt is None else tidy(prompt)


def _mistakes_in_words(request: ImageRequest | Refinement) -> Iterator[Mistake]:
    if not tidy(request.prompt):
        yield Mistake("prompt", 'The prompt is empty. Say what to paint, e.g. "a cat in a hat".', "empty")
    for name, text in (("prompt", request.prompt), ("negative_prompt", request.negative_prompt or "")):
        if len(text) > PROMPT_LIMIT:
            words = f"{name} may have up to {PROMPT_LIMIT} characters; this one has {len(text)}."
            yield Mistake(name, words, "too_long", {"limit": PROMPT_LIMIT, "length": len(text)})


def _mistakes_in_numbers(request: ImageRequest | Refinement) -> Iterator[Mistake]:
    steps, guidance = request.num_inference_steps, request.guidance_scale
    assert steps is not None
    assert guidance is not None
    if not 1 <= steps <= STEPS_MAX:
        words = f"num_inference_steps must be from 1 to {STEPS_MAX}."
        yield Mistake("num_inference_steps", words, "range", {"least": 1, "most": STEPS_MAX})
    elif request.sampler is Sampler.LCM and steps > LCM_STEPS_MAX:
        words = f"with the sampler lcm num_inference_steps must be from 1 to {LCM_STEPS_MAX}; 4 to 8 are usual."
        yield Mistake("num_inference_steps", words, "lcm_range", {"least": 1, "most": LCM_STEPS_MAX})
    if not 0 <= guidance <= GUIDANCE_MAX:  # NaN compares false, and so is refused too
        words = f"guidance_scale must be a number from 0 to {GUIDANCE_MAX:g}."
        yield Mistake("guidance_scale", words, "range", {"least": 0, "most": GUIDANCE_MAX})
    if not 0 < request.guidance_end <= 1:
        words = "guidance_end must be a number above 0 and up to 1."
        yield Mistake("guidance_end", words, "range", {"above": 0, "most": 1})
    if request.seed is not None and not 0 <= request.seed <= SEED_MAX:
        words = "seed must be a whole number from 0 to 2**64-1 (18446744073709551615)."
        yield Mistake("seed", words, "range", {"least": 0, "most": SEED_MAX})
    if not 1 <= request.num_images <= IMAGES_MAX:
        words = f"num_images must be from 1 to {IMAGES_MAX}."
        yield Mistake("num_images", words, "range", {"least": 1, "most": IMAGES_MAX})


def _mistakes_in_size(request: ImageRequest) -> Iterator[Mistake]:
    for name, side in (("width", request.width), ("height", request.height)):
        if side is not None and not (SIDE_MIN <= side <= SIDE_MAX and side % SIDE_UNIT == 0):
            words = f"{name} must be a multiple of {SIDE_UNIT} from {SIDE_MIN} to {SIDE_MAX} pixels; {side} is not."
            yield Mistake(name, words, "side", _SIDES | {"side": side})


def _mistakes_in_style(request: ImageRequest | Refinement, menu: Menu) -> Iterator[Mistake]:
    style, names = request.style, [style.name for style in menu.styles]
    if style is None or style in names:
        return
    if names:
        styles = ", ".join(names)
        words = f"There is no style {style!r}. There are {styles}."
        yield Mistake("style", words, "unknown", {"style": style, "styles": styles})
    else:
        yield Mistake("style", f"There is no style {style!r}. None are set up here.", "none", {"style": style})


def _mistakes_in_ensemble(request: ImageRequest, menu: Menu) -> Iterator[Mistake]:
    refine_at, steps = request.refine_at, request.num_inference_steps
    assert steps is not None
    if refine_at is None:
        return
    if not menu.has_refiner:
        yield Mistake("refine_at", "refine_at needs a refiner, and this Limner has none.", "no_refiner")
    elif not 0 < refine_at < 1:
        words = "refine_at must be a number above 0 and below 1; 0.8 is usual."
        yield Mistake("refine_at", words, "range", {"above": 0, "below": 1, "usual": 0.8})
    elif not can_be_shared(steps, refine_at):
        words = f"refine_at {refine_at:g} leaves base or refiner no step of {steps}; take more steps."
        yield Mistake("refine_at", words, "too_few_steps", {"refine_at": refine_at, "steps": steps})


def _mistakes_in_strength(refinement: Refinement) -> Iterator[Mistake]:
    strength, steps = refinement.strength, refinement.num_inference_steps
    assert steps is not None
    if not 0 < strength <= 1 or math.isnan(strength):
        words = "strength must be a number above 0 and up to 1."
        yield Mistake("strength", words, "range", {"above": 0, "most": 1})
    elif 1 <= steps <= STEPS_MAX and int(steps * strength) < 1:
        words = f"strength x num_inference_steps must be at least 1; {strength:g} x {steps} is less."
        yield Mistake("strength", words, "too_small", {"strength": strength, "steps": steps})
