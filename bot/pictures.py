"""A picture that somebody brings -> a PNG that can be refined, or a mistake told kindly.

Blocking: callers leave the event loop.
"""

import io
import struct
import warnings
from dataclasses import dataclass

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from bot.errors import BadRequest, Mistake
from bot.prompts import SIDE_MAX, SIDE_MIN, SIDE_UNIT

BYTES_MAX = 25 * 2**20
#: Decoded size; what is larger is refused before it is decoded.
PIXELS_MAX = 40_000_000
#: SDXL's own area; larger pictures are scaled down to it.
PIXELS_PAINTED = 1024 * 1024
FORMATS = ("PNG", "JPEG", "WEBP")


@dataclass(frozen=True, slots=True)
class Picture:
    png: bytes
    width: int
    height: int


def prepare(encoded: bytes) -> Picture:
    """RGB, upright, sides multiples of 8; a PNG that is all this already stays byte for byte. Raises BadRequest."""
    if len(encoded) > BYTES_MAX:
        raise _mistake(f"The picture is too large: up to {BYTES_MAX // 2**20} MiB are taken.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(encoded), formats=FORMATS)
            if picture.width * picture.height > PIXELS_MAX:
                raise _mistake(f"The picture has too many pixels: up to {PIXELS_MAX // 10**6} megapixels are taken.")
            picture.load()
    except UnidentifiedImageError as error:
        raise _mistake(f"This is no picture that can be read. Taken are {', '.join(FORMATS)}.") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _mistake(f"The picture has too many pixels: up to {PIXELS_MAX // 10**6} megapixels are taken.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise _mistake("The picture is damaged or cut off and cannot be read.") from error
    upright = _upright(picture)
    size = painted_size(*upright.size)
    plain = picture.format == "PNG" and picture.mode == "RGB" and "transparency" not in picture.info
    if plain and upright is picture and picture.size == size:
        return Picture(encoded, *size)
    return _redrawn(upright, size)


def painted_size(width: int, height: int) -> tuple[int, int]:
    """The nearest size with this shape that SDXL paints well."""
    scale = min(1.0, (PIXELS_PAINTED / (width * height)) ** 0.5)
    return _side(width * scale), _side(height * scale)


def _side(length: float) -> int:
    return min(SIDE_MAX, max(SIDE_MIN, int(length) // SIDE_UNIT * SIDE_UNIT))


def _upright(picture: Image.Image) -> Image.Image:
    """The same object where nothing says that it was taken sideways, or the notes on that cannot be read."""
    try:
        turned = picture.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
    except (SyntaxError, ValueError, struct.error):
        return picture
    return ImageOps.exif_transpose(picture) if turned else picture


def _redrawn(upright: Image.Image, size: tuple[int, int]) -> Picture:
    if upright.mode.startswith("I;16"):
        upright = upright.point(lambda tone: tone / 257, "L")
    opaque = Image.new("RGB", upright.size, "white")
    rgba = upright.convert("RGBA")
    opaque.paste(rgba, mask=rgba)
    file = io.BytesIO()
    ImageOps.fit(opaque, size, Image.Resampling.LANCZOS).save(file, "PNG", compress_level=1)
    return Picture(file.getvalue(), *size)


def _mistake(message: str) -> BadRequest:
    return BadRequest(Mistake("picture", message))
