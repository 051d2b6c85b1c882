"""The whole program but for its painter, in a process of its own, for tests that kill it and for benchmarks.

The settings come from the environment. Arguments: how many seconds a step takes, how many jobs are painted at once, and
`quick` for one that hurries to tell its news.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from adapters.chat.deliveries import Tempo
from adapters.discord import client
from adapters.slack import app, connection
from bot.app import serve
from bot.settings import read_settings
from tests.fakes.executor import FakeExecutor

ROOT = Path(__file__).parents[2]
#: To be run in ROOT.
COMMAND = (sys.executable, "-m", "tests.scenarios.chat_program")
TEMPO = Tempo(progress=0.1, queue=0.1, retry=0.05)


class QuickClient(client.LimnerClient):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **{**more, "tempo": TEMPO})
        # Otherwise it takes discord.py two seconds to call itself ready.
        self._connection.guild_ready_timeout = 0.01


class QuickApp(app.LimnerApp):
    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **{**more, "tempo": TEMPO})


def hurry() -> None:
    """serve() builds them from here."""
    setattr(client, "LimnerClient", QuickClient)  # noqa: B010 - a plain assignment is none to mypy
    setattr(connection, "LimnerApp", QuickApp)  # noqa: B010


def main(step_seconds: str, slots: str, pace: str = "") -> None:
    if pace == "quick":
        hurry()
    asyncio.run(serve(read_settings(), executor=FakeExecutor(step_seconds=float(step_seconds), slots=int(slots))))


if __name__ == "__main__":
    main(*sys.argv[1:])
