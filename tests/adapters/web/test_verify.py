"""POST /verify: what marks a file has, and whether it is an image here."""

import time
from pathlib import Path

import pytest
from PIL import Image

from bot.marks.authority import own_signer
from bot.marks.credentials import SOURCE_TYPE
from bot.marks.marker import Marker
from bot.policy import Asker
from bot.service import Service
from tests.adapters.web.clients import client_of, ok, problem
from tests.bot.marks.kinds import RECIPE, flat, photo, plain_png
from tests.conftest import OpenLimner

ELSEWHERE = "00000000-0000-4000-8000-000000000000"
#: Of the space of another key.
ANN = Asker("web:ann", "web:ann")


def marked(folder: Path, image_id: str = ELSEWHERE) -> bytes:
    """By the Limner of this data folder."""
    marker = Marker(watermark=True, signer=own_signer(folder, time.time()))
    return marker.mark(Image.fromarray(photo(256)), image_id, RECIPE, parent=None, now=time.time())


async def brought_by_ann(service: Service, encoded: bytes) -> str:
    return (await service.bring(encoded, ANN)).id


async def test_an_image_with_all_marks_is_told_of(limner: OpenLimner, tmp_path: Path) -> None:
    async with limner() as service, client_of(service) as client:
        body = ok(await client.post("/verify", content=marked(tmp_path)))

    assert (body["format"], body["width"], body["height"]) == ("PNG", 256, 256)
    assert (body["watermark"], body["recipe"], body["source_type"]) == ("found", True, SOURCE_TYPE)
    assert (body["known"], body["id"], body["image_id"]) == (False, None, ELSEWHERE)
    credentials = body["credentials"]
    assert (credentials["state"], credentials["reasons"]) == ("trusted", [])
    assert (credentials["actions"], credentials["model"]) == (["c2pa.created"], RECIPE.model)


async def test_what_another_limner_signed_is_not_trusted_here(limner: OpenLimner, tmp_path: Path) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    async with limner() as service, client_of(service) as client:
        body = ok(await client.post("/verify", content=marked(elsewhere)))

    assert body["credentials"]["state"] == "untrusted"


async def test_a_picture_without_marks_has_none(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        body = ok(await client.post("/verify", content=plain_png(photo(256))))

    assert (body["watermark"], body["recipe"], body["source_type"]) == ("not found", False, None)
    assert (body["known"], body["id"], body["image_id"], body["credentials"]) == (False, None, None, None)


async def test_an_image_of_the_caller_is_named(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        image = ok(await client.post("/generate", json={"prompt": "a cat", "num_inference_steps": 1}))
        picture = await client.get(image["images"][0]["url"])
        body = ok(await client.post("/verify", content=picture.content))

    assert (body["known"], body["id"], body["watermark"]) == (True, image["id"], "too small")


async def test_a_changed_image_is_named_by_its_marks(limner: OpenLimner, tmp_path: Path) -> None:
    async with limner() as service, client_of(service) as client:
        image = ok(await client.post("/images", content=plain_png(photo(256))), 201)["id"]
        body = ok(await client.post("/verify", content=marked(tmp_path, image)))

    assert (body["known"], body["id"], body["image_id"]) == (False, image, image)


async def test_images_that_the_caller_may_not_see_are_known_and_not_named(limner: OpenLimner, tmp_path: Path) -> None:
    async with limner() as service, client_of(service) as client:
        theirs = await brought_by_ann(service, plain_png(photo(256)))
        same = ok(await client.post("/verify", content=plain_png(photo(256))))
        named = ok(await client.post("/verify", content=marked(tmp_path, theirs)))

    assert (same["known"], same["id"]) == (True, None)
    assert (named["known"], named["id"]) == (False, None)


async def test_of_a_picture_that_many_brought_the_callers_is_named(limner: OpenLimner) -> None:
    picture = plain_png(flat(64, 1, 2, 3))
    async with limner() as service, client_of(service) as client:
        await brought_by_ann(service, picture)
        mine = ok(await client.post("/images", content=picture), 201)["id"]
        await brought_by_ann(service, picture)
        body = ok(await client.post("/verify", content=picture))

    assert (body["known"], body["id"]) == (True, mine)


@pytest.mark.parametrize(
    ("content", "says"), [(b"", "no picture"), (b"{}", "no picture"), (plain_png(photo(256))[:500], "damaged")]
)
async def test_what_is_no_picture_is_refused(limner: OpenLimner, content: bytes, says: str) -> None:
    async with limner() as service, client_of(service) as client:
        body = problem(await client.post("/verify", content=content), 422, "invalid_request")

    assert says in body["detail"]


async def test_a_body_that_is_too_long_is_refused(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        problem(await client.post("/verify", content=bytes(25 * 2**20 + 1)), 413, "body_too_large")


async def test_it_asks_for_a_key_like_all_else(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service, "secret") as client:
        problem(await client.post("/verify", content=plain_png(photo(256))), 401, "unauthorized")


async def test_nothing_is_kept(limner: OpenLimner, tmp_path: Path) -> None:
    async with limner() as service, client_of(service) as client:
        ok(await client.post("/verify", content=marked(tmp_path)))
        assert ok(await client.get("/images"))["images"] == []
        assert list((tmp_path / "images").rglob("*.png")) == []
