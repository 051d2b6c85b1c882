"""What the serving process and its workers say to each other: pickled values, over pipes or through Ray.

Both ends are the same program, the one started by the other; nothing from outside is unpickled.
"""

import pickle
from dataclasses import dataclass
from typing import Final

from bot.events import Preview, Progress
from bot.jobs import Stage
from bot.marks.marker import PLAIN, Marker
from bot.ports import Memory, Painted, Work
from bot.styles import Style

LENGTH_BYTES: Final = 8
#: In place of a refiner's name: this Limner has none.
NO_REFINER: Final = "none"


@dataclass(frozen=True, slots=True)
class Load:
    """The first word to a worker. None means: choose by the device."""

    model: str | None
    refiner: str | None
    memory: Memory = Memory.AUTO
    #: Compile the base's UNet while the worker serves without.
    compiles: bool = False
    #: Also the LoRA for few steps, where drafts use one.
    styles: tuple[Style, ...] = ()
    #: The image check's folder or hub ID; None checks nothing.
    image_check: str | None = None
    #: Has the private key that signs.
    marker: Marker = PLAIN


@dataclass(frozen=True, slots=True)
class Paint:
    #: Which run of a job this is: a job may come again while its last run is still being dropped.
    number: int
    work: Work


@dataclass(frozen=True, slots=True)
class Cancel:
    number: int


@dataclass(frozen=True, slots=True)
class Look:
    """So many seconds between two previews of a run; None: no more."""

    number: int
    interval: float | None


@dataclass(frozen=True, slots=True)
class Wake:
    """The worker's own threads say it to the step thread: what it waited for is there."""


@dataclass(frozen=True, slots=True)
class Loaded:
    model: str
    refiner: str
    device: str
    dtype: str
    memory_used: int | None
    memory_total: int | None
    #: Pixels of a picture whose size is left to the model.
    native_pixels: int
    #: Of all pictures that it paints at once, and how many these may be.
    pixels: int
    rows: int
    #: In words, for the operator.
    plan: str
    #: As in Load.
    image_check: str | None = None


@dataclass(frozen=True, slots=True)
class LoadFailed:
    detail: str


@dataclass(frozen=True, slots=True)
class Told:
    """Something about one run."""

    number: int
    news: "News"


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


@dataclass(frozen=True, slots=True)
class Stepped:
    """One step of a batch."""

    stage: Stage
    rows: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Alive:
    """From time to time, while runs wait for something other than steps."""


News = Progress | Preview | Painted | Finished | Broke | Dropped
Order = Load | Paint | Cancel | Look | Wake
Report = Loaded | LoadFailed | Told | Stepped | Alive


def packed(message: Order | Report) -> bytes:
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    return len(body).to_bytes(LENGTH_BYTES, "big") + body
