"""Each sampler's table of factors against the stock scheduler that it stands for."""

import json
from typing import Any

import pytest
import torch

from bot.inference.pipelines import DEMO_FOLDER
from bot.inference.samplers import SCHEDULERS, Course, course
from bot.jobs import Sampler

SHAPE = (1, 4, 8, 8)
SCHEDULE: dict[str, Any] = json.loads((DEMO_FOLDER / "base" / "scheduler" / "scheduler_config.json").read_text())


def model(x: torch.Tensor, timestep: float) -> torch.Tensor:
    """Stands for a UNet: smooth, not linear, and different at every timestep."""
    return torch.tanh(x * 0.7 + timestep / 700)


def noise_of(generator: torch.Generator) -> torch.Tensor:
    return torch.randn(SHAPE, generator=generator)


def by_table(steps: Course, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    last_x0 = torch.zeros(SHAPE)
    for number, step in enumerate(steps.steps):
        out = model(step.scale * x, step.timestep)
        x0 = step.x0_x * x + step.x0_out * out
        x = step.x * x + step.x0 * x0 + step.last_x0 * last_x0
        if number < steps.noisy_steps:
            x = x + step.noise * noise_of(generator)
        last_x0 = x0
    return x


def by_scheduler(scheduler: Any, timesteps: torch.Tensor, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    draws = {"generator": generator} if "generator" in scheduler.step.__code__.co_varnames else {}
    for t in timesteps:
        out = model(scheduler.scale_model_input(x, t), float(t))
        x = scheduler.step(out, t, x, **draws).prev_sample
    return x


def stock(sampler: Sampler, steps: int, **more: Any) -> Any:
    kind, options = SCHEDULERS[sampler]
    scheduler = kind.from_config({**SCHEDULE, **more}, **options)
    scheduler.set_timesteps(steps)
    return scheduler


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("steps", [1, 2, 3, 7, 14, 15, 30])
@pytest.mark.parametrize("sampler", Sampler)
def test_a_whole_course_equals_the_stock_scheduler(sampler: Sampler, steps: int, prediction: str) -> None:
    scheduler = stock(sampler, steps, prediction_type=prediction)
    scheduler.set_begin_index(0)
    noise = noise_of(torch.Generator().manual_seed(1))

    ours = course(sampler, {**SCHEDULE, "prediction_type": prediction}, steps)
    x = by_table(ours, noise * ours.start_noise, torch.Generator().manual_seed(2))

    theirs = by_scheduler(
        scheduler, scheduler.timesteps, noise * scheduler.init_noise_sigma, torch.Generator().manual_seed(2)
    )
    assert len(ours) == steps
    torch.testing.assert_close(x, theirs, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("strength", [0.1, 0.34, 0.5, 0.99, 1.0])
@pytest.mark.parametrize("sampler", Sampler)
def test_a_course_from_a_picture_equals_the_stock_scheduler(sampler: Sampler, strength: float) -> None:
    scheduler = stock(sampler, 20)
    begin = 20 - min(int(20 * strength), 20)
    scheduler.set_begin_index(begin)
    timesteps = scheduler.timesteps[begin:]
    image, noise = (noise_of(torch.Generator().manual_seed(seed)) for seed in (1, 2))

    ours = course(sampler, SCHEDULE, 20, strength=strength)
    x = ours.start_image * image + ours.start_noise * noise

    theirs = scheduler.add_noise(image, noise, timesteps[:1])
    torch.testing.assert_close(x, theirs, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(
        by_table(ours, x, torch.Generator().manual_seed(3)),
        by_scheduler(scheduler, timesteps, theirs, torch.Generator().manual_seed(3)),
        rtol=2e-5,
        atol=2e-5,
    )


@pytest.mark.parametrize(("steps", "base", "refiner"), [(30, 23, 7), (20, 16, 4), (25, 20, 5), (50, 40, 10)])
def test_an_ensemble_shares_its_steps_as_the_stock_pipelines_do(steps: int, base: int, refiner: int) -> None:
    first = course(Sampler.EULER, SCHEDULE, steps, ends_at=0.8)
    second = course(Sampler.EULER, SCHEDULE, steps, starts_at=0.8)

    assert (len(first), len(second)) == (base, refiner)
    assert first.steps + second.steps == course(Sampler.EULER, SCHEDULE, steps).steps


def test_a_strength_that_leaves_no_step_is_refused() -> None:
    with pytest.raises(ValueError, match="leave none"):
        course(Sampler.EULER, SCHEDULE, 10, strength=0.05)


def test_a_model_that_predicts_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="'sample' cannot be sampled"):
        course(Sampler.EULER, {**SCHEDULE, "prediction_type": "sample"}, 10)
