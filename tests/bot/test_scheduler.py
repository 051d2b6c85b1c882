"""Who is next, who waits where, and that nobody is lost or served twice."""

import pickle
import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import groupby

import pytest

from bot.errors import QueueFull, ShareFull
from bot.jobs import ImageRequest, Job, Refinement
from bot.scheduler import Scheduler, cost


def job(
    job_id: str, requester: str = "ann", *, steps: int = 10, request: ImageRequest | Refinement | None = None
) -> Job:
    return Job(
        id=job_id,
        requester=requester,
        space="test:studio",
        origin="",
        request=request or ImageRequest(prompt="a cat", num_inference_steps=steps),
        image_ids=(job_id,),
        created_at=0,
    )


def scheduler_with(jobs: Iterable[Job], *, limit: int = 10_000) -> Scheduler:
    scheduler = Scheduler(limit)
    for one in jobs:
        scheduler.add(one)
    return scheduler


def jobs_of(requester: str, number: int, *, steps: int = 10) -> list[Job]:
    return [job(f"{requester} {count}", requester, steps=steps) for count in range(1, number + 1)]


def served(scheduler: Scheduler) -> Iterator[str]:
    """All in their turn."""
    while (job_id := scheduler.next()) is not None:
        yield job_id


def requesters(job_ids: Iterable[str]) -> list[str]:
    return [job_id.partition(" ")[0] for job_id in job_ids]


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (ImageRequest(prompt="", num_inference_steps=30), 30),
        (ImageRequest(prompt="", num_inference_steps=30, num_images=4), 120),
        (ImageRequest(prompt="", num_inference_steps=10, width=2000, height=1000), 20),
        (ImageRequest(prompt="", num_inference_steps=10, width=512), 10),
        (ImageRequest(prompt="", num_inference_steps=10, width=1000, height=500, num_images=2), 10),
        (Refinement(image_id="", prompt="", num_inference_steps=30, strength=0.5), 15),
        (Refinement(image_id="", prompt="", num_inference_steps=30, strength=1, num_images=2), 60),
    ],
)
def test_a_job_costs_its_steps_times_megapixels_over_all_images(
    request_: ImageRequest | Refinement, expected: float
) -> None:
    assert cost(job("job", request=request_)) == pytest.approx(expected)


def test_nobody_is_next_in_an_empty_line() -> None:
    scheduler = Scheduler(1)

    assert scheduler.next() is None
    assert (len(scheduler), scheduler.line()) == (0, [])


def test_jobs_of_one_requester_come_in_the_order_of_their_arrival_whatever_they_cost() -> None:
    jobs = [job(str(steps), steps=steps) for steps in (50, 1, 150, 20)]

    assert list(served(scheduler_with(jobs))) == ["50", "1", "150", "20"]


def test_requesters_that_ask_for_the_same_take_turns_in_the_order_of_their_arrival() -> None:
    jobs = [*jobs_of("zoe", 2), *jobs_of("ann", 2), *jobs_of("bob", 2)]

    assert list(served(scheduler_with(jobs))) == ["zoe 1", "ann 1", "bob 1", "zoe 2", "ann 2", "bob 2"]


def test_five_with_one_job_each_do_not_wait_for_one_with_fifty() -> None:
    few = ["bob", "eve", "joe", "sue", "zoe"]
    jobs = [*jobs_of("ann", 50), *(one for name in few for one in jobs_of(name, 1))]

    order = requesters(served(scheduler_with(jobs)))

    assert order == ["ann", *few, *["ann"] * 49]


def test_one_that_comes_late_is_served_after_what_is_already_due_and_gets_nothing_for_the_time_before() -> None:
    scheduler = scheduler_with(jobs_of("ann", 30))
    first = [scheduler.next() for _ in range(10)]
    for late in jobs_of("bob", 30):
        scheduler.add(late)
    order = requesters(served(scheduler))

    assert len(first) == 10
    assert {len(list(turns)) for _, turns in groupby(order[:38])} == {1}


def test_turns_are_shared_by_work_and_not_by_number() -> None:
    jobs = [*jobs_of("ann", 40, steps=40), *jobs_of("bob", 40, steps=10)]
    order = requesters(served(scheduler_with(jobs)))

    assert [order[:25].count(name) for name in ("ann", "bob")] == [5, 20]


