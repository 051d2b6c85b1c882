"""The newest news of a job, at a pace that somebody can bear who must not be told everything."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass

from bot.errors import NotFound, ShuttingDown
from bot.events import Ending, Event, Preview


@dataclass(frozen=True, slots=True)
class Stopped:
    """The program stops before the job's ending is known."""


class Watch:
    """Hears a stream to its end, and remembers the last event and the last preview."""

    def __init__(self) -> None:
        self._event: Event | Stopped | None = None
        self._preview: bytes | None = None
        self._error: Exception | None = None
        self._news = asyncio.Event()
        self._over = asyncio.Event()

    async def hear(self, stream: AsyncGenerator[Event, None]) -> None:
        try:
            async with aclosing(stream):
                async for event in stream:
                    self._take(event)
            if not self._over.is_set():
                # Erased between being found and being followed.
                raise NotFound("job")
        except ShuttingDown:
            self._take(Stopped())
        except Exception as error:  # noqa: BLE001 - told to who waits for news
            self._error = error
            self._news.set()
            self._over.set()

    def _take(self, event: Event | Stopped) -> None:
        if isinstance(event, Preview):
            self._preview = event.jpeg
        else:
            self._event = event
        if self._event is not None:
            self._news.set()
        if isinstance(event, Ending | Stopped):
            self._over.set()

    async def news(self, pause: float) -> tuple[Event | Stopped, bytes | None]:
        """What is new after `pause` seconds or later; an ending at once."""
        if pause > 0:
            with suppress(TimeoutError):
                # Not wait_for, which Python 3.11 does not let be cancelled once there is a result.
                async with asyncio.timeout(pause):
                    await self._over.wait()
        await self._news.wait()
        self._news.clear()
        if self._error is not None:
            raise self._error
        assert self._event is not None
        return self._event, self._preview

    def recall(self) -> None:
        """The last news did not arrive: they are news again."""
        self._news.set()
