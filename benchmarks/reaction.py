"""How soon the engine does what it is told, and how it gets over mishaps: G9, G10, G15 to G17."""

import asyncio
import os
import signal
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors.torch import save_file
from torch import nn
from torch._dynamo.utils import counters

from benchmarks.drive import NO_LIMIT
from benchmarks.report import Row
from benchmarks.rivals import WARM_UP_STEPS, Bench, Engine, Way, compiled_twin
from bot.events import Preview, Progress
from bot.inference.caps import Caps
from bot.inference.denoise import UNet
from bot.inference.local import local_team
from bot.inference.lora import Loras
from bot.inference.pipelines import DEMO
from bot.inference.wire import Broke, Load
from bot.jobs import Stage
from bot.ports import Executor, WorkerState
from bot.styles import Style

#: Bytes that stay free beside the ballast: enough for prompts, not for a step.
BESIDE_BALLAST = 100 * 10**6
STYLES = ("first", "second")
#: Of the random LoRAs' weights, so that pictures stay finite.
LORA_DEVIATION = 0.01
SWAPS = 6
#: Seconds.
TWIN_PATIENCE = 110.0
WORKER_PATIENCE = 90.0


def cancelling(bench: Bench, compiled: bool) -> Iterator[Row]:
    """With all places taken and one more job waiting: steps until that one has taken its first."""
    rows = bench.scale.batch
    engine = bench.engine(rows, compiled=compiled)
    request = bench.request(num_inference_steps=100)
    numbers = [engine.ask(request) for _ in range(rows)]
    waiting = engine.ask(request)
    engine.until(numbers[-1], Progress)
    began = time.perf_counter()
    engine.painter.cancel(numbers[0])
    when, turns = engine.until(waiting, Progress)
    engine.drop_all()
    text = f"{turns} steps, {(when - began) * 1000:.0f} ms"
    yield Row(f"G9 cancelled to a waiting job's first step, {rows} at once", text, "≤ 1 step")


def first_preview(bench: Bench, compiled: bool) -> Iterator[Row]:
    engine = bench.engine(1, compiled=compiled)
    times = []
    for _ in range(bench.scale.warm_ups + bench.scale.runs):
        began = time.perf_counter()
        number = engine.ask(bench.request(), preview_interval=60.0)
        when, _ = engine.until(number, Preview)
        engine.drop_all()
        times.append(when - began)
    milliseconds = statistics.median(times[bench.scale.warm_ups :]) * 1000
    goal = "≤ 80 ms" if compiled else "≤ 150 ms"
    yield Row(f"G10 the first preview, empty queue; {Way(True, compiled)}", f"{milliseconds:.0f} ms", goal)


def out_of_memory(bench: Bench, compiled: bool) -> Iterator[Row]:
    request = bench.request()
    shortage = Shortage(bench)
    engine = Engine(bench.pipelines, Caps(NO_LIMIT, 1), compiled=shortage.twin_of)
    with shortage.lasting():
        broken, _ = engine.until(engine.ask(request), Broke)
    engine.told.clear()
    began = time.perf_counter()
    when, _ = engine.until(engine.ask(request), Progress)
    engine.run_on_clock()
    how = "of real memory" if bench.on_gpu else "told by hand, as a CPU has none of its own"
    text = f"{when - began:.2f} s to its first step, in the same process; {began - broken:.2f} s to give memory back"
    yield Row(f"G16 the next request after a lack {how}", text, "≤ 1 s")


