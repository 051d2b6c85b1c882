"""The loop that feeds the executor: claims jobs in the scheduler's order, keeps what comes out, tells who waits.

Every outcome is written before it is told.
"""

import asyncio
import gc
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog

from bot.errors import AskedTooMuch, JobCancelled, JobFailed, ShuttingDown, StorageTrouble, WorkerDied
from bot.events import Cancelled, Done, Ending, Event, Failed, Preview, Progress, Started
from bot.followers import Followers, Stream, newest
from bot.jobs import Failure, Image, Job, JobStatus, Treatment
from bot.pace import Forecast
from bot.ports import Executor, ImageStore, JobStore, Painted, StoredFile
from bot.scheduler import Scheduler, cost
from bot.telemetry import Telemetry
from bot.telling import Telling
from bot.unfinished import Unfinished
from bot.work import image_of, work_of

#: A job that took its worker down this often is set aside as failed.
ATTEMPTS_MAX = 2
#: Jobs in the queue at the start that are kept from the garbage collector: to look through all of them again and again
#: would hold the event loop up. They go when they are over, all the same.
MANY = 10_000
#: Seconds before a move that the store refused is tried again.
STORE_PAUSE = 1.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Run:
    """A job that an executor holds."""

    job: Job
    task: asyncio.Task[None]
    progress: Progress | None = None
    cancelled: bool = False


