"""Every mark, read back by tools that are not ours: exiftool, and C2PA's own reader."""

import io
import json
import pickle
import shutil
import time
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import c2pa
import pytest
from PIL import Image

from bot.jobs import Recipe
from bot.marks.authority import own_signer
from bot.marks.credentials import MIME_TYPES, SOURCE_TYPE, Signer, State, read
from bot.marks.findings import Watermark, examine
from bot.marks.marker import PLAIN, Marker
from bot.pictures import LOSSY, Encoded, fitting
from tests.bot.marks.kinds import (
    KINDS,
    RECIPE,
    SIDES,
    Pixels,
    decoded,
    emoji,
    noise,
    painting,
    photo,
    plain_png,
    told_by_exiftool,
)

needs_exiftool = pytest.mark.skipif(shutil.which("exiftool") is None, reason="exiftool is not installed")
SECRETS = ("test:ann", "naïve", "blurry", "thumbnail", "PRIVATE KEY")


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    return own_signer(tmp_path_factory.mktemp("data"), time.time())


@pytest.fixture(scope="module")
def marker(signer: Signer) -> Marker:
    return Marker(watermark=True, signer=signer)


def marked(marker: Marker, pixels: Pixels, image_id: str = "image-1", parent: bytes | None = None) -> bytes:
    recipe = RECIPE if parent is None else replace(RECIPE, parent_id="image-0", strength=0.5)
    return marker.mark(Image.fromarray(pixels), image_id, recipe, parent=parent, now=time.time())


def store_of(encoded: bytes, suffix: str) -> dict[str, Any]:
    """As C2PA's own reader tells it, with the settings that it comes with."""
    with c2pa.Reader(MIME_TYPES[suffix], io.BytesIO(encoded)) as reader:
        store: dict[str, Any] = json.loads(reader.json())
    return store


def manifest_of(encoded: bytes, suffix: str = "png") -> dict[str, Any]:
    store = store_of(encoded, suffix)
    manifest: dict[str, Any] = store["manifests"][store["active_manifest"]]
    return manifest


