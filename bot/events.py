"""What a follower of a job hears. The last event of every job is one of Done, Failed, Cancelled."""

from dataclasses import dataclass

from bot.jobs import Failure, Image


@dataclass(frozen=True, slots=True)
class Queued:
    #: 1 is next.
    position: int
    #: When it will be done, in seconds since 1970, as far as the pace so far tells; None while that is not known.
    ready_at: int | None = None


@dataclass(frozen=True, slots=True)
class Started:
    pass


@dataclass(frozen=True, slots=True)
class Progress:
    #: The first image that is not finished, counted from 1.
    image: int
    images: int
    #: Steps that are finished, and all that there are, over all images of the job.
    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class Preview:
    """How the unfinished image looks; only for followers that asked."""

    image: int
    #: Small; its longest side is PREVIEW_SIDE of bot/inference/preview.py.
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class Done:
    #: Also those that are held.
    images: tuple[Image, ...]
    #: How many more there were: refused by the rules, and by a moderator.
    refused: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    failure: Failure


@dataclass(frozen=True, slots=True)
class Cancelled:
    pass


Event = Queued | Started | Progress | Preview | Done | Failed | Cancelled
Ending = Done | Failed | Cancelled
