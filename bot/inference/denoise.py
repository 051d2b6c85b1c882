"""One UNet call for many rows: images that differ in prompt, seed, steps, guidance, sampler and crop step together.

Only what a UNet call cannot mix must agree: the batch key. A row is one image on its way through one model.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from bot.inference.samplers import Course
from bot.jobs import Stage

#: A `UNet2DConditionModel`, or what stands for one.
UNet = Callable[..., Any]


def sent(tensor: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """From the machine's memory to the device, without waiting for what the device has still to do."""
    if torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def noise(
    shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype, device: torch.device | str
) -> torch.Tensor:
    """As the stock pipelines draw it: on the CPU, in the model's precision. float32."""
    return sent(torch.randn(shape, generator=generator, dtype=dtype), device).float()


class Key(NamedTuple):
    """Rows share a UNet call where all of this is equal."""

    stage: Stage
    #: Of the latents: an eighth of the picture's.
    height: int
    width: int
    #: Names of the LoRAs in use, in order.
    loras: tuple[str, ...]
    #: Of 77 tokens each.
    chunks: int


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    """What the UNet is told besides latents and timesteps; stacked along the first dimension for a batch."""

    #: [1, 77 * chunks, width]
    embeds: torch.Tensor
    #: [1, width]
    pooled: torch.Tensor
    #: [1, 6] for the base, [1, 5] for the refiner: the micro-conditioning's sizes, crop and score.
    time_ids: torch.Tensor


class Factors(NamedTuple):
    """`samplers.Step`s of several rows, each [rows, 1, 1, 1]."""

    timestep: torch.Tensor
    scale: torch.Tensor
    x0_x: torch.Tensor
    x0_out: torch.Tensor
    x: torch.Tensor
    x0: torch.Tensor
    last_x0: torch.Tensor
    noise: torch.Tensor


@dataclass(slots=True, eq=False, kw_only=True)
class Row:
    key: Key
    course: Course
    prompt: Condition
    #: None: no step is guided.
    negative: Condition | None
    guidance_scale: float
    #: How many of the first steps are guided; each other step costs one UNet row, not two.
    guided_steps: int
    #: [1, 4, height, width], float32.
    latents: torch.Tensor
    #: Of this image alone, on the CPU.
    generator: torch.Generator
    #: Steps that are finished.
    step: int = 0
    #: The picture without its noise as the last step predicts it; shaped as the latents.
    x0: torch.Tensor = field(init=False)
    _factors: torch.Tensor = field(init=False)
    _scale: torch.Tensor = field(init=False)

    def __post_init__(self) -> None:
        device = self.latents.device
        self.x0 = torch.zeros_like(self.latents)
        # Once, so that a step copies nothing.
        self._factors = sent(self.course.table, device)
        self._scale = torch.full((1, 1, 1, 1), self.guidance_scale, dtype=torch.float32, device=device)

    @property
    def finished(self) -> bool:
        return self.step == len(self.course)

    @property
    def guided(self) -> bool:
        return self.negative is not None and self.step < self.guided_steps

    @property
    def factors(self) -> torch.Tensor:
        """Of the coming step, [8], in the order of `samplers.Step`'s fields."""
        coming: torch.Tensor = self._factors[self.step]
        return coming

    @property
    def draws(self) -> bool:
        return self.step < self.course.noisy_steps

    def fresh_noise(self, dtype: torch.dtype) -> torch.Tensor:
        """Zeros where the coming step draws none."""
        if not self.draws:
            return torch.zeros_like(self.latents)
        return noise(tuple(self.latents.shape), self.generator, dtype, self.latents.device)

    def guide(self, prompt: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
        guided: torch.Tensor = negative + self._scale * (prompt - negative)
        return guided

    def advance(self, latents: torch.Tensor, x0: torch.Tensor) -> None:
        self.latents, self.x0 = latents, x0
        self.step += 1


class Denoiser:
    """Not thread-safe: it belongs to the step thread."""

    def __init__(self, dtype: torch.dtype) -> None:
        self._dtype = dtype
        self._conditions: list[Condition] = []
        self._stacked: Condition | None = None
        #: UNet calls so far, and the rows that they had together.
        self.calls = 0
        self.rows = 0

    @torch.inference_mode()
    def step(self, unet: UNet, rows: Sequence[Row]) -> None:
        """One step of all rows, which share a key. Where the UNet raises, they stay as they were."""
        x = torch.cat([row.latents for row in rows])
        step = Factors(*torch.stack([row.factors for row in rows])[:, :, None, None, None].unbind(1))
        out = self._predict(unet, rows, step.scale * x, step.timestep.flatten())

        x0 = step.x0_x * x + step.x0_out * out
        x = step.x * x + step.x0 * x0
        if any(row.course.looks_back for row in rows):
            x = x + step.last_x0 * torch.cat([row.x0 for row in rows])
        if any(row.draws for row in rows):
            x = x + step.noise * torch.cat([row.fresh_noise(self._dtype) for row in rows])
        for number, row in enumerate(rows):
            row.advance(x[number : number + 1], x0[number : number + 1])

    def forget(self) -> None:
        """Lets go of the last batch's conditions."""
        self._conditions, self._stacked = [], None

    def _predict(self, unet: UNet, rows: Sequence[Row], scaled: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        """The UNet's answer after guidance, [rows, 4, height, width], float32."""
        guided = [number for number, row in enumerate(rows) if row.guided]
        condition = self._condition(rows, guided)
        out = unet(
            _guided_and_all(scaled.to(self._dtype), guided),
            # Always one timestep per row: a single one for all would be another graph for a compiled UNet.
            _guided_and_all(timesteps, guided),
            encoder_hidden_states=condition.embeds,
            added_cond_kwargs={"text_embeds": condition.pooled, "time_ids": condition.time_ids},
            return_dict=False,
        )[0].float()
        self.calls += 1
        self.rows += len(rows)
        each = [out[number : number + 1] for number in range(len(out))]
        negatives, answers = each[: len(guided)], each[len(guided) :]
        for number, negative in zip(guided, negatives, strict=True):
            answers[number] = rows[number].guide(answers[number], negative)
        return torch.cat(answers)

    def _condition(self, rows: Sequence[Row], guided: Sequence[int]) -> Condition:
        """Negative prompts of the rows that are guided, then prompts of all; stacked anew only where rows changed."""
        negatives = [negative for number in guided if (negative := rows[number].negative) is not None]
        conditions = [*negatives, *(row.prompt for row in rows)]
        if self._stacked is None or conditions != self._conditions:
            self._conditions = conditions
            self._stacked = Condition(
                torch.cat([each.embeds for each in conditions]).to(self._dtype),
                torch.cat([each.pooled for each in conditions]).to(self._dtype),
                torch.cat([each.time_ids for each in conditions]).to(self._dtype),
            )
        return self._stacked


def _guided_and_all(tensor: torch.Tensor, guided: Sequence[int]) -> torch.Tensor:
    """The rows that are guided, then all: negative prompts come first, as in the stock pipelines."""
    if len(guided) == len(tensor):
        return torch.cat([tensor, tensor])
    return torch.cat([*(tensor[number : number + 1] for number in guided), tensor])
