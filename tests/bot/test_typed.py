"""What people type in messages, and what is told about each mistake in it."""

import random
import string
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from bot.errors import BadRequest, Mistake
from bot.jobs import STRENGTH, ImageRequest, Quality, Refinement
from bot.prompts import tidy
from bot.quality import Menu
from bot.styles import Style
from bot.typed import ALIASES, OPTIONS, Typed, read

MENU = Menu(styles=(Style(name="ink", lora="someone/ink"),))
PARENT = "parent"


def mistakes(text: str) -> tuple[Mistake, ...]:
    with pytest.raises(BadRequest) as error:
        read(text)
    return error.value.mistakes


def only_mistake(text: str) -> tuple[str, str, dict[str, object]]:
    (mistake,) = mistakes(text)
    return mistake.field, mistake.kind, dict(mistake.values)


@pytest.mark.parametrize("text", ["a cat in a hat", "", "a cat (hat:1.3), <b> [c] 'd' \"e\"", "10-year-old, 16:9"])
def test_a_message_without_options_is_all_words(text: str) -> None:
    assert read(text) == Typed(words=text)


def test_every_option_can_be_said_in_one_message() -> None:
    text = (
        "a cat in a hat --size 1024x768 --steps 40 --seed 7 --no text, watermark --style ink wash --images 4 "
        "--guidance 4.5 --strength 0.4 --quality draft --image 2 --private"
    )

    assert read(text) == Typed(
        words="a cat in a hat",
        negative_prompt="text, watermark",
        size="1024x768",
        quality=Quality.DRAFT,
        style="ink wash",
        steps=40,
        guidance=4.5,
        seed=7,
        images=4,
        strength=0.4,
        image="2",
        private=True,
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a cat --steps 40 in a hat", {"words": "a cat in a hat", "steps": 40}),
        ("a cat --steps=40 in a hat", {"words": "a cat in a hat", "steps": 40}),
        ("--steps 40 a cat", {"words": "a cat", "steps": 40}),
        ("--steps= 40 a cat", {"words": "a cat", "steps": 40}),
        ("a cat --private in a hat", {"words": "a cat in a hat", "private": True}),
        ("--no=text and blur --seed 7 a cat", {"words": "a cat", "negative_prompt": "text and blur", "seed": 7}),
        ("a cat --negative dogs", {"words": "a cat", "negative_prompt": "dogs"}),
        ("a cat --no a=b --style=x=y", {"words": "a cat", "negative_prompt": "a=b", "style": "x=y"}),
        ("--image 0b0f7a52-5d2c more snow", {"words": "more snow", "image": "0b0f7a52-5d2c"}),
    ],
)
def test_what_an_option_does_not_take_belongs_to_the_words(text: str, said: dict[str, Any]) -> None:
    assert read(text) == Typed(**said)


@pytest.mark.parametrize("quotes", ['""', "''", "``", "\u201c\u201d", "\u2018\u2019", "\u201d\u201d", "\u201e\u201c"])
def test_a_value_may_stand_between_quotation_marks(quotes: str) -> None:
    before, after = quotes[0], quotes[1]
    text = f"a cat --no={before}text, blur{after} --style {before}ink wash{after} --seed {before}7{after} in a hat"

    assert read(text) == Typed(words="a cat in a hat", negative_prompt="text, blur", style="ink wash", seed=7)
    assert only_mistake(f"a cat --style {before}{after}")[1] == "no_value"


@pytest.mark.parametrize("value", ['"text" and "blur"', "the cat's", '"', "'", '"text', "'tis the cats'", ""])
def test_quotation_marks_inside_a_value_stay(value: str) -> None:
    assert read(f"a cat --no x {value}").negative_prompt == f"x {value}".strip()
    if len(value) > 1 and value.count("'") != 2:
        assert read(f"a cat --no {value}").negative_prompt == value


