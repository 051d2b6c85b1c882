"""Tells those who wait where they stand in the line, and when they will be ready, as far as that is foreseen."""

import asyncio
from collections.abc import Iterator
from itertools import islice, zip_longest

from bot.events import Queued
from bot.followers import Followers
from bot.jobs import Job
from bot.pace import Forecast
from bot.scheduler import Scheduler, cost
from bot.unfinished import Unfinished

#: Seconds between two rounds.
PAUSE = 0.25
#: How many are told before others get their turn on the event loop.
TOLD_AT_ONCE = 100
#: So many places of the line are foreseen; what is further back is hours away, and who knows what comes before it.
FORESEEN = 1000


class Telling:
    def __init__(
        self, *, scheduler: Scheduler, followers: Followers, unfinished: Unfinished, forecast: Forecast
    ) -> None:
        self._scheduler = scheduler
        self._followers = followers
        self._unfinished = unfinished
        self._forecast = forecast
        self._moved = asyncio.Event()

    def moved(self) -> None:
        """The line did."""
        self._moved.set()

    async def run(self) -> None:
        """Until it is cancelled. All of a long line take longer than a claim, so not after each."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            line = zip_longest(self._scheduler.line(), self._ready_at(FORESEEN))
            for position, (job_id, ready_at) in enumerate(line, start=1):
                # Some were claimed since.
                if job_id in self._followers and job_id in self._scheduler:
                    self._followers.tell(job_id, Queued(position, ready_at))
                if position % TOLD_AT_ONCE == 0:
                    await asyncio.sleep(0)
            await asyncio.sleep(PAUSE)

    def standing(self, job_id: str) -> Queued:
        position = self._scheduler.position(job_id)
        if position > FORESEEN:
            return Queued(position, None)
        return Queued(position, next(islice(self._ready_at(position), position - 1, None), None))

    def line(self, places: int) -> list[tuple[Job, int | None]]:
        """The jobs in the first places, and when each will be done."""
        line = zip(self._scheduler.line(places), self._ready_at(places), strict=True)
        return [(job, ready_at) for job_id, ready_at in line if (job := self._unfinished.get(job_id)) is not None]

    def _ready_at(self, places: int) -> Iterator[int | None]:
        """Of those in the first places of the line."""
        return self._forecast.ready_at(map(self._cost, self._scheduler.line(places)))

    def _cost(self, job_id: str) -> float:
        """0 for one that was cancelled on its way into the line; the claim will find that out."""
        job = self._unfinished.get(job_id)
        return 0.0 if job is None else cost(job)
