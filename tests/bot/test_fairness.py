"""Who waits how long on a clock of our own, with the real scheduler, and whether what they were told came true."""

import random
from statistics import fmean, median

import pytest

from bot.scheduler import Scheduler
from tests.fakes.day import FILLED, SHARING, Day, Device, Visit, crowd, errors, jain, refinement, visit, work_of

devices = pytest.mark.parametrize("device", [SHARING, FILLED], ids=["sharing", "filled"])


def waits(device: Device, several: list[Visit], *others: Visit) -> list[float]:
    day = Day(device)
    day.expect([*others, *several])
    day.run()
    return [one.wait for one in several]


def fifty() -> list[Visit]:
    return [visit("discord:ann") for _ in range(50)]


def singles(number: int, at: float) -> list[Visit]:
    platforms = ("discord", "slack", "web")
    return [visit(f"{platforms[count % 3]}:{count}", at) for count in range(number)]


@devices
@pytest.mark.parametrize(
    ("number", "at"),
    [*((5, at) for at in (0.0, 1.0, 31.0, 45.0, 80.0, 130.0)), pytest.param(1000, 1.0, marks=pytest.mark.slow)],
)
def test_those_with_one_job_each_wait_at_most_2_5_times_as_long_for_one_with_fifty(
    device: Device, number: int, at: float
) -> None:
    """In the mean and for the last of them, at whatever moment of the others' painting they come."""
    alone, beside = waits(device, singles(number, at)), waits(device, singles(number, at), *fifty())

    assert fmean(beside) <= 2.5 * fmean(alone)
    assert max(beside) <= 2.5 * max(alone)


def mixed(chance: random.Random, who: str, at: float = 0.0) -> Visit:
    match chance.randrange(4):
        case 0:
            return visit(who, at, steps=chance.randint(1, 150))
        case 1:
            return visit(who, at, images=4)
        case 2:
            return visit(who, at, side=1400)
        case _:
            return refinement(who, at)


@devices
def test_those_who_always_wait_get_equal_shares_of_the_work_whatever_they_ask_for(device: Device) -> None:
    chance = random.Random(5)
    day = Day(device)
    # Of the thirtieth there is as much as of all others together.
    visits = [mixed(chance, f"slack:{who}") for who in range(29) for _ in range(20)]
    visits += [mixed(chance, "discord:ann") for _ in range(20 * 29)]
    chance.shuffle(visits)
    day.expect(visits)
    day.run(until=9_000)
    work = work_of(day.claimed)

    assert len(work) == 30
    assert jain(list(work.values())) > 0.97


@pytest.mark.parametrize("weight", [0.5, 2.0, 3.0])
def test_who_has_more_weight_gets_as_much_more_work_done(weight: float) -> None:
    day = Day(FILLED)
    day.expect(
        visit(f"slack:{who}", weight=weight if who == 0 else 1.0, steps=10) for _ in range(200) for who in range(4)
    )
    day.run(until=3_000)
    work = work_of(day.claimed)

    assert work["slack:0"] / work["slack:1"] == pytest.approx(weight, rel=0.1)
    assert jain([work[f"slack:{who}"] for who in (1, 2, 3)]) > 0.99


@devices
@pytest.mark.parametrize("load", [1.0, 2.0])
def test_who_asked_for_more_is_served_too_while_newcomers_come_without_end(device: Device, load: float) -> None:
    pace = device.cap / (device.once + device.each * device.cap)
    day = Day(device, limit=40)
    day.expect(visit("discord:ann") for _ in range(7))
    day.expect(visit(f"web:{number}", number * 30 / pace / load) for number in range(700))
    day.run()
    last = [number for number, one in enumerate(day.claimed) if one.job.requester == "discord:ann"][-1]

    assert len(day.claimed) > 350
    assert last < 250
    assert bool(day.refused) == (load > 1)


def test_the_largest_jobs_come_in_their_turn_and_after_them_the_small_ones_of_others() -> None:
    scheduler = Scheduler(10_000)
    people = range(10)
    largest = [visit(f"discord:{who}", steps=150, images=4, side=1448) for _ in range(5) for who in people]
    smallest = [visit(f"slack:{who}", steps=1, side=64) for _ in range(5) for who in people]
    for one in [*largest, *smallest]:
        scheduler.add(one.job)
    order = [scheduler.next() for _ in range(100)]

    assert set(order[:20]) == {one.job.id for one in [*largest[:10], *smallest[:10]]}
    assert set(order[20:60]) == {one.job.id for one in smallest[10:]}


