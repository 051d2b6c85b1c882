"""What the fake does later, by its clock."""

import asyncio
import heapq
import itertools
from collections.abc import Callable

from tests.fakes.clock import Clock

#: Seconds between two looks at the clock, which a test may have advanced.
TICK = 0.02


class Agenda:
    def __init__(self, clock: Clock, on_error: Callable[[Exception], None]) -> None:
        self._clock = clock
        self._on_error = on_error
        self._entries: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._entries, (self._clock.now() + seconds, next(self._numbers), do))

    async def run(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            while self._entries and self._entries[0][0] <= self._clock.now():
                _, _, do = heapq.heappop(self._entries)
                try:
                    do()
                except Exception as error:  # noqa: BLE001
                    self._on_error(error)
