"""Scenes as latents, encoded once, so that the UNets see them many times with ever new captions and noise."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import torch
from diffusers import AutoencoderKL
from PIL import Image, ImageFilter

from training.autoencoder import pixels
from training.course import tell
from training.scenes import SIDE, Scene, draw_scene, render

#: Width and height in pixels -> scenes. Most are square, as most that is asked for is.
SIZES = {(SIDE, SIDE): 24_000, (160, 96): 2_000, (96, 160): 2_000, (192, 128): 2_000, (128, 192): 2_000}
AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Pool:
    """Of one size."""

    scenes: list[Scene]
    #: Unscaled means, [scenes, 4, height / 8, width / 8], float16.
    latents: torch.Tensor

    def draw(self, count: int, chance: Random) -> tuple[list[Scene], torch.Tensor]:
        chosen = [chance.randrange(len(self.scenes)) for _ in range(count)]
        return [self.scenes[number] for number in chosen], self.latents[chosen].float()


def pools(folder: Path, vae: AutoencoderKL, share: float = 1.0, *, blurred: bool = False) -> list[Pool]:
    """Of each size of SIZES, with that share of its scenes; kept in files of the folder."""
    return [_pool(folder, vae, size, round(share * count), blurred) for size, count in SIZES.items()]


def scaling_factor(pools: list[Pool]) -> float:
    """Makes the latents' standard deviation 1."""
    return 1 / pools[0].latents.float().std().item()


def _pool(folder: Path, vae: AutoencoderKL, size: tuple[int, int], count: int, blurred: bool) -> Pool:
    width, height = size
    name = f"{'blurred' if blurred else 'sharp'}-{width}x{height}"
    scenes = [draw_scene(Random(f"{name} {number}"), width, height) for number in range(count)]
    file = folder / f"{name}.pt"
    if not file.exists():
        tell(name, 0, count)
        encoded = torch.cat(list(_encoded(vae, scenes, _blur if blurred else _as_it_is)))
        torch.save(encoded, file)
    return Pool(scenes, torch.load(file, weights_only=True))


@torch.inference_mode()
def _encoded(
    vae: AutoencoderKL, scenes: list[Scene], alter: Callable[[Image.Image, Scene], Image.Image]
) -> Iterator[torch.Tensor]:
    for first in range(0, len(scenes), AT_ONCE):
        pictures = [alter(render(scene), scene) for scene in scenes[first : first + AT_ONCE]]
        yield vae.encode(pixels(pictures)).latent_dist.mode().half()


def _as_it_is(picture: Image.Image, scene: Scene) -> Image.Image:
    return picture


def _blur(picture: Image.Image, scene: Scene) -> Image.Image:
    return picture.filter(ImageFilter.GaussianBlur(Random(scene.seed).uniform(0.8, 2.5)))
