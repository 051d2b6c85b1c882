"""What only a child process can do: die, be replaced, and fail to load its model."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from bot.errors import JobFailed, WorkerDied
from bot.events import Progress
from bot.inference import local
from bot.inference.local import LocalExecutor
from bot.inference.pipelines import DEMO, DEMO_FOLDER
from bot.jobs import ImageRequest, Refinement
from bot.ports import Painted, Work, WorkerState

LONG = ImageRequest(prompt="a cat", width=64, height=64, num_inference_steps=150, seed=1)
SHORT = ImageRequest(prompt="a cat", width=64, height=64, num_inference_steps=1, seed=1)


@asynccontextmanager
async def running(model: str = DEMO, refiner: str = DEMO) -> AsyncIterator[LocalExecutor]:
    executor = LocalExecutor(model, refiner, dict(os.environ))
    task = asyncio.create_task(executor.run(lambda: None))
    yield executor
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(40):
        while not is_so():
            await asyncio.sleep(0.02)


async def events(executor: LocalExecutor, request: ImageRequest | Refinement) -> list[Progress | Painted]:
    source = (b"", "") if isinstance(request, Refinement) else (None, None)
    work = Work(job_id="job", image_ids=("image",), request=request, source=source[0], source_sha256=source[1])
    async with aclosing(executor.paint(work)) as stream:
        return [event async for event in stream]


def state(executor: LocalExecutor) -> WorkerState:
    return executor.status()[0].state


async def test_a_worker_that_is_killed_takes_its_job_along_and_is_replaced() -> None:
    async with running() as executor:
        await until(lambda: executor.capacity == 1)
        first = executor.status()[0]
        painting = asyncio.create_task(events(executor, LONG))
        await until(lambda: state(executor) is WorkerState.BUSY)
        assert first.pid is not None
        os.kill(first.pid, signal.SIGKILL)

        with pytest.raises(WorkerDied, match="SIGKILL"):
            await painting
        assert executor.capacity == 0

        await until(lambda: executor.capacity == 1)
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

    async with running(str(folder)) as executor:

        def has_failed() -> bool:
            details.add(executor.status()[0].detail)
            return state(executor) is WorkerState.FAILED

        await until(has_failed)
        assert executor.capacity == 0
        assert details == {None, f"The folder {folder} holds no model_index.json."}
        with pytest.raises(WorkerDied):
            await events(executor, SHORT)

        shutil.copytree(DEMO_FOLDER / "base", folder)
        await until(lambda: executor.capacity == 1)
        assert executor.status()[0].detail is None
        assert len(await events(executor, SHORT)) == 2


def test_a_worker_dies_with_its_parent() -> None:
    parent = textwrap.dedent("""
        import asyncio, os
        from bot.inference.local import LocalExecutor

        executor = LocalExecutor("demo", "demo", dict(os.environ))
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
