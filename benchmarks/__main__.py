"""python -m benchmarks: measures on this machine."""

from collections.abc import Callable, Iterable
from typing import Annotated

import torch
import typer

from benchmarks import counts, engine, gpu, mishaps, report, serving

BENCHMARKS: dict[str, Callable[[], Iterable[report.Row]]] = {
    "counts": counts.measure,
    "engine": engine.measure,
    "gpu": gpu.measure,
    "mishaps": mishaps.measure,
    "serving": serving.measure,
}
#: Without a GPU that one has little to say.
BY_DEFAULT = [name for name in BENCHMARKS if name != "gpu" or torch.cuda.is_available()]


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"By default {', '.join(BY_DEFAULT)}.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Write docs/performance.md.")] = False,
) -> None:
    if unknown := set(names or ()) - BENCHMARKS.keys():
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: there are {', '.join(BENCHMARKS)}")
    for name in names or BY_DEFAULT:
        rows = list(BENCHMARKS[name]())
        report.show(name, rows)
        if keep:
            report.keep(name, rows)


typer.run(main)
