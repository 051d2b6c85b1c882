"""What only a child process can do: die, be replaced, and fail to load its model."""

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from bot.errors import JobFailed, WorkerDied
from bot.events import Preview, Progress
from bot.inference import local, worker_client
from bot.inference.local import local_team
from bot.inference.pipelines import DEMO, DEMO_FOLDER
from bot.inference.wire import Load
from bot.jobs import ImageRequest, Job, Refinement
from bot.ports import Executor, Memory, Painted, Work, WorkerState
from bot.quality import Menu
from bot.styles import Style

pytestmark = pytest.mark.slow

DEMO_LOAD = Load(DEMO, DEMO)
LONG = Menu().filled_in(ImageRequest(prompt="a cat", width=64, height=64, num_inference_steps=150, seed=1))
SHORT = replace(LONG, num_inference_steps=1)
JOB = Job(id="job", requester="", space="", origin="", request=SHORT, image_ids=(), created_at=0)


@asynccontextmanager
async def running(load: Load = DEMO_LOAD, **how: Any) -> AsyncIterator[Executor]:
    executor = local_team(load, dict(os.environ), **how)
    task = asyncio.create_task(executor.run(lambda: None))
    yield executor
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(40):
        while not is_so():
            await asyncio.sleep(0.02)


async def events(executor: Executor, request: ImageRequest | Refinement) -> list[Progress | Preview | Painted]:
    source = (b"", "") if isinstance(request, Refinement) else (None, None)
    work = Work(job_id="job", image_ids=("image",), request=request, source=source[0], source_sha256=source[1])
    async with aclosing(executor.paint(work)) as stream:
        return [event async for event in stream]


def state(executor: Executor) -> WorkerState:
    return executor.status()[0].state


def has_room(executor: Executor) -> bool:
    return executor.has_room(JOB, [])


@pytest.mark.nightly
async def test_a_worker_that_is_killed_takes_its_job_along_and_is_replaced() -> None:
    async with running() as executor:
        await until(lambda: has_room(executor))
        first = executor.status()[0]
        painting = asyncio.create_task(events(executor, LONG))
        await until(lambda: state(executor) is WorkerState.BUSY)
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)

        with pytest.raises(WorkerDied, match="SIGKILL"):
            await painting
        assert not has_room(executor)

        await until(lambda: has_room(executor))
        second = executor.status()[0]
        assert second.pid != first.pid
        assert (second.restarts, second.detail) == (1, None)
        assert len(await events(executor, SHORT)) == 2

        # Signals for the whole process group are the parent's to answer.
        assert second.pid is not None
        os.kill(second.pid, signal.SIGINT)
        os.kill(second.pid, signal.SIGTERM)
        with pytest.raises(JobFailed, match="UnidentifiedImageError"):
            await events(executor, Refinement(image_id="broken", prompt="snow", seed=1))
        assert len(await events(executor, SHORT)) == 2

    assert not psutil.pid_exists(second.pid), "the worker ends with its executor"


@pytest.mark.nightly
async def test_a_model_that_cannot_be_loaded_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_client, "PAUSES", (0.0, 0.1))
    folder = tmp_path / "model"
    details: set[str | None] = set()

    async with running(Load(str(folder), DEMO)) as executor:

        def has_failed() -> bool:
            details.add(executor.status()[0].detail)
            return state(executor) is WorkerState.FAILED

        await until(has_failed)
        assert not has_room(executor)
        assert details == {None, f"The folder {folder} holds no model_index.json."}
        with pytest.raises(WorkerDied):
            await events(executor, SHORT)

        shutil.copytree(DEMO_FOLDER / "base", folder)
        await until(lambda: has_room(executor))
        assert executor.status()[0].detail is None
        assert len(await events(executor, SHORT)) == 2


def test_a_worker_dies_with_its_parent() -> None:
    parent = textwrap.dedent("""
        import asyncio, os
        from bot.inference.local import local_team
        from bot.inference.wire import Load

        executor = local_team(Load("demo", "demo"), dict(os.environ))
        said = []

        def changed():
            pid = executor.status()[0].pid
            if pid and not said:
                said.append(pid)
                print(pid, flush=True)

        asyncio.run(executor.run(changed))
    """)
    with subprocess.Popen([sys.executable, "-c", parent], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        worker = psutil.Process(int(process.stdout.readline()))
        assert worker.is_running()
        process.kill()

    worker.wait(timeout=20)


async def test_a_worker_that_takes_no_step_for_too_long_is_replaced() -> None:
    async with running(step_timeout=3.0) as executor:
        await until(lambda: has_room(executor))
        first = executor.status()[0]
        assert first.pid is not None
        painting = asyncio.create_task(events(executor, LONG))
        await until(lambda: state(executor) is WorkerState.BUSY)
        os.kill(first.pid, signal.SIGSTOP)

        with pytest.raises(WorkerDied, match="took no step for 3 seconds"):
            await painting

        await until(lambda: has_room(executor))
        assert executor.status()[0].pid != first.pid
        assert len(await events(executor, SHORT)) == 2


#: Takes one job, says nothing more, and does not end by itself.
DYING = """
import os, sys, time
from bot.inference.wire import LENGTH_BYTES, Loaded, packed

def read():
    return sys.stdin.buffer.read(int.from_bytes(sys.stdin.buffer.read(LENGTH_BYTES), "big"))

read()
sys.stdout.buffer.write(packed(Loaded("m", "r", "cpu", "float32", None, None, 64**2, 4 * 64**2, 4, "")))
sys.stdout.buffer.flush()
read()
os.close(1)
time.sleep(60)
"""


async def test_a_worker_that_takes_its_time_to_die_is_given_no_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    """They would lose an attempt each, and fail at the second."""
    monkeypatch.setattr(local, "FAREWELL", 0.5)
    async with running(command=(sys.executable, "-c", DYING)) as executor, asyncio.TaskGroup() as tasks:
        await until(lambda: has_room(executor))
        painting = tasks.create_task(died(executor))
        await until(lambda: state(executor) is WorkerState.FAILED)

        assert not painting.done()
        assert not has_room(executor)


async def died(executor: Executor) -> None:
    with pytest.raises(WorkerDied):
        await events(executor, SHORT)


async def test_a_worker_without_jobs_may_be_silent_and_says_how_it_works() -> None:
    ink = Style(name="ink", lora="/nowhere/ink.safetensors")
    async with running(Load(DEMO, DEMO, Memory.LOW, styles=(ink,)), step_timeout=0.2) as executor:
        await until(lambda: has_room(executor))
        pid = executor.status()[0].pid
        await asyncio.sleep(0.6)

        status = executor.status()[0]
        assert (status.pid, status.state) == (pid, WorkerState.READY)
        assert status.plan is not None
        assert status.plan.startswith("low: one model part at a time")
        assert re.search(r"pictures of (\d+)x\1 share a step", status.plan)
        assert "the style ink cannot be used" in status.plan
