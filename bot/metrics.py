"""What Prometheus may ask for. Counters and histograms grow as things happen; gauges are read when it asks."""

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NoReturn

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bot import __version__
from bot.jobs import JobStatus, Stage, Treatment
from bot.ports import WorkerState, WorkerStatus

#: Seconds, of what people wait for.
WAITS = (0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
#: Seconds, of a step on anything from a large GPU to a small CPU.
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30)
#: Seconds, of what should be over at once.
QUICK = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5)
ROWS = (1, 2, 4, 8, 16, 32, 64)
#: Seconds between two looks at how late the event loop is.
LOOK = 0.5


class Metrics:
    """Of one program; nothing is global, so that several may live in one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        Gauge("limner_build_info", "Limner's version.", ["version"], registry=self.registry).labels(__version__).set(1)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"limner_{name}", text, labels, registry=self.registry)

        def histogram(name: str, text: str, buckets: Sequence[float], *labels: str) -> Histogram:
            return Histogram(f"limner_{name}", text, labels, buckets=buckets, registry=self.registry)

        self.accepted = counter("jobs_accepted", "Jobs that were accepted.", "platform")
        self.ended = counter("jobs_ended", "Jobs that are over: done, failed or cancelled.", "status")
        self.failures = counter("jobs_failed", "Failed jobs, by the error's code.", "code")
        self.images = counter("images", "Images that are safe on disk and in the index.")
        self.flagged = counter("images_flagged", "Images that the check flagged, by their treatment.", "treatment")
        self.wait = histogram("job_wait_seconds", "From a job's acceptance to its start.", WAITS)
        self.duration = histogram("job_duration_seconds", "From a job's acceptance to its finished images.", WAITS)
        self.step = histogram("step_duration_seconds", "Of one denoising step of all pictures in it.", STEPS, "stage")
        self.rows = histogram("step_rows", "Pictures that shared a denoising step.", ROWS, "stage")
        self.deliveries = counter(
            "deliveries", "Jobs whose ending a platform took, or nobody could.", "platform", "outcome"
        )
        self.retries = counter("delivery_retries", "Calls to a platform that were tried again.", "platform")
        self.acknowledgement = histogram(
            "acknowledgement_seconds", "From a request's arrival until the platform was told so.", QUICK, "platform"
        )
        self.lag = histogram("event_loop_lag_seconds", "How late the serving process comes to its work.", QUICK)

        # What is told from the first is not missed when it grows for the first time.
        for status in JobStatus:
            if status.over:
                self.ended.labels(status)
        for treatment in Treatment:
            self.flagged.labels(treatment)
        for stage in Stage:
            self.step.labels(stage)
            self.rows.labels(stage)

    def read(
        self,
        *,
        queued: Callable[[], float],
        running: Callable[[], float],
        workers: Callable[[], Sequence[WorkerStatus]],
    ) -> None:
        """Where the gauges come from."""
        jobs = Gauge("limner_jobs", "Jobs that are not over.", ["status"], registry=self.registry)
        jobs.labels("queued").set_function(queued)
        jobs.labels("running").set_function(running)
        self.registry.register(_Workers(workers))

    async def watch_loop(self) -> NoReturn:
        """Until it is cancelled."""
        while True:
            due = time.monotonic() + LOOK
            await asyncio.sleep(LOOK)
            self.lag.observe(max(0.0, time.monotonic() - due))


class _Workers(Collector):
    def __init__(self, status: Callable[[], Sequence[WorkerStatus]]) -> None:
        self._status = status

    def collect(self) -> Iterator[Metric]:
        workers = self._status()
        state = GaugeMetricFamily("limner_worker_state", "1 for the state it is in.", labels=["worker", "state"])
        restarts = CounterMetricFamily("limner_worker_restarts", "How often it was replaced.", labels=["worker"])
        for worker in workers:
            restarts.add_metric([worker.name], worker.restarts)
            for each in WorkerState:
                state.add_metric([worker.name, each], float(worker.state is each))
        yield state
        yield restarts
        yield _family("limner_worker_memory_bytes", "In use on the device.", ((w.name, w.memory_used) for w in workers))
        yield _family("limner_worker_memory_total_bytes", "Of the device.", ((w.name, w.memory_total) for w in workers))


def _family(name: str, text: str, values: Iterable[tuple[str, float | None]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=["worker"])
    for worker, value in values:
        if value is not None:
            family.add_metric([worker], value)
    return family
