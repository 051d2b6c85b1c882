"""The whole program, with a worker that needs no model, under a sky that another process makes.

The settings come from the environment. Arguments: the file of the weather, and one that is told the port.
"""

import asyncio
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import aiosqlite

from tests.chaos.weather import Weather

#: To be run in the repository.
COMMAND = (sys.executable, "-m", "tests.chaos.program")
WORKER = (sys.executable, "-m", "tests.chaos.worker")
#: Seconds without a step, after which the worker is replaced.
STEP_TIMEOUT = 3.0


def main(weather_file: str, port_file: str) -> None:
    weather = Weather(Path(weather_file))
    move_clock(weather)
    slow_disk(weather)
    # What tells the time is bound where these are imported.
    from bot.app import serve, worker_environment
    from bot.inference.local import local_team
    from bot.inference.wire import NO_REFINER, Load
    from bot.settings import read_settings
    from tests.scenarios.chat_program import hurry

    hurry()
    settings = read_settings()
    load, environment = Load("chaos", NO_REFINER), worker_environment(settings)
    executor = local_team(load, environment, step_timeout=STEP_TIMEOUT, command=WORKER)
    asyncio.run(serve(settings, executor=executor, started=lambda port: tell(Path(port_file), port)))


def move_clock(weather: Weather) -> None:
    real = time.time

    def moved() -> float:
        return real() + weather.ahead

    time.time = moved


def slow_disk(weather: Weather) -> None:
    """For the files of images, and for all that SQLite does."""
    fsync: Any = os.fsync
    execute: Any = aiosqlite.Connection._execute

    def slow_fsync(descriptor: int) -> None:
        time.sleep(random.uniform(0, weather.delay))
        fsync(descriptor)

    async def slow_execute(self: aiosqlite.Connection, *arguments: Any, **more: Any) -> Any:
        await asyncio.sleep(random.uniform(0, weather.delay))
        return await execute(self, *arguments, **more)

    setattr(os, "fsync", slow_fsync)  # noqa: B010 - a plain assignment is none to mypy
    setattr(aiosqlite.Connection, "_execute", slow_execute)  # noqa: B010


def tell(file: Path, port: int) -> None:
    whole = file.with_suffix(".new")
    whole.write_text(str(port))
    whole.replace(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