@pytest.mark.parametrize("dash", ["--", "\u2014", "\u2013"])
@pytest.mark.parametrize("option", ["steps 40", "steps=40", "Steps 40", "STEPS\n40", "steps\t 40"])
def test_phones_may_make_a_dash_of_the_hyphens_and_large_letters_of_small_ones(dash: str, option: str) -> None:
    assert read(f"a cat {dash}{option}") == Typed(words="a cat", steps=40)


@pytest.mark.parametrize(
    "text",
    [
        "a -- cat",
        "--",
        "a \u2014 cat",
        "well--steps 40",
        "a\u2014steps 40",
        "--5",
        "---",
        "---steps 40",
        "-steps 40",
        "--=4",
    ],
)
def test_hyphens_inside_a_word_or_alone_are_text(text: str) -> None:
    assert read(text) == Typed(words=text)


def test_prose_may_have_a_dash_right_before_a_word() -> None:
    assert read("\u2014dijo el gato\u2014 \u2013weathered") == Typed(words="\u2014dijo el gato\u2014 \u2013weathered")
    assert only_mistake("a cat \u2014stpes 40")[1] == "unknown_option"


def test_lines_and_spaces_do_not_matter_and_what_cannot_be_printed_is_left_out() -> None:
    assert read(" a\r\n cat\0\n\n--no\n text,\u3000blur \ud800\n--steps\t40\n") == Typed(
        words="a cat", negative_prompt="text, blur", steps=40
    )


@pytest.mark.parametrize("name", ["guidance", "strength"])
@pytest.mark.parametrize(
    ("text", "number"),
    [("0.4", 0.4), ("0,4", 0.4), (".5", 0.5), ("7", 7), ("-1", -1), ("0.30000000000000004", 0.30000000000000004)],
)
def test_a_number_may_have_a_point_or_a_comma(name: str, text: str, number: float) -> None:
    assert getattr(read(f"a cat --{name} {text}"), name) == number


@pytest.mark.parametrize("name", ["guidance", "strength"])
@pytest.mark.parametrize(
    "text", ["nan", "inf", "-inf", "1e5", "0x1", "1_0", "five", "1,2,3", "4.", "\u0665", "-", "5%"]
)
def test_what_is_no_number_is_refused(name: str, text: str) -> None:
    assert only_mistake(f"a cat --{name} {text}") == (name, "not_a_number", {"option": f"--{name}", "text": text})


@pytest.mark.parametrize("name", ["steps", "seed", "images"])
@pytest.mark.parametrize(
    "text", ["-1", "+4", "4.0", "4,0", "1e3", "1_000", "many", "\u00b2", "\u0664", "4\u20e3", "nan"]
)
def test_what_is_not_all_digits_is_no_whole_number(name: str, text: str) -> None:
    values = {"option": f"--{name}", "digits": 20, "text": text}

    assert only_mistake(f"a cat --{name} {text}") == (name, "whole_number", values)


@pytest.mark.parametrize("name", ["steps", "seed", "images", "guidance", "strength"])
def test_a_number_without_end_is_a_mistake_that_repeats_only_its_beginning(name: str) -> None:
    (mistake,) = mistakes(f"a cat --{name} {'9' * 10_000}")

    assert mistake.values["text"] == "9" * 39 + "\u2026"
    assert len(mistake.message) < 120


def test_the_largest_seed_can_be_said() -> None:
    assert read("a cat --seed 18446744073709551615").seed == 2**64 - 1


def test_an_unknown_quality_is_answered_with_those_that_there_are() -> None:
    values = {"option": "--quality", "choices": "draft, standard, high", "text": "best"}

    assert only_mistake("a cat --quality best") == ("quality", "quality", values)
    assert read("a cat --quality High").quality is Quality.HIGH


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("step", "--steps"),
        ("stpes", "--steps"),
        ("num-inference-steps", "--steps"),
        ("cfg", "--guidance"),
        ("guidance_scale", "--guidance"),
        ("count", "--images"),
        ("n", "--images"),
        ("imgs", "--images"),
        ("neg", "--no"),
        ("negative-prompt", "--no"),
        ("ar", "--size"),
        ("width", "--size"),
        ("qualty", "--quality"),
        ("privat", "--private"),
        ("foo", ""),
        ("v", ""),
    ],
)
def test_an_unknown_option_is_answered_with_the_one_that_was_probably_meant(typed: str, meant: str) -> None:
    (mistake,) = mistakes(f"a cat --{typed} 16")

    assert (mistake.field, mistake.kind) == (typed, "unknown_option")
    assert mistake.values == {"option": f"--{typed}", "suggestion": meant}
    assert mistake.message == f"There is no option --{typed}." + (f" Did you mean {meant}?" if meant else "")


