"""Executor: an actor for each GPU of a Ray cluster, whose machines come and go."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from bot import __version__
from bot.errors import WorkerDied
from bot.inference.actor import Actor, Left
from bot.inference.team import Roster, Team
from bot.inference.wire import Load, Order, Report
from bot.inference.worker import Line, serve
from bot.inference.worker_client import ENVIRONMENT, STEP_TIMEOUT
from bot.metrics import Metrics

#: The cluster that this machine belongs to.
NEAREST = "auto"
#: Seconds between two looks at the cluster's machines.
LOOK = 2.0
#: Seconds that the cluster may take to answer.
REACH = 5.0
#: An actor's calls at the same time: one that waits for reports, one that brings orders.
CALLS = 2


def cluster_team(
    load: Load,
    environment: Mapping[str, str],
    *,
    address: str = NEAREST,
    step_timeout: float = STEP_TIMEOUT,
    work: Callable[[Line], int] = serve,
    metrics: Metrics | None = None,
) -> Team:
    """`environment` is what the workers get beside what their machines give them."""
    environment = {**ENVIRONMENT, **environment}

    async def rosters() -> AsyncIterator[Roster]:
        while True:
            try:
                gpus = await gpus_of(address)
            except WorkerDied as error:
                yield Roster({}, str(error))
                # Else Ray would end this whole process after a minute without its head.
                await asyncio.to_thread(ray.shutdown)
            else:
                trouble = None if gpus else f"The Ray cluster at {address} has no GPU."
                yield Roster({name: partial(_start, node, environment, work) for name, node in gpus.items()}, trouble)
            await asyncio.sleep(LOOK)

    return Team("ray", rosters, load, step_timeout=step_timeout, metrics=metrics)


async def gpus_of(address: str) -> dict[str, str]:
    """A name for each GPU of the cluster, and the ID of its machine. Raises WorkerDied where it cannot be reached."""
    try:
        await _reach(address)
        return await asyncio.to_thread(_gpus, address)
    except (OSError, RayError, RuntimeError, ValueError) as error:
        raise WorkerDied(f"The Ray cluster at {address} cannot be reached: {_first_line(error)}") from error


async def _reach(address: str) -> None:
    """Ray itself would try for minutes. Raises OSError."""
    host, _, port = address.rpartition(":")
    if port.isdecimal():
        async with asyncio.timeout(REACH):
            _, writer = await asyncio.open_connection(host.rpartition("/")[2].strip("[]"), int(port))
        writer.close()


def _gpus(address: str) -> dict[str, str]:
    if not ray.is_initialized():
        ray.init(address=address, namespace="limner", configure_logging=False, log_to_driver=False)
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return {
        f"{node['NodeManagerHostname']} {node['NodeID'][:6]} gpu {number}": node["NodeID"]
        for node in nodes
        if node["Alive"]
        for number in range(int(node["Resources"].get("GPU", 0)))
    }


async def _start(node: str, environment: Mapping[str, str], work: Callable[[Line], int]) -> "Call":
    actor: Any = ray.remote(Actor).options(
        num_gpus=1,
        num_cpus=0,
        max_concurrency=CALLS,
        scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
        runtime_env={"env_vars": dict(environment)},
    )
    handle: Any = actor.remote(work)
    try:
        # Waits where others use the GPU.
        version = await handle.start.remote()
    except RayError as error:
        raise WorkerDied(f"The worker could not be started: {_first_line(error)}") from error
    except asyncio.CancelledError:
        ray.kill(handle)
        raise
    if version != __version__:
        ray.kill(handle)
        raise WorkerDied(f"Limner {version} is installed on this machine of the cluster; here it is {__version__}.")
    return Call(handle)


class Call:
    """Implements bot.inference.worker_client.Connection."""

    def __init__(self, handle: Any) -> None:
        self.pid: int | None = None
        self._handle = handle
        self._orders: asyncio.Queue[Order] = asyncio.Queue()
        self._sending = asyncio.create_task(self._send(), name="send orders")
        self._how = "was ended"

    def send(self, order: Order) -> None:
        self._orders.put_nowait(order)

    async def _send(self) -> None:
        # Whoever hears the reports notices as well that it is gone.
        with suppress(RayError):
            while True:
                orders = [await self._orders.get()]
                while not self._orders.empty():
                    orders.append(self._orders.get_nowait())
                await self._handle.take.remote(orders)

    async def reports(self) -> AsyncIterator[Report]:
        while True:
            try:
                reports = await self._handle.reports.remote()
            except RayError as error:
                self._how = f"is gone: {_first_line(error)}"
                return
            for report in reports:
                if isinstance(report, Left):
                    self._how = f"ended with exit code {report.code}"
                    return
                yield report

    def kill(self) -> None:
        ray.kill(self._handle)

    async def end(self) -> str:
        self._sending.cancel()
        await asyncio.to_thread(ray.kill, self._handle)
        return self._how


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0]
