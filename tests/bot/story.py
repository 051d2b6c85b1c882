"""What people do in a random life of Limner, and the record of what was made of it."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from bot.errors import Blocked, NotFound, PlaceClosed, Refused, SpacePaused
from bot.jobs import Image, ImageRequest
from bot.policy import Asker
from tests.bot.rights import Made, Place, Role, Sight, Visit, among_those_who_look, may_end, sight

PEOPLE = ["one:ann", "one:ben", "two:ann"]
SPACES = ["one:studio", "one:hall", "two:studio"]
#: For whoever looks up what never was.
NEVER = "00000000-0000-4000-8000-000000000000"

T = TypeVar("T")
Look = Callable[[str, Asker], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody does; numbers choose among what there is by then."""

    verb: str
    who: int
    where: int
    what: int
    private: bool
    #: Of a request; False for one with a mistake in it.
    right: bool


@dataclass(frozen=True, slots=True)
class Story:
    places: list[Place]
    roles: dict[tuple[str, str], Role]
    queue_limit: int
    #: One list per start of the program.
    lives: list[list[Deed]]

    @property
    def beginning(self) -> list[Deed]:
        """There is something to see in each place, and what came of it in the first, which is open."""
        numbers = range(len(self.places))
        made = [Deed("generate", n, n, 0, private=False, right=True) for n in numbers]
        return made + [Deed("refine", n, 0, n, private=False, right=True) for n in numbers[2:]]

    def visit(self, who: int, where: int, *, private: bool = False) -> Visit:
        person = PEOPLE[who % len(PEOPLE)]
        place = self.places[where % len(self.places)]
        role = self.roles.get((person, place.space), Role.MEMBER)
        return Visit(person, place, role, private)

    def visits(self) -> list[Visit]:
        return [self.visit(who, where) for who in range(len(PEOPLE)) for where in range(len(self.places))]


class Record:
    """What was made, by whom and where, and what the spaces' rules are."""

    def __init__(self) -> None:
        #: Also those that are gone.
        self.images: dict[str, Made] = {}
        self.kept: dict[str, Image] = {}
        self.jobs: dict[str, Made] = {}
        #: Space and person.
        self.blocked: set[tuple[str, str]] = set()
        self.paused: set[str] = set()
        self.chosen: dict[str, frozenset[str]] = {}

    def keep(self, image: Image, made: Made) -> None:
        self.images[image.id] = made
        self.kept[image.id] = image

    def image(self, deed: Deed) -> str:
        return chosen(self.images, deed)

    def job(self, deed: Deed) -> str:
        return chosen(self.jobs, deed)

    def parent(self, made: Made) -> str | None:
        """While it is there."""
        return None if made.parent is None or self.images[made.parent].gone else made.parent

    def that(self, fits: Callable[[Made], bool]) -> set[str]:
        """Images that are there."""
        return {image_id for image_id, made in self.images.items() if not made.gone and fits(made)}

    def jobs_that(self, fits: Callable[[Made], bool]) -> set[str]:
        return {job_id for job_id, made in self.jobs.items() if not made.gone and fits(made)}

    def erase(self, images: Callable[[Made], bool], jobs: Callable[[Made], bool]) -> None:
        for image_id in self.that(images):
            self.images[image_id].gone = True
        for job_id in self.jobs_that(jobs):
            self.jobs[job_id].gone = True

    def refusal(self, visit: Visit) -> type[Refused] | None:
        """Of whatever would be painted or brought here."""
        place = visit.place
        if (place.space, visit.who) in self.blocked:
            return Blocked
        if place.space in self.paused:
            return SpacePaused
        closed = self.chosen.get(place.space) and place.channel not in self.chosen[place.space]
        return PlaceClosed if closed else None


async def answer(asked: Awaitable[T]) -> T | Refused:
    try:
        return await asked
    except Refused as error:
        return error


def alike(one: object, other: object) -> bool:
    """Nothing tells two refusals apart."""
    return type(one) is type(other) and isinstance(one, Refused) and told_by(one) == told_by(other)


def told_by(error: object) -> tuple[str, object]:
    return str(error), vars(error)


async def as_if_it_never_was(look: Look, thing_id: str, asker: Asker, kind: str) -> None:
    found, never = await answer(look(thing_id, asker)), await answer(look(NEVER, asker))
    assert alike(found, never), (found, never)
    assert alike(never, NotFound(kind))


def chosen(things: dict[str, Made], deed: Deed) -> str:
    return [*things][deed.what % len(things)] if things else NEVER


def ids(images: Sequence[Image]) -> set[str]:
    return {image.id for image in images}


def words(deed: Deed) -> ImageRequest:
    return ImageRequest(prompt="a cat" if deed.right else "", num_inference_steps=2, seed=1)


def job_is_there(visit: Visit, made: Made) -> bool:
    """Who may end a job knows of it, wherever they are."""
    return may_end(visit, made) or sight(visit, made) is not Sight.HIDDEN


def own_and_here(visit: Visit, made: Made) -> bool:
    return visit.who == made.visit.who and sight(visit, made) is Sight.SEEN


def for_all_of_the_space(visit: Visit, made: Made) -> bool:
    """What a page may show to everybody there."""
    place = made.visit.place
    return place.open and not place.adults and among_those_who_look(visit, made)
