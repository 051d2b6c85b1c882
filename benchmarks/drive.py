"""A painter driven as a worker drives it, in this process, and what it told and when."""

import time
from collections.abc import Iterable, Sequence
from typing import Any

from bot.inference.caps import Caps
from bot.inference.paint import Painter
from bot.inference.pipelines import Pipelines
from bot.inference.wire import News
from bot.jobs import ImageRequest, Refinement
from bot.ports import Painted, Work

#: More pixels than anything here has in flight: the rows alone are the cap.
NO_LIMIT = 10**12
#: Seconds between two looks at a painter that waits for its PNGs.
PAUSE = 0.001


class Driven:
    def __init__(self, pipelines: Pipelines, caps: Caps, **more: Any) -> None:
        #: When, which job, and what.
        self.told: list[tuple[float, int, News]] = []
        self.painter = Painter(pipelines, caps, tell=self._hear, clock=time.perf_counter, **more)

    def _hear(self, number: int, news: News) -> None:
        self.told.append((time.perf_counter(), number, news))

    def accept(self, number: int, request: ImageRequest | Refinement, **more: Any) -> None:
        """The request is filled in."""
        image_ids = tuple(f"{number}-{index}" for index in range(request.num_images))
        self.painter.accept(number, Work(job_id="job", image_ids=image_ids, request=request, **more))

    def run(self) -> None:
        """Until nothing is left to do."""
        while (stepped := self.painter.turn()) or self.painter.holds_any:
            if not stepped:
                time.sleep(PAUSE)

    def images(self) -> dict[int, Painted]:
        return {number: news for _, number, news in self.told if isinstance(news, Painted)}

    def first(self, number: int, kind: type[Any]) -> float:
        """When this was told of a job for the first time."""
        return next(when for when, about, news in self.told if about == number and isinstance(news, kind))


def painted(pipelines: Pipelines, requests: Iterable[ImageRequest], rows: int) -> tuple[float, Driven]:
    """Seconds until all PNGs were there, all asked for at once."""
    driven = Driven(pipelines, Caps(NO_LIMIT, rows))
    began = time.perf_counter()
    for number, request in enumerate(requests):
        driven.accept(number, request)
    driven.run()
    return time.perf_counter() - began, driven


def in_turn(ways: Sequence[Any], runs: int) -> list[list[float]]:
    """Each way so many times, one after the other, so that a slow moment of the machine hits all alike."""
    times: list[list[float]] = [[] for _ in ways]
    for _ in range(runs):
        for way, of in zip(ways, times, strict=True):
            began = time.perf_counter()
            way()
            of.append(time.perf_counter() - began)
    return times
