"""What `limner top` draws of what the server tells."""

import io
import re
from typing import Any

import pytest
from rich.console import Console

from bot import __version__, top_view
from bot.errors import CannotStart, JobFailed
from bot.settings import Settings
from tests.adapters.web.clients import client_of, ok
from tests.bot.asking import ask, hear_all
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor


def drawn(seen: dict[str, Any], width: int = 120) -> str:
    console = Console(file=io.StringIO(), width=width, record=True)
    console.print(top_view.pictured(seen))
    return console.export_text()


async def test_it_draws_the_line_the_workers_the_last_hour_and_what_failed(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    async with limner(executor) as service, client_of(service) as client:
        await hear_all(service, await ask(service))
        executor.fail_next(JobFailed("out_of_memory", "No [/] room :cat:."))
        await hear_all(service, await ask(service))
        executor.hold(at_step=2)
        running, *waiting = [await ask(service, images=2) for _ in range(12)]
        while not (seen := ok(await client.get("/activity")))["running"] or seen["running"][0]["steps"] is None:
            pass

        text = drawn(seen)

    assert f"Limner {__version__} ready" in text
    assert "1 running, 11 waiting, 1 done and 1 failed in 24 h, half of them within 0 s" in text
    assert re.search(r"last hour .*█.* at most 2 a minute", text)
    assert re.search(r"fake\W+busy", text)
    assert re.search(rf"{running.id[:8]}\W+test:ann\W+1 of 2\W+1 of 4", text)
    assert all(job.id[:8] in text for job in waiting[: top_view.WAITING_MOST])
    assert "and 3 more" in text
    assert re.search(r"test:ann\W+out_of_memory\W+No \[/] room :cat:\.", text)


async def test_a_server_that_has_done_nothing_yet_is_drawn_too(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False)) as service, client_of(service) as client:
        seen = ok(await client.get("/activity"))

    for width in (40, 80, 200):
        text = drawn(seen, width)
        assert f"Limner {__version__} not ready: starting" in " ".join(text.split())
        assert "Running" not in text
    assert "at most 0 a minute" in text


async def test_without_a_server_it_says_how_to_start_one() -> None:
    settings = Settings(http_port=1)

    with pytest.raises(CannotStart, match="Start it with: limner serve"):
        await top_view.watch(settings, Console(file=io.StringIO()))


@pytest.mark.parametrize(
    ("seconds", "words"), [(-1, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (9000, "2.5 h")]
)
def test_spans_are_said_as_people_say_them(seconds: float, words: str) -> None:
    assert top_view._span(seconds) == words
