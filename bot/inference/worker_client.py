"""The serving process's end of one worker: gives it jobs, hears of them, and replaces it whenever it dies."""

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass, replace
from math import isqrt
from typing import Any, Protocol

import structlog

from bot.errors import JobCancelled, JobFailed, WorkerDied
from bot.events import Preview, Progress
from bot.inference.wire import (
    Alive,
    Broke,
    Cancel,
    Dropped,
    Finished,
    Load,
    Loaded,
    LoadFailed,
    Look,
    News,
    Order,
    Paint,
    Report,
    Stepped,
    Told,
)
from bot.jobs import ImageRequest, Refinement, Stage
from bot.ports import Painted, Work, WorkerState, WorkerStatus

#: The worker's, unless the operator says otherwise: no advice for programmers on the terminal, no reports to the model
#: hub, and threads that stop spinning soon: on a shared CPU their usual patience made a picture take 25 times as long.
ENVIRONMENT = {
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "GOMP_SPINCOUNT": "5000",
    # Batches change their sizes all the time, which leaves holes in a memory of fixed blocks.
    "PYTORCH_ALLOC_CONF": "expandable_segments:True",
}
#: Seconds before a worker is started again after its first, second, ... failure in a row.
PAUSES = (0.0, 1.0, 5.0, 15.0, 60.0)
#: Seconds; for a step, a decode or the loading of the refiner, whichever is slowest.
STEP_TIMEOUT = 300.0
#: How often a stuck worker is looked for within that time.
LOOKS = 10

log = structlog.get_logger(__name__)


class Connection(Protocol):
    """To one worker, as long as it lives."""

    #: Of its process, where that runs on this machine.
    pid: int | None

    def send(self, order: Order) -> None:
        """In order. Raises WorkerDied."""
        ...

    def reports(self) -> AsyncIterator[Report]:
        """Ends with the worker."""
        ...

    def kill(self) -> None: ...

    async def end(self) -> str:
        """Asks it to end, kills it where it does not listen, and says how it ended: "was ended by SIGKILL"."""
        ...


