"""Takes off Discord what was erased here: messages go, or lose the one picture."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from pathlib import PurePath
from typing import Any

import discord
import structlog

from adapters.chat.mishaps import Mishap, Passing, Unreachable
from adapters.chat.retry import again_and_again
from adapters.discord.buttons import TEMPLATE_OF_BUTTON
from adapters.discord.mishaps import told_apart
from adapters.discord.origin import Note, Origin
from adapters.discord.place import PLATFORM
from adapters.discord.screens import reopened
from adapters.discord.uploads import COVERED
from bot.jobs import Belongings, Delivery, Message
from bot.service import Service

#: Buttons that belong to all images of a message.
OF_ALL = ("again", "recipe", "report")
#: For each message, where nobody waits for it.
TRIES = 6

log = structlog.get_logger(__name__)


class Takedown:
    """As far as Discord allows: what only one person sees can be taken away from them for some minutes only."""

    def __init__(self, client: discord.Client, service: Service, retry: float) -> None:
        self._client = client
        self._service = service
        #: Seconds before what failed is tried again for the first time, at most.
        self._retry = retry

    async def of(self, messages: Iterable[Message], tries: int = 3) -> bool:
        """Messages that showed what was deleted, and may show more. False where one shows it still."""
        all_gone = True
        for message in dict.fromkeys(messages):
            if message.platform == PLATFORM:
                left = await self._service.shown_by(PLATFORM, message.channel, message.message_id)
                all_gone &= await self._tried(partial(self._take_down, message, left), tries)
        return all_gone

    async def of_all(self, erased: Belongings) -> None:
        """Also the messages of jobs that came to nothing: they show the prompt."""
        done = set()
        for delivery in erased.deliveries:
            if delivery.job.platform == PLATFORM and (note := Note.from_text(delivery.note)) is not None:
                done.add((str(note.channel_id), str(note.message_id)))
                await self._tried(partial(self._remove, delivery, note), TRIES)
        await self.of((one for one in erased.messages if (one.channel, one.message_id) not in done), TRIES)

    async def _tried(self, act: Callable[[], Awaitable[None]], tries: int) -> bool:
        try:
            await again_and_again(act, Passing, self._retry, tries)
        except Mishap as error:
            log.info("a message could not be taken down", why=str(error))
            return isinstance(error, Unreachable) and error.gone in ("message", "channel")
        return True

    async def _remove(self, delivery: Delivery, note: Note) -> None:
        await (await reopened(self._client, Origin.from_text(delivery.job.origin), note)).remove()

    async def _take_down(self, shown: Message, left: Sequence[str]) -> None:
        channel = self._client.get_partial_messageable(int(shown.channel))
        message = channel.get_partial_message(int(shown.message_id))
        with told_apart():
            if left:
                await _without(await message.fetch(), left)
            else:
                await message.delete()


def image_in(filename: str) -> str:
    """The ID of the image that a file of ours shows."""
    return PurePath(filename).stem.removeprefix(COVERED)


async def _without(message: discord.Message, left: Sequence[str]) -> None:
    view = discord.ui.View.from_message(message, timeout=None)
    for item in view.children:
        custom_id = getattr(item, "custom_id", None) or ""
        match = TEMPLATE_OF_BUTTON.fullmatch(custom_id)
        if match is None or match["subject"] in left:
            continue
        if match["action"] in OF_ALL:
            button: Any = item
            button.custom_id = f"limner:{match['action']}:{left[0]}"
        else:
            view.remove_item(item)
    view.stop()
    kept = [attachment for attachment in message.attachments if image_in(attachment.filename) in left]
    await message.edit(attachments=kept, view=view)
