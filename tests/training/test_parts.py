import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLPipeline

from bot.inference.pipelines import DEMO_FOLDER
from bot.inference.preview import Colours
from training import demo, parts
from training.denoisers import Encoders
from training.vocabulary import WORDS, vocabulary

#: What training decides, and versions.
LEFT_OPEN = {"scaling_factor", "to_rgb", "bias", "_diffusers_version", "_name_or_path", "transformers_version"}


def configs(folder: Path) -> dict[str, Any]:
    files = [file for file in folder.rglob("*.json") if file.is_file()]
    return {str(file.relative_to(folder)): json.loads(file.read_text(encoding="utf-8")) for file in files}


# diffusers warns that it would cast nothing.
@pytest.mark.filterwarnings("ignore")
def test_the_committed_checkpoint_is_made_of_these_parts(tmp_path: Path) -> None:
    demo.write(tmp_path, parts.base_unet(), parts.refiner_unet(), Encoders(), parts.vae())

    demo.write_colours(tmp_path, Colours(torch.zeros(4, 3), torch.zeros(3)))
    made, committed = configs(tmp_path), configs(DEMO_FOLDER)

    assert made.keys() == committed.keys()
    for name, config in made.items():
        open_, there = ({key for key in each if key not in LEFT_OPEN} for each in (config, committed[name]))
        assert open_ == there, name
        assert all(config[key] == committed[name][key] for key in open_), name
    sizes = {str(file.relative_to(tmp_path)): file.stat().st_size for file in tmp_path.rglob("*.safetensors")}
    assert sizes == {name: (DEMO_FOLDER / name).stat().st_size for name in sizes}


def test_every_byte_is_a_token_so_that_any_text_can_be_written() -> None:
    tokens, _ = vocabulary()

    assert sorted(tokens.values()) == list(range(len(tokens)))
    assert sum(len(token) == 1 for token in tokens) == 256


def test_each_of_its_words_is_one_token() -> None:
    tokens, merges = vocabulary()

    assert {f"{word}</w>" for word in WORDS.split()} <= tokens.keys()
    assert all(one + other in tokens for one, other in merges)


def test_prompts_are_encoded_as_the_pipelines_do_it() -> None:
    encoders = Encoders().eval()
    first, second = parts.tokenizers()
    pipeline = StableDiffusionXLPipeline(
        vae=parts.vae(),
        text_encoder=encoders.first,
        text_encoder_2=encoders.second,
        tokenizer=first,
        tokenizer_2=second,
        unet=parts.base_unet(),
        scheduler=parts.scheduler(),
        add_watermarker=False,
    )

    embeds, _, pooled, _ = pipeline.encode_prompt("a cat in a hat", do_classifier_free_guidance=False)
    ours, ours_pooled = encoders.both(["a cat in a hat"])

    assert ours.equal(embeds)
    assert ours_pooled.equal(pooled)
