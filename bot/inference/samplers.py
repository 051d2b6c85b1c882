"""The samplers, each as a table of numbers: what a row is multiplied by at every step.

Every sampler here is linear in what a step knows, so rows with different samplers can take a step in one go:

    model input = scale_t * x
    x0          = x0_x_t * x + x0_out_t * out            (out is the UNet's answer, after guidance)
    x           = x_t * x + x0_t * x0 + last_x0_t * (x0 of the step before) + noise_t * (fresh noise)

The sigmas and timesteps are the stock scheduler's own; it is made for the purpose and thrown away.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import log, sqrt
from typing import Any, NamedTuple

import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
)

from bot.jobs import Sampler

SCHEDULERS: dict[Sampler, tuple[type[Any], dict[str, Any]]] = {
    Sampler.EULER: (EulerDiscreteScheduler, {}),
    Sampler.EULER_ANCESTRAL: (EulerAncestralDiscreteScheduler, {}),
    Sampler.DPMPP_2M: (DPMSolverMultistepScheduler, {}),
    Sampler.DPMPP_2M_KARRAS: (DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
    Sampler.LCM: (LCMScheduler, {}),
    Sampler.EULER_TRAILING: (EulerDiscreteScheduler, {"timestep_spacing": "trailing"}),
}
#: The data's standard deviation in LCM's boundary condition (Luo et al., 2023, section 4).
LCM_SIGMA_DATA = 0.5
#: Below so many steps DPM++ 2M ends with a first-order step, as diffusers does.
DPM_FEW_STEPS = 15


class Step(NamedTuple):
    """The factors of one step of one row."""

    timestep: float
    scale: float
    x0_x: float
    x0_out: float
    x: float
    x0: float
    last_x0: float
    noise: float


@dataclass(frozen=True, slots=True)
class Course:
    """All steps of a row through one model, the noisiest first."""

    steps: tuple[Step, ...]
    #: How many of the first steps draw noise; a step may draw it and multiply it by 0.
    noisy_steps: int
    #: Some step needs what the step before it predicted.
    looks_back: bool
    #: What the first latents are made of: image * `start_image` + noise * `start_noise`.
    start_image: float
    start_noise: float
    #: `Step`s as float32 on the CPU, [steps, factors].
    table: torch.Tensor = field(compare=False)

    def __len__(self) -> int:
        return len(self.steps)


def course(
    sampler: Sampler,
    schedule: Mapping[str, Any],
    num_inference_steps: int,
    *,
    strength: float | None = None,
    starts_at: float | None = None,
    ends_at: float | None = None,
) -> Course:
    """The steps as diffusers counts them.

    `schedule` is the model's own scheduler config. `strength` is that of image-to-image; `starts_at` and `ends_at` are
    the fractions `denoising_start` and `denoising_end` between which a model of an ensemble works.
    """
    kind, options = SCHEDULERS[sampler]
    scheduler = kind.from_config(schedule, **options)
    scheduler.set_timesteps(num_inference_steps)
    timesteps = [float(t) for t in scheduler.timesteps]
    begin, end = 0, len(timesteps)
    if strength is not None:
        begin = end - min(int(num_inference_steps * strength), num_inference_steps)
    if starts_at is not None:
        begin = sum(t >= _cut(scheduler, starts_at) for t in timesteps)
    if ends_at is not None:
        end = sum(t >= _cut(scheduler, ends_at) for t in timesteps)
    if begin >= end:
        raise ValueError(f"{num_inference_steps} steps leave none to take here")
    steps = tuple(_all_steps(sampler, scheduler, timesteps, begin)[begin:end])
    noisy = {Sampler.EULER_ANCESTRAL: len(timesteps), Sampler.LCM: len(timesteps) - 1}.get(sampler, begin)
    image, noise = _start(scheduler, timesteps[begin], begin)
    if strength is None and starts_at is None:
        noise = float(scheduler.init_noise_sigma)
    return Course(
        steps=steps,
        noisy_steps=min(noisy, end) - begin,
        looks_back=any(step.last_x0 for step in steps),
        start_image=image,
        start_noise=noise,
        table=torch.tensor(steps, dtype=torch.float64).to(torch.float32),
    )


def _all_steps(sampler: Sampler, scheduler: Any, timesteps: list[float], begin: int) -> list[Step]:
    match sampler:
        case Sampler.EULER | Sampler.EULER_TRAILING:
            return _euler(scheduler, timesteps, ancestral=False)
        case Sampler.EULER_ANCESTRAL:
            return _euler(scheduler, timesteps, ancestral=True)
        case Sampler.DPMPP_2M | Sampler.DPMPP_2M_KARRAS:
            return _dpmpp_2m(scheduler, timesteps, begin)
        case Sampler.LCM:
            return _lcm(scheduler, timesteps)


def _cut(scheduler: Any, fraction: float) -> int:
    trained: int = scheduler.config.num_train_timesteps
    return round(trained - fraction * trained)


def _start(scheduler: Any, timestep: float, begin: int) -> tuple[float, float]:
    """Factors of image and noise at a timestep, as `add_noise` has them."""
    if isinstance(scheduler, LCMScheduler):
        kept = float(scheduler.alphas_cumprod[int(timestep)])
        return sqrt(kept), sqrt(1 - kept)
    sigma = float(scheduler.sigmas[begin])
    if isinstance(scheduler, DPMSolverMultistepScheduler):
        alpha = _alpha(sigma)
        return alpha, alpha * sigma
    return 1.0, sigma


def _alpha(sigma: float) -> float:
    """Of the variance-preserving form, in which x = alpha * x0 + alpha * sigma * noise."""
    return 1 / sqrt(sigma**2 + 1)


def _predicts_velocity(scheduler: Any) -> bool:
    kind = scheduler.config.prediction_type
    if kind not in ("epsilon", "v_prediction"):
        raise ValueError(f"models that predict {kind!r} cannot be sampled; they must predict epsilon or v_prediction")
    return bool(kind == "v_prediction")


def _euler(scheduler: Any, timesteps: list[float], *, ancestral: bool) -> list[Step]:
    """Algorithm 2 of Karras et al. (2022) without churn; ancestral as in k-diffusion."""
    velocity = _predicts_velocity(scheduler)
    sigmas = [float(sigma) for sigma in scheduler.sigmas]
    steps = []
    for t, sigma, following in zip(timesteps, sigmas, sigmas[1:], strict=False):
        alpha = _alpha(sigma)
        fresh = sqrt(following**2 * (sigma**2 - following**2) / sigma**2) if ancestral else 0.0
        ratio = sqrt(following**2 - fresh**2) / sigma
        x0_x, x0_out = (alpha**2, -sigma * alpha) if velocity else (1.0, -sigma)
        steps.append(Step(t, alpha, x0_x, x0_out, ratio, 1 - ratio, 0.0, fresh))
    return steps


def _dpmpp_2m(scheduler: Any, timesteps: list[float], begin: int) -> list[Step]:
    """DPM-Solver++(2M) of Lu et al. (2022), algorithm 2, midpoint form."""
    velocity = _predicts_velocity(scheduler)
    config = scheduler.config
    sigmas = [float(sigma) for sigma in scheduler.sigmas]
    few = config.lower_order_final and len(timesteps) < DPM_FEW_STEPS
    first_order_end = config.euler_at_final or few or config.final_sigmas_type == "zero"
    steps = []
    for i, (t, sigma, following) in enumerate(zip(timesteps, sigmas, sigmas[1:], strict=False)):
        alpha = _alpha(sigma)
        x0_x, x0_out = (alpha, -alpha * sigma) if velocity else (1 / alpha, -sigma)
        x = _alpha(following) * following / (alpha * sigma)
        x0 = _alpha(following) * (1 - following / sigma)
        last_x0 = 0.0
        if i > begin and not (first_order_end and i == len(timesteps) - 1):
            # Half of (x0 - last x0) / r, where r is the last step's length over this one's in log sigma.
            last_x0 = -0.5 * x0 * log(sigma / following) / log(sigmas[i - 1] / sigma)
        steps.append(Step(t, 1.0, x0_x, x0_out, x, x0 - last_x0, last_x0, 0.0))
    return steps


def _lcm(scheduler: Any, timesteps: list[float]) -> list[Step]:
    """Multistep sampling of a latent consistency model (Luo et al., 2023, algorithm 3)."""
    velocity = _predicts_velocity(scheduler)
    kept = [float(scheduler.alphas_cumprod[int(t)]) for t in timesteps]
    steps = []
    for i, (t, now) in enumerate(zip(timesteps, kept, strict=True)):
        alpha, sigma = sqrt(now), sqrt(1 - now)
        x0_x, x0_out = (alpha, -sigma) if velocity else (1 / alpha, -sigma / alpha)
        scaled = t * scheduler.config.timestep_scaling
        skip = LCM_SIGMA_DATA**2 / (scaled**2 + LCM_SIGMA_DATA**2)
        out = scaled / sqrt(scaled**2 + LCM_SIGMA_DATA**2)
        last = i == len(timesteps) - 1
        again, noise = (1.0, 0.0) if last else (sqrt(kept[i + 1]), sqrt(1 - kept[i + 1]))
        steps.append(Step(t, 1.0, x0_x, x0_out, again * skip, again * out, 0.0, noise))
    return steps
