"""Who may do what. What an asker may not see is, for the asker, not there."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.errors import AskedTooMuch, Forbidden, PlaceClosed, SpacePaused
from bot.jobs import Image, ImageRequest, Job, Refinement, Treatment


@dataclass(frozen=True, slots=True)
class Asker:
    """Whoever asks the service for something, and where, as its adapter knows them."""

    #: With the platform before the colon: `discord:1234`.
    requester: str
    space: str
    #: Where in the space: the channel that its rules name. "" where there are none.
    place: str = ""
    #: Alone with Limner: the space's list of places says nothing of it.
    direct: bool = False
    #: The place, where it is closed to a part of the space: only there is seen what is made there. None: open to all.
    closed_to: str | None = None
    #: From elsewhere: sees only what is made in the place, and of one's own.
    outsider: bool = False
    #: Only the requester shall see what is made.
    private: bool = False
    #: May show and make what is for adults.
    age_restricted: bool = False
    #: May cancel and delete what others made here.
    moderator: bool = False
    #: May set the space's rules.
    admin: bool = False
    #: Of images that the check flags, where no rule says otherwise.
    treatment: Treatment = Treatment.ALLOW
    #: What asks, by its platform's own ID: what comes twice is accepted once. "" where nothing comes twice.
    asked_by: str = ""

    @property
    def audience(self) -> str:
        """Of what is made now."""
        if self.private:
            return ""
        return self.space if self.closed_to is None else self.closed_to


def owns(asker: Asker, thing: Image | Job) -> bool:
    return asker.requester == thing.requester


def may_see(asker: Asker, thing: Image | Job) -> bool:
    """Who may see an image may also refine it."""
    open_to = {asker.closed_to} if asker.outsider else {asker.space, asker.closed_to}
    return owns(asker, thing) or thing.audience in open_to - {""}


def may_judge(asker: Asker, image: Image) -> bool:
    """Approve and refuse what is reported, whatever part of the space it was made for."""
    return (asker.moderator or asker.admin) and not asker.outsider and asker.space == image.space


def fits_here(asker: Asker, thing: Image | Job) -> bool:
    """What was made among adults stays among them, whoever asks for it."""
    return asker.age_restricted or not thing.age_restricted


def may_end(asker: Asker, thing: Image | Job) -> bool:
    """Cancel a job, delete an image."""
    return owns(asker, thing) or (asker.moderator and may_see(asker, thing))


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """How large a share of the work requesters get by their role, beside the 1 of everybody else.

    The operator's, as the queue is one for all spaces: what the admins of one could set would be taken from the others.
    """

    moderator: float = 1.0
    admin: float = 1.0

    def of(self, asker: Asker) -> float:
        return max(1.0, self.moderator if asker.moderator else 1.0, self.admin if asker.admin else 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What the admins of a space decided. None and empty mean that nothing is limited."""

    #: Nothing new is taken from here.
    paused: bool = False
    #: Unfinished jobs that one requester may have.
    jobs_each: int | None = None
    #: Images of one request.
    images_most: int | None = None
    steps_most: int | None = None
    #: Where in the space requests are taken.
    places: frozenset[str] = frozenset()
    #: What is done with images that the check flags: in all of the space, and otherwise in some places.
    treatment: Treatment | None = None
    treatments: Mapping[str, Treatment] = field(default_factory=dict)
    #: What may not be asked for, as in bot/wordlist.py.
    words: tuple[str, ...] = ()
    #: The place where moderators hear of reports; "" is nowhere.
    reports_to: str = ""
    #: After so many days images and jobs of the space are erased.
    retention_days: int | None = None


def check_admin(asker: Asker) -> None:
    """Raises Forbidden."""
    if not asker.admin:
        raise Forbidden


def check_place(rules: Rules, asker: Asker) -> None:
    """Raises Refused. Admins test what they set, so rules hold for them too."""
    if rules.paused:
        raise SpacePaused
    if rules.places and not asker.direct and asker.place not in rules.places:
        raise PlaceClosed(rules.places)


def treatment_for(rules: Rules, asker: Asker) -> Treatment:
    """Of what is asked for here, if it is flagged. Nothing is held where nobody would hear of it."""
    treatment = rules.treatments.get(asker.place) or rules.treatment or asker.treatment
    return Treatment.REFUSE if treatment is Treatment.HOLD and not rules.reports_to else treatment


def check_limits(rules: Rules, request: ImageRequest | Refinement) -> None:
    """Raises Refused, for admins too."""
    steps = request.num_inference_steps
    if rules.images_most is not None and request.num_images > rules.images_most:
        raise AskedTooMuch("images", rules.images_most)
    if rules.steps_most is not None and steps is not None and steps > rules.steps_most:
        raise AskedTooMuch("steps", rules.steps_most)
