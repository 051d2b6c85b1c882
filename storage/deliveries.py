"""What the platforms were told and what is owed to them: deliveries, and the messages that show images."""

import json
from collections.abc import Mapping, Sequence

import aiosqlite

from bot.jobs import Delivery, Message
from storage.database import Database
from storage.jobs import job_of
from storage.messages import message_values

OWED = """
SELECT jobs.*, deliveries.note FROM deliveries JOIN jobs ON jobs.id = deliveries.job_id
WHERE deliveries.platform = :platform AND deliveries.state = 'owed' ORDER BY jobs.number
"""
NOTE = "UPDATE deliveries SET note = :note WHERE job_id = :job_id"
NOTED = "SELECT note FROM deliveries WHERE job_id = :job_id"
DELIVERED = "UPDATE deliveries SET state = 'delivered' WHERE job_id = :job_id AND state = 'owed'"
GIVE_UP = "UPDATE deliveries SET state = 'failed', detail = :detail WHERE job_id = :job_id AND state = 'owed'"
# An image may have been deleted meanwhile.
ADD_MESSAGE = """
INSERT INTO messages (platform, space, channel, message_id, thread, image_id, image_number, requester, private)
SELECT :platform, :space, :channel, :message_id, :thread, id, number, requester, audience = ''
FROM images WHERE id = :image_id
ON CONFLICT DO NOTHING
"""
GONE = """
SELECT value FROM json_each(:images) AS wanted WHERE NOT EXISTS (SELECT 1 FROM images WHERE images.id = wanted.value)
"""
BY_MESSAGE = """
SELECT image_id FROM messages
WHERE platform = :platform AND channel = :channel AND message_id = :message_id ORDER BY number
"""
NEWEST_IN_THREAD = """
SELECT image_id FROM messages
WHERE platform = :platform AND channel = :channel AND thread = :thread ORDER BY number DESC LIMIT 1
"""
# Twice the end of an index, as private ones may be all that there is at the end of one for both.
NEWEST_OF_REQUESTER = """
SELECT id FROM images WHERE number = (
    SELECT max(newest) FROM (
        SELECT max(image_number) AS newest FROM messages
        WHERE requester = :requester AND platform = :platform AND channel = :channel AND private = 0
        UNION ALL
        SELECT max(image_number) FROM messages
        WHERE requester = :requester AND platform = :platform AND channel = :channel AND private = :private
    )
)
"""


class Deliveries:
    """Implements bot.ports.DeliveryStore. A delivery is owed from the moment its job is accepted."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def owed(self, platform: str) -> Sequence[Delivery]:
        rows = await self._database.all(OWED, {"platform": platform})
        return [Delivery(job=job_of(row), note=row["note"]) for row in rows]

    async def note(self, job_id: str, note: str) -> None:
        await self._database.write(NOTE, {"job_id": job_id, "note": note})

    async def noted(self, job_id: str) -> str:
        row = await self._database.one(NOTED, {"job_id": job_id})
        return "" if row is None else str(row["note"])

    async def delivered(self, job_id: str, messages: Mapping[str, Message]) -> Sequence[str]:
        async def deliver(connection: aiosqlite.Connection) -> Sequence[str]:
            await connection.execute(DELIVERED, {"job_id": job_id})
            for image_id, message in messages.items():
                await connection.execute(ADD_MESSAGE, {**message_values(message), "image_id": image_id})
            gone = await connection.execute_fetchall(GONE, {"images": json.dumps(list(messages))})
            return [row["value"] for row in gone]

        return await self._database.transact(deliver)

    async def give_up(self, job_id: str, detail: str) -> None:
        await self._database.write(GIVE_UP, {"job_id": job_id, "detail": detail})

    async def by_message(self, platform: str, channel: str, message_id: str) -> Sequence[str]:
        values = {"platform": platform, "channel": channel, "message_id": message_id}
        return [row["image_id"] for row in await self._database.all(BY_MESSAGE, values)]

    async def newest_in_thread(self, platform: str, channel: str, thread: str) -> str | None:
        row = await self._database.one(NEWEST_IN_THREAD, {"platform": platform, "channel": channel, "thread": thread})
        return None if row is None else str(row["image_id"])

    async def newest_of_requester(self, requester: str, platform: str, channel: str, *, private: bool) -> str | None:
        values = {"requester": requester, "platform": platform, "channel": channel, "private": private}
        row = await self._database.one(NEWEST_OF_REQUESTER, values)
        return None if row is None else str(row["id"])
