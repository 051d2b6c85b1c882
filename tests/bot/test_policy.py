"""Who may see what and who may end it, and what the rules of a space let through."""

from dataclasses import replace
from typing import Any

import pytest

from bot.errors import AskedTooMuch, PlaceClosed, SpacePaused
from bot.jobs import Image, ImageRequest, Job, Refinement
from bot.policy import Asker, Rules, check_limits, check_place, fits_here, may_end, may_see, owns

STUDIO, ELSEWHERE, ATTIC = "test:studio", "test:elsewhere", "test:studio/attic"

JOB = Job(
    id="job",
    requester="test:ann",
    space=STUDIO,
    audience=STUDIO,
    origin="",
    request=ImageRequest(prompt="a cat"),
    image_ids=("image",),
    created_at=0,
)
IMAGE = Image(
    id="image",
    job_id="job",
    requester="test:ann",
    space=STUDIO,
    audience=STUDIO,
    parent_id=None,
    file="image.png",
    sha256="0" * 64,
    size=1,
    width=64,
    height=64,
    recipe=None,
    created_at=0,
)

ANN = Asker("test:ann", STUDIO)
BOB = Asker("test:bob", STUDIO)
both = pytest.mark.parametrize("thing", [JOB, IMAGE], ids=["job", "image"])


def made_by(asker: Asker, thing: Image | Job) -> Image | Job:
    made: dict[str, Any] = {
        "requester": asker.requester,
        "space": asker.space,
        "audience": asker.audience,
        "age_restricted": asker.age_restricted,
    }
    return replace(thing, **made)


@pytest.mark.parametrize(
    ("asker", "audience"),
    [
        (Asker("test:ann", STUDIO), STUDIO),
        (Asker("test:ann", STUDIO, place="lobby"), STUDIO),
        (Asker("test:ann", STUDIO, closed_to=ATTIC), ATTIC),
        (Asker("test:ann", STUDIO, private=True), ""),
        (Asker("test:ann", STUDIO, closed_to=ATTIC, private=True), ""),
        (Asker("test:ann", STUDIO, closed_to=""), ""),
        (Asker("test:ann", ""), ""),
    ],
    ids=["public", "public place", "closed place", "private", "private in a closed place", "closed to nobody", "none"],
)
def test_who_shall_see_what_is_made(asker: Asker, audience: str) -> None:
    assert asker.audience == audience


@both
@pytest.mark.parametrize(("closed_to", "seen"), [(None, False), (ATTIC, False), (STUDIO, True)])
def test_who_comes_from_elsewhere_sees_what_is_made_in_the_place_and_nothing_else(
    thing: Image | Job, closed_to: str | None, seen: bool
) -> None:
    guest = Asker("test:eve", STUDIO, closed_to=closed_to, outsider=True)

    assert may_see(guest, thing) is seen
    assert may_see(replace(guest, requester="test:ann"), thing), "one's own is one's own"
    assert not may_see(replace(guest, private=True), replace(thing, audience=""))


@both
@pytest.mark.parametrize("requester", ["test:bob", "other:ann", "test:ann2", "TEST:ANN", ""])
@pytest.mark.parametrize("space", [STUDIO, "other:studio", "test:studio2", "TEST:STUDIO", ATTIC, ""])
def test_what_is_made_in_public_is_seen_by_all_of_its_space_and_nobody_else(
    requester: str, space: str, thing: Job | Image
) -> None:
    assert may_see(Asker(requester, space), made_by(ANN, thing)) == (space == STUDIO)


@both
@pytest.mark.parametrize(
    ("asker", "seen"),
    [
        (Asker("test:bob", STUDIO, closed_to=ATTIC), True),
        (Asker("test:bob", STUDIO, place=ATTIC), False),
        (Asker("test:bob", STUDIO, closed_to="test:studio/cellar"), False),
        (Asker("test:bob", STUDIO), False),
        (Asker("test:bob", STUDIO, moderator=True, admin=True), False),
        (Asker("test:bob", ELSEWHERE), False),
    ],
    ids=["there", "a place of that name", "another closed place", "outside", "an admin outside", "another space"],
)
def test_what_is_made_in_a_closed_place_is_seen_only_there(asker: Asker, seen: bool, thing: Job | Image) -> None:
    made = made_by(Asker("test:ann", STUDIO, closed_to=ATTIC), thing)

    assert may_see(asker, made) == seen


@both
def test_who_is_in_a_closed_place_sees_what_is_public_too(thing: Job | Image) -> None:
    assert may_see(Asker("test:bob", STUDIO, closed_to=ATTIC), made_by(ANN, thing))


