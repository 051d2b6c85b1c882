"""What latents look like, where no VAE is asked."""

import io
import json
from pathlib import Path

import torch
from PIL import Image

from bot.inference.preview import COLOURS_FILE, SDXL_COLOURS, colours_of, preview


def test_a_vaes_folder_may_say_what_its_latents_look_like(tmp_path: Path) -> None:
    told = {"to_rgb": [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0]], "bias": [0, 0, -1]}
    (tmp_path / COLOURS_FILE).write_text(json.dumps(told))
    x0 = torch.zeros(4, 8, 8)
    x0[0] = 1

    shown = Image.open(io.BytesIO(preview(x0, colours_of(tmp_path))))

    red, green, blue = shown.getpixel((30, 30))  # type: ignore[misc]
    assert (red > 245, abs(green - 128) < 8, blue < 10) == (True, True, True)


def test_a_folder_that_says_nothing_of_it_has_sdxls(tmp_path: Path) -> None:
    assert colours_of(tmp_path) is SDXL_COLOURS