@pytest.mark.parametrize("seed", range(20))
def test_nobody_who_waits_is_ever_ahead_of_another_by_more_than_one_job_of_each(seed: int) -> None:
    """The bound of start-time fair queueing: no more than the largest job of both."""
    chance = random.Random(seed)
    jobs = [job(f"{name} {number}", name, steps=chance.randint(1, 150)) for name in "abcd" for number in range(40)]
    chance.shuffle(jobs)
    known = {one.id: one for one in jobs}
    waiting = dict.fromkeys("abcd", 40)
    work: dict[str, float] = defaultdict(float)

    for job_id in served(scheduler_with(jobs)):
        name = known[job_id].requester
        waiting[name] -= 1
        work[name] += cost(known[job_id])
        if 0 in waiting.values():
            return
        assert max(work[name] for name in waiting) - min(work[name] for name in waiting) <= 2 * 150


def test_the_same_jobs_always_come_in_the_same_order() -> None:
    def order() -> list[str]:
        chance = random.Random(7)
        return list(served(scheduler_with(job(str(n), chance.choice("abc"), steps=10) for n in range(200))))

    assert order() == order()


def test_an_empty_line_forgets_what_was_asked_before() -> None:
    scheduler = scheduler_with(jobs_of("ann", 50, steps=150))
    list(served(scheduler))

    scheduler.add(job("ann again", "ann"))
    scheduler.add(job("bob 1", "bob"))

    assert list(served(scheduler)) == ["ann again", "bob 1"]


def test_a_line_that_was_emptied_by_cancelling_forgets_too() -> None:
    asked = jobs_of("ann", 50, steps=150)
    scheduler = scheduler_with(asked)
    for one in asked:
        scheduler.discard(one.id)

    scheduler.add(job("ann again", "ann"))
    scheduler.add(job("bob 1", "bob"))

    assert list(served(scheduler)) == ["ann again", "bob 1"]


def test_the_line_and_the_positions_say_in_which_order_jobs_will_come() -> None:
    scheduler = scheduler_with([*jobs_of("ann", 3), *jobs_of("bob", 2)])
    line = scheduler.line()

    assert line == ["ann 1", "bob 1", "ann 2", "bob 2", "ann 3"]
    assert [scheduler.position(job_id) for job_id in line] == [1, 2, 3, 4, 5]
    assert list(served(scheduler)) == line


def test_a_job_that_is_just_being_claimed_is_next() -> None:
    scheduler = scheduler_with(jobs_of("ann", 3))
    claimed = scheduler.next()
    assert claimed is not None

    assert scheduler.position(claimed) == 1
    assert claimed not in scheduler.line()


def test_looking_changes_nothing() -> None:
    scheduler = scheduler_with(jobs_of("ann", 3))
    for _ in range(3):
        scheduler.line().clear()
        scheduler.position("ann 2")
        scheduler.check_room(job("another"))

    assert (len(scheduler), list(served(scheduler))) == (3, ["ann 1", "ann 2", "ann 3"])


def of_others(number: int) -> list[Job]:
    """Each of another requester, in another space."""
    return [replace(job(f"other {count}", f"other {count}"), space=f"test:{count}") for count in range(number)]


@pytest.mark.parametrize(("waiting", "being_accepted"), [(3, 0), (2, 1), (0, 3), (5, 2)])
def test_there_is_no_room_once_as_many_wait_or_are_being_accepted_as_the_limit_says(
    waiting: int, being_accepted: int
) -> None:
    others = of_others(waiting + being_accepted)
    scheduler = scheduler_with(others[:waiting], limit=3)

    with pytest.raises(QueueFull, match=r"\(3 jobs wait\)") as full:
        scheduler.check_room(job("new"), others[waiting:])

    assert full.value.retry_after > 0
    assert type(full.value) is QueueFull
    assert len(scheduler) == waiting


