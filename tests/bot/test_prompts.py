"""What a request may say, and what is told about each mistake in it."""

from dataclasses import replace
from math import inf, nan

import pytest

from bot.errors import BadRequest, Mistake
from bot.jobs import ImageRequest, Refinement, Sampler
from bot.prompts import checked_refinement, checked_request, parse_size, tidy
from bot.quality import Menu
from bot.styles import Style

MENU = Menu()
REQUEST = MENU.filled_in(ImageRequest(prompt="a cat"))
REFINEMENT = Refinement(
    image_id="parent", prompt="warmer", strength=1, num_inference_steps=30, guidance_scale=5.0, sampler=Sampler.EULER
)

NUMBERS_ALLOWED: list[tuple[str, list[int | float | None]]] = [
    ("num_inference_steps", [1, 30, 150]),
    ("guidance_scale", [0, 0.5, 1, 30]),
    ("seed", [None, 0, 7, 2**32, 2**63, 2**64 - 1]),
    ("num_images", [1, 4]),
]
#: Field, what it may not be, and what the sentence says.
NUMBERS_REFUSED: list[tuple[str, list[int | float], str]] = [
    ("num_inference_steps", [0, -1, 151, 10**30], "from 1 to 150"),
    ("guidance_scale", [-0.1, 30.1, nan, inf, -inf], "a number from 0 to 30"),
    ("seed", [-1, 2**64, 10**30], "a whole number from 0 to 2**64-1 (18446744073709551615)"),
    ("num_images", [0, -1, 5], "from 1 to 4"),
]

allowed = [(field, value) for field, values in NUMBERS_ALLOWED for value in values]
refused = [(field, value, told) for field, values, told in NUMBERS_REFUSED for value in values]


def mistakes(request: ImageRequest | Refinement) -> tuple[Mistake, ...]:
    with pytest.raises(BadRequest) as error:
        checked(request)
    return error.value.mistakes


def checked(request: ImageRequest | Refinement) -> ImageRequest | Refinement:
    return checked_request(request, MENU) if isinstance(request, ImageRequest) else checked_refinement(request, MENU)


def only_mistake(request: ImageRequest | Refinement) -> Mistake:
    (mistake,) = mistakes(request)
    return mistake


def with_field(request: ImageRequest | Refinement, field: str, value: object) -> ImageRequest | Refinement:
    return replace(request, **{field: value})  # type: ignore[arg-type]


both = pytest.mark.parametrize("request_", [REQUEST, REFINEMENT], ids=["request", "refinement"])


@both
def test_a_request_that_only_says_what_to_paint_is_taken_as_it_is(request_: ImageRequest | Refinement) -> None:
    assert checked(request_) == request_


@both
@pytest.mark.parametrize(("field", "value"), allowed)
def test_a_number_within_its_limits_is_kept(request_: ImageRequest | Refinement, field: str, value: object) -> None:
    wished = with_field(request_, field, value)

    assert checked(wished) == wished


@both
@pytest.mark.parametrize(("field", "value", "told"), refused)
def test_a_number_outside_its_limits_is_refused_with_the_limits(
    request_: ImageRequest | Refinement, field: str, value: object, told: str
) -> None:
    mistake = only_mistake(with_field(request_, field, value))

    assert mistake == Mistake(field, f"{field} must be {told}.")


@pytest.mark.parametrize("field", ["width", "height"])
@pytest.mark.parametrize("side", [None, 64, 72, 1024, 2048])
def test_a_side_that_is_a_multiple_of_8_is_kept(field: str, side: int | None) -> None:
    wished = with_field(REQUEST, field, side)

    assert checked(wished) == wished


@pytest.mark.parametrize("field", ["width", "height"])
@pytest.mark.parametrize("side", [0, -64, 8, 56, 63, 65, 100, 1023, 2047, 2056, 10**30])
def test_any_other_side_is_refused_with_what_is_allowed(field: str, side: int) -> None:
    mistake = only_mistake(with_field(REQUEST, field, side))

    assert mistake == Mistake(field, f"{field} must be a multiple of 8 from 64 to 2048 pixels; {side} is not.")


@pytest.mark.parametrize(("strength", "steps"), [(0.5, 30), (1, 1), (0.01, 100), (0.5, 2), (1 / 150, 150)])
def test_a_strength_that_leaves_a_step_to_paint_is_kept(strength: float, steps: int) -> None:
    wished = replace(REFINEMENT, strength=strength, num_inference_steps=steps)

    assert checked(wished) == wished


@pytest.mark.parametrize("strength", [0, -0.5, 1.01, nan, inf, -inf])
def test_a_strength_outside_its_limits_is_refused_with_the_limits(strength: float) -> None:
    mistake = only_mistake(replace(REFINEMENT, strength=strength))

    assert mistake == Mistake("strength", "strength must be a number above 0 and up to 1.")


