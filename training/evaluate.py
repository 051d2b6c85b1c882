"""Measures the demo model: what was asked for against fresh renders of all that it might have painted.

    python -m training.evaluate bot/inference/demo

Stock diffusers paints, so that nothing of Limner's own can flatter the figures.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from PIL import Image
from torch.nn import functional

from training.autoencoder import pixels, psnr
from training.scenes import COLOURS, EXTENTS, SIDE, Scene, Size, render, stand_alone
from training.subjects import SUBJECTS, Subject

SEEDS = 3
STEPS, GUIDANCE = 20, 5.0
AT_ONCE = 11
#: As people say it; each seed takes another one.
PHRASES = ("a {} on a {} background", "{1} sky, a {0}", "a {} with a {} background")
#: Renders are compared in small, so that a pixel more or less does not count.
SMALL = 32
SHIFTS = (-0.05, 0.0, 0.05)
EXTENT_STEPS = 5
STRONG = 0.8
REFINE_AT = 0.8


@dataclass(frozen=True, slots=True)
class Asked:
    subject: Subject
    colour: str
    has_hat: bool
    seed: int

    @property
    def prompt(self) -> str:
        thing = f"{self.subject.words[0]} in a hat" if self.has_hat else self.subject.words[0]
        text = PHRASES[self.seed % SEEDS].format(thing, self.colour)
        return text.replace("a orange", "an orange")


class Judge:
    """Names what a picture shows: the nearest render of all subjects, with and without a hat, in several sizes and
    places."""

    def __init__(self) -> None:
        low, high = EXTENTS[Size.USUAL]
        extents = np.linspace(low - 0.03, high + 0.03, EXTENT_STEPS)
        self._kinds = list(product(range(len(SUBJECTS)), (False, True)))
        drawn = [
            [
                stand_alone(SUBJECTS[number], has_hat, extent, (0.5 + dx, 0.5 + dy))
                for extent, dx, dy in product(extents, SHIFTS, SHIFTS)
            ]
            for number, has_hat in self._kinds
        ]
        self._each = len(drawn[0])
        layers = torch.from_numpy(np.stack([np.asarray(picture) for kind in drawn for picture in kind])).float() / 255
        layers = layers.permute(0, 3, 1, 2)
        alpha = layers[:, 3:]
        # Weighted by alpha, so that what is behind does not shine through when it is made smaller.
        self._alpha = _small(alpha)
        self._colours = _small(layers[:, :3] * alpha)

    def names(self, picture: Image.Image) -> tuple[Subject, bool, float]:
        """Subject, whether there is a hat, and the mean squared distance in [0, 1]."""
        seen = (pixels([picture]) + 1) / 2
        behind = torch.tensor(border(picture)).view(1, 3, 1, 1) / 255
        renders = self._colours + (1 - self._alpha) * behind
        distances = (renders - _small(seen)).square().mean(dim=(1, 2, 3)).view(-1, self._each).amin(dim=1)
        number, has_hat = self._kinds[int(distances.argmin())]
        return SUBJECTS[number], has_hat, float(distances.min())


def border(picture: Image.Image) -> tuple[float, float, float]:
    """The median colour along the edges."""
    ring = np.asarray(picture)
    edges = np.concatenate(
        [ring[:3].reshape(-1, 3), ring[-3:].reshape(-1, 3), ring[:, :3].reshape(-1, 3), ring[:, -3:].reshape(-1, 3)]
    )
    red, green, blue = np.median(edges, axis=0)
    return float(red), float(green), float(blue)


def colour_of(picture: Image.Image) -> str:
    """The nearest of COLOURS to its background."""
    seen = np.array(border(picture))
    return min(COLOURS, key=lambda name: float(np.square(seen - COLOURS[name]).sum()))


def all_asked() -> list[Asked]:
    colours = list(COLOURS)
    return [
        Asked(subject, colours[(number * 5 + seed * 7) % len(colours)], (number + seed) % 2 == 1, seed)
        for number, subject in enumerate(SUBJECTS)
        for seed in range(SEEDS)
    ]


@dataclass(frozen=True, slots=True)
class Score:
    background: float
    subject: float
    hat: float
    distance: float
    #: What was asked for where another subject was seen, and which.
    mistaken: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, judge: Judge, asked: Sequence[Asked], pictures: Sequence[Image.Image]) -> "Score":
        seen = [judge.names(picture) for picture in pictures]
        pairs = list(zip(asked, seen, strict=True))
        return cls(
            background=_part(colour_of(picture) == each.colour for each, picture in zip(asked, pictures, strict=True)),
            subject=_part(subject is each.subject for each, (subject, _, _) in pairs),
            hat=_part(has_hat == each.has_hat for each, (_, has_hat, _) in pairs),
            distance=float(np.mean([distance for _, _, distance in seen])),
            mistaken=tuple(
                (each.subject.words[0], subject.words[0])
                for each, (subject, _, _) in pairs
                if subject is not each.subject
            ),
        )


def main(folder: Annotated[Path, typer.Argument(help="The checkpoint.")], sheet: Path | None = None) -> None:
    base, refiner = load(folder)
    judge, asked = Judge(), all_asked()
    each, all_together = psnr(base.vae)
    row("VAE, PSNR of unseen scenes, mean of each", f"{each:.1f} dB", "28 dB")
    row("VAE, PSNR of the mean error of all of them", f"{all_together:.1f} dB", "")
    size = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
    row("base and refiner in fp16", f"{size / 1e6:.1f} MB", "40 MB")
    row("one image of 20 steps", f"{seconds(base):.2f} s", "3 s")
    tell_score("fresh renders", Score.of(judge, asked, [render(scene(each)) for each in asked]))
    pictures = paint(base, asked)
    tell_score("base", Score.of(judge, asked, pictures))
    shared = paint(base, asked, refiner)
    tell_score("base and refiner", Score.of(judge, asked, shared))
    row("edges with the refiner", f"{edges(shared) / edges(pictures):.2f} times the base's", "")
    changed_background = [replace(each, colour=_other(each.colour)) for each in asked]
    changed = image_to_image(base, changed_background, pictures)
    row("another background, strength 0.8", f"{Score.of(judge, changed_background, changed).background:.1%}", "")
    bare = [number for number, each in enumerate(asked) if not each.has_hat]
    hatted = [replace(asked[number], has_hat=True) for number in bare]
    dressed = image_to_image(base, hatted, [pictures[number] for number in bare])
    row("a hat added, strength 0.8", f"{Score.of(judge, hatted, dressed).hat:.1%}", "")
    if sheet is not None:
        save_sheet(sheet, [pictures, shared])


def row(name: str, figure: str, goal: str) -> None:
    print(f"| {name} | {figure} | {goal} |", flush=True)


def tell_score(name: str, score: Score) -> None:
    row(f"{name}: background right", f"{score.background:.1%}", "95 %")
    row(f"{name}: subject right", f"{score.subject:.1%}", "85 %")
    row(f"{name}: hat right", f"{score.hat:.1%}", "90 %")
    row(f"{name}: distance to the nearest render", f"{score.distance:.4f}", "")
    print("  mistaken:", ", ".join(f"{asked} for {seen}" for asked, seen in score.mistaken) or "none", flush=True)


def load(folder: Path) -> tuple[Any, Any]:
    how = {"variant": "fp16", "dtype": torch.float32, "add_watermarker": False}
    base = StableDiffusionXLPipeline.from_pretrained(folder / "base", **how)
    refiner = StableDiffusionXLImg2ImgPipeline.from_pretrained(folder / "refiner", **how)
    for pipeline in (base, refiner):
        pipeline.set_progress_bar_config(disable=True)
    return base, refiner


def scene(asked: Asked) -> Scene:
    return Scene(subjects=(asked.subject,), background=asked.colour, has_hat=asked.has_hat, seed=asked.seed)


def paint(base: Any, asked: Sequence[Asked], refiner: Any = None) -> list[Image.Image]:
    pictures = []
    for some in _in_batches(asked):
        prompts = [each.prompt for each in some]
        common: dict[str, Any] = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE}
        noise = [torch.Generator().manual_seed(each.seed) for each in some]
        if refiner is None:
            pictures += base(prompts, generator=noise, **common).images
        else:
            latents = base(prompts, generator=noise, denoising_end=REFINE_AT, output_type="latent", **common).images
            pictures += refiner(prompts, image=latents, denoising_start=REFINE_AT, generator=noise, **common).images
    return pictures


def image_to_image(base: Any, asked: Sequence[Asked], pictures: Sequence[Image.Image]) -> list[Image.Image]:
    pipeline = StableDiffusionXLImg2ImgPipeline(**base.components)
    pipeline.set_progress_bar_config(disable=True)
    changed = []
    for some in _in_batches(list(zip(asked, pictures, strict=True))):
        prompts, images = [each.prompt for each, _ in some], [picture for _, picture in some]
        noise = [torch.Generator().manual_seed(each.seed + 100) for each, _ in some]
        changed += pipeline(
            prompts, image=images, strength=STRONG, num_inference_steps=30, guidance_scale=GUIDANCE, generator=noise
        ).images
    return changed


def seconds(base: Any) -> float:
    """The best of three, after a first one."""

    def once() -> float:
        began = time.perf_counter()
        base("a cat in a hat", num_inference_steps=STEPS, guidance_scale=GUIDANCE)
        return time.perf_counter() - began

    return min([once() for _ in range(4)][1:])


def edges(pictures: Sequence[Image.Image]) -> float:
    """The mean difference between neighbouring pixels."""
    seen = pixels(list(pictures))
    return float(seen.diff(dim=2).abs().mean() + seen.diff(dim=3).abs().mean())


def save_sheet(file: Path, columns: Sequence[Sequence[Image.Image]], across: int = 24) -> None:
    """Each row of pictures above its counterparts."""
    count = len(columns[0])
    rows = -(-count // across)
    sheet = Image.new("RGB", (across * SIDE, rows * len(columns) * SIDE))
    for layer, pictures in enumerate(columns):
        for number, picture in enumerate(pictures):
            sheet.paste(picture, (number % across * SIDE, (number // across * len(columns) + layer) * SIDE))
    sheet.save(file)


def _in_batches(things: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for first in range(0, len(things), AT_ONCE):
        yield things[first : first + AT_ONCE]


def _small(layers: torch.Tensor) -> torch.Tensor:
    return functional.adaptive_avg_pool2d(layers, SMALL)


def _part(right: Iterator[bool]) -> float:
    return float(np.mean(list(right)))


def _other(colour: str) -> str:
    colours = list(COLOURS)
    return colours[(colours.index(colour) + 5) % len(colours)]


if __name__ == "__main__":
    typer.run(main)
