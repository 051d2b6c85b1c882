"""A finished picture -> a PNG that carries its recipe."""

import io

from PIL import Image
from PIL.PngImagePlugin import PngInfo

import bot
from bot.jobs import Recipe

#: Text chunk that holds the recipe as JSON.
RECIPE_KEY = "limner"


def encode(picture: Image.Image, image_id: str, recipe: Recipe) -> bytes:
    text = PngInfo()
    text.add_text("Software", f"Limner {bot.__version__}")
    text.add_text("limner-id", image_id)
    text.add_itxt(RECIPE_KEY, recipe.to_json())
    file = io.BytesIO()
    picture.save(file, "PNG", pnginfo=text, compress_level=4)
    return file.getvalue()
