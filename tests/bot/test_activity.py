"""The last hour minute by minute."""

from pathlib import Path

import pytest

from bot import activity
from bot.activity import MINUTES, Minute, by_minute, last_minutes, memory_used
from bot.jobs import JobStatus
from bot.ports import Ended

DONE, FAILED, CANCELLED = JobStatus.DONE, JobStatus.FAILED, JobStatus.CANCELLED


@pytest.mark.parametrize("now", [1_800_000_000.0, 1_800_000_000.5, 1_800_000_059.999])
def test_the_last_minute_is_the_one_that_it_is(now: float) -> None:
    minutes = last_minutes(now)

    assert len(minutes) == MINUTES
    assert (minutes[0], minutes[-2], minutes[-1]) == (1_799_996_460, 1_799_999_940, 1_800_000_000)


def test_each_minute_counts_what_ended_in_it() -> None:
    ended = [
        Ended(0.0, DONE, 4.0),
        Ended(59.9, DONE, 1.0),
        Ended(60.0, DONE, 9.0),
        Ended(30.0, DONE, 3.0),
        Ended(70.0, FAILED, 9.0),
        Ended(71.0, FAILED, 9.0),
        Ended(72.0, CANCELLED, 9.0),
    ]

    assert by_minute(ended, range(0, 180, 60)) == [
        Minute(0, done=3, failed=0, seconds_p50=3.0),
        Minute(60, done=1, failed=2, seconds_p50=9.0),
        Minute(120, done=0, failed=0, seconds_p50=None),
    ]


@pytest.mark.parametrize("status", JobStatus)
def test_what_ended_before_or_in_the_future_is_left_out(status: JobStatus) -> None:
    ended = [Ended(-0.1, status, 1.0), Ended(120.0, status, 1.0), Ended(1e12, status, 1.0)]

    assert by_minute(ended, range(0, 120, 60)) == [Minute(0, 0, 0, None), Minute(60, 0, 0, None)]


@pytest.mark.parametrize(
    ("told", "memory"), [("VmPeak:\t 900 kB\nVmRSS:\t  123456 kB\nThreads: 4\n", 123456 * 1024), ("Name: x\n", None)]
)
def test_memory_is_what_the_system_tells(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, told: str, memory: int | None
) -> None:
    (tmp_path / "status").write_text(told)
    monkeypatch.setattr(activity, "MEMORY", tmp_path / "status")

    assert memory_used() == memory


def test_a_system_that_tells_nothing_is_no_mistake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(activity, "MEMORY", tmp_path / "nowhere")

    assert memory_used() is None
