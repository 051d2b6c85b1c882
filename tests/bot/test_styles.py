import pytest

from bot.styles import Style, with_trigger

INK = Style(name="ink", lora="owner/ink", trigger="ink art")


@pytest.mark.parametrize("prompt", ["a cat", "a think art cat", "ink, art", "pink arts"])
def test_the_trigger_goes_in_front_of_the_prompt(prompt: str) -> None:
    assert with_trigger(prompt, INK) == f"ink art, {prompt}"


@pytest.mark.parametrize("prompt", ["ink art", "Ink Art of a cat", "a cat, INK ART", "(ink art:1.2) cat"])
def test_a_prompt_that_holds_the_trigger_in_any_case_stays_as_it_is(prompt: str) -> None:
    assert with_trigger(prompt, INK) == prompt


def test_without_a_style_or_a_trigger_the_prompt_stays_as_it_is() -> None:
    assert with_trigger("a cat", None) == "a cat"
    assert with_trigger("a cat", Style(name="plain", lora="owner/plain")) == "a cat"


def test_a_trigger_is_words_and_no_pattern() -> None:
    style = Style(name="odd", lora="owner/odd", trigger="<s0> (x|y)")

    assert with_trigger("a cat", style) == "<s0> (x|y), a cat"
    assert with_trigger("a cat, <S0> (X|Y)", style) == "a cat, <S0> (X|Y)"