@pytest.mark.parametrize(("strength", "steps", "product"), [(0.5, 1, "0.5 x 1"), (0.03, 30, "0.03 x 30")])
def test_a_strength_that_leaves_no_step_to_paint_is_refused_with_the_sum(
    strength: float, steps: int, product: str
) -> None:
    mistake = only_mistake(replace(REFINEMENT, strength=strength, num_inference_steps=steps))

    assert mistake == Mistake("strength", f"strength x num_inference_steps must be at least 1; {product} is less.")


def test_a_number_of_steps_too_large_for_a_float_is_refused_too() -> None:
    assert only_mistake(replace(REFINEMENT, strength=0.5, num_inference_steps=10**400)).field == "num_inference_steps"


def test_all_mistakes_are_told_at_once_and_the_error_reads_as_their_sentences() -> None:
    wrong = ImageRequest(
        prompt=" ",
        negative_prompt="x" * 2001,
        width=65,
        height=7,
        num_inference_steps=0,
        guidance_scale=nan,
        seed=-1,
        num_images=9,
    )

    with pytest.raises(BadRequest) as error:
        checked_request(wrong, MENU)

    assert [mistake.field for mistake in error.value.mistakes] == [
        "prompt",
        "negative_prompt",
        "num_inference_steps",
        "guidance_scale",
        "seed",
        "num_images",
        "width",
        "height",
    ]
    assert str(error.value) == " ".join(mistake.message for mistake in error.value.mistakes)


@both
@pytest.mark.parametrize("prompt", ["", " ", "\n\t \r\n", "\u2003\u2028\xa0\u3000", "\0\x1b\x7f", "\ud800"])
def test_a_prompt_without_words_is_refused_with_an_example(request_: ImageRequest | Refinement, prompt: str) -> None:
    mistake = only_mistake(with_field(request_, "prompt", prompt))

    assert mistake.field == "prompt"
    assert 'e.g. "a cat in a hat"' in mistake.message


@both
@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
def test_a_prompt_may_have_2000_characters_and_not_one_more(request_: ImageRequest | Refinement, field: str) -> None:
    longest = with_field(request_, field, "é" * 2000)

    assert checked(longest) == longest
    mistake = only_mistake(with_field(request_, field, "é" * 2001))
    assert mistake == Mistake(field, f"{field} may have up to 2000 characters; this one has 2001.")


@both
def test_prompts_are_tidied_and_nothing_else_is_changed(request_: ImageRequest | Refinement) -> None:
    untidy = replace(request_, prompt=" a\n cat\0", negative_prompt="\tno  dog ", seed=7, num_images=2)

    assert checked(untidy) == replace(untidy, prompt="a cat", negative_prompt="no dog")


@both
@pytest.mark.parametrize(("negative", "kept"), [(None, None), ("", ""), (" \n", "")])
def test_no_negative_prompt_is_not_the_same_as_an_empty_one(
    request_: ImageRequest | Refinement, negative: str | None, kept: str | None
) -> None:
    assert checked(replace(request_, negative_prompt=negative)).negative_prompt == kept


@pytest.mark.parametrize(
    ("typed", "tidied"),
    [
        ("a cat", "a cat"),
        ("  a \r\n\t cat\x0b\x0c ", "a cat"),
        ("a\0cat\x1b[31m\x9bred", "a cat [31m red"),
        ("a\ud800cat", "a cat"),
        ("a\u3000cat\u2029", "a cat"),
        ("\U0001f469\u200d\U0001f3a8 e\u0301 \u0644\u0627", "\U0001f469\u200d\U0001f3a8 e\u0301 \u0644\u0627"),
        ("(a:1.2) <b> [c] \\ \"d\" 'e'", "(a:1.2) <b> [c] \\ \"d\" 'e'"),
    ],
)
def test_a_tidy_prompt_is_one_line_that_can_be_printed_and_stored(typed: str, tidied: str) -> None:
    assert tidy(typed) == tidied
    assert tidy(tidied) == tidied
    assert tidied.encode()


@pytest.mark.parametrize("text", ["1024x768", "1024X768", "1024\u00d7768", "1024*768", " 1024 x 768\n"])
def test_a_size_is_width_times_height(text: str) -> None:
    assert parse_size(text) == (1024, 768)


@pytest.mark.parametrize("text", ["", "1024", "1024x", "x768", "1024x768x3", "-1024x768", "10.5x7", "big", "9" * 5000])
def test_what_is_no_size_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadRequest, match=r"looks like 1024x768 \(width x height\)") as error:
        parse_size(text)

    assert [mistake.field for mistake in error.value.mistakes] == ["size"]


@pytest.mark.parametrize("value", [0.0, -0.1, 1.1, nan, inf])
@both
def test_a_guidance_end_outside_its_range_is_told(request_: ImageRequest | Refinement, value: float) -> None:
    assert only_mistake(replace(request_, guidance_end=value)).field == "guidance_end"


