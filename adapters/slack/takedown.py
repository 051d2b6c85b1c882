"""Takes off Slack what was erased here: messages go, or lose the one picture; files go."""

from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.mishaps import Mishap, Unreachable
from adapters.slack import render
from adapters.slack.mishaps import told_apart
from adapters.slack.origin import Note, Origin
from adapters.slack.people import PLATFORM
from adapters.slack.words import words_for
from bot.jobs import Belongings, Job
from bot.service import Service

#: Slack's words for what is gone already.
GONE = ("message_not_found", "file_not_found", "file_deleted", "channel_not_found")

log = structlog.get_logger(__name__)


class Takedown:
    def __init__(self, client: AsyncWebClient, service: Service) -> None:
        self._client = client
        self._service = service

    async def of_image(self, image_id: str, job: Job, note: Note) -> bool:
        """Of an image that was deleted; others of its set stay. False where Slack still shows it."""
        left = await self._service.images_of(job)
        if not left:
            gone = await self._tried(lambda: self._client.chat_delete(channel=note.channel, ts=note.ts))
        else:
            origin = Origin.from_text(job.origin)
            seconds = max(image.created_at for image in left) - job.created_at
            images = [(image, note.files.get(image.id)) for image in left]
            shown = render.finished(job, images, words_for(origin.locale), seconds, name=origin.name)
            gone = await self._tried(
                lambda: self._client.chat_update(channel=note.channel, ts=note.ts, text=shown.text, blocks=shown.blocks)
            )
        if file_id := note.files.get(image_id):
            gone &= await self._tried(lambda: self._client.files_delete(file=file_id))
        return gone

    async def of_all(self, erased: Belongings) -> None:
        for delivery in erased.deliveries:
            note = Note.from_text(delivery.note) if delivery.job.platform == PLATFORM else None
            if note is not None:
                await self._remove(note)

    async def _remove(self, note: Note) -> None:
        if note.ts:
            await self._tried(lambda: self._client.chat_delete(channel=note.channel, ts=note.ts))
        for file_id in note.files.values():
            await self._tried(lambda file_id=file_id: self._client.files_delete(file=file_id))  # type: ignore[misc]

    async def _tried(self, act: Callable[[], Awaitable[Any]]) -> bool:
        try:
            with told_apart():
                await act()
        except Mishap as error:
            log.info("it could not be taken down", why=str(error))
            return isinstance(error, Unreachable) and str(error) in GONE
        return True
