"""SDXL on this GPU against its arithmetic floors and against stock diffusers: the goals G1 to G17, in one run.

    python -m benchmarks.gpu

The weights are random, as speed does not depend on them. Without a GPU the demo model is measured, for the sake of the
benchmark itself; what needs a GPU says so.
"""

import re
import subprocess
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Annotated

import torch
import typer

from benchmarks import capacity, floors, reaction, report, scales, sdxl, speed
from benchmarks.report import Row
from benchmarks.rivals import Bench, compiled_twin
from benchmarks.speed import NeedsCuda
from bot.inference.pipelines import DEMO, Device, Pipelines, explained
from bot.jobs import Stage
from bot.ports import Memory

#: Seconds for all of it; a part that would not end within them is left out.
BUDGET = 550.0
#: Seconds that the first twin's compiling may take.
TWIN_PATIENCE = 150.0
SMI_FIELDS = ("driver_version", "power.limit", "clocks.sm", "clocks.max.sm", "clocks.mem", "temperature.gpu")
#: What inductor makes needs a GPU to be worth its minutes: elsewhere only dynamo is at work.
BACKENDS = {"cuda": "inductor", "cpu": "eager"}


class Size(StrEnum):
    DEMO = "demo"
    FULL = "full"


@dataclass(frozen=True, slots=True)
class Part:
    #: A goal's name and what it is about: its row where it is left out.
    what: str
    #: Seconds on an H100 at full size.
    needs: float
    measure: Callable[[Bench, bool], Iterator[Row]]
    compiled: bool = False

    @property
    def title(self) -> str:
        return f"{self.what}, compiled" if self.compiled else self.what


def compile_twin(bench: Bench, compiled: bool) -> Iterator[Row]:
    bench.twin, seconds = compiled_twin(bench, TWIN_PATIENCE)
    yield Row("compiling the UNet's blocks", f"{seconds:.0f} s with {bench.backend}, {reaction.graphs_so_far()} graphs")


def graphs(bench: Bench, compiled: bool) -> Iterator[Row]:
    yield Row("graphs after all sizes and batches", f"{reaction.graphs_so_far()}")


def under_load(bench: Bench, compiled: bool) -> Iterator[Row]:
    yield Row(f"GPU right after work ({', '.join(SMI_FIELDS)})", nvidia_smi() or "unknown")


#: In the order in which they are measured: what matters most comes first, and eager before the LoRAs' slot is there.
PARTS = (
    Part("G1 one image", 15, speed.latency),
    Part("UNet calls", 12, speed.unet_calls),
    Part("G7 decoding", 2, speed.decoding),
    Part("G10 the first preview", 5, reaction.first_preview),
    Part("G9 cancelling", 6, reaction.cancelling),
    Part("G2 images at once", 50, speed.throughput),
    Part("GPU", 1, under_load),
    Part("G4 gain of batches", 1, speed.gain_of_batches),
    Part("G6 against `pipe`", 1, speed.against_stock),
    Part("G14 guidance in the first half alone", 8, speed.guidance_cut),
    Part("G11 base and refiner", 12, speed.ensemble),
    Part("G12 peak memory", 8, capacity.peak),
    Part("G16 lack of memory", 8, reaction.out_of_memory),
    Part("G8 GPU idle", 15, speed.idleness),
    Part("G3 fewer steps", 15, speed.fewer_steps),
    Part("G5 gain of batches of small images", 20, speed.gain_of_small_batches),
    Part("channels last", 5, speed.channels_last),
    Part("compiling", 60, compile_twin),
    Part("G1 one image", 12, speed.latency, compiled=True),
    Part("G14 guidance in the first half alone", 6, speed.guidance_cut, compiled=True),
    Part("G10 the first preview", 3, reaction.first_preview, compiled=True),
    Part("G8 GPU idle", 12, speed.idleness, compiled=True),
    Part("G2 images at once", 40, speed.throughput, compiled=True),
    Part("G4 gain of batches", 1, speed.gain_of_batches, compiled=True),
    Part("G6 against `pipe`", 1, speed.against_stock, compiled=True),
    Part("G13 small card", 70, capacity.small_card),
    Part("G17 killed worker", 25, reaction.killed_worker),
    Part("G15 LoRAs", 130, reaction.lora_swaps),
    Part("G3 fewer steps", 12, speed.fewer_steps, compiled=True),
    Part("G5 gain of batches of small images", 15, speed.gain_of_small_batches, compiled=True),
    Part("graphs", 0, graphs),
)


