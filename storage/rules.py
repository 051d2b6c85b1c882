"""The rules of a space and whom it blocks."""

import json
from collections.abc import Callable

import aiosqlite

from bot.policy import Rules
from storage.database import Database, Row

GET = "SELECT * FROM rules WHERE space = :space"
SET = """
INSERT INTO rules (space, paused, jobs_each, images_most, steps_most, places)
VALUES (:space, :paused, :jobs_each, :images_most, :steps_most, :places)
ON CONFLICT (space) DO UPDATE SET paused = excluded.paused, jobs_each = excluded.jobs_each,
    images_most = excluded.images_most, steps_most = excluded.steps_most, places = excluded.places
"""
IS_BLOCKED = "SELECT 1 FROM blocks WHERE space = :space AND requester = :requester"
BLOCK = "INSERT INTO blocks (space, requester) VALUES (:space, :requester) ON CONFLICT DO NOTHING"
UNBLOCK = "DELETE FROM blocks WHERE space = :space AND requester = :requester"


class RulesOfSpaces:
    """Implements bot.ports.RuleStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, space: str) -> Rules:
        row = await self._database.one(GET, {"space": space})
        return Rules() if row is None else rules_of(row)

    async def change(self, space: str, change: Callable[[Rules], Rules]) -> Rules:
        async def change_them(connection: aiosqlite.Connection) -> Rules:
            rows = list(await connection.execute_fetchall(GET, {"space": space}))
            rules = change(rules_of(rows[0]) if rows else Rules())
            await connection.execute(SET, {"space": space, **values(rules)})
            return rules

        return await self._database.transact(change_them)

    async def is_blocked(self, space: str, requester: str) -> bool:
        return await self._database.one(IS_BLOCKED, {"space": space, "requester": requester}) is not None

    async def block(self, space: str, requester: str) -> bool:
        return await self._database.write(BLOCK, {"space": space, "requester": requester}) > 0

    async def unblock(self, space: str, requester: str) -> bool:
        return await self._database.write(UNBLOCK, {"space": space, "requester": requester}) > 0


def values(rules: Rules) -> dict[str, object]:
    return {
        "paused": rules.paused,
        "jobs_each": rules.jobs_each,
        "images_most": rules.images_most,
        "steps_most": rules.steps_most,
        "places": json.dumps(sorted(rules.places)),
    }


def rules_of(row: Row) -> Rules:
    return Rules(
        paused=bool(row["paused"]),
        jobs_each=row["jobs_each"],
        images_most=row["images_most"],
        steps_most=row["steps_most"],
        places=frozenset(json.loads(row["places"])),
    )
