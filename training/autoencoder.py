"""Trains the VAE on crops of scenes."""

from pathlib import Path
from random import Random

import numpy as np
import torch
from diffusers import AutoencoderKL
from PIL import Image
from torch.nn import functional

from training import parts
from training.checkpoint import Checkpoint
from training.course import learn, learning_rate, tell
from training.scenes import draw_scene, render

CROP = 64
SCENES, CROPS = 4, 4
RATE, DECODER_RATE = 1e-3, 6e-4
#: Of the decoder's last training, beside what edges count.
SQUARED_WEIGHT = 10.0
#: Of the KL divergence to the other losses: latents near a normal distribution, and a decoder that bears some noise.
KL_WEIGHT = 2e-4
#: At first the latents are told to be the picture in small, and little noisy: by itself it would take long to find that
#: the colours can be passed on.
LEAD_WEIGHT, LEAD_STEPS, LEAD_SCALE = 2.0, 600, 1.5
FIRST_LOGVAR = -5.0
UNSEEN = 10**9


def pixels(pictures: list[Image.Image]) -> torch.Tensor:
    """RGB in [-1, 1], [pictures, 3, height, width]."""
    stacked = np.stack([np.asarray(picture) for picture in pictures])
    return torch.from_numpy(stacked).permute(0, 3, 1, 2).float() / 127.5 - 1


def train(folder: Path, steps: int) -> AutoencoderKL:
    torch.manual_seed(1)
    vae = parts.vae()
    with torch.no_grad():
        vae.quant_conv.bias[vae.config.latent_channels :] = FIRST_LOGVAR
    optimizer = torch.optim.AdamW(vae.parameters(), RATE, betas=(0.9, 0.99), weight_decay=1e-4)
    checkpoint = Checkpoint(folder / "vae.pt", vae=vae, optimizer=optimizer)
    for step in checkpoint.steps(steps):
        truth = _crops(Random(f"crops {step}"))
        posterior = vae.encode(truth).latent_dist
        seen = vae.decode(posterior.sample()).sample
        lead = LEAD_WEIGHT * max(0, 1 - step / LEAD_STEPS) * _distance_to_small(posterior.mean, truth)
        loss = reconstruction(seen, truth) + KL_WEIGHT * _divergence(posterior) + lead
        learn(optimizer, loss, learning_rate(RATE, step, steps))
        if step % 50 == 0:
            spread = posterior.mean.std().item()
            tell("vae", step, steps, loss=loss.item(), latents=spread, psnr=_psnr(seen.detach(), truth))
    return vae.eval().requires_grad_(False)


def sharpen(folder: Path, vae: AutoencoderKL, steps: int) -> AutoencoderKL:
    """Trains the decoder alone, towards the lowest squared error, which PSNR counts. Latents stay as they are."""
    torch.manual_seed(4)
    decoder = torch.nn.ModuleList([vae.post_quant_conv, vae.decoder]).train().requires_grad_(True)
    optimizer = torch.optim.AdamW(decoder.parameters(), DECODER_RATE, betas=(0.9, 0.99), weight_decay=1e-4)
    checkpoint = Checkpoint(folder / "decoder.pt", decoder=decoder, optimizer=optimizer)
    for step in checkpoint.steps(steps):
        truth = _crops(Random(f"decoder {step}"))
        with torch.no_grad():
            latents = vae.encode(truth).latent_dist.sample()
        seen = vae.decode(latents).sample
        loss = SQUARED_WEIGHT * functional.mse_loss(seen, truth) + 0.2 * reconstruction(seen, truth)
        learn(optimizer, loss, learning_rate(DECODER_RATE, step, steps))
        if step % 50 == 0:
            tell("decoder", step, steps, loss=loss.item(), psnr=_psnr(seen.detach(), truth))
    return vae.eval().requires_grad_(False)


def reconstruction(seen: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Edges count more than they do in the mean alone."""
    edges = sum(functional.l1_loss(seen.diff(dim=axis), truth.diff(dim=axis)) for axis in (2, 3))
    return functional.l1_loss(seen, truth) + 2 * functional.mse_loss(seen, truth) + edges


@torch.no_grad()
def psnr(vae: AutoencoderKL, scenes: int = 200) -> tuple[float, float]:
    """Decibels over unseen scenes: the mean of each picture's, and that of the mean error of all."""
    chance = Random(UNSEEN)
    errors = []
    for _ in range(scenes // 10):
        truth = pixels([render(draw_scene(chance)) for _ in range(10)])
        seen = vae.decode(vae.encode(truth).latent_dist.mode()).sample.clamp(-1, 1)
        errors.append((seen - truth).square().mean(dim=(1, 2, 3)))
    every = torch.cat(errors)
    return sum(map(_decibels, every)) / len(every), _decibels(every.mean())


def _crops(chance: Random) -> torch.Tensor:
    crops = []
    for _ in range(SCENES):
        picture = render(draw_scene(chance))
        for _ in range(CROPS):
            left, top = (chance.randint(0, side - CROP) for side in picture.size)
            crops.append(picture.crop((left, top, left + CROP, top + CROP)))
    return pixels(crops)


def _distance_to_small(latents: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    small = functional.avg_pool2d(truth, 8)
    return functional.mse_loss(latents[:, : small.shape[1]], LEAD_SCALE * small)


def _divergence(posterior: object) -> torch.Tensor:
    mean, logvar = posterior.mean, posterior.logvar  # type: ignore[attr-defined]
    divergence: torch.Tensor = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
    return divergence


def _psnr(seen: torch.Tensor, truth: torch.Tensor) -> float:
    return _decibels(functional.mse_loss(seen, truth))


def _decibels(error: torch.Tensor) -> float:
    """Of values from -1 to 1."""
    return (10 * torch.log10(4 / error)).item()
