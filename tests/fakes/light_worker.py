"""A worker without a model: takes steps for its jobs at once, each of which takes a fixed time."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from itertools import islice
from typing import NoReturn

from bot.events import Preview, Progress
from bot.inference.wire import Broke, Cancel, Dropped, Finished, Loaded, Look, News, Paint, Told
from bot.inference.worker import NEVER, Line, Pipes
from bot.ports import Work
from tests.fakes.executor import JPEG, SIDE, painted

#: Jobs that it steps at once.
ROWS = 4


class Painting:
    """A job that it holds."""

    def __init__(self, work: Work) -> None:
        self.prompt = work.request.prompt
        self.looked_at = work.preview_interval is not None
        #: The news of each step.
        self.steps = self._steps(work)

    def _steps(self, work: Work) -> Iterator[list[News]]:
        images, steps = len(work.image_ids), work.request.num_inference_steps
        assert steps is not None
        for number, image_id in enumerate(work.image_ids, start=1):
            for step in range(1, steps + 1):
                news: list[News] = [Progress(number, images, (number - 1) * steps + step, images * steps)]
                if self.looked_at:
                    news.append(Preview(number, JPEG))
                if step == steps:
                    news.append(painted(work, number, image_id))
                    if number == images:
                        news.append(Finished(None))
                yield news


class LightWorker:
    def __init__(self, line: Line, rows: int = ROWS) -> None:
        self.line = line
        self.held: dict[int, Painting] = {}
        self._rows = rows

    def serve(self, seconds: float) -> NoReturn:
        """A step of all rows takes so many."""
        self.line.first()
        pixels = SIDE**2
        loaded = Loaded("light", "none", "cpu", "float32", None, None, pixels, self._rows * pixels, self._rows, "light")
        self.line.report(loaded)
        while True:
            self._take_orders()
            self.pass_time(seconds)
            for number, painting in list(islice(self.held.items(), self._rows)):
                for news in self.step(painting):
                    self.line.report(Told(number, news))
                    if isinstance(news, Finished | Broke):
                        del self.held[number]

    def pass_time(self, seconds: float) -> None:
        time.sleep(seconds)

    def step(self, painting: Painting) -> list[News]:
        return next(painting.steps)

    def _take_orders(self) -> None:
        for order in self.line.orders(wait=None if self.held else NEVER):
            match order:
                case Paint(number, work):
                    self.held[number] = Painting(work)
                case Cancel(number) if number in self.held:
                    del self.held[number]
                    self.line.report(Told(number, Dropped()))
                case Look(number, interval) if number in self.held:
                    self.held[number].looked_at = interval is not None


def serve(line: Line, seconds: float) -> int:
    LightWorker(line).serve(seconds)


def open_pipes() -> Pipes:
    """As a child of the serving process."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    pipes = Pipes(sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
    threading.Thread(target=pipes.listen, name="listen", daemon=True).start()
    return pipes


if __name__ == "__main__":
    serve(open_pipes(), float(sys.argv[1]))