def test_names_from_elsewhere_mean_options_that_there_are_and_are_none_themselves() -> None:
    assert set(ALIASES.values()) <= set(OPTIONS)
    assert not set(ALIASES) & set(OPTIONS)


@pytest.mark.parametrize("name", [name for name in OPTIONS if name != "private"])
@pytest.mark.parametrize("rest", ["", "=", " --private", "= \u2014private"])
def test_an_option_without_its_value_is_answered_with_an_example(name: str, rest: str) -> None:
    field, kind, values = only_mistake(f"a cat --{name}{rest}")

    assert (field, kind, values["option"]) == (name, "no_value", f"--{name}")
    assert isinstance(read(f"a cat --{name} {values['example']}"), Typed)


def test_a_flag_takes_no_value() -> None:
    assert only_mistake("a cat --private=yes") == ("private", "takes_none", {"option": "--private"})


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("--steps 4 --steps 5", "steps"),
        ("--steps 4 --steps 4", "steps"),
        ("--private --private", "private"),
        ("--no text --negative blur", "negative"),
    ],
)
def test_an_option_is_said_once(text: str, name: str) -> None:
    assert only_mistake(f"a cat {text}") == (name, "repeated", {"option": f"--{name}"})


def test_all_mistakes_are_told_at_once_in_their_order_and_each_once() -> None:
    told = mistakes("--steps many --foo a --quality best --guidance --foo b --seed 1 --seed 2 --seed 3")

    assert [(mistake.field, mistake.kind) for mistake in told] == [
        ("steps", "whole_number"),
        ("foo", "unknown_option"),
        ("quality", "quality"),
        ("guidance", "no_value"),
        ("seed", "repeated"),
    ]


def test_a_request_has_what_was_said_and_leaves_the_rest_open() -> None:
    assert read("a cat").request(MENU) == ImageRequest(prompt="a cat")
    text = (
        "a cat --no blur --size 640x512 --quality high --style ink --steps 4 --guidance 0 --seed 0 --images 2 --private"
    )

    assert read(text).request(MENU) == ImageRequest(
        prompt="a cat",
        negative_prompt="blur",
        width=640,
        height=512,
        quality=Quality.HIGH,
        style="ink",
        num_inference_steps=4,
        guidance_scale=0,
        seed=0,
        num_images=2,
    )


def test_a_refinement_has_what_was_said_and_leaves_the_rest_open() -> None:
    assert read("warmer").refinement(PARENT, MENU) == Refinement(image_id="parent", prompt="warmer", strength=STRENGTH)
    text = "warmer --no blur --quality high --style ink --steps 4 --guidance 0 --seed 0 --images 2 --strength 0,4"

    assert read(f"{text} --image 2").refinement(PARENT, MENU) == Refinement(
        image_id="parent",
        prompt="warmer",
        negative_prompt="blur",
        quality=Quality.HIGH,
        style="ink",
        num_inference_steps=4,
        guidance_scale=0,
        seed=0,
        num_images=2,
        strength=0.4,
    )


def test_a_refinement_takes_no_size() -> None:
    with pytest.raises(BadRequest, match="--size is not for refining") as error:
        read("warmer --size 1024x768").refinement(PARENT, MENU)

    assert [(mistake.field, mistake.kind) for mistake in error.value.mistakes] == [("size", "not_when_refining")]


