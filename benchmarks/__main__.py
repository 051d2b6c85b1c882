"""python -m benchmarks: measures on this machine."""

from typing import Annotated

import typer

from benchmarks import report, serving

BENCHMARKS = {"serving": serving.measure}


def main(
    names: Annotated[list[str] | None, typer.Argument(help=f"Of {', '.join(BENCHMARKS)}; all by default.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Write docs/performance.md.")] = False,
) -> None:
    if unknown := set(names or ()) - BENCHMARKS.keys():
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: there are {', '.join(BENCHMARKS)}")
    for name in names or BENCHMARKS:
        rows = BENCHMARKS[name]()
        report.show(name, rows)
        if keep:
            report.keep(name, rows)


typer.run(main)
