"""Which images of a job are shown, and what is said of the others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adapters.chat.refusals import Unclear
from adapters.chat.words import Words
from bot.events import Done
from bot.jobs import Image
from bot.policy import Asker, may_end
from bot.service import Service


@dataclass(frozen=True, slots=True)
class KeptBack:
    """How many images of a job are not shown, and why."""

    #: Until a moderator approves.
    held: int = 0
    #: By the rules of the place.
    refused: int = 0
    #: By a moderator.
    removed: int = 0

    def __bool__(self) -> bool:
        return bool(self.held or self.refused or self.removed)


NOTHING = KeptBack()


def parted(done: Done) -> tuple[Sequence[Image], KeptBack]:
    """What is shown of a job, and what is not."""
    shown = [image for image in done.images if not image.held]
    return shown, KeptBack(len(done.images) - len(shown), done.refused, done.removed)


def of_kept_back(kept: KeptBack, words: Words) -> Iterator[str]:
    """A line of each reason."""
    for why, count in (("held", kept.held), ("refused", kept.refused), ("removed", kept.removed)):
        if count:
            yield words.say(f"kept_back.{why}", count=count)


async def why_kept_back(service: Service, job_id: str, asker: Asker, words: Words) -> str:
    """For who asked, and who may judge it: which rule it was, and who can change it. Raises Refused."""
    job = await service.job(job_id, asker)
    if not may_end(asker, job):
        raise Unclear("why.not_yours")
    counts = {"held": await service.held_of(job), "refused": job.refused, "removed": job.removed}
    lines = [words.say(f"why.{why}", count=count) for why, count in counts.items() if count]
    return "\n".join(lines) or words.say("why.nothing")
