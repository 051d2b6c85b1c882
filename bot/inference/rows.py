"""From a job to the rows that are stepped for it, and from latents to pixels: with the stock pipelines' numbers."""

import importlib.metadata
import io
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from PIL import Image

import bot
from bot.errors import JobFailed
from bot.inference.denoise import Condition, Key, Row, noise, sent
from bot.inference.encode import Encoding
from bot.inference.pipelines import Model, Pipelines
from bot.inference.samplers import Course, course
from bot.jobs import ImageRequest, Recipe, Refinement, Sampler, Stage
from bot.ports import Work
from bot.styles import Style, with_trigger

SEEDS = 2**64
#: That are remembered, as each takes a millisecond to make.
COURSES = 256
#: What SDXL's refiner was trained to be told of a good picture and of a bad one, as the stock pipeline has it.
SCORE, NEGATIVE_SCORE = 6.0, 2.5

VERSIONS = {
    "limner": bot.__version__,
    **{name: importlib.metadata.version(name) for name in ("diffusers", "torch", "transformers")},
}


def loras_of(request: ImageRequest | Refinement) -> tuple[str, ...]:
    return tuple(name for name in (request.style, request.few_steps) if name is not None)


def stages_of(request: ImageRequest | Refinement) -> tuple[Stage, ...]:
    """In their order."""
    if isinstance(request, Refinement):
        # Of a job that an older version accepted, it is not known.
        return (request.stage or Stage.REFINER,)
    return (Stage.BASE,) if request.refine_at is None else (Stage.BASE, Stage.REFINER)


def size_of(work: Work, native_side: int) -> tuple[int, int]:
    """Width and height in pixels. Raises what PIL raises for a source that is no picture."""
    if work.source is not None:
        return Image.open(io.BytesIO(work.source)).size
    assert isinstance(work.request, ImageRequest)
    return work.request.width or native_side, work.request.height or native_side


def recipe_of(work: Work, index: int, pipelines: Pipelines, styles: Mapping[str, Style]) -> Recipe:
    """Of the image with this index in the job."""
    request = work.request
    assert request.seed is not None
    assert request.sampler is not None
    assert request.num_inference_steps is not None
    assert request.guidance_scale is not None
    width, height = size_of(work, pipelines.native_side)
    used = [_style(name, styles) for name in loras_of(request)]
    more: dict[str, Any] = {}
    if isinstance(request, Refinement):
        more = {
            "strength": request.strength,
            "parent_id": request.image_id,
            "parent_sha256": work.source_sha256,
        }
    elif request.refine_at is not None:
        more = {"refine_at": request.refine_at, "refiner": pipelines.refiner}
    stage = stages_of(request)[0]
    return Recipe(
        stage=stage,
        model=pipelines.model if stage is Stage.BASE else pipelines.refiner,
        prompt=with_trigger(request.prompt, _style(request.style, styles) if request.style else None),
        negative_prompt=request.negative_prompt,
        width=width,
        height=height,
        seed=(request.seed + index) % SEEDS,
        sampler=request.sampler,
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
        guidance_end=request.guidance_end,
        loras={style.lora: style.weight for style in used},
        device=pipelines.device.name,
        dtype=pipelines.device.dtype_name,
        versions=VERSIONS,
        **more,
    )


def _style(name: str, styles: Mapping[str, Style]) -> Style:
    if name not in styles:
        raise JobFailed("style_unavailable", f"The style {name} is not set up any more.")
    return styles[name]


