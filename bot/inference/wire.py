"""What the serving process and its worker say to each other: pickled values behind their length, over two pipes.

Both ends are the same program on the same machine, started by one another; nothing from outside is unpickled.
"""

import pickle
from dataclasses import dataclass
from typing import Final

from bot.events import Progress
from bot.ports import Painted, Work

LENGTH_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class Load:
    """The first word to a worker. None means: choose by the device."""

    model: str | None
    refiner: str | None


@dataclass(frozen=True, slots=True)
class Paint:
    #: Which run of a job this is: a job may come again while its last run is still being dropped.
    number: int
    work: Work


@dataclass(frozen=True, slots=True)
class Cancel:
    number: int


@dataclass(frozen=True, slots=True)
class Loaded:
    model: str
    refiner: str
    device: str
    dtype: str
    memory_used: int | None
    memory_total: int | None


@dataclass(frozen=True, slots=True)
class LoadFailed:
    detail: str


@dataclass(frozen=True, slots=True)
class Told:
    """Something about one run."""

    number: int
    news: "Progress | Painted | Finished | Broke | Dropped"


@dataclass(frozen=True, slots=True)
class Finished:
    memory_used: int | None


@dataclass(frozen=True, slots=True)
class Broke:
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Dropped:
    """Cancelled, and no further step is taken."""


Order = Load | Paint | Cancel
Report = Loaded | LoadFailed | Told


def packed(message: Order | Report) -> bytes:
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body
