"""Step-level batching against what most bots do: a stock pipeline behind a lock, or copies of it in threads."""

import copy
import random
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from benchmarks.drive import NO_LIMIT, Driven, in_turn, painted
from benchmarks.report import Row
from benchmarks.stock import Stock
from bot.events import Progress
from bot.inference import png
from bot.inference.caps import Caps
from bot.inference.caps import measure as measure_caps
from bot.inference.pipelines import DEMO, Pipelines
from bot.inference.rows import recipe_of
from bot.inference.studio import guided_call
from bot.jobs import ImageRequest, Recipe, Sampler
from bot.ports import Work
from bot.quality import Menu

CROWD = 16
CAPS = (1, 2, 4, 8, 16)
#: Times that each way is measured.
RUNS = 3
OVERHEAD_RUNS = 7
#: People who come one after the other, at this part of what a stock pipeline can do.
ARRIVALS = 40
LOAD = 0.9
MENU = Menu()
ALONE = MENU.filled_in(ImageRequest(prompt="", seed=1))
#: Seconds for the table of UNet calls.
MEASURING = 4.0


def measure() -> Iterator[Row]:
    pipelines, stock = Pipelines.load(DEMO, DEMO), Stock()
    side = pipelines.native_side
    table = measure_caps(guided_call(pipelines), (side, side // 2), MEASURING)
    for measured in table:
        of_one = measured.seconds[1]
        gains = ", ".join(f"{batch}: {of_one * batch / took:.2f}" for batch, took in measured.seconds.items())
        root = round(measured.pixels**0.5)
        yield Row(f"throughput of one UNet call over its batch, {root}x{root} (batch: times that of 1)", gains)
    cap = Caps.of(table).per_call(side * side)
    yield Row("cap that the worker takes from that", f"{cap} pictures of {side}x{side}")
    yield from throughput(pipelines, stock, cap)
    yield from overhead(pipelines, stock)
    yield from first_progress(pipelines, stock, cap)


def crowd(chance: random.Random) -> list[ImageRequest]:
    """Sixteen people at once: the demo model's own size, everything else mixed."""
    return [
        MENU.filled_in(
            ImageRequest(
                prompt=f"a {chance.choice(('cat', 'dog', 'red house'))} in the snow",
                num_inference_steps=chance.randint(10, 30),
                guidance_scale=chance.uniform(3, 9),
                sampler=chance.choice((Sampler.EULER, Sampler.EULER_ANCESTRAL, Sampler.DPMPP_2M)),
                seed=chance.randrange(2**32),
            )
        )
        for _ in range(CROWD)
    ]


def throughput(pipelines: Pipelines, stock: Stock, cap: int) -> Iterator[Row]:
    requests = crowd(random.Random(1))
    ways: dict[str, Callable[[], object]] = {
        "a stock pipeline in a lock": lambda: in_a_lock(stock, pipelines, requests),
        "copies of it in 16 threads": lambda: in_threads(stock, pipelines, requests),
        **{f"Limner, cap {rows}": lambda rows=rows: painted(pipelines, requests, rows) for rows in CAPS},  # type: ignore[misc]
    }
    painted(pipelines, requests[:2], 2)
    times = dict(zip(ways, map(statistics.median, in_turn(list(ways.values()), RUNS)), strict=True))
    lock, *_ = times.values()
    for way, took in times.items():
        yield Row(f"{CROWD} mixed requests at once: {way}", f"{took:.1f} s, {lock / took:.2f} times the lock")
    at_once = [0.0] * CROWD
    for name, waits in (
        ("in a lock", waits_in_line(stock, pipelines, requests, at_once)),
        ("batched", waits_for_steps(pipelines, requests, at_once, cap)),
    ):
        text = f"p50 {percentile(50, waits):.2f} s, p95 {percentile(95, waits):.2f} s"
        yield Row(f"the same, until the own first step: {name}", text)
    ratio = lock / times[f"Limner, cap {cap}"]
    yield Row(f"throughput at the measured cap of {cap}, batched over stock in a lock", f"{ratio:.2f}", "> 1.5")


def in_a_lock(stock: Stock, pipelines: Pipelines, requests: Sequence[ImageRequest]) -> None:
    """As most bots do: the next begins when this one's PNG is there."""
    for request in requests:
        recipe = recipe_for(pipelines, request)
        png.encode(stock.paint(recipe), "image", recipe)


def in_threads(stock: Stock, pipelines: Pipelines, requests: Sequence[ImageRequest]) -> None:
    """One call for each request, each on a copy that shares the models alone: a shared tokenizer crashes."""

    def paint(request: ImageRequest) -> None:
        recipe = recipe_for(pipelines, request)
        mine = copy.copy(stock)
        mine.base = copy.copy(stock.base)
        mine.base.tokenizer, mine.base.tokenizer_2 = copy.deepcopy((stock.base.tokenizer, stock.base.tokenizer_2))
        png.encode(mine.paint(recipe), "image", recipe)

    with ThreadPoolExecutor(len(requests)) as threads:
        list(threads.map(paint, requests))


def recipe_for(pipelines: Pipelines, request: ImageRequest) -> Recipe:
    return recipe_of(Work(job_id="job", image_ids=("image",), request=request), 0, pipelines, {})


def overhead(pipelines: Pipelines, stock: Stock) -> Iterator[Row]:
    """One picture alone, each time with words that no cache knows."""
    numbers = iter(range(10**6))

    def new() -> ImageRequest:
        return replace(ALONE, prompt=f"picture number {next(numbers)}")

    ways = (lambda: in_a_lock(stock, pipelines, [new()]), lambda: painted(pipelines, [new()], 1))
    in_turn(ways, 1)
    theirs, ours = in_turn(ways, OVERHEAD_RUNS)
    ratio = statistics.median(ours) / statistics.median(theirs)
    text = f"{ratio:.3f} ({statistics.median(ours):.3f} s to {statistics.median(theirs):.3f} s)"
    yield Row("one picture of 30 steps alone, own loop over stock call, PNG included", text, "≤ 1.03")


def first_progress(pipelines: Pipelines, stock: Stock, cap: int) -> Iterator[Row]:
    """From the moment of asking to the first step, at nine tenths of what the stock pipeline can do."""
    requests = [replace(request, num_inference_steps=12) for request in crowd(random.Random(2))[:8]]
    began = time.perf_counter()
    in_a_lock(stock, pipelines, requests)
    pace = (time.perf_counter() - began) / len(requests) / LOAD
    chance = random.Random(3)
    gaps = [chance.expovariate(1 / pace) for _ in range(ARRIVALS)]
    asked = [chance.choice(requests) for _ in range(ARRIVALS)]
    theirs = waits_in_line(stock, pipelines, asked, gaps)
    ours = waits_for_steps(pipelines, asked, gaps, cap)
    for name, waits in (("first come, first served with a lock", theirs), ("batched", ours)):
        text = f"p50 {percentile(50, waits):.2f} s, p95 {percentile(95, waits):.2f} s"
        yield Row(f"{ARRIVALS} people at {LOAD:.0%} of the lock's load, until the first step: {name}", text)
    ratio = percentile(95, ours) / percentile(95, theirs)
    yield Row("first progress under load, p95, batched over first come, first served", f"{ratio:.3f}", "≤ 0.2")


def waits_in_line(
    stock: Stock, pipelines: Pipelines, requests: Sequence[ImageRequest], gaps: Sequence[float]
) -> list[float]:
    lock = threading.Lock()
    waits: list[float] = []

    def paint(request: ImageRequest) -> None:
        asked = time.perf_counter()
        with lock:
            told = FirstStep(stock)
            in_a_lock(stock, pipelines, [request])
        waits.append(told.at - asked)

    with ThreadPoolExecutor(len(requests)) as threads:
        for request, gap in zip(requests, gaps, strict=True):
            time.sleep(gap)
            threads.submit(paint, request)
    return waits


class FirstStep:
    """When the next call of the stock pipeline has taken its first step."""

    def __init__(self, stock: Stock) -> None:
        self.at = 0.0
        self._hook = stock.base.unet.register_forward_hook(self._hear)

    def _hear(self, *_: Any) -> None:
        self.at = time.perf_counter()
        self._hook.remove()


def waits_for_steps(
    pipelines: Pipelines, requests: Sequence[ImageRequest], gaps: Sequence[float], cap: int
) -> list[float]:
    driven = Driven(pipelines, Caps(NO_LIMIT, cap))
    due = time.perf_counter()
    asked = []
    for gap in gaps:
        due += gap
        asked.append(due)
    number = 0
    while number < len(requests) or driven.painter.holds_any:
        while number < len(requests) and asked[number] <= time.perf_counter():
            driven.accept(number, requests[number])
            number += 1
        if not driven.painter.turn():
            time.sleep(0.001)
    return [driven.first(number, Progress) - when for number, when in enumerate(asked)]


def percentile(percent: int, of: Sequence[float]) -> float:
    return statistics.quantiles(of, n=100)[percent - 1]
