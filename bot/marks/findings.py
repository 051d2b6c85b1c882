"""What marks a file has. It says nothing of files without any: marks can be taken off."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from PIL import Image as Picture

from bot.jobs import Image
from bot.marks import xmp
from bot.marks.credentials import Credentials, Kind, State, read
from bot.marks.marker import ID_KEY, RECIPE_KEY
from bot.pictures import opened

#: How Pillow calls formats; MPO is a JPEG of several views.
KINDS: dict[str, Kind] = {"PNG": "png", "WEBP": "webp", "JPEG": "jpg", "MPO": "jpg"}


class Watermark(StrEnum):
    FOUND = "found"
    NOT_FOUND = "not found"
    #: None is embedded in so few pixels.
    TOO_SMALL = "too small"


@dataclass(frozen=True, slots=True)
class Findings:
    format: str
    width: int
    height: int
    #: Of the file, in hexadecimal.
    sha256: str
    watermark: Watermark
    #: A recipe of Limner's is there.
    recipe: bool
    #: As IPTC names it, in the XMP.
    source_type: str | None
    #: Of Limner's, as the marks say: of the credentials if they are whole, else of text that anybody may have written.
    image_id: str | None
    credentials: Credentials | None


@dataclass(frozen=True, slots=True)
class Verified:
    """A file, and what is known of it here."""

    findings: Findings
    #: This very file is an image here.
    known: bool
    #: An image that whoever asks may see: this very file, else the one that the marks name.
    image: Image | None


def examine(encoded: bytes, anchors: bytes | None = None) -> Findings:
    """Blocking. `anchors`: certificates in PEM of who is trusted. Raises BadRequest for what is no picture."""
    picture = opened(encoded)
    assert picture.format is not None
    notes = xmp.notes(xmp.packet_of(picture.info) or b"")
    credentials = read(encoded, KINDS[picture.format], anchors)
    whole = credentials is not None and credentials.state is not State.BROKEN
    return Findings(
        format="JPEG" if picture.format == "MPO" else picture.format,
        width=picture.width,
        height=picture.height,
        sha256=hashlib.sha256(encoded).hexdigest(),
        watermark=_watermark(picture),
        recipe=bool(_text(picture.info, RECIPE_KEY) or notes.recipe),
        source_type=notes.source_type,
        image_id=(credentials.title if credentials and whole else None)
        or _text(picture.info, ID_KEY)
        or notes.image_id,
        credentials=credentials,
    )


def _watermark(picture: Picture.Image) -> Watermark:
    # Here, as numpy costs the serving process some megabytes, and few ever ask.
    import numpy as np

    from bot.marks import watermark

    rgb = np.asarray(picture.convert("RGB"))
    if watermark.is_too_small(rgb):
        return Watermark.TOO_SMALL
    return Watermark.FOUND if watermark.is_marked(rgb) else Watermark.NOT_FOUND


def _text(info: dict[Any, Any], key: str) -> str | None:
    """A PNG's; other formats may have anything under that name."""
    found = info.get(key)
    return str(found) if isinstance(found, str) and found else None
