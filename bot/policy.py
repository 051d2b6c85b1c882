"""Who may do what."""

from dataclasses import dataclass

from bot.jobs import Image, Job


@dataclass(frozen=True, slots=True)
class Asker:
    """Whoever asks the service for something, as its adapter knows them."""

    #: With the platform before the colon: `discord:1234`.
    requester: str
    space: str


def may_see(asker: Asker, thing: Image | Job) -> bool:
    """Who may see an image may also refine it."""
    return asker.space == thing.space


def may_cancel(asker: Asker, job: Job) -> bool:
    return asker.requester == job.requester