@pytest.mark.parametrize(("waiting", "being_accepted"), [(2, 0), (1, 1), (0, 2)])
def test_there_is_room_below_the_limit(waiting: int, being_accepted: int) -> None:
    others = of_others(2)
    scheduler_with(others[:waiting], limit=3).check_room(job("new"), others[waiting:])


@pytest.mark.parametrize("leave", ["next", "discard"])
def test_there_is_room_again_once_one_leaves(leave: str) -> None:
    others = of_others(3)
    scheduler = scheduler_with(others, limit=3)
    if leave == "next":
        scheduler.next()
    else:
        scheduler.discard(others[1].id)

    scheduler.check_room(job("new"))


def fill(scheduler: Scheduler, jobs: Iterable[Job]) -> list[QueueFull]:
    """Adds those for which there is room; how the others were refused."""
    refused: list[QueueFull] = []
    for one in jobs:
        try:
            scheduler.check_room(one)
        except QueueFull as error:
            refused.append(error)
        else:
            scheduler.add(one)
    return refused


@pytest.mark.parametrize(("limit", "taken"), [(1, 1), (2, 1), (3, 2), (10, 5), (200, 100)])
def test_one_requester_alone_fills_half_of_the_queue(limit: int, taken: int) -> None:
    scheduler = Scheduler(limit)
    jobs = [replace(one, space=f"test:{number}") for number, one in enumerate(jobs_of("ann", 200))]
    refused = fill(scheduler, jobs)

    assert len(scheduler) == taken
    assert len(refused) == 200 - taken
    assert limit == 1 or all(isinstance(error, ShareFull) and error.whose == "requester" for error in refused)


def test_one_space_alone_leaves_a_tenth_of_the_queue_to_others() -> None:
    scheduler = Scheduler(200)
    refused = fill(scheduler, (job(f"{number}", f"requester {number}") for number in range(200)))

    assert len(scheduler) == 180
    assert all(isinstance(error, ShareFull) and (error.whose, error.waiting) == ("space", 180) for error in refused)


@pytest.mark.parametrize("greedy", [1, 3, 20, 100])
def test_however_many_are_greedy_one_who_has_nothing_in_the_queue_finds_a_place(greedy: int) -> None:
    scheduler = Scheduler(200)
    jobs = [
        replace(job(f"{number} of {who}", f"greedy {who}"), space=f"test:{who % 7}")
        for number in range(200)
        for who in range(greedy)
    ]
    fill(scheduler, jobs)

    scheduler.check_room(replace(job("new", "newcomer"), space="test:elsewhere"))
    assert len(scheduler) < 200


def test_what_is_just_being_accepted_counts_as_its_requesters_and_its_spaces() -> None:
    scheduler = scheduler_with(jobs_of("ann", 3), limit=10)
    mine = [job("being accepted", "ann")]
    scheduler.check_room(job("new", "ann"), mine)

    with pytest.raises(ShareFull, match="You have 5 jobs") as full:
        scheduler.check_room(job("new", "ann"), [*mine, job("another", "ann")])
    assert full.value.whose == "requester"
    others = [job(f"{number}", f"requester {number}") for number in range(6)]
    with pytest.raises(ShareFull, match="This place has 9 jobs") as full:
        scheduler.check_room(job("new", "newcomer"), others)
    assert full.value.whose == "space"
    scheduler.check_room(replace(job("new", "newcomer"), space="test:elsewhere"), others)


@pytest.mark.parametrize("leave", ["next", "discard", "give back"])
def test_whoever_has_a_job_less_may_ask_for_one_more(leave: str) -> None:
    scheduler = scheduler_with(jobs_of("ann", 5), limit=10)
    match leave:
        case "next":
            scheduler.next()
        case "discard":
            scheduler.discard("ann 3")
        case "give back":
            scheduler.next()
            scheduler.give_back(job("ann 1"))
            with pytest.raises(ShareFull):
                scheduler.check_room(job("new"))
            return

    scheduler.check_room(job("new"))


def test_a_queue_that_never_runs_empty_does_not_remember_everybody_who_ever_came() -> None:
    scheduler = scheduler_with(jobs_of("ann", 1))
    for number in range(10_000):
        scheduler.add(job(f"{number}", f"requester {number}"))
        scheduler.next()

    assert len(scheduler) == 1
    assert len(pickle.dumps(scheduler)) < 20_000


