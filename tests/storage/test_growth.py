"""That no look-up costs more in an index with more in it, counted in steps of SQLite's machine.

Plans do not tell everything: not what foreign keys ask, and not how much is passed over behind an index.
"""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import aiosqlite
import pytest

from benchmarks.full_index import Full, fill
from benchmarks.questions import Chosen, Stores
from storage.database import Database

SMALL, LARGE = 500, 4000
#: Questions of each kind, of which the one in the middle counts.
TIMES = 9
#: What is asked for grows with the index: the jobs of an hour, all children, and a page that the small one cannot fill.
GROWS = {
    "what became of the jobs of the last hour",
    "what ended in the last hour",
    "children of the image with the most",
    "newest images of a space",
}


@pytest.fixture(scope="module")
def indices(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Full]:
    folder = tmp_path_factory.mktemp("indices")
    return {folder / f"{images}.sqlite": fill(folder / f"{images}.sqlite", images, 100) for images in (SMALL, LARGE)}


class Steps:
    def __init__(self) -> None:
        self.taken = 0

    def __call__(self) -> int:
        self.taken += 1
        return 0


@asynccontextmanager
async def counted(path: Path) -> AsyncIterator[tuple[Database, Steps]]:
    """On one connection, whose steps are counted."""
    steps = Steps()
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        connection.row_factory = aiosqlite.Row
        await connection.execute("PRAGMA foreign_keys = ON")
        await connection.set_progress_handler(steps, 1)
        yield Database(path, connection, connection), steps


async def cost(path: Path, full: Full) -> dict[str, float]:
    """Steps by question."""
    costs = {}
    async with counted(path) as (database, steps):
        chosen = Chosen(full)
        stores = Stores(database, chosen, path.parent)
        for name, ask in (stores.writes() | stores.reads()).items():
            chosen.chance = random.Random(1)
            taken = []
            for _ in range(TIMES):
                before = steps.taken
                await ask()
                taken.append(steps.taken - before)
            costs[name] = median(taken)
    return costs


@pytest.mark.slow
async def test_what_a_command_or_a_claim_needs_costs_the_same_in_an_index_eight_times_as_large(
    indices: dict[Path, Full],
) -> None:
    small, large = [await cost(path, full) for path, full in indices.items()]

    grown = {name: (small[name], large[name]) for name in large if large[name] > 2 * small[name] + 100}
    assert {name: costs for name, costs in grown.items() if name not in GROWS} == {}
    assert all(0 < costs < 5000 for costs in small.values())
