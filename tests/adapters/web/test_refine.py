"""POST /refine: a new image from an image and words."""

import httpx
import pytest

from adapters.web.access import LOCAL
from bot.errors import JobFailed
from bot.jobs import Refinement, Sampler, Stage
from tests.adapters.web.clients import Answer, client_of, ok, problem
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor, png


async def paint(client: httpx.AsyncClient) -> str:
    """The ID of a new image."""
    image_id: str = ok(await client.post("/generate", json={"prompt": "a cat", "num_inference_steps": 1}))["id"]
    return image_id


async def refine(client: httpx.AsyncClient, image_id: str, **fields: object) -> httpx.Response:
    return await client.post("/refine", json={"id": image_id, "prompt": "warmer", **fields})


async def test_an_image_is_refined_into_a_new_one(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    async with limner(executor) as service, client_of(service) as client:
        parent = await paint(client)
        body = ok(await refine(client, parent, seed=7))
        original = (await client.get(f"/download/{parent}")).content

    (image,) = body["images"]
    assert (image["id"], image["parent"], image["seed"]) == (body["id"], parent, 7)
    assert body["id"] != parent
    assert executor.works[1].source == original


async def test_every_field_reaches_the_painter(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    async with limner(executor) as service, client_of(service) as client:
        parent = await paint(client)
        fields: Answer = {
            "negative_prompt": "dogs",
            "strength": 0.75,
            "num_inference_steps": 4,
            "guidance_scale": 0,
            "seed": 0,
        }
        ok(await refine(client, parent, sampler="euler_ancestral", **fields))

    expected = Refinement(image_id=parent, prompt="warmer", sampler=Sampler.EULER_ANCESTRAL, stage=Stage.BASE, **fields)
    assert executor.works[1].request == expected


async def test_a_refined_image_can_be_refined_again(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        first = await paint(client)
        second = ok(await refine(client, first))["id"]
        third = ok(await refine(client, second))["id"]
        middle = ok(await client.get(f"/images/{second}"))

    assert (middle["parent"], middle["children"]) == (first, [third])


async def test_a_picture_that_was_brought_can_be_refined(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        brought = await service.bring(png((96, 64)), LOCAL)
        body = ok(await refine(client, brought.id))
        details = ok(await client.get(f"/images/{brought.id}"))

    assert (body["images"][0]["width"], body["images"][0]["height"]) == (96, 64)
    assert (details["recipe"], details["seed"], details["children"]) == (None, None, [body["id"]])


@pytest.mark.parametrize("path", ["/refine", "/jobs"])
@pytest.mark.parametrize(
    "image_id", ["0a1b2c3d-0000-4000-8000-000000000000", "cat", "", "../../etc/passwd", "..%2f..%2fetc%2fpasswd"]
)
async def test_an_id_that_names_no_image_is_not_found(limner: OpenLimner, path: str, image_id: str) -> None:
    async with limner() as service, client_of(service) as client:
        body = problem(await client.post(path, json={"id": image_id, "prompt": "warmer"}), 404, "not_found")
        jobs = ok(await client.get("/status"))["jobs"]

    assert "image" in body["detail"]
    assert not any(jobs.values())


async def test_a_job_is_no_image(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        job_id = ok(await client.post("/generate", json={"prompt": "a cat", "num_inference_steps": 1}))["job_id"]
        problem(await refine(client, job_id), 404, "not_found")


async def test_an_image_whose_file_is_lost_is_gone(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        image_id = await paint(client)
        service.file(await service.image(image_id, LOCAL)).unlink()
        problem(await refine(client, image_id), 410, "image_file_lost")
        problem(await client.get(f"/download/{image_id}"), 410, "image_file_lost")
        ok(await client.get(f"/images/{image_id}"))


async def test_a_refiner_that_is_not_there_is_told(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    async with limner(executor) as service, client_of(service) as client:
        image_id = await paint(client)
        executor.fail_next(JobFailed("refiner_unavailable", "No refiner is set up."))
        body = problem(await refine(client, image_id), 503, "refiner_unavailable")

    assert body["detail"] == "No refiner is set up."