class Shortage:
    """Takes nearly all of the device's memory; on a CPU, a UNet that says that there is none."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._lasts = False

    def twin_of(self, stage: Stage) -> UNet | None:
        return _out_of_memory if self._lasts and not self._bench.on_gpu else None

    @contextmanager
    def lasting(self) -> Iterator[None]:
        self._lasts = True
        ballast = self._ballast()
        try:
            yield
        finally:
            del ballast
            self._lasts = False
            self._bench.device.release()

    def _ballast(self) -> torch.Tensor | None:
        if not self._bench.on_gpu:
            return None
        self._bench.device.release()
        free, _ = torch.cuda.mem_get_info()
        return torch.empty(max(0, free - BESIDE_BALLAST), dtype=torch.uint8, device="cuda")


def _out_of_memory(*positional: object, **named: object) -> None:
    raise torch.OutOfMemoryError("there is none, says the benchmark")


def lora_swaps(bench: Bench, compiled: bool) -> Iterator[Row]:
    """Leaves a slot in the UNet: of what is eager, nothing else is measured afterwards."""
    with TemporaryDirectory() as folder:
        styles = _random_styles(bench, Path(folder))
        began = time.perf_counter()
        loras = Loras(bench.pipelines.pipeline, styles)
        opened = time.perf_counter() - began
    if loras.broken:
        raise RuntimeError("; ".join(loras.broken.values()))
    rank = bench.scale.lora_rank
    yield Row(f"G15 two LoRAs of rank {rank} are read, and their slot opened", f"{opened:.1f} s")
    yield Row(f"G15 one LoRA for another, rank {rank}, eager", f"{_swap(bench, loras) * 1000:.0f} ms", "≤ 100 ms")
    yield from _with_and_without(bench, Engine(bench.pipelines, Caps(NO_LIMIT, 1), loras=loras, styles=styles), "eager")
    yield from _compiled_swaps(bench, loras, styles)


def _compiled_swaps(bench: Bench, loras: Loras, styles: Sequence[Style]) -> Iterator[Row]:
    twin, seconds = compiled_twin(bench, TWIN_PATIENCE, rows=(2,))
    loras.join(twin)
    yield Row("G15 compiling with a slot", f"{seconds:.0f} s")
    engine = Engine(
        bench.pipelines,
        Caps(NO_LIMIT, 1),
        loras=loras,
        styles=styles,
        compiled=lambda stage: twin if stage is Stage.BASE else None,
    )
    graphs = graphs_so_far()
    painted = [*_with_and_without(bench, engine, "compiled")]
    text = f"{_swap(bench, loras) * 1000:.0f} ms, {graphs_so_far() - graphs} recompiles"
    yield Row(f"G15 one LoRA for another, rank {bench.scale.lora_rank}, compiled", text, "≤ 100 ms, 0 recompiles")
    yield from painted


def _with_and_without(bench: Bench, engine: Engine, how: str) -> Iterator[Row]:
    for style, what in ((STYLES[0], "with a LoRA"), (STYLES[1], "with the other"), (None, "with the slot empty")):
        text = f"{_painted(bench, engine, style):.3f} s"
        yield Row(f"G15 one image, {bench.scale.steps} steps, {what}, {how}", text)


def graphs_so_far() -> int:
    return int(counters["stats"]["unique_graphs"])


def _painted(bench: Bench, engine: Engine, style: str | None) -> float:
    for steps in (WARM_UP_STEPS, bench.scale.steps):
        engine.ask(bench.request(style=style, num_inference_steps=steps))
        seconds = engine.run_on_clock().pixels
    return seconds


def _swap(bench: Bench, loras: Loras) -> float:
    """Seconds, the median."""
    times = []
    for number in range(SWAPS):
        bench.device.is_usable()
        began = time.perf_counter()
        loras.activate((STYLES[number % 2],))
        bench.device.is_usable()
        times.append(time.perf_counter() - began)
    loras.activate(())
    return statistics.median(times)


def _random_styles(bench: Bench, folder: Path) -> list[Style]:
    """LoRAs on all linear layers of all attention."""
    unet = bench.pipelines.unet(Stage.BASE)
    assert isinstance(unet, nn.Module)
    layers = {
        name: module
        for name, module in unet.named_modules()
        if isinstance(module, nn.Linear) and (".attn1." in name or ".attn2." in name)
    }
    styles = []
    for style in STYLES:
        file = folder / f"{style}.safetensors"
        state: dict[str, torch.Tensor] = {}
        for name, layer in layers.items():
            state |= _random_pair(f"unet.{name}", layer, bench.scale.lora_rank)
        save_file(state, file)
        styles.append(Style(name=style, lora=str(file)))
    return styles


def _random_pair(name: str, layer: nn.Linear, rank: int) -> dict[str, torch.Tensor]:
    like = layer.weight
    down = torch.randn(rank, layer.in_features, dtype=like.dtype, device=like.device)
    up = torch.randn(layer.out_features, rank, dtype=like.dtype, device=like.device)
    return {
        f"{name}.lora_A.weight": (LORA_DEVIATION * down).cpu(),
        f"{name}.lora_B.weight": (LORA_DEVIATION * up).cpu(),
    }


def killed_worker(bench: Bench, compiled: bool) -> Iterator[Row]:
    """With the demo model: a worker process loads from files, which random weights are not in."""
    start, again = asyncio.run(_two_lives())
    yield Row("G17 a killed worker until another is ready, demo model", f"{again:.1f} s", "≤ 15 s")
    yield Row("G17 its first start", f"{start:.1f} s")


async def _two_lives() -> tuple[float, float]:
    """Seconds until the first worker was ready, and until the second after the first was killed."""
    executor = local_team(Load(DEMO, DEMO), dict(os.environ))
    changed = asyncio.Event()
    running = asyncio.create_task(executor.run(changed.set), name="the worker's lives")
    try:
        start = await _until(executor, changed, WorkerState.READY)
        pid = executor.status()[0].pid
        assert pid is not None
        began = time.perf_counter()
        os.kill(pid, signal.SIGKILL)
        await _until(executor, changed, WorkerState.FAILED, WorkerState.STARTING)
        await _until(executor, changed, WorkerState.READY)
        return start, time.perf_counter() - began
    finally:
        running.cancel()
        await asyncio.wait([running])


async def _until(executor: Executor, changed: asyncio.Event, *states: WorkerState) -> float:
    """Seconds."""
    began = time.perf_counter()
    async with asyncio.timeout(WORKER_PATIENCE):
        while executor.status()[0].state not in states:
            await changed.wait()
            changed.clear()
    return time.perf_counter() - began
