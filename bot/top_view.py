"""`limner top`: what an operator watches, live on a terminal, as the page /admin shows it."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any, NoReturn

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from bot.errors import CannotStart
from bot.settings import Settings
from bot.status_view import ask, worker_table

#: Seconds between two looks.
EVERY = 1.0
#: Rows of what waits and of what failed.
WAITING_MOST, FAILURES_MOST = 8, 4
BARS = " ▁▂▃▄▅▆▇█"


async def watch(settings: Settings, console: Console) -> NoReturn:
    """Until it is cancelled. Raises CannotStart where no server answers at first; later it waits for one."""
    seen = await ask(settings, "/activity")
    with Live(pictured(seen), console=console, screen=console.is_terminal, auto_refresh=False) as live:
        while True:
            await asyncio.sleep(EVERY)
            try:
                seen = await ask(settings, "/activity")
                live.update(pictured(seen), refresh=True)
            except CannotStart as error:
                live.update(Group(Text(str(error), "red"), pictured(seen)), refresh=True)


def pictured(seen: dict[str, Any]) -> RenderableType:
    parts: list[RenderableType] = [
        _headline(seen),
        _hour(seen["minutes"]),
        "",
        worker_table(seen["workers"], expand=True),
    ]
    if seen["running"]:
        parts.append(_running(seen["running"]))
    if seen["waiting"]:
        parts.append(_waiting(seen["waiting"], seen["queued"], seen["now"]))
    if seen["failures"]:
        parts.append(_failures(seen["failures"]))
    parts.append(Text("Ctrl-C ends this; the server goes on.", "dim"))
    return Group(*parts)


def _headline(seen: dict[str, Any]) -> Text:
    lately, server = seen["lately"], seen["server"]
    well = seen["state"] == "ready"
    words = Text.assemble(
        (f"Limner {seen['version']}", "bold"), " ", (seen["state"].replace("_", " "), "green" if well else "red")
    )
    if not well and seen["reason"]:
        words.append(f": {seen['reason']}")
    figures = [
        f"{len(seen['running'])} running",
        f"{seen['queued']} waiting",
        f"{lately['done']} done and {lately['failed']} failed in {lately['hours']} h",
    ]
    if lately["seconds_p50"] is not None:
        figures.append(f"half of them within {lately['seconds_p50']:.0f} s, 95 % within {lately['seconds_p95']:.0f} s")
    if server["memory"] is not None:
        figures.append(f"server {server['memory'] / 1e6:.0f} MB")
    return words.append("   " + ", ".join(figures))


def _hour(minutes: Sequence[dict[str, Any]]) -> Text:
    """A bar for each of the last sixty minutes."""
    most = max((minute["done"] + minute["failed"] for minute in minutes), default=0)
    line = Text("last hour  ", "dim")
    for minute in minutes:
        share = (minute["done"] + minute["failed"]) / max(most, 1)
        line.append(BARS[round(share * (len(BARS) - 1))], "red" if minute["failed"] else "green")
    return line.append(f"  at most {most} a minute", "dim")


def _running(jobs: Sequence[dict[str, Any]]) -> Table:
    table = Table("Running", "Requester", "Image", "Step", "", expand=True)
    for job in jobs:
        steps = job["steps"]
        step = "-" if steps is None else f"{job['step']} of {steps}"
        bar = ProgressBar(total=steps or 1, completed=job["step"] or 0, width=30)
        table.add_row(job["id"][:8], Text(job["requester"]), f"{job['image']} of {job['images']}", step, bar)
    return table


def _waiting(jobs: Sequence[dict[str, Any]], queued: int, now: float) -> Table:
    table = Table("Next", "Requester", "Wants", "Waits for", "Done in about", expand=True)
    for job in jobs[:WAITING_MOST]:
        wants = f"{job['kind']}, {job['images']} image(s)"
        eta = "-" if job["eta"] is None else _span(job["eta"])
        table.add_row(job["id"][:8], Text(job["requester"]), wants, _span(now - job["created_at"]), eta)
    if queued > WAITING_MOST:
        table.caption = f"and {queued - WAITING_MOST} more"
    return table


def _failures(failures: Sequence[dict[str, Any]]) -> Table:
    table = Table("Failed", "At", "Requester", "Code", "Detail", expand=True)
    for failure in failures[:FAILURES_MOST]:
        at = time.strftime("%H:%M:%S", time.localtime(failure["at"])) if failure["at"] else "-"
        words = Text(failure["detail"])
        table.add_row(failure["job_id"][:8], at, Text(failure["requester"]), failure["code"], words)
    return table


def _span(seconds: float) -> str:
    seconds = max(0, round(seconds))
    if seconds < 90:
        return f"{seconds} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
