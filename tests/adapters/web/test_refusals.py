"""What the core refuses has a status and a code of its own."""

import asyncio
from dataclasses import replace

import pytest

from adapters.web.access import LOCAL
from bot.jobs import ImageRequest
from bot.policy import Asker, Rules
from storage.jobs import Jobs
from tests.adapters.web.clients import client_of, ok, problem
from tests.bot.slow_stores import Slow
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor, png

CAT = {"prompt": "a cat", "num_inference_steps": 2}
ADMIN = replace(LOCAL, requester="test:ada", admin=True)
#: Who shares a space with the web's callers, which nobody does yet.
OTHER = Asker("test:bob", LOCAL.space)


async def test_a_caller_who_is_blocked_is_refused_until_they_are_not(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        await service.block(LOCAL.requester, ADMIN)
        for path in ("/generate", "/jobs"):
            problem(await client.post(path, json=CAT), 403, "blocked")
        ok(await client.get("/images"))
        await service.unblock(LOCAL.requester, ADMIN)
        ok(await client.post("/generate", json=CAT))


async def test_a_paused_space_is_refused_without_a_time_to_come_back(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        await service.change_rules(ADMIN, lambda _: Rules(paused=True))
        response = await client.post("/generate", json=CAT)

    problem(response, 503, "paused")
    assert "retry-after" not in response.headers


async def test_a_space_that_takes_requests_in_some_places_takes_none_over_http(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        await service.change_rules(ADMIN, lambda _: Rules(places=frozenset({"lobby"})))
        problem(await client.post("/generate", json=CAT), 403, "place_closed")


@pytest.mark.parametrize("rules", [Rules(images_most=1), Rules(steps_most=1)], ids=["images", "steps"])
async def test_a_request_beyond_the_rules_is_refused(limner: OpenLimner, rules: Rules) -> None:
    async with limner() as service, client_of(service) as client:
        await service.change_rules(ADMIN, lambda _: rules)
        body = problem(await client.post("/generate", json=CAT | {"num_images": 2}), 422, "asked_too_much")

    assert " 1 " in body["detail"]


async def test_one_job_too_many_may_come_later(limner: OpenLimner) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor) as service, client_of(service) as client:
        await service.change_rules(ADMIN, lambda _: Rules(jobs_each=1))
        job = ok(await client.post("/jobs", json=CAT), 202)
        for path in ("/jobs", "/generate"):
            problem(await client.post(path, json=CAT), 429, "asked_too_much")
        ok(await client.delete(f"/jobs/{job['id']}"))
        ok(await client.post("/jobs", json=CAT), 202)


async def test_the_last_places_of_the_queue_are_for_callers_who_have_fewer_in_it(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False), queue_limit=3) as service, client_of(service) as client:
        for _ in range(2):
            ok(await client.post("/jobs", json=CAT), 202)
        refused = await client.post("/jobs", json=CAT)

    body = problem(refused, 429, "share_full")
    assert "You have 2 jobs in the queue" in body["detail"]
    assert int(refused.headers["Retry-After"]) > 0


async def test_what_others_of_the_same_space_made_is_seen_and_not_ended(limner: OpenLimner) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor) as service, client_of(service) as client:
        image = await service.bring(png(), OTHER)
        job = ok(await client.post("/jobs", json={"id": image.id, "prompt": "warmer"}), 202)
        theirs = await service.generate(ImageRequest(prompt="a dog"), OTHER)
        ok(await client.get(f"/images/{image.id}"))
        problem(await client.delete(f"/images/{image.id}"), 403, "forbidden")
        problem(await client.delete(f"/jobs/{theirs.id}"), 403, "forbidden")
        ok(await client.delete(f"/jobs/{job['id']}"))


async def test_what_was_made_among_adults_stays_there(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        own = await service.bring(png(), replace(LOCAL, age_restricted=True))
        others = await service.bring(png(), replace(OTHER, age_restricted=True))

        for path in ("/images/{}", "/download/{}"):
            problem(await client.get(path.format(own.id)), 403, "age_restricted")
            problem(await client.get(path.format(others.id)), 404, "not_found")
        problem(await client.post("/refine", json={"id": own.id, "prompt": "warmer"}), 403, "age_restricted")
        assert ok(await client.get("/images")) == {"images": []}
        assert (await client.delete(f"/images/{own.id}")).status_code == 204


async def test_an_image_that_is_deleted_before_its_caller_heard_of_it_is_gone(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = FakeExecutor()
    look_up = Slow(monkeypatch, Jobs, "get")
    async with limner(executor) as service, client_of(service) as client:
        asking = asyncio.create_task(client.post("/generate", json=CAT))
        await look_up.reached()
        async with asyncio.timeout(5):
            while not (images := await service.newest_images(LOCAL, 1)):
                await asyncio.sleep(0.01)
        await service.delete(images[0].id, LOCAL)
        for _ in range(2):
            look_up.go_on()
        body = problem(await asking, 410, "image_gone")

    assert body["job_id"] == images[0].job_id
