"""A queue and a worker on a clock of their own: who comes when, who is painted when, and what each was told.

The scheduler and the forecast are the real ones, called as the engine calls them. The worker is a model of the step
loop: what a call costs once and for each picture in it, which pictures may be in flight, whose turn the next call is.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop
from itertools import count

from bot.errors import QueueFull
from bot.jobs import ImageRequest, Job, Refinement
from bot.pace import Forecast
from bot.scheduler import Scheduler, cost

#: Pictures in flight, whatever their size.
ROWS = 16


@dataclass(frozen=True, slots=True)
class Device:
    """Seconds of a call: once, and for each megapixel in it. `native` and `cap` are megapixels in flight."""

    once: float
    each: float
    native: float
    cap: float


#: The curve of docs/performance.md for 256x256, stretched to a step of a second: a batch of 4 is worth it.
SHARING = Device(once=0.5, each=0.5, native=1.0, cap=4.0)
#: SDXL on a GPU that one picture fills: two are in flight so that nobody waits for a whole picture, and are no faster.
FILLED = Device(once=0.05, each=0.95, native=1.0, cap=2.0)


@dataclass(slots=True, eq=False)
class Visit:
    """A job, and what came of it. Times are seconds since the day began."""

    job: Job
    at: float
    weight: float = 1.0
    #: When each telling said what; the first is what was said when the job was accepted.
    told: list[tuple[float, int]] = field(default_factory=list)
    claimed: float | None = None
    done: float | None = None
    #: Steps over all images, images, and megapixels of each.
    steps: int = field(init=False)
    images: int = field(init=False)
    megapixels: float = field(init=False)
    #: Steps that are left of each image that was begun.
    left: list[int] = field(default_factory=list)
    begun: int = 0
    taken: int = 0

    def __post_init__(self) -> None:
        request = self.job.request
        assert request.num_inference_steps is not None
        strength = request.strength if isinstance(request, Refinement) else 1.0
        self.images = request.num_images
        self.steps = max(1, int(request.num_inference_steps * strength)) * self.images
        self.megapixels = cost(self.job) / self.steps

    @property
    def wait(self) -> float:
        assert self.done is not None
        return self.done - self.at


class Day:
    def __init__(self, device: Device, *, limit: int = 1_000_000) -> None:
        self.device = device
        self.now = 0.0
        self.scheduler = Scheduler(limit)
        self._limit = limit
        self.forecast = Forecast(lambda: self.now)
        self.visits: dict[str, Visit] = {}
        self.refused: list[Visit] = []
        #: In the order in which they were claimed.
        self.claimed: list[Visit] = []
        self._coming: list[tuple[float, int, Visit]] = []
        self._held: list[Visit] = []
        #: A picture in flight is (visit, which of its images); the one whose last step is longest ago comes first.
        self._rows: list[tuple[Visit, int]] = []
        self._spent: dict[float, float] = {}
        self._numbers = count()

    def expect(self, visits: Iterable[Visit]) -> None:
        self._coming += [(visit.at, next(self._numbers), visit) for visit in visits]
        heapify(self._coming)

    def run(self, until: float = float("inf")) -> None:
        """To the end of all work, or until so late."""
        while self.now < until and (self._coming or self._held or len(self.scheduler)):
            if not self._held and not len(self.scheduler):
                self.now = max(self.now, self._coming[0][0])
            while self._coming and self._coming[0][0] <= self.now:
                self._accept(heappop(self._coming)[2])
            self._claim()
            self._let_in()
            self._step()

    def restart(self) -> None:
        """What was painted is painted again, the pace is forgotten, and so are shares."""
        waiting = [self.visits[job_id] for job_id in self.scheduler.line()]
        for visit in self._held:
            self.forecast.ended(visit.job.id)
            visit.left, visit.begun, visit.taken = [], 0, 0
        unfinished = sorted([*self._held, *waiting], key=lambda visit: visit.at)
        self.scheduler = Scheduler(self._limit)
        self.forecast = Forecast(lambda: self.now)
        self._held, self._rows, self._spent = [], [], {}
        for visit in unfinished:
            self.scheduler.add(visit.job)

    def _accept(self, visit: Visit) -> None:
        try:
            self.scheduler.check_room(visit.job)
        except QueueFull:
            self.refused.append(visit)
            return
        self.visits[visit.job.id] = visit
        self.scheduler.add(visit.job, visit.weight)
        self._claim()
        self.tell(visit)

    def tell(self, visit: Visit) -> None:
        """When it will be done, as somebody hears who looks now."""
        if visit.job.id not in self.scheduler:
            return
        line = self.scheduler.line(self.scheduler.position(visit.job.id))
        *_, ready_at = self.forecast.ready_at(cost(self.visits[job_id].job) for job_id in line)
        if ready_at is not None:
            visit.told.append((self.now, ready_at))

    def _claim(self) -> None:
        while self._has_room() and (job_id := self.scheduler.next()) is not None:
            visit = self.visits[job_id]
            visit.claimed = self.now
            self.claimed.append(visit)
            self._held.append(visit)
            self.forecast.began(job_id, cost(visit.job))

    def _has_room(self) -> bool:
        """As LocalExecutor: one picture more than are painted at once."""
        images = sum(visit.images for visit in self._held)
        pixels = sum(visit.megapixels * visit.images for visit in self._held)
        return images <= ROWS and pixels < self.device.cap + self.device.native

    def _let_in(self) -> None:
        """As Painter: who has the least in flight comes first."""
        while waiting := [visit for visit in self._held if visit.begun < visit.images]:
            visit = min(waiting, key=lambda one: sum(row[0] is one for row in self._rows))
            in_flight = sum(row[0].megapixels for row in self._rows)
            if self._rows and (len(self._rows) >= ROWS or in_flight + visit.megapixels > self.device.cap):
                return
            self._rows.append((visit, visit.begun))
            visit.begun += 1
            visit.left.append(visit.steps // visit.images)
            self._spent.setdefault(visit.megapixels, min(self._spent.values(), default=0.0))

    def _step(self) -> None:
        """As StepLoop: pictures of one size share a call, and the size with the least done is next."""
        if not self._rows:
            return
        size = min({visit.megapixels for visit, _ in self._rows}, key=lambda each: self._spent[each])
        batch = [row for row in self._rows if row[0].megapixels == size]
        batch = batch[: max(1, min(ROWS, int(self.device.cap / size)))]
        self._spent[size] += size
        self.now += self.device.once + self.device.each * size * len(batch)
        taken = set(batch)
        self._rows = [row for row in self._rows if row not in taken]
        for visit, image in batch:
            visit.left[image] -= 1
            visit.taken += 1
            if visit.left[image] > 0:
                self._rows.append((visit, image))
        for visit in dict.fromkeys(visit for visit, _ in batch):
            self.forecast.progressed(visit.job.id, visit.taken / visit.steps)
            if visit.taken == visit.steps:
                self._end(visit)
        sizes = {visit.megapixels for visit, _ in self._rows}
        self._spent = {size: spent for size, spent in self._spent.items() if size in sizes}

    def _end(self, visit: Visit) -> None:
        visit.done = self.now
        self._held.remove(visit)
        self.forecast.ended(visit.job.id)


_ids = count(1)


def visit(
    requester: str, at: float = 0.0, *, steps: int = 30, side: int = 1000, images: int = 1, weight: float = 1.0
) -> Visit:
    request = ImageRequest(prompt="", width=side, height=side, num_inference_steps=steps, num_images=images)
    return Visit(_job(requester, request), at, weight)


def refinement(requester: str, at: float, *, steps: int = 30, strength: float = 0.5) -> Visit:
    request = Refinement(image_id="", prompt="", num_inference_steps=steps, strength=strength)
    return Visit(_job(requester, request), at)


def _job(requester: str, request: ImageRequest | Refinement) -> Job:
    number = next(_ids)
    space = requester.partition(":")[0]
    return Job(
        id=f"job {number}",
        requester=requester,
        space=f"{space}:studio",
        origin="",
        request=request,
        image_ids=tuple(f"{number}/{image}" for image in range(request.num_images)),
        created_at=0,
    )


def crowd(
    chance: random.Random, device: Device, *, begin: float, end: float, load: float, requesters: int = 200
) -> Iterator[Visit]:
    """Independent people on three platforms, of whom some come much more often; `load` is part of what can be done."""
    names = [f"{platform}:{number}" for number in range(requesters) for platform in ("discord", "slack", "web")]
    often = [1 / (rank + 5) for rank in range(len(names))]
    chance.shuffle(names)
    # Megapixels in a second, where as many share a call as are worth it.
    pace = device.cap / (device.once + device.each * device.cap)
    at = begin
    while True:
        kind = chance.choices(range(5), (50, 20, 15, 10, 5))[0]
        at += chance.expovariate(load * pace / MEAN_COST)
        if at >= end:
            return
        who = chance.choices(names, often)[0]
        if kind == 0:
            yield visit(who, at)
        elif kind == 1:
            yield refinement(who, at)
        elif kind == 2:
            yield visit(who, at, steps=8)
        elif kind == 3:
            yield visit(who, at, images=chance.randint(2, 4))
        else:
            yield visit(who, at, steps=50, side=1216)


#: Of what a crowd asks for.
MEAN_COST = 0.5 * 30 + 0.2 * 15 + 0.15 * 8 + 0.1 * 3 * 30 + 0.05 * 50 * 1.48


def errors(visits: Iterable[Visit]) -> list[float]:
    """Of what was told first, against what came, as part of the time that it took from then; in ascending order."""
    return sorted(
        abs(ready_at - one.done) / (one.done - at)
        for one in visits
        if one.done is not None
        for at, ready_at in one.told[:1]
    )


def jain(shares: Sequence[float]) -> float:
    """Jain's index: 1 where all are equal, 1/n where one has all."""
    return sum(shares) ** 2 / (len(shares) * sum(share * share for share in shares))


def work_of(claimed: Iterable[Visit]) -> dict[str, float]:
    work: dict[str, float] = defaultdict(float)
    for one in claimed:
        work[one.job.requester] += cost(one.job)
    return work