def test_a_request_without_an_image_to_refine_says_all_that_it_cannot_have() -> None:
    with pytest.raises(BadRequest) as error:
        read(f"a cat --strength 0.4 --image 2 --size {'1' * 4000}").request(MENU)

    assert [(mistake.field, mistake.kind) for mistake in error.value.mistakes] == [
        ("size", "pattern"),
        ("strength", "only_when_refining"),
        ("image", "only_when_refining"),
    ]
    assert len(str(error.value)) < 250


def test_what_could_not_be_read_is_told_with_what_the_service_would_find() -> None:
    odd = Mistake("seed", "odd")
    wrong = Typed(words=" ", size="huge", style="oil", steps=0, strength=0, mistakes=(odd,))
    with pytest.raises(BadRequest) as request:
        wrong.request(MENU)
    with pytest.raises(BadRequest) as refinement:
        replace(wrong, size=None).refinement(PARENT, MENU)

    told = [mistake.field for mistake in request.value.mistakes]
    assert told == ["seed", "size", "strength", "prompt", "num_inference_steps", "style"]
    told = [mistake.field for mistake in refinement.value.mistakes]
    assert told == ["seed", "prompt", "num_inference_steps", "style", "strength"]


def anything(chance: random.Random) -> str:
    """Pieces of options, numbers, and text that nobody expects."""
    groups: list[list[str]] = [
        [f"--{name}" for name in OPTIONS],
        [f"\u2014{name}" for name in (*OPTIONS, *ALIASES)],
        ["a cat", "40", "0,4", "1024x768", "draft", "nan", "9" * chance.choice((1, 19, 21, 5000))],
        ["--", "\u2014", "\u2013", "=", "\n", "\0", "\ud800", "\u0664", "\u00b2", "\U0001f431", "\u0130", "e\u0301"],
        ["".join(chance.choices(string.printable, k=chance.randrange(6)))],
    ]
    pieces = (chance.choice(chance.choice(groups)) for _ in range(chance.randrange(10)))
    return "".join(piece + chance.choice(("", " ", " ", "=")) for piece in pieces)


def answer(wish: Callable[[], object]) -> object | tuple[Mistake, ...]:
    try:
        return wish()
    except BadRequest as error:
        return error.mistakes


def test_whatever_is_typed_is_understood_or_answered_kindly() -> None:
    chance = random.Random(7)
    understood, told = 0, list[Mistake]()
    for _ in range(2000):
        typed = answer(partial(read, anything(chance)))
        wishes: list[Callable[[], object]] = []
        if isinstance(typed, Typed):
            understood += 1
            assert typed.words == tidy(typed.words)
            wishes = [partial(typed.request, MENU), partial(typed.refinement, PARENT, MENU)]
        for answered in (typed, *map(answer, wishes)):
            told += answered if isinstance(answered, tuple) else ()

    assert understood > 100
    assert {mistake.kind for mistake in told} == {
        "unknown_option",
        "no_value",
        "takes_none",
        "not_a_number",
        "whole_number",
        "quality",
        "repeated",
        "pattern",
        "only_when_refining",
        "not_when_refining",
        "empty",
        "too_long",
        "range",
        "unknown",
    }
    for mistake in told:
        assert mistake.message.encode()
        # A style is repeated as it was said; adapters cut it.
        assert len(mistake.message) < 200 or mistake.kind == "unknown"


def test_options_and_words_may_come_in_any_order() -> None:
    chance = random.Random(7)
    options = ["--steps 40", "--seed=7", "--guidance 4,5", "--private", "--size 64x64", "--image 2", "--quality high"]
    expected = read(" ".join(["a cat in a hat", *options, "--no x y", "--style a b"]))
    for _ in range(200):
        parts = chance.sample(options, len(options))
        for place, word in zip(sorted(chance.choices(range(8), k=5)), ("a", "cat", "in", "a", "hat"), strict=True):
            parts[place:place] = [word]
        parts += chance.sample(["--no x y", "--style a b"], 2)
        words = read(chance.choice((" ", "\n", "  ")).join(parts))

        assert replace(words, words="") == replace(expected, words="")
        assert sorted(words.words.split()) == ["a", "a", "cat", "hat", "in"]
