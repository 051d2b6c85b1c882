"""A job's way to its requester on Discord.

A job has one message. It is posted as soon as the job is accepted, under a nonce, and then only edited: an edit may be
repeated, so that neither a lost answer nor a restart makes a second message.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import cast

import discord

from adapters.chat.delivery import Deliveries, Delivery, Tempo
from adapters.chat.mishaps import TooLarge, Unreachable
from adapters.chat.watch import Stopped
from adapters.discord import render
from adapters.discord.origin import Note, Origin
from adapters.discord.place import PLATFORM
from adapters.discord.render import Shown
from adapters.discord.screens import Screen, Way, opened, reopened
from adapters.discord.uploads import most_of_each, pictures_of
from adapters.discord.words import words_for
from bot.events import Cancelled, Event, Failed, Progress, Queued, Started
from bot.jobs import Image, Job, Message
from bot.service import Service

#: Seconds of age after which Discord takes only few edits of a message; it is left alone then until the ending.
EDITED_FOR = 50 * 60.0


def deliveries(client: discord.Client, service: Service, clock: Callable[[], float], tempo: Tempo) -> Deliveries:
    def make(all_of_them: Deliveries, job: Job, note: str, again: bool) -> DiscordDelivery:
        return DiscordDelivery(client, all_of_them, job, Note.from_text(note), again=again)

    return Deliveries(PLATFORM, make, service, clock, tempo)


class DiscordDelivery(Delivery[Shown]):
    # Five edits in five seconds are said to be borne in a channel.
    edits_at_once = 2

    def __init__(
        self, client: discord.Client, all_of_them: Deliveries, job: Job, note: Note | None, *, again: bool
    ) -> None:
        self._client = client
        self._origin = Origin.from_text(job.origin)
        self._words = words_for(self._origin.locale)
        channel = str(self._origin.channel_id)
        super().__init__(all_of_them, job, note, ways(self._origin), channel, again=again)

    async def opened(self, way: str, shown: Shown, *, again: bool) -> Screen:
        if way == "response" and self.all.clock() > self._origin.expires_at:
            raise Unreachable("The interaction has expired.", "expired")
        return await opened(self._client, cast(Way, way), self.job, self._origin, shown, again=again, gone=self.gone)

    async def reopened(self, note: Note) -> Screen:
        return await reopened(self._client, self._origin, note)

    def shown(self, event: Event | Stopped) -> Shown:
        match event:
            case Queued():
                return render.waiting(self.job, event, self._words)
            case Started() | Progress():
                return render.painting(self.job, event, self._words)
            case Failed(failure):
                return render.failed(self.job, failure, self._words)
            case Cancelled():
                return render.cancelled(self.job, self._words)
            case Stopped():
                return render.restarting(self.job, self._words)
            case _:
                raise AssertionError(f"{event} has pictures")

    async def put_images(self, images: Sequence[Image]) -> Note:
        limit = most_of_each(self._client, cast(Way, self.way), self._origin, len(images))
        seconds = max(image.created_at for image in images) - self.job.created_at
        while True:
            pictures, lines = await pictures_of(self.service, images, limit, self._words)
            try:
                note: Note = await self.put(render.finished(self.job, images, self._words, seconds, lines), pictures)
            except TooLarge as error:
                if not pictures:
                    raise Unreachable(str(error)) from error
                limit = max(len(picture.content) for picture in pictures) // 2
            else:
                return note

    def closed_with(self, gone: str) -> Collection[str]:
        return ("response",) if gone == "channel" else ()

    def message_of(self, note: Note) -> Message:
        channel, message_id = str(note.channel_id), str(note.message_id)
        return Message(platform=PLATFORM, space=self.job.space, channel=channel, message_id=message_id)

    def explained(self, shown: Shown) -> Shown:
        """Only in direct messages, where nobody would know what it is about."""
        if self.way != "direct":
            return shown
        why = self._words.say(f"told_privately.{self.gone}", channel=f"<#{self._origin.channel_id}>")
        return replace(shown, content=f"{why}\n{shown.content}")

    def is_old(self, note: Note) -> bool:
        return self.all.clock() - discord.utils.snowflake_time(note.message_id).timestamp() > EDITED_FOR


def ways(origin: Origin) -> list[Way]:
    """To who asked, in the order in which they are tried."""
    found: list[Way] = ["post"] if origin.post else []
    if origin.token is not None:
        found.append("response")
    return [*found, "direct"]