def measure(size: Size | None = None, *, quick: bool = False, budget: float = BUDGET) -> list[Row]:
    ends = time.monotonic() + budget
    device = Device()
    size = size or (Size.FULL if device.name == "cuda" else Size.DEMO)
    rows = [*_told(budget, ends, _surroundings(device, size))]
    began = time.monotonic()
    bench = opened(size, device, quick=quick)
    rows += _told(budget, ends, [Row("models made", f"{time.monotonic() - began:.0f} s")])
    for part in PARTS:
        rows += _told(budget, ends, _rows_of(part, bench, ends))
    if size is not Size.FULL or quick:
        # The goals are those of SDXL at full size.
        rows = [replace(row, goal="") for row in rows]
    return sorted(rows, key=_place)


def opened(size: Size, device: Device, *, quick: bool) -> Bench:
    backend = BACKENDS[device.name]
    if size is Size.FULL:
        scale = scales.QUICK_FULL if quick else scales.FULL
        peak = floors.peak_of(device.full_name)
        return Bench(sdxl.pipelines(Memory.FULL), scale, peak=peak, backend=backend)
    pipelines = Pipelines.load(DEMO, DEMO, Memory.FULL)
    pipelines.pipeline.to(device.name)
    pipelines.of(Stage.REFINER)
    return Bench(pipelines, scales.QUICK if quick else scales.DEMO, backend=backend)


def _rows_of(part: Part, bench: Bench, ends: float) -> Iterator[Row]:
    left = ends - time.monotonic()
    if left < part.needs:
        yield Row(part.title, f"left out: it takes about {part.needs:.0f} s, and {max(0, left):.0f} s are left")
    elif part.compiled and bench.twin is None:
        yield Row(part.title, "left out: nothing was compiled")
    else:
        yield from _tried(part, bench)


def _tried(part: Part, bench: Bench) -> Iterator[Row]:
    """So that one part's failure does not cost the others."""
    try:
        yield from part.measure(bench, part.compiled)
    except NeedsCuda:
        yield Row(part.title, "needs a CUDA GPU")
    except Exception as error:  # noqa: BLE001
        traceback.print_exc()
        yield Row(part.title, f"failed: {type(error).__name__}: {explained(error)}")
    bench.device.release()


def _told(budget: float, ends: float, rows: Iterator[Row] | Sequence[Row]) -> Iterator[Row]:
    """Says them at once, as a run may be ended from outside."""
    for row in rows:
        print(f"{time.monotonic() - ends + budget:5.0f} s  {row.what}: {row.measured}", flush=True)
        yield row


def _surroundings(device: Device, size: Size) -> Iterator[Row]:
    yield Row("device", f"{device.full_name}, {device.dtype_name}, torch {torch.__version__}, {size} size")
    if device.name == "cuda":
        yield Row(f"GPU at rest ({', '.join(SMI_FIELDS)})", nvidia_smi() or "unknown")
        peak = floors.peak_of(device.full_name)
        text = "unknown, so no η" if peak is None else f"{peak:.0f} TFLOP/s in bf16"
        yield Row("peak that η is taken from", text)


def nvidia_smi() -> str:
    """Of the first GPU; "" where the tool is not there."""
    command = ["nvidia-smi", f"--query-gpu={','.join(SMI_FIELDS)}", "--format=csv,noheader"]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return next(iter(ran.stdout.splitlines()), "")


def _place(row: Row) -> int:
    """The goals by their number, between what they were measured with and what belongs to none."""
    goal = re.match(r"G(\d+) ", row.what)
    if goal:
        return int(goal[1])
    return 0 if row.what.startswith(("device", "GPU", "peak", "models")) else 99


def main(
    size: Annotated[Size | None, typer.Option(help="By default full on a CUDA GPU, else demo.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A few steps of small images: to try this program.")] = False,
    budget: Annotated[float, typer.Option(help="Seconds; what would take longer is left out.")] = BUDGET,
    keep: Annotated[bool, typer.Option("--keep", help="Write docs/performance.md.")] = False,
) -> None:
    rows = measure(size, quick=quick, budget=budget)
    report.show("gpu", rows)
    if keep:
        report.keep("gpu", rows)


if __name__ == "__main__":
    typer.run(main)
