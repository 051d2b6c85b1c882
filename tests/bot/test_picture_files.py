"""Picture files as nobody should make them: each becomes a picture to refine, or is refused kindly, and soon."""

import struct
import threading
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from bot.errors import BadRequest
from bot.pictures import LENGTH_MAX, Picture, painted_size, prepare
from bot.policy import Asker
from tests.bot.test_pictures import BLUE, RED, chunk, decoded, encoded, near, picture, told, turned
from tests.conftest import OpenLimner

DAMAGED = "The picture is damaged or cut off and cannot be read."
TOO_MANY_PIXELS = "The picture has too many pixels: up to 40 megapixels are taken."
UNREADABLE = "This is no picture that can be read. Taken are PNG, JPEG, WEBP."
SIGNATURE = b"\x89PNG\r\n\x1a\n"
SMALL = (40, 24)
TIFF_SHORT, TIFF_FLOAT = 3, 11

# Pillow warns of damage in notes.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")


def noted(orientation: int) -> Image.Exif:
    """What a camera writes, in all kinds of values."""
    exif = turned(orientation)
    exif[ExifTags.Base.Make] = "Limner"
    exif[ExifTags.Base.DateTime] = "2026:01:01 00:00:00"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.ExposureTime] = 0.01
    gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    gps[ExifTags.GPS.GPSLatitudeRef] = "N"
    gps[ExifTags.GPS.GPSLatitude] = (1.0, 2.0, 3.5)
    return exif


def moving(form: str, **options: Any) -> bytes:
    return encoded(picture(SMALL), form, save_all=True, append_images=[picture(SMALL).rotate(180)], **options)


WHOLE: dict[str, bytes] = {
    "PNG": encoded(picture(SMALL), exif=noted(6), icc_profile=b"no profile"),
    "PNG in greys of 16 bits": encoded(Image.new("I;16", SMALL, 300)),
    "PNG with a palette": encoded(picture(SMALL, "P"), transparency=b"\x00\x50\xff", exif=noted(3)),
    "PNG in black and white": encoded(picture(SMALL, "1"), transparency=0),
    "PNG with opacity": encoded(picture(SMALL, "LA")),
    "moving PNG": moving("PNG", exif=noted(8)),
    "JPEG": encoded(picture(SMALL), "JPEG", exif=noted(6), icc_profile=b"no profile", comment=b"a cat"),
    "progressive JPEG": encoded(picture(SMALL), "JPEG", progressive=True, exif=noted(5)),
    "JPEG for print": encoded(picture(SMALL, "CMYK"), "JPEG"),
    "JPEG in two views": moving("MPO", exif=noted(7)),
    "WebP": encoded(picture(SMALL), "WEBP", exif=noted(6)),
    "WebP without loss": encoded(picture(SMALL, "RGBA"), "WEBP", lossless=True),
    "moving WebP": moving("WEBP", exif=noted(4), icc_profile=b"no profile"),
}


def taken_or_refused(brought: bytes) -> bool:
    """Whether it was taken. Whatever else is raised is a fault, and so is a picture that cannot be refined."""
    try:
        prepared = prepare(brought)
    except BadRequest as error:
        (mistake,) = error.mistakes
        assert mistake.kind in ("damaged", "unreadable", "too_many_pixels")
        return False
    assert decoded(prepared.png).size == (prepared.width, prepared.height)
    assert painted_size(prepared.width, prepared.height) == (prepared.width, prepared.height)
    return True


def test_all_that_is_damaged_below_is_whole_before() -> None:
    assert all(taken_or_refused(whole) for whole in WHOLE.values())


@pytest.mark.parametrize("name", WHOLE)
def test_a_file_may_end_anywhere(name: str) -> None:
    whole = WHOLE[name]
    for end in range(0, len(whole), 7):
        taken_or_refused(whole[:end])


def checked(file: bytes) -> bytes:
    """With right sums in a PNG, so that damage gets past them."""
    if not file.startswith(SIGNATURE):
        return file
    mended, at = [SIGNATURE], len(SIGNATURE)
    while len(head := file[at : at + 8]) == 8:
        length = int.from_bytes(head[:4], "big")
        mended.append(chunk(head[4:], file[at + 8 : at + 8 + length]) if at + 12 + length <= len(file) else file[at:])
        at += 12 + length
    return b"".join(mended)


@st.composite
def damage(draw: st.DrawFn) -> bytes:
    """A whole file, with some bytes of it changed, left out, repeated, or put in; often where the head is."""
    file = draw(st.sampled_from(list(WHOLE.values())))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(file) - 1) | st.integers(0, min(160, len(file) - 1)))
        length = draw(st.integers(0, 24))
        new = draw(
            st.binary(max_size=8)
            | st.sampled_from([b"\0", b"\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\xff" * 4, b"\xff\xda", b"IDAT"])
            | st.just(file[at - length : at] * 2)
        )
        file = file[:at] + new + file[at + draw(st.sampled_from([len(new), 0, length])) :] or b"\0"
    return draw(st.sampled_from([file, checked(file)]))


@pytest.mark.slow
@settings(max_examples=250, deadline=None, database=None)
@given(brought=damage())
def test_damage_of_any_kind_is_told_kindly_or_does_not_matter(brought: bytes) -> None:
    taken_or_refused(brought)


