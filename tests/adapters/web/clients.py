"""Clients of the real app: in memory, or over a real socket where bytes must flow while the answer is made."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from adapters.web.app import build
from adapters.web.server import listen, server
from bot.service import Service

Answer = dict[str, Any]


@dataclass(slots=True)
class StandingClock:
    """Goes on where a test says so."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def client_of(service: Service, *keys: str, key: str | None = None) -> httpx.AsyncClient:
    """Sees the answer to an unexpected error, and not the error itself, as clients do."""
    transport = httpx.ASGITransport(build(service, keys, hosts=["limner"]), raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.AsyncClient(transport=transport, base_url="http://limner", headers=headers)


@asynccontextmanager
async def served(service: Service, *keys: str) -> AsyncIterator[httpx.AsyncClient]:
    """Over a real socket."""
    with listen("127.0.0.1", 0) as socket:
        http = server(build(service, keys, hosts=["limner"]))
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(http.serve(sockets=[socket]))
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{socket.getsockname()[1]}") as client:
                yield client
            http.should_exit = True
            await serving


def problem(response: httpx.Response, status: int, code: str) -> Answer:
    """What every refusal looks like."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: Answer = response.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, "about:blank")
    assert body["title"]
    assert body["detail"]
    return body


def ok(response: httpx.Response, status: int = 200) -> Answer:
    assert response.status_code == status, response.text
    body: Answer = response.json()
    return body


def sent_events(text: str) -> list[tuple[str, Any]]:
    """Server-sent events as (name, data); comments, which keep the line open, are left out."""
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in text.split("\n\n") if block]
    return [(block["event"], json.loads(block["data"])) for block in blocks if "event" in block]