@pytest.mark.parametrize("value", [0.0, 1.0, -0.5, 1.5, nan])
def test_a_refine_at_outside_its_range_is_told(value: float) -> None:
    assert only_mistake(replace(REQUEST, refine_at=value)).message.startswith("refine_at must be a number above 0")


def test_an_ensemble_that_leaves_a_model_no_step_is_told() -> None:
    told = only_mistake(replace(REQUEST, refine_at=0.8, num_inference_steps=4)).message

    assert told == "refine_at 0.8 leaves base or refiner no step of 4; take more steps."


def test_an_ensemble_where_there_is_no_refiner_is_told() -> None:
    with pytest.raises(BadRequest, match="this Limner has none"):
        checked_request(replace(REQUEST, refine_at=0.8), Menu(has_refiner=False))


@both
def test_an_unknown_style_is_answered_with_those_that_there_are(request_: ImageRequest | Refinement) -> None:
    wrong = replace(request_, style="oil")
    menu = Menu(styles=(Style(name="ink", lora="ink.safetensors"), Style(name="comic", lora="comic.safetensors")))

    assert only_mistake(wrong).message == "There is no style 'oil'. None are set up here."
    with pytest.raises(BadRequest) as caught:
        checked_request(wrong, menu) if isinstance(wrong, ImageRequest) else checked_refinement(wrong, menu)
    assert str(caught.value) == "There is no style 'oil'. There are ink, comic."
    assert checked(replace(request_, style=None)).style is None


#: What is wrong, and what its mistake names.
KINDS: list[tuple[str, object, str, dict[str, object]]] = [
    ("prompt", " ", "empty", {}),
    ("prompt", "x" * 2001, "too_long", {"limit": 2000, "length": 2001}),
    ("negative_prompt", "x" * 2001, "too_long", {"limit": 2000, "length": 2001}),
    ("num_inference_steps", 0, "range", {"least": 1, "most": 150}),
    ("guidance_scale", 31, "range", {"least": 0, "most": 30}),
    ("guidance_end", 0, "range", {"above": 0, "most": 1}),
    ("seed", -1, "range", {"least": 0, "most": 2**64 - 1}),
    ("num_images", 5, "range", {"least": 1, "most": 4}),
    ("style", "oil", "none", {"style": "oil"}),
]
KINDS_OF_REQUESTS: list[tuple[str, object, str, dict[str, object]]] = [
    ("width", 65, "side", {"unit": 8, "least": 64, "most": 2048, "side": 65}),
    ("height", 0, "side", {"unit": 8, "least": 64, "most": 2048, "side": 0}),
    ("refine_at", 1, "range", {"above": 0, "below": 1, "usual": 0.8}),
    ("refine_at", 0.99, "too_few_steps", {"refine_at": 0.99, "steps": 30}),
]
KINDS_OF_REFINEMENTS: list[tuple[str, object, str, dict[str, object]]] = [
    ("strength", 0, "range", {"above": 0, "most": 1}),
    ("strength", 0.01, "too_small", {"strength": 0.01, "steps": 30}),
]


@pytest.mark.parametrize(
    ("request_", "field", "value", "kind", "values"),
    [
        *[(request, *row) for request in (REQUEST, REFINEMENT) for row in KINDS],
        *[(REQUEST, *row) for row in KINDS_OF_REQUESTS],
        *[(REFINEMENT, *row) for row in KINDS_OF_REFINEMENTS],
    ],
)
def test_a_mistake_names_its_kind_and_all_that_its_sentence_names(
    request_: ImageRequest | Refinement, field: str, value: object, kind: str, values: dict[str, object]
) -> None:
    mistake = only_mistake(with_field(request_, field, value))

    assert (mistake.field, mistake.kind, mistake.values) == (field, kind, values)


@both
def test_too_many_steps_for_a_distilled_model_are_a_kind_of_their_own(request_: ImageRequest | Refinement) -> None:
    mistake = only_mistake(replace(request_, sampler=Sampler.LCM, num_inference_steps=51))

    assert (mistake.kind, mistake.values) == ("lcm_range", {"least": 1, "most": 50})


def test_kinds_tell_what_a_limner_does_not_have() -> None:
    with pytest.raises(BadRequest) as caught:
        checked_request(replace(REQUEST, refine_at=0.8, style="oil"), Menu((Style(name="ink", lora=""),), None, False))

    assert [(mistake.kind, mistake.values) for mistake in caught.value.mistakes] == [
        ("unknown", {"style": "oil", "styles": "ink"}),
        ("no_refiner", {}),
    ]


def test_what_is_no_size_is_named_in_its_mistake() -> None:
    with pytest.raises(BadRequest) as caught:
        parse_size("big")

    (mistake,) = caught.value.mistakes
    assert (mistake.kind, mistake.values) == ("pattern", {"text": "big"})
