"""A picture that somebody brings -> a PNG that can be refined, or a mistake told kindly; and an image that is sent ->
a file that is small enough.

Blocking: callers leave the event loop.
"""

import builtins
import io
import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal

from PIL import ExifTags, Image, ImageFilter, ImageOps, UnidentifiedImageError

from bot.errors import BadRequest, Mistake
from bot.prompts import SIDE_MAX, SIDE_MIN, SIDE_UNIT

BYTES_MAX = 25 * 2**20
#: Decoded size; what is larger is refused before it is decoded.
PIXELS_MAX = 40_000_000
#: What JPEG knows; each row of a PNG costs memory, however short it is.
LENGTH_MAX = 65_535
#: Chunks of a PNG, segments of a JPEG: each takes its time, and programs write some thousands at most.
PARTS_MAX = 20_000
#: Of a progressive JPEG, which has about ten: each goes over the whole picture.
SCANS_MAX = 100
#: SDXL's own area; larger pictures are scaled down to it.
PIXELS_PAINTED = 1024 * 1024
FORMATS = ("PNG", "JPEG", "WEBP")
#: How files begin.
PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
#: Neither a byte of the picture, which has a zero after it, nor a restart in between.
JPEG_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
JPEG_SCAN, JPEG_END = b"\xff\xda", b"\xff\xd9"
#: By what Exif says of how the camera was held; what it does not say is upright.
UPRIGHT: dict[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: Lossless WebP is hardly ever smaller than this part of a PNG, but for flat pictures, which are small anyway.
LOSSLESS_GAIN = 0.5
#: Qualities of JPEG, and how coarse colours are: 0 is 4:4:4, 2 is 4:2:0.
LOSSY = ((95, 0), (88, 2), (80, 2), (70, 2))
#: Of a covered picture: pixels of its longer side that are left of it before they are blurred, and those it has.
COVERED_KEPT, COVERED_SIDE = 8, 512


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
    picture = opened(encoded)
    upright = _upright(picture)
    size = painted_size(*upright.size)
    plain = picture.format == "PNG" and picture.mode == "RGB" and "transparency" not in picture.info
    if plain and upright is picture and picture.size == size:
        return Picture(encoded, *size)
    return _redrawn(upright, size)


def opened(encoded: bytes) -> Image.Image:
    """Decoded. Raises BadRequest."""
    if len(encoded) > BYTES_MAX:
        mebibytes = BYTES_MAX // 2**20
        message = f"The picture is too large: up to {mebibytes} MiB are taken."
        raise _mistake(message, "too_large", mebibytes=mebibytes)
    if _takes_too_long(encoded):
        raise _damaged()
    try:
        picture = Image.open(io.BytesIO(encoded), formats=FORMATS)
        if picture.width * picture.height > PIXELS_MAX or max(picture.size) > LENGTH_MAX:
            raise _too_many_pixels()
        picture.load()
    except UnidentifiedImageError as error:
        formats = ", ".join(FORMATS)
        message = f"This is no picture that can be read. Taken are {formats}."
        raise _mistake(message, "unreadable", formats=formats) from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise _too_many_pixels() from error
    except (OSError, SyntaxError, ValueError) as error:
        raise _damaged() from error
    return picture


def painted_size(width: int, height: int) -> tuple[int, int]:
    """The nearest size with this shape that SDXL paints well."""
    scale = min(1.0, (PIXELS_PAINTED / (width * height)) ** 0.5)
    return _side(width * scale), _side(height * scale)


def fitting(
    png: bytes,
    limit: int,
    *,
    xmp: bytes | None = None,
    finished: Callable[[bytes, Literal["webp", "jpg"]], bytes] = lambda encoded, _: encoded,
) -> Encoded | None:
    """The best of PNG, lossless WebP and JPEG that has no more than `limit` bytes; all pixels stay.

    `xmp` goes into what is no PNG, and `finished` has the last word on it.
    """
    if len(png) <= limit:
        return Encoded(png, "png")
    notes = {} if xmp is None else {"xmp": xmp}
    with Image.open(io.BytesIO(png), formats=("PNG",)) as whole:
        picture = whole.convert("RGB")
    if limit >= LOSSLESS_GAIN * len(png):
        # More effort takes three times as long for hardly a percent.
        webp = _encoded(picture, "WEBP", lossless=True, method=1, quality=0, **notes)
        if len(webp) <= limit and len(webp := finished(webp, "webp")) <= limit:
            return Encoded(webp, "webp")
    for quality, subsampling in LOSSY:
        jpeg = _encoded(picture, "JPEG", quality=quality, subsampling=subsampling, **notes)
        if len(jpeg) <= limit and len(jpeg := finished(jpeg, "jpg")) <= limit:
            return Encoded(jpeg, "jpg")
    return None


def covered(png: bytes) -> Encoded:
    """A blur of the picture, of its shape, in which nothing can be recognised; it stands in its place."""
    with Image.open(io.BytesIO(png), formats=("PNG",)) as whole:
        picture = whole.convert("RGB")
    tiny = picture.resize(_shaped(picture.size, COVERED_KEPT), Image.Resampling.BOX)
    blurred = tiny.filter(ImageFilter.GaussianBlur(1))
    blurred = blurred.resize(_shaped(picture.size, COVERED_SIDE), Image.Resampling.BICUBIC)
    return Encoded(_encoded(blurred, "JPEG", quality=80), "jpg")


def _shaped(size: tuple[int, int], longest: int) -> tuple[int, int]:
    width, height = size
    scale = longest / max(size)
    return max(1, round(width * scale)), max(1, round(height * scale))


def _encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def _side(length: float) -> int:
    return min(SIDE_MAX, max(SIDE_MIN, int(length) // SIDE_UNIT * SIDE_UNIT))


def _takes_too_long(encoded: bytes) -> bool:
    """By the count of its parts, of which nothing is read here."""
    if encoded.startswith(PNG):
        return sum(1 for _ in islice(_png_chunks(encoded), PARTS_MAX + 1)) > PARTS_MAX
    if encoded.startswith(JPEG):
        markers = list(islice(_jpeg_segments(encoded), PARTS_MAX + 1))
        return len(markers) > PARTS_MAX or markers.count(JPEG_SCAN) > SCANS_MAX
    return False


def _png_chunks(encoded: bytes) -> Iterator[bytes]:
    """Their kinds."""
    at = len(PNG)
    while (kind := encoded[at + 4 : at + 8]) not in (b"", b"IEND"):
        yield kind
        at += 12 + int.from_bytes(encoded[at : at + 4])


def _jpeg_segments(encoded: bytes) -> Iterator[bytes]:
    """Their markers."""
    at = len(JPEG)
    while (found := JPEG_MARKER.search(encoded, at)) and found[0] != JPEG_END:
        yield found[0]
        at = found.end() + int.from_bytes(encoded[found.end() : found.end() + 2])


def _upright(picture: Image.Image) -> Image.Image:
    """The same object where nothing says that it was taken sideways, or the notes on that cannot be read.

    ImageOps.exif_transpose would write the notes anew, and so fail on damage anywhere in them.
    """
    try:
        turn = UPRIGHT.get(picture.getexif().get(ExifTags.Base.Orientation))
    except (SyntaxError, ValueError, struct.error):
        return picture
    return picture if turn is None else picture.transpose(turn)


def _redrawn(upright: Image.Image, size: tuple[int, int]) -> Picture:
    if upright.mode.startswith("I;16"):
        upright = upright.point(lambda tone: tone / 257, "L")
    opaque = Image.new("RGB", upright.size, "white")
    rgba = upright.convert("RGBA")
    opaque.paste(rgba, mask=rgba)
    fitted = ImageOps.fit(opaque, size, Image.Resampling.LANCZOS)
    return Picture(_encoded(fitted, "PNG", compress_level=1), *size)


def _damaged() -> BadRequest:
    return _mistake("The picture is damaged or cut off and cannot be read.", "damaged")


def _too_many_pixels() -> BadRequest:
    megapixels = PIXELS_MAX // 10**6
    message = f"The picture has too many pixels: up to {megapixels} megapixels are taken."
    return _mistake(message, "too_many_pixels", megapixels=megapixels)


def _mistake(message: str, kind: str, **values: object) -> BadRequest:
    return BadRequest(Mistake("picture", message, kind, values))
