"""Pictures of the demo model against the stock pipelines, loaded and called as a stranger would."""

import io
import json
from dataclasses import replace

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
from PIL import Image, ImageChops

from bot.errors import JobCancelled, JobFailed
from bot.events import Progress
from bot.inference.paint import RECIPE_KEY, paint
from bot.inference.pipelines import DEMO_FOLDER, Pipelines
from bot.jobs import ImageRequest, Recipe, Refinement, Sampler
from bot.ports import Painted, Work

STEPS = 3
SEED_MAX = 2**64 - 1
CAT = ImageRequest(prompt="a cat in a hat", width=96, height=64, num_inference_steps=STEPS, seed=7)

SCHEDULERS = {
    Sampler.EULER: (EulerDiscreteScheduler, {}),
    Sampler.EULER_ANCESTRAL: (EulerAncestralDiscreteScheduler, {}),
    Sampler.DPMPP_2M: (DPMSolverMultistepScheduler, {}),
    Sampler.DPMPP_2M_KARRAS: (DPMSolverMultistepScheduler, {"use_karras_sigmas": True}),
    Sampler.LCM: (LCMScheduler, {}),
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


def work(request: ImageRequest | Refinement = CAT, *, source: bytes | None = None) -> Work:
    image_ids = tuple(f"image-{number}" for number in range(request.num_images))
    sha256 = None if source is None else "ab" * 32
    return Work(job_id="job", image_ids=image_ids, request=request, source=source, source_sha256=sha256)


def painted(pipelines: Pipelines, of: Work) -> list[Painted]:
    told: list[Progress | Painted] = []
    paint(pipelines, of, tell=told.append, cancelled=lambda: False)
    return [news for news in told if isinstance(news, Painted)]


def picture(image: Painted) -> Image.Image:
    opened = Image.open(io.BytesIO(image.png))
    opened.load()
    return opened


def are_equal(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and one.mode == other.mode and ImageChops.difference(one, other).getbbox() is None


@pytest.mark.parametrize("sampler", Sampler)
def test_an_image_equals_the_stock_pipelines(
    demo: Pipelines, stock_base: StableDiffusionXLPipeline, sampler: Sampler
) -> None:
    (image,) = painted(demo, work(replace(CAT, sampler=sampler, negative_prompt="blur")))

    assert are_equal(picture(image), repeat(image.recipe, stock_base))


def test_a_sampler_leaves_nothing_behind_for_the_next(demo: Pipelines) -> None:
    before = painted(demo, work(replace(CAT, sampler=Sampler.DPMPP_2M)))[0]

    painted(demo, work(replace(CAT, sampler=Sampler.DPMPP_2M_KARRAS)))

    after = painted(demo, work(replace(CAT, sampler=Sampler.DPMPP_2M)))[0]
    assert are_equal(picture(before), picture(after))


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
    assert are_equal(picture(image), repeat(recipe, stock_base))


def test_a_size_that_nobody_chose_is_the_models_own(demo: Pipelines) -> None:
    (image,) = painted(demo, work(replace(CAT, width=None, height=None, num_inference_steps=1)))

    assert picture(image).size == (image.recipe.width, image.recipe.height) == (256, 256)


def test_each_image_of_a_job_can_be_repeated_alone(demo: Pipelines) -> None:
    four = painted(demo, work(replace(CAT, num_images=4)))

    assert [image.image_id for image in four] == ["image-0", "image-1", "image-2", "image-3"]
    assert [image.recipe.seed for image in four] == [7, 8, 9, 10]
    (alone,) = painted(demo, work(replace(CAT, seed=9)))
    assert are_equal(picture(alone), picture(four[2]))
    assert not are_equal(picture(four[0]), picture(four[1]))


def test_seeds_count_up_over_the_highest_to_zero(demo: Pipelines) -> None:
    two = painted(demo, work(replace(CAT, num_images=2, seed=SEED_MAX, num_inference_steps=1)))

    assert [image.recipe.seed for image in two] == [SEED_MAX, 0]


def test_words_and_seed_change_the_picture(demo: Pipelines) -> None:
    pictures = [
        picture(painted(demo, work(request))[0])
        for request in (CAT, replace(CAT, prompt="a dog"), replace(CAT, seed=8), replace(CAT, negative_prompt="red"))
    ]

    assert len({image.tobytes() for image in pictures}) == len(pictures)


@pytest.mark.parametrize("strength", [0.34, 0.5, 1.0])
def test_a_refined_image_equals_the_stock_refiners(
    demo: Pipelines, stock_refiner: StableDiffusionXLImg2ImgPipeline, strength: float
) -> None:
    parent = painted(demo, work())[0].png
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
    assert are_equal(picture(image), again)
    assert (recipe.stage, recipe.parent_id, recipe.parent_sha256) == ("refiner", "parent", "ab" * 32)
    assert picture(image).size == (96, 64)


def test_progress_is_told_after_each_step_and_before_each_image(demo: Pipelines) -> None:
    told: list[Progress | Painted] = []
    paint(demo, work(replace(CAT, num_images=2)), tell=told.append, cancelled=lambda: False)

    assert told[:STEPS] == [Progress(1, 2, step, STEPS) for step in (1, 2, 3)]
    assert isinstance(told[STEPS], Painted)
    assert told[STEPS + 1 : -1] == [Progress(2, 2, step, STEPS) for step in (1, 2, 3)]


def test_a_refinement_counts_only_the_steps_that_it_takes(demo: Pipelines) -> None:
    parent = painted(demo, work())[0].png
    told: list[Progress | Painted] = []
    refinement = Refinement(image_id="parent", prompt="snow", strength=0.5, num_inference_steps=4, seed=1)
    paint(demo, work(refinement, source=parent), tell=told.append, cancelled=lambda: False)

    assert told[:-1] == [Progress(1, 1, 1, 2), Progress(1, 1, 2, 2)]


def test_a_cancelled_job_takes_no_further_step(demo: Pipelines) -> None:
    told: list[Progress | Painted] = []

    with pytest.raises(JobCancelled):
        paint(demo, work(), tell=told.append, cancelled=lambda: len(told) == 2)

    assert told == [Progress(1, 1, 1, STEPS), Progress(1, 1, 2, STEPS)]
    assert painted(demo, work()), "the pipelines are as good as before"


def test_a_source_that_is_no_picture_fails_its_job_alone(demo: Pipelines) -> None:
    refinement = Refinement(image_id="parent", prompt="snow", num_inference_steps=STEPS, seed=1)

    with pytest.raises(JobFailed) as caught:
        painted(demo, work(refinement, source=b"not a picture"))

    assert caught.value.code == "painting_failed"
    assert painted(demo, work())


def test_a_png_says_who_made_it(demo: Pipelines) -> None:
    (image,) = painted(demo, work(replace(CAT, prompt="naïve 猫", num_inference_steps=1)))

    text = picture(image).info
    assert text["Software"].startswith("Limner ")
    assert text["limner-id"] == "image-0"
    recipe = json.loads(text[RECIPE_KEY])
    assert (recipe["prompt"], recipe["seed"], recipe["model"]) == ("naïve 猫", 7, "demo")
    assert recipe["versions"].keys() == {"limner", "diffusers", "torch", "transformers"}
