"""Images against the clock: G1 to G8, G11 and G14, and what a UNet call takes. Each gives rows of the table."""

from collections.abc import Callable, Iterator, Sequence

import torch
from torch._C._autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

from benchmarks import floors
from benchmarks.report import Row
from benchmarks.rivals import Bench, Way
from bot.inference import caps
from bot.inference.samplers import course
from bot.inference.studio import WARM_UP, guided_call
from bot.jobs import ImageRequest, Sampler, Stage

#: Part of the noise after which the refiner takes over: of 30 steps it gets 7, the base 23.
REFINE_AT = 0.8
#: Steps of the jobs behind one another in a full queue, so that they end at different times.
STEPS_IN_QUEUE = (4, 5, 6, 7, 5, 6)
#: What the profiler also tells of the device's time, which is no work.
NO_WORK = ("cuda_sync", "overhead")

Call = Callable[[], object]


class NeedsCuda(Exception):
    """There is nothing to measure without a CUDA GPU."""


def with_eta(seconds: float, floor: float | None) -> str:
    text = f"{seconds:.3f} s"
    return text if floor is None else f"{text}, η {floor / seconds:.2f}"


def rate_with_eta(rate: float, floor: float | None) -> str:
    text = f"{rate:.2f} images/s"
    return text if floor is None else f"{text}, η {floor * rate:.2f}"


def latency(bench: Bench, compiled: bool) -> Iterator[Row]:
    request, steps = bench.request(), bench.scale.steps
    floor = bench.floor(bench.scale.side, steps)
    goal = "≤ 1.15 s" if compiled else "≤ 2.0 s"
    for ours in (True, False):
        way = Way(ours, compiled)
        seconds = bench.latency(way, request)
        yield Row(f"G1 one image, {steps} steps; {way}", with_eta(seconds, floor), goal if ours else "")
    yield Row(f"G1 the same until its PNG; {Way(True, compiled)}", f"{bench.pngs[request]:.3f} s")


def throughput(bench: Bench, compiled: bool) -> Iterator[Row]:
    steps, batch = bench.scale.steps, bench.scale.batch
    floor = bench.floor(bench.scale.side, steps)
    goal = "≥ 1.0 /s" if compiled else "≥ 0.75 /s"
    for ours in (True, False):
        way = Way(ours, compiled)
        rate = bench.rate(way, bench.request(), batch)
        yield Row(f"G2 {batch} at once, {steps} steps; {way}", rate_with_eta(rate, floor), goal if ours else "")


def fewer_steps(bench: Bench, compiled: bool) -> Iterator[Row]:
    steps, batch, way = bench.scale.fewer_steps, bench.scale.batch, Way(True, compiled)
    rate = bench.rate(way, bench.request(num_inference_steps=steps), batch)
    floor = bench.floor(bench.scale.side, steps)
    goal = "≥ 1.5 /s" if compiled else "≥ 1.1 /s"
    yield Row(f"G3 {batch} at once, {steps} steps; {way}", rate_with_eta(rate, floor), goal)


def gain_of_batches(bench: Bench, compiled: bool) -> Iterator[Row]:
    goal = "1.05 to 1.25" if compiled else "1.15 to 1.5"
    yield _gain(bench, "G4", Way(True, compiled), bench.request(), goal)


def gain_of_small_batches(bench: Bench, compiled: bool) -> Iterator[Row]:
    side = bench.scale.side // 2
    floor = bench.floor(side, bench.scale.steps)
    for ours in (True, False):
        way, request = Way(ours, compiled), bench.request(side=side)
        goal = "≥ 2" if compiled else "≥ 2.5"
        yield _gain(bench, "G5", way, request, goal if ours else "")
        yield Row(f"G5 one image of {side}; {way}", with_eta(bench.latency(way, request), floor))
        yield Row(
            f"G5 {bench.scale.batch} at once; {way}", rate_with_eta(bench.rate(way, request, bench.scale.batch), floor)
        )


def _gain(bench: Bench, name: str, way: Way, request: ImageRequest, goal: str) -> Row:
    batch = bench.scale.batch
    gain = bench.rate(way, request, batch) * bench.latency(way, request)
    size = f"{request.width}x{request.height}"
    return Row(f"{name} images/s of {batch} at once by those of one, {size}; {way}", f"{gain:.2f}", goal)


def against_stock(bench: Bench, compiled: bool) -> Iterator[Row]:
    batch = bench.scale.batch
    ours, stock = (bench.rate(Way(ours, compiled), bench.request(), batch) for ours in (True, False))
    how = "compiled" if compiled else "eager"
    goal = "≥ 1.0" if compiled else "≥ 0.97"
    yield Row(f"G6 images/s of the engine by those of `pipe`, {batch} at once, {how}", f"{ours / stock:.3f}", goal)


def decoding(bench: Bench, compiled: bool) -> Iterator[Row]:
    seconds = bench.seconds(decode_call(bench))
    text = f"{seconds * 1000:.1f} ms"
    if bench.peak is not None:
        text += f", η {floors.DECODE[bench.scale.side] / bench.peak / seconds:.2f}"
    yield Row("G7 the VAE decodes one image", text, "≤ 25 ms")


