"""What Prometheus hears of jobs, steps and workers."""

import asyncio

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families as parsed

from bot.errors import JobFailed, WorkerDied
from bot.inference.wire import Stepped
from bot.jobs import Stage
from bot.metrics import Metrics
from tests.bot.asking import ANN, ask, hear_all
from tests.bot.inference.test_team import studio
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor


def told(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """(name, label's value, …) -> value, labels by name; without what is told of any process and without buckets."""
    return {
        (sample.name.removeprefix("limner_"), *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in parsed(generate_latest(metrics.registry).decode())
        for sample in family.samples
        if sample.name.startswith("limner_") and not sample.name.endswith(("_bucket", "_created"))
    }


async def test_what_becomes_of_jobs_is_counted(limner: OpenLimner) -> None:
    now = 1_000_000.0
    executor = FakeExecutor()
    executor.hold()
    async with limner(executor, clock=lambda: now) as service:
        first = await ask(service, images=2)
        await asyncio.sleep(0.01)
        waits = await ask(service)
        cancelled = await ask(service)
        now += 40
        assert told(service.telemetry.metrics)["jobs", "queued"] == 2
        assert told(service.telemetry.metrics)["jobs", "running"] == 1

        await service.cancel(cancelled.id, ANN)
        executor.fail_next(JobFailed("out_of_memory", "Too large."))
        executor.fail_next(WorkerDied("It is gone."))
        executor.release()
        for job in (first, waits, await ask(service)):
            await hear_all(service, job)
        await asyncio.sleep(0.01)

        numbers = told(service.telemetry.metrics)
        assert numbers["jobs", "queued"] == numbers["jobs", "running"] == 0
        assert numbers["jobs_accepted_total", "test"] == 4
        assert numbers["jobs_ended_total", "failed"] == 1
        assert numbers["jobs_failed_total", "out_of_memory"] == 1
        assert numbers["jobs_ended_total", "cancelled"] == 1
        assert numbers["jobs_ended_total", "done"] == 2
        assert numbers["images_total",] == 3
        assert (numbers["job_wait_seconds_count",], numbers["job_wait_seconds_sum",]) == (3, 40), "of first attempts"
        assert numbers["job_duration_seconds_sum",] == 40


async def test_workers_say_how_they_are_and_what_they_step() -> None:
    async with studio("a", "b") as here:
        metrics = here.team._metrics
        metrics.read(queued=lambda: 0, running=lambda: 0, workers=here.team.status)
        here.lives["a"][0].report(Stepped(Stage.BASE, 3, 0.25))
        here.lives["b"][0].report(Stepped(Stage.REFINER, 1, 0.5))
        here.lives["b"][0].kill()
        await asyncio.sleep(0.01)

        numbers = told(metrics)
        assert (numbers["step_rows_sum", "base"], numbers["step_duration_seconds_sum", "base"]) == (3, 0.25)
        assert numbers["step_duration_seconds_count", "refiner"] == 1
        assert numbers["worker_state", "ready", "a"] == 1
        assert numbers["worker_state", "failed", "a"] == 0
        assert (numbers["worker_restarts_total", "a"], numbers["worker_restarts_total", "b"]) == (0, 1)


async def test_the_event_loop_is_watched(limner: OpenLimner) -> None:
    async with limner() as service:
        await asyncio.sleep(0.6)

        assert told(service.telemetry.metrics)["event_loop_lag_seconds_count",] >= 1
