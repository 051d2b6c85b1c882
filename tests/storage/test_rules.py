"""The rules of a space and whom it blocks, also where two admins decide at once."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.decisions import Act, Decision
from bot.jobs import Treatment
from bot.policy import Rules
from storage.database import Database
from storage.rules import RulesOfSpaces

STUDIO, ELSEWHERE = "test:studio", "test:elsewhere"
DECISION = Decision(at=7, space=STUDIO, act=Act.BLOCKED, by="test:ada", about="test:ann")
STRANGE = " \U0001f408\u200d\u2b1b 'in' a \"hat\"\u2028'); DROP TABLE rules -- "
ALL = Rules(
    paused=True,
    jobs_each=1,
    images_most=2,
    steps_most=30,
    places=frozenset({"b", "a", STRANGE}),
    treatment=Treatment.HOLD,
    treatments={"a": Treatment.ALLOW, STRANGE: Treatment.SPOILER},
    words=("gore", STRANGE),
    reports_to="b",
    retention_days=30,
)


@pytest.fixture
async def rules(tmp_path: Path) -> AsyncIterator[RulesOfSpaces]:
    async with Database.open(tmp_path / "limner.sqlite", now=0) as database:
        yield RulesOfSpaces(database)


async def test_where_nobody_decided_anything_nothing_is_limited(rules: RulesOfSpaces) -> None:
    assert await rules.get(STUDIO) == Rules()
    assert not await rules.is_blocked(STUDIO, "test:ann")


@pytest.mark.parametrize("decided", [ALL, Rules(), Rules(paused=True), Rules(places=frozenset({"a"}))])
async def test_rules_come_back_with_every_field(rules: RulesOfSpaces, decided: Rules) -> None:
    assert await rules.change(STUDIO, lambda _: decided) == decided

    assert await rules.get(STUDIO) == decided


async def test_a_change_begins_with_what_holds_and_leaves_the_rest(rules: RulesOfSpaces) -> None:
    await rules.change(STUDIO, lambda _: ALL)

    changed = await rules.change(STUDIO, lambda found: replace(found, paused=False, steps_most=None))

    assert changed == replace(ALL, paused=False, steps_most=None)
    assert await rules.get(STUDIO) == changed


async def test_each_space_has_its_own_rules(rules: RulesOfSpaces) -> None:
    await rules.change(STUDIO, lambda _: ALL)

    assert await rules.get(ELSEWHERE) == Rules()
    await rules.change(ELSEWHERE, lambda found: replace(found, jobs_each=7))
    assert await rules.get(STUDIO) == ALL


async def test_of_two_admins_at_once_neither_loses_what_they_set(rules: RulesOfSpaces) -> None:
    places = {str(number) for number in range(20)}

    await asyncio.gather(
        *(rules.change(STUDIO, lambda found, it=place: replace(found, places=found.places | {it})) for place in places),  # type: ignore[misc]
        rules.change(STUDIO, lambda found: replace(found, paused=True)),
        rules.change(STUDIO, lambda found: replace(found, jobs_each=3)),
    )

    assert await rules.get(STUDIO) == Rules(paused=True, jobs_each=3, places=frozenset(places))


async def test_a_change_that_raises_changes_nothing(rules: RulesOfSpaces) -> None:
    await rules.change(STUDIO, lambda _: ALL)

    def fail(found: Rules) -> Rules:
        raise LookupError(found)

    with pytest.raises(LookupError):
        await rules.change(STUDIO, fail)

    assert await rules.get(STUDIO) == ALL


@pytest.mark.parametrize("senseless", [Rules(jobs_each=0), Rules(images_most=-1), Rules(steps_most=0)])
async def test_a_limit_that_allows_nothing_is_refused(rules: RulesOfSpaces, senseless: Rules) -> None:
    with pytest.raises(sqlite3.IntegrityError, match="CHECK"):
        await rules.change(STUDIO, lambda _: senseless)

    assert await rules.get(STUDIO) == Rules()


async def test_a_requester_is_blocked_in_one_space_until_they_are_not(rules: RulesOfSpaces) -> None:
    assert await rules.block(STUDIO, "test:ann", DECISION)

    assert await rules.is_blocked(STUDIO, "test:ann")
    assert not await rules.is_blocked(ELSEWHERE, "test:ann")
    assert not await rules.is_blocked(STUDIO, "test:bob")
    assert not await rules.is_blocked(STUDIO, "test:ANN")
    assert await rules.unblock(STUDIO, "test:ann", DECISION)
    assert not await rules.is_blocked(STUDIO, "test:ann")


async def test_a_block_is_told_from_none_and_holds_once(rules: RulesOfSpaces) -> None:
    for decide in (rules.block, rules.unblock):
        assert await asyncio.gather(*(decide(STUDIO, "test:ann", DECISION) for _ in range(3))) == [True, False, False]
    assert not await rules.unblock(ELSEWHERE, "test:ann", DECISION)


async def test_rules_and_blocks_hold_after_a_restart(tmp_path: Path) -> None:
    for start in range(2):
        async with Database.open(tmp_path / "limner.sqlite", now=start) as database:
            rules = RulesOfSpaces(database)
            if start == 0:
                await rules.change(STUDIO, lambda _: ALL)
                await rules.block(STUDIO, STRANGE, DECISION)
            assert await rules.get(STUDIO) == ALL
            assert await rules.is_blocked(STUDIO, STRANGE)
