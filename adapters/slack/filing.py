"""Files of images beside those in a job's own message: covered for moderators, and uncovered for who wants to see it.

They are noted with the job's message, so that they go from Slack with the image, in another life of the program, too.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Literal
from weakref import WeakValueDictionary

from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.mishaps import Mishap, Passing, Unreachable
from adapters.chat.retry import again_and_again
from adapters.slack.mishaps import told_apart
from adapters.slack.origin import Note
from adapters.slack.uploads import FILE_GONE, FILE_MOST, begun, completed, until_processed
from bot.errors import NotFound
from bot.jobs import Image
from bot.pictures import Encoded
from bot.policy import Asker
from bot.service import Service

#: For each call, as somebody waits for it, or other reports do.
TRIES = 3
#: How names of files begin that cover an image.
COVERED = "covered-"

Kind = Literal["covered", "uncovered"]


class Filing:
    def __init__(self, client: AsyncWebClient, service: Service, retry: float) -> None:
        self._client = client
        self._service = service
        #: Seconds before what failed is tried again for the first time, at most.
        self._retry = retry
        #: Whoever changes a job's note reads it and writes it under this one.
        self.writing = asyncio.Lock()
        #: So that two who ask at once for the same file get the same.
        self._at_work: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def covered(self, image: Image, alt_text: str) -> str | None:
        """The file for moderators. None where there is no job to note it with.

        Raises ImageFileLost, mishaps, and NotFound where it was erased meanwhile.
        """
        return await self._file(image, "covered", alt_text)

    async def uncovered(self, image: Image, alt_text: str) -> str | None:
        """The image itself, which no channel shows. As for the covered one."""
        return await self._file(image, "uncovered", alt_text)

    async def _file(self, image: Image, kind: Kind, alt_text: str) -> str | None:
        if image.job_id is None:
            return None
        lock = self._at_work.setdefault(f"{kind} {image.id}", asyncio.Lock())
        async with lock:
            noted = await self._noted(image.job_id, kind, image.id)
            if noted is not None and await self._tried(noted):
                return noted
            encoded = await self._encoded(image, kind)
            name = f"{COVERED if kind == 'covered' else ''}{image.id}.{encoded.suffix}"
            begin = partial(begun, self._client, name, encoded.bytes, alt_text)
            file_id = await again_and_again(begin, Passing, self._retry, TRIES)
            # Before it is a file, so that none is forgotten.
            await self._note(image.job_id, kind, image.id, file_id)
            await again_and_again(partial(completed, self._client, file_id), Passing, self._retry, TRIES)
            await self._check_not_erased(image, file_id)
            return file_id

    async def _check_not_erased(self, image: Image, file_id: str) -> None:
        """Whoever erased it meanwhile may have known nothing of this file. Raises NotFound."""
        try:
            await self._service.check_may_delete(image.id, Asker(image.requester, image.space))
        except NotFound:
            with suppress(Mishap), told_apart():
                await self._client.files_delete(file=file_id)
            raise

    async def _encoded(self, image: Image, kind: Kind) -> Encoded:
        if kind == "covered":
            return await self._service.covered(image)
        encoded = await self._service.encoded(image, FILE_MOST)
        assert encoded is not None
        return encoded

    async def _tried(self, file_id: str) -> bool:
        """False where it is not there any more."""
        try:
            await again_and_again(partial(until_processed, self._client, file_id), Passing, self._retry, TRIES)
        except Unreachable as error:
            if str(error) not in FILE_GONE:
                raise
            return False
        return True

    async def _noted(self, job_id: str, kind: Kind, image_id: str) -> str | None:
        note = await self.note_of(job_id)
        return None if note is None else _files(note, kind).get(image_id)

    async def note_of(self, job_id: str) -> Note | None:
        return Note.from_text(await self._service.noted(job_id))

    async def _note(self, job_id: str, kind: Kind, image_id: str, file_id: str) -> None:
        async with self.writing:
            note = await self.note_of(job_id) or Note(way="", channel="", ts="", thread="")
            files = {**_files(note, kind), image_id: file_id}
            changed = replace(note, covered=files) if kind == "covered" else replace(note, uncovered=files)
            await self._service.note(job_id, changed.to_text())


def _files(note: Note, kind: Kind) -> Mapping[str, str]:
    return note.covered if kind == "covered" else note.uncovered
