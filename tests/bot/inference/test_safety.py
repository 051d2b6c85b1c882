"""The image check with a tiny model of the very class, in a folder as the hub has it; and with a classifier."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

from bot.errors import CannotStart, JobFailed
from bot.inference.safety import checked, flagging, load_checker
from tests.bot.inference.checkers import RED, SIDE, make_checker

BLUE = Image.new("RGB", (64, 64), "blue")


@pytest.fixture(scope="module")
def concept_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checker that flags what looks like a red picture to it."""
    folder = tmp_path_factory.mktemp("checker")
    make_checker(folder)
    return folder


@pytest.fixture(scope="module")
def class_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classifier that takes everything for the second of its labels."""
    folder = tmp_path_factory.mktemp("classifier")
    config = ViTConfig(
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=16,
        id2label={0: "normal", 1: "NSFW"},
        label2id={"normal": 0, "NSFW": 1},
    )
    model: Any = ViTForImageClassification(config)
    with torch.no_grad():
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([0.0, 5.0]))
    model.save_pretrained(folder)
    ViTImageProcessor(size={"height": SIDE, "width": SIDE}).save_pretrained(folder)
    return folder


def test_what_is_near_to_a_concept_is_flagged_and_nothing_else(concept_folder: Path) -> None:
    checker = load_checker(str(concept_folder), "cpu")

    assert checker.flags(RED)
    assert not checker.flags(BLUE)


def test_the_picture_stays_as_it_is(concept_folder: Path) -> None:
    picture = RED.copy()
    load_checker(str(concept_folder), "cpu").flags(picture)

    assert picture.tobytes() == RED.tobytes()


def test_a_checker_may_stand_in_a_pipelines_folder(concept_folder: Path, tmp_path: Path) -> None:
    for file in concept_folder.iterdir():
        part = tmp_path / ("feature_extractor" if "preprocessor" in file.name else "safety_checker")
        part.mkdir(exist_ok=True)
        shutil.copy(file, part)

    assert load_checker(str(tmp_path), "cpu").flags(RED)


def test_a_classifier_flags_by_its_labels(class_folder: Path) -> None:
    assert load_checker(str(class_folder), "cpu").flags(BLUE)


def test_a_classifier_without_such_a_label_is_none() -> None:
    assert flagging({0: "normal", 1: "NSFW", 2: "Porn"}) == [1, 2]
    with pytest.raises(ValueError, match="cat, dog"):
        flagging({0: "cat", 1: "dog"})


@pytest.mark.parametrize("content", [None, "{}", "no json"])
def test_what_is_no_checker_is_told_with_its_name(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(CannotStart, match=f"The image check {tmp_path}"):
        load_checker(str(tmp_path), "cpu")


def test_without_a_checker_nothing_is_said() -> None:
    assert checked(None, RED) is None


def test_what_cannot_be_checked_fails_its_job() -> None:
    class Broken:
        def flags(self, picture: Image.Image) -> bool:
            raise RuntimeError("CUDA error")

    with pytest.raises(JobFailed) as failed:
        checked(Broken(), RED)
    assert failed.value.code == "check_failed"