#: Starts a worker. Raises WorkerDied where that cannot be done.
Connect = Callable[[], Awaitable[Connection]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What a choice between workers knows of a job."""

    job_id: str
    request: ImageRequest | Refinement
    #: The job was interrupted before and may be what kills workers: it shares its worker with no other.
    alone: bool

    @property
    def key(self) -> Hashable:
        """What jobs must agree in to share steps, as far as it is known before a picture to refine is opened."""
        request = self.request
        loras = (request.style, request.few_steps)
        if isinstance(request, ImageRequest):
            return Stage.BASE, loras, request.width, request.height
        return request.stage, loras


@dataclass(frozen=True, slots=True)
class Run:
    """A job that the worker holds."""

    job_id: str
    news: asyncio.Queue[News | WorkerDied]


class Holding:
    """What one worker has taken on, in sums."""

    def __init__(self) -> None:
        self.images = 0
        self.pixels = 0
        self.keys: Counter[Hashable] = Counter()
        self.jobs = 0
        #: Jobs that share the worker with no other.
        self.alone = 0

    def change(self, asked: Asked, pixels: int, *, by: int) -> None:
        """`by` is 1 or -1."""
        self.images += by * asked.request.num_images
        self.pixels += by * pixels
        self.keys[asked.key] += by
        if not self.keys[asked.key]:
            del self.keys[asked.key]
        self.jobs += by
        self.alone += by * asked.alone


class WorkerClient:
    def __init__(
        self,
        name: str,
        connect: Connect,
        load: Load,
        changed: Callable[[], None],
        stepped: Callable[[Stepped], None],
        step_timeout: float,
    ) -> None:
        """`step_timeout`: seconds without a finished step, after which a worker that has jobs is ended."""
        self.status = WorkerStatus(name=name, state=WorkerState.STARTING)
        self._connect = connect
        self._load = load
        self._changed = changed
        self._stepped = stepped
        self._step_timeout = step_timeout
        self._connection: Connection | None = None
        self._runs: dict[int, Run] = {}
        self._numbers = itertools.count(1)
        self._holding = Holding()
        #: Pixels of a picture whose size is left to the model; pixels and number of all that are painted at once.
        self._native_pixels = 0
        self._pixels = 0
        self._rows = 0
        #: When the worker was last heard, or given the first of its jobs; by the loop's clock.
        self._heard_at = 0.0

    @property
    def ready(self) -> bool:
        return self.status.state in (WorkerState.READY, WorkerState.BUSY)

    def takes(self, asked: Asked) -> bool:
        """One job more than are painted at once, so that the worker never waits for the next."""
        if not self.ready:
            return False
        holding = self._holding
        if asked.alone or holding.alone:
            return not holding.jobs
        return holding.images <= self._rows and holding.pixels < self._pixels + self._native_pixels

    def reluctance(self, asked: Asked) -> tuple[bool, bool, bool, float]:
        """The least reluctant of the workers that take a job is to paint it.

        Best is one that can begin at once; of these one that is idle, and then one whose steps the job can share.
        """
        holding = self._holding
        images, pixels = holding.images + asked.request.num_images, holding.pixels + self._pixels_of(asked)
        waits = images > self._rows or pixels > self._pixels
        return (
            waits and holding.jobs > 0,
            holding.jobs > 0,
            asked.key not in holding.keys,
            holding.pixels / self._pixels,
        )

    def take(self, asked: Asked) -> Callable[[], None]:
        """Counts the job as this worker's, until what is returned is called."""
        pixels = self._pixels_of(asked)
        self._holding.change(asked, pixels, by=1)
        return lambda: self._holding.change(asked, pixels, by=-1)

    def _pixels_of(self, asked: Asked) -> int:
        request = asked.request
        if not isinstance(request, ImageRequest):
            return self._native_pixels * request.num_images
        side = isqrt(self._native_pixels)
        return (request.width or side) * (request.height or side) * request.num_images

    async def run(self) -> None:
        """Keeps a worker alive until it is cancelled."""
        failures = 0
        while True:
            was_well = await self._one_life()
            failures = 0 if was_well else failures + 1
            await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
            self._set(state=WorkerState.STARTING, restarts=self.status.restarts + 1)

    async def paint(self, work: Work) -> AsyncGenerator[Progress | Preview | Painted, None]:
        """As bot.ports.Executor's."""
        number = next(self._numbers)
        run = self._runs[number] = Run(work.job_id, asyncio.Queue())
        try:
            if self.status.state is not WorkerState.BUSY:
                self._heard_at = asyncio.get_running_loop().time()
            self._send(Paint(number, work))
            self._set(state=WorkerState.BUSY)
            while True:
                match await run.news.get():
                    case Progress() | Preview() | Painted() as event:
                        yield event
                    case Finished(memory_used):
                        self._set(memory_used=memory_used)
                        return
                    case Broke(code, detail):
                        raise JobFailed(code, detail)
                    case Dropped():
                        raise JobCancelled
                    case WorkerDied() as error:
                        raise error
        except (GeneratorExit, asyncio.CancelledError):
            self._drop(number)
            raise
        finally:
            del self._runs[number]
            if not self._runs and self.status.state is WorkerState.BUSY:
                self._set(state=WorkerState.READY)

    def preview(self, job_id: str, interval: float | None) -> None:
        for number, run in self._runs.items():
            if run.job_id == job_id:
                with suppress(WorkerDied):
                    self._send(Look(number, interval))

    def cancel(self, job_id: str) -> None:
        for number, run in self._runs.items():
            if run.job_id == job_id:
                self._drop(number)

    def _drop(self, number: int) -> None:
        # A worker that is gone has dropped all it held.
        with suppress(WorkerDied):
            self._send(Cancel(number))

    async def _one_life(self) -> bool:
        """Of one worker, from its start to its end. True if it was able to work in between."""
        try:
            connection = await self._connect()
        except WorkerDied as error:
            log.error("worker could not be started", worker=self.status.name, why=str(error))
            self._set(state=WorkerState.FAILED, pid=None, detail=str(error))
            return False
        self._connection = connection
        self._set(pid=connection.pid)
        log.info("worker started", worker=self.status.name, pid=connection.pid)
        was_well, how = False, "was told to end"
        watch = asyncio.create_task(self._watch(connection), name=f"watch the steps of {self.status.name}")
        try:
            connection.send(self._load)
            async for report in connection.reports():
                was_well = was_well or isinstance(report, Loaded)
                self._hear(report)
        finally:
            stuck = watch.done()
            watch.cancel()
            self._connection = None
            was_loading = self.status.state is WorkerState.STARTING
            # To end takes some a while; jobs that were given to one meanwhile would lose an attempt.
            self._set(state=WorkerState.FAILED)
            try:
                how = await connection.end()
            finally:
                how = f"took no step for {self._step_timeout:g} seconds" if stuck else how
                for run in self._runs.values():
                    run.news.put_nowait(WorkerDied(f"The worker process {how}."))
        log.error("worker ended", worker=self.status.name, pid=self.status.pid, how=how)
        detail = (self.status.detail if was_loading else None) or f"The worker process {how}."
        self._set(pid=None, detail=detail)
        return was_well

    async def _watch(self, connection: Connection) -> None:
        """Ends when it had to kill the worker."""
        clock = asyncio.get_running_loop().time
        while self.status.state is not WorkerState.BUSY or clock() - self._heard_at < self._step_timeout:
            await asyncio.sleep(self._step_timeout / LOOKS)
        connection.kill()

    def _hear(self, report: Report) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        match report:
            case Told(number, news):
                if number in self._runs:
                    self._runs[number].news.put_nowait(news)
            case Loaded():
                log.info(
                    "worker ready",
                    worker=self.status.name,
                    model=report.model,
                    device=report.device,
                    dtype=report.dtype,
                    plan=report.plan,
                    image_check=report.image_check,
                )
                self._native_pixels, self._pixels, self._rows = report.native_pixels, report.pixels, report.rows
                self._set(
                    state=WorkerState.READY,
                    model=report.model,
                    refiner=report.refiner,
                    device=report.device,
                    dtype=report.dtype,
                    memory_used=report.memory_used,
                    memory_total=report.memory_total,
                    plan=report.plan,
                    image_check=report.image_check,
                    detail=None,
                )
            case LoadFailed(detail):
                log.error("model could not be loaded", worker=self.status.name, detail=detail)
                self._set(detail=detail)
            case Stepped():
                self._stepped(report)
            case Alive():
                pass

    def _send(self, order: Order) -> None:
        if self._connection is None:
            raise WorkerDied("The worker process is being replaced.")
        self._connection.send(order)

    def _set(self, **changes: Any) -> None:
        self.status = replace(self.status, **changes)
        self._changed()
