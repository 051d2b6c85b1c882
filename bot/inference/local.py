"""Executor: a child process for each device of this machine."""

import asyncio
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from functools import partial

from bot.errors import WorkerDied
from bot.inference.team import Roster, Team
from bot.inference.wire import LENGTH_BYTES, Load, Order, Report, packed
from bot.inference.worker_client import ENVIRONMENT, STEP_TIMEOUT
from bot.metrics import Metrics

#: Starts a worker that speaks bot/inference/wire.py over its standard input and output.
COMMAND = (sys.executable, "-m", "bot.inference.worker")
#: Seconds that a worker gets to end by itself once its pipe is closed.
FAREWELL = 5.0
#: Every GPU that there is.
AUTO = "auto"
#: No GPU, even if there are some.
CPU = "cpu"
#: What tells a worker its devices, for CUDA and ROCm alike.
VISIBLE = "CUDA_VISIBLE_DEVICES"
#: Asked without torch, which the serving process never loads.
LIST_GPUS = ("nvidia-smi", "--list-gpus")


def local_team(
    load: Load,
    environment: Mapping[str, str],
    *,
    devices: str = AUTO,
    step_timeout: float = STEP_TIMEOUT,
    command: Sequence[str] = COMMAND,
    metrics: Metrics | None = None,
) -> Team:
    """`devices`: AUTO, CPU, or GPUs as CUDA names them, separated by commas."""

    environment = {**ENVIRONMENT, **environment}

    async def rosters() -> AsyncIterator[Roster]:
        found = await _devices(devices, environment)
        yield Roster({name: partial(_start, command, {**environment, **own}) for name, own in found.items()})

    return Team("local", rosters, load, step_timeout=step_timeout, metrics=metrics)


async def _devices(wanted: str, environment: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """A name for each, and what its worker's environment says to choose it."""
    if wanted == CPU:
        return {CPU: {VISIBLE: ""}}
    visible = environment.get(VISIBLE) if wanted == AUTO else wanted
    names = await _gpus() if visible is None else [name for name in visible.split(",") if name]
    if not names:
        # None, or none that it knows how to ask for; the worker will see.
        return {"local": {}}
    return {f"gpu {number}": {VISIBLE: name} for number, name in enumerate(names)}


async def _gpus() -> list[str]:
    """UUIDs; in place of a GPU that is cut into instances (MIG), those of its instances."""
    try:
        process = await asyncio.create_subprocess_exec(*LIST_GPUS, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError:
        return []
    answer, _ = await process.communicate()
    uuids: list[str] = []
    for uuid in re.findall(r"UUID: ((?:GPU|MIG)-[\w/-]+)", answer.decode(errors="replace")):
        if uuid.startswith("MIG") and uuids and uuids[-1].startswith("GPU"):
            uuids.pop()
        uuids.append(uuid)
    return uuids


async def _start(command: Sequence[str], environment: Mapping[str, str]) -> "Process":
    try:
        return Process(
            await asyncio.create_subprocess_exec(
                *command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=environment,
                # Ctrl-C in a terminal reaches the whole process group; this program alone decides when its worker ends.
                process_group=0,
            )
        )
    except OSError as error:
        raise WorkerDied(f"The worker process could not be started: {error}.") from error


class Process:
    """Implements bot.inference.worker_client.Connection."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.pid: int | None = process.pid
        self._process = process
        self._orders = process.stdin
        self._reports = process.stdout

    def send(self, order: Order) -> None:
        if self._orders.is_closing():
            raise WorkerDied("The worker process is being replaced.")
        self._orders.write(packed(order))

    async def reports(self) -> AsyncIterator[Report]:
        with suppress(asyncio.IncompleteReadError):
            while True:
                length = int.from_bytes(await self._reports.readexactly(LENGTH_BYTES), "big")
                yield pickle.loads(await self._reports.readexactly(length))

    def kill(self) -> None:
        self._process.kill()

    async def end(self) -> str:
        """Closing its pipe asks it to end."""
        self._orders.close()
        try:
            async with asyncio.timeout(FAREWELL):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        return _how_it_ended(self._process.returncode)


def _how_it_ended(returncode: int | None) -> str:
    if returncode is None or returncode >= 0:
        return f"ended with exit code {returncode}"
    name = signal.Signals(-returncode).name
    hint = "; the machine may have run out of memory" if name == "SIGKILL" else ""
    return f"was ended by {name}{hint}"
