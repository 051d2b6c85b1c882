"""The program's process: started, watched and started again as a service manager does, and killed."""

import asyncio
import random
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from tests.chaos.program import COMMAND
from tests.chaos.weather import Weather
from tests.scenarios.chat_program import ROOT
from tests.scenarios.conftest import environment

#: Seconds between the end of a life and the next one, at most.
PAUSE = 0.3
#: Seconds that an orderly stop may take.
FAREWELL = 45.0


class Program:
    """One data folder, and as many lives of the program on it as it takes."""

    def __init__(self, folder: Path, data_dir: Path, weather: Weather, variables: Mapping[str, str]) -> None:
        self._folder = folder
        self._weather = weather
        self._environment = environment(data_dir, **variables)
        self._process: asyncio.subprocess.Process | None = None
        self._port_file = folder / "port"
        #: Without room on the disk it cannot start.
        self.may_not_start = False
        #: This life was ended on purpose.
        self._was_ended = False
        self.log = folder / "log"
        self.lives = 0
        #: Ends that nobody wanted.
        self.wrong: list[str] = []

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def address(self) -> str:
        """Of its HTTP API; once it listens."""
        return f"http://127.0.0.1:{self._port_file.read_text()}" if self._port_file.exists() else "http://127.0.0.1:9"

    async def run(self, chance: random.Random) -> None:
        """Until it is cancelled."""
        try:
            while True:
                code = await self._live()
                if not (self._was_ended or (self.may_not_start and not self._port_file.exists())):
                    self.wrong.append(f"the program ended by itself with exit code {code}")
                await asyncio.sleep(chance.uniform(0, PAUSE))
        finally:
            await self.kill()

    async def _live(self) -> int:
        self._port_file.unlink(missing_ok=True)
        self.lives += 1
        self._was_ended = False
        with self.log.open("ab") as file:
            self._process = await asyncio.create_subprocess_exec(
                *(*COMMAND, str(self._folder / "weather"), str(self._port_file)),
                cwd=ROOT,
                env=self._environment,
                stdout=file,
                stderr=file,
            )
        return await self._process.wait()

    async def kill(self) -> None:
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        await self._end(signal.SIGTERM)

    async def _end(self, how: signal.Signals) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        self._was_ended = True
        with suppress(ProcessLookupError):
            process.send_signal(how)
        try:
            async with asyncio.timeout(FAREWELL):
                await process.wait()
        except TimeoutError:
            self.wrong.append("an orderly stop took too long")
            process.kill()
            await process.wait()

    def worker(self) -> psutil.Process | None:
        if not self.is_alive or self._process is None:
            return None
        with suppress(psutil.Error):
            for child in psutil.Process(self._process.pid).children():
                if child.status() != psutil.STATUS_ZOMBIE:
                    return child
        return None
