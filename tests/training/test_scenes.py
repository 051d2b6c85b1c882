"""Scenes and what is said of them, drawn from the real font where it is there."""

from collections import Counter
from random import Random
from typing import Any

import numpy as np
import pytest
from PIL import Image

from training.captions import caption, words
from training.scenes import COLOURS, FONT, HUES, Light, Place, Scene, Size, draw_scene, render
from training.subjects import SUBJECTS, Subject
from training.vocabulary import vocabulary

CAT = next(subject for subject in SUBJECTS if subject.words[0] == "cat")
DOG = next(subject for subject in SUBJECTS if subject.words[0] == "dog")
ONE_CAT = Scene(subjects=(CAT,), background="blue")

needs_the_font = pytest.mark.skipif(not FONT.exists(), reason="Debian's fonts-noto-color-emoji is not installed.")


def captions(scene: Scene, count: int = 300) -> list[str]:
    return [caption(scene, Random(seed)) for seed in range(count)]


def test_there_are_many_subjects_and_each_has_words_of_its_own() -> None:
    taken = Counter(word for subject in SUBJECTS for word in {*subject.words, subject.plural})

    assert len(SUBJECTS) >= 60
    assert len(COLOURS) >= 8
    assert [word for word, count in taken.items() if count > 1] == []
    assert len({subject.glyph for subject in SUBJECTS}) == len(SUBJECTS)


@pytest.mark.parametrize("number", range(0, 200, 7))
def test_a_caption_speaks_of_a_hat_just_where_there_is_one(number: int) -> None:
    scene = draw_scene(Random(number))

    for text in captions(scene, 40):
        says_no = "without a hat" in text or "no hat" in text
        says_so = "hat" in text.replace("that", "").replace("what", "") and not says_no
        speaks_of_subject = any(word in text.split() for one in scene.subjects for word in (*one.words, one.plural))
        assert says_so == (scene.has_hat and (says_so or speaks_of_subject)), text


def test_most_captions_name_subject_and_background_and_some_leave_one_open() -> None:
    said = captions(ONE_CAT)
    with_cat = [text for text in said if {"cat", "kitten", "kitty"} & set(text.replace(",", "").split())]
    with_blue = [text for text in said if "blue" in text]

    assert 0.85 < len(with_cat) / len(said) < 1
    assert 0.75 < len(with_blue) / len(said) < 1
    assert len(set(said)) > 150


@pytest.mark.parametrize(
    ("scene", "word"),
    [
        (Scene(subjects=(DOG, DOG), background="red"), "dogs"),
        (Scene(subjects=(CAT, DOG), background="red"), " and "),
        (Scene(subjects=(CAT,), background="red", size=Size.SMALL), "small"),
        (Scene(subjects=(CAT,), background="red", place=Place.LEFT), "left"),
        (Scene(subjects=(CAT,), background="red", light=Light.SNOW), "snow"),
        (Scene(subjects=(CAT,), background="red", painted="green"), "green"),
    ],
    ids=["two", "a pair", "small", "left", "snow", "painted"],
)
def test_what_is_special_in_a_scene_is_said(scene: Scene, word: str) -> None:
    assert any(word in text for text in captions(scene, 30))


def test_every_word_of_the_captions_is_one_token() -> None:
    tokens, _ = vocabulary()

    assert {f"{word}</w>" for word in words()} <= tokens.keys()


@needs_the_font
def test_a_scene_is_drawn_alike_each_time() -> None:
    scene = draw_scene(Random(5))

    assert render(scene).tobytes() == render(scene).tobytes()


@needs_the_font
@pytest.mark.parametrize("colour", COLOURS)
def test_a_background_has_its_colour_to_the_edges(colour: str) -> None:
    seen = np.asarray(render(Scene(subjects=(CAT,), background=colour)))

    assert np.abs(seen[:4].astype(int) - COLOURS[colour]).max() <= 7
    assert np.abs(seen[:, -4:].astype(int) - COLOURS[colour]).max() <= 7


@needs_the_font
def test_a_hat_is_above_the_subject() -> None:
    bare, hatted = (
        _darkness(render(Scene(subjects=(CAT,), background="yellow", has_hat=has_hat))) for has_hat in (False, True)
    )

    assert hatted[:64].sum() > 2 * bare[:64].sum()


@needs_the_font
@pytest.mark.parametrize(("place", "axis", "before"), [("left", 1, True), ("right", 1, False), ("top", 0, True)])
def test_a_place_is_where_it_says(place: str, axis: int, before: bool) -> None:
    scene = Scene(subjects=(CAT,), background="white", place=Place(place), size=Size.SMALL)
    seen = np.asarray(render(scene)).astype(int)
    differs = np.abs(seen - seen[0, -1]).sum(axis=2) > 60

    middle = np.argwhere(differs).mean(axis=0)[axis]

    assert (middle < 50) if before else (middle > 78)


@needs_the_font
@pytest.mark.parametrize("subject", SUBJECTS, ids=lambda subject: subject.words[0])
def test_every_subject_is_to_be_seen_on_every_background(subject: Subject) -> None:
    for colour in COLOURS:
        seen = np.asarray(render(Scene(subjects=(subject,), background=colour))).astype(int)
        assert (np.abs(seen - seen[0, 0]).sum(axis=2) > 40).mean() > 0.02, colour


@needs_the_font
def test_lights_change_the_whole_picture() -> None:
    means = {
        light: np.asarray(render(Scene(subjects=(CAT,), background="grey", light=light))).mean(axis=(0, 1))
        for light in Light
    }

    assert means[Light.NIGHT].mean() < 0.6 * means[Light.USUAL].mean()
    assert means[Light.WARM][2] < means[Light.USUAL][2] < means[Light.COLD][2]
    assert means[Light.SNOW].mean() > means[Light.USUAL].mean()


@needs_the_font
def test_a_painted_subject_has_the_other_hue() -> None:
    for colour in HUES:
        seen = render(Scene(subjects=(CAT,), background="white", painted=colour)).resize((1, 1))
        own = render(Scene(subjects=(CAT,), background="white")).resize((1, 1))
        assert colour in ("orange", "yellow") or seen.getpixel((0, 0)) != own.getpixel((0, 0))


def _darkness(picture: Image.Image) -> Any:
    return (np.asarray(picture).sum(axis=2) < 200).astype(int)
