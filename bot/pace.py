"""How fast work gets done here, and so when something will be ready. Pure."""

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate
from math import exp

#: Seconds of work after which what was measured weighs 1/e; some pictures on a slow machine.
MEMORY = 300.0
#: Seconds of work before a pace is told.
ENOUGH = 1.0


class Pace:
    """Work over time, newer work weighing more. Work is counted as the scheduler does: steps x megapixels."""

    def __init__(self) -> None:
        self._work = 0.0
        self._seconds = 0.0

    def worked(self, work: float, seconds: float) -> None:
        """So much was done by all that ran side by side for so long; both may be 0.

        Longer than MEMORY without a step is a mishap, a download or a machine asleep, and no pace.
        """
        seconds = min(seconds, MEMORY)
        kept = exp(-seconds / MEMORY)
        self._work = self._work * kept + work
        self._seconds = self._seconds * kept + seconds

    def seconds_for(self, work: float) -> float | None:
        """None before enough was seen."""
        if self._work <= 0 or self._seconds < ENOUGH:
            return None
        return work * self._seconds / self._work


class Forecast:
    """What is left of all that runs, and when what waits will be done. `clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._marked_at = clock()
        self._pace = Pace()
        self._work: dict[str, float] = {}
        self._left: dict[str, float] = {}

    def began(self, job_id: str, work: float) -> None:
        self._mark(0.0)
        self._work[job_id] = self._left[job_id] = work

    def progressed(self, job_id: str, part: float) -> None:
        """So much of the job is done by now, 0 to 1."""
        left = self._work[job_id] * (1 - part)
        self._mark(self._left[job_id] - left)
        self._left[job_id] = left

    def ended(self, job_id: str) -> None:
        self._mark(0.0)
        del self._work[job_id], self._left[job_id]

    def _mark(self, work: float) -> None:
        """Whenever work was done, and before what runs side by side changes."""
        now = self._clock()
        if self._left:
            self._pace.worked(work, max(0.0, now - self._marked_at))
        self._marked_at = now

    def ready_at(self, line: Iterable[float]) -> Iterator[int | None]:
        """For jobs of so much work, one after the other behind what runs: the second in which each will be done."""
        ahead = sum(self._left.values())
        now = self._clock()
        for work in accumulate(line):
            after = self._pace.seconds_for(ahead + work)
            yield None if after is None else round(now + after)
