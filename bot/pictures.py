"""A picture that somebody brings -> a PNG that can be refined, or a mistake told kindly; and an image that is sent ->
a file that is small enough.

Blocking: callers leave the event loop.
"""

import builtins
import io
import struct
import warnings
from dataclasses import dataclass
from typing import Any, Literal

from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from bot.errors import BadRequest, Mistake
from bot.prompts import SIDE_MAX, SIDE_MIN, SIDE_UNIT

BYTES_MAX = 25 * 2**20
#: Decoded size; what is larger is refused before it is decoded.
PIXELS_MAX = 40_000_000
#: SDXL's own area; larger pictures are scaled down to it.
PIXELS_PAINTED = 1024 * 1024
FORMATS = ("PNG", "JPEG", "WEBP")
#: Lossless WebP is hardly ever smaller than this part of a PNG, but for flat pictures, which are small anyway.
LOSSLESS_GAIN = 0.5
#: Qualities of JPEG, and how coarse colours are: 0 is 4:4:4, 2 is 4:2:0.
LOSSY = ((95, 0), (88, 2), (80, 2), (70, 2))


@dataclass(frozen=True, slots=True)
class Picture:
    png: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Encoded:
    bytes: builtins.bytes
    suffix: Literal["png", "webp", "jpg"]


def prepare(encoded: bytes) -> Picture:
    """RGB, upright, sides multiples of 8; a PNG that is all this already stays byte for byte. Raises BadRequest."""
    if len(encoded) > BYTES_MAX:
        mebibytes = BYTES_MAX // 2**20
        message = f"The picture is too large: up to {mebibytes} MiB are taken."
        raise _mistake(message, "too_large", mebibytes=mebibytes)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(encoded), formats=FORMATS)
            if picture.width * picture.height > PIXELS_MAX:
                raise _too_many_pixels()
            picture.load()
    except UnidentifiedImageError as error:
        formats = ", ".join(FORMATS)
        message = f"This is no picture that can be read. Taken are {formats}."
        raise _mistake(message, "unreadable", formats=formats) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _too_many_pixels() from error
    except (OSError, SyntaxError, ValueError) as error:
        raise _mistake("The picture is damaged or cut off and cannot be read.", "damaged") from error
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


def fitting(png: bytes, limit: int) -> Encoded | None:
    """The best of PNG, lossless WebP and JPEG that has no more than `limit` bytes; all pixels stay."""
    if len(png) <= limit:
        return Encoded(png, "png")
    with Image.open(io.BytesIO(png), formats=("PNG",)) as opened:
        picture = opened.convert("RGB")
    if limit >= LOSSLESS_GAIN * len(png):
        # More effort takes three times as long for hardly a percent.
        webp = _encoded(picture, "WEBP", lossless=True, method=1, quality=0)
        if len(webp) <= limit:
            return Encoded(webp, "webp")
    for quality, subsampling in LOSSY:
        jpeg = _encoded(picture, "JPEG", quality=quality, subsampling=subsampling)
        if len(jpeg) <= limit:
            return Encoded(jpeg, "jpg")
    return None


def _encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


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
    fitted = ImageOps.fit(opaque, size, Image.Resampling.LANCZOS)
    return Picture(_encoded(fitted, "PNG", compress_level=1), *size)


def _too_many_pixels() -> BadRequest:
    megapixels = PIXELS_MAX // 10**6
    message = f"The picture has too many pixels: up to {megapixels} megapixels are taken."
    return _mistake(message, "too_many_pixels", megapixels=megapixels)


def _mistake(message: str, kind: str, **values: object) -> BadRequest:
    return BadRequest(Mistake("picture", message, kind, values))
