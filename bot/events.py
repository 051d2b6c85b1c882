"""What a follower of a job hears. The last event of every job is one of Done, Failed, Cancelled."""

from dataclasses import dataclass

from bot.jobs import Failure, Image


@dataclass(frozen=True, slots=True)
class Queued:
    #: 1 is next.
    position: int


@dataclass(frozen=True, slots=True)
class Started:
    pass


@dataclass(frozen=True, slots=True)
class Progress:
    #: Which image of the job, counted from 1.
    image: int
    images: int
    #: Steps that are finished.
    step: int
    steps: int


@dataclass(frozen=True, slots=True)
class Done:
    images: tuple[Image, ...]


@dataclass(frozen=True, slots=True)
class Failed:
    failure: Failure


@dataclass(frozen=True, slots=True)
class Cancelled:
    pass


Event = Queued | Started | Progress | Done | Failed | Cancelled
Ending = Done | Failed | Cancelled
