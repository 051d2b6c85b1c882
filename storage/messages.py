"""Messages in the index: which of them show an image."""

from bot.jobs import Message
from storage.database import Row

OF_IMAGE = "SELECT * FROM messages WHERE image_id = :image_id ORDER BY number"


def message_values(message: Message) -> dict[str, str]:
    return {
        "platform": message.platform,
        "space": message.space,
        "channel": message.channel,
        "message_id": message.message_id,
        "thread": message.thread,
    }


def message_of(row: Row) -> Message:
    return Message(
        platform=row["platform"],
        space=row["space"],
        channel=row["channel"],
        message_id=row["message_id"],
        thread=row["thread"],
    )
