"""The whole program under faults of all kinds: whatever happens, every promise holds once it is calm again."""

import random
from pathlib import Path

import pytest
import structlog

from tests.chaos.checker import check
from tests.chaos.faults import FAULTS
from tests.chaos.world import World
from tests.scenarios.conftest import SEED

#: Of faults, in a round.
LEAST, MOST = 3, 5
#: Rounds of a world.
SHORT, LONG = 3, 10
WORLDS = 20

log = structlog.get_logger(__name__)


def dealt(chance: random.Random, rounds: int) -> list[list[str]]:
    """As from a deck of cards: no fault comes again before all have come."""
    deck: list[str] = []
    hands = []
    for _ in range(rounds):
        number = chance.randint(LEAST, MOST)
        while len(deck) < number:
            deck = chance.sample(list(FAULTS), len(FAULTS)) + deck
        hands.append([deck.pop() for _ in range(number)])
    return hands


async def live_through(folder: Path, seed: int, rounds: int) -> None:
    async with World(folder, seed) as world:
        for number, names in enumerate(dealt(random.Random(seed), rounds), start=1):
            log.info("round", seed=seed, number=number, faults=names)
            await world.round({name: FAULTS[name] for name in names})
            await check(world)
        log.info("world", seed=seed, **world.figures())


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [SEED])
async def test_all_promises_hold_whatever_goes_wrong(tmp_path: Path, seed: int) -> None:
    await live_through(tmp_path, seed, SHORT)


@pytest.mark.nightly
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [SEED + number for number in range(WORLDS)])
async def test_all_promises_hold_in_many_worlds(tmp_path: Path, seed: int) -> None:
    await live_through(tmp_path, seed, LONG)