class Engine:
    def __init__(
        self,
        *,
        jobs: JobStore,
        images: ImageStore,
        executor: Executor,
        scheduler: Scheduler,
        clock: Callable[[], float],
        telemetry: Telemetry,
    ) -> None:
        self._jobs = jobs
        self._images = images
        self._executor = executor
        self._scheduler = scheduler
        self._clock = clock
        self._telemetry = telemetry
        self._followers = Followers()
        self._runs: dict[str, Run] = {}
        self._wake = asyncio.Event()
        self._stopping = False
        #: Two may have one ID: what asks came twice, and the store takes one of them.
        self._being_accepted: list[Job] = []
        self._unfinished = Unfinished()
        self._forecast = Forecast(clock)
        self._telling = Telling(
            scheduler=scheduler, followers=self._followers, unfinished=self._unfinished, forecast=self._forecast
        )
        self._changes: set[asyncio.Task[Any]] = set()

    @property
    def waiting(self) -> int:
        return len(self._scheduler)

    @property
    def stopping(self) -> bool:
        return self._stopping

    def runs(self) -> list[Run]:
        return list(self._runs.values())

    def line(self, places: int) -> Sequence[tuple[Job, int | None]]:
        """The first waiting jobs, the next one first, each with when it will be done, as far as that is foreseen."""
        return self._telling.line(places)

    def unfinished_of(self, requester: str) -> Sequence[Job]:
        """As they were accepted, the oldest first; also those that run."""
        return self._unfinished.of(requester)

    async def restore(self) -> None:
        """Takes up the jobs of an earlier life of the program. Comes before everything else."""
        for job in await self._jobs.unfinished():
            self._unfinished.add(job)
            if job.status is JobStatus.QUEUED:
                self._scheduler.add(job)
            else:
                await self._again_or_fail(job, "The program stopped while it was painted.")
        if len(self._scheduler) >= MANY:
            gc.collect()
            gc.freeze()

    async def run(self) -> None:
        """Until `drain`."""
        async with asyncio.TaskGroup() as tasks:
            executor = tasks.create_task(self._executor.run(self._wake.set), name="executor")
            telling = tasks.create_task(self._telling.run(), name="positions")
            await self._feed(tasks)
            while self._runs:
                await asyncio.wait([run.task for run in self._runs.values()])
            executor.cancel()
            telling.cancel()
        if self._changes:
            await asyncio.wait(self._changes)
        self._followers.close_all()

    async def drain(self, limit: float) -> None:
        """Claims nothing more, lets what runs finish for `limit` seconds and puts the rest back into the queue."""
        self._stopping = True
        self._wake.set()
        for job_id in self._scheduler.line():
            self._followers.close(job_id)
        if running := [run.task for run in self._runs.values()]:
            _, unfinished = await asyncio.wait(running, timeout=limit)
            for task in unfinished:
                task.cancel()

    async def submit(self, job: Job, jobs_each: int | None = None, weight: float = 1.0) -> None:
        """Accepts a job, while its requester has fewer unfinished ones in its space than `jobs_each`.

        With twice the weight, twice the work is done while others wait too.

        Raises AskedTooMuch, QueueFull or ShuttingDown, and then nothing was written.
        """
        if self._stopping:
            raise ShuttingDown
        if jobs_each is not None and self._has(job.requester, job.space) >= jobs_each:
            raise AskedTooMuch("jobs", jobs_each)
        self._scheduler.check_room(job, self._being_accepted)
        self._being_accepted.append(job)
        await self._to_its_end(self._accept(job, weight))

    def _has(self, requester: str, space: str) -> int:
        """Unfinished jobs, and those that are just being accepted."""
        more = sum((job.requester, job.space) == (requester, space) for job in self._being_accepted)
        return self._unfinished.count(requester, space) + more

    async def cancel(self, job: Job) -> bool:
        """False where the job ended before."""
        return await self._to_its_end(self._cancel(job))

    async def follow(self, job_id: str, preview_interval: float | None = None) -> AsyncGenerator[Event, None]:
        """From where the job stands now to its ending. Raises ShuttingDown where the program stops before that."""
        with self._listening(job_id, preview_interval) as stream:
            job = await self._jobs.get(job_id)
            if job is None:
                return
            last = newest(stream) or await self._standing(job)
            yield last
            if self._stopping and job_id not in self._runs and not isinstance(last, Ending):
                raise ShuttingDown
            while not isinstance(last, Ending):
                event = await stream.get()
                if event is None:
                    raise ShuttingDown
                if event != last:
                    last = event
                    yield last

    @contextmanager
    def _listening(self, job_id: str, preview_interval: float | None) -> Iterator[Stream]:
        """The executor makes previews only while somebody looks."""
        try:
            with self._followers.stream(job_id, preview_interval) as stream:
                if preview_interval is not None:
                    self._executor.preview(job_id, self._followers.preview_interval(job_id))
                yield stream
        finally:
            if preview_interval is not None:
                self._executor.preview(job_id, self._followers.preview_interval(job_id))

    async def _to_its_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Whoever goes away in the middle must not leave queue, index and image folder in disagreement."""
        task = asyncio.create_task(work, name="change")
        self._changes.add(task)
        task.add_done_callback(self._changes.discard)
        return await asyncio.shield(task)

    async def _accept(self, job: Job, weight: float) -> None:
        try:
            await self._jobs.add(job)
        finally:
            self._being_accepted.remove(job)
        self._unfinished.add(job)
        self._scheduler.add(job, weight)
        self._telemetry.accepted(job)
        self._wake.set()

    async def _cancel(self, job: Job) -> bool:
        if not await self._jobs.cancel(job.id, self._clock()):
            return False
        self._unfinished.discard(job.id)
        self._scheduler.discard(job.id)
        if run := self._runs.get(job.id):
            run.cancelled = True
        self._executor.cancel(job.id)
        self._telemetry.cancelled(self._runs[job.id].job if job.id in self._runs else job)
        self._followers.tell(job.id, Cancelled())
        self._telling.moved()
        # Also of a job that waits: an attempt that was interrupted may have left some.
        await self._discard(job)
        return True

    async def _feed(self, tasks: asyncio.TaskGroup) -> None:
        while not self._stopping:
            while not self._stopping and (job := self._scheduler.first()) is not None and self._has_room(job):
                self._scheduler.next()
                await self._claim(job, tasks)
            self._telling.moved()
            await self._wake.wait()
            self._wake.clear()

    def _has_room(self, job: Job) -> bool:
        return self._executor.has_room(job, [run.job for run in self._runs.values()])

    async def _claim(self, waiting: Job, tasks: asyncio.TaskGroup) -> None:
        try:
            job = await self._jobs.claim(waiting.id, self._clock())
        except Exception as error:  # noqa: BLE001 - it is told and logged
            # The job keeps its turn; nothing is lost while the disk is full or the database is locked.
            _complain(error, "job could not be claimed; trying again", job=waiting.id)
            if self._unfinished.get(waiting.id) is not None:
                self._scheduler.give_back(waiting)
            await asyncio.sleep(STORE_PAUSE)
            self._wake.set()
            return
        if job is None:
            # It was cancelled, perhaps on its way into the line.
            self._unfinished.discard(waiting.id)
        elif self._stopping:
            await self._put_back(job)
        else:
            self._forecast.began(job.id, cost(job))
            self._runs[job.id] = Run(job, tasks.create_task(self._run(job), name=f"job {job.id}"))

    async def _run(self, job: Job) -> None:
        self._telemetry.started(job)
        self._followers.tell(job.id, Started())
        try:
            await self._paint_and_keep(job)
        except JobCancelled:
            await self._to_its_end(self._discard(job))
        except JobFailed as error:
            await self._fail(job, Failure(error.code, error.detail))
        except WorkerDied as error:
            await self._again_or_fail(job, str(error))
        except asyncio.CancelledError:
            await self._put_back(job)
            self._followers.close(job.id)
            raise
        except StorageTrouble as error:
            await self._fail(job, Failure(error.code, str(error)))
        except Exception as error:
            log.exception("job could not be kept", job=job.id)
            await self._fail(job, Failure("internal_error", f"The picture could not be kept: {error}"))
        finally:
            self._forecast.ended(job.id)
            del self._runs[job.id]
            self._wake.set()

    async def _paint_and_keep(self, job: Job) -> None:
        work = await work_of(job, self._images, self._followers.preview_interval(job.id))
        if self._runs[job.id].cancelled:
            raise JobCancelled
        images, refused = [], 0
        async with aclosing(self._executor.paint(work)) as stream:
            async for event in stream:
                match event:
                    case Progress():
                        self._runs[job.id].progress = event
                        self._forecast.progressed(job.id, event.step / event.steps)
                        self._followers.tell(job.id, event)
                    case Preview():
                        self._followers.tell(job.id, event)
                    case Painted(flagged=True) if job.treatment is Treatment.REFUSE:
                        refused += 1
                    case Painted():
                        file = await self._saved(job, event)
                        images.append(image_of(job, event, file, self._clock()))
        images.sort(key=lambda image: job.image_ids.index(image.id))
        await self._to_its_end(self._keep(job, images, refused))

    async def _saved(self, job: Job, painted: Painted) -> StoredFile:
        """Waits for the disk: what was painted is not thrown away, and who would be painted next could not be kept."""
        while True:
            try:
                return await self._images.save(painted.image_id, painted.png)
            except StorageTrouble:
                await asyncio.sleep(STORE_PAUSE)
            if self._runs[job.id].cancelled:
                raise JobCancelled

    async def _keep(self, job: Job, images: Sequence[Image], refused: int) -> None:
        finish = lambda: self._jobs.finish(job.id, images, self._clock(), refused)  # noqa: E731
        if await self._written(finish, waits_for=StorageTrouble):
            self._telemetry.done(job, images, refused)
            self._unfinished.discard(job.id)
            self._followers.tell(job.id, Done(tuple(images), refused))
        else:
            await self._discard(job)

    async def _discard(self, job: Job) -> None:
        try:
            await self._images.discard(job.image_ids)
        except StorageTrouble as error:
            log.warning("files of no image are left over; limner db check finds them", job=job.id, why=error.why)

    async def _put_back(self, job: Job) -> None:
        """Where the store refuses, the next start finds the job running and queues it, with an attempt used."""
        try:
            await self._jobs.requeue(job.id, attempt_counts=False)
            self._telemetry.put_back(job)
        except Exception as error:  # noqa: BLE001 - it is told and logged
            _complain(error, "job could not be put back", job=job.id)

    async def _again_or_fail(self, job: Job, why: str) -> None:
        if job.attempts >= ATTEMPTS_MAX:
            detail = f"{why} It was tried {job.attempts} times and is set aside, so that others can be painted."
            await self._fail(job, Failure(WorkerDied.code, detail))
        elif await self._written(lambda: self._jobs.requeue(job.id, attempt_counts=True)):
            self._telemetry.queued_again(job, why)
            self._scheduler.give_back(job)

    async def _fail(self, job: Job, failure: Failure) -> None:
        await self._to_its_end(self._set_aside(job, failure))

    async def _set_aside(self, job: Job, failure: Failure) -> None:
        await self._discard(job)
        if await self._written(lambda: self._jobs.fail(job.id, failure, self._clock())):
            self._telemetry.failed(job, failure)
            self._unfinished.discard(job.id)
            self._followers.tell(job.id, Failed(failure))

    async def _written(self, move: Callable[[], Awaitable[bool]], waits_for: type[Exception] = Exception) -> bool:
        """A move that the store refuses is tried again until the program stops; its next start then finds the job."""
        while True:
            try:
                return await move()
            except waits_for as error:
                if self._stopping:
                    _complain(error, "outcome could not be written; the next start finds the job")
                    return False
                _complain(error, "outcome could not be written; trying again")
                await asyncio.sleep(STORE_PAUSE)

    async def _standing(self, job: Job) -> Event:
        match job.status:
            case JobStatus.QUEUED:
                return self._telling.standing(job.id)
            case JobStatus.RUNNING:
                run = self._runs.get(job.id)
                return (run and run.progress) or Started()
            case JobStatus.DONE:
                return Done(tuple(await self._images.of_job(job.id)), job.refused, job.removed)
            case JobStatus.CANCELLED:
                return Cancelled()
            case JobStatus.FAILED:
                assert job.failure is not None
                return Failed(job.failure)


def _complain(error: Exception, what: str, **more: str) -> None:
    """The storage says by itself when its trouble begins and ends."""
    if not isinstance(error, StorageTrouble):
        log.error(what, exc_info=error, **more)
