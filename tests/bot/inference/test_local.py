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
from bot.inference import local
from bot.inference.local import LocalExecutor
from bot.inference.pipelines import DEMO, DEMO_FOLDER
from bot.inference.wire import Load, Loaded
from bot.jobs import ImageRequest, Job, Refinement
from bot.ports import Memory, Painted, Work, WorkerState
from bot.quality import Menu
from bot.styles import Style

pytestmark = pytest.mark.slow

DEMO_LOAD = Load(DEMO, DEMO)
LONG = Menu().filled_in(ImageRequest(prompt="a cat", width=64, height=64, num_inference_steps=150, seed=1))
SHORT = replace(LONG, num_inference_steps=1)


@asynccontextmanager
async def running(load: Load = DEMO_LOAD, **how: Any) -> AsyncIterator[LocalExecutor]:
    executor = LocalExecutor(load, dict(os.environ), **how)
    task = asyncio.create_task(executor.run(lambda: None))
    yield executor
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(40):
        while not is_so():
            await asyncio.sleep(0.02)


async def events(executor: LocalExecutor, request: ImageRequest | Refinement) -> list[Progress | Preview | Painted]:
    source = (b"", "") if isinstance(request, Refinement) else (None, None)
    work = Work(job_id="job", image_ids=("image",), request=request, source=source[0], source_sha256=source[1])
    async with aclosing(executor.paint(work)) as stream:
        return [event async for event in stream]


def state(executor: LocalExecutor) -> WorkerState:
    return executor.status()[0].state


async def test_a_worker_that_is_killed_takes_its_job_along_and_is_replaced() -> None:
    async with running() as executor:
        await until(lambda: executor.has_room([]))
        first = executor.status()[0]
        painting = asyncio.create_task(events(executor, LONG))
        await until(lambda: state(executor) is WorkerState.BUSY)
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)

        with pytest.raises(WorkerDied, match="SIGKILL"):
            await painting
        assert not executor.has_room([])

        await until(lambda: executor.has_room([]))
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


async def test_a_model_that_cannot_be_loaded_is_told_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "PAUSES", (0.0, 0.1))
    folder = tmp_path / "model"
    details: set[str | None] = set()

    async with running(Load(str(folder), DEMO)) as executor:

        def has_failed() -> bool:
            details.add(executor.status()[0].detail)
            return state(executor) is WorkerState.FAILED

        await until(has_failed)
        assert not executor.has_room([])
        assert details == {None, f"The folder {folder} holds no model_index.json."}
        with pytest.raises(WorkerDied):
            await events(executor, SHORT)

        shutil.copytree(DEMO_FOLDER / "base", folder)
        await until(lambda: executor.has_room([]))
        assert executor.status()[0].detail is None
        assert len(await events(executor, SHORT)) == 2


def test_a_worker_dies_with_its_parent() -> None:
    parent = textwrap.dedent("""
        import asyncio, os
        from bot.inference.local import LocalExecutor
        from bot.inference.wire import Load, Loaded

        executor = LocalExecutor(Load("demo", "demo"), dict(os.environ))
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
        await until(lambda: executor.has_room([]))
        first = executor.status()[0]
        assert first.pid is not None
        painting = asyncio.create_task(events(executor, LONG))
        await until(lambda: state(executor) is WorkerState.BUSY)
        os.kill(first.pid, signal.SIGSTOP)

        with pytest.raises(WorkerDied, match="took no step for 3 seconds"):
            await painting

        await until(lambda: executor.has_room([]))
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
        await until(lambda: executor.has_room([]))
        painting = tasks.create_task(died(executor))
        await until(lambda: executor._process is None)

        assert not painting.done()
        assert not executor.has_room([])


async def died(executor: LocalExecutor) -> None:
    with pytest.raises(WorkerDied):
        await events(executor, SHORT)


async def test_a_worker_without_jobs_may_be_silent_and_says_how_it_works() -> None:
    ink = Style(name="ink", lora="/nowhere/ink.safetensors")
    async with running(Load(DEMO, DEMO, Memory.LOW, styles=(ink,)), step_timeout=0.2) as executor:
        await until(lambda: executor.has_room([]))
        pid = executor.status()[0].pid
        await asyncio.sleep(0.6)

        status = executor.status()[0]
        assert (status.pid, status.state) == (pid, WorkerState.READY)
        assert status.plan is not None
        assert status.plan.startswith("low: one model part at a time")
        assert re.search(r"pictures of (\d+)x\1 share a step", status.plan)
        assert "the style ink cannot be used" in status.plan


def job(width: int | None, images: int = 1, *, height: int | None = None) -> Job:
    request = ImageRequest(prompt="a cat", width=width, height=height or width, num_images=images)
    return Job(id="", requester="", space="", origin="", request=request, image_ids=(), created_at=0)


async def test_it_has_room_for_what_is_painted_at_once_and_one_more() -> None:
    executor = LocalExecutor(Load(DEMO, DEMO), {})
    executor._set(state=WorkerState.READY)
    executor._hear(Loaded(DEMO, DEMO, "cpu", "float32", None, None, 256**2, pixels=4 * 256**2, rows=8, plan=""))

    assert executor.has_room([])
    assert executor.has_room([job(None)] * 4)
    assert not executor.has_room([job(None)] * 5)
    assert not executor.has_room([job(None, images=4), job(256)])
    assert executor.has_room([job(64)] * 8)
    assert not executor.has_room([job(64)] * 9)
    assert not executor.has_room([job(2048)])
    assert not executor.has_room([job(None, height=2048)])