def actions_of(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    (actions,) = (each for each in manifest["assertions"] if each["label"].startswith("c2pa.actions"))
    found: list[dict[str, Any]] = actions["data"]["actions"]
    return found


def smaller(marker: Marker, png: bytes, limit: int) -> Encoded:
    file = marker.fitting(painting("image-1"), png, limit, time.time())
    assert file is not None
    assert len(file.bytes) <= limit
    return file


@needs_exiftool
@pytest.mark.parametrize("side", SIDES)
def test_exiftool_reads_text_and_xmp_of_a_png(marker: Marker, tmp_path: Path, side: int) -> None:
    told = told_by_exiftool(marked(marker, photo(side)), tmp_path, "png")

    assert told["PNG:Software"].startswith("Limner ")
    assert told["PNG:Limner-id"] == "image-1"
    assert Recipe.from_json(told["PNG:Limner"]) == RECIPE
    assert told["XMP-iptcExt:DigitalSourceType"] == SOURCE_TYPE
    assert told["XMP-xmp:CreatorTool"].startswith("Limner ")
    assert told["XMP-limner:Id"] == "image-1"
    assert told["CBOR:ActionsAction"] == "c2pa.created"


@needs_exiftool
@pytest.mark.parametrize(
    ("part", "suffix", "side"), [(0.95, "webp", 512), (0.95, "webp", 1024), (0.4, "jpg", 512), (0.4, "jpg", 1024)]
)
def test_exiftool_reads_xmp_of_what_is_sent_smaller(
    marker: Marker, tmp_path: Path, part: float, suffix: str, side: int
) -> None:
    png = marked(marker, KINDS["emoji" if suffix == "webp" else "photo"](side))
    file = smaller(marker, png, int(len(png) * part))
    told = told_by_exiftool(file.bytes, tmp_path, file.suffix)

    assert file.suffix == suffix
    assert told["XMP-iptcExt:DigitalSourceType"] == SOURCE_TYPE
    assert told["XMP-xmp:CreatorTool"].startswith("Limner ")
    assert told["XMP-limner:Id"] == "image-1"
    assert Recipe.from_json(told["XMP-limner:Recipe"]) == RECIPE


@pytest.mark.parametrize(("kind", "side"), [*product(["photo", "emoji"], SIDES), ("noise", 512), ("white", 512)])
def test_c2pas_own_reader_finds_the_credentials_whole(marker: Marker, kind: str, side: int) -> None:
    encoded = marked(marker, KINDS[kind](side))
    manifest = manifest_of(encoded)
    (action,) = actions_of(manifest)

    assert store_of(encoded, "png")["validation_state"] == "Valid", "and not Trusted, as nobody else knows the signer"
    assert manifest["title"] == "image-1"
    assert manifest["claim_generator_info"][0]["name"] == "Limner"
    assert manifest["signature_info"]["common_name"] == "Limner, self-made, not trusted"
    assert (action["action"], action["digitalSourceType"]) == ("c2pa.created", SOURCE_TYPE)
    assert action["softwareAgent"]["name"] == RECIPE.model


def test_the_folder_of_a_model_is_not_told(marker: Marker) -> None:
    recipe = replace(RECIPE, model="/home/ann/models/ink")
    encoded = marker.mark(Image.fromarray(photo(256)), "image-1", recipe, parent=None, now=time.time())

    assert actions_of(manifest_of(encoded))[0]["softwareAgent"]["name"] == "ink"


@pytest.mark.parametrize("part", [1, 0.95, 0.4])
def test_nobodys_words_are_in_the_credentials(marker: Marker, part: float) -> None:
    png = marked(marker, photo(512), parent=marked(marker, photo(512), "image-0"))
    file = smaller(marker, png, int(len(png) * part))
    told = json.dumps(store_of(file.bytes, file.suffix), ensure_ascii=False)

    assert not [word for word in SECRETS if word in told]


def test_a_refinement_names_its_parent_and_keeps_what_is_said_of_it(marker: Marker) -> None:
    encoded = marked(marker, photo(512), parent=marked(marker, photo(512), "image-0"))
    store, manifest = store_of(encoded, "png"), manifest_of(encoded)
    (parent,) = manifest["ingredients"]
    opened, edited = actions_of(manifest)

    assert (parent["title"], parent["relationship"]) == ("image-0", "parentOf")
    assert store["manifests"][parent["active_manifest"]]["title"] == "image-0"
    assert (opened["action"], edited["action"]) == ("c2pa.opened", "c2pa.edited")
    assert edited["digitalSourceType"] == SOURCE_TYPE
    assert store["validation_state"] == "Valid"


def test_a_parent_without_credentials_is_named_all_the_same(marker: Marker) -> None:
    encoded = marked(marker, photo(256), parent=plain_png(photo(256)))
    (parent,) = manifest_of(encoded)["ingredients"]

    assert parent["title"] == "image-0"
    assert "active_manifest" not in parent


def test_a_parents_credentials_with_pictures_in_them_stay_behind(marker: Marker, signer: Signer) -> None:
    """Other programs put a small picture into them, which would outlive its erasure."""
    info = c2pa.C2paSignerInfo(signer.algorithm, signer.certificates, signer.private_key, None)
    into = io.BytesIO()
    action = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE}
    words = {"title": "holiday", "assertions": [{"label": "c2pa.actions", "data": {"actions": [action]}}]}
    with c2pa.Builder(json.dumps(words)) as builder, c2pa.Signer.from_info(info) as key:
        builder.sign(key, "image/png", io.BytesIO(plain_png(photo(256))), into)
    assert "thumbnail" in json.dumps(store_of(into.getvalue(), "png"))

    told = json.dumps(store_of(marked(marker, photo(256), parent=into.getvalue()), "png"))

    assert "thumbnail" not in told
    assert "holiday" not in told
    assert "image-0" in told


