"""What is said of files: whole, changed, cut, foreign, and without any marks."""

import io
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bot.errors import BadRequest
from bot.marks.authority import own_signer
from bot.marks.credentials import SOURCE_TYPE, State, read
from bot.marks.findings import Findings, Watermark, examine
from bot.marks.marker import Marker
from bot.marks.xmp import packet
from tests.bot.marks.kinds import RECIPE, emoji, painting, photo, plain_png


@pytest.fixture(scope="module")
def marker(tmp_path_factory: pytest.TempPathFactory) -> Marker:
    return Marker(watermark=True, signer=own_signer(tmp_path_factory.mktemp("data"), time.time()))


@pytest.fixture(scope="module")
def png(marker: Marker) -> bytes:
    return marker.mark(Image.fromarray(photo(512)), "image-1", RECIPE, parent=None, now=time.time())


@pytest.fixture
def certificates(marker: Marker) -> bytes:
    assert marker.signer is not None
    return marker.signer.certificates


def saved(picture: Image.Image, form: str, **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def state(found: Findings) -> State | None:
    return None if found.credentials is None else found.credentials.state


def test_an_image_of_limners_has_all_marks(png: bytes, certificates: bytes) -> None:
    found = examine(png, certificates)

    assert (found.format, found.width, found.height) == ("PNG", 512, 512)
    assert (found.watermark, found.recipe, found.source_type) == (Watermark.FOUND, True, SOURCE_TYPE)
    assert found.image_id == "image-1"
    credentials = found.credentials
    assert credentials is not None
    assert (credentials.state, credentials.reasons) == (State.TRUSTED, ())
    assert (credentials.actions, credentials.model) == (("c2pa.created",), RECIPE.model)
    assert (credentials.source_type, credentials.title, credentials.parent) == (SOURCE_TYPE, "image-1", None)
    assert credentials.when is not None
    assert credentials.signer == "Limner, self-made, not trusted / Untrusted local authority"


def test_elsewhere_the_same_image_is_whole_and_signed_by_somebody_unknown(png: bytes) -> None:
    assert state(examine(png)) is State.UNTRUSTED


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_a_picture_without_marks_has_none(form: str) -> None:
    found = examine(saved(Image.fromarray(photo(512)), form))

    assert found.watermark is Watermark.NOT_FOUND
    assert (found.recipe, found.source_type, found.image_id, found.credentials) == (False, None, None, None)


def test_one_wrong_pixel_breaks_the_credentials(marker: Marker, certificates: bytes) -> None:
    """Without compression, so that a changed byte is a changed pixel, with a right sum."""
    signer = marker.signer
    assert signer is not None
    from bot.marks.credentials import Claim, signed

    picture = Image.fromarray(photo(256))
    whole = signed(saved(picture, "JPEG", quality=90), "jpg", Claim("image-1", "demo", None, time.time()), signer)
    changed = bytearray(whole)
    changed[-200] ^= 1

    assert state(examine(whole, certificates)) is State.TRUSTED
    found = examine(bytes(changed), certificates).credentials
    assert found is not None
    assert found.state is State.BROKEN
    assert "hash" in " ".join(found.reasons).lower()


def test_credentials_that_were_moved_to_another_picture_are_broken(png: bytes, certificates: bytes) -> None:
    at = png.index(b"caBX") - 4
    chunk = png[at : at + 12 + int.from_bytes(png[at : at + 4])]
    other = plain_png(emoji(512))
    found = examine(other[:33] + chunk + other[33:], certificates)

    assert state(found) is State.BROKEN
    assert found.image_id is None, "what broken credentials name is not repeated"


def test_a_recipe_that_was_changed_breaks_the_credentials(png: bytes, certificates: bytes) -> None:
    with Image.open(io.BytesIO(png)) as picture:
        text = PngInfo()
        text.add_itxt("limner", replace(RECIPE, prompt="a dog").to_json())
        changed = saved(picture, "PNG", pnginfo=text)
    at, before = png.index(b"caBX") - 4, changed
    changed = before[:33] + png[at : at + 12 + int.from_bytes(png[at : at + 4])] + before[33:]

    assert state(examine(changed, certificates)) is State.BROKEN


def test_text_that_anybody_can_write_names_an_image_only_where_no_credentials_do() -> None:
    text = PngInfo()
    text.add_text("limner-id", "image-2")
    forged = saved(Image.fromarray(photo(256)), "PNG", pnginfo=text)
    found = examine(forged)

    assert (found.image_id, found.credentials) == ("image-2", None)


@pytest.mark.parametrize("form", ["JPEG", "WEBP"])
def test_xmp_is_found_in_other_formats(form: str) -> None:
    found = examine(saved(Image.fromarray(photo(256)), form, xmp=packet("image-3", RECIPE.to_json())))

    assert (found.recipe, found.source_type, found.image_id) == (True, SOURCE_TYPE, "image-3")


def test_small_pictures_have_no_watermark_and_that_is_told() -> None:
    assert examine(plain_png(photo(128))).watermark is Watermark.TOO_SMALL


@pytest.mark.parametrize(
    ("brought", "says"),
    [
        (b"", "no picture"),
        (b"GIF89a" + bytes(100), "no picture"),
        (bytes(25 * 2**20 + 1), "too large"),
        (plain_png(photo(256))[:2000], "damaged"),
    ],
)
def test_what_is_no_picture_is_told_kindly(brought: bytes, says: str) -> None:
    with pytest.raises(BadRequest, match=says):
        examine(brought)


def test_pictures_of_any_mode_are_looked_at() -> None:
    for mode in ("1", "L", "LA", "P", "RGBA", "I;16"):
        picture = Image.new(mode, (300, 300))
        assert examine(saved(picture, "PNG")).watermark is Watermark.NOT_FOUND


def test_a_file_may_end_or_be_damaged_anywhere(png: bytes) -> None:
    """The head with the credentials is where it matters; nothing but a kind refusal or findings comes of it."""
    begin = png.index(b"caBX")
    for at in [*range(0, begin + 3600, 97), len(png) - 40, len(png) - 1]:
        broken = bytearray(png)
        broken[at] ^= 0x55
        for each in (bytes(broken), png[:at]):
            try:
                found = examine(each)
            except BadRequest:
                continue
            assert found.width > 0


@settings(max_examples=100, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_credentials_of_any_kind_of_damage_are_read_or_broken(png: bytes, data: st.DataObject) -> None:
    begin = png.index(b"caBX")
    broken = bytearray(png)
    for _ in range(data.draw(st.integers(1, 5))):
        broken[data.draw(st.integers(begin, begin + 3400))] = data.draw(st.integers(0, 255))

    found = read(bytes(broken), "png")
    assert found is None or found.state in State


def test_what_was_sent_smaller_is_told_like_the_png(marker: Marker, png: bytes, certificates: bytes) -> None:
    file = marker.fitting(painting("image-1"), png, len(png) // 3, time.time())
    assert file is not None
    found = examine(file.bytes, certificates)

    assert (found.format, found.recipe, found.source_type) == ("JPEG", True, SOURCE_TYPE)
    assert (state(found), found.image_id) == (State.TRUSTED, "image-1")
