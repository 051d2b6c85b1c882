"""A job's way to its requester on Discord.

A job has one message. It is posted as soon as the job is accepted, under a nonce, and then only edited: an edit may be
repeated, so that neither a lost answer nor a restart makes a second message.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import cast

import discord

from adapters.chat.deliveries import Deliveries, Tempo
from adapters.chat.delivery import Delivery, Picture
from adapters.chat.facts import seconds_of
from adapters.chat.kept_back import KeptBack
from adapters.chat.mishaps import Unreachable
from adapters.chat.reports import Reports
from adapters.chat.watch import Stopped
from adapters.discord import render
from adapters.discord.origin import UNSURE, Note, Origin
from adapters.discord.place import PLATFORM
from adapters.discord.render import Shown
from adapters.discord.screens import Screen, Way, opened, reopened
from adapters.discord.uploads import filesize_limit, put
from adapters.discord.words import words_for
from bot.events import Cancelled, Event, Failed, Progress, Queued, Started
from bot.jobs import Image, Job, Message
from bot.service import Service

#: Seconds of age after which Discord takes only few edits of a message; it is left alone then until the ending.
EDITED_FOR = 50 * 60.0


def deliveries(
    client: discord.Client, service: Service, clock: Callable[[], float], tempo: Tempo, reports: Reports
) -> Deliveries:
    def make(all_of_them: Deliveries, job: Job, note: str, again: bool) -> DiscordDelivery:
        return DiscordDelivery(client, all_of_them, job, Note.from_text(note), again=again)

    return Deliveries(PLATFORM, make, service, clock, tempo, reports)


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
        self._sent = self.unheard = note is not None and note.sent

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

    async def put_images(self, images: Sequence[Image], kept_back: KeptBack) -> Note:
        if not images:
            bare: Note = await self.put(render.kept_back(self.job, kept_back, self._words), [])
            return bare
        limit = filesize_limit(self._client, cast(Way, self.way), self._origin)
        seconds = seconds_of(self.job, images)
        if self.gone == UNSURE:
            return await self._offer(images, seconds)
        await self._note_sending(images, seconds)

        async def show(pictures: list[Picture], lines: list[str]) -> Note:
            shown = render.finished(self.job, images, self._words, seconds, lines, kept_back)
            note: Note = await self.put(shown, pictures)
            return note

        return await put(self.service, self.job, images, limit, self._words, show)

    async def _offer(self, images: Sequence[Image], seconds: float) -> Note:
        """A button that shows them: who asked can see whether they are there already, and nobody else can."""
        note: Note = await self.put(render.offered(self.job, images, self._words, seconds), [])
        return note

    async def _note_sending(self, images: Sequence[Image], seconds: float) -> None:
        if self._sent or self.way == "direct":
            return
        if not self.has_message:
            await self.put(render.finished(self.job, images, self._words, seconds), [])
        await self.keep_note(lambda note: replace(cast(Note, note), sent=True))
        self._sent = True

    async def give_way_up(self, error: Unreachable) -> None:
        if self.unheard and error.gone in ("expired", "permission"):
            self.gone = UNSURE
        self._sent = False
        await super().give_way_up(error)

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
