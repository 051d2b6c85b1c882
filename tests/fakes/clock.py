"""Time at a fake, and the bell that rings whenever something changes there."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

T = TypeVar("T")

#: Seconds after which a condition is looked at again though the bell did not ring: it may speak of the bot's own state.
GLANCE = 0.05


class Clock:
    """Real time, plus what a test advanced."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds


class Bell:
    """Wakes all that wait for a change."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        self._rung.set()
        self._rung = asyncio.Event()

    async def until(self, condition: Callable[[], T], seconds: float) -> T | None:
        """What the condition returned when it came true; None when the seconds are over."""
        end = time.monotonic() + seconds
        while True:
            rung = self._rung
            if result := condition():
                return result
            if time.monotonic() >= end:
                return None
            with suppress(TimeoutError):
                await asyncio.wait_for(rung.wait(), GLANCE)
