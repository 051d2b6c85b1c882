"""Kinds of pictures that marks are tried on, and what is marked with which marker."""

import io
import json
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from bot.jobs import Image as Painting
from bot.jobs import Recipe, Sampler, Stage

Pixels = NDArray[np.uint8]

#: A day in 2027.
NOW = 1_800_000_000.0
SIDES = (512, 1024)
RECIPE = Recipe(
    stage=Stage.BASE,
    model="stabilityai/stable-diffusion-xl-base-1.0",
    prompt='a "cat" & <a hat>, naïve 猫 🎩',
    negative_prompt="blurry",
    width=512,
    height=512,
    seed=7,
    sampler=Sampler.EULER,
    num_inference_steps=30,
    guidance_scale=5.0,
)


def flat(side: int, *colour: int) -> Pixels:
    picture = np.empty((side, side, 3), np.uint8)
    picture[:] = colour
    return picture


def gradient(side: int) -> Pixels:
    y, x = np.mgrid[0:side, 0:side] / (side - 1)
    return np.stack([255 * x, 255 * y, 255 * (1 - x) * (1 - y)], -1).astype(np.uint8)


def noise(side: int) -> Pixels:
    return np.random.default_rng(1).integers(0, 256, (side, side, 3), dtype=np.uint8)


@cache
def photo(side: int) -> Pixels:
    """Blots of four sizes, each finer one fainter, and the grain of a sensor. Always the same, and read-only."""
    chance = np.random.default_rng(2)
    light = np.full((side, side, 3), 128.0)
    for blots in (4, 16, 64, 256):
        coarse = chance.normal(0, 120 / blots**0.5, (blots, blots, 3)).astype(np.float32)
        for channel in range(3):
            light[..., channel] += np.asarray(Image.fromarray(coarse[..., channel]).resize((side, side)))
    picture = np.clip(light + chance.normal(0, 3, light.shape), 0, 255).astype(np.uint8)
    picture.flags.writeable = False
    return picture


def emoji(side: int) -> Pixels:
    """A bright thing on plain white."""
    y, x = np.mgrid[0:side, 0:side] / side - 0.5
    picture = flat(side, 255, 255, 255)
    picture[x**2 + y**2 < 0.1] = (255, 204, 77)
    return picture


KINDS: Mapping[str, Callable[[int], Pixels]] = {
    "photo": photo,
    "emoji": emoji,
    "gradient": gradient,
    "noise": noise,
    "white": lambda side: flat(side, 255, 255, 255),
    "black": lambda side: flat(side, 0, 0, 0),
    "grey": lambda side: flat(side, 128, 128, 128),
    "red": lambda side: flat(side, 255, 0, 0),
    "blue": lambda side: flat(side, 0, 0, 255),
    "yellow": lambda side: flat(side, 255, 255, 0),
    "violet": lambda side: flat(side, 200, 180, 255),
}


def decoded(encoded: bytes) -> Pixels:
    with Image.open(io.BytesIO(encoded)) as picture:
        return np.asarray(picture.convert("RGB"))


def plain_png(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", compress_level=1)
    return file.getvalue()


def painting(image_id: str, recipe: Recipe | None = RECIPE) -> Painting:
    """As the index has it."""
    return Painting(
        id=image_id,
        job_id=None if recipe is None else "job",
        requester="test:ann",
        space="test:studio",
        parent_id=None,
        file="image.png",
        sha256="0" * 64,
        size=1,
        width=512,
        height=512,
        recipe=recipe,
        created_at=NOW,
    )


def told_by_exiftool(encoded: bytes, folder: Path, suffix: str) -> dict[str, Any]:
    """By group and tag, as in XMP-xmp:CreatorTool."""
    path = folder / f"image.{suffix}"
    path.write_bytes(encoded)
    ran = subprocess.run(["exiftool", "-json", "-G1", "-short", path], capture_output=True, check=True)
    told: dict[str, Any] = json.loads(ran.stdout)[0]
    return told
