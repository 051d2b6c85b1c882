"""Jobs: accepted at once, looked up, followed, cancelled."""

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest

from bot.errors import JobFailed
from bot.service import Service
from tests.adapters.web.clients import Answer, client_of, ok, problem, sent_events, served
from tests.conftest import OpenLimner
from tests.fakes.executor import JPEG, FakeExecutor

CAT = {"prompt": "a cat", "num_inference_steps": 2, "seed": 7}


async def accept(client: httpx.AsyncClient, **fields: Any) -> Answer:
    return ok(await client.post("/jobs", json=CAT | fields), 202)


async def follow(client: httpx.AsyncClient, job: Answer) -> list[tuple[str, Any]]:
    response = await client.get(f"/jobs/{job['id']}/events")
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/event-stream")
    return sent_events(response.text)


async def next_event(lines: Any) -> str:
    """The name of the next event on the wire."""
    async for line in lines:
        if line.startswith("event: "):
            return str(line.removeprefix("event: "))
    raise AssertionError("The stream ended.")


async def test_a_job_is_accepted_at_once_and_looked_up_where_it_says(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False)) as service, client_of(service) as client:
        response = await client.post("/jobs", json=CAT)
        job = ok(response, 202)
        found = ok(await client.get(response.headers["location"]))

    assert response.headers["location"] == f"/jobs/{job['id']}"
    assert found == job
    assert (job["status"], job["kind"], job["prompt"], job["seed"]) == ("queued", "generate", "a cat", 7)
    assert (job["attempts"], job["started_at"], job["failure"], job["images"]) == (0, None, None, [])


async def test_a_job_with_an_id_refines_that_image(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        parent = ok(await client.post("/generate", json=CAT))["id"]
        job = await accept(client, id=parent, prompt="warmer", strength=0.5)
        await follow(client, job)
        done = ok(await client.get(f"/jobs/{job['id']}"))

    assert (job["kind"], done["status"]) == ("refine", "done")
    assert done["images"][0]["parent"] == parent


async def test_a_done_job_shows_its_images(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        job = await accept(client, num_images=2)
        (*_, (name, data)) = await follow(client, job)
        done = ok(await client.get(f"/jobs/{job['id']}"))

    assert name == "done"
    assert done["status"] == "done"
    assert done["images"] == data["images"]
    assert [image["seed"] for image in done["images"]] == [7, 8]
    assert done["created_at"] <= done["started_at"] <= done["finished_at"]


async def test_a_failed_job_says_why(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    executor.fail_next(JobFailed("out_of_memory", "Try a smaller size."))
    async with limner(executor) as service, client_of(service) as client:
        job = await accept(client)
        (*_, ending) = await follow(client, job)
        found = ok(await client.get(f"/jobs/{job['id']}"))

    failure = {"code": "out_of_memory", "detail": "Try a smaller size."}
    assert ending == ("failed", failure)
    assert (found["status"], found["failure"]) == ("failed", failure)


async def test_events_are_sent_while_the_job_runs_and_in_order(limner: OpenLimner) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor) as service, served(service) as client:
        job = await accept(client)
        async with client.stream("GET", f"/jobs/{job['id']}/events") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            lines = response.aiter_lines()
            names = [await next_event(lines)]
            executor.hold(at_step=2)
            executor.become_ready()
            names += [await next_event(lines) for _ in range(2)]
            executor.release()
            names += [await next_event(lines) for _ in range(2)]
            assert [line async for line in lines if line.startswith("event: ")] == []

    assert names == ["queued", "started", "progress", "progress", "done"]


async def test_events_carry_what_happened(limner: OpenLimner) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor) as service, client_of(service) as client:
        before, job = await accept(client), await accept(client)
        following = asyncio.create_task(follow(client, job))
        await service_hears(service, followers=1)
        executor.become_ready()
        *others, (name, data) = await following

    # A place that lasts for a moment only may not be told.
    assert [other for other in others if other != ("queued", {"position": 1, "ready_at": None})] == [
        ("queued", {"position": 2, "ready_at": None}),
        ("started", {}),
        ("progress", {"image": 1, "images": 1, "step": 1, "steps": 2}),
        ("progress", {"image": 1, "images": 1, "step": 2, "steps": 2}),
    ]
    assert name == "done"
    assert data["images"][0]["url"] == f"/download/{data['images'][0]['id']}"
    assert before["id"] != job["id"]


async def test_a_queued_event_tells_when_the_job_will_be_done_once_the_pace_is_known(limner: OpenLimner) -> None:
    now = 1000.0
    executor = FakeExecutor()
    executor.hold()
    async with limner(executor, clock=lambda: now) as service, served(service) as client:
        running, waiting = await accept(client), await accept(client)
        async with asyncio.timeout(5):
            while not ok(await client.get("/status"))["running"]:
                await asyncio.sleep(0.01)
            now += 3
            executor.release()
            executor.hold(at_step=2)
            while ok(await client.get("/status"))["running"][0]["step"] < 1:
                await asyncio.sleep(0.01)
        async with client.stream("GET", f"/jobs/{waiting['id']}/events") as response:
            lines = response.aiter_lines()
            while not (line := await anext(lines)).startswith("data: "):
                pass
        executor.release()

    # Three seconds a step: the second one of the first job, and two of its own.
    assert json.loads(line.removeprefix("data: ")) == {"position": 1, "ready_at": 1003 + 3 + 6}
    assert running["id"] != waiting["id"]


async def test_previews_are_among_the_events_where_they_are_asked_for(limner: OpenLimner) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor) as service, client_of(service) as client:
        job = await accept(client)
        following = asyncio.create_task(client.get(f"/jobs/{job['id']}/events", params={"preview_interval": 0.5}))
        await service_hears(service, followers=1)
        executor.become_ready()
        events = sent_events((await following).text)

    assert ("preview", {"image": 1, "jpeg": base64.b64encode(JPEG).decode()}) in events
    assert executor.works[0].preview_interval == 0.5


