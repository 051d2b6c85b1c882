"""Trains the demo model, or goes on with it where it was interrupted, and writes its checkpoint.

    python -m training.demo WORK bot/inference/demo

WORK keeps what is between: some 400 MB. Each stage is done once its steps are done; more steps than before train it on.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from torch.nn import functional

from bot.inference.preview import COLOURS_FILE, Colours
from training import autoencoder, denoisers, parts
from training.autoencoder import pixels
from training.course import tell
from training.denoisers import Encoders
from training.latents import Pool, pools, scaling_factor
from training.scenes import render


def main(
    work: Annotated[Path, typer.Argument(help="A folder for checkpoints.")],
    checkpoint: Annotated[Path, typer.Argument(help="Where the model is written.")],
    vae_steps: int = 8000,
    base_steps: int = 8000,
    refiner_steps: int = 2000,
    decoder_steps: int = 2000,
) -> None:
    work.mkdir(parents=True, exist_ok=True)
    vae = autoencoder.train(work, vae_steps)
    tell("vae", vae_steps, vae_steps, unseen_psnr=autoencoder.psnr(vae)[0])
    sharp = pools(work, vae)
    scale = scaling_factor(sharp)
    vae.register_to_config(scaling_factor=scale)
    colours = guessed_colours(sharp[0], scale)
    base, encoders = denoisers.base(work, base_steps, sharp, scale)
    refiner = denoisers.refiner(work, refiner_steps, sharp, pools(work, vae, 0.2, blurred=True), scale, encoders)
    vae = autoencoder.sharpen(work, vae, decoder_steps)
    tell("decoder", decoder_steps, decoder_steps, unseen_psnr=autoencoder.psnr(vae)[0])
    write(checkpoint, base, refiner, encoders, vae)
    write_colours(checkpoint, colours)


def guessed_colours(pool: Pool, scale: float, scenes: int = 1000) -> Colours:
    """By least squares, from pictures in small."""
    small = functional.avg_pool2d(pixels([render(scene) for scene in pool.scenes[:scenes]]), 8)
    latents = scale * pool.latents[:scenes].float()
    known = functional.pad(latents.permute(0, 2, 3, 1).flatten(0, 2), (0, 1), value=1)
    solved = torch.linalg.lstsq(known, small.permute(0, 2, 3, 1).flatten(0, 2)).solution
    return Colours(solved[:-1], solved[-1])


def write_colours(folder: Path, colours: Colours) -> None:
    told = {
        "to_rgb": [[round(value, 4) for value in row] for row in colours.to_rgb.tolist()],
        "bias": [round(value, 4) for value in colours.bias.tolist()],
    }
    for part in ("base", "refiner"):
        file = folder / part / "vae" / COLOURS_FILE
        file.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def write(folder: Path, base: Any, refiner: Any, encoders: Encoders, vae: Any) -> None:
    """As SDXL is published: two folders in fp16."""
    first, second = parts.tokenizers()
    shared = {"text_encoder_2": encoders.second, "tokenizer_2": second, "vae": vae, "scheduler": parts.scheduler()}
    pipelines = {
        "base": StableDiffusionXLPipeline(
            text_encoder=encoders.first, tokenizer=first, unet=base, add_watermarker=False, **shared
        ),
        "refiner": StableDiffusionXLImg2ImgPipeline(
            text_encoder=None,
            tokenizer=None,
            unet=refiner,
            requires_aesthetics_score=True,
            force_zeros_for_empty_prompt=False,
            add_watermarker=False,
            **shared,
        ),
    }
    for name, pipeline in pipelines.items():
        pipeline.to(torch.float16).save_pretrained(folder / name, variant="fp16")


if __name__ == "__main__":
    typer.run(main)
