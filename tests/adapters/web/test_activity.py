"""What the admin view shows: the line, what runs, how the last hour and day were, and what failed."""

import asyncio
import time
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import pytest

from adapters.web.access import LOCAL
from bot import __version__
from bot.errors import JobFailed
from bot.events import Progress, Started
from bot.jobs import ImageRequest, Refinement
from bot.policy import Asker
from bot.service import Service
from tests.adapters.web.clients import Answer, StandingClock, client_of, ok, problem
from tests.bot.asking import reach
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor, png

OTHER = Asker("discord:7", "discord:studio")
SECRET = "a secret cat"


async def activity(client: httpx.AsyncClient) -> Answer:
    return ok(await client.get("/activity"))


async def ask(service: Service, asker: Asker = LOCAL, **more: Any) -> str:
    request = ImageRequest(prompt=SECRET, num_inference_steps=4, **more)
    return (await service.generate(request, asker)).id


async def begin(service: Service, job: str, asker: Asker = LOCAL) -> None:
    await reach(service, await service.job(job, asker), Started(), asker)
    async with asyncio.timeout(5):
        while job not in [running.job.id for running in (await service.status()).running]:
            await asyncio.sleep(0.001)


async def end(service: Service, job: str, asker: Asker = LOCAL) -> None:
    async with aclosing(service.follow(job, asker)) as events:
        async for _ in events:
            pass


async def test_a_server_that_did_nothing_yet_says_so(limner: OpenLimner) -> None:
    clock = StandingClock()
    async with limner(clock=clock) as service, client_of(service) as client:
        told = await activity(client)

    assert (told["version"], told["now"], told["state"], told["reason"]) == (__version__, clock.now, "ready", None)
    assert (told["queued"], told["waiting"], told["running"], told["failures"]) == (0, [], [], [])
    assert told["lately"] == {
        "hours": 24,
        "done": 0,
        "failed": 0,
        "cancelled": 0,
        "seconds_p50": None,
        "seconds_p95": None,
    }
    assert len(told["minutes"]) == 60
    assert {(one["done"], one["failed"], one["seconds_p50"]) for one in told["minutes"]} == {(0, 0, None)}
    assert [worker["state"] for worker in told["workers"]] == ["ready"]


async def test_the_line_is_told_in_its_order_with_when_each_will_be_done(limner: OpenLimner) -> None:
    clock, executor = StandingClock(), FakeExecutor()
    executor.hold()
    async with limner(executor, clock=clock) as service, client_of(service) as client:
        image = await service.bring(png(), OTHER)
        first = await ask(service)
        await begin(service, first)
        second, third = [await ask(service, num_images=2) for _ in range(2)]
        refinement = Refinement(image_id=image.id, prompt=SECRET, num_inference_steps=4)
        other = (await service.refine(refinement, OTHER)).id
        unforeseen = [job["eta"] for job in (await activity(client))["waiting"]]
        clock.now += 2
        executor.release()
        executor.hold(at_step=2)
        await reach(service, await service.job(first, LOCAL), Progress(1, 1, 1, 4), LOCAL)
        told = await activity(client)

    assert unforeseen == [None] * 3
    waiting = told["waiting"]
    # Each requester has a share of their own, so who came last is not the last.
    assert [job["id"] for job in waiting] == [second, other, third]
    assert [(job["requester"], job["kind"], job["images"]) for job in waiting] == [
        ("web:local", "generate", 2),
        ("discord:7", "refine", 1),
        ("web:local", "generate", 2),
    ]
    # Two seconds a step: three of the first are left; two times four; half of four; two times four.
    assert [job["eta"] for job in waiting] == [6 + 16, 6 + 16 + 4, 6 + 16 + 4 + 16]
    assert {job["created_at"] for job in waiting} == {clock.now - 2}
    assert told["queued"] == 3
    running = {"id": first, "requester": "web:local", "image": 1, "images": 1, "step": 1, "steps": 4}
    assert told["running"] == [running]
    assert [worker["state"] for worker in told["workers"]] == ["busy"]


async def test_of_a_long_line_its_beginning_is_told(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False), queue_limit=200) as service, client_of(service) as client:
        jobs = [await ask(service) for _ in range(60)]
        told = await activity(client)

    assert [job["id"] for job in told["waiting"]] == jobs[:50]
    assert told["queued"] == 60


