"""Takes off Slack what was erased here: messages go, or lose the one picture; files go."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.kept_back import KeptBack
from adapters.chat.mishaps import Mishap, Passing, Unreachable
from adapters.chat.retry import again_and_again
from adapters.slack import render
from adapters.slack.blocks import Shown
from adapters.slack.mishaps import told_apart
from adapters.slack.origin import Note, Origin
from adapters.slack.people import PLATFORM
from adapters.slack.words import Words, words_for
from bot.jobs import Belongings, Image, Job, Message
from bot.policy import Asker
from bot.service import Service

#: Slack's words for what is gone already.
GONE = ("message_not_found", "file_not_found", "file_deleted", "channel_not_found")
#: Where somebody waits for it, and where nobody does.
TRIES, TRIES_UNSEEN = 3, 6

log = structlog.get_logger(__name__)


class Takedown:
    def __init__(self, client: AsyncWebClient, service: Service, retry: float) -> None:
        self._client = client
        self._service = service
        #: Seconds before what failed is tried again for the first time, at most.
        self._retry = retry

    async def of_image(
        self, image_id: str, job: Job, note: Note, messages: Iterable[Message], tries: int = TRIES
    ) -> bool:
        """Of an image that was deleted; others of its set stay. False where Slack still shows it.

        `messages` are those that showed it, the one to moderators, too: not the noted one, where pictures came apart.
        """
        left = await self._service.images_of(job)
        kept_back = KeptBack(await self._service.held_of(job), job.refused, job.removed)
        if left or kept_back.held:
            shown = self._of_those_left(job, left, note, kept_back)
            edit = partial(self._client.chat_update, text=shown.text, blocks=shown.blocks)
            gone = await self._tried(partial(edit, channel=note.channel, ts=note.ts), tries)
        else:
            gone = await self._delete([(note.channel, note.ts)] if note.ts else [], tries)
        gone &= await self.of(messages, tries, but=[(note.channel, note.ts)])
        return gone & await self.of_files(note.files_of(image_id), tries)

    async def of(self, messages: Iterable[Message], tries: int = TRIES, but: Collection[tuple[str, str]] = ()) -> bool:
        """Those that show nothing any more. False where one is still there; `but` those is not looked at."""
        places = [place for place in places_of(messages) if place not in but]
        empty = [place for place in places if not await self._service.shown_by(PLATFORM, *place)]
        return await self._delete(empty, tries)

    async def of_files(self, files: Iterable[str], tries: int = TRIES) -> bool:
        gone = True
        for file_id in files:
            gone &= await self._tried(partial(self._client.files_delete, file=file_id), tries)
        return gone

    def _of_those_left(self, job: Job, left: Sequence[Image], note: Note, kept_back: KeptBack) -> Shown:
        origin = Origin.from_text(job.origin)
        words = words_for(origin.locale)
        images = [(image, None if note.apart else note.files.get(image.id)) for image in left]
        if not left:
            shown = render.kept_back(job, kept_back, words, origin.name)
        else:
            lines = _lines(job, images, note, words)
            seconds = max(image.created_at for image in left) - job.created_at
            shown = render.finished(job, images, words, seconds, lines, name=origin.name, kept_back=kept_back)
        if note.way == "direct" and note.gone:
            return render.told_privately(shown, note.gone, origin.channel, words)
        return shown

    async def of_all(self, erased: Belongings) -> None:
        """Also the messages of jobs that came to nothing: they show the prompt."""
        places = places_of(erased.messages)
        files: list[str] = []
        for delivery in erased.deliveries:
            note = Note.from_text(delivery.note) if delivery.job.platform == PLATFORM else None
            if note is not None:
                places |= {(note.channel, note.ts): None} if note.ts else {}
                files += note.all_files
        left = {place for place in places if await self._service.shown_by(PLATFORM, *place)}
        await self._delete([place for place in places if place not in left], TRIES_UNSEEN)
        await self.of_files(files, TRIES_UNSEEN)
        over = {delivery.job.id for delivery in erased.deliveries}
        for image in erased.images:
            if image.job_id is not None and image.job_id not in over:
                await self._of_younger_set(image, image.job_id)

    async def _of_younger_set(self, image: Image, job_id: str) -> None:
        """One that was old enough to go, of a job that stays for the others."""
        job = await self._service.job(job_id, Asker(image.requester, image.space))
        if (note := Note.from_text(await self._service.noted(job.id))) is not None and job.platform == PLATFORM:
            await self.of_image(image.id, job, note, (), TRIES_UNSEEN)

    async def of_stray(self, channel: str, ts: str) -> None:
        """A message that no job knows."""
        await self._delete([(channel, ts)], TRIES)

    async def _delete(self, places: Iterable[tuple[str, str]], tries: int) -> bool:
        gone = True
        for channel, ts in places:
            gone &= await self._tried(partial(self._client.chat_delete, channel=channel, ts=ts), tries)
        return gone

    async def _tried(self, act: Callable[[], Awaitable[Any]], tries: int) -> bool:
        async def act_once() -> None:
            with told_apart():
                await act()

        try:
            await again_and_again(act_once, Passing, self._retry, tries)
        except Mishap as error:
            log.info("it could not be taken down", why=str(error))
            return isinstance(error, Unreachable) and str(error) in GONE
        return True


def _lines(job: Job, images: Sequence[tuple[Image, str | None]], note: Note, words: Words) -> list[str]:
    """About those that the message does not show."""
    if note.apart:
        return [words.say("apart")]
    numbers = render.numbers_of(job)
    missing = [image for image, file_id in images if file_id is None]
    return [words.say("not_shown.number", number=numbers.get(image.id, 1)) for image in missing]


def places_of(messages: Iterable[Message]) -> dict[tuple[str, str], None]:
    """Channels and ts, each once, in order."""
    return {(one.channel, one.message_id): None for one in messages if one.platform == PLATFORM}