def test_who_asks_for_twice_as_much_with_twice_the_weight_waits_as_long_as_others() -> None:
    scheduler = Scheduler(100)
    for number in range(1, 13):
        scheduler.add(job(f"ann {number}"), weight=2)
        scheduler.add(job(f"bob {number}", "bob"))
    order = requesters(served(scheduler))[:18]

    assert (order.count("ann"), order.count("bob")) == (12, 6)


def test_a_job_that_is_given_back_is_next_and_several_come_in_their_order() -> None:
    scheduler = scheduler_with([*jobs_of("ann", 3), *jobs_of("bob", 1)])
    for _ in range(2):
        scheduler.next()

    scheduler.give_back(job("bob 1", "bob"))
    scheduler.give_back(job("ann 1"))

    assert scheduler.position("ann 1") == 2
    assert list(served(scheduler)) == ["bob 1", "ann 1", "ann 2", "ann 3"]


def test_a_job_that_is_given_back_pays_no_second_time() -> None:
    scheduler = scheduler_with([*jobs_of("ann", 2), *jobs_of("bob", 2)])
    for _ in range(3):
        assert scheduler.next() == "ann 1"
        scheduler.give_back(job("ann 1"))

    assert list(served(scheduler)) == ["ann 1", "bob 1", "ann 2", "bob 2"]


def test_what_is_given_back_does_not_make_newcomers_wait_longer() -> None:
    scheduler = scheduler_with(jobs_of("ann", 2))
    for _ in range(10):
        scheduler.next()
        scheduler.give_back(job("ann 1"))
    scheduler.next()
    scheduler.add(job("bob 1", "bob"))

    assert list(served(scheduler)) == ["bob 1", "ann 2"]


def test_a_job_may_be_given_back_where_nobody_waits() -> None:
    scheduler = Scheduler(1)
    scheduler.give_back(job("interrupted"))
    scheduler.add(job("new"))

    assert list(served(scheduler)) == ["interrupted", "new"]


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_job_that_is_discarded_leaves_the_others_in_their_order(place: int) -> None:
    scheduler = scheduler_with(jobs_of("ann", 3))
    scheduler.discard(f"ann {place}")

    assert list(served(scheduler)) == [f"ann {other}" for other in (1, 2, 3) if other != place]


@pytest.mark.parametrize("job_id", ["nobody", "ann 1"], ids=["unknown", "taken"])
def test_discarding_what_does_not_wait_changes_nothing(job_id: str) -> None:
    scheduler = scheduler_with(jobs_of("ann", 3))
    scheduler.next()
    for _ in range(2):
        scheduler.discard(job_id)

    assert scheduler.line() == ["ann 2", "ann 3"]


@pytest.mark.parametrize("seed", range(30))
def test_whatever_happens_nobody_is_lost_and_nobody_comes_twice(seed: int) -> None:
    chance = random.Random(seed)
    scheduler = Scheduler(10_000)
    waiting: set[str] = set()
    taken: list[str] = []
    for number in range(300):
        match chance.choice(["add", "add", "add", "next", "next", "give back", "discard"]):
            case "add":
                scheduler.add(job(str(number), chance.choice("abcde"), steps=chance.randint(1, 150)))
                waiting.add(str(number))
            case "next":
                first = next(iter(scheduler.line()), None)
                job_id = scheduler.next()
                assert job_id == first
                if job_id is not None:
                    waiting.remove(job_id)
                    taken.append(job_id)
            case "give back" if taken:
                job_id = taken.pop(chance.randrange(len(taken)))
                scheduler.give_back(job(job_id))
                waiting.add(job_id)
            case "discard" if waiting:
                job_id = chance.choice(sorted(waiting))
                scheduler.discard(job_id)
                waiting.remove(job_id)
        line = scheduler.line()
        assert set(line) == waiting
        assert len(scheduler) == len(line) == len(waiting)
        assert [scheduler.position(job_id) for job_id in line] == list(range(1, len(line) + 1))

    rest = list(served(scheduler))
    assert set(rest) == waiting
    assert len(rest) == len(waiting)
