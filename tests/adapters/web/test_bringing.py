"""Pictures that are brought, and images that are painted again or varied."""

import asyncio
import io
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from PIL import Image

from adapters.web.access import LOCAL
from bot.jobs import Refinement
from bot.pictures import BYTES_MAX
from bot.policy import Rules
from bot.service import VARIED
from tests.adapters.web.clients import client_of, ok, problem, served
from tests.adapters.web.test_refusals import ADMIN
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor, png

UNKNOWN = "00000000-0000-4000-8000-000000000000"
CAT = {"prompt": "a cat", "num_inference_steps": 2, "seed": 7}
MIB = 2**20


def encoded(form: str, size: tuple[int, int] = (64, 64)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, form)
    return file.getvalue()


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("kind", ["image/{}", "application/octet-stream", "application/x-www-form-urlencoded", ""])
async def test_a_picture_is_taken_in_as_it_is_sent(limner: OpenLimner, form: str, kind: str) -> None:
    headers = {"Content-Type": kind.format(form.lower())} if kind else {}
    async with limner() as service, client_of(service) as client:
        response = await client.post("/images", content=encoded(form), headers=headers)
        image = ok(response, 201)
        assert ok(await client.get(response.headers["location"])) == image
        picture = await client.get(image["url"])

    assert (image["width"], image["height"], image["recipe"], image["parent"]) == (64, 64, None, None)
    assert Image.open(io.BytesIO(picture.content)).format == "PNG"


async def test_what_was_brought_can_be_refined(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        image = ok(await client.post("/images", content=png()), 201)["id"]
        refined = ok(await client.post("/refine", json={"id": image, "prompt": "warmer"}))

    assert refined["images"][0]["parent"] == image


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no picture"),
        (b"no picture", "no picture"),
        (b'{"picture": "x"}', "no picture"),
        (b"GIF89a" + bytes(100), "no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "no picture"),
        (encoded("PNG", (256, 256))[:200], "damaged"),
        (encoded("JPEG", (256, 256))[:-400], "damaged"),
    ],
)
async def test_what_is_no_picture_is_refused_and_nothing_kept(
    limner: OpenLimner, image_files: Callable[[], set[str]], content: bytes, says: str
) -> None:
    async with limner() as service, client_of(service) as client:
        body = problem(await client.post("/images", content=content), 422, "invalid_request")
        assert await service.newest_images(LOCAL, 1) == []

    assert [error["field"] for error in body["errors"]] == ["picture"]
    assert says in body["detail"]
    assert image_files() == set()


async def in_pieces(content: bytes, length: int = MIB) -> AsyncIterator[bytes]:
    for start in range(0, len(content), length):
        yield content[start : start + length]


async def test_a_picture_may_be_as_large_as_in_other_chats_and_no_byte_larger(limner: OpenLimner) -> None:
    # What comes after its end does not belong to a PNG, and counts all the same.
    padded = png() + bytes(BYTES_MAX - len(png()))
    async with limner() as service, served(service) as client:
        for sent in (padded, in_pieces(padded)):
            ok(await client.post("/images", content=sent), 201)
        for sent in (padded + b"x", in_pieces(padded + b"x")):
            refused = problem(await client.post("/images", content=sent), 413, "body_too_large")
            assert "25 MiB" in refused["detail"]
        others = problem(await client.post("/jobs", content=padded), 413, "body_too_large")
        assert "64 KiB" in others["detail"]
        assert len(await service.newest_images(LOCAL, 10)) == 2


async def test_who_has_no_key_is_refused_before_a_picture_is_read(limner: OpenLimner) -> None:
    async with limner() as service, served(service, "ada-5f2c9e") as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        writer.write(b"POST /images HTTP/1.1\r\nHost: limner\r\nContent-Length: 20000000\r\n\r\n\x89PNG")
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"}")
        writer.close()

    assert answer.startswith(b"HTTP/1.1 401 ")


async def test_a_picture_whose_sender_left_in_the_middle_is_not_kept(
    limner: OpenLimner, image_files: Callable[[], set[str]]
) -> None:
    async with limner() as service, served(service) as client:
        _, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        # All of the picture, but not all that was announced.
        writer.write(b"POST /images HTTP/1.1\r\nHost: limner\r\nContent-Length: 100000\r\n\r\n" + png())
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.close()
        await writer.wait_closed()
        ok(await client.post("/images", content=png()), 201)
        assert len(await service.newest_images(LOCAL, 10)) == 1

    assert len(image_files()) == 1


async def test_many_may_bring_pictures_at_once(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        answers = await asyncio.gather(*(client.post("/images", content=png(seed=seed)) for seed in range(20)))

    assert len({ok(answer, 201)["id"] for answer in answers}) == 20


async def test_from_a_paused_space_no_picture_is_taken(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        await service.change_rules(ADMIN, lambda _: Rules(paused=True))
        problem(await client.post("/images", content=png()), 503, "paused")


async def accepted(client: httpx.AsyncClient, path: str) -> dict[str, object]:
    response = await client.post(path)
    job = ok(response, 202)
    assert response.headers["location"] == f"/jobs/{job['id']}"
    assert ok(await client.get(f"/jobs/{job['id']}"))["id"] == job["id"]
    return job


async def test_an_image_and_a_job_are_painted_again_with_another_seed(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        painted = ok(await client.post("/generate", json=CAT))
        jobs = [
            await accepted(client, path)
            for path in (f"/images/{painted['id']}/again", f"/jobs/{painted['job_id']}/again")
        ]

    for job in jobs:
        assert (job["kind"], job["prompt"], job["parent"]) == ("generate", "a cat", None)
        assert job["seed"] != 7


async def test_an_image_is_varied_from_itself(limner: OpenLimner) -> None:
    async with limner(FakeExecutor()) as service, client_of(service) as client:
        image = ok(await client.post("/generate", json=CAT))["id"]
        job = await accepted(client, f"/images/{image}/vary")
        request = (await service.job(str(job["id"]), LOCAL)).request

    assert (job["kind"], job["prompt"], job["parent"]) == ("refine", "a cat", image)
    assert isinstance(request, Refinement)
    assert request.strength == VARIED


@pytest.mark.parametrize("verb", ["vary", "again"])
async def test_a_picture_that_was_brought_has_nothing_to_be_painted_again(limner: OpenLimner, verb: str) -> None:
    async with limner() as service, client_of(service) as client:
        image = ok(await client.post("/images", content=png()), 201)["id"]
        problem(await client.post(f"/images/{image}/{verb}"), 409, "no_recipe")
        assert not any((await service.status()).counts.values())


async def test_a_refinement_of_what_is_gone_cannot_be_painted_again(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        parent = ok(await client.post("/generate", json=CAT))["id"]
        child = ok(await client.post("/refine", json={"id": parent, "prompt": "warmer"}))
        await client.delete(f"/images/{parent}")
        for path in (f"/images/{child['id']}/again", f"/jobs/{child['job_id']}/again"):
            problem(await client.post(path), 409, "parent_gone")
        ok(await client.post(f"/images/{child['id']}/vary"), 202)


@pytest.mark.parametrize("path", ["/images/{}/vary", "/images/{}/again", "/jobs/{}/again"])
@pytest.mark.parametrize("thing", [UNKNOWN, "cat", "%00", "a" * 5000])
async def test_what_is_not_there_is_not_painted_again(limner: OpenLimner, path: str, thing: str) -> None:
    async with limner() as service, client_of(service) as client:
        problem(await client.post(path.format(thing)), 404, "not_found")
