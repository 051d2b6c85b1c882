"""Pictures of the demo model against the stock pipelines, loaded and called as a stranger would."""

import io
import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)
from PIL import Image

from benchmarks.alike import are_alike
from bot.errors import JobFailed
from bot.events import Progress
from bot.inference.pipelines import DEMO_FOLDER, Pipelines
from bot.inference.png import RECIPE_KEY
from bot.inference.wire import Dropped, Finished
from bot.jobs import ImageRequest, Recipe, Refinement, Sampler
from bot.ports import Painted
from tests.bot.inference.painting import Easel, painted, picture, work

STEPS = 3
SEED_MAX = 2**64 - 1
CAT = ImageRequest(prompt="a cat in a hat", width=96, height=64, num_inference_steps=STEPS, seed=7)

SCHEDULERS: dict[Sampler, tuple[Any, dict[str, Any]]] = {
    Sampler.EULER: (EulerDiscreteScheduler, {}),
    Sampler.EULER_ANCESTRAL: (EulerAncestralDiscreteScheduler, {}),
    Sampler.DPMPP_2M: (DPMSolverMultistepScheduler, {}),
    Sampler.DPMPP_2M_KARRAS: (DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
    Sampler.LCM: (LCMScheduler, {}),
    Sampler.EULER_TRAILING: (EulerDiscreteScheduler, {"timestep_spacing": "trailing"}),
}


@pytest.fixture(scope="module")
def stock_base() -> StableDiffusionXLPipeline:
    return StableDiffusionXLPipeline.from_pretrained(
        DEMO_FOLDER / "base", variant="fp16", dtype=torch.float32, add_watermarker=False
    )


@pytest.fixture(scope="module")
def stock_refiner() -> StableDiffusionXLImg2ImgPipeline:
    return StableDiffusionXLImg2ImgPipeline.from_pretrained(
        DEMO_FOLDER / "refiner", variant="fp16", dtype=torch.float32, add_watermarker=False
    )


def repeat(recipe: Recipe, pipeline: StableDiffusionXLPipeline) -> Image.Image:
    """What a reader of a recipe would write."""
    kind, options = SCHEDULERS[recipe.sampler]
    pipeline.scheduler = kind.from_pretrained(DEMO_FOLDER / "base" / "scheduler", **options)
    picture: Image.Image = pipeline(
        prompt=recipe.prompt,
        negative_prompt=recipe.negative_prompt,
        width=recipe.width,
        height=recipe.height,
        num_inference_steps=recipe.num_inference_steps,
        guidance_scale=recipe.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(recipe.seed),
    ).images[0]
    return picture


@pytest.mark.parametrize("sampler", Sampler)
def test_an_image_equals_the_stock_pipelines(
    demo: Pipelines, stock_base: StableDiffusionXLPipeline, sampler: Sampler
) -> None:
    (image,) = painted(demo, work(replace(CAT, sampler=sampler, negative_prompt="blur")))

    assert are_alike(picture(image), repeat(image.recipe, stock_base))


def test_a_sampler_leaves_nothing_behind_for_the_next(demo: Pipelines) -> None:
    before = painted(demo, work(replace(CAT, sampler=Sampler.DPMPP_2M)))[0]

    painted(demo, work(replace(CAT, sampler=Sampler.DPMPP_2M_KARRAS)))

    after = painted(demo, work(replace(CAT, sampler=Sampler.DPMPP_2M)))[0]
    assert before.png == after.png


@pytest.mark.parametrize(
    "request_",
    [
        replace(CAT, guidance_scale=0.0),
        replace(CAT, guidance_scale=1.0),
        replace(CAT, negative_prompt=""),
        replace(CAT, num_inference_steps=1),
        replace(CAT, width=64, height=200),
        replace(CAT, seed=SEED_MAX),
        replace(CAT, seed=0),
        replace(CAT, prompt="ein Bär mit Mütze, 猫 🐈"),
    ],
    ids=["no guidance", "guidance of 1", "empty negative", "one step", "tall", "highest seed", "seed 0", "any script"],
)
def test_every_recipe_repeats_its_image(
    demo: Pipelines, stock_base: StableDiffusionXLPipeline, request_: ImageRequest
) -> None:
    (image,) = painted(demo, work(request_))

    recipe = Recipe.from_json(picture(image).info[RECIPE_KEY])

    assert recipe == image.recipe
    assert are_alike(picture(image), repeat(recipe, stock_base))


def test_a_size_that_nobody_chose_is_the_models_own(demo: Pipelines) -> None:
    (image,) = painted(demo, work(replace(CAT, width=None, height=None, num_inference_steps=1)))

    assert picture(image).size == (image.recipe.width, image.recipe.height) == (demo.native_side, demo.native_side)


def test_each_image_of_a_job_can_be_repeated_alone(demo: Pipelines) -> None:
    four = painted(demo, work(replace(CAT, num_images=4)))

    assert [image.image_id for image in four] == ["image-0", "image-1", "image-2", "image-3"]
    assert [image.recipe.seed for image in four] == [7, 8, 9, 10]
    (alone,) = painted(demo, work(replace(CAT, seed=9)))
    assert are_alike(picture(alone), picture(four[2]))
    assert not are_alike(picture(four[0]), picture(four[1]))


def test_seeds_count_up_over_the_highest_to_zero(demo: Pipelines) -> None:
    two = painted(demo, work(replace(CAT, num_images=2, seed=SEED_MAX, num_inference_steps=1)))

    assert [image.recipe.seed for image in two] == [SEED_MAX, 0]


def test_words_and_seed_change_the_picture(demo: Pipelines) -> None:
    pictures = [
        picture(painted(demo, work(request))[0])
        for request in (CAT, replace(CAT, prompt="a dog"), replace(CAT, seed=8), replace(CAT, negative_prompt="red"))
    ]

    assert len({image.tobytes() for image in pictures}) == len(pictures)


@pytest.mark.parametrize("strength", [0.34, 0.5])
def test_a_refined_image_equals_the_stock_refiners(
    demo: Pipelines, stock_refiner: StableDiffusionXLImg2ImgPipeline, strength: float
) -> None:
    parent = painted(demo, work(CAT))[0].png
    refinement = Refinement(
        image_id="parent",
        prompt="warmer light",
        negative_prompt="text",
        strength=strength,
        num_inference_steps=STEPS,
        seed=11,
    )

    (image,) = painted(demo, work(refinement, source=parent))

    recipe = image.recipe
    again = stock_refiner(
        prompt=recipe.prompt,
        negative_prompt=recipe.negative_prompt,
        image=Image.open(io.BytesIO(parent)),
        strength=recipe.strength,
        num_inference_steps=recipe.num_inference_steps,
        guidance_scale=recipe.guidance_scale,
        generator=torch.Generator("cpu").manual_seed(recipe.seed),
    ).images[0]
    assert are_alike(picture(image), again)
    assert (recipe.stage, recipe.parent_id, recipe.parent_sha256) == ("refiner", "parent", "ab" * 32)
    assert picture(image).size == (96, 64)


def test_progress_is_told_after_each_step_and_before_the_image(demo: Pipelines) -> None:
    easel = Easel(demo)
    easel.accept(work(CAT))
    easel.finish()

    *progress, image, ending = easel.of(0)
    assert progress == [Progress(1, 1, step, STEPS) for step in (1, 2, 3)]
    assert isinstance(image, Painted)
    assert isinstance(ending, Finished)


def test_images_of_a_job_step_together_and_their_steps_are_counted_together(demo: Pipelines) -> None:
    easel = Easel(demo)
    easel.accept(work(replace(CAT, num_images=2)))
    easel.finish()

    assert easel.progress(0) == [Progress(1, 2, step, 6) for step in (2, 4, 6)]
    assert easel.painter.denoiser.calls == STEPS


def test_images_one_after_the_other_count_on(demo: Pipelines) -> None:
    easel = Easel(demo, cap=1)
    easel.accept(work(replace(CAT, num_images=2)))
    easel.finish()

    assert easel.progress(0) == [Progress(1, 2, step, 6) for step in (1, 2, 3)] + [
        Progress(2, 2, step, 6) for step in (4, 5, 6)
    ]


def test_a_refinement_counts_only_the_steps_that_it_takes(demo: Pipelines) -> None:
    parent = painted(demo, work(CAT))[0].png
    easel = Easel(demo)
    refinement = Refinement(image_id="parent", prompt="snow", strength=0.5, num_inference_steps=4, seed=1)
    easel.accept(work(refinement, source=parent))
    easel.finish()

    assert easel.progress(0) == [Progress(1, 1, 1, 2), Progress(1, 1, 2, 2)]


def test_a_cancelled_job_takes_no_further_step_and_is_not_decoded(demo: Pipelines) -> None:
    easel = Easel(demo)
    easel.accept(work(CAT))
    easel.turn(2)

    easel.painter.cancel(0)

    assert not easel.painter.turn()
    assert easel.of(0) == [Progress(1, 1, 1, STEPS), Progress(1, 1, 2, STEPS), Dropped()]


def test_a_source_that_is_no_picture_fails_its_job_alone(demo: Pipelines) -> None:
    refinement = Refinement(image_id="parent", prompt="snow", num_inference_steps=STEPS, seed=1)

    with pytest.raises(JobFailed) as caught:
        painted(demo, work(refinement, source=b"not a picture"))

    assert caught.value.code == "painting_failed"
    assert painted(demo, work(CAT))


def test_a_png_says_who_made_it(demo: Pipelines) -> None:
    (image,) = painted(demo, work(replace(CAT, prompt="naïve 猫", num_inference_steps=1)))

    text = picture(image).info
    assert text["Software"].startswith("Limner ")
    assert text["limner-id"] == "image-0"
    recipe = json.loads(text[RECIPE_KEY])
    assert (recipe["prompt"], recipe["seed"], recipe["model"]) == ("naïve 猫", 7, "demo")
    assert recipe["versions"].keys() == {"limner", "diffusers", "torch", "transformers"}
