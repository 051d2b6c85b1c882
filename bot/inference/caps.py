"""How many images share a UNet call: measured on this device when the worker starts, lowered where memory runs out."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from time import perf_counter

import torch

#: Each image more in a call must bring so much more throughput; below, it only makes the others wait longer.
WORTHWHILE = 1.05
#: Images at once where there is memory for them, so that nobody waits for a whole picture before the own one begins.
AT_ONCE_MIN = 2
LARGEST_BATCH = 16
#: The best of so many calls counts, as a shared machine slows some down.
CALLS = 3

#: Runs one guided UNet call for so many images of this side in pixels, and waits for its end.
Call = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Measured:
    """Seconds of one guided UNet call by the images in it, all of one size. Infinitely many: memory is not enough."""

    pixels: int
    seconds: Mapping[int, float]

    @property
    def worthwhile(self) -> int:
        """The largest batch that is worth it."""
        fitting = {batch: seconds for batch, seconds in self.seconds.items() if seconds < inf}
        once, each = _fitted(fitting) if len(fitting) > 1 else (0.0, 1.0)
        batch = 1
        while batch < max(fitting, default=1) and _gain(once, each, batch) >= WORTHWHILE:
            batch += 1
        return batch


def _fitted(seconds: Mapping[int, float]) -> tuple[float, float]:
    """What a call costs once and for each image, neither below 0: least squares of the relative errors.

    A line through all points is not misled by one that the machine was slow for.
    """
    batches = list(seconds)
    over = [1 / seconds[batch] for batch in batches]
    per = [batch / seconds[batch] for batch in batches]
    aa, ab, bb = sum(a * a for a in over), sum(a * b for a, b in zip(over, per, strict=True)), sum(b * b for b in per)
    a, b = sum(over), sum(per)
    determinant = aa * bb - ab * ab
    once, each = (a * bb - b * ab) / determinant, (b * aa - a * ab) / determinant
    if once < 0:
        return 0.0, b / bb
    return (once, each) if each > 0 else (a / aa, 0.0)


def _gain(once: float, each: float, batch: int) -> float:
    """Throughput of a batch of one more over that of this batch."""
    return (batch + 1) / batch * (once + each * batch) / (once + each * (batch + 1))


def measure(call: Call, sides: Sequence[int], budget: float) -> list[Measured]:
    """Takes about so many seconds. The first call of a side counts for nothing, as kernels are chosen in it."""
    return [Measured(side * side, dict(_curve(call, side, budget / len(sides)))) for side in sides]


def _curve(call: Call, side: int, budget: float) -> Iterator[tuple[int, float]]:
    _seconds(call, side, 1)
    ends = perf_counter() + budget
    batch = 1
    while batch <= LARGEST_BATCH:
        seconds = min(_seconds(call, side, batch) for _ in range(CALLS))
        yield batch, seconds
        if perf_counter() + 2 * CALLS * seconds > ends:
            return
        batch *= 2


def _seconds(call: Call, side: int, batch: int) -> float:
    """Infinitely many where memory is not enough."""
    began = perf_counter()
    try:
        call(side, batch)
    except torch.OutOfMemoryError:
        return inf
    return perf_counter() - began


class Caps:
    """Beyond some number of pixels, a call takes as much longer as it does more: that number is the cap."""

    def __init__(self, pixels: int, rows: int = LARGEST_BATCH) -> None:
        #: Of all images that are in flight together, and how many these may be.
        self.pixels = pixels
        self.rows = rows
        #: Pixels of one image -> images in a call for which memory was enough.
        self._fitting: dict[int, int] = {}
        #: Pixels of the largest image that was painted.
        self.largest_painted = 0

    @classmethod
    def of(cls, table: Sequence[Measured]) -> "Caps":
        """The table's first size is the model's own."""
        return cls(max(AT_ONCE_MIN * table[0].pixels, *(each.pixels * each.worthwhile for each in table)))

    def per_call(self, pixels: int) -> int:
        """Of images with so many pixels; at least 1."""
        worthwhile = min(self.rows, self.pixels // pixels)
        fitting = min((rows for other, rows in self._fitting.items() if pixels >= other), default=worthwhile)
        return max(1, min(worthwhile, fitting))

    def have_room(self, in_flight: int, rows: int, pixels: int) -> bool:
        """For one more image beside so many pixels in so many rows."""
        return rows == 0 or (rows < self.rows and in_flight + pixels <= self.pixels)

    def shrink(self, pixels: int, rows: int) -> None:
        """Memory was not enough for more than so many images of this size in a call."""
        self._fitting[pixels] = max(1, rows)

    def painted(self, pixels: int) -> None:
        self.largest_painted = max(self.largest_painted, pixels)
