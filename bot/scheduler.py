"""Who is next. Start-time fair queueing over requesters: each gets an equal share of the work, however much they queue.

Pure and synchronous: knows no clock, no database, no worker.
"""

from bisect import insort
from dataclasses import dataclass, field
from math import inf

from bot.errors import QueueFull
from bot.jobs import ImageRequest, Job

#: Megapixels of a picture whose size is left to the model, and of one whose parent gives it.
USUAL_MEGAPIXELS = 1.0


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
    job_id: str = field(compare=False)


class Scheduler:
    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._line: list[Turn] = []
        self._turns: dict[str, Turn] = {}
        self._share_ends: dict[str, float] = {}
        self._now = 0.0
        self._arrivals = 0

    def __len__(self) -> int:
        return len(self._line)

    def check_room(self, being_accepted: int) -> None:
        """Raises QueueFull. Asked before a job is written down, so that what was accepted is never turned away."""
        if len(self._line) + being_accepted >= self._limit:
            raise QueueFull(self._limit, retry_after=30)

    def add(self, job: Job) -> None:
        start = max(self._now, self._share_ends.get(job.requester, 0.0))
        self._share_ends[job.requester] = start + cost(job)
        self._insert(job.id, start)

    def give_back(self, job_id: str) -> None:
        """A job whose run was interrupted is next again, and pays no second time."""
        self._insert(job_id, -inf)

    def _insert(self, job_id: str, start: float) -> None:
        self._arrivals += 1
        turn = Turn(start, self._arrivals, job_id)
        self._turns[job_id] = turn
        insort(self._line, turn)

    def discard(self, job_id: str) -> None:
        turn = self._turns.pop(job_id, None)
        if turn is not None:
            self._line.remove(turn)
            self._forget_if_empty()

    def first(self) -> str | None:
        """The job whose turn it is; it stays in the line."""
        return self._line[0].job_id if self._line else None

    def next(self) -> str | None:
        """Takes the job whose turn it is out of the line."""
        if not self._line:
            return None
        turn = self._line.pop(0)
        del self._turns[turn.job_id]
        self._now = max(self._now, turn.start)
        self._forget_if_empty()
        return turn.job_id

    def _forget_if_empty(self) -> None:
        if not self._line:
            self._share_ends.clear()
            self._now = 0.0

    def position(self, job_id: str) -> int:
        """1 is next; a job that is just being claimed is next too."""
        turn = self._turns.get(job_id)
        return 1 if turn is None else self._line.index(turn) + 1

    def line(self) -> list[str]:
        """The waiting jobs, the next one first."""
        return [turn.job_id for turn in self._line]
