"""Executor: one child process on this machine, replaced whenever it dies."""

import asyncio
import itertools
import pickle
import signal
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import isqrt
from typing import Any

import structlog

from bot.errors import JobCancelled, JobFailed, WorkerDied
from bot.events import Preview, Progress
from bot.inference.wire import (
    LENGTH_BYTES,
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
    Told,
    packed,
)
from bot.jobs import ImageRequest, Job
from bot.ports import Painted, Work, WorkerState, WorkerStatus

#: Seconds before a worker is started again after its first, second, ... failure in a row.
PAUSES = (0.0, 1.0, 5.0, 15.0, 60.0)
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
#: Seconds; for a step, a decode or the loading of the refiner, whichever is slowest.
STEP_TIMEOUT = 300.0
#: Starts a worker that speaks bot/inference/wire.py over its standard input and output.
COMMAND = (sys.executable, "-m", "bot.inference.worker")
#: How often a stuck worker is looked for within that time.
LOOKS = 10
#: Seconds that a worker gets to end by itself once its pipe is closed.
FAREWELL = 5.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Run:
    """A job that the worker holds."""

    job_id: str
    news: asyncio.Queue[News | WorkerDied]


class LocalExecutor:
    """Implements bot.ports.Executor."""

    def __init__(
        self,
        load: Load,
        environment: Mapping[str, str],
        *,
        step_timeout: float = STEP_TIMEOUT,
        command: Sequence[str] = COMMAND,
    ) -> None:
        """`step_timeout`: seconds without a finished step, after which a worker that has jobs is ended."""
        self._load = load
        self._command = command
        self._environment = {**ENVIRONMENT, **environment}
        self._step_timeout = step_timeout
        self._status = WorkerStatus(name="local", state=WorkerState.STARTING)
        self._process: asyncio.subprocess.Process | None = None
        self._runs: dict[int, Run] = {}
        self._numbers = itertools.count(1)
        self._changed: Callable[[], None] = lambda: None
        #: Pixels of a picture whose size is left to the model; pixels and number of all that are painted at once.
        self._native_pixels = 0
        self._pixels = 0
        self._rows = 0
        #: When the worker was last heard, or given the first of its jobs; by the loop's clock.
        self._heard_at = 0.0

    def has_room(self, held: Sequence[Job]) -> bool:
        """One job more than are painted at once, so that the worker never waits for the next."""
        if self._status.state not in (WorkerState.READY, WorkerState.BUSY):
            return False
        images = sum(job.request.num_images for job in held)
        return images <= self._rows and sum(map(self._pixels_of, held)) < self._pixels + self._native_pixels

    def _pixels_of(self, job: Job) -> int:
        request = job.request
        if not isinstance(request, ImageRequest):
            return self._native_pixels * request.num_images
        side = isqrt(self._native_pixels)
        return (request.width or side) * (request.height or side) * request.num_images

    def status(self) -> Sequence[WorkerStatus]:
        return [self._status]

    async def run(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        failures = 0
        while True:
            was_well = await self._one_life()
            failures = 0 if was_well else failures + 1
            await asyncio.sleep(PAUSES[min(failures, len(PAUSES) - 1)])
            self._set(state=WorkerState.STARTING, restarts=self._status.restarts + 1)

    async def paint(self, work: Work) -> AsyncGenerator[Progress | Preview | Painted, None]:
        number = next(self._numbers)
        run = self._runs[number] = Run(work.job_id, asyncio.Queue())
        try:
            if self._status.state is not WorkerState.BUSY:
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
            if not self._runs and self._status.state is WorkerState.BUSY:
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
        """Of one worker process, from its start to its end. True if it was able to work in between."""
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env=self._environment,
            # Ctrl-C in a terminal reaches the whole process group; this program alone decides when its worker ends.
            process_group=0,
        )
        self._process = process
        self._set(pid=process.pid)
        log.info("worker started", pid=process.pid)
        was_well = False
        watch = asyncio.create_task(self._watch(process), name="watch the worker's steps")
        try:
            self._send(self._load)
            async for report in _reports(process.stdout):
                was_well = was_well or isinstance(report, Loaded)
                self._hear(report)
        finally:
            stuck = watch.done()
            watch.cancel()
            self._process = None
            was_loading = self._status.state is WorkerState.STARTING
            # To end takes some a while; jobs that were given to one meanwhile would lose an attempt.
            self._set(state=WorkerState.FAILED)
            await _end(process)
        how = f"took no step for {self._step_timeout:g} seconds" if stuck else _how_it_ended(process.returncode)
        self._bury(process, how, was_loading=was_loading)
        return was_well

    async def _watch(self, process: asyncio.subprocess.Process) -> None:
        """Ends when it had to kill the worker."""
        clock = asyncio.get_running_loop().time
        while self._status.state is not WorkerState.BUSY or clock() - self._heard_at < self._step_timeout:
            await asyncio.sleep(self._step_timeout / LOOKS)
        process.kill()

    def _hear(self, report: Report) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        match report:
            case Told(number, news):
                if number in self._runs:
                    self._runs[number].news.put_nowait(news)
            case Loaded():
                log.info("worker ready", model=report.model, device=report.device, dtype=report.dtype, plan=report.plan)
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
                    detail=None,
                )
            case LoadFailed(detail):
                log.error("model could not be loaded", detail=detail)
                self._set(detail=detail)
            case Alive():
                pass

    def _bury(self, process: asyncio.subprocess.Process, how: str, *, was_loading: bool) -> None:
        log.error("worker ended", pid=process.pid, how=how)
        detail = (self._status.detail if was_loading else None) or f"The worker process {how}."
        self._set(pid=None, detail=detail)
        for run in self._runs.values():
            run.news.put_nowait(WorkerDied(f"The worker process {how}."))

    def _send(self, order: Order) -> None:
        if self._process is None or self._process.stdin is None or self._process.stdin.is_closing():
            raise WorkerDied("The worker process is being replaced.")
        self._process.stdin.write(packed(order))

    def _set(self, **changes: Any) -> None:
        self._status = replace(self._status, **changes)
        self._changed()


async def _reports(pipe: asyncio.StreamReader | None) -> AsyncIterator[Report]:
    assert pipe is not None
    try:
        while True:
            length = int.from_bytes(await pipe.readexactly(LENGTH_BYTES), "big")
            yield pickle.loads(await pipe.readexactly(length))
    except asyncio.IncompleteReadError:
        return


async def _end(process: asyncio.subprocess.Process) -> None:
    """Closing its pipe asks a worker to end; one that does not listen is killed."""
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(FAREWELL):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _how_it_ended(returncode: int | None) -> str:
    if returncode is None or returncode >= 0:
        return f"ended with exit code {returncode}"
    name = signal.Signals(-returncode).name
    hint = "; the machine may have run out of memory" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}"
