"""All jobs that are owed an answer on a platform: begun, taken up after a restart, and at work side by side."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import structlog

from adapters.chat.reports import Reports
from adapters.chat.retry import again_and_again
from bot.jobs import Job
from bot.service import Service

if TYPE_CHECKING:
    from adapters.chat.delivery import Delivery

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """Seconds between two calls to a platform."""

    #: Edits of one message while it is painted; more where many are painted in one channel.
    progress: float = 3.0
    #: Edits of one message while it waits.
    queue: float = 10.0
    #: Before what failed is tried again for the first time, at most; each time after that twice as long.
    retry: float = 1.0


class Deliveries:
    """All jobs that are owed an answer on a platform, each with a task of its own."""

    def __init__(
        self,
        platform: str,
        make: "Callable[[Deliveries, Job, str, bool], Delivery[Any]]",
        service: Service,
        clock: Callable[[], float],
        tempo: Tempo,
        reports: Reports,
    ) -> None:
        """`make` takes a job, its note, and whether an earlier life of the program may have told of it."""
        self.platform = platform
        self._make = make
        self.service = service
        self.clock = clock
        self.tempo = tempo
        self.reports = reports
        #: Messages that are being edited, by what limits their rate together.
        self.live: Counter[str] = Counter()
        #: Those of jobs that wait no more: they are not kept back by those that do.
        self.painted: Counter[str] = Counter()
        self._at_work: dict[str, Delivery[Any]] = {}
        self._tasks: dict[asyncio.Task[None], str] = {}
        self._over = False

    def start(self, job: Job, *, note: str = "", again: bool = False) -> "Delivery[Any]":
        """The delivery that is at work for this job already, if there is one."""
        if job.id in self._at_work:
            return self._at_work[job.id]
        delivery = self._make(self, job, note, again)
        if self._over:
            # It stays owed.
            delivery.first.set_result(None)
        else:
            self._at_work[job.id] = delivery
            task = asyncio.create_task(self._run(delivery), name=f"deliver {job.id}")
            self._tasks[task] = job.id
            task.add_done_callback(self._tasks.pop)
        return delivery

    async def _run(self, delivery: "Delivery[Any]") -> None:
        self.live[delivery.limited_by] += 1
        try:
            await self.in_the_end(delivery.run, Exception)
        finally:
            delivery.tell_first(None)
            # Only what is above 0 is kept: channels come and go.
            self.live -= Counter({delivery.limited_by: 1})
            self.painted -= Counter({delivery.limited_by: int(delivery.is_painted)})
            del self._at_work[delivery.job.id]

    async def in_the_end(self, work: Callable[[], Awaitable[T]], mishap: type[Exception]) -> T:
        """Does it again and again, until this mishap does not happen."""
        retries = self.service.telemetry.metrics.retries.labels(self.platform)
        return await again_and_again(work, mishap, self.tempo.retry, told=retries.inc)

    async def take_up(self) -> None:
        """What an earlier life of the program still owes."""
        for owed in await self.in_the_end(lambda: self.service.undelivered(self.platform), Exception):
            try:
                self.start(owed.job, note=owed.note, again=True)
            except Exception:
                # Written by another version perhaps; all others shall come all the same.
                log.exception("what is owed cannot be read", job=owed.job.id)

    async def tell_anew(self, job: Job) -> None:
        """What was decided on its images, in the message that it has."""
        if job.platform != self.platform:
            return
        # One that is at work may not know of it.
        if at_work := [task for task, job_id in self._tasks.items() if job_id == job.id]:
            await asyncio.wait(at_work)
        self.start(job, note=await self.service.noted(job.id), again=True)

    async def finish(self, limit: float) -> None:
        """Lets what is being told be told for `limit` seconds; the rest stays owed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                # What was accepted just now may still begin.
                while self._tasks:
                    await asyncio.wait(self._tasks)
        self._over = True
        late = list(self._tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)
