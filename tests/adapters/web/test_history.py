"""What somebody asked for and brought before, page by page."""

import httpx
import pytest

from adapters.web.access import LOCAL
from bot.errors import JobFailed
from bot.policy import Asker
from tests.adapters.web.clients import Answer, StandingClock, client_of, ok, problem
from tests.bot.asking import ask
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor, png

UNKNOWN = "00000000-0000-4000-8000-000000000000"
ADA, BOB = "ada-5f2c9e", "bob-77d013"
CAT = {"prompt": "a cat", "num_inference_steps": 1}


async def page(client: httpx.AsyncClient, query: str = "") -> Answer:
    return ok(await client.get(f"/history{query}"))


def ids(things: list[Answer]) -> list[str]:
    return [thing["id"] for thing in things]


async def bring(client: httpx.AsyncClient) -> str:
    image: str = ok(await client.post("/images", content=png()), 201)["id"]
    return image


async def test_nothing_was_asked_for_at_first(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        assert await page(client) == {"jobs": [], "brought": []}


async def test_jobs_of_all_states_are_there_with_what_came_of_them(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    async with limner(executor) as service, client_of(service) as client:
        done = ok(await client.post("/generate", json=CAT | {"num_images": 2}))
        executor.fail_next(JobFailed("out_of_memory", "Try a smaller size."))
        problem(await client.post("/generate", json=CAT), 500, "out_of_memory")
        executor.hold()
        refining = ok(await client.post("/jobs", json={"id": done["id"], "prompt": "warmer"}), 202)
        while ok(await client.get(f"/jobs/{refining['id']}"))["status"] != "running":
            pass
        waiting, cancelled = [ok(await client.post("/jobs", json=CAT), 202) for _ in range(2)]
        ok(await client.delete(f"/jobs/{cancelled['id']}"))
        jobs = (await page(client))["jobs"]
        for job in jobs:
            assert job == ok(await client.get(f"/jobs/{job['id']}"))

    assert [job["status"] for job in jobs] == ["cancelled", "queued", "running", "failed", "done"]
    assert ids(jobs)[:3] == [cancelled["id"], waiting["id"], refining["id"]]
    assert jobs[2]["parent"] == done["id"]
    assert jobs[3]["failure"]["code"] == "out_of_memory"
    assert jobs[4]["images"] == done["images"]


async def test_pages_follow_each_other_and_survive_a_restart(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False)) as service, client_of(service) as client:
        accepted = [ok(await client.post("/jobs", json=CAT), 202)["id"] for _ in range(25)]
    newest = accepted[::-1]
    async with limner(FakeExecutor(ready=False)) as service, client_of(service) as client:
        assert ids((await page(client))["jobs"]) == newest[:20]
        assert ids((await page(client, "?limit=100"))["jobs"]) == newest
        assert ids((await page(client, f"?limit=10&before={newest[9]}"))["jobs"]) == newest[10:20]
        assert ids((await page(client, f"?limit=10&before={newest[9].upper()}"))["jobs"]) == newest[10:20]
        assert await page(client, f"?before={newest[-1]}") == {"jobs": [], "brought": []}


async def test_every_picture_that_was_brought_is_on_one_page(limner: OpenLimner) -> None:
    clock = StandingClock()
    brought, jobs = [], []
    async with limner(FakeExecutor(ready=False), clock=clock) as service, client_of(service) as client:
        for _ in range(4):
            for _ in range(2):
                clock.now += 1
                brought.append(await bring(client))
            clock.now += 1
            jobs.append(ok(await client.post("/jobs", json=CAT), 202)["id"])
        clock.now += 1
        brought.append(await bring(client))
        first = await page(client, "?limit=2")
        second = await page(client, f"?limit=2&before={jobs[2]}")
        last = await page(client, f"?limit=2&before={jobs[0]}")
        all_of_it = await page(client, "?limit=5")

    assert [ids(one["jobs"]) for one in (first, second, last)] == [jobs[:1:-1], jobs[1::-1], []]
    # Newer than the last job of their page.
    assert ids(first["brought"]) == brought[:5:-1]
    assert ids(second["brought"]) == brought[5:1:-1]
    assert ids(last["brought"]) == brought[1::-1]
    assert ids(all_of_it["brought"]) == brought[::-1]


async def test_of_very_many_pictures_the_newest_are_told(limner: OpenLimner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.service.BROUGHT_MOST", 3)
    async with limner() as service, client_of(service) as client:
        brought = [await bring(client) for _ in range(5)]
        assert ids((await page(client))["brought"]) == brought[:1:-1]


async def test_deleted_images_are_left_out_and_their_jobs_are_not(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        parent = ok(await client.post("/generate", json=CAT | {"num_images": 2}))
        ok(await client.post("/refine", json={"id": parent["id"], "prompt": "warmer"}))
        brought = await bring(client)
        for image in (parent["id"], brought):
            await client.delete(f"/images/{image}")
        told = await page(client)

    assert [len(job["images"]) for job in told["jobs"]] == [1, 1]
    assert told["jobs"][0]["parent"] == parent["id"]
    assert told["jobs"][0]["images"][0]["parent"] is None
    assert told["brought"] == []


async def test_each_sees_what_they_asked_for_and_nothing_of_others(limner: OpenLimner) -> None:
    made: dict[str, Answer] = {}
    async with limner() as service:
        for key in (ADA, BOB):
            async with client_of(service, ADA, BOB, key=key) as client:
                job = ok(await client.post("/jobs", json=CAT), 202)["id"]
                made[key] = {"jobs": [job], "brought": [await bring(client)]}
        for key in (ADA, BOB):
            async with client_of(service, ADA, BOB, key=key) as client:
                told = await page(client)
                assert {name: ids(things) for name, things in told.items()} == made[key]
        async with client_of(service, ADA, BOB, key=BOB) as client:
            others = problem(await client.get(f"/history?before={made[ADA]['jobs'][0]}"), 404, "not_found")
            assert others == problem(await client.get(f"/history?before={UNKNOWN}"), 404, "not_found")


async def test_what_others_of_the_same_space_do_is_no_part_of_it(limner: OpenLimner) -> None:
    other = Asker("test:bob", LOCAL.space)
    async with limner() as service, client_of(service) as client:
        job = await ask(service, other)
        await service.bring(png(), other)
        ok(await client.get(f"/jobs/{job.id}"))
        assert await page(client) == {"jobs": [], "brought": []}


@pytest.mark.parametrize("before", [UNKNOWN, "cat", "", "../jobs", "a" * 5000])
async def test_a_page_after_an_unknown_job_is_not_found(limner: OpenLimner, before: str) -> None:
    async with limner() as service, client_of(service) as client:
        problem(await client.get("/history", params={"before": before}), 404, "not_found")


@pytest.mark.parametrize("limit", ["0", "101", "-1", "abc", "", "1.5", "9" * 400])
async def test_a_limit_out_of_range_is_refused(limner: OpenLimner, limit: str) -> None:
    async with limner() as service, client_of(service) as client:
        body = problem(await client.get("/history", params={"limit": limit}), 422, "invalid_request")

    assert [error["field"] for error in body["errors"]] == ["limit"]
