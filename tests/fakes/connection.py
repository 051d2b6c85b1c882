"""A worker that does what a test says, without a process."""

import asyncio
from collections.abc import AsyncIterator, Iterable

from bot.errors import WorkerDied
from bot.inference.wire import Finished, Load, Loaded, News, Order, Paint, Report, Told

SIDE = 256


class FakeConnection:
    """Implements bot.inference.worker_client.Connection. Is at once ready for four pictures of 256x256 pixels."""

    def __init__(self, *, rows: int = 4) -> None:
        self.pid: int | None = None
        self.orders: list[Order] = []
        self.ended = False
        self._reports: asyncio.Queue[Report | None] = asyncio.Queue()
        self._rows = rows

    @property
    def paints(self) -> list[str]:
        """The IDs of the jobs that it was given."""
        return [order.work.job_id for order in self.orders if isinstance(order, Paint)]

    def send(self, order: Order) -> None:
        if self.ended:
            raise WorkerDied("It is gone.")
        self.orders.append(order)
        if isinstance(order, Load):
            pixels = SIDE**2
            self.report(Loaded("fake", "none", "cpu", "float32", None, None, pixels, 4 * pixels, self._rows, "fake"))

    def report(self, report: Report) -> None:
        self._reports.put_nowait(report)

    def tell(self, job_id: str, news: News) -> None:
        """Of the job's last run."""
        numbers = [order.number for order in self.orders if isinstance(order, Paint) and order.work.job_id == job_id]
        self.report(Told(numbers[-1], news))

    def finish(self, job_ids: Iterable[str]) -> None:
        for job_id in job_ids:
            self.tell(job_id, Finished(None))

    async def reports(self) -> AsyncIterator[Report]:
        while (report := await self._reports.get()) is not None:
            yield report

    def kill(self) -> None:
        self._reports.put_nowait(None)

    async def end(self) -> str:
        self.ended = True
        return "ended with exit code 0"
