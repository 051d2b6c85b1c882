"""What becomes of a picture that somebody brings."""

import io
import random
import struct
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from PIL import ExifTags, Image

from bot.errors import BadRequest, Mistake
from bot.pictures import BYTES_MAX, Encoded, fitting, painted_size, prepare

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)

Colour = tuple[int, int, int]


def picture(size: tuple[int, int] = (128, 64), mode: str = "RGB") -> Image.Image:
    """Red on the left, blue on the right."""
    painted = Image.new("RGB", size, RED)
    painted.paste(BLUE, (size[0] // 2, 0, *size))
    return painted.convert(mode)


def encoded(painted: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    painted.save(file, form, **options)
    return file.getvalue()


def decoded(png: bytes) -> Image.Image:
    with Image.open(io.BytesIO(png)) as opened:
        opened.load()
        assert (opened.format, opened.mode) == ("PNG", "RGB")
        return opened


def near(painted: Image.Image, point: tuple[int, int], colour: Colour) -> bool:
    """JPEG and WebP change colours a little."""
    found = painted.getpixel(point)
    assert isinstance(found, tuple)
    return all(abs(one - other) <= 6 for one, other in zip(found, colour, strict=True))


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def claimed(width: int, height: int) -> bytes:
    """A PNG that says it is this large, and holds next to nothing."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")


def told(brought: bytes) -> str:
    """Why it was refused."""
    with pytest.raises(BadRequest) as error:
        prepare(brought)
    (mistake,) = error.value.mistakes
    assert mistake == Mistake("picture", str(error.value))
    return mistake.message


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_picture_keeps_its_colours_and_size_in_every_format(form: str) -> None:
    prepared = prepare(encoded(picture(), form))
    shown = decoded(prepared.png)

    assert (prepared.width, prepared.height) == shown.size == (128, 64)
    assert near(shown, (8, 8), RED)
    assert near(shown, (120, 56), BLUE)


def test_a_png_that_is_all_right_stays_byte_for_byte() -> None:
    brought = encoded(picture())

    assert prepare(brought).png == brought


@pytest.mark.parametrize(
    ("form", "mode"),
    [("PNG", "P"), ("PNG", "RGBA"), ("JPEG", "CMYK"), ("WEBP", "RGBA")],
)
def test_colours_are_kept_whatever_the_mode(form: str, mode: str) -> None:
    shown = decoded(prepare(encoded(picture(mode=mode), form)).png)

    assert near(shown, (8, 8), RED)
    assert near(shown, (120, 56), BLUE)


@pytest.mark.parametrize(("mode", "grey"), [("L", 128), ("LA", 128), ("1", 255)])
def test_grey_pictures_become_grey_colours(mode: str, grey: int) -> None:
    shown = decoded(prepare(encoded(Image.new("L", (64, 64), grey).convert(mode))).png)

    assert near(shown, (8, 8), (grey, grey, grey))


def test_a_grey_picture_of_16_bits_keeps_its_tones() -> None:
    shown = decoded(prepare(encoded(Image.new("I;16", (64, 64), 128 * 257))).png)

    assert near(shown, (8, 8), (128, 128, 128))


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
@pytest.mark.parametrize(("alpha", "left"), [(0, WHITE), (128, (255, 127, 127)), (255, RED)])
def test_what_can_be_seen_through_lies_on_white(form: str, alpha: int, left: Colour) -> None:
    brought = picture(mode="RGBA")
    brought.paste((*RED, alpha), (0, 0, 64, 64))

    shown = decoded(prepare(encoded(brought, form, **({"exact": True} if form == "WEBP" else {}))).png)

    assert near(shown, (8, 8), left)
    assert near(shown, (120, 56), BLUE)


@pytest.mark.parametrize("mode", ["RGB", "P", "L"])
def test_a_colour_that_stands_for_nothing_is_white_too(mode: str) -> None:
    brought = Image.new(mode, (64, 64), 0)
    transparent = encoded(brought, transparency=(0, 0, 0) if mode == "RGB" else 0)

    assert near(decoded(prepare(transparent).png), (8, 8), WHITE)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(
    ("orientation", "size", "red"),
    [(3, (128, 64), (120, 8)), (6, (64, 128), (8, 8)), (8, (64, 128), (8, 120)), (2, (128, 64), (120, 8))],
)
def test_a_picture_that_was_taken_sideways_is_put_upright(
    form: str, orientation: int, size: tuple[int, int], red: tuple[int, int]
) -> None:
    prepared = prepare(encoded(picture(), form, exif=turned(orientation)))
    shown = decoded(prepared.png)

    assert (prepared.width, prepared.height) == shown.size == size
    assert near(shown, red, RED)
    assert near(shown, (size[0] - 1 - red[0], size[1] - 1 - red[1]), BLUE)
    assert ExifTags.Base.Orientation not in shown.getexif()


@pytest.mark.parametrize("orientation", [0, 1, 9])
def test_an_orientation_that_says_nothing_changes_nothing(orientation: int) -> None:
    shown = decoded(prepare(encoded(picture(), "JPEG", exif=turned(orientation))).png)

    assert shown.size == (128, 64)
    assert near(shown, (8, 8), RED)


@pytest.mark.parametrize(
    ("form", "mode"),
    [
        ("JPEG", "RGB"),
        ("PNG", "L"),
        ("WEBP", "RGB"),
    ],
)
def test_notes_on_the_camera_that_cannot_be_read_do_not_matter(form: str, mode: str) -> None:
    prepared = prepare(encoded(picture(mode=mode), form, exif=b"Exif\0\0garbage"))

    assert (prepared.width, prepared.height) == (128, 64)


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_of_a_moving_picture_the_first_frame_is_taken(form: str) -> None:
    first, second = (Image.new("RGB", (64, 64), colour) for colour in (RED, BLUE))

    shown = decoded(prepare(encoded(first, form, save_all=True, append_images=[second])).png)

    assert near(shown, (8, 8), RED)


@pytest.mark.parametrize(
    ("size", "painted"),
    [
        ((64, 64), (64, 64)),
        ((1024, 1024), (1024, 1024)),
        ((71, 65), (64, 64)),
        ((1, 1), (64, 64)),
        ((2048, 2048), (1024, 1024)),
        ((1920, 1080), (1360, 768)),
        ((4000, 3000), (1176, 880)),
        ((1080, 1920), (768, 1360)),
        ((1030, 1030), (1024, 1024)),
    ],
)
def test_a_size_is_rounded_down_to_what_is_painted_well(size: tuple[int, int], painted: tuple[int, int]) -> None:
    assert painted_size(*size) == painted


def test_every_painted_size_is_one_that_may_be_painted_with_nearly_the_same_shape() -> None:
    chance = random.Random(7)
    for _ in range(1000):
        size = chance.randint(128, 2048), chance.randint(128, 2048)
        width, height = painted_size(*size)

        assert width % 8 == height % 8 == 0
        assert min(width, height) >= 64
        assert width * height <= max(1024 * 1024, 64 * max(width, height))
        assert min(width, height) < 128 or 0.88 < (width / height) / (size[0] / size[1]) < 1.14


@pytest.mark.parametrize("size", [(40_000_000, 1), (65_535, 1), (1, 65_535), (3000, 64)])
def test_a_strip_of_a_picture_is_no_longer_than_what_may_be_painted(size: tuple[int, int]) -> None:
    assert max(painted_size(*size)) <= 2048


def test_a_large_picture_is_scaled_down_whole() -> None:
    prepared = prepare(encoded(picture((2000, 1000)), "JPEG"))
    shown = decoded(prepared.png)

    assert (prepared.width, prepared.height) == shown.size == (1448, 720)
    assert near(shown, (8, 8), RED)
    assert near(shown, (1440, 712), BLUE)


@pytest.mark.parametrize("brought", [b"", b"a cat", bytes(1000), b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP"])
def test_what_is_no_picture_is_refused_with_what_is_taken(brought: bytes) -> None:
    assert told(brought) == "This is no picture that can be read. Taken are PNG, JPEG, WEBP."


@pytest.mark.parametrize("form", ["GIF", "BMP", "TIFF", "ICO", "PPM"])
def test_other_formats_are_refused_with_what_is_taken(form: str) -> None:
    assert told(encoded(picture(), form)) == "This is no picture that can be read. Taken are PNG, JPEG, WEBP."


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("part", [0.5, 0.9])
def test_a_picture_that_is_cut_off_is_refused(form: str, part: float) -> None:
    noise = Image.effect_noise((128, 128), 80).convert("RGB")
    whole = encoded(noise, form)

    assert told(whole[: int(len(whole) * part)]) in (
        "The picture is damaged or cut off and cannot be read.",
        "This is no picture that can be read. Taken are PNG, JPEG, WEBP.",
    )


@pytest.mark.parametrize("size", [(50_000, 50_000), (2**31 - 1, 2**31 - 1), (10_000, 10_000), (8000, 5001)])
def test_a_picture_that_unfolds_to_too_many_pixels_is_refused_before_it_does(size: tuple[int, int]) -> None:
    assert told(claimed(*size)) == "The picture has too many pixels: up to 40 megapixels are taken."


def test_a_picture_may_have_40_megapixels() -> None:
    assert told(claimed(8000, 5000)) == "The picture is damaged or cut off and cannot be read."


def test_a_note_in_a_picture_that_unfolds_without_end_is_refused() -> None:
    header, rest = claimed(64, 64)[:33], claimed(64, 64)[33:]
    note = chunk(b"zTXt", b"note\0\0" + zlib.compress(bytes(100 * 2**20)))

    assert told(header + note + rest) == "The picture is damaged or cut off and cannot be read."


@pytest.mark.parametrize(("size", "too_large"), [(BYTES_MAX, False), (BYTES_MAX + 1, True)])
def test_a_file_may_have_25_mib(size: int, too_large: bool) -> None:
    brought = encoded(picture()) + bytes(size - len(encoded(picture())))

    if too_large:
        assert told(brought) == "The picture is too large: up to 25 MiB are taken."
    else:
        assert prepare(brought).png == brought


def damaged(whole: bytes, chance: random.Random) -> bytes:
    content = bytearray(whole)
    for _ in range(chance.choice((1, 3, 10))):
        content[chance.randrange(min(chance.choice((60, 200, 2000)), len(content)))] = chance.randrange(256)
    return bytes(content[: chance.choice((len(content), chance.randrange(len(content))))])


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize(
    "whole",
    [
        lambda: encoded(picture((80, 72))),
        lambda: encoded(picture((80, 72), "RGBA")),
        lambda: encoded(picture((80, 72)), save_all=True, append_images=[Image.new("RGB", (80, 72))]),
        lambda: encoded(picture((80, 72)), "JPEG"),
        lambda: encoded(picture((80, 72)), "WEBP"),
    ],
    ids=["RGB", "RGBA", "moving", "JPEG", "WebP"],
)
def test_damage_anywhere_is_told_kindly_or_does_not_matter(whole: Callable[[], bytes]) -> None:
    chance = random.Random(7)
    taken = refused = 0
    for _ in range(150):
        try:
            prepare(damaged(whole(), chance))
        except BadRequest:
            refused += 1
        else:
            taken += 1

    assert taken > 0
    assert refused > 0


@pytest.mark.parametrize(
    ("brought", "kind", "values"),
    [
        (bytes(BYTES_MAX + 1), "too_large", {"mebibytes": 25}),
        (claimed(8000, 5001), "too_many_pixels", {"megapixels": 40}),
        (claimed(50_000, 50_000), "too_many_pixels", {"megapixels": 40}),
        (b"a cat", "unreadable", {"formats": "PNG, JPEG, WEBP"}),
        (claimed(64, 64), "damaged", {}),
    ],
    ids=["large", "pixels", "bomb", "text", "damaged"],
)
def test_a_mistake_names_its_kind_and_all_that_its_sentence_names(
    brought: bytes, kind: str, values: dict[str, object]
) -> None:
    with pytest.raises(BadRequest) as error:
        prepare(brought)

    (mistake,) = error.value.mistakes
    assert (mistake.kind, mistake.values) == (kind, values)


def painting(grain: int = 0) -> bytes:
    """Soft colours with as much noise as `grain` says, from 0 to 255."""
    soft = Image.merge("RGB", [Image.radial_gradient("L").rotate(angle) for angle in (0, 90, 180)])
    noise = Image.merge("RGB", [Image.effect_noise((256, 256), grain) for _ in range(3)])
    return encoded(Image.blend(soft, noise, 0.5 if grain else 0), compress_level=4)


def opened(file: Encoded) -> Image.Image:
    """With its format; decoded whole."""
    shown = Image.open(io.BytesIO(file.bytes))
    shown.load()
    return shown


def sampling(jpeg: bytes) -> int:
    """Of the first component: 0x11 where colours are as fine as light, 0x22 where they are half as fine."""
    return jpeg[jpeg.index(b"\xff\xc0") + 11]


@pytest.mark.parametrize("room", [0, 1, 10**9])
def test_a_png_that_fits_is_sent_as_it_is(room: int) -> None:
    png = painting()

    assert fitting(png, len(png) + room) == Encoded(png, "png")


@pytest.mark.parametrize("png", [painting(), painting(grain=20)], ids=["soft", "grainy"])
def test_a_png_that_hardly_does_not_fit_becomes_a_webp_with_the_same_pixels(png: bytes) -> None:
    file = fitting(png, len(png) - 1)

    assert file is not None
    assert file.suffix == "webp"
    assert len(file.bytes) < len(png)
    shown = opened(file)
    assert (shown.format, shown.mode) == ("WEBP", "RGB")
    assert shown.tobytes() == decoded(png).tobytes()


def test_what_lossless_cannot_make_small_enough_becomes_the_best_jpeg_that_fits() -> None:
    png = painting(grain=200)
    sizes = []
    limit = len(png) // 3
    while (file := fitting(png, limit)) is not None:
        shown = opened(file)
        assert (file.suffix, shown.format, shown.size, shown.mode) == ("jpg", "JPEG", (256, 256), "RGB")
        assert len(file.bytes) <= limit
        sizes.append(len(file.bytes))
        limit = len(file.bytes) - 1

    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) >= 3


def test_noise_that_lossless_does_not_make_smaller_becomes_a_jpeg_with_all_its_colours() -> None:
    png = painting(grain=255)
    file = fitting(png, int(len(png) * 0.9))

    assert file is not None
    assert file.suffix == "jpg"
    assert sampling(file.bytes) == 0x11
    smaller = fitting(png, len(file.bytes) - 1)
    assert smaller is not None
    assert sampling(smaller.bytes) == 0x22


@pytest.mark.parametrize("limit", [0, 100, 1000])
def test_there_is_nothing_to_send_where_nothing_fits(limit: int) -> None:
    assert fitting(painting(grain=200), limit) is None


def test_lossless_is_not_tried_where_it_plainly_cannot_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    png = painting(grain=200)
    tried = []
    save = Image.Image.save

    def noted(self: Image.Image, file: Any, form: str, **options: Any) -> None:
        tried.append(form)
        save(self, file, form, **options)

    monkeypatch.setattr(Image.Image, "save", noted)
    fitting(png, len(png) // 2 - 1)
    assert set(tried) == {"JPEG"}
    fitting(png, len(png) // 2 + 1)
    assert "WEBP" in tried