@pytest.mark.parametrize("interval", ["0", "0.1", "601", "nan", "inf", "often", ""])
async def test_a_pace_that_makes_no_sense_is_refused(limner: OpenLimner, interval: str) -> None:
    async with limner() as service, client_of(service) as client:
        job = await accept(client)
        response = await client.get(f"/jobs/{job['id']}/events", params={"preview_interval": interval})

        assert problem(response, 422, "invalid_request")["errors"][0]["field"] == "preview_interval"


async def service_hears(service: Service, *, followers: int) -> None:
    async with asyncio.timeout(5):
        while len(service._engine._followers) < followers:
            await asyncio.sleep(0.01)


async def test_events_of_a_job_that_is_over_are_its_ending_alone(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        job_id = ok(await client.post("/generate", json=CAT))["job_id"]
        assert [name for name, _ in await follow(client, {"id": job_id})] == ["done"]


async def test_a_follower_that_goes_away_cancels_nothing(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=2)
    async with limner(executor) as service, served(service) as client:
        job = await accept(client)
        async with client.stream("GET", f"/jobs/{job['id']}/events") as response:
            lines = response.aiter_lines()
            while await next_event(lines) != "progress":
                pass
        executor.release()
        assert [name for name, _ in await follow(client, job)][-1] == "done"
        async with asyncio.timeout(5):
            while len(service._engine._followers):
                await asyncio.sleep(0.01)


async def test_events_end_with_restarting_when_the_server_stops(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False)) as service, client_of(service) as client:
        job = await accept(client)
        following = asyncio.create_task(follow(client, job))
        await service_hears(service, followers=1)
        await service.drain(0)
        assert await following == [("queued", {"position": 1, "ready_at": None}), ("restarting", {})]
        assert ok(await client.get(f"/jobs/{job['id']}"))["status"] == "queued"


async def test_a_queued_job_is_cancelled(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False)) as service, client_of(service) as client:
        job = await accept(client)
        cancelled = ok(await client.delete(f"/jobs/{job['id']}"))
        events = await follow(client, job)

    assert (cancelled["status"], cancelled["images"]) == ("cancelled", [])
    assert events == [("cancelled", {})]


async def test_a_running_job_is_cancelled(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=1)
    async with limner(executor) as service, client_of(service) as client:
        job = await accept(client)
        async with asyncio.timeout(5):
            while not ok(await client.get("/status"))["running"]:
                await asyncio.sleep(0.01)
        assert ok(await client.delete(f"/jobs/{job['id']}"))["status"] == "cancelled"
        ok(await client.get(f"/jobs/{job['id']}"))
        executor.release()
        ok(await client.post("/generate", json=CAT))


async def test_a_job_that_is_over_cannot_be_cancelled(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        job_id = ok(await client.post("/generate", json=CAT))["job_id"]
        body = problem(await client.delete(f"/jobs/{job_id}"), 409, "job_already_over")

    assert "done" in body["detail"]


@pytest.mark.parametrize("job_id", ["00000000-0000-4000-8000-000000000000", "cat", "%00", "%F0%9F%90%88"])
@pytest.mark.parametrize(("method", "rest"), [("GET", ""), ("DELETE", ""), ("GET", "/events")])
async def test_an_id_that_names_no_job_is_not_found(limner: OpenLimner, method: str, job_id: str, rest: str) -> None:
    async with limner() as service, client_of(service) as client:
        body = problem(await client.request(method, f"/jobs/{job_id}{rest}"), 404, "not_found")

    assert "job" in body["detail"]
