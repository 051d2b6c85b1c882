"""Step-level batching: the same pictures as with one call of a stock pipeline for each, in far fewer UNet calls."""

from dataclasses import replace

import pytest
import torch
from PIL import Image

from benchmarks.alike import are_alike
from benchmarks.counts import STEPS, levels_of_mixes
from benchmarks.stock import Stock
from bot.inference.denoise import Row
from bot.inference.pipelines import Pipelines
from bot.inference.rows import RowMaker, recipe_of
from bot.jobs import ImageRequest, Sampler
from tests.bot.inference.painting import Easel, painted, picture, work

CAT = ImageRequest(prompt="a cat", width=64, height=64, num_inference_steps=6, seed=1)


@pytest.fixture(scope="module")
def stock() -> Stock:
    return Stock()


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_pictures_of_fifty_mixes_equal_the_stock_pipelines(demo: Pipelines, stock: Stock) -> None:
    """In one go, so that the share of pixels apart is that of all."""
    levels = levels_of_mixes(demo, stock)

    assert levels.max() <= 1
    assert (levels > 0).mean() <= 0.001


def test_the_first_noise_is_the_stock_pipelines_bit_for_bit(demo: Pipelines, stock: Stock) -> None:
    request = work(replace(CAT, seed=2**64 - 1))
    row = RowMaker(demo).begin(recipe_of(request, 0, demo, {}), None, (), tiled=False)
    heard: list[torch.Tensor] = []

    def hear(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        heard.append(inputs[0])

    hook = stock.base.unet.register_forward_pre_hook(hear)
    stock.paint(recipe_of(request, 0, demo, {}))
    hook.remove()

    sigma = float(row.factors[1])
    torch.testing.assert_close(heard[0][:1], row.latents * sigma, rtol=1e-6, atol=0)
    generator = torch.Generator("cpu").manual_seed(2**64 - 1)
    assert torch.equal(row.latents, row.course.start_noise * torch.randn((1, 4, 8, 8), generator=generator))


@pytest.mark.slow
def test_twelve_mixed_requests_need_twenty_one_unet_calls(demo: Pipelines) -> None:
    easel = Easel(demo, cap=8)
    for number, steps in enumerate(STEPS):
        easel.accept(work(replace(CAT, num_inference_steps=steps, guidance_scale=3 + number / 2, seed=number)))
    easel.finish()

    assert easel.painter.denoiser.rows == sum(STEPS) == 109
    assert easel.painter.denoiser.calls <= 21


def test_a_row_without_guidance_is_one_row_for_the_unet(demo: Pipelines) -> None:
    rows: list[int] = []
    hook = demo.base.unet.register_forward_pre_hook(lambda module, inputs: rows.append(len(inputs[0])))
    easel = Easel(demo)
    for scale in (5.0, 1.0, 0.0):
        easel.accept(work(replace(CAT, num_inference_steps=2, guidance_scale=scale)))
    easel.finish()
    hook.remove()

    assert rows == [4, 4]


def test_guidance_that_ends_early_costs_one_row_from_there_on(demo: Pipelines) -> None:
    rows: list[int] = []
    hook = demo.base.unet.register_forward_pre_hook(lambda module, inputs: rows.append(len(inputs[0])))
    (image,) = painted(demo, work(replace(CAT, guidance_end=0.5)))
    hook.remove()

    assert rows == [2, 2, 2, 1, 1, 1]
    assert image.recipe.guidance_end == 0.5


def test_guidance_that_ends_early_equals_a_stock_call_that_drops_it(demo: Pipelines, stock: Stock) -> None:
    def drop(pipeline: object, step: int, timestep: object, values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if step == 2:
            pipeline._guidance_scale = 0.0  # type: ignore[attr-defined]
            return {name: value[-1:] for name, value in values.items()}
        return values

    (image,) = painted(demo, work(replace(CAT, guidance_end=0.5, sampler=Sampler.EULER)))

    stock.base.scheduler = stock.scheduler(Sampler.EULER)
    again: Image.Image = stock.base(
        prompt="a cat",
        width=64,
        height=64,
        num_inference_steps=6,
        guidance_scale=5.0,
        generator=torch.Generator("cpu").manual_seed(1),
        callback_on_step_end=drop,
        callback_on_step_end_tensor_inputs=["prompt_embeds", "add_text_embeds", "add_time_ids"],
    ).images[0]
    assert are_alike(picture(image), again)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", Sampler)
def test_a_picture_is_the_same_alone_and_in_company(demo: Pipelines, sampler: Sampler) -> None:
    request = replace(CAT, sampler=sampler)
    easel = Easel(demo)
    easel.accept(work(replace(CAT, seed=8, guidance_scale=0.0)))
    easel.turn(2)
    easel.accept(work(request))
    easel.turn(2)
    for other in Sampler:
        easel.accept(work(replace(CAT, sampler=other, seed=9, num_inference_steps=3, prompt="a dog " * 100)))
    easel.finish()

    (alone,) = painted(demo, work(request))
    assert are_alike(picture(easel.images(1)[0]), picture(alone))


def test_rows_may_be_told_of_different_crops(demo: Pipelines) -> None:
    """No request says so today; the step does not care."""

    def row(top: float) -> Row:
        made = RowMaker(demo).begin(recipe_of(work(CAT), 0, demo, {}), None, (), tiled=False)
        ids = made.prompt.time_ids.clone()
        ids[0, 2] = top
        made.prompt = type(made.prompt)(made.prompt.embeds, made.prompt.pooled, ids)
        return made

    together, alone = [row(0.0), row(400.0)], [row(0.0), row(400.0)]
    easel = Easel(demo)
    for _ in range(3):
        easel.painter.denoiser.step(demo.base.unet, together)
        for each in alone:
            easel.painter.denoiser.step(demo.base.unet, [each])

    for ours, theirs in zip(together, alone, strict=True):
        torch.testing.assert_close(ours.latents, theirs.latents, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(together[0].latents, together[1].latents, atol=1e-3)


@pytest.mark.slow
def test_ten_prompts_and_a_negative_one_are_encoded_once_each(demo: Pipelines) -> None:
    easel = Easel(demo, cap=16)
    before = demo.text_encoder_calls
    for number in range(100):
        prompt = f"nobody asked for number {number % 10}"
        request = replace(CAT, prompt=prompt, negative_prompt="never seen before", num_inference_steps=1)
        easel.painter.accept(number, work(request))
    easel.finish()

    assert demo.text_encoder_calls - before == 11


def test_an_ensemble_is_encoded_once_for_both_models(demo: Pipelines) -> None:
    before = demo.text_encoder_calls
    painted(demo, work(replace(CAT, prompt="only here", negative_prompt="and here", refine_at=0.5)))

    assert demo.text_encoder_calls - before == 2
