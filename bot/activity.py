"""What an operator watches: the line, the last hour minute by minute, the last day, and what failed last."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bot.engine import Engine
from bot.jobs import Job, JobStatus
from bot.ports import Ended, JobStore
from bot.status import Lately, Overview, Status

#: How many places of the line are told, and how many failures.
WAITING_MOST, FAILURES_MOST = 50, 20
MINUTES = 60
#: That `lately` looks back.
HOURS = 24
#: Linux tells there how much memory a process has.
MEMORY = Path("/proc/self/status")


@dataclass(frozen=True, slots=True)
class Waiting:
    job: Job
    #: Seconds until it will be done, as far as that is foreseen.
    eta: float | None


@dataclass(frozen=True, slots=True)
class Minute:
    """What ended in it."""

    #: When it began, in seconds since 1970.
    at: int
    done: int
    failed: int
    #: Half of those that are done took no longer, from acceptance.
    seconds_p50: float | None


@dataclass(frozen=True, slots=True)
class Process:
    """The one that serves."""

    #: Bytes; None where the system does not tell.
    memory: int | None
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Activity:
    now: float
    status: Status
    #: The next one first.
    waiting: Sequence[Waiting]
    process: Process
    #: Of the last day.
    lately: Lately
    #: Of the last hour, also those in which nothing ended; the last one is not over.
    minutes: Sequence[Minute]
    #: Jobs, the last one first.
    failed: Sequence[Job]


class Watch:
    def __init__(self, *, engine: Engine, jobs: JobStore, overview: Overview, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._jobs = jobs
        self._overview = overview
        self._clock = clock

    async def activity(self) -> Activity:
        now = self._clock()
        minutes = last_minutes(now)
        return Activity(
            now=now,
            status=await self._overview.status(),
            waiting=[
                Waiting(job, None if ready_at is None else max(0.0, ready_at - now))
                for job, ready_at in self._engine.line(WAITING_MOST)
            ],
            process=Process(memory_used(), time.process_time()),
            lately=await self._overview.lately(HOURS * 3600),
            minutes=by_minute(await self._jobs.ended_since(minutes[0]), minutes),
            failed=await self._jobs.newest_failed(FAILURES_MOST),
        )


def last_minutes(now: float) -> Sequence[int]:
    """When they began; the last one is the one that it is."""
    this = int(now // 60) * 60
    return range(this - (MINUTES - 1) * 60, this + 1, 60)


def by_minute(ended: Iterable[Ended], minutes: Sequence[int]) -> list[Minute]:
    done: dict[int, list[float]] = {minute: [] for minute in minutes}
    failed = dict.fromkeys(minutes, 0)
    for one in ended:
        minute = int(one.at // 60) * 60
        # The clock may have been set back since.
        if minute not in failed:
            continue
        if one.status is JobStatus.DONE:
            done[minute].append(one.seconds)
        elif one.status is JobStatus.FAILED:
            failed[minute] += 1
    return [Minute(minute, len(took), failed[minute], median(took) if took else None) for minute, took in done.items()]


def memory_used() -> int | None:
    """Bytes that this process has in memory."""
    try:
        lines = MEMORY.read_text().splitlines()
        kibibytes = next(line.split()[1] for line in lines if line.startswith("VmRSS:"))
    except (OSError, StopIteration):
        return None
    return int(kibibytes) * 1024
