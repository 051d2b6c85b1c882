"""Trains the base with its text encoders, then the refiner: both predict the noise, as SDXL does."""

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import Any

import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import EMAModel
from torch import nn

from training import parts
from training.captions import caption
from training.checkpoint import Checkpoint
from training.course import learn, learning_rate, tell
from training.latents import Pool

BATCH = 32
RATE = 1e-3
AVERAGED = 0.999
#: Of the pictures with the most common size.
SQUARE = 0.76
#: Captions that are left out, for guidance.
DROPPED = 0.1
#: Caps what little noise counts (Hang et al., 2023, "Efficient Diffusion Training via Min-SNR Weighting Strategy").
SNR_CAP = 5.0
#: SDXL's refiner was trained for the last fifth of the noise. Ours sees more now and then, as pictures are refined with
#: half of the noise where nobody says how much.
REFINER_NOISE, REFINER_NOISE_MOST = 200, 560
#: Aesthetics scores: what the pipelines give for the prompt and for the negative one.
SHARP_SCORE, BLURRED_SCORE = 6.0, 2.5
BLURRED_PART = 0.25


class Encoders(nn.Module):
    """Prompts -> what the UNets take, as SDXL's pipelines do it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = parts.encoders()
        self._tokenizers = parts.tokenizers()

    def both(self, captions: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Embeddings, [captions, 77, width], and pooled ones, [captions, width]."""
        embeds = self.first(self._tokens(0, captions), output_hidden_states=True).hidden_states[-2]
        second, pooled = self.second_only(captions)
        return torch.cat([embeds, second], dim=-1), pooled

    def second_only(self, captions: Sequence[str]) -> tuple[torch.Tensor, torch.Tensor]:
        encoded = self.second(self._tokens(1, captions), output_hidden_states=True)
        return encoded.hidden_states[-2], encoded.text_embeds

    def _tokens(self, which: int, captions: Sequence[str]) -> torch.Tensor:
        tokens: torch.Tensor = self._tokenizers[which](
            list(captions), padding="max_length", max_length=77, truncation=True, return_tensors="pt"
        ).input_ids
        return tokens


class Course:
    """One UNet's training: optimizer, average and checkpoint of it and all that learns with it."""

    def __init__(self, file: Path, unet: nn.Module, *others: nn.Module) -> None:
        self.modules = nn.ModuleList([unet, *others])
        self._weights = [weight for weight in self.modules.parameters() if weight.requires_grad]
        self._optimizer = torch.optim.AdamW(self._weights, RATE, betas=(0.9, 0.99), weight_decay=0.01)
        self._average = EMAModel(self._weights, decay=AVERAGED, use_ema_warmup=True, inv_gamma=1, power=0.75)
        self._checkpoint = Checkpoint(file, modules=self.modules, optimizer=self._optimizer, average=self._average)
        self._noise = DDPMScheduler.from_config(parts.scheduler().config)
        signal = self._noise.alphas_cumprod
        self._loss_weights = (SNR_CAP * (1 - signal) / signal).clamp(max=1)

    def run(
        self, stage: str, steps: int, batch: Callable[[Random], tuple[torch.Tensor, torch.Tensor, dict[str, Any]]]
    ) -> None:
        """`batch` gives scaled latents, timesteps, and what else the UNet takes."""
        shown = 0.0
        for step in self._checkpoint.steps(steps):
            torch.manual_seed(step)
            latents, timesteps, conditions = batch(Random(f"{stage} {step}"))
            loss = self._loss(latents, timesteps, conditions)
            learn(self._optimizer, loss, learning_rate(RATE, step, steps))
            self._average.step(self._weights)
            shown = 0.98 * shown + 0.02 * loss.item() if shown else loss.item()
            if step % 50 == 0:
                tell(stage, step, steps, loss=shown)

    def finish(self) -> None:
        """The average takes the weights' place."""
        self._average.copy_to(self._weights)
        self.modules.eval().requires_grad_(False)

    def _loss(self, latents: torch.Tensor, timesteps: torch.Tensor, conditions: dict[str, Any]) -> torch.Tensor:
        noise = torch.randn_like(latents)
        noisy = self._noise.add_noise(latents, noise, timesteps)
        predicted = self.modules[0](noisy, timesteps, **conditions, return_dict=False)[0]
        errors = (predicted - noise).square().mean(dim=(1, 2, 3))
        loss: torch.Tensor = (self._loss_weights[timesteps] * errors).mean()
        return loss


def base(folder: Path, steps: int, pools: list[Pool], scale: float) -> tuple[Any, Encoders]:
    torch.manual_seed(2)
    unet, encoders = parts.base_unet(), Encoders()
    course = Course(folder / "base.pt", unet, encoders)

    def batch(chance: Random) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
        scenes, latents = _some(pools, chance).draw(BATCH, chance)
        embeds, pooled = encoders.both([caption(scene, chance) for scene in scenes])
        kept = torch.tensor([float(chance.random() >= DROPPED) for _ in scenes])
        size = (scenes[0].height, scenes[0].width)
        time_ids = torch.tensor([[*size, 0, 0, *size]] * BATCH, dtype=torch.float32)
        # For no prompt at all the base's pipeline gives zeros.
        conditions = _conditions(embeds * kept[:, None, None], pooled * kept[:, None], time_ids)
        return scale * latents, torch.randint(0, 1000, (BATCH,)), conditions

    course.run("base", steps, batch)
    course.finish()
    return unet, encoders


def refiner(folder: Path, steps: int, sharp: list[Pool], blurred: list[Pool], scale: float, encoders: Encoders) -> Any:
    torch.manual_seed(3)
    unet = parts.refiner_unet()
    course = Course(folder / "refiner.pt", unet)

    def batch(chance: Random) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
        is_sharp = chance.random() >= BLURRED_PART
        scenes, latents = _some(sharp if is_sharp else blurred, chance).draw(BATCH, chance)
        captions = [caption(scene, chance) if chance.random() >= DROPPED else "" for scene in scenes]
        with torch.no_grad():
            embeds, pooled = encoders.second_only(captions)
        score = SHARP_SCORE if is_sharp else BLURRED_SCORE
        time_ids = torch.tensor([[scenes[0].height, scenes[0].width, 0, 0, score]] * BATCH)
        most = torch.tensor([chance.choice([REFINER_NOISE, REFINER_NOISE_MOST]) for _ in scenes])
        timesteps = (torch.rand(BATCH) * most).long()
        return scale * latents, timesteps, _conditions(embeds, pooled, time_ids)

    course.run("refiner", steps, batch)
    course.finish()
    return unet


def _some(pools: list[Pool], chance: Random) -> Pool:
    square, *others = pools
    return square if chance.random() < SQUARE else chance.choice(others)


def _conditions(embeds: torch.Tensor, pooled: torch.Tensor, time_ids: torch.Tensor) -> dict[str, Any]:
    added = {"text_embeds": pooled, "time_ids": time_ids}
    return {"encoder_hidden_states": embeds, "added_cond_kwargs": added}