@pytest.mark.nightly
@settings(max_examples=10_000, deadline=None, database=None)
@given(brought=damage())
def test_ten_thousand_kinds_of_damage_are_told_kindly_or_do_not_matter(brought: bytes) -> None:
    taken_or_refused(brought)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_way_to_hold_a_camera_comes_out_upright(form: str, orientation: int) -> None:
    """Of a red corner on blue, which tells all eight apart."""
    upright = Image.new("RGB", (128, 64), BLUE)
    upright.paste(RED, (0, 0, 32, 16))
    # How the sensor saw it: what Exif says is how to turn it back.
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    held = upright if orientation == 1 else upright.transpose(Image.Transpose(back[orientation]))
    shown = decoded(prepare(encoded(held, form, exif=turned(orientation))).png)

    assert shown.size == (128, 64)
    assert near(shown, (8, 8), RED)
    assert all(near(shown, corner, BLUE) for corner in ((120, 8), (8, 56), (120, 56)))


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_picture_is_put_upright_though_other_notes_of_the_camera_are_broken(form: str) -> None:
    make = struct.pack("<HHII", ExifTags.Base.Make, TIFF_FLOAT, 1, 0)
    sideways = struct.pack("<HHII", ExifTags.Base.Orientation, TIFF_SHORT, 1, 6)
    broken = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + make + sideways + bytes(4)
    prepared = prepare(encoded(picture(), form, exif=broken))

    assert (prepared.width, prepared.height) == (64, 128)


def png(bits: int, colour: int, rows: bytes, size: tuple[int, int] = (64, 64), *before: bytes) -> bytes:
    """By hand, as Pillow writes not all kinds. `rows` with their filters."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", *size, bits, colour, 0, 0, 0))
    return SIGNATURE + header + b"".join(before) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6


@pytest.mark.parametrize(
    ("bits", "colour", "pixel", "seen"),
    [
        (16, GREY, b"\x80\x80", (128, 128, 128)),
        (16, RGB, b"\xff\xff\x80\x80\x00\x00", (255, 128, 0)),
        (16, GREY_ALPHA, b"\x80\x80\xff\xff", (128, 128, 128)),
        (16, GREY_ALPHA, b"\x80\x80\x00\x00", (255, 255, 255)),
        (16, RGBA, b"\xff\xff\x80\x80\x00\x00\xff\xff", (255, 128, 0)),
        (16, RGBA, b"\xff\xff\x80\x80\x00\x00\x00\x00", (255, 255, 255)),
        (8, GREY, b"\x80", (128, 128, 128)),
        (8, RGBA, b"\xff\x00\x00\x80", (255, 127, 127)),
    ],
)
def test_colours_are_kept_in_every_depth(bits: int, colour: int, pixel: bytes, seen: tuple[int, int, int]) -> None:
    shown = decoded(prepare(png(bits, colour, (b"\0" + pixel * 64) * 64)).png)

    assert near(shown, (8, 8), seen)
    assert near(shown, (56, 56), seen)


@pytest.mark.parametrize(("bits", "byte"), [(1, 0b10101010), (2, 0b01000100), (4, 0x10)])
def test_a_palette_of_few_colours_may_have_one_that_cannot_be_seen(bits: int, byte: int) -> None:
    """The first colour is red, the second nothing."""
    palette = [chunk(b"PLTE", bytes((*RED, *BLUE))), chunk(b"tRNS", b"\xff\x00")]
    row = b"\0" + bytes([byte]) * (64 * bits // 8)
    shown = decoded(prepare(png(bits, PALETTE, row * 64, (64, 64), *palette)).png)
    pixels = {shown.getpixel((x, 8)) for x in range(64)}

    assert pixels == {RED, (255, 255, 255)}


def test_a_picture_in_seven_passes_is_as_any_other() -> None:
    """Adam7, by hand: all pixels of a pass are of one colour, so that a pass that is left out would show."""
    passes = [(8, 8), (8, 8), (16, 8), (16, 16), (32, 16), (32, 32), (64, 32)]
    rows = b"".join((b"\0" + bytes(RED) * width) * height for width, height in passes)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, RGB, 0, 0, 1))
    shown = decoded(prepare(SIGNATURE + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")).png)

    assert shown.getcolors() == [(64 * 64, RED)]


@pytest.mark.parametrize("size", [(1, 1), (1, 2000), (2000, 1), (LENGTH_MAX, 1), (1, LENGTH_MAX), (4000, 70)])
def test_a_picture_of_any_shape_becomes_one_that_may_be_painted(size: tuple[int, int]) -> None:
    prepared = prepare(encoded(Image.new("RGB", size, RED)))

    assert (prepared.width, prepared.height) == painted_size(*size)
    assert decoded(prepared.png).getcolors() == [(prepared.width * prepared.height, RED)]


@pytest.mark.parametrize("brought", [
    pytest.param(b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/>', id="SVG"),
    pytest.param(b"%PDF-1.7\n1 0 obj\n", id="PDF"),
    pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n", id="EPS"),
    pytest.param(b"\0\0\0\x20ftypavif\0\0\0\0avifmif1", id="AVIF"),
    pytest.param(b"\0\0\0\x18ftypheic\0\0\0\0heicmif1", id="HEIC"),
    pytest.param(b"\xff\x0a" + bytes(64), id="JPEG XL"),
    pytest.param(b"GIF89a" + struct.pack("<HH", 65535, 65535) + bytes(3), id="huge GIF"),
    pytest.param(b"MZ" + bytes(62), id="program"),
    pytest.param(b"PK\3\4" + bytes(26), id="zip"),
])  # fmt: skip
def test_what_is_of_another_kind_is_refused_with_what_is_taken(brought: bytes) -> None:
    assert told(brought) == UNREADABLE


async def test_a_picture_is_unfolded_off_the_event_loop(limner: OpenLimner, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def noted(brought: bytes) -> Picture:
        threads.append(threading.current_thread())
        return prepare(brought)

    monkeypatch.setattr("bot.service.prepare", noted)
    async with limner() as service:
        await service.bring(encoded(picture()), Asker("test:ada", "test"))

    assert threads
    assert threading.current_thread() not in threads
