"""Small files that unfold to large pictures, and files of a great many parts: refused before they cost anything."""

import json
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from bot.pictures import BYTES_MAX, LENGTH_MAX, PARTS_MAX, PIXELS_MAX, SCANS_MAX, prepare
from tests.bot.test_picture_files import (
    DAMAGED,
    RGB,
    RGBA,
    SIGNATURE,
    TOO_MANY_PIXELS,
    UNREADABLE,
    WHOLE,
    png,
    taken_or_refused,
)
from tests.bot.test_pictures import RED, chunk, decoded, encoded, near, picture, told


@pytest.mark.parametrize("size", [(LENGTH_MAX + 1, 1), (1, LENGTH_MAX + 1), (1, PIXELS_MAX)])
def test_a_strip_beyond_what_others_can_hold_is_refused_before_it_is_unfolded(size: tuple[int, int]) -> None:
    assert told(png(8, RGB, bytes(100), size)) == TOO_MANY_PIXELS


def huge(name: str) -> bytes:
    """A whole file whose head says that it is as large as its format can say."""
    file = bytearray(WHOLE[name])
    match name:
        case "JPEG" | "progressive JPEG":
            at = file.index(b"\xff\xc0" if name == "JPEG" else b"\xff\xc2")
            file[at + 5 : at + 9] = b"\xff\xdc\xff\xdc"
        case "WebP without loss":
            at = file.index(b"VP8L") + 9
            file[at : at + 4] = struct.pack("<I", 16383 | 16383 << 14 | 1 << 28)
        case "WebP" | "moving WebP":
            at = file.index(b"VP8X") + 12
            file[at : at + 6] = (16382).to_bytes(3, "little") * 2
    return bytes(file)


@pytest.mark.parametrize("name", ["JPEG", "progressive JPEG", "WebP", "WebP without loss", "moving WebP"])
def test_a_picture_that_only_says_it_is_huge_is_refused(name: str) -> None:
    assert told(huge(name)) in (TOO_MANY_PIXELS, UNREADABLE)


def in_many_chunks(count: int) -> bytes:
    """A picture with so many chunks in all."""
    whole = encoded(picture())
    return whole[:33] + chunk(b"noTe", b"") * (count - 2) + whole[33:]


def in_many_scans(count: int) -> bytes:
    """A picture to whose own scans empty ones are added."""
    whole = encoded(picture(), "JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    header = whole[last : last + 2 + int.from_bytes(whole[last + 2 : last + 4], "big")]
    return whole[:-2] + header * (count - whole.count(b"\xff\xda")) + whole[-2:]


def in_many_segments(count: int) -> bytes:
    whole = encoded(picture(), "JPEG")
    return whole[:2] + b"\xff\xee\0\2" * count + whole[2:]


@pytest.mark.parametrize(
    ("build", "most"), [(in_many_chunks, PARTS_MAX), (in_many_scans, SCANS_MAX), (in_many_segments, PARTS_MAX - 100)]
)
def test_a_file_may_have_many_parts_and_not_a_great_many(build: Callable[[int], bytes], most: int) -> None:
    """Each part takes its time: 25 MiB of nothing but parts take minutes, those of a JPEG hours."""
    shown = decoded(prepare(build(most)).png)

    assert near(shown, (8, 8), RED)
    assert told(build(most + 101)) == DAMAGED


def test_a_webp_may_hold_bytes_that_look_like_scans() -> None:
    whole = encoded(picture(), "WEBP", exif=b"Exif\0\0" + b"\xff\xda" * 2 * SCANS_MAX)

    assert taken_or_refused(whole)


def test_what_comes_after_the_end_of_a_file_does_not_count() -> None:
    after = b"\xff\xda\0\2" * 2 * SCANS_MAX + bytes(12) * 2 * PARTS_MAX

    assert taken_or_refused(encoded(picture(), "JPEG") + after)
    assert taken_or_refused(encoded(picture()) + after)


def test_a_long_note_with_scans_in_it_is_a_note() -> None:
    assert taken_or_refused(encoded(picture(), "JPEG", comment=b"\xff\xda" * 2 * SCANS_MAX))


@pytest.mark.parametrize("name", ["iCCP", "iTXt"])
def test_notes_that_unfold_without_end_are_refused(name: str) -> None:
    head = {"iCCP": b"note\0\0", "iTXt": b"note\0\1\0\0\0"}[name]
    note = chunk(name.encode(), head + zlib.compress(bytes(100 * 2**20)))
    whole = encoded(picture())

    assert told(whole[:33] + note + whole[33:]) == DAMAGED


def unfolding(size: tuple[int, int], row: bytes, count: int) -> bytes:
    """A PNG of so many equal rows."""
    squeeze = zlib.compressobj(9)
    pixels = b"".join(squeeze.compress(row) for _ in range(count)) + squeeze.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, RGBA, 0, 0, 0))
    return SIGNATURE + header + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def largest(form: str, **options: Any) -> bytes:
    return encoded(Image.new("RGB", (8000, 5000), RED), form, **options)


