"""Who waits how long, and how true it is what they are told: the real scheduler and forecast on a simulated clock.

And how long the scheduler itself takes, on a real one.
"""

import random
import time
from collections.abc import Callable, Iterator
from statistics import fmean, median

from benchmarks.report import Row
from bot.scheduler import Scheduler
from tests.fakes.day import FILLED, SHARING, Day, Device, Visit, crowd, errors, jain, visit, work_of

DEVICES = {"4 share a call": SHARING, "the device is filled by one": FILLED}
#: Seconds after the fifty at which the others come.
MOMENTS = range(0, 200, 7)
#: Hours, and how much of what can be done is asked for in them.
A_DAY = ((6, 0.3), (4, 0.9), (4, 0.7), (2, 1.3), (4, 0.6), (4, 0.8))
RESTART = 14 * 3600
WAITING = 100_000


def measure() -> list[Row]:
    rows = [row for name, device in DEVICES.items() for row in rows_of(name, device)]
    return [*rows, *own_time()]


def rows_of(name: str, device: Device) -> Iterator[Row]:
    for number in (5, 1000):
        yield Row(
            f"{name}: {number} with one job each beside one with 50, wait over that without them",
            *beside(device, number),
        )
    yield Row(
        f"{name}: Jain's index of 30 requesters' work, of whom one asked for half of all", f"{shares(device):.3f}"
    )
    yield Row(
        f"{name}: newcomers without end, jobs that are painted before the last of seven that came first",
        endless(device),
    )
    for what, day in days(device):
        found = errors(day.visits.values())
        longest = max(one.wait for one in day.visits.values()) / 60
        yield Row(
            f"{name}: {what}, {len(day.visits)} jobs, error of when {len(found)} of them would be ready",
            f"median {median(found):.1%}, p90 {found[len(found) * 9 // 10]:.0%}; longest wait {longest:.0f} min",
            "median < 20 %",
        )


def beside(device: Device, number: int) -> tuple[str, str]:
    means, lasts, worst = [], [], []
    for at in MOMENTS if number < 100 else MOMENTS[:3]:
        alone, together = [waits(device, number, float(at), many) for many in (0, 50)]
        means.append(fmean(together) / fmean(alone))
        lasts.append(max(together) / max(alone))
        worst.append(max(after / before for before, after in zip(alone, together, strict=True)))
    told = f"mean {fmean(means):.2f}, at the worst moment {max(means):.2f}; the last of them {max(lasts):.2f}"
    return f"{told}; the unluckiest {max(worst):.2f}", "≤ 2.5 in the mean and for the last"


def waits(device: Device, number: int, at: float, many: int) -> list[float]:
    day = Day(device)
    few = [visit(f"slack:{count}", at) for count in range(number)]
    day.expect([*(visit("discord:ann") for _ in range(many)), *few])
    day.run()
    return [one.wait for one in few]


def shares(device: Device) -> float:
    chance, day = random.Random(5), Day(device)
    names = [f"slack:{who}" for who in range(29)] * 30 + ["discord:ann"] * 29 * 30
    chance.shuffle(names)
    day.expect(visit(who, steps=chance.randint(1, 150), side=chance.choice([512, 1024, 1448])) for who in names)
    day.run(until=20_000)
    return jain(list(work_of(day.claimed).values()))


def endless(device: Device) -> str:
    pace = device.cap / (device.once + device.each * device.cap)
    told = []
    for load in (1.0, 2.0):
        day = Day(device, limit=40)
        day.expect(visit("discord:ann") for _ in range(7))
        day.expect(visit(f"web:{number}", number * 30 / pace / load) for number in range(700))
        day.run()
        last = [number for number, one in enumerate(day.claimed) if one.job.requester == "discord:ann"][-1]
        told.append(f"{last} of {len(day.claimed)} at {load:.0%} load")
    return ", ".join(told)


def days(device: Device) -> Iterator[tuple[str, Day]]:
    for seed in (1, 2):
        yield f"day {seed}", ran(Day(device), device, A_DAY, seed)
    restarted = expecting(Day(device), device, A_DAY, 3)
    restarted.run(until=RESTART)
    restarted.restart()
    restarted.run()
    yield "a day with a restart", restarted
    yield "two quiet hours and a sudden crowd", ran(Day(device), device, ((2, 0.2), (0.5, 4.0), (1, 0.2)), 1)


def ran(day: Day, device: Device, parts: tuple[tuple[float, float], ...], seed: int) -> Day:
    expecting(day, device, parts, seed).run()
    return day


def expecting(day: Day, device: Device, parts: tuple[tuple[float, float], ...], seed: int) -> Day:
    chance, begin = random.Random(seed), 0.0
    for hours, load in parts:
        end = begin + hours * 3600
        day.expect(crowd(chance, device, begin=begin, end=end, load=load))
        begin = end
    return day


def own_time() -> Iterator[Row]:
    chance = random.Random(1)
    scheduler = Scheduler(2 * WAITING)
    visits: list[Visit] = [visit(f"web:{chance.randrange(1000)}", steps=chance.randint(1, 150)) for _ in range(WAITING)]
    with_all = f"the scheduler with {WAITING:,} jobs in the queue"
    yield Row(f"{with_all}: a job is added", each(lambda number: scheduler.add(visits[number].job), WAITING))
    yield Row(f"{with_all}: the next one is taken", each(lambda _: scheduler.next(), 1000), "< 1000 µs")
    some = scheduler.line()[500::500]
    yield Row(f"{with_all}: a position is told", each(lambda number: scheduler.position(some[number]), len(some)))
    yield Row(f"{with_all}: one is cancelled", each(lambda number: scheduler.discard(some[number]), len(some)))


def each(work: Callable[[int], object], times: int) -> str:
    began = time.perf_counter()
    for number in range(times):
        work(number)
    return f"{(time.perf_counter() - began) / times * 1e6:.0f} µs"
