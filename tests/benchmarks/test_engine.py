"""The benchmarks that need no GPU run to their end; what they count, tests of the engine hold."""

import random
from dataclasses import replace

import pytest

from benchmarks import counts, engine, mishaps
from benchmarks.drive import NO_LIMIT
from benchmarks.report import Row
from bot.inference.caps import Caps
from bot.inference.pipelines import Pipelines
from bot.jobs import ImageRequest

pytestmark = pytest.mark.nightly


def measured(rows: list[Row], begins: str) -> str:
    (found,) = [row.measured for row in rows if row.what.startswith(begins)]
    return found


def test_the_engine_is_timed_beside_the_stock_pipeline(monkeypatch: pytest.MonkeyPatch) -> None:
    original = engine.crowd

    def small(chance: random.Random) -> list[ImageRequest]:
        return [replace(each, width=64, height=64, num_inference_steps=3) for each in original(chance)]

    monkeypatch.setattr(engine, "crowd", small)
    for name, value in {"CROWD": 3, "CAPS": (1, 2), "RUNS": 1, "OVERHEAD_RUNS": 2, "ARRIVALS": 4}.items():
        monkeypatch.setattr(engine, name, value)
    monkeypatch.setattr(engine, "ALONE", replace(engine.ALONE, width=64, height=64, num_inference_steps=3))
    monkeypatch.setattr(engine, "MEASURING", 0.1)
    monkeypatch.setattr(Caps, "of", lambda table: Caps(NO_LIMIT, 2))

    rows = list(engine.measure())

    assert len(rows) >= 12
    assert "times the lock" in measured(rows, "3 mixed requests at once: Limner, cap 2")
    assert all(row.measured for row in rows)


def test_a_cancel_and_the_encoders_are_counted(demo: Pipelines) -> None:
    rows = [*counts.after_a_cancel(demo), *counts.encoder_calls(demo), *counts.unet_calls(demo)]

    assert [row.measured for row in rows] == [
        "0 steps, 0 decodes, its place taken at the next step",
        "11",
        "109 at cap 1, 58 at cap 2, 33 at cap 4, 21 at cap 8",
    ]


def test_graphs_are_counted() -> None:
    assert [row.measured for row in counts.graphs()] == ["2", "0"]


def test_a_killed_worker_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mishaps, "CAT", replace(mishaps.CAT, width=64, height=64, num_inference_steps=40))
    monkeypatch.setattr(mishaps, "LARGE", replace(mishaps.LARGE, width=128, height=128))

    rows = list(mishaps.measure())

    assert measured(rows, "kill -9") == "0 lost, 8 alike"
    assert "ms" in measured(rows, "longest stall")
