"""Jobs with styles and drafts, from the request to the picture, among jobs without."""

import warnings
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import LCMScheduler, StableDiffusionXLPipeline

from benchmarks.alike import are_alike
from bot.inference.lora import Loras
from bot.inference.pipelines import DEMO, DEMO_FOLDER, Pipelines
from bot.inference.png import RECIPE_KEY
from bot.inference.wire import Broke, Finished
from bot.jobs import ImageRequest, Quality, Recipe, Refinement, Stage
from bot.quality import Menu
from bot.styles import Style
from tests.bot.inference.painting import Easel, painted, picture, work
from tests.bot.inference.test_lora import as_diffusers, as_peft, random_weights, saved

CAT = ImageRequest(prompt="a cat", width=64, height=64, num_inference_steps=4, seed=1)
LAYERS = ("mid_block.attentions.0.transformer_blocks.0.attn1.to_q", "down_blocks.1.attentions.0.proj_in", "conv_in")


class Shop:
    """A demo model of its own, with an ink style, a broken one, and a LoRA for few steps."""

    def __init__(self, folder: Path) -> None:
        self.pipelines = Pipelines.load(DEMO, DEMO)
        unet = self.pipelines.base.unet
        ink = saved(as_peft(random_weights(unet, LAYERS[:2], 4, seed=1)), folder / "ink.safetensors")
        lcm = saved(as_diffusers(random_weights(unet, LAYERS[1:], 2, seed=2)), folder / "lcm.safetensors")
        self.styles = [
            Style(name="ink", lora=ink, weight=0.7, trigger="ink drawing"),
            Style(name="torn", lora=str(folder / "torn.safetensors")),
            Style(name="lcm", lora=lcm),
        ]
        self.loras = Loras(self.pipelines.pipeline, self.styles)

    def easel(self) -> Easel:
        return Easel(self.pipelines, styles=self.styles, loras=self.loras)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("loras"))


@pytest.fixture
def stock() -> StableDiffusionXLPipeline:
    return StableDiffusionXLPipeline.from_pretrained(
        DEMO_FOLDER / "base", variant="fp16", dtype=torch.float32, add_watermarker=False
    )


@pytest.mark.slow
def test_styles_drafts_and_plain_jobs_are_painted_among_each_other_as_stock_paints_them_alone(
    shop: Shop, stock: StableDiffusionXLPipeline, demo: Pipelines
) -> None:
    easel = shop.easel()
    inked = replace(CAT, style="ink", num_images=2)
    drafted = replace(CAT, style="ink", quality=Quality.DRAFT)
    for request in (CAT, inked, drafted, replace(CAT, seed=5)):
        easel.accept(work(request, menu=Menu(draft="lcm")))
        easel.turn(2)
    easel.finish()

    plain = painted(demo, work(CAT))[0]
    assert are_alike(picture(easel.images(0)[0]), picture(plain))
    assert not are_alike(picture(easel.images(1)[0]), picture(plain))

    recipe = Recipe.from_json(picture(easel.images(2)[0]).info[RECIPE_KEY])
    assert recipe.prompt == "ink drawing, a cat"
    assert list(recipe.loras.values()) == [0.7, 1.0]
    with warnings.catch_warnings(category=UserWarning, action="ignore"):  # peft's, of a second adapter
        for number, file in enumerate(recipe.loras):
            stock.load_lora_weights(file, adapter_name=str(number))
    stock.set_adapters(["0", "1"], list(recipe.loras.values()))
    stock.scheduler = LCMScheduler.from_config(stock.scheduler.config)
    again = stock(
        prompt=recipe.prompt,
        width=64,
        height=64,
        num_inference_steps=4,
        guidance_scale=1.0,
        generator=torch.Generator("cpu").manual_seed(1),
    ).images[0]
    assert are_alike(picture(easel.images(2)[0]), again)


def test_a_refinement_with_a_style_is_painted_by_the_base(shop: Shop) -> None:
    easel = shop.easel()
    easel.accept(work(CAT))
    easel.finish()
    parent = easel.images(0)[0].png
    easel.accept(work(Refinement(image_id="parent", prompt="snow", style="ink", seed=2), source=parent))
    easel.finish()

    recipe = easel.images(1)[0].recipe
    assert (recipe.stage, list(recipe.loras.values())) == (Stage.BASE, [0.7])


def test_the_refiner_of_an_ensemble_knows_no_styles(shop: Shop) -> None:
    easel = shop.easel()
    easel.accept(work(replace(CAT, style="ink", num_inference_steps=5, refine_at=0.8)))
    easel.finish()

    assert isinstance(easel.ending(0), Finished)


def test_a_style_that_is_broken_fails_its_jobs_alone_and_says_why(shop: Shop) -> None:
    easel = shop.easel()
    easel.accept(work(replace(CAT, style="torn", num_images=2)))
    easel.accept(work(CAT))
    easel.finish()

    failure = easel.ending(0)
    assert isinstance(failure, Broke)
    assert failure.code == "style_unavailable"
    assert failure.detail.startswith("The style torn cannot be used: ")
    assert isinstance(easel.ending(1), Finished)
