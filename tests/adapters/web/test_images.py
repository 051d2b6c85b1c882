"""Images: downloaded, looked up with recipe and family, listed page by page."""

import io
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from PIL import Image

from adapters.web.access import LOCAL
from tests.adapters.web.clients import Answer, client_of, ok, problem
from tests.conftest import OpenLimner
from tests.fakes.executor import png

UNKNOWN = "00000000-0000-4000-8000-000000000000"
ID_ROUTES = ["/download/{}", "/images/{}", "/jobs/{}", "/jobs/{}/events"]


async def paint(client: httpx.AsyncClient, *, seed: int = 7) -> Answer:
    fields = {"prompt": "a cat", "num_inference_steps": 1, "seed": seed}
    image: Answer = ok(await client.post("/generate", json=fields))["images"][0]
    return image


async def test_a_download_is_a_png_named_after_its_id(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        image = await paint(client)
        response = await client.get(f"/download/{image['id']}")

    assert response.status_code == 200
    assert response.headers["content-type"] == "image/png"
    assert response.headers["content-disposition"] == f'attachment; filename="{image["id"]}.png"'
    assert Image.open(io.BytesIO(response.content)).format == "PNG"


async def test_before_a_download_one_can_ask_how_large_it_is(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        image = await paint(client)
        whole, head = await client.get(image["url"]), await client.head(image["url"])
        unknown = await client.head(f"/download/{UNKNOWN}")

    assert (head.status_code, head.content, unknown.status_code) == (200, b"", 404)
    for name in ("content-length", "content-type", "content-disposition", "etag"):
        assert head.headers[name] == whole.headers[name]


async def test_an_image_tells_its_recipe(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        image = await paint(client)
        details = ok(await client.get(f"/images/{image['id']}"))
        picture = (await client.get(image["url"])).content

    assert {name: details[name] for name in image} == image
    assert details["size"] == len(picture)
    assert len(details["sha256"]) == 64
    assert details["recipe"] | {"prompt": "a cat", "seed": 7, "sampler": "euler", "stage": "base"} == details["recipe"]
    assert details["children"] == []


async def test_an_image_tells_its_parent_and_children(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        parent = await paint(client)
        children = [
            ok(await client.post("/refine", json={"id": parent["id"], "prompt": words}))["id"]
            for words in ("warmer", "colder")
        ]
        details = ok(await client.get(f"/images/{parent['id']}"))
        child = ok(await client.get(f"/images/{children[0]}"))

    assert (details["parent"], details["children"]) == (None, children)
    assert (child["parent"], child["recipe"]["parent_id"]) == (parent["id"], parent["id"])
    assert child["recipe"]["parent_sha256"] == details["sha256"]


async def test_a_deleted_image_is_gone_with_its_file(limner: OpenLimner, image_files: Callable[[], set[str]]) -> None:
    async with limner() as service, client_of(service) as client:
        parent = await paint(client)
        child = ok(await client.post("/refine", json={"id": parent["id"], "prompt": "warmer"}))["images"][0]
        response = await client.delete(f"/images/{parent['id']}")

        for route in (f"/images/{parent['id']}", parent["url"]):
            problem(await client.get(route), 404, "not_found")
        problem(await client.delete(f"/images/{parent['id']}"), 404, "not_found")
        problem(await client.post("/refine", json={"id": parent["id"], "prompt": "colder"}), 404, "not_found")
        assert ok(await client.get("/images"))["images"] == [child | {"parent": None}]
        assert (await client.get(child["url"])).status_code == 200

    assert (response.status_code, response.content) == (204, b"")
    assert len(image_files()) == 1


async def test_the_job_of_a_deleted_image_is_still_done(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        painted = ok(await client.post("/generate", json={"prompt": "a cat", "num_images": 2}))
        first, second = painted["images"]
        await client.delete(f"/images/{first['id']}")
        job = ok(await client.get(f"/jobs/{painted['job_id']}"))

    assert (job["status"], job["images"]) == ("done", [second])


async def test_images_are_listed_newest_first_and_page_by_page(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        brought = [(await service.bring(png(seed=number), LOCAL)).id for number in range(25)]

        async def page(query: str) -> list[str]:
            return [image["id"] for image in ok(await client.get(f"/images{query}"))["images"]]

        newest = brought[::-1]
        assert await page("") == newest[:20]
        assert await page("?limit=100") == newest
        assert await page("?limit=1") == newest[:1]
        assert await page(f"?limit=10&before={newest[9]}") == newest[10:20]
        assert await page(f"?before={newest[-1]}") == []


async def test_no_images_are_an_empty_list(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        assert ok(await client.get("/images")) == {"images": []}


@pytest.mark.parametrize("limit", ["0", "101", "-1", "abc", "", "1.5", "9" * 400])
async def test_a_limit_out_of_range_is_refused(limner: OpenLimner, limit: str) -> None:
    async with limner() as service, client_of(service) as client:
        body = problem(await client.get("/images", params={"limit": limit}), 422, "invalid_request")

    assert [error["field"] for error in body["errors"]] == ["limit"]


@pytest.mark.parametrize("before", [UNKNOWN, "cat", ""])
async def test_an_unknown_page_is_not_found(limner: OpenLimner, before: str) -> None:
    async with limner() as service, client_of(service) as client:
        problem(await client.get("/images", params={"before": before}), 404, "not_found")


@pytest.mark.parametrize("image_id", [UNKNOWN, "cat", "null", "%00", "a" * 5000, "%F0%9F%90%88", "*"])
@pytest.mark.parametrize("route", ["GET /download/{}", "GET /images/{}", "DELETE /images/{}"])
async def test_an_id_that_names_no_image_is_not_found(limner: OpenLimner, route: str, image_id: str) -> None:
    method, path = route.format(image_id).split(maxsplit=1)
    async with limner() as service, client_of(service) as client:
        problem(await client.request(method, path), 404, "not_found")


@pytest.mark.parametrize(
    "path",
    [
        "../secret.png",
        "../../etc/passwd",
        "../../../../../../../../etc/passwd",
        "%2e%2e%2fsecret.png",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%2f..%2f..%2f..%2f..%2f..%2f..%2fetc%2fpasswd",
        "%252e%252e%252fsecret.png",
        "..%5csecret.png",
        "%2fetc%2fpasswd",
    ],
)
@pytest.mark.parametrize("route", ID_ROUTES)
async def test_a_path_as_an_id_reads_nothing(limner: OpenLimner, tmp_path: Path, route: str, path: str) -> None:
    (tmp_path / "secret.png").write_bytes(png())
    async with limner() as service, client_of(service) as client:
        # A client that joins paths would do so itself; the bytes go out as they stand here.
        url = httpx.URL("http://limner").copy_with(raw_path=route.format(path).encode())
        response = await client.get(url)

    problem(response, 404, "not_found")
    assert b"root:" not in response.content
