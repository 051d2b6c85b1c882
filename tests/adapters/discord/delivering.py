"""What tests of deliveries look at: the fake's messages and requests, and the rows that the bot wrote."""

import io
import random
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from adapters.chat.deliveries import Tempo
from bot.app import DATABASE
from tests.fakes import executor
from tests.fakes.discord import Channel, FakeAttachment, FakeDiscord, FakeMessage, Request

MESSAGES, MESSAGE = "/channels/{channel_id}/messages", "/channels/{channel_id}/messages/{message_id}"
CALLBACK = "/interactions/{interaction_id}/{interaction_token}/callback"
ORIGINAL = "/webhooks/{webhook_id}/{webhook_token}/messages/@original"

#: Seconds; large pictures take their time on a busy machine.
PATIENCE = 20.0
#: Nothing is told between the first news and the ending.
LACONIC = Tempo(progress=1000, queue=1000, retry=0.01)


class Rows:
    """What stands in the index."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / DATABASE

    def read(self, sql: str) -> list[tuple[object, ...]]:
        with closing(sqlite3.connect(self._path)) as connection:
            return connection.execute(sql).fetchall()

    def states(self) -> list[object]:
        """Of deliveries, in the order of their jobs."""
        rows = self.read("SELECT state FROM deliveries JOIN jobs ON jobs.id = job_id ORDER BY jobs.number")
        return [state for (state,) in rows]

    def details(self) -> list[str]:
        return [str(detail) for (detail,) in self.read("SELECT detail FROM deliveries WHERE detail IS NOT NULL")]

    def notes(self) -> list[str]:
        return [str(note) for (note,) in self.read("SELECT note FROM deliveries")]

    def jobs(self) -> int:
        return len(self.read("SELECT id FROM jobs"))

    def images(self) -> list[str]:
        return [str(image_id) for (image_id,) in self.read("SELECT id FROM images ORDER BY number")]

    def shown(self) -> dict[str, str]:
        """Image ID -> message ID."""
        rows = self.read("SELECT image_id, message_id FROM messages")
        assert len({image for image, _ in rows}) == len(rows), f"an image is shown twice: {rows}"
        return {str(image): str(message) for image, message in rows}


def pictures(message: FakeMessage) -> list[FakeAttachment]:
    """Finished ones."""
    return [file for file in message.attachments if not file.filename.startswith("preview")]


def finished(channel: Channel) -> list[FakeMessage]:
    return [message for message in channel.messages if pictures(message)]


def requests(discord: FakeDiscord, method: str, route: str) -> list[Request]:
    return [request for request in discord.requests if (request.method, request.route) == (method, route)]


async def shown_in(discord: FakeDiscord, channel: Channel, number: int = 1) -> list[FakeMessage]:
    """The messages with finished pictures, once there are so many."""
    await discord.until(lambda: len(finished(channel)) >= number, PATIENCE)
    assert len(finished(channel)) == number
    return finished(channel)


async def only_message(discord: FakeDiscord, channel: Channel, text: str = "") -> FakeMessage:
    """The one message that ever was there, once it says this."""
    await discord.until(lambda: channel.messages and text in channel.messages[-1].content, waiting=text)
    (message,) = channel.record
    return message


async def said(discord: FakeDiscord, channel: Channel, *parts: str) -> FakeMessage:
    """The message that says all of this, once there is one."""

    def found() -> FakeMessage | None:
        return next((one for one in channel.messages if all(part in one.content for part in parts)), None)

    message = await discord.until(found, waiting=parts)
    assert message is not None
    return message


async def settled(discord: FakeDiscord, rows: Rows, states: Sequence[str]) -> None:
    await discord.until(lambda: rows.states() == list(states), PATIENCE, waiting=f"deliveries that are {states}")


def with_pngs(monkeypatch: pytest.MonkeyPatch, png: bytes) -> None:
    """From now on the fake executor paints nothing else."""
    monkeypatch.setattr(executor, "png", lambda size, seed: png)


def smooth(side: int) -> bytes:
    """An uncompressed PNG of 3 x side x side bytes, which any compression makes small."""
    return _uncompressed(Image.linear_gradient("L").resize((side, side)).convert("RGB"))


def noise(side: int, tones: int = 256) -> bytes:
    """The same of what no lossless compression makes much smaller; the fewer tones, the better JPEG does."""
    tone_of = bytes(byte * tones >> 8 for byte in range(256))
    pixels = random.Random(1).randbytes(3 * side * side).translate(tone_of)
    return _uncompressed(Image.frombytes("RGB", (side, side), pixels))


def _uncompressed(picture: Image.Image) -> bytes:
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=0)
    return file.getvalue()


class Refusing:
    """A store whose method is refused by the disk so many times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: type, method: str, times: int) -> None:
        self.left = times
        original = getattr(store, method)

        async def refusing(*args: Any, **kwargs: Any) -> Any:
            if self.left > 0:
                self.left -= 1
                raise sqlite3.OperationalError("database or disk is full")
            return await original(*args, **kwargs)

        monkeypatch.setattr(store, method, refusing)