def largest_in_scans() -> bytes:
    whole = largest("JPEG", progressive=True)
    last = whole.rindex(b"\xff\xda")
    return whole[:-2] + whole[last:-2] * (SCANS_MAX - whole.count(b"\xff\xda")) + whole[-2:]


def frames(form: str) -> bytes:
    others = [Image.new("RGB", (4000, 4000), (grey, grey, grey)) for grey in range(10)]
    return encoded(
        others[0], form, save_all=True, append_images=others[1:], **({"lossless": True} if form == "WEBP" else {})
    )


MEASURE = """
import json, resource, sys, time
from bot.errors import BadRequest
from bot.pictures import prepare
brought = sys.stdin.buffer.read()
before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
try:
    told = prepare(brought).width
except BadRequest as error:
    told = str(error)
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(json.dumps([told, memory / 1024, time.process_time() - began]))
"""


def measured(brought: bytes) -> tuple[int | str, float, float]:
    """Width or mistake, and the most MiB and the seconds of a CPU that it took."""
    ran = subprocess.run([sys.executable, "-c", MEASURE], input=brought, capture_output=True, check=True)
    told, memory, seconds = json.loads(ran.stdout)
    return told, memory, seconds


@pytest.mark.nightly
@pytest.mark.parametrize(
    "build",
    [
        pytest.param(lambda: unfolding((8000, 5000), bytes(1 + 4 * 8000), 5000), id="40 megapixels of PNG"),
        pytest.param(lambda: unfolding((64, 64), bytes(2**20), 2**11), id="64x64 pixels of 2 GiB"),
        pytest.param(lambda: unfolding((610, LENGTH_MAX), bytes(1 + 4 * 610), LENGTH_MAX), id="tall PNG"),
        pytest.param(lambda: largest("JPEG"), id="40 megapixels of JPEG"),
        pytest.param(largest_in_scans, id="40 megapixels in 100 scans"),
        pytest.param(lambda: largest("WEBP", lossless=True), id="40 megapixels of WebP"),
        pytest.param(lambda: frames("WEBP"), id="moving WebP"),
        pytest.param(lambda: frames("PNG"), id="moving PNG"),
        pytest.param(lambda: in_many_chunks(2_000_000), id="25 MiB of chunks"),
        pytest.param(lambda: in_many_segments(6_000_000), id="25 MiB of segments"),
        pytest.param(lambda: in_many_scans(2_000_000), id="25 MiB of scans"),
        pytest.param(lambda: b"\xff\xd8" + b"\xff" * (BYTES_MAX - 2), id="25 MiB of fill"),
    ],
)
def test_the_worst_files_take_seconds_and_less_than_a_gibibyte(build: Callable[[], bytes]) -> None:
    told, memory, seconds = measured(build())

    assert memory < 1024, (told, memory)
    assert seconds < 20, (told, seconds)
