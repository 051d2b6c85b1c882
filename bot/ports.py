"""What the core needs from outside, as Protocols: something that paints, and something that remembers."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from bot.decisions import Decision, Report
from bot.errors import StorageTrouble
from bot.events import Preview, Progress
from bot.jobs import Belongings, Delivery, Failure, Image, ImageRequest, Job, JobStatus, Message, Recipe, Refinement
from bot.policy import Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One job as a worker gets it. The request's seed is set."""

    job_id: str
    image_ids: tuple[str, ...]
    request: ImageRequest | Refinement
    #: The encoded picture to refine, and the SHA-256 of these bytes.
    source: bytes | None = None
    source_sha256: str | None = None
    #: Seconds between two previews; None where nobody looks.
    preview_interval: float | None = None
    #: It was interrupted before, and shares its worker with no other job.
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Painted:
    """One finished image of a job; a job's images come in any order."""

    image_id: str
    png: bytes
    recipe: Recipe
    #: None where nothing checked it.
    flagged: bool | None = None


class Memory(StrEnum):
    """How much of a device's memory the models may hold."""

    #: By the device.
    AUTO = "auto"
    FULL = "full"
    BALANCED = "balanced"
    LOW = "low"


class WorkerState(StrEnum):
    STARTING = "starting"
    READY = "ready"
    BUSY = "busy"
    #: The model could not be loaded, or the worker died; it is tried again after a pause.
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    name: str
    state: WorkerState
    pid: int | None = None
    model: str | None = None
    refiner: str | None = None
    device: str | None = None
    dtype: str | None = None
    #: Bytes on the device; None where it has no memory of its own.
    memory_used: int | None = None
    memory_total: int | None = None
    #: How often it was replaced.
    restarts: int = 0
    #: How it uses the device's memory, and how much it paints at once, in words.
    plan: str | None = None
    #: The model that checks its pictures; None where they are unchecked, or that is not known yet.
    image_check: str | None = None
    #: Why it failed last, where it is not well.
    detail: str | None = None


class Executor(Protocol):
    """Where jobs are painted. All methods are called on the event loop."""

    def has_room(self, job: Job, held: Sequence[Job]) -> bool:
        """It can hold this waiting job beside these; never while nothing is ready.

        A job that was interrupted before may be what kills workers: it shares its worker with no other.
        """
        ...

    def status(self) -> Sequence[WorkerStatus]: ...

    async def run(self, changed: Callable[[], None]) -> None:
        """Keeps workers alive until it is cancelled; calls `changed` whenever `has_room` may have changed."""
        ...

    def paint(self, work: Work) -> AsyncGenerator[Progress | Preview | Painted, None]:
        """Many may be in flight. Raises JobFailed, JobCancelled (after `cancel`) or WorkerDied."""
        ...

    def preview(self, job_id: str, interval: float | None) -> None:
        """From now on so many seconds lie between two previews of a job; None: no more. Unknown IDs are ignored."""
        ...

    def cancel(self, job_id: str) -> None:
        """The job is dropped before its next step, and its `paint` raises JobCancelled. Unknown IDs are ignored."""
        ...


@dataclass(frozen=True, slots=True)
class Over:
    """What became of jobs."""

    #: From acceptance to the finished image, of each that is done.
    seconds: Sequence[float]
    #: The code of each that failed.
    failures: Sequence[str]
    #: How many.
    cancelled: int = 0


@dataclass(frozen=True, slots=True)
class Ended:
    """How and when one job ended."""

    at: float
    status: JobStatus
    #: From acceptance.
    seconds: float


class JobStore(Protocol):
    """Remembers jobs. Each move is one transaction; a move that is not legal any more returns False or None."""

    async def add(self, job: Job) -> None: ...

    async def get(self, job_id: str) -> Job | None: ...

    async def unfinished(self) -> Sequence[Job]:
        """Queued and running jobs, the oldest first."""
        ...

    async def over_since(self, since: float) -> Over: ...

    async def ended_since(self, since: float) -> Sequence[Ended]:
        """In no order."""
        ...

    async def newest_failed(self, limit: int) -> Sequence[Job]:
        """Those that failed last, the last one first."""
        ...

    async def newest_of(self, requester: str, limit: int, before: str | None) -> Sequence[Job]:
        """In any state, the newest first; those accepted before the job `before`."""
        ...

    async def counts(self) -> dict[JobStatus, int]: ...

    async def claim(self, job_id: str, now: float) -> Job | None:
        """queued -> running, one attempt more."""
        ...

    async def requeue(self, job_id: str, *, attempt_counts: bool) -> bool:
        """running -> queued. An interruption that was not the job's doing gives the attempt back."""
        ...

    async def finish(self, job_id: str, images: Sequence[Image], now: float, refused: int = 0) -> bool:
        """running -> done, together with the images' rows, and a report of each that is held."""
        ...

    async def fail(self, job_id: str, failure: Failure, now: float) -> bool:
        """running -> failed."""
        ...

    async def cancel(self, job_id: str, now: float) -> bool:
        """queued or running -> cancelled."""
        ...


@dataclass(frozen=True, slots=True)
class StoredFile:
    #: Its name inside the image folder.
    file: str
    #: In hexadecimal.
    sha256: str
    #: Bytes.
    size: int