class RowMaker:
    """Belongs to the step thread."""

    def __init__(self, pipelines: Pipelines) -> None:
        self._pipelines = pipelines
        self._device = pipelines.device.name
        self._dtype = pipelines.device.dtype
        self._courses = lru_cache(COURSES)(self._new_course)

    def steps(self, recipe: Recipe) -> int:
        """Of all stages together."""
        rest = 0 if recipe.refine_at is None else len(self._refiners_part(recipe))
        return len(self._course(recipe)) + rest

    @torch.inference_mode()
    def begin(self, recipe: Recipe, source: bytes | None, loras: tuple[str, ...], *, tiled: bool) -> Row:
        """The image's first row. Raises what cannot be read or does not fit."""
        model = self._pipelines.of(recipe.stage)
        steps = self._course(recipe)
        generator = torch.Generator("cpu").manual_seed(recipe.seed)
        # In the order in which the stock pipelines draw: the picture's latents, then the noise.
        picture = None if source is None else self._latents_of(source, model, generator, tiled=tiled)
        shape = (1, model.unet.config.in_channels, *self._latent_size(recipe))
        latents = steps.start_noise * noise(shape, generator, self._dtype, self._device)
        if picture is not None:
            latents = latents + steps.start_image * picture
        return self._row(recipe, model, steps, latents, generator, loras, guided_steps=self._guided_steps(recipe))

    @torch.inference_mode()
    def go_on(self, recipe: Recipe, base: Row) -> Row:
        """The refiner's row of an ensemble, from where the base stopped."""
        model = self._pipelines.of(Stage.REFINER)
        steps = self._refiners_part(recipe)
        left = self._guided_steps(recipe) - len(base.course)
        return self._row(recipe, model, steps, base.latents, base.generator, (), guided_steps=left)

    @torch.inference_mode()
    def decode(self, row: Row, *, tiled: bool) -> torch.Tensor:
        """[height, width, 3], uint8, on the device."""
        vae = self._pipelines.vae(row.key.stage)
        mean, deviation = _statistics(vae, row.latents)
        latents = (row.latents * deviation / vae.config.scaling_factor + mean).to(vae.dtype)
        (vae.enable_tiling if tiled else vae.disable_tiling)()
        decoded = vae.decode(latents, return_dict=False)[0]
        pixels = (decoded[0].float() / 2 + 0.5).clamp(0, 1) * 255
        rounded: torch.Tensor = pixels.round().to(torch.uint8)
        return rounded.permute(1, 2, 0).contiguous()

    def _latents_of(self, source: bytes, model: Model, generator: torch.Generator, *, tiled: bool) -> torch.Tensor:
        picture = Image.open(io.BytesIO(source)).convert("RGB")
        vae = self._pipelines.vae(model.stage)
        pixels = sent(model.image_processor.preprocess(picture).to(vae.dtype), self._device)
        (vae.enable_tiling if tiled else vae.disable_tiling)()
        latents = vae.encode(pixels).latent_dist.sample(generator).float()
        mean, deviation = _statistics(vae, latents)
        scaled: torch.Tensor = (latents - mean) * vae.config.scaling_factor / deviation
        return scaled

    def _guided_steps(self, recipe: Recipe) -> int:
        """The first so many of all. As in diffusers, a scale of 1 or less means no guidance."""
        return round(self.steps(recipe) * recipe.guidance_end) if recipe.guidance_scale > 1 else 0

    def _course(self, recipe: Recipe) -> Course:
        steps = recipe.num_inference_steps
        return self._courses(recipe.stage, recipe.sampler, steps, strength=recipe.strength, ends_at=recipe.refine_at)

    def _refiners_part(self, recipe: Recipe) -> Course:
        steps = recipe.num_inference_steps
        return self._courses(Stage.REFINER, recipe.sampler, steps, starts_at=recipe.refine_at)

    def _new_course(self, stage: Stage, sampler: Sampler, steps: int, **ends: float | None) -> Course:
        return course(sampler, self._pipelines.of(stage).schedule, steps, **ends)

    def _latent_size(self, recipe: Recipe) -> tuple[int, int]:
        scale = self._pipelines.pipeline.vae_scale_factor
        return recipe.height // scale, recipe.width // scale

    def _row(
        self,
        recipe: Recipe,
        model: Model,
        steps: Course,
        latents: torch.Tensor,
        generator: torch.Generator,
        loras: tuple[str, ...],
        guided_steps: int,
    ) -> Row:
        guided = guided_steps > 0
        prompt, negative = model.encode(recipe.prompt, recipe.negative_prompt if guided else None)
        return Row(
            key=Key(model.stage, latents.shape[2], latents.shape[3], loras, prompt.chunks),
            course=steps,
            prompt=self._condition(prompt, recipe, model, SCORE),
            negative=self._condition(negative, recipe, model, NEGATIVE_SCORE) if guided else None,
            guidance_scale=recipe.guidance_scale,
            guided_steps=guided_steps,
            latents=latents,
            generator=generator,
        )

    def _condition(self, encoding: Encoding, recipe: Recipe, model: Model, score: float) -> Condition:
        size = (recipe.height, recipe.width)
        time_ids = (*size, 0, 0, score) if model.takes_score else (*size, 0, 0, *size)
        ids = torch.tensor([time_ids], dtype=self._dtype)
        return Condition(encoding.embeds, encoding.pooled, sent(ids, self._device))


def _statistics(vae: Any, like: torch.Tensor) -> tuple[torch.Tensor | float, torch.Tensor | float]:
    """Mean and deviation of the latents' channels, where the model names them."""
    mean, deviation = getattr(vae.config, "latents_mean", None), getattr(vae.config, "latents_std", None)
    if mean is None or deviation is None:
        return 0.0, 1.0
    return like.new_tensor(mean).view(1, -1, 1, 1), like.new_tensor(deviation).view(1, -1, 1, 1)
