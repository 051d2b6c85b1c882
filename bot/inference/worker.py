"""The child process that owns a device: loads the pipelines, paints one job after the other, dies with its parent."""

import os
import pickle
import queue
import signal
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from bot.errors import JobCancelled, JobFailed
from bot.inference.wire import (
    LENGTH_BYTES,
    Broke,
    Cancel,
    Dropped,
    Finished,
    Load,
    Loaded,
    LoadFailed,
    Order,
    Paint,
    Report,
    Told,
    packed,
)
from bot.ports import Work

if TYPE_CHECKING:
    from bot.inference.pipelines import Pipelines

#: So that the serving process, which people wait for, comes first where both share a CPU.
NICENESS = 5
EXIT_CANNOT_LOAD = 70
EXIT_DEVICE_LOST = 71


class Line:
    """The two pipes to the parent."""

    def __init__(self, incoming: BinaryIO, outgoing: BinaryIO) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self.work: queue.SimpleQueue[Load | Paint] = queue.SimpleQueue()
        #: Runs to be dropped; asked between any two steps.
        self.cancelled: set[int] = set()

    def listen(self) -> None:
        """In a thread of its own, so that the parent is heard in the middle of a step. No parent, no worker."""
        while order := self._read():
            if isinstance(order, Cancel):
                self.cancelled.add(order.number)
            else:
                self.work.put(order)
        os._exit(0)

    def report(self, report: Report) -> None:
        self._outgoing.write(packed(report))
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
    line = _open_line()
    threading.Thread(target=line.listen, name="listen", daemon=True).start()
    order = line.work.get()
    assert isinstance(order, Load)
    serve(line, order)


def _open_line() -> Line:
    """Takes standard output for the reports; whatever a library prints goes to standard error from here on."""
    outgoing = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return Line(sys.stdin.buffer, outgoing)


def serve(line: Line, load: Load) -> None:
    # Importing torch and diffusers takes seconds, in which the parent is heard already.
    from bot.inference.pipelines import Pipelines, explained

    try:
        loaded = Pipelines.load(load.model, load.refiner)
    except Exception as error:
        line.report(LoadFailed(explained(error)))
        _exit(EXIT_CANNOT_LOAD)
    device = loaded.device
    line.report(Loaded(loaded.model, loaded.refiner, device.name, device.dtype_name, *device.memory()))
    while True:
        order = line.work.get()
        assert isinstance(order, Paint)
        news = _attempt(line, loaded, order.number, order.work)
        line.cancelled.discard(order.number)
        line.report(Told(order.number, news))
        if not device.is_usable():
            _exit(EXIT_DEVICE_LOST)


def _exit(code: int) -> NoReturn:
    """Past the interpreter's farewell, which would trip over the thread that reads from the parent."""
    sys.stderr.flush()
    os._exit(code)


def _attempt(line: Line, loaded: "Pipelines", number: int, work: Work) -> Finished | Broke | Dropped:
    """Whatever one job runs into is that job's alone."""
    from bot.inference.paint import paint

    try:
        paint(
            loaded,
            work,
            tell=lambda news: line.report(Told(number, news)),
            cancelled=lambda: number in line.cancelled,
        )
    except JobCancelled:
        return Dropped()
    except JobFailed as error:
        return Broke(error.code, error.detail)
    finally:
        loaded.device.release()
    return Finished(loaded.device.memory()[0])


if __name__ == "__main__":
    main()
