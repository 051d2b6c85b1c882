"""A finished picture -> a PNG with its marks, by the clock on the wall."""

import time

from PIL import Image

from bot.jobs import Recipe
from bot.marks.marker import PLAIN, Marker
from bot.marks.marker import RECIPE_KEY as RECIPE_KEY


def encode(
    picture: Image.Image, image_id: str, recipe: Recipe, marker: Marker = PLAIN, parent: bytes | None = None
) -> bytes:
    return marker.mark(picture, image_id, recipe, parent=parent, now=time.time())
