"""The watermark, as our own decoder sees it; the library's has a module of its own, which is slow."""

import io
from itertools import product
from math import exp, lgamma, pi, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bot.marks.watermark import AREA_MIN, BITS, LIKENESS_NEEDED, bits_found, embed, is_marked, is_too_small, likeness
from tests.bot.marks.kinds import KINDS, SIDES, Pixels, decoded, emoji, flat, photo

COMBINED = list(product(KINDS, SIDES))


def saved_with_losses(picture: Pixels, quality: int, subsampling: int = 2) -> Pixels:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return decoded(file.getvalue())


def noise_ratio(one: Pixels, other: Pixels) -> float:
    """PSNR in decibels."""
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float(10 * np.log10(255**2 / error))


@pytest.mark.parametrize(("kind", "side"), COMBINED)
def test_all_bits_are_found_in_every_kind_of_picture_and_nobody_sees_them(kind: str, side: int) -> None:
    picture = KINDS[kind](side)
    marked = embed(picture)

    assert bits_found(marked) == 1
    assert is_marked(marked)
    assert not is_marked(picture)
    assert noise_ratio(picture, marked) > 30


def test_only_pixels_that_must_change_do() -> None:
    picture = photo(512)
    changed = (embed(picture) != picture).any(axis=-1)

    assert 0 < changed.mean() < 0.07, "four of 64 pixels, and a few more"


def test_the_picture_that_was_given_stays_as_it_was() -> None:
    picture = photo(512)
    before = picture.copy()
    embed(picture)

    assert (picture == before).all()


def test_brightness_stays() -> None:
    picture = photo(512)
    luma = np.array([0.299, 0.587, 0.114])

    assert np.abs(embed(picture) @ luma - picture @ luma).max() < 5


def test_a_picture_that_is_marked_twice_is_still_marked() -> None:
    assert bits_found(embed(embed(photo(512)))) == 1


@pytest.mark.parametrize("size", [(256, 255), (64, 1023), (8, 8), (1, 1)])
def test_small_pictures_stay_as_they_are(size: tuple[int, int]) -> None:
    picture = photo(1024)[: size[0], : size[1]]

    assert is_too_small(picture)
    assert embed(picture) is picture
    assert not is_marked(picture)


@pytest.mark.parametrize("size", [(256, 256), (257, 300), (519, 1021), (4, AREA_MIN // 4), (1000, 70)])
def test_sides_need_be_no_multiples_of_anything(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(3).integers(60, 190, (*size, 3), dtype=np.uint8)
    marked = embed(picture)

    assert marked.shape == picture.shape
    assert is_marked(marked) == (min(size) >= 8)


def test_chance_says_marked_of_one_picture_in_more_than_a_million() -> None:
    """The area of Student's t beyond the correlation, on both sides."""
    free = BITS - 2
    t = np.linspace(least := LIKENESS_NEEDED * sqrt(free / (1 - LIKENESS_NEEDED**2)), least + 60, 10**6)
    height = exp(lgamma((free + 1) / 2) - lgamma(free / 2)) / sqrt(free * pi)

    assert 2 * np.trapezoid(height * (1 + t**2 / free) ** (-(free + 1) / 2), t) == pytest.approx(1 / 1.74e6, rel=0.01)


@pytest.mark.parametrize("quality", [95, 88, 80])
def test_a_photograph_keeps_it_as_a_jpeg_and_none_gets_it_there(quality: int) -> None:
    picture = photo(1024)

    assert is_marked(saved_with_losses(embed(picture), quality))
    assert not is_marked(saved_with_losses(picture, quality))


def test_a_jpeg_with_all_its_colours_keeps_every_bit() -> None:
    assert bits_found(saved_with_losses(embed(photo(512)), 95, subsampling=0)) == 1
    assert bits_found(saved_with_losses(embed(emoji(512)), 95, subsampling=0)) == 1


def test_two_hundred_pictures_without_it_are_far_from_it() -> None:
    """Half of them are stripes from top to bottom, so that whole columns of blocks say the same."""
    chance, likest = np.random.default_rng(4), 0.0
    for number in range(200):
        height, width = (int(side) for side in chance.integers(256, 400, 2))
        stripes = np.repeat(chance.normal(128, 60, (100, 3)), int(chance.integers(4, 40)), axis=0)[:width]
        light = np.resize(stripes, (width, 3))[None] if number % 2 else photo(512)[-height:, -width:]
        picture = np.clip(light + chance.normal(0, 3, (height, width, 3)), 0, 255).astype(np.uint8)
        likest = max(likest, abs(likeness(picture)))

    assert likest < LIKENESS_NEEDED


@settings(max_examples=40, deadline=None, database=None)
@given(st.tuples(*[st.integers(0, 255)] * 3))
def test_plain_pictures_of_any_colour_are_marked(colour: tuple[int, int, int]) -> None:
    assert bits_found(embed(flat(384, *colour))) == 1


@settings(max_examples=20, deadline=None, database=None)
@given(st.tuples(*[st.integers(0, 255)] * 3), st.tuples(*[st.integers(0, 255)] * 3), st.integers(0, 1000))
def test_pictures_between_any_two_colours_are_marked(
    one: tuple[int, int, int], other: tuple[int, int, int], seed: int
) -> None:
    y = np.linspace(0, 1, 384)[:, None, None]
    grain = np.random.default_rng(seed).normal(0, 2, (384, 384, 3))
    picture = np.clip((1 - y) * np.array(one) + y * np.array(other) + grain, 0, 255).astype(np.uint8)

    assert is_marked(embed(picture))
