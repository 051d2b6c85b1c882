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
        raise BadRequest(Mistake("size", f"A size looks like 1024x768 (width x height), not like {text!r}."))
    return int(match[1]), int(match[2])


def _tidy_negative(prompt: str | None) -> str | None:
    return None if prompt is None else tidy(prompt)


def _mistakes_in_words(request: ImageRequest | Refinement) -> Iterator[Mistake]:
    if not tidy(request.prompt):
        yield Mistake("prompt", 'The prompt is empty. Say what to paint, e.g. "a cat in a hat".')
    for name, text in (("prompt", request.prompt), ("negative_prompt", request.negative_prompt or "")):
        if len(text) > PROMPT_LIMIT:
            words = f"{name} may have up to {PROMPT_LIMIT} characters; this one has {len(text)}."
            yield Mistake(name, words)


def _mistakes_in_numbers(request: ImageRequest | Refinement) -> Iterator[Mistake]:
    steps, guidance = request.num_inference_steps, request.guidance_scale
    assert steps is not None
    assert guidance is not None
    if not 1 <= steps <= STEPS_MAX:
        yield Mistake("num_inference_steps", f"num_inference_steps must be from 1 to {STEPS_MAX}.")
    elif request.sampler is Sampler.LCM and steps > LCM_STEPS_MAX:
        words = f"with the sampler lcm num_inference_steps must be from 1 to {LCM_STEPS_MAX}; 4 to 8 are usual."
        yield Mistake("num_inference_steps", words)
    if not 0 <= guidance <= GUIDANCE_MAX:  # NaN compares false, and so is refused too
        yield Mistake("guidance_scale", f"guidance_scale must be a number from 0 to {GUIDANCE_MAX:g}.")
    if not 0 < request.guidance_end <= 1:
        yield Mistake("guidance_end", "guidance_end must be a number above 0 and up to 1.")
    if request.seed is not None and not 0 <= request.seed <= SEED_MAX:
        yield Mistake("seed", "seed must be a whole number from 0 to 2**64-1 (18446744073709551615).")
    if not 1 <= request.num_images <= IMAGES_MAX:
        yield Mistake("num_images", f"num_images must be from 1 to {IMAGES_MAX}.")


def _mistakes_in_size(request: ImageRequest) -> Iterator[Mistake]:
    for name, side in (("width", request.width), ("height", request.height)):
        if side is not None and not (SIDE_MIN <= side <= SIDE_MAX and side % SIDE_UNIT == 0):
            words = f"{name} must be a multiple of {SIDE_UNIT} from {SIDE_MIN} to {SIDE_MAX} pixels; {side} is not."
            yield Mistake(name, words)


def _mistakes_in_style(request: ImageRequest | Refinement, menu: Menu) -> Iterator[Mistake]:
    names = [style.name for style in menu.styles]
    if request.style is not None and request.style not in names:
        there_are = f"There are {', '.join(names)}." if names else "None are set up here."
        yield Mistake("style", f"There is no style {request.style!r}. {there_are}")


def _mistakes_in_ensemble(request: ImageRequest, menu: Menu) -> Iterator[Mistake]:
    refine_at, steps = request.refine_at, request.num_inference_steps
    assert steps is not None
    if refine_at is None:
        return
    if not menu.has_refiner:
        yield Mistake("refine_at", "refine_at needs a refiner, and this Limner has none.")
    elif not 0 < refine_at < 1:
        yield Mistake("refine_at", "refine_at must be a number above 0 and below 1; 0.8 is usual.")
    elif not can_be_shared(steps, refine_at):
        words = f"refine_at {refine_at:g} leaves base or refiner no step of {steps}; take more steps."
        yield Mistake("refine_at", words)


def _mistakes_in_strength(refinement: Refinement) -> Iterator[Mistake]:
    strength, steps = refinement.strength, refinement.num_inference_steps
    assert steps is not None
    if not 0 < strength <= 1 or math.isnan(strength):
        yield Mistake("strength", "strength must be a number above 0 and up to 1.")
    elif 1 <= steps <= STEPS_MAX and int(steps * strength) < 1:
        yield Mistake("strength", f"strength x num_inference_steps must be at least 1; {strength:g} x {steps} is less.")
