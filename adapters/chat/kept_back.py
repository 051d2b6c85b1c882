"""Which images of a job are shown, and what is said of the others. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from adapters.chat.words import Words
from bot.events import Done
from bot.jobs import Image


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


def why_kept_back(kept: KeptBack, words: Words) -> list[str]:
    """For who asked alone: which rule it was, and who can change it."""
    named = {"held": kept.held, "refused": kept.refused, "removed": kept.removed}
    lines = [words.say(f"why.{why}", count=count) for why, count in named.items() if count]
    return lines or [words.say("why.nothing")]
