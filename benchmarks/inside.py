"""The whole program in a process of its own, as `limner serve` runs it, that tells what it holds whenever it is asked.

A line on standard input asks, a line of JSON on standard output answers; the first line there is the port. Arguments:
`fake` for a painter that only takes its time. Nothing of the program knows that it is looked into.
"""

import asyncio
import gc
import json
import re
import signal
import subprocess
import sys
from collections import Counter, UserDict, deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any
from weakref import WeakKeyDictionary, WeakSet, WeakValueDictionary

from benchmarks.report import ROOT
from bot import log
from bot.app import serve
from bot.settings import read_settings

#: Modules whose objects are looked into.
ROOMS = ("bot", "adapters", "storage", "discord", "slack_bolt", "slack_sdk", "aiohttp", "aiosqlite", "uvicorn")
#: Asked by `isinstance`. Not abstract classes: those remember whom they were asked about.
MAPS = (dict, set, list, deque, UserDict, WeakSet, WeakKeyDictionary, WeakValueDictionary)
#: What differs from one task to the next: IDs and numbers.
NUMBER = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+")
#: Of the fake painter.
STEP_SECONDS, SLOTS = 0.001, 4


@dataclass(frozen=True, slots=True)
class Held:
    """By names."""

    #: Without IDs and numbers.
    tasks: dict[str, int]
    #: `module.Class.attribute` -> members of all such maps, lists and queues together.
    maps: dict[str, int]
    #: Objects that the garbage collector knows, by their type.
    objects: dict[str, int]


class Program:
    """Seen from outside."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.pid = process.pid
        self.url = f"http://127.0.0.1:{port}"
        self._process = process

    @classmethod
    async def start(cls, environment: Mapping[str, str], *, fake: bool = False) -> "Program":
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", __name__, *(["fake"] if fake else [])),
            cwd=ROOT,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            limit=2**24,
        )
        assert process.stdout is not None
        return cls(process, int(await process.stdout.readline()))

    async def held(self) -> Held:
        """After the garbage is collected."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        return Held(**json.loads(await self._process.stdout.readline()))

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.terminate()
        # Lets it say what it has to say.
        await self._process.communicate()


async def run(*, fake: bool) -> None:
    asyncio.get_running_loop().add_reader(sys.stdin, _tell)
    executor = None
    if fake:
        from tests.fakes.executor import FakeExecutor

        executor = FakeExecutor(step_seconds=STEP_SECONDS, slots=SLOTS)
    await serve(read_settings(), executor=executor, started=lambda port: print(port, flush=True))


def _tell() -> None:
    if not sys.stdin.readline():
        # Whoever asked is gone.
        asyncio.get_running_loop().remove_reader(sys.stdin)
        signal.raise_signal(signal.SIGTERM)
        return
    print(json.dumps(asdict(held())), flush=True)


def held() -> Held:
    gc.collect()
    everything = gc.get_objects()
    tasks = Counter(NUMBER.sub("…", task.get_name()) for task in asyncio.all_tasks())
    maps: Counter[str] = Counter()
    for one in everything:
        if _name(type(one)).partition(".")[0] in ROOMS:
            maps.update(dict(_maps_of(one)))
    objects = Counter(_name(type(one)) for one in everything)
    return Held(dict(tasks), dict(maps), dict(objects))


def _maps_of(one: object) -> Iterator[tuple[str, int]]:
    for attribute, value in _attributes(one):
        if isinstance(value, asyncio.Queue):
            yield f"{_name(type(one))}.{attribute}", value.qsize()
        elif isinstance(value, MAPS):
            yield f"{_name(type(one))}.{attribute}", len(value)


def _attributes(one: object) -> Iterator[tuple[str, Any]]:
    own = getattr(one, "__dict__", None)
    if isinstance(own, dict):
        yield from list(own.items())
    for kind in type(one).__mro__:
        slots = kind.__dict__.get("__slots__", ())
        for slot in (slots,) if isinstance(slots, str) else slots:
            if hasattr(one, slot):
                yield slot, getattr(one, slot)


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


if __name__ == "__main__":
    log.write_lines()
    asyncio.run(run(fake="fake" in sys.argv))
