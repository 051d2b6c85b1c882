"""The rules of a space and whom it blocks."""

import json
from collections.abc import Callable, Sequence

import aiosqlite

from bot.decisions import Decision
from bot.jobs import Treatment
from bot.policy import Rules
from storage.database import Database, Row, Values
from storage.reports import record

GET = "SELECT * FROM rules WHERE space = :space"
SET = """
INSERT INTO rules (
    space, paused, jobs_each, images_most, steps_most, places, treatment, treatments, words, reports_to, retention_days
)
VALUES (
    :space, :paused, :jobs_each, :images_most, :steps_most, :places, :treatment, :treatments, :words, :reports_to,
    :retention_days
)
ON CONFLICT (space) DO UPDATE SET paused = excluded.paused, jobs_each = excluded.jobs_each,
    images_most = excluded.images_most, steps_most = excluded.steps_most, places = excluded.places,
    treatment = excluded.treatment, treatments = excluded.treatments, words = excluded.words,
    reports_to = excluded.reports_to, retention_days = excluded.retention_days
"""
IS_BLOCKED = "SELECT 1 FROM blocks WHERE space = :space AND requester = :requester"
BLOCK = "INSERT INTO blocks (space, requester) VALUES (:space, :requester) ON CONFLICT DO NOTHING"
ANY_RETENTION = "SELECT 1 FROM rules WHERE retention_days IS NOT NULL LIMIT 1"
UNBLOCK = "DELETE FROM blocks WHERE space = :space AND requester = :requester"


class RulesOfSpaces:
    """Implements bot.ports.RuleStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, space: str) -> Rules:
        row = await self._database.one(GET, {"space": space})
        return Rules() if row is None else rules_of(row)

    async def change(
        self,
        space: str,
        change: Callable[[Rules], Rules],
        recorded: Callable[[Rules, Rules], Sequence[Decision]] = lambda before, after: (),
    ) -> Rules:
        async def change_them(connection: aiosqlite.Connection) -> Rules:
            rows = list(await connection.execute_fetchall(GET, {"space": space}))
            before = rules_of(rows[0]) if rows else Rules()
            rules = change(before)
            await connection.execute(SET, {"space": space, **values(rules)})
            for decision in recorded(before, rules):
                await record(connection, decision)
            return rules

        return await self._database.transact(change_them)

    async def is_blocked(self, space: str, requester: str) -> bool:
        return await self._database.one(IS_BLOCKED, {"space": space, "requester": requester}) is not None

    async def block(self, space: str, requester: str, decision: Decision) -> bool:
        return await self._decide(BLOCK, {"space": space, "requester": requester}, decision)

    async def unblock(self, space: str, requester: str, decision: Decision) -> bool:
        return await self._decide(UNBLOCK, {"space": space, "requester": requester}, decision)

    async def spaces_with_retention(self) -> bool:
        return await self._database.one(ANY_RETENTION, {}) is not None

    async def _decide(self, sql: str, who: Values, decision: Decision) -> bool:
        async def decide(connection: aiosqlite.Connection) -> bool:
            async with connection.execute(sql, who) as cursor:
                changed = cursor.rowcount > 0
            if changed:
                await record(connection, decision)
            return changed

        return await self._database.transact(decide)


def values(rules: Rules) -> dict[str, object]:
    return {
        "paused": rules.paused,
        "jobs_each": rules.jobs_each,
        "images_most": rules.images_most,
        "steps_most": rules.steps_most,
        "places": json.dumps(sorted(rules.places)),
        "treatment": rules.treatment,
        "treatments": json.dumps(dict(rules.treatments)),
        "words": json.dumps(rules.words, ensure_ascii=False),
        "reports_to": rules.reports_to,
        "retention_days": rules.retention_days,
    }


def rules_of(row: Row) -> Rules:
    return Rules(
        paused=bool(row["paused"]),
        jobs_each=row["jobs_each"],
        images_most=row["images_most"],
        steps_most=row["steps_most"],
        places=frozenset(json.loads(row["places"])),
        treatment=None if row["treatment"] is None else Treatment(row["treatment"]),
        treatments={place: Treatment(name) for place, name in json.loads(row["treatments"]).items()},
        words=tuple(json.loads(row["words"])),
        reports_to=row["reports_to"],
        retention_days=row["retention_days"],
    )
