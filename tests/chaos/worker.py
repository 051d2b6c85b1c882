"""A worker without a model, in a process of its own: takes steps for all its jobs at once.

It dies of a job that says `poison`; of one that says `hungry`, unless it paints that one alone; and has too little
memory for one that says `too large`.
"""

import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import NoReturn

from bot.events import Preview, Progress
from bot.inference.wire import Broke, Cancel, Dropped, Finished, Loaded, Look, News, Paint, Told
from bot.inference.worker import NEVER, Line, Pipes
from bot.ports import Work
from tests.fakes.executor import JPEG, SIDE, painted

#: Seconds that a step takes, at most.
STEP = 0.02
#: Pictures that it paints at once.
ROWS = 4
POISON, HUNGRY, TOO_LARGE = "poison", "hungry", "too large"


class Painting:
    """A job that it holds."""

    def __init__(self, work: Work) -> None:
        self.prompt = work.request.prompt
        self.looked_at = work.preview_interval is not None
        self.news = self._painted(work)

    def _painted(self, work: Work) -> Iterator[News]:
        images, steps = len(work.image_ids), work.request.num_inference_steps
        assert steps is not None
        for number, image_id in enumerate(work.image_ids, start=1):
            for step in range(1, steps + 1):
                yield Progress(number, images, (number - 1) * steps + step, images * steps)
                if self.looked_at:
                    yield Preview(number, JPEG)
            yield painted(work, number, image_id)
        yield Finished(None)


def main() -> NoReturn:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    line = Pipes(sys.stdin.buffer, os.fdopen(os.dup(sys.stdout.fileno()), "wb"))
    threading.Thread(target=line.listen, name="listen", daemon=True).start()
    line.first()
    pixels = SIDE**2
    line.report(Loaded("chaos", "none", "cpu", "float32", None, None, pixels, ROWS * pixels, ROWS, "chaos"))
    held: dict[int, Painting] = {}
    while True:
        take_orders(line, held)
        time.sleep(random.uniform(0, STEP))
        step(line, held)


def take_orders(line: Line, held: dict[int, Painting]) -> None:
    for order in line.orders(wait=None if held else NEVER):
        match order:
            case Paint(number, work):
                held[number] = Painting(work)
            case Cancel(number) if number in held:
                del held[number]
                line.report(Told(number, Dropped()))
            case Look(number, interval) if number in held:
                held[number].looked_at = interval is not None


def step(line: Line, held: dict[int, Painting]) -> None:
    for number, painting in list(held.items()):
        if POISON in painting.prompt or (HUNGRY in painting.prompt and len(held) > 1):
            os.kill(os.getpid(), signal.SIGKILL)
        news: News = Broke("out_of_memory", "This picture is too large.")
        if TOO_LARGE not in painting.prompt:
            news = next(painting.news)
        line.report(Told(number, news))
        if isinstance(news, Finished | Broke):
            del held[number]


if __name__ == "__main__":
    main()
