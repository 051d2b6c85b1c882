"""What is reported to the moderators of a space, and what was decided there."""

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """Why a report is made."""

    #: The image check flagged the image, and it is held.
    HELD = "held"
    #: Somebody reported it.
    REPORTED = "reported"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One image that its space's moderators shall look at."""

    image_id: str
    #: Of the image.
    platform: str
    space: str
    cause: Cause
    #: Who reported it; "" is the image check.
    reporter: str
    created_at: float


class Act(StrEnum):
    """What was decided."""

    #: An image was flagged, and the rules said what happens to it.
    FLAGGED = "flagged"
    #: A request was refused for its words.
    WORDS = "words"
    REPORTED = "reported"
    APPROVED = "approved"
    REFUSED = "refused"
    BLOCKED = "blocked"
    UNBLOCKED = "unblocked"
    PURGED = "purged"
    #: Rules were changed.
    RULES = "rules"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An entry of a space's record."""

    at: float
    space: str
    act: Act
    #: Who decided; "" is a rule, or somebody who was forgotten.
    by: str = ""
    #: Whom it concerns: who made the image, asked or was blocked. "" is nobody, or somebody who was forgotten.
    about: str = ""
    image_id: str = ""
    #: Without what anybody asked for.
    detail: str = ""
