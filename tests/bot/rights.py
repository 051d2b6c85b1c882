"""Who may do what with which image, in the words of decision 15 and docs/discord.md, apart from bot/policy.py.

A test compares the program with this, so nothing of the program's own judgement may come in here.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from bot.policy import Asker


class Role(StrEnum):
    MEMBER = "member"
    #: May end what they may see.
    MODERATOR = "moderator"
    #: Sets the rules of the space, and ends nothing.
    ADMIN = "admin"
    #: From elsewhere; let in to closed places only.
    GUEST = "guest"


@dataclass(frozen=True, slots=True)
class Place:
    """A channel, a thread, direct messages; or all there is behind a key of the web."""

    space: str
    name: str
    #: All of the space can look.
    open: bool
    #: Age-restricted.
    adults: bool
    #: The rules name this one where the place is a thread.
    channel: str


@dataclass(frozen=True, slots=True)
class Visit:
    """Somebody, and where they are."""

    who: str
    place: Place
    role: Role
    private: bool = False

    @property
    def asker(self) -> Asker:
        """As adapters tell the core of it."""
        place = self.place
        return Asker(
            self.who,
            place.space,
            place=place.channel,
            closed_to=None if place.open else f"{place.space}/{place.name}",
            outsider=self.role is Role.GUEST and not place.open,
            private=self.private,
            age_restricted=place.adults,
            moderator=self.role is Role.MODERATOR,
            admin=self.role is Role.ADMIN,
        )


@dataclass(slots=True)
class Made:
    """A job, or an image of it."""

    visit: Visit
    #: The job of an image; "" for a picture that was brought, and for jobs.
    job: str = ""
    #: What was refined for it.
    parent: str | None = None
    #: Forgotten, deleted or purged.
    gone: bool = False
    #: Of a job.
    over: bool = False
    images: list[str] = field(default_factory=list)


class Sight(StrEnum):
    SEEN = "seen"
    #: One's own, from among adults, where there may be others.
    NOT_HERE = "not here"
    #: As if it never was.
    HIDDEN = "hidden"


def sight(visit: Visit, made: Made) -> Sight:
    made_in = made.visit.place
    if made.gone:
        return Sight.HIDDEN
    for_adults_only = made_in.adults and not visit.place.adults
    if visit.who == made.visit.who:
        return Sight.NOT_HERE if for_adults_only else Sight.SEEN
    return Sight.SEEN if among_those_who_look(visit, made) and not for_adults_only else Sight.HIDDEN


def among_those_who_look(visit: Visit, made: Made) -> bool:
    """Whatever their age."""
    made_in = made.visit.place
    if made.visit.private or visit.place.space != made_in.space:
        return False
    if not made_in.open:
        return visit.place.name == made_in.name
    return visit.role is not Role.GUEST or visit.place.open


def may_end(visit: Visit, made: Made) -> bool:
    """Owners from everywhere; moderators what is made where they look, even if it is not for the place they are in."""
    if made.gone:
        return False
    return visit.who == made.visit.who or (visit.role is Role.MODERATOR and among_those_who_look(visit, made))
