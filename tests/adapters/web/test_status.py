"""How the server says that it lives, is ready, and what it does."""

from adapters.web.access import LOCAL
from bot import __version__
from bot.events import Progress
from tests.adapters.web.clients import client_of, ok
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor

CAT = {"prompt": "a cat", "num_inference_steps": 2}


async def test_the_index_names_the_program_and_where_to_look(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        index = ok(await client.get("/"))
        assert (index["name"], index["version"]) == ("Limner", __version__)
        ok(await client.get(index["status"]))
        paths = ok(await client.get(index["openapi"]))["paths"]

    assert {"/generate", "/refine", "/download/{image_id}", "/jobs", "/images", "/status"} <= paths.keys()


async def test_a_server_lives_before_it_is_ready_and_says_why_it_is_not(limner: OpenLimner) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor) as service, client_of(service) as client:
        assert ok(await client.get("/healthz"))["status"] == "ok"
        assert ok(await client.get("/readyz"), 503) == {"status": "not ready", "reason": "starting"}
        executor.become_ready()
        assert ok(await client.get("/readyz"))["status"] == "ready"


async def test_a_busy_server_is_ready(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=1)
    async with limner(executor) as service, client_of(service) as client:
        ok(await client.post("/jobs", json=CAT), 202)
        ok(await client.get("/readyz"))


async def test_a_server_that_stops_is_alive_and_not_ready(limner: OpenLimner) -> None:
    async with limner() as service, client_of(service) as client:
        await service.drain(0)
        ok(await client.get("/healthz"))
        assert ok(await client.get("/readyz"), 503)["reason"] == "stopping"


async def test_the_status_counts_jobs_and_names_what_runs(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    async with limner(executor) as service, client_of(service) as client:
        ok(await client.post("/generate", json=CAT))
        idle = ok(await client.get("/status"))
        executor.hold(at_step=2)
        job = ok(await client.post("/jobs", json=CAT), 202)
        ok(await client.post("/jobs", json=CAT), 202)
        async for event in service.follow(job["id"], LOCAL):
            if event == Progress(1, 1, 1, 2):
                break
        busy = ok(await client.get("/status"))

    assert (idle["version"], idle["ready"], idle["stopping"]) == (__version__, True, False)
    assert (idle["queued"], idle["running"], idle["jobs"]["done"]) == (0, [], 1)
    assert [worker["state"] for worker in idle["workers"]] == ["ready"]
    assert (busy["queued"], busy["jobs"]["queued"], busy["jobs"]["running"]) == (1, 1, 1)
    assert busy["running"] == [
        {"id": job["id"], "requester": "web:local", "image": 1, "images": 1, "step": 1, "steps": 2}
    ]
    assert [worker["state"] for worker in busy["workers"]] == ["busy"]


async def test_prometheus_is_told_numbers_of_the_whole_program_if_it_has_a_key(limner: OpenLimner) -> None:
    async with limner() as service:
        async with client_of(service, "ada-12ab34") as stranger:
            refused = await stranger.get("/metrics")
        async with client_of(service, "ada-12ab34", key="ada-12ab34") as client:
            ok(await client.post("/generate", json=CAT))
            told = await client.get("/metrics")

    assert refused.status_code == 401
    assert told.status_code == 200
    assert told.headers["content-type"].startswith("text/plain; version=")
    lines = told.text.splitlines()
    assert 'limner_jobs_accepted_total{platform="web"} 1.0' in lines
    assert f'limner_build_info{{version="{__version__}"}} 1.0' in lines
    assert any(line.startswith("process_resident_memory_bytes ") for line in lines)
    assert not any("cat" in line.split(" ")[0] for line in lines if not line.startswith("#"))