def decode_call(bench: Bench) -> Call:
    vae = bench.pipelines.vae(Stage.BASE)
    side = bench.scale.side // bench.pipelines.pipeline.vae_scale_factor
    latents = torch.randn(1, 4, side, side, device=bench.device.name, dtype=bench.device.dtype)
    return lambda: vae.decode(latents, return_dict=False)


def idleness(bench: Bench, compiled: bool) -> Iterator[Row]:
    """Busy time is the profiler's; wall time is without it, as it slows down what launches the kernels."""
    if not bench.on_gpu:
        raise NeedsCuda
    way, goal = Way(True, compiled), "≤ 3 %" if compiled else "≤ 15 %"
    for rows in (1, bench.scale.batch):
        _full_queue(bench, rows, compiled)
        wall = _full_queue(bench, rows, compiled)
        with profile(activities=[ProfilerActivity.CUDA]) as trace:
            _full_queue(bench, rows, compiled)
        text = f"{1 - _busy(trace) / wall:.1%} of {wall:.2f} s"
        yield Row(f"G8 GPU idle while the queue is full, {rows} at once; {way}", text, goal)


def _full_queue(bench: Bench, rows: int, compiled: bool) -> float:
    """Seconds for jobs that begin, end and are decoded while others take steps."""
    engine = bench.engine(rows, compiled=compiled)
    for number in range(rows + 4):
        steps = STEPS_IN_QUEUE[number % len(STEPS_IN_QUEUE)]
        engine.ask(bench.request(num_inference_steps=steps))
    return engine.run_on_clock().pixels


def _busy(trace: profile) -> float:
    """Seconds in which at least one kernel or copy ran."""
    assert trace.profiler is not None
    assert trace.profiler.kineto_results is not None
    spans = sorted(
        (event.start_ns(), event.end_ns())
        for event in trace.profiler.kineto_results.events()
        if event.device_type() == DeviceType.CUDA
        and not event.is_user_annotation()
        and event.activity_type() not in NO_WORK
    )
    if not spans:
        raise RuntimeError("the profiler saw no kernel")
    return covered(spans) / 1e9


def covered(spans: Sequence[tuple[int, int]]) -> int:
    """By at least one span from its begin to its end; they are sorted."""
    covered, until = 0, 0
    for begin, end in spans:
        covered += max(0, end - max(begin, until))
        until = max(until, end)
    return covered


def ensemble(bench: Bench, compiled: bool) -> Iterator[Row]:
    way, steps = Way(True, compiled), bench.scale.steps
    request = bench.request(refine_at=REFINE_AT)
    seconds, alone = bench.latency(way, request), bench.latency(way, bench.request())
    schedule = bench.pipelines.of(Stage.REFINER).schedule
    refiner_steps = len(course(Sampler.EULER, schedule, steps, starts_at=REFINE_AT))
    base_steps = steps - refiner_steps
    floor = bench.floor(bench.scale.side, base_steps, refiner_steps=refiner_steps)
    what = f"G11 base and refiner, {base_steps} and {refiner_steps} steps; {way}"
    yield Row(what, f"{with_eta(seconds, floor)}; {seconds / alone:.2f} of G1", "≤ 1.05 of G1")


def guidance_cut(bench: Bench, compiled: bool) -> Iterator[Row]:
    way, steps = Way(True, compiled), bench.scale.steps
    whole, cut = (bench.latency(way, bench.request(guidance_end=end)) for end in (1.0, 0.5))
    floor = bench.floor(bench.scale.side, steps, unguided_steps=steps - round(steps * 0.5))
    goal = "≥ 1.28 times as fast" if compiled else "≥ 1.2 times as fast"
    yield Row(f"G14 guidance in the first half alone; {way}", f"{whole / cut:.2f}; {with_eta(cut, floor)}", goal)


def unet_calls(bench: Bench, compiled: bool) -> Iterator[Row]:
    """What a worker measures when it starts, and takes its caps from."""
    side = bench.scale.side
    table = caps.measure(guided_call(bench.pipelines), (side, side // 2), WARM_UP[bench.device.name])
    for each in table:
        size = round(each.pixels**0.5)
        times = ", ".join(f"{images}: {seconds * 1000:.1f} ms" for images, seconds in each.seconds.items())
        yield Row(f"a guided UNet call by the images in it, {size}x{size}", times)
    yield Row("images that share a step by this", f"{caps.Caps.of(table).per_call(side * side)}")


def channels_last(bench: Bench, compiled: bool) -> Iterator[Row]:
    """Eager, with the weights in either order of memory; in the end they are as they were."""
    before = _calls(bench)
    try:
        _reorder(bench, torch.channels_last)
        after = _calls(bench)
    finally:
        _reorder(bench, torch.contiguous_format)
    for what, seconds in before.items():
        yield Row(f"{what} with channels last", f"{after[what] * 1000:.1f} ms; without {seconds * 1000:.1f} ms")


def _calls(bench: Bench) -> dict[str, float]:
    call = guided_call(bench.pipelines)
    calls: dict[str, Call] = {
        "a guided UNet call of 1": lambda: call(bench.scale.side, 1),
        "a guided UNet call of 2": lambda: call(bench.scale.side, 2),
        "a decoding": decode_call(bench),
    }
    return {what: bench.seconds(each) for what, each in calls.items()}


def _reorder(bench: Bench, order: torch.memory_format) -> None:
    bench.pipelines.pipeline.unet.to(memory_format=order)
    bench.pipelines.pipeline.vae.to(memory_format=order)
