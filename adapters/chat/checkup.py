"""What `limner doctor` is told of a chat."""

from collections.abc import Sequence
from dataclasses import dataclass

#: Names that are listed.
NAMES = 3


@dataclass(frozen=True, slots=True)
class Found:
    subject: str
    what: str
    #: What to do; None where all is well.
    remedy: str | None = None


def named(names: Sequence[str], more: str = "") -> str:
    """Some of them, and how many more."""
    shown = ", ".join(names[:NAMES])
    return shown if len(names) <= NAMES else f"{shown} and {len(names) - NAMES}{more} more"