class ImageStore(Protocol):
    """Remembers images, and owns the image folder."""

    async def save(self, image_id: str, encoded: bytes) -> StoredFile:
        """Writes the file whole or not at all. The row comes with `JobStore.finish` or `add`."""
        ...

    async def discard(self, image_ids: Sequence[str]) -> None:
        """Removes files that no row names."""
        ...

    async def add(self, image: Image) -> None: ...

    async def get(self, image_id: str) -> Image | None: ...

    async def with_sha256(self, sha256: str) -> Sequence[Image]:
        """Those whose file is this one; a picture may be brought by many."""
        ...

    async def of_job(self, job_id: str) -> Sequence[Image]: ...

    async def of_jobs(self, job_ids: Collection[str]) -> Sequence[Image]:
        """In no order."""
        ...

    async def children(self, image_id: str) -> Sequence[Image]: ...

    async def newest(self, space: str, limit: int, before: str | None) -> Sequence[Image]:
        """Of those that everybody in the space may see."""
        ...

    def path(self, image: Image) -> Path: ...

    async def read(self, image: Image) -> bytes:
        """Raises ImageFileLost."""
        ...

    async def newest_of(self, requester: str, limit: int, *, age_restricted: bool) -> Sequence[Image]:
        """What was made among adults comes only where `age_restricted` is true."""
        ...

    async def brought(self, requester: str, limit: int, after: float, until: float) -> Sequence[Image]:
        """Pictures that the requester brought, after one time and until another, the newest first."""
        ...

    async def delete(self, image_id: str) -> Sequence[Message]:
        """The row, and with it all that the index knows of messages, which are returned; the file is left to `discard`.

        A delivery that is written down afterwards is told that the image is gone.
        """
        ...


class DeliveryStore(Protocol):
    """Remembers what the platforms were told of jobs, and which messages show which images."""

    async def owed(self, platform: str) -> Sequence[Delivery]:
        """The oldest first."""
        ...

    async def note(self, job_id: str, note: str) -> None: ...

    async def noted(self, job_id: str) -> str: ...

    async def delivered(self, job_id: str, messages: Mapping[str, Message]) -> Sequence[str]:
        """Image ID -> the message that shows it. Passes over images that are gone by now, and returns their IDs."""
        ...

    async def give_up(self, job_id: str, detail: str) -> None: ...

    async def by_message(self, platform: str, channel: str, message_id: str) -> Sequence[str]:
        """IDs of the images that a message shows, in their order."""
        ...

    async def newest_in_thread(self, platform: str, channel: str, thread: str) -> str | None: ...

    async def newest_of_requester(self, requester: str, platform: str, channel: str, *, private: bool) -> str | None:
        """With `private` also those that only the requester may see."""
        ...


class RuleStore(Protocol):
    """Remembers what admins decided. A requester is blocked in one space."""

    async def get(self, space: str) -> Rules: ...

    async def change(
        self, space: str, change: Callable[[Rules], Rules], recorded: Callable[[Rules, Rules], Sequence[Decision]]
    ) -> Rules:
        """`recorded` takes the rules before and after, and says what goes on record of it."""
        ...

    async def is_blocked(self, space: str, requester: str) -> bool: ...

    async def block(self, space: str, requester: str, decision: Decision) -> bool:
        """False where it was so before; the decision goes on record where it was not."""
        ...

    async def unblock(self, space: str, requester: str, decision: Decision) -> bool:
        """As `block`."""
        ...

    async def spaces_with_retention(self) -> bool:
        """Some space erases what is old."""
        ...


class ModerationStore(Protocol):
    """Remembers what moderators shall look at, and what was decided in each space."""

    async def report(self, report: Report, decision: Decision) -> str | None:
        """None; where the image was reported before, `owed`, `told` or `closed`, as it stands with that."""
        ...

    async def owed(self, platform: str) -> Sequence[Report]:
        """That moderators do not know of yet, the oldest first."""
        ...

    async def told(self, image_id: str, message: Message) -> bool:
        """The message shows the image to moderators. False where they know of it, or it is gone."""
        ...

    async def approve(self, image: Image, decision: Decision) -> bool:
        """The image is held no more, and its delivery is owed again. False where it was decided before."""
        ...

    async def refuse(self, image: Image, decisions: Sequence[Decision]) -> Sequence[Message] | None:
        """The row goes, as by `ImageStore.delete`, and the delivery is owed again. None where it was decided before."""
        ...

    async def record(self, decision: Decision) -> None: ...

    async def newest(self, space: str, limit: int) -> Sequence[Decision]:
        """The newest first."""
        ...


class StorageHealth(Protocol):
    """Knows whether the disk takes what is written."""

    async def trouble(self) -> StorageTrouble | None:
        """Where there was some, it tries again first: it is over as soon as the disk works."""
        ...


class BelongingsStore(Protocol):
    """Hands out and erases. Jobs that are not over are handed out, and never erased."""

    async def of(self, requester: str) -> Belongings: ...

    async def erase(self, requester: str) -> AsyncIterator[Belongings]:
        """Erases piece by piece, as they are asked for; the files of each are left to `ImageStore.discard`.

        What was interrupted is gone on with by erasing once more.
        """
        ...

    async def erase_in(self, space: str, before: float, requester: str | None) -> AsyncIterator[Belongings]:
        """As `erase`. None is every requester; a job stays as long as an image of it does."""
        ...
