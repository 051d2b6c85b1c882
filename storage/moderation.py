"""What is reported to moderators, and the record of what was decided in each space."""

import json
from collections.abc import Sequence

import aiosqlite

from bot.decisions import Decision, Report
from bot.jobs import Image, Message
from storage.database import Database
from storage.deliveries import ADD_MESSAGE
from storage.images import delete_images
from storage.messages import OF_IMAGE, message_of, message_values
from storage.reports import RECORD, REPORT, decision_of, decision_values, record, report_of, report_values

STATE = "SELECT state FROM reports WHERE image_id = :image_id"
OWED = "SELECT * FROM reports WHERE platform = :platform AND state = 'owed' ORDER BY created_at, image_id"
TOLD = "UPDATE reports SET state = 'told' WHERE image_id = :image_id AND state = 'owed'"
CLOSE = "UPDATE reports SET state = 'closed' WHERE image_id = :image_id AND state != 'closed'"
SHOW = "UPDATE images SET held = 0 WHERE id = :image_id AND held = 1"
COUNT_REMOVED = "UPDATE jobs SET removed = removed + 1 WHERE id = :job_id"
OWE_AGAIN = "UPDATE deliveries SET state = 'owed', detail = NULL WHERE job_id = :job_id"
NEWEST = "SELECT * FROM decisions WHERE space = :space ORDER BY number DESC LIMIT :limit"


class Moderation:
    """Implements bot.ports.ModerationStore."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def report(self, report: Report, decision: Decision) -> str | None:
        async def write(connection: aiosqlite.Connection) -> str | None:
            rows = list(await connection.execute_fetchall(STATE, {"image_id": report.image_id}))
            if rows:
                return str(rows[0]["state"])
            await connection.execute(REPORT, report_values(report))
            await record(connection, decision)
            return None

        return await self._database.transact(write)

    async def owed(self, platform: str) -> Sequence[Report]:
        return [report_of(row) for row in await self._database.all(OWED, {"platform": platform})]

    async def told(self, image_id: str, message: Message) -> bool:
        async def tell(connection: aiosqlite.Connection) -> bool:
            async with connection.execute(TOLD, {"image_id": image_id}) as cursor:
                told = cursor.rowcount > 0
            if told:
                await connection.execute(ADD_MESSAGE, {**message_values(message), "image_id": image_id})
            return told

        return await self._database.transact(tell)

    async def approve(self, image: Image, decision: Decision) -> bool:
        async def approve(connection: aiosqlite.Connection) -> bool:
            if not await _closed(connection, image.id):
                return False
            async with connection.execute(SHOW, {"image_id": image.id}) as cursor:
                shown = cursor.rowcount > 0
            if shown and image.job_id is not None:
                await connection.execute(OWE_AGAIN, {"job_id": image.job_id})
            await record(connection, decision)
            return True

        return await self._database.transact(approve)

    async def refuse(self, image: Image, decisions: Sequence[Decision]) -> Sequence[Message] | None:
        async def refuse(connection: aiosqlite.Connection) -> Sequence[Message] | None:
            if not await _closed(connection, image.id):
                return None
            messages = [message_of(row) for row in await connection.execute_fetchall(OF_IMAGE, {"image_id": image.id})]
            await delete_images(connection, json.dumps([image.id]))
            if image.job_id is not None:
                await connection.execute(COUNT_REMOVED, {"job_id": image.job_id})
                await connection.execute(OWE_AGAIN, {"job_id": image.job_id})
            for decision in decisions:
                await record(connection, decision)
            return messages

        return await self._database.transact(refuse)

    async def record(self, decision: Decision) -> None:
        await self._database.write(RECORD, decision_values(decision))

    async def newest(self, space: str, limit: int) -> Sequence[Decision]:
        return [decision_of(row) for row in await self._database.all(NEWEST, {"space": space, "limit": limit})]


async def _closed(connection: aiosqlite.Connection, image_id: str) -> bool:
    """False where it was decided before."""
    async with connection.execute(CLOSE, {"image_id": image_id}) as cursor:
        return cursor.rowcount > 0
