"""One job with the stock pipelines: one call per image, so that every image can be repeated alone."""

import importlib.metadata
import io
from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import bot
from bot.errors import JobCancelled, JobFailed
from bot.events import Progress
from bot.inference.pipelines import Pipelines, explained
from bot.jobs import ImageRequest, Recipe, Refinement
from bot.ports import Painted, Work

#: PNG text chunk that holds the recipe as JSON.
RECIPE_KEY = "limner"
SEEDS = 2**64

VERSIONS = {
    "limner": bot.__version__,
    **{name: importlib.metadata.version(name) for name in ("diffusers", "torch", "transformers")},
}

Tell = Callable[[Progress | Painted], None]


def paint(pipelines: Pipelines, work: Work, *, tell: Tell, cancelled: Callable[[], bool]) -> None:
    """Tells progress per step, then each image. Raises JobCancelled or JobFailed; the pipelines stay good for more."""
    try:
        for index, image_id in enumerate(work.image_ids):
            if cancelled():
                raise JobCancelled
            recipe = _recipe(pipelines, work, index)
            follow_steps = _StepCallback(index + 1, len(work.image_ids), tell, cancelled)
            picture = _call(pipelines, recipe, work.source, follow_steps)
            tell(Painted(image_id, encode(picture, image_id, recipe), recipe))
    except torch.OutOfMemoryError as error:
        detail = "The device's memory is too small for this. Try a smaller size."
        raise JobFailed("out_of_memory", detail) from error
    except (JobCancelled, JobFailed):
        raise
    except Exception as error:
        raise JobFailed("painting_failed", f"{type(error).__name__}: {explained(error)}") from error


def _recipe(pipelines: Pipelines, work: Work, index: int) -> Recipe:
    request = work.request
    assert request.seed is not None
    match request:
        case ImageRequest():
            stage, model = "base", pipelines.model
            width, height = request.width or pipelines.native_side, request.height or pipelines.native_side
            of_parent: dict[str, Any] = {}
        case Refinement():
            stage, model = "refiner", pipelines.refiner
            width, height = _open(work.source).size
            of_parent = {
                "strength": request.strength,
                "parent_id": request.image_id,
                "parent_sha256": work.source_sha256,
            }
    return Recipe(
        stage=stage,
        model=model,
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        width=width,
        height=height,
        seed=(request.seed + index) % SEEDS,
        sampler=request.sampler,
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
        device=pipelines.device.name,
        dtype=pipelines.device.dtype_name,
        versions=VERSIONS,
        **of_parent,
    )


def _call(pipelines: Pipelines, recipe: Recipe, source: bytes | None, follow_steps: Any) -> Image.Image:
    how: dict[str, Any] = {
        "prompt": recipe.prompt,
        "negative_prompt": recipe.negative_prompt,
        "num_inference_steps": recipe.num_inference_steps,
        "guidance_scale": recipe.guidance_scale,
        "generator": torch.Generator("cpu").manual_seed(recipe.seed),
        "callback_on_step_end": follow_steps,
    }
    if recipe.stage == "base":
        pipeline: Any = pipelines.from_words(recipe.sampler)
        how |= {"width": recipe.width, "height": recipe.height}
    else:
        pipeline = pipelines.from_picture(recipe.sampler)
        how |= {"image": _open(source), "strength": recipe.strength}
    picture: Image.Image = pipeline(**how).images[0]
    return picture


class _StepCallback:
    def __init__(self, image: int, images: int, tell: Tell, cancelled: Callable[[], bool]) -> None:
        self._image = image
        self._images = images
        self._tell = tell
        self._cancelled = cancelled

    def __call__(self, pipeline: Any, step: int, timestep: int, values: dict[str, Any]) -> dict[str, Any]:
        # Raised, not `pipeline._interrupt`: that would still decode the picture.
        if self._cancelled():
            raise JobCancelled
        self._tell(Progress(self._image, self._images, step + 1, pipeline.num_timesteps))
        return values


def _open(source: bytes | None) -> Image.Image:
    assert source is not None
    return Image.open(io.BytesIO(source)).convert("RGB")


def encode(picture: Image.Image, image_id: str, recipe: Recipe) -> bytes:
    """PNG with the recipe in its text chunks."""
    text = PngInfo()
    text.add_text("Software", f"Limner {bot.__version__}")
    text.add_text("limner-id", image_id)
    text.add_itxt(RECIPE_KEY, recipe.to_json())
    file = io.BytesIO()
    picture.save(file, "PNG", pnginfo=text, compress_level=4)
    return file.getvalue()
