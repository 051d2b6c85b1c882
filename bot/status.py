"""How Limner is: what waits and runs, its workers, and what became of jobs lately."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from bot.engine import Engine
from bot.errors import StorageTrouble
from bot.events import Progress
from bot.jobs import Job, JobStatus
from bot.ports import Executor, JobStore, StorageHealth, WorkerState, WorkerStatus

#: Seconds that `Overview.lately` looks back.
LATELY = 3600.0


@dataclass(frozen=True, slots=True)
class Running:
    job: Job
    #: None before its first step.
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class Status:
    queued: int
    running: Sequence[Running]
    counts: dict[JobStatus, int]
    workers: Sequence[WorkerStatus]
    stopping: bool
    #: Of the disk; nothing new is taken while there is any.
    trouble: StorageTrouble | None = None

    @property
    def state(self) -> str:
        """`stopping`, `trouble`, `ready` or `not_ready`."""
        if self.stopping:
            return "stopping"
        if self.trouble:
            return "trouble"
        return "ready" if self.ready else "not_ready"

    @property
    def ready(self) -> bool:
        return (
            not self.stopping
            and not self.trouble
            and any(worker.state in (WorkerState.READY, WorkerState.BUSY) for worker in self.workers)
        )

    @property
    def reason(self) -> str | None:
        """Why it is not ready, without what only the operator may know; None where it is."""
        if self.stopping:
            return "stopping"
        if self.trouble is not None:
            return self.trouble.code
        return None if self.ready else "; ".join(worker.detail or worker.state for worker in self.workers)


@dataclass(frozen=True, slots=True)
class Lately:
    """What became of the jobs that ended lately: in the last hour, where nothing else is said."""

    #: Seconds from acceptance to the finished image, in ascending order.
    seconds: Sequence[float]
    #: Failed jobs by code.
    failures: Mapping[str, int]
    cancelled: int = 0

    def percentile(self, part: float) -> float | None:
        """By the nearest rank; `part` is 0.5 for the median. None where nothing was done."""
        if not self.seconds:
            return None
        return self.seconds[max(0, ceil(part * len(self.seconds)) - 1)]


class Overview:
    def __init__(
        self,
        *,
        engine: Engine,
        jobs: JobStore,
        executor: Executor,
        storage: StorageHealth,
        clock: Callable[[], float],
    ) -> None:
        self._engine = engine
        self._jobs = jobs
        self._executor = executor
        self._storage = storage
        self._clock = clock

    async def status(self) -> Status:
        return Status(
            queued=self._engine.waiting,
            running=[Running(run.job, run.progress) for run in self._engine.runs()],
            counts=await self._jobs.counts(),
            workers=self._executor.status(),
            stopping=self._engine.stopping,
            trouble=await self._storage.trouble(),
        )

    async def lately(self, seconds: float = LATELY) -> Lately:
        """Looks so far back."""
        over = await self._jobs.over_since(self._clock() - seconds)
        return Lately(seconds=sorted(over.seconds), failures=Counter(over.failures), cancelled=over.cancelled)
