"""The device's memory: what the engine takes at its peak (G12), and whether a small card is enough (G13).

    python -m benchmarks.capacity

measures in a process of its own, as the limit and the fragments of memory are a process's.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Annotated

import torch
import typer

from benchmarks import sdxl
from benchmarks.report import ROOT, Row
from benchmarks.rivals import WARM_UP_STEPS, Bench, Way
from benchmarks.scales import FULL
from benchmarks.speed import REFINE_AT, NeedsCuda
from bot.jobs import ImageRequest
from bot.ports import Memory

#: Bytes of a small card.
CARD = 12 * 10**9
#: Seconds.
PATIENCE = 150.0
OURS = Way(ours=True, compiled=False)


@dataclass(frozen=True, slots=True)
class Taken:
    """Bytes at the peak: of tensors, and of what the allocator held for them; and the image's seconds."""

    allocated: int
    reserved: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.allocated / 1e9:.1f} GB, {self.reserved / 1e9:.1f} GB reserved"


def peak(bench: Bench, compiled: bool) -> Iterator[Row]:
    """Everything resident. Few steps are enough: each takes as much as the last."""
    if not bench.on_gpu:
        raise NeedsCuda
    request = bench.request(refine_at=REFINE_AT, num_inference_steps=WARM_UP_STEPS)
    for rows, goal in ((1, "≤ 16 GB"), (bench.scale.batch, "≤ 30 GB")):
        yield Row(f"G12 peak memory, base and refiner, {rows} at once", f"{taken(bench, request, rows)}", goal)


def small_card(bench: Bench, compiled: bool) -> Iterator[Row]:
    if not bench.on_gpu:
        raise NeedsCuda
    bench.device.release()
    child = [sys.executable, "-m", "benchmarks.capacity", "--limit", str(CARD)]
    ran = subprocess.run(child, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    if ran.returncode != 0:
        raise RuntimeError((ran.stderr.strip().splitlines() or [f"exit code {ran.returncode}"])[-1])
    found = {name: Taken(**each) for name, each in json.loads(ran.stdout.splitlines()[-1]).items()}
    resident = {
        "base": bench.latency(OURS, bench.request()),
        "base and refiner": bench.latency(OURS, bench.request(refine_at=REFINE_AT)),
    }
    for name, each in found.items():
        yield Row(f"G13 {CARD / 1e9:.0f} GB, {Memory.BALANCED}: peak, {name}", f"{each}", "≤ 11.5 GB")
        share = resident[name] / each.seconds
        text = f"{each.seconds:.2f} s, {share:.2f} of the speed with all resident"
        yield Row(f"G13 {CARD / 1e9:.0f} GB, {Memory.BALANCED}: one image, {name}", text, "≥ 0.5")


def taken(bench: Bench, request: ImageRequest, rows: int) -> Taken:
    """By the engine, for so many images at once; its second time counts."""
    bench.paint(OURS, replace(request, num_inference_steps=WARM_UP_STEPS), rows, rows)
    bench.device.release()
    if bench.on_gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = bench.paint(OURS, request, rows, rows)
    if not bench.on_gpu:
        return Taken(0, 0, seconds)
    return Taken(torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved(), seconds)


def on_a_small_card(bench: Bench) -> dict[str, Taken]:
    """By what paints."""
    return {
        "base": taken(bench, bench.request(), rows=1),
        "base and refiner": taken(bench, bench.request(refine_at=REFINE_AT), rows=1),
    }


def main(limit: Annotated[int, typer.Option(help="Bytes of the device's memory.")] = CARD) -> None:
    total = torch.cuda.mem_get_info()[1]
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit / total))
    bench = Bench(sdxl.pipelines(Memory.BALANCED), FULL)
    print(json.dumps({name: asdict(each) for name, each in on_a_small_card(bench).items()}))


if __name__ == "__main__":
    typer.run(main)