@pytest.mark.parametrize("seed", range(8))
def test_nobody_who_comes_later_is_served_before_one_who_had_nothing_in_the_queue(seed: int) -> None:
    chance = random.Random(seed)
    scheduler = Scheduler(10_000)
    first_jobs: dict[str, int] = {}
    arrivals: dict[str, int] = {}
    came_before: set[str] = set()
    for number in range(400):
        # Half of them come once, the others ask for more and more.
        who = f"web:{number}" if chance.random() < 0.5 else f"slack:{chance.randrange(5)}"
        one = mixed(chance, who).job
        if who not in came_before:
            first_jobs[one.id] = number
        came_before.add(who)
        scheduler.add(one)
        arrivals[one.id] = number
        if chance.random() < 0.45:
            taken = scheduler.next()
            assert taken is not None
            overtaken = [job for job, came in first_jobs.items() if came < arrivals[taken] and job in scheduler]
            assert not overtaken


@pytest.mark.parametrize("seed", range(5))
def test_what_is_done_for_later_comers_while_a_job_waits_is_bounded(seed: int) -> None:
    """By what was owed to its requester before, and a job, for each of those who share."""
    chance = random.Random(seed)
    scheduler = Scheduler(10_000)
    requesters: dict[str, str] = {}
    bounds: dict[str, float] = {}
    overtaken: dict[str, int] = {}
    came: list[str] = []
    for number in range(1500):
        if len(scheduler) < 40:
            who = f"web:{number}" if chance.random() < 0.7 else f"slack:{chance.randrange(8)}"
            one = visit(who).job
            before = sum(requesters[other] == who for other in scheduler.line())
            requesters[one.id], overtaken[one.id], bounds[one.id] = who, 0, 2 * 40 * (before + 1)
            came.append(one.id)
            scheduler.add(one)
        if chance.random() < 0.9 and (taken := scheduler.next()) is not None:
            for job in came[: came.index(taken)]:
                overtaken[job] += job in scheduler and requesters[job] != requesters[taken]

    assert all(overtaken[job] <= bounds[job] for job in came)


def test_a_job_that_is_given_back_again_and_again_holds_up_nobody_for_good() -> None:
    scheduler = Scheduler(10)
    unlucky, lucky = visit("discord:ann").job, visit("slack:bob").job
    for one in (unlucky, lucky):
        scheduler.add(one)
    # The engine gives up after the second attempt.
    for _ in range(2):
        assert scheduler.next() == unlucky.id
        scheduler.give_back(unlucky)
    scheduler.discard(unlucky.id)

    assert scheduler.next() == lucky.id


#: Hours, and how much of what can be done is asked for in them.
A_DAY = ((6, 0.3), (4, 0.9), (4, 0.7), (2, 1.3), (4, 0.6), (4, 0.8))


def simulated(device: Device, parts: tuple[tuple[float, float], ...], *, seed: int = 1) -> Day:
    chance, day, begin = random.Random(seed), Day(device), 0.0
    for hours, load in parts:
        end = begin + hours * 3600
        day.expect(crowd(chance, device, begin=begin, end=end, load=load))
        begin = end
    return day


@pytest.mark.slow
@devices
def test_over_a_day_half_of_all_are_told_when_it_will_be_done_with_less_than_a_fifth_of_error(device: Device) -> None:
    day = simulated(device, A_DAY)
    day.run()
    found = errors(day.visits.values())

    assert len(found) > 800
    assert median(found) < 0.2
    assert max(one.wait for one in day.visits.values()) < 4 * 3600, "nobody waits for the night"


@devices
@pytest.mark.parametrize("load", [1.2, 1.5])
def test_after_a_restart_nothing_is_told_before_something_is_known_and_then_the_truth(
    device: Device, load: float
) -> None:
    day = simulated(device, ((1, load),))
    day.run(until=3000)
    day.restart()
    waiting = [day.visits[job_id] for job_id in day.scheduler.line()]
    for one in waiting:
        one.told.clear()
        day.tell(one)
    assert not any(one.told for one in waiting)

    day.run(until=day.now + 3)
    for one in waiting:
        day.tell(one)
    day.run()

    assert len(waiting) > 5
    assert median(errors(waiting)) < 0.2


@devices
def test_a_sudden_crowd_is_told_the_truth_too(device: Device) -> None:
    day = simulated(device, ((2, 0.2), (0.5, 4.0), (1, 0.2)))
    day.run()
    crowded = [one for one in day.visits.values() if 7200 <= one.at < 9000]

    assert len(errors(crowded)) > 50
    assert median(errors(crowded)) < 0.2
