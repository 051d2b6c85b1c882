"""What pictures of step-level batching are held to, against stock diffusers and against each other."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

LEVELS_MAX = 1
#: Of all subpixels.
SHARE_MAX = 0.001


def levels_apart(one: Image.Image, other: Image.Image) -> NDArray[Any]:
    """Of each subpixel, 0 to 255; the pictures have one size."""
    return np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).ravel()


def are_within(levels: NDArray[Any]) -> bool:
    return bool(levels.max() <= LEVELS_MAX and (levels > 0).mean() <= SHARE_MAX)


def are_alike(one: Image.Image, other: Image.Image) -> bool:
    return one.size == other.size and are_within(levels_apart(one, other))
