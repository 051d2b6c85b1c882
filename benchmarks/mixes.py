"""Random mixes of requests as people make them: every sampler and stage, other words, sizes, steps and guidance."""

import random
from collections.abc import Iterator
from typing import Any

from bot.jobs import ImageRequest, Refinement, Sampler, Stage

WORDS = (
    "a",
    "cat",
    "in",
    "hat",
    "red",
    "small",
    "dog",
    "on",
    "the",
    "moon",
    "with",
    "snow",
    "watercolor",
    "old house,",
)
SIDES = (64, 96, 128)
#: The ways to an image: base, base and refiner, refiner from a picture, base from a picture.
WAYS = 4


def requests(chance: random.Random, number: int) -> Iterator[ImageRequest | Refinement]:
    """Ways and samplers take turns, everything else is by chance."""
    samplers = list(Sampler)
    for index in range(number):
        yield _request(chance, way=index % WAYS, sampler=samplers[index // WAYS % len(samplers)])


def _request(chance: random.Random, way: int, sampler: Sampler) -> ImageRequest | Refinement:
    said: dict[str, Any] = {
        "prompt": " ".join(chance.choices(WORDS, k=chance.randint(1, 12))),
        "negative_prompt": chance.choice([None, "", "text, watermark", "blur"]),
        "num_inference_steps": chance.randint(5, 8),
        "guidance_scale": chance.choice([0.0, 1.0, 5.0, chance.uniform(1, 9)]),
        "sampler": sampler,
        "seed": chance.randrange(2**32),
    }
    size: dict[str, Any] = {"width": chance.choice(SIDES), "height": chance.choice(SIDES)}
    match way:
        case 0:
            return ImageRequest(**said, **size)
        case 1:
            return ImageRequest(**said, **size, refine_at=0.8)
        case 2:
            return Refinement(image_id="parent", strength=chance.uniform(0.3, 1.0), stage=Stage.REFINER, **said)
        case _:
            return Refinement(image_id="parent", strength=chance.uniform(0.55, 1.0), stage=Stage.BASE, **said)
