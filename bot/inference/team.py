"""Executor: some workers, which may come and go. Decides which of them paints a job."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, replace

import structlog

from bot.errors import WorkerDied
from bot.events import Preview, Progress
from bot.inference.wire import Load, Stepped
from bot.inference.worker_client import STEP_TIMEOUT, Asked, Connect, WorkerClient
from bot.jobs import Job
from bot.metrics import Metrics
from bot.ports import Painted, Work, WorkerState, WorkerStatus

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Roster:
    """Who belongs to a team from now on."""

    #: Name -> how to start the worker. A name that is new joins, one that is missing leaves.
    workers: Mapping[str, Connect]
    #: Why there is nobody.
    trouble: str | None = None


class Team:
    """Implements bot.ports.Executor."""

    def __init__(
        self,
        name: str,
        rosters: Callable[[], AsyncIterator[Roster]],
        load: Load,
        *,
        step_timeout: float = STEP_TIMEOUT,
        metrics: Metrics | None = None,
    ) -> None:
        """`step_timeout`: seconds without a finished step, after which a worker that has jobs is replaced."""
        self._rosters = rosters
        self._load = load
        self._step_timeout = step_timeout
        self._metrics = metrics or Metrics()
        self._workers: dict[str, WorkerClient] = {}
        #: Where each job is painted that was given to a worker.
        self._given: dict[str, WorkerClient] = {}
        #: Stands for the workers while there are none.
        self._nobody = WorkerStatus(name=name, state=WorkerState.STARTING)
        self._changed: Callable[[], None] = lambda: None

    def status(self) -> Sequence[WorkerStatus]:
        return [worker.status for worker in self._workers.values()] or [self._nobody]

    def has_room(self, job: Job, held: Sequence[Job]) -> bool:
        with ExitStack() as for_now:
            for other in held:
                # Claimed, and on its way to `paint`.
                if other.id not in self._given:
                    self._place(Asked(other.id, other.request, other.attempts > 1), for_now)
            return self._best(Asked(job.id, job.request, job.attempts > 0)) is not None

    def _place(self, asked: Asked, for_now: ExitStack) -> None:
        if (worker := self._best(asked)) is not None:
            for_now.callback(worker.take(asked))

    def _best(self, asked: Asked) -> WorkerClient | None:
        able = [worker for worker in self._workers.values() if worker.takes(asked)]
        return min(able, key=lambda worker: worker.reluctance(asked), default=None)

    async def run(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        async with asyncio.TaskGroup() as tasks:
            employed: dict[str, asyncio.Task[None]] = {}
            async for roster in self._rosters():
                for name in employed.keys() - roster.workers.keys():
                    log.info("worker left", worker=name)
                    employed.pop(name).cancel()
                for name, connect in roster.workers.items():
                    if name not in employed:
                        employed[name] = tasks.create_task(self._employ(name, connect), name=f"worker {name}")
                self._set_nobody(roster.trouble)

    async def _employ(self, name: str, connect: Connect) -> None:
        worker = WorkerClient(name, connect, self._load, self._changed, self._stepped, self._step_timeout)
        self._workers[name] = worker
        try:
            await worker.run()
        finally:
            del self._workers[name]
            self._changed()

    def _stepped(self, step: Stepped) -> None:
        self._metrics.step.labels(step.stage).observe(step.seconds)
        self._metrics.rows.labels(step.stage).observe(step.rows)

    def _set_nobody(self, trouble: str | None) -> None:
        if trouble == self._nobody.detail:
            return
        if trouble is not None:
            log.error("no workers", why=trouble)
        state = WorkerState.STARTING if trouble is None else WorkerState.FAILED
        self._nobody = replace(self._nobody, state=state, detail=trouble)
        self._changed()

    async def paint(self, work: Work) -> AsyncGenerator[Progress | Preview | Painted, None]:
        asked = Asked(work.job_id, work.request, work.alone)
        worker = self._best(asked) or self._any_ready(asked)
        if worker is None:
            raise WorkerDied("No worker is ready.")
        give_back = worker.take(asked)
        self._given[work.job_id] = worker
        try:
            async with aclosing(worker.paint(work)) as stream:
                async for event in stream:
                    yield event
        finally:
            self._given.pop(work.job_id, None)
            give_back()

    def _any_ready(self, asked: Asked) -> WorkerClient | None:
        ready = [worker for worker in self._workers.values() if worker.ready]
        return min(ready, key=lambda worker: worker.reluctance(asked), default=None)

    def preview(self, job_id: str, interval: float | None) -> None:
        if (worker := self._given.get(job_id)) is not None:
            worker.preview(job_id, interval)

    def cancel(self, job_id: str) -> None:
        if (worker := self._given.get(job_id)) is not None:
            worker.cancel(job_id)
