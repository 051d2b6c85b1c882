"""What a benchmark found, where and with what: printed for people, and kept in docs/performance.md."""

import importlib.metadata
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "performance.md"


@dataclass(frozen=True, slots=True)
class Row:
    what: str
    measured: str
    #: "" where nothing was promised.
    goal: str = ""


def machine() -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "diffusers"))
    return f"{_cpu()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


def _cpu() -> str:
    try:
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.machine()


def commit() -> str:
    def git(*words: str) -> str:
        run = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
        return run.stdout.strip()

    name = git("rev-parse", "--short", "HEAD") or "unknown"
    return f"{name} and uncommitted changes" if git("status", "--porcelain", "--", "*.py") else name


def show(title: str, rows: Sequence[Row]) -> None:
    table = Table("", "measured", "goal", title=title, title_justify="left")
    for row in rows:
        table.add_row(row.what, row.measured, row.goal)
    Console().print(table)


def keep(section: str, rows: Sequence[Row]) -> None:
    """Replaces the section of this name in docs/performance.md."""
    lines = [
        "| | measured | goal |",
        "|---|---|---|",
        *(f"| {row.what} | {row.measured} | {row.goal} |" for row in rows),
    ]
    where = f"{datetime.now(UTC):%Y-%m-%d}, commit {commit()}, {machine()}."
    begin, end = f"<!-- {section} -->", f"<!-- end of {section} -->"
    page = PAGE.read_text()
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    PAGE.write_text(f"{before}{begin}\n{where}\n\n" + "\n".join(lines) + f"\n{end}{after}")
