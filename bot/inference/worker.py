"""What owns a device: loads the pipelines and takes steps for all jobs at once.

As a program it is a child of the serving process, and dies with it; bot/inference/actor.py lets it work elsewhere.
"""

import os
import pickle
import queue
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from bot.inference.wire import (
    LENGTH_BYTES,
    Alive,
    Cancel,
    Load,
    LoadFailed,
    Look,
    News,
    Order,
    Paint,
    Report,
    Stepped,
    Told,
    Wake,
    packed,
)
from bot.jobs import Stage

if TYPE_CHECKING:
    from bot.inference.studio import Studio

#: So that the serving process, which people wait for, comes first where both share a CPU.
NICENESS = 5
EXIT_CANNOT_LOAD = 70
EXIT_DEVICE_LOST = 71
#: Seconds between two signs of life while nothing can be stepped.
PULSE = 5.0
#: Seconds; a worker without jobs waits for its parent alone.
NEVER = 1e6


class Line:
    """From the serving process, and back to it."""

    def __init__(self, report: Callable[[Report], None]) -> None:
        """`report` may be called from any thread."""
        self.report = report
        self._orders: queue.SimpleQueue[Order] = queue.SimpleQueue()

    def take(self, order: Order) -> None:
        """From any thread."""
        self._orders.put(order)

    def first(self) -> Load:
        order = self._orders.get()
        assert isinstance(order, Load)
        return order

    def orders(self, *, wait: float | None) -> Iterator[Order]:
        """All that came so far. Where there are none it waits so many seconds; None: not at all."""
        try:
            yield self._orders.get(block=wait is not None, timeout=wait)
            while True:
                yield self._orders.get_nowait()
        except queue.Empty:
            return


class Pipes(Line):
    """To the parent."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        super().__init__(self._write)
        self._incoming = incoming
        self._outgoing = outgoing
        self._writing = threading.Lock()

    def listen(self) -> None:
        """In a thread of its own, so that the parent's end is seen in the middle of a step. No parent, no worker."""
        while order := self._read():
            self.take(order)
        os._exit(0)

    def _write(self, report: Report) -> None:
        message = packed(report)
        with self._writing:
            self._outgoing.write(message)
            self._outgoing.flush()

    def _read(self) -> Order | None:
        head = self._incoming.read(LENGTH_BYTES)
        body = self._incoming.read(int.from_bytes(head, "big"))
        order: Order | None = pickle.loads(body) if len(head) == LENGTH_BYTES and body else None
        return order


def main() -> None:
    # A service's stop may reach all its processes; the parent alone decides when its worker ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.nice(NICENESS)
    pipes = _open_pipes()
    threading.Thread(target=pipes.listen, name="listen", daemon=True).start()
    code = serve(pipes)
    sys.stderr.flush()
    # Past the interpreter's farewell, which would trip over the thread that reads from the parent.
    os._exit(code)


def _open_pipes() -> Pipes:
    """Takes standard output for the reports; whatever a library prints goes to standard error from here on."""
    outgoing = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return Pipes(sys.stdin.buffer, outgoing)


def serve(line: Line) -> int:
    """Until it cannot go on; returns the exit code that says why."""
    load = line.first()
    # Importing torch and diffusers takes seconds, in which the parent is heard already.
    from bot.inference.pipelines import explained
    from bot.inference.studio import Studio

    def tell(number: int, news: News) -> None:
        line.report(Told(number, news))

    def stepped(stage: Stage, rows: int, seconds: float) -> None:
        line.report(Stepped(stage, rows, seconds))

    try:
        studio = Studio.open(load, tell=tell, wake=lambda: line.take(Wake()), stepped=stepped)
    except Exception as error:
        line.report(LoadFailed(explained(error)))
        return EXIT_CANNOT_LOAD
    line.report(studio.loaded)
    try:
        _work(line, studio)
    except Exception as error:
        print(f"limner: the worker cannot go on: {explained(error.__cause__ or error)}", file=sys.stderr)
        return EXIT_DEVICE_LOST


def _work(line: Line, studio: "Studio") -> NoReturn:
    """The step loop. Orders are taken between any two steps."""
    painter, busy = studio.painter, False
    while True:
        wait = None if busy else PULSE if painter.holds_any else NEVER
        for order in line.orders(wait=wait):
            match order:
                case Paint(number, work):
                    painter.accept(number, work)
                case Cancel(number):
                    painter.cancel(number)
                case Look(number, interval):
                    painter.preview(number, interval)
        busy = painter.turn()
        if painter.holds_any and not busy:
            line.report(Alive())


if __name__ == "__main__":
    main()
