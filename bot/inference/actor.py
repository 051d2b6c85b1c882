"""A worker in a process of a Ray cluster: takes orders and hands out reports as answers to calls."""

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bot import __version__
from bot.inference.wire import Order, Report
from bot.inference.worker import Line, serve


@dataclass(frozen=True, slots=True)
class Left:
    """The last report: the worker ended by itself."""

    code: int


class Actor:
    """Its methods are called from the serving process. No call, no worker: Ray ends it with whoever started it."""

    def __init__(self, work: Callable[[Line], int] = serve) -> None:
        self._work = work

    async def start(self) -> str:
        """Limner's version here."""
        self._loop = asyncio.get_running_loop()
        self._reports: asyncio.Queue[Report | Left] = asyncio.Queue()
        self._line = Line(self._report)
        threading.Thread(target=self._serve, name="step loop", daemon=True).start()
        return __version__

    async def take(self, orders: Sequence[Order]) -> None:
        """One call comes after another, as Ray does not keep their order."""
        for order in orders:
            self._line.take(order)

    async def reports(self) -> Sequence[Report | Left]:
        """All that came since the last call; waits for the first."""
        reports = [await self._reports.get()]
        while not self._reports.empty():
            reports.append(self._reports.get_nowait())
        return reports

    def _report(self, report: Report | Left) -> None:
        self._loop.call_soon_threadsafe(self._reports.put_nowait, report)

    def _serve(self) -> None:
        self._report(Left(self._work(self._line)))