async def test_the_last_hour_is_told_minute_by_minute_and_the_day_as_a_whole(limner: OpenLimner) -> None:
    clock, executor = StandingClock(now=1_800_000_030.0), FakeExecutor()
    async with limner(executor, clock=clock) as service, client_of(service) as client:
        for seconds, pause in ((5.0, 82_800), (10.0, 3000), (20.0, 0), (40.0, 0), (60.0, 0)):
            executor.hold()
            job = await ask(service)
            await begin(service, job)
            clock.now += seconds
            executor.release()
            await end(service, job)
            clock.now += pause
        executor.fail_next(JobFailed("out_of_memory", "Try a smaller size."))
        await end(service, await ask(service))
        executor.hold()
        cancelled = await ask(service)
        await service.cancel(cancelled, LOCAL)
        told = await activity(client)

    begun = int(clock.now // 60) * 60
    assert [one["at"] for one in told["minutes"]] == list(range(begun - 59 * 60, begun + 60, 60))
    busy = {(begun - one["at"]) // 60: one for one in told["minutes"] if one["done"] or one["failed"]}
    assert {ago: (one["done"], one["failed"], one["seconds_p50"]) for ago, one in busy.items()} == {
        52: (1, 0, 10.0),
        1: (2, 0, 30.0),
        0: (1, 1, 60.0),
    }
    assert told["lately"] == {
        "hours": 24,
        "done": 5,
        "failed": 1,
        "cancelled": 1,
        "seconds_p50": 20.0,
        "seconds_p95": 60.0,
    }


async def test_what_is_older_than_a_day_is_forgotten_but_for_failures(limner: OpenLimner) -> None:
    clock, executor = StandingClock(), FakeExecutor()
    async with limner(executor, clock=clock) as service, client_of(service) as client:
        await end(service, await ask(service))
        executor.fail_next(JobFailed("out_of_memory", "Try a smaller size."))
        failed = await ask(service)
        await end(service, failed)
        failed_at = clock.now
        clock.now += 86_401
        told = await activity(client)

    assert (told["lately"]["done"], told["lately"]["failed"]) == (0, 0)
    assert told["failures"] == [
        {
            "job_id": failed,
            "requester": "web:local",
            "code": "out_of_memory",
            "detail": "Try a smaller size.",
            "at": failed_at,
        }
    ]


async def test_the_last_failures_are_told_the_newest_first(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    failed = []
    async with limner(executor) as service, client_of(service) as client:
        for number in range(25):
            executor.fail_next(JobFailed("painting_failed", f"Number {number}."))
            failed.append(await ask(service))
            await end(service, failed[-1])
        told = (await activity(client))["failures"]

    assert [failure["job_id"] for failure in told] == failed[:4:-1]
    assert told[0]["detail"] == "Number 24."


async def test_nobodys_words_are_told_nor_anything_that_opens_what_is_not_theirs(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    ada, bob = "ada-5f2c9e", "bob-77d013"
    async with limner(executor) as service, client_of(service, ada, bob, key=ada) as hers:
        image = ok(await hers.post("/generate", json={"prompt": SECRET}))["id"]
        executor.fail_next(JobFailed("painting_failed", "It broke."))
        await hers.post("/generate", json={"prompt": SECRET})
        executor.hold()
        for _ in range(3):
            ok(await hers.post("/jobs", json={"prompt": SECRET, "seed": 4242424242}), 202)
        async with client_of(service, ada, bob, key=bob) as his:
            response = await his.get("/activity")
            told = ok(response)
            for job in (*told["waiting"], *told["running"]):
                problem(await his.get(f"/jobs/{job['id']}"), 404, "not_found")
                problem(await his.delete(f"/jobs/{job['id']}"), 404, "not_found")
            problem(await his.post(f"/jobs/{told['failures'][0]['job_id']}/again"), 404, "not_found")

    assert (len(told["waiting"]), len(told["running"]), len(told["failures"])) == (2, 1, 1)
    for secret in (SECRET, "cat", image, "4242424242", ada, bob):
        assert secret not in response.text


async def test_it_is_told_why_nothing_is_painted(limner: OpenLimner) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor) as service, client_of(service) as client:
        starting = await activity(client)
        await service.drain(0)
        stopping = await activity(client)

    assert (starting["state"], starting["reason"]) == ("not_ready", "starting")
    assert (stopping["state"], stopping["reason"]) == ("stopping", "stopping")


async def test_the_server_tells_what_it_needs_itself(limner: OpenLimner, monkeypatch: pytest.MonkeyPatch) -> None:
    async with limner() as service, client_of(service) as client:
        first = (await activity(client))["server"]
        while time.process_time() < first["cpu_seconds"] + 0.01:
            pass
        second = (await activity(client))["server"]
        monkeypatch.setattr("bot.activity.MEMORY", Path("/nowhere"))
        unknown = (await activity(client))["server"]

    assert 10 * 2**20 < first["memory"] < 10 * 2**30
    assert first["cpu_seconds"] < second["cpu_seconds"]
    assert unknown["memory"] is None
