"""The whole program as its owner starts it: `limner serve` in a process of its own, with the demo model."""

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

#: Seconds; a worker imports torch and loads its model in that time even on a busy machine.
PATIENCE = 45.0

LIMNER = (sys.executable, "-m", "bot")

#: Decides by chance what tests do; the same in all processes that run them.
SEED = int(
    os.environ.get("LIMNER_TEST_SEED") or random.Random(os.environ.get("PYTEST_XDIST_TESTRUNUID")).randrange(10**6)
)


def environment(data_dir: Path, **more: str) -> dict[str, str]:
    """The machine's own, without what its owner may have set for Limner."""
    ours = ("LIMNER_", "DISCORD_", "SLACK_")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**inherited, "LIMNER_MODEL": "demo", "LIMNER_DATA_DIR": str(data_dir), "LIMNER_HTTP_PORT": "0", **more}


class Server:
    def __init__(self, data_dir: Path, command: Sequence[str] = LIMNER, **more: str) -> None:
        self.process = subprocess.Popen(
            [*command, "serve"],
            cwd=data_dir.parent,
            env=environment(data_dir, **more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        banner = [self.process.stdout.readline() for _ in range(7)]
        self.banner = "".join(banner)
        found = re.search(r"http://\S+", self.banner)
        assert found, self.banner + self.process.communicate()[1]
        self.http = httpx.Client(base_url=found[0], timeout=PATIENCE)

    def worker(self) -> psutil.Process | None:
        children = psutil.Process(self.process.pid).children()
        return children[0] if children else None

    def wait_until_ready(self) -> None:
        until(lambda: self.http.get("/readyz").status_code == 200)

    def generate(self, **fields: Any) -> dict[str, Any]:
        return self._painted("/generate", fields)

    def refine(self, **fields: Any) -> dict[str, Any]:
        return self._painted("/refine", fields)

    def _painted(self, path: str, fields: dict[str, Any]) -> dict[str, Any]:
        response = self.http.post(path, json=fields)
        assert response.status_code == 200, response.text
        body: dict[str, Any] = response.json()
        return body

    def accept(self, **fields: Any) -> str:
        response = self.http.post("/jobs", json=fields)
        assert response.status_code == 202, response.text
        return str(response.json()["id"])

    def job(self, job_id: str) -> dict[str, Any]:
        body: dict[str, Any] = self.http.get(f"/jobs/{job_id}").json()
        return body

    def download(self, image_id: str) -> bytes:
        return self.http.get(f"/download/{image_id}").raise_for_status().content

    def end(self, with_signal: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Exit code and log."""
        self.http.close()
        self.process.send_signal(with_signal)
        _, log = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, log

    def close(self) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGKILL)


class Run:
    """A process, and what it has said so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.out = self.log = ""
        self._news = asyncio.Event()

    async def read(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(self.process.stdout, "out"))
            tasks.create_task(self._read(self.process.stderr, "log"))

    async def _read(self, stream: asyncio.StreamReader | None, name: str) -> None:
        assert stream is not None
        while text := await stream.read(4096):
            setattr(self, name, getattr(self, name) + text.decode())
            self._news.set()

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not is_so():
                self._news.clear()
                await self._news.wait()

    async def until_says(self, words: str) -> None:
        await self.until(lambda: words in self.out + self.log)

    async def ended(self) -> int:
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()

    def lines(self, event: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        return [line for line in found if line["event"] == event]


@asynccontextmanager
async def running(folder: Path, *arguments: str, **variables: str) -> AsyncIterator[Run]:
    """`limner` with these arguments and variables; leaving the block ends it with SIGTERM."""
    process = await asyncio.create_subprocess_exec(
        *(*LIMNER, *arguments),
        cwd=folder,
        env=environment(folder / "data", **{"CUDA_VISIBLE_DEVICES": "", "LIMNER_DRAIN_SECONDS": "0"} | variables),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    run = Run(process)
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(run.read())
        try:
            yield run
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
                await run.ended()
            await reading


Serve = Callable[..., Server]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def serve(data_dir: Path) -> Iterator[Serve]:
    """Starts a server on one data folder; starting it a second time is a restart."""
    servers: list[Server] = []

    def start(**more: str) -> Server:
        servers.append(Server(data_dir, **more))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One that all tests of a module share."""
    server = Server(tmp_path_factory.mktemp("server") / "data")
    server.wait_until_ready()
    yield server
    server.close()


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