@both
@pytest.mark.parametrize("space", [STUDIO, ELSEWHERE, ""])
@pytest.mark.parametrize("closed_to", [None, "", ATTIC])
@pytest.mark.parametrize("may", [False, True])
def test_what_is_made_in_private_is_seen_by_nobody_else(
    space: str, closed_to: str | None, may: bool, thing: Job | Image
) -> None:
    made = made_by(replace(ANN, private=True), thing)
    other = Asker("test:bob", space, closed_to=closed_to, private=True, moderator=may, admin=may)

    assert made.audience == ""
    assert not may_see(other, made)
    assert not may_end(other, made)


@both
@pytest.mark.parametrize("space", [STUDIO, ELSEWHERE, ""])
@pytest.mark.parametrize("audience", [STUDIO, ATTIC, ""])
def test_owners_see_and_end_what_is_theirs_everywhere(space: str, audience: str, thing: Job | Image) -> None:
    made: Any = replace(thing, audience=audience)
    asker = Asker("test:ann", space)

    assert owns(asker, made)
    assert may_see(asker, made)
    assert may_end(asker, made)


@both
@pytest.mark.parametrize("requester", ["test:bob", "other:ann", "test:ann2", "TEST:ANN", ""])
@pytest.mark.parametrize("space", [STUDIO, ELSEWHERE])
@pytest.mark.parametrize("moderator", [False, True])
def test_others_end_what_they_see_only_as_moderators(
    requester: str, space: str, moderator: bool, thing: Job | Image
) -> None:
    asker = Asker(requester, space, moderator=moderator)

    assert may_end(asker, thing) == (moderator and space == STUDIO)


@both
def test_to_be_an_admin_is_not_to_be_a_moderator(thing: Job | Image) -> None:
    assert not may_end(replace(BOB, admin=True), thing)


@both
@pytest.mark.parametrize("made_there", [False, True])
@pytest.mark.parametrize("asked_there", [False, True])
@pytest.mark.parametrize("asker", [ANN, BOB], ids=["owner", "other"])
def test_what_was_made_among_adults_fits_only_there_also_for_its_owner(
    asker: Asker, made_there: bool, asked_there: bool, thing: Job | Image
) -> None:
    made = made_by(replace(ANN, age_restricted=made_there), thing)

    assert fits_here(replace(asker, age_restricted=asked_there), made) == (asked_there or not made_there)


@pytest.mark.parametrize("rules", [Rules(), Rules(places=frozenset({"lobby", "cellar"}))], ids=["none", "places"])
def test_where_a_space_is_open_requests_are_taken(rules: Rules) -> None:
    check_place(rules, replace(ANN, place="lobby"))


@pytest.mark.parametrize("asker", [ANN, replace(ANN, moderator=True, admin=True)], ids=["member", "admin"])
@pytest.mark.parametrize("place", ["attic", "LOBBY", ""])
def test_where_it_is_not_nothing_is_taken_from_anybody(asker: Asker, place: str) -> None:
    with pytest.raises(SpacePaused):
        check_place(Rules(paused=True, places=frozenset({"lobby"})), replace(asker, place=place))
    with pytest.raises(PlaceClosed) as closed:
        check_place(Rules(places=frozenset({"lobby", "cellar"})), replace(asker, place=place))

    assert closed.value.places == ["cellar", "lobby"]


CAT = ImageRequest(prompt="a cat", num_inference_steps=30, num_images=2)
SNOW = Refinement(image_id="image", prompt="snow", num_inference_steps=30, num_images=2)
requests = pytest.mark.parametrize("request_", [CAT, SNOW], ids=["generate", "refine"])


@requests
@pytest.mark.parametrize("rules", [Rules(), Rules(images_most=2, steps_most=30, jobs_each=1)], ids=["none", "kept"])
def test_a_request_within_the_limits_passes(rules: Rules, request_: ImageRequest | Refinement) -> None:
    check_limits(rules, request_)


@requests
@pytest.mark.parametrize(
    ("rules", "what", "limit"),
    [
        (Rules(images_most=1), "images", 1),
        (Rules(steps_most=29), "steps", 29),
        (Rules(images_most=1, steps_most=29), "images", 1),
    ],
    ids=["images", "steps", "both"],
)
def test_a_request_beyond_a_limit_is_told_which(
    rules: Rules, what: str, limit: int, request_: ImageRequest | Refinement
) -> None:
    with pytest.raises(AskedTooMuch, match=f"{limit} {what} at most") as refused:
        check_limits(rules, request_)

    assert (refused.value.what, refused.value.limit) == (what, limit)
