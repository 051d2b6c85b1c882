"""How the pace follows the work, and when it tells nothing."""

from itertools import pairwise

import pytest

from bot.pace import ENOUGH, MEMORY, Pace


def paced(*worked: tuple[float, float]) -> Pace:
    """(work, seconds), one after the other."""
    pace = Pace()
    for work, seconds in worked:
        pace.worked(work, seconds)
    return pace


@pytest.mark.parametrize(
    "worked", [[], [(0, 0)], [(0, 60)], [(10, 0)], [(10, ENOUGH * 0.99)], [(0, 60), (0, 60)]], ids=str
)
def test_nothing_is_told_before_enough_was_seen(worked: list[tuple[float, float]]) -> None:
    assert paced(*worked).seconds_for(100) is None


def test_as_much_work_takes_as_long_again() -> None:
    pace = paced((30, 10))

    assert pace.seconds_for(30) == pytest.approx(10)
    assert pace.seconds_for(3) == pytest.approx(1)
    assert pace.seconds_for(0) == 0


def test_it_does_not_matter_in_how_many_pieces_the_work_was_told() -> None:
    in_one = paced((60, 20))
    # As the engine tells it: work when a step is done, and now and then only that time went by.
    in_many = paced(*[(1.5, 0.25), (0, 0.25)] * 40)

    assert in_many.seconds_for(60) == pytest.approx(in_one.seconds_for(60), rel=0.03)


def test_work_that_took_no_time_on_the_clock_counts_all_the_same() -> None:
    assert paced((5, 0), (5, 0), (0, 10)).seconds_for(10) == pytest.approx(10, rel=0.05)


def test_what_was_fast_once_and_is_slow_now_is_told_as_slow() -> None:
    pace = paced(*[(10, 1)] * 600)
    told = [pace.seconds_for(100)]
    for _ in range(10):
        for _ in range(120):
            pace.worked(1, 1)
        told.append(pace.seconds_for(100))

    assert told[0] == pytest.approx(10)
    assert all(before is not None and after is not None and before < after for before, after in pairwise(told))
    assert told[-1] == pytest.approx(100, rel=0.2)


def test_the_old_weighs_a_third_after_its_memory_is_over() -> None:
    pace = paced((100, 1), (0, MEMORY))

    assert pace.seconds_for(1) == pytest.approx((1 / 2.718281828 + MEMORY) / (100 / 2.718281828))


def test_a_pause_without_work_is_no_time_and_leaves_the_pace_as_it_was() -> None:
    """Nobody tells the pace of it, so nothing decays."""
    pace = paced((30, 10))
    before = pace.seconds_for(30)
    pace.worked(0, 0)

    assert pace.seconds_for(30) == before


def test_a_day_without_any_step_does_not_put_an_end_to_all_hope() -> None:
    """A laptop that slept, or a model that was downloaded."""
    pace = paced(*[(10, 1)] * 600, (0, 86400))
    after_the_day = pace.seconds_for(100)
    for _ in range(600):
        pace.worked(10, 1)
    recovered = pace.seconds_for(100)

    assert after_the_day is not None
    assert 10 < after_the_day < 50
    assert recovered == pytest.approx(10, rel=0.2)


def test_a_stretch_without_any_step_makes_it_slower() -> None:
    fast, held_up = paced((30, 10)), paced((30, 10), (0, 30))

    before, after = fast.seconds_for(30), held_up.seconds_for(30)

    assert before is not None
    assert after is not None
    assert after > 3 * before
