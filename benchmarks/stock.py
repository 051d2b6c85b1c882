"""The stock pipelines, loaded and called as a stranger would, for one recipe at a time."""

import io
from typing import Any

import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from PIL import Image

from bot.inference.pipelines import DEMO_FOLDER
from bot.inference.samplers import SCHEDULERS
from bot.jobs import Recipe, Sampler, Stage


class Stock:
    """The demo model's."""

    def __init__(self) -> None:
        how = {"variant": "fp16", "dtype": torch.float32, "add_watermarker": False}
        self.base: Any = StableDiffusionXLPipeline.from_pretrained(DEMO_FOLDER / "base", **how)
        self.refiner: Any = StableDiffusionXLImg2ImgPipeline.from_pretrained(DEMO_FOLDER / "refiner", **how)
        parts = {name: part for name, part in self.base.components.items() if name in PARTS}
        self.base_from_picture: Any = StableDiffusionXLImg2ImgPipeline(**parts, add_watermarker=False)
        self._schedule = dict(self.base.scheduler.config)
        for pipeline in (self.base, self.refiner, self.base_from_picture):
            pipeline.set_progress_bar_config(disable=True)

    def paint(self, recipe: Recipe, source: bytes | None = None) -> Image.Image:
        painted: Image.Image = self._paint(recipe, source)
        return painted

    def _paint(self, recipe: Recipe, source: bytes | None) -> Any:
        how: dict[str, Any] = {
            "prompt": recipe.prompt,
            "negative_prompt": recipe.negative_prompt,
            "num_inference_steps": recipe.num_inference_steps,
            "guidance_scale": recipe.guidance_scale,
            "generator": torch.Generator("cpu").manual_seed(recipe.seed),
        }
        if recipe.strength is not None:
            assert source is not None
            picture = Image.open(io.BytesIO(source)).convert("RGB")
            pipeline = self.base_from_picture if recipe.stage is Stage.BASE else self.refiner
            return self._call(pipeline, recipe.sampler, how, image=picture, strength=recipe.strength)
        size = {"width": recipe.width, "height": recipe.height}
        if recipe.refine_at is None:
            return self._call(self.base, recipe.sampler, how, **size)
        ends = {"denoising_end": recipe.refine_at, "output_type": "latent"}
        latents = self._call(self.base, recipe.sampler, how, **size, **ends)[None]
        return self._call(self.refiner, recipe.sampler, how, image=latents, denoising_start=recipe.refine_at)

    def _call(self, pipeline: Any, sampler: Sampler, how: dict[str, Any], **more: Any) -> Any:
        pipeline.scheduler = self.scheduler(sampler)
        return pipeline(**how, **more).images[0]

    def scheduler(self, sampler: Sampler) -> Any:
        """Afresh, as they keep state."""
        kind, options = SCHEDULERS[sampler]
        return kind.from_config(self._schedule, **options)


#: Of a base that image-to-image takes as well.
PARTS = ("vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "unet", "scheduler")