def test_generations_do_not_pile_up_for_ever(marker: Marker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.marks.credentials.HANDED_ON_MAX", 20_000)
    bare, sizes = len(plain_png(emoji(256))), []
    parent = marked(marker, emoji(256), "image-0")
    for _ in range(8):
        parent = marked(marker, emoji(256), parent=parent)
        sizes.append(len(parent) - bare)

    assert max(sizes) < 40_000
    assert read(parent, "png") is not None


def test_a_parent_that_only_pillow_can_read_is_named_too(marker: Marker) -> None:
    parent = plain_png(photo(256)) + b"what some program left behind"
    cut = plain_png(photo(256))[:-6]

    for each in (parent, cut):
        assert manifest_of(marked(marker, photo(256), parent=each))["ingredients"][0]["title"] == "image-0"


def test_credentials_of_what_is_sent_smaller_name_the_png_as_their_parent(marker: Marker) -> None:
    png = marked(marker, photo(512))
    manifest = manifest_of((file := smaller(marker, png, len(png) // 2)).bytes, file.suffix)

    assert [each["action"] for each in actions_of(manifest)] == ["c2pa.opened", "c2pa.transcoded"]
    assert manifest["ingredients"][0]["title"] == "image-1"
    assert "active_manifest" in manifest["ingredients"][0]


def test_an_image_that_fits_is_sent_as_it_is(marker: Marker) -> None:
    png = marked(marker, photo(256))

    assert smaller(marker, png, len(png)).bytes is png


def test_what_the_marks_need_is_counted(marker: Marker) -> None:
    """Whatever the limit, none is passed; the last step is too small for all."""
    png = marked(marker, photo(256))
    limit, sizes = len(png) - 1, []
    while (file := marker.fitting(painting("image-1"), png, limit, time.time())) is not None:
        assert len(file.bytes) <= limit
        found = read(file.bytes, file.suffix)
        assert found is not None
        sizes.append(len(file.bytes))
        limit = len(file.bytes) - 1

    assert len(sizes) >= len(LOSSY)


def test_a_picture_that_somebody_brought_is_not_marked(marker: Marker) -> None:
    png = plain_png(noise(256))
    limit = len(png) // 2
    file = marker.fitting(painting("image-1", recipe=None), png, limit, time.time())

    assert file == fitting(png, limit)
    assert file is not None
    assert examine(file.bytes).source_type is None


def test_without_the_watermark_pixels_stay_as_they_were_painted(signer: Signer) -> None:
    encoded = marked(Marker(watermark=False, signer=signer), photo(512))

    assert (decoded(encoded) == photo(512)).all()
    assert examine(encoded).watermark is Watermark.NOT_FOUND
    assert examine(encoded).credentials is not None


def test_a_plain_marker_writes_the_recipe_and_what_it_is() -> None:
    found = examine(marked(PLAIN, photo(256)))

    assert (found.recipe, found.source_type, found.image_id, found.credentials) == (True, SOURCE_TYPE, "image-1", None)


def test_an_image_is_delivered_though_the_certificate_has_ended_meanwhile(tmp_path: Path, marker: Marker) -> None:
    ended = Marker(watermark=True, signer=own_signer(tmp_path, 0))
    png = marked(marker, photo(256))
    file = smaller(ended, png, len(png) // 2)

    assert examine(file.bytes).source_type == SOURCE_TYPE
    assert read(file.bytes, file.suffix) is None


def test_an_image_is_painted_though_the_certificate_has_ended_meanwhile(tmp_path: Path) -> None:
    found = examine(marked(Marker(watermark=True, signer=own_signer(tmp_path, 0)), photo(256)))

    assert (found.watermark, found.recipe, found.source_type) == (Watermark.FOUND, True, SOURCE_TYPE)
    assert found.credentials is None


def test_a_worker_gets_it_whole(marker: Marker) -> None:
    assert pickle.loads(pickle.dumps(marker)) == marker
    assert "PRIVATE" not in repr(marker)


def test_the_watermark_is_in_every_format_that_keeps_all_pixels(marker: Marker) -> None:
    png = marked(marker, emoji(1024))
    file = smaller(marker, png, len(png) - 1)
    assert marker.signer is not None
    found = examine(file.bytes, marker.signer.certificates)

    assert file.suffix == "webp"
    assert found.watermark is Watermark.FOUND
    assert found.credentials is not None
    assert found.credentials.state is State.TRUSTED
