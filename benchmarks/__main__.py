"""python -m benchmarks: measures on this machine, each benchmark in a process of its own."""

import shutil
import subprocess
import sys
from importlib import import_module
from typing import Annotated

import typer

from benchmarks import report

BENCHMARKS = (
    "counts",
    "fairness",
    "engine",
    "mishaps",
    "index",
    "marks",
    "serving",
    "discord",
    "slack",
    "soak",
    "scaling",
    "gpu",
)
#: Without a GPU that one has little to say.
BY_DEFAULT = [name for name in BENCHMARKS if name != "gpu" or shutil.which("nvidia-smi")]


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"By default {', '.join(BY_DEFAULT)}.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Write docs/performance.md.")] = False,
) -> None:
    names = names or BY_DEFAULT
    if unknown := set(names) - set(BENCHMARKS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: there are {', '.join(BENCHMARKS)}")
    if len(names) == 1:
        measure(names[0], keep=keep)
        return
    # What one leaves in memory would slow the next.
    more = ["--keep"] if keep else []
    codes = [
        subprocess.run([sys.executable, "-m", "benchmarks", name, *more], check=False).returncode for name in names
    ]
    raise typer.Exit(max(codes))


def measure(name: str, *, keep: bool) -> None:
    rows = list(import_module(f"benchmarks.{name}").measure())
    report.show(name, rows)
    if keep:
        report.keep(name, rows)


typer.run(main)
