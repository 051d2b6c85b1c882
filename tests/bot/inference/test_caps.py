"""How many images share a call: read off a measured table, and lowered by what did not fit."""

from math import inf

import pytest
import torch

from bot.inference import caps
from bot.inference.caps import AT_ONCE_MIN, LARGEST_BATCH, Caps, Measured, measure

SIDE = 1024
PIXELS = SIDE * SIDE


def linear(overhead: float, per_image: float, *batches: int) -> Measured:
    return Measured(PIXELS, {batch: overhead + per_image * batch for batch in batches or (1, 2, 4, 8, 16)})


@pytest.mark.parametrize(
    ("table", "worthwhile"),
    [
        (linear(0, 1), 1),
        (linear(1, 0), 16),
        (linear(12, 28), 3),
        (linear(12, 7), 5),
        (linear(0, 1, 1), 1),
        (linear(1, 0, 1, 2), 2),
        (Measured(PIXELS, {1: 40, 2: 68, 4: 140, 8: 236}), 3),
        (Measured(PIXELS, {1: 1.0, 2: 0.5, 4: inf}), 2),
        (Measured(PIXELS, {1: 1.0, 2: 4.0, 4: 16.0}), 1),
    ],
    ids=[
        "saturated",
        "all launches",
        "eager at 1024",
        "eager at 512",
        "one point",
        "no more than was measured",
        "one point that the machine was slow for",
        "memory for two",
        "worse than none",
    ],
)
def test_a_batch_grows_while_that_brings_throughput(table: Measured, worthwhile: int) -> None:
    assert table.worthwhile == worthwhile


def test_the_cap_is_in_pixels_so_small_pictures_share_a_call_in_greater_number() -> None:
    of = Caps.of([linear(12, 7)])

    assert of.per_call(PIXELS) == 5
    assert of.per_call(PIXELS // 2) == 10
    assert of.per_call(8 * PIXELS) == 1
    assert of.per_call(64 * 64) == LARGEST_BATCH, "no more than was measured"


def test_two_are_painted_at_once_where_it_brings_nothing_so_that_nobody_waits_for_a_whole_picture() -> None:
    of = Caps.of([linear(0, 1)])

    assert of.per_call(PIXELS) == AT_ONCE_MIN == 2


def test_a_smaller_size_may_show_more_room() -> None:
    table = [linear(0, 1), Measured(PIXELS // 4, {1: 1.0, 2: 1.1, 4: 1.2, 8: 1.3, 16: 1.4})]

    assert Caps.of(table).per_call(PIXELS) == 3


def test_what_did_not_fit_lowers_the_cap_for_this_size_and_larger_ones() -> None:
    of = Caps(100 * PIXELS)
    of.shrink(PIXELS, 3)

    assert of.per_call(PIXELS) == 3
    assert of.per_call(2 * PIXELS) == 3
    assert of.per_call(PIXELS // 2) == LARGEST_BATCH
    of.shrink(PIXELS, 0)
    assert of.per_call(PIXELS) == 1


def test_sizes_are_measured_in_batches_that_double(monkeypatch: pytest.MonkeyPatch) -> None:
    now, called = 0.0, []

    def call(side: int, batch: int) -> None:
        nonlocal now
        called.append((side, batch))
        now += 0.001 * (4 + batch)

    monkeypatch.setattr(caps, "perf_counter", lambda: now)
    table = measure(call, [64, 32], budget=100)

    assert [measured.pixels for measured in table] == [64 * 64, 32 * 32]
    assert list(table[0].seconds) == [1, 2, 4, 8, 16]
    assert called[0] == (64, 1)


def test_measuring_keeps_to_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    def call(side: int, batch: int) -> None:
        nonlocal now
        now += 60

    monkeypatch.setattr(caps, "perf_counter", lambda: now)
    table = measure(call, [1024], budget=1)

    assert list(table[0].seconds) == [1], "a device that is slow is asked for the least"


def test_memory_that_is_not_enough_ends_the_measuring_and_not_the_worker() -> None:
    def call(side: int, batch: int) -> None:
        if side * side * batch > 2 * 64 * 64:
            raise torch.OutOfMemoryError("no room")

    table = measure(call, [64, 256], budget=10)

    assert table[0].worthwhile <= 2
    assert table[1].seconds == {1: inf}
    assert table[1].worthwhile == 1
