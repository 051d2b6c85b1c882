"""POST /generate: paints and answers once the images exist."""

import asyncio
import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image

from bot.errors import JobFailed, WorkerDied
from bot.jobs import ImageRequest, Sampler
from bot.quality import Menu
from bot.service import Service
from tests.adapters.web.clients import client_of, ok, problem, served
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor

CAT = {"prompt": "a cat", "num_inference_steps": 2}


async def jobs_counted(service: Service, count: int) -> None:
    """Returns once the service has accepted this many jobs."""
    async with asyncio.timeout(5):
        while sum((await service.status()).counts.values()) < count:
            await asyncio.sleep(0.01)


async def test_a_prompt_gives_an_image_that_can_be_downloaded(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        body = ok(await client.post("/generate", json={"prompt": "a cat"}))
        picture = await client.get(body["images"][0]["url"])

    (image,) = body["images"]
    assert body["id"] == image["id"]
    assert image["url"] == f"/download/{image['id']}"
    assert (image["width"], image["height"], image["parent"]) == (64, 64, None)
    assert Image.open(io.BytesIO(picture.content)).size == (64, 64)


async def test_every_field_reaches_the_painter(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    fields: dict[str, Any] = {
        "prompt": "a cat",
        "negative_prompt": "dogs",
        "width": 128,
        "height": 64,
        "num_inference_steps": 3,
        "guidance_scale": 7,
        "seed": 2**64 - 1,
        "sampler": "dpmpp_2m_karras",
        "num_images": 2,
    }
    async with limner(executor) as service, client_of(service) as client:
        body = ok(await client.post("/generate", json=fields))

    assert executor.works[0].request == ImageRequest(**fields | {"sampler": Sampler.DPMPP_2M_KARRAS})
    assert [(image["width"], image["height"]) for image in body["images"]] == [(128, 64)] * 2
    assert body["images"][0]["seed"] == 2**64 - 1


async def test_fields_that_are_null_or_missing_get_the_same_defaults(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    nothing = dict.fromkeys(("negative_prompt", "width", "guidance_scale", "sampler", "num_images", "seed"))
    async with limner(executor) as service, client_of(service) as client:
        for extra in ({}, nothing):
            ok(await client.post("/generate", json={"prompt": "a cat", **extra}))

    requests = [work.request for work in executor.works]
    assert all(request == Menu().filled_in(ImageRequest(prompt="a cat", seed=request.seed)) for request in requests)


async def test_four_images_come_in_order(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        body = ok(await client.post("/generate", json=CAT | {"num_images": 4, "seed": 7}))

    assert [image["seed"] for image in body["images"]] == [7, 8, 9, 10]
    assert body["id"] == body["images"][0]["id"]


@pytest.mark.parametrize("prompt", ["猫", "a 🐈‍⬛", "a\u0000cat\n", "x" * 2000, '"; DROP TABLE jobs; --', "{0} %s \\"])
async def test_any_words_may_be_painted(limner: OpenLimner, prompt: str) -> None:
    async with limner() as service, client_of(service) as client:
        ok(await client.post("/generate", json=CAT | {"prompt": prompt}))


@pytest.mark.parametrize(
    ("mishap", "status"),
    [
        (JobFailed("out_of_memory", "Try a smaller size."), 500),
        (JobFailed("refiner_unavailable", "The refiner could not be loaded."), 503),
        (JobFailed("style_unavailable", "The style ink is not set up any more."), 503),
        (WorkerDied("The worker process was ended by SIGKILL."), 500),
    ],
)
async def test_a_job_that_fails_is_told_with_its_code_and_its_id(
    limner: OpenLimner, mishap: JobFailed | WorkerDied, status: int
) -> None:
    executor = FakeExecutor()
    executor.fail_next(mishap, times=2 if isinstance(mishap, WorkerDied) else 1)
    async with limner(executor) as service, client_of(service) as client:
        body = problem(await client.post("/generate", json=CAT), status, mishap.code)
        job = ok(await client.get(f"/jobs/{body['job_id']}"))
        ok(await client.post("/generate", json=CAT))

    assert str(mishap) in body["detail"]
    assert (job["status"], job["failure"]["code"]) == ("failed", mishap.code)


async def test_a_job_that_another_call_cancels_is_a_conflict(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=1)
    async with limner(executor) as service, client_of(service) as client:
        waiting = asyncio.create_task(client.post("/generate", json=CAT))
        async with asyncio.timeout(5):
            while not (running := ok(await client.get("/status"))["running"]):
                await asyncio.sleep(0.01)
        ok(await client.delete(f"/jobs/{running[0]['id']}"))
        body = problem(await waiting, 409, "cancelled")

    assert body["job_id"] == running[0]["id"]


async def test_a_full_queue_is_told_with_the_time_to_come_back(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False), queue_limit=1) as service, client_of(service) as client:
        ok(await client.post("/jobs", json=CAT), 202)
        for path in ("/generate", "/jobs"):
            refused = await client.post(path, json=CAT)
            problem(refused, 503, "queue_full")
            assert int(refused.headers["retry-after"]) > 0
        status = ok(await client.get("/status"))

    assert (status["queued"], status["jobs"]["queued"]) == (1, 1)


async def test_a_server_that_stops_takes_nothing_new(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        await service.drain(0)
        for path in ("/generate", "/jobs"):
            refused = await client.post(path, json=CAT)
            problem(refused, 503, "shutting_down")
            assert int(refused.headers["retry-after"]) > 0
        status = ok(await client.get("/status"))

    assert status["stopping"]
    assert not any(status["jobs"].values())


async def test_who_waits_when_the_server_stops_is_told_the_jobs_id(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False)) as service, client_of(service) as client:
        waiting = asyncio.create_task(client.post("/generate", json=CAT))
        await jobs_counted(service, 1)
        await service.drain(0)
        refused = await waiting
        body = problem(refused, 503, "shutting_down")
        job = ok(await client.get(f"/jobs/{body['job_id']}"))

    assert int(refused.headers["retry-after"]) > 0
    assert job["status"] == "queued"


async def test_a_client_that_goes_away_cancels_nothing(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=2)
    async with limner(executor) as service, served(service) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post("/generate", json=CAT, timeout=0.3)
        executor.release()
        async with asyncio.timeout(5):
            while not (images := ok(await client.get("/images"))["images"]):
                await asyncio.sleep(0.01)

    assert [work.image_ids[0] for work in executor.works] == [image["id"] for image in images]


async def test_an_unexpected_error_is_a_problem_that_tells_no_secrets(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any) -> None:
        raise RuntimeError("/home/limner/secret")

    async with limner() as service, client_of(service) as client:
        monkeypatch.setattr(service, "generate", broken)
        body = problem(await client.post("/generate", json=CAT), 500, "internal_error")

    assert "secret" not in json.dumps(body)
