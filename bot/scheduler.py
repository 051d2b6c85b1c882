"""Who is next. Start-time fair queueing over requesters: each gets a fair share of the work, however much they queue.

Pure and synchronous: knows no clock, no database, no worker.
"""

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf

from bot.errors import QueueFull, ShareFull
from bot.jobs import ImageRequest, Job

#: Megapixels of a picture whose size is left to the model, and of one whose parent gives it.
USUAL_MEGAPIXELS = 1.0
#: Jobs of one requester, and of one space, that may wait for each place that is free. So who comes last finds a place:
#: one requester alone takes half of the queue, one space nine tenths.
EACH_PER_FREE_PLACE = 1
SPACE_PER_FREE_PLACE = 9
#: Seconds after which it makes sense to come back to a full queue.
RETRY_AFTER = 30


def cost(job: Job) -> float:
    """Work in steps x megapixels over all images of the job."""
    request = job.request
    assert request.num_inference_steps is not None
    steps = request.num_inference_steps * request.num_images
    if isinstance(request, ImageRequest):
        pixels = (request.width or 0) * (request.height or 0)
        return steps * (pixels / 1e6 or USUAL_MEGAPIXELS)
    return steps * request.strength * USUAL_MEGAPIXELS


@dataclass(order=True, frozen=True, slots=True)
class Turn:
    #: Virtual time at which the job's share begins (Goyal, Vin and Cheng, 1996: start-time fair queueing).
    start: float
    #: Order of arrival, which decides between equals.
    number: int
    job: Job = field(compare=False)


class Scheduler:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        #: Sorted. Shifting 100,000 pointers takes microseconds, so a list is the fastest that there is.
        self._line: list[Turn] = []
        self._turns: dict[str, Turn] = {}
        self._requesters: Counter[str] = Counter()
        self._spaces: Counter[str] = Counter()
        #: Until when in virtual time each requester has a share. Whoever's is over is as good as new, and forgotten.
        self._share_ends: dict[str, float] = {}
        #: The same as a heap, which also holds ends that were put off since.
        self._ends: list[tuple[float, str]] = []
        self._now = 0.0
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._line)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._turns

    def check_room(self, job: Job, being_accepted: Collection[Job] = ()) -> None:
        """Raises QueueFull. Asked before a job is written down, so that what was accepted is never turned away."""
        free = self._limit - len(self._line) - len(being_accepted)
        if free <= 0:
            raise QueueFull(self._limit, RETRY_AFTER)
        of_requester = self._requesters[job.requester] + sum(
            other.requester == job.requester for other in being_accepted
        )
        if of_requester >= EACH_PER_FREE_PLACE * free:
            raise ShareFull("requester", of_requester, RETRY_AFTER)
        of_space = self._spaces[job.space] + sum(other.space == job.space for other in being_accepted)
        if of_space >= SPACE_PER_FREE_PLACE * free:
            raise ShareFull("space", of_space, RETRY_AFTER)

    def add(self, job: Job, weight: float = 1.0) -> None:
        """Whoever has twice the weight gets twice the work done, while others wait too."""
        start = max(self._now, self._share_ends.get(job.requester, 0.0))
        end = self._share_ends[job.requester] = start + cost(job) / weight
        heappush(self._ends, (end, job.requester))
        self._insert(job, start)

    def give_back(self, job: Job) -> None:
        """A job whose run was interrupted is next again, and pays no second time."""
        self._insert(job, -inf)

    def _insert(self, job: Job, start: float) -> None:
        self._arrivals += 1
        turn = self._turns[job.id] = Turn(start, self._arrivals, job)
        insort(self._line, turn)
        self._requesters[job.requester] += 1
        self._spaces[job.space] += 1

    def discard(self, job_id: str) -> None:
        turn = self._turns.get(job_id)
        if turn is not None:
            self._take(bisect_left(self._line, turn))
            self._forget_if_empty()

    def first(self) -> Job | None:
        """The job whose turn it is; it stays in the line."""
        return self._line[0].job if self._line else None

    def next(self) -> str | None:
        """Takes the job whose turn it is out of the line."""
        if not self._line:
            return None
        turn = self._take(0)
        if turn.start > -inf:
            self._go_on(turn)
        self._forget_if_empty()
        return turn.job.id

    def _go_on(self, turn: Turn) -> None:
        """By as much as each of those who share got of this work, and one more: who comes next.

        Were it only to the start of the turn, time would stand still while newcomers, whose shares begin now, keep
        coming, and whoever's share begins later would starve.
        """
        self._now = max(self._now, turn.start) + cost(turn.job) / (len(self._share_ends) + 1)
        while self._ends and self._ends[0][0] <= self._now:
            end, who = heappop(self._ends)
            if self._share_ends.get(who) == end:
                del self._share_ends[who]

    def _take(self, index: int) -> Turn:
        turn = self._line.pop(index)
        del self._turns[turn.job.id]
        for counter, whose in ((self._requesters, turn.job.requester), (self._spaces, turn.job.space)):
            counter[whose] -= 1
            if not counter[whose]:
                del counter[whose]
        return turn

    def _forget_if_empty(self) -> None:
        if not self._line:
            self._share_ends.clear()
            self._ends.clear()
            self._now = 0.0

    def position(self, job_id: str) -> int:
        """1 is next; a job that is just being claimed is next too."""
        turn = self._turns.get(job_id)
        return 1 if turn is None else bisect_left(self._line, turn) + 1

    def line(self, length: int | None = None) -> list[str]:
        """The waiting jobs, the next one first; perhaps only so many."""
        return [turn.job.id for turn in self._line[:length]]
