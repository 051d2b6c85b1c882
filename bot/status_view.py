"""Asks the running server how it is, and shows that on a terminal."""

from collections.abc import Sequence
from typing import Any

import httpx
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from bot.errors import CannotStart
from bot.settings import Settings

TIMEOUT = 10.0
COLOURS = {"ready": "green", "busy": "green", "starting": "yellow", "failed": "red"}


async def show(settings: Settings, console: Console) -> None:
    """Raises CannotStart where no server answers as it should."""
    _print(await ask(settings, "/status"), console)


async def ask(settings: Settings, path: str) -> dict[str, Any]:
    """What the running server answers there. Raises CannotStart."""
    host = f"[{settings.http_host}]" if ":" in settings.http_host else settings.http_host
    url = f"http://{host}:{settings.http_port}"
    # In bytes, as httpx takes ASCII alone for text.
    keys = [f"Bearer {key.get_secret_value()}".encode() for key in settings.api_keys]
    headers = [(b"Authorization", key) for key in keys[:1]]
    try:
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=TIMEOUT, trust_env=False) as client:
            response = await client.get(path)
            response.raise_for_status()
            body: Any = response.json()
    except httpx.HTTPStatusError as error:
        raise CannotStart(f"{url} answered {error.response.status_code}. Is LIMNER_API_KEYS set as there?") from error
    except (httpx.HTTPError, ValueError) as error:
        raise CannotStart(f"No Limner answers on {url}. Start it with: limner serve") from error
    if not isinstance(body, dict) or not body.keys() >= {"version", "workers"}:
        raise CannotStart(f"What answers on {url} is no Limner. Set LIMNER_HTTP_PORT to Limner's port.")
    return body


def _print(status: dict[str, Any], console: Console) -> None:
    state = "stopping" if status["stopping"] else "ready" if status["ready"] else "not ready"
    counts = ", ".join(f"{count} {name}" for name, count in status["jobs"].items())
    console.print(f"[bold]Limner {status['version']}[/] is {state}. Jobs: {counts}.", highlight=False)
    if status.get("trouble"):
        console.print(f"[red]The disk does not work:[/] {escape(status['trouble'])}", highlight=False, soft_wrap=True)
    console.print(worker_table(status["workers"]))
    for worker in status["workers"]:
        if worker.get("plan"):
            console.print(f"{worker['name']}: {escape(worker['plan'])}", highlight=False, soft_wrap=True)
    if any(worker["model"] and not worker.get("image_check") for worker in status["workers"]):
        console.print("Images are unchecked; LIMNER_IMAGE_CHECK sets a model that checks them.", highlight=False)
    if status["running"]:
        running = Table("Job", "Requester", "Image", "Step")
        for job in status["running"]:
            step = "-" if job["steps"] is None else f"{job['step']} of {job['steps']}"
            running.add_row(job["id"], job["requester"], f"{job['image']} of {job['images']}", step)
        console.print(running)


def worker_table(workers: Sequence[dict[str, Any]], *, expand: bool = False) -> Table:
    table = Table("Worker", "State", "Model", "Device", "Memory", "Restarts", "Detail", expand=expand)
    for worker in workers:
        table.add_row(
            Text(worker["name"]),
            Text(worker["state"], COLOURS[worker["state"]]),
            Text(worker["model"] or "-"),
            f"{worker['device'] or '-'} {worker['dtype'] or ''}",
            memory(worker["memory_used"], worker["memory_total"]),
            str(worker["restarts"]),
            Text(worker["detail"] or ""),
        )
    return table


def memory(used: int | None, total: int | None) -> str:
    return "-" if used is None or total is None else f"{used / 1e9:.1f} of {total / 1e9:.1f} GB"
