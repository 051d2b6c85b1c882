"""What people leave behind when they are gone: nothing, but for what has a cap."""

import asyncio
import os
from collections import Counter
from pathlib import Path

import psutil
import pytest

from benchmarks import soak
from benchmarks.inside import Held, Program

#: Threads that asyncio begins when work comes, and keeps.
POOL = (os.cpu_count() or 1) + 4
OURS = ("bot.", "adapters.", "storage.")
#: Seconds for tasks to end.
PATIENCE = 10.0
#: Of all that a community does in a round of the long one.
PART = 0.4
#: Seconds of the long one. Before it, libraries and caches get theirs.
MINUTES, WARM_UP = 300.0, 90.0


def callers(program: Program) -> int:
    """Connections of those who asked over HTTP, that are still open."""
    port = int(program.url.rpartition(":")[2])
    connections = psutil.Process(program.pid).net_connections()
    return sum(one.laddr.port == port and one.status == psutil.CONN_ESTABLISHED for one in connections)


def files(program: Program) -> set[str]:
    return {one.path for one in psutil.Process(program.pid).open_files()}


def grown(before: Held, after: Held) -> dict[str, int]:
    """Maps of our own; libraries tidy up a little later."""
    found = soak.grown(before, after)
    return {name: more for name, more in found.items() if name.startswith(OURS)}


async def ended(program: Program, before: Held) -> Held:
    """What the program holds once its tasks are done. A delivery is in the index a moment before its task ends."""
    clock = asyncio.get_running_loop()
    give_up = clock.time() + PATIENCE
    while left(before, after := await program.held()) and clock.time() < give_up:
        await asyncio.sleep(0.1)
    return after


def left(before: Held, after: Held) -> dict[str, int]:
    """Tasks."""
    return dict(Counter(after.tasks) - Counter(before.tasks))


@pytest.mark.slow
async def test_a_crowd_on_all_platforms_leaves_no_task_no_file_no_connection_and_no_entry(tmp_path: Path) -> None:
    async with soak.soaking(tmp_path, fake=True) as (program, community):
        await community.round(trouble=False, part=PART)
        before, files_before = await program.held(), files(program)
        await community.round(trouble=False, part=PART)
        after = await ended(program, before)

        assert left(before, after) == {}
        assert grown(before, after) == {}
        assert files(program) <= files_before
        assert callers(program) == 0


@pytest.mark.nightly
async def test_after_minutes_of_a_busy_community_server_and_worker_hold_no_more_than_at_first() -> None:
    soaked = await soak.soak(MINUTES, WARM_UP)

    soaked_rows = {row.what: row.measured for row in soak.rows_of(soaked)}
    assert left(soaked.before, soaked.after) == {}, soaked_rows
    assert soak.grown(soaked.before, soaked.after) == {}, soaked_rows
    for moments, silence in (
        (soaked.rounds.server, soaked.silence.server),
        (soaked.rounds.worker, soaked.silence.worker),
    ):
        assert [soak.growth(moments, of) < soak.GROWTH for of in soak.MEMORY.values()] == [True, True], soaked_rows
        before, after = silence
        assert after.handles <= before.handles, soaked_rows
        assert after.threads <= before.threads + POOL, soaked_rows
