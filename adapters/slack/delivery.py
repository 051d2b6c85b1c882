"""A job's way to its requester on Slack.

A job has one message, which is posted as soon as the job is accepted and then only edited. Pictures come by edits
alone: an edit may be repeated, and after a lost answer nobody can tell whether Slack took a post.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.deliveries import Deliveries, Tempo
from adapters.chat.delivery import Delivery
from adapters.chat.facts import seconds_of
from adapters.chat.kept_back import NOTHING, KeptBack
from adapters.chat.mishaps import Mishap, Unreachable
from adapters.chat.reports import Reports
from adapters.chat.watch import Stopped
from adapters.slack import render
from adapters.slack.blocks import Shown
from adapters.slack.filing import COVERED, Filing
from adapters.slack.mishaps import told_apart
from adapters.slack.origin import Note, Origin
from adapters.slack.people import PLATFORM, talk_with
from adapters.slack.screen import MessageScreen
from adapters.slack.uploads import (
    FILE_GONE,
    FILE_MOST,
    NOT_SHOWN,
    begun,
    completed,
    shared,
    shown_in_time,
    until_processed,
)
from adapters.slack.words import words_for
from bot.errors import ImageFileLost
from bot.events import Cancelled, Event, Failed, Progress, Queued, Started
from bot.jobs import Failure, Image, Job, Message
from bot.service import Service

#: Seconds that a message gets to be posted and noted when the program stops.
POSTING_MOST = 5.0

log = structlog.get_logger(__name__)


def deliveries(
    client: AsyncWebClient,
    service: Service,
    clock: Callable[[], float],
    tempo: Tempo,
    reports: Reports,
    filing: Filing,
) -> Deliveries:
    def make(all_of_them: Deliveries, job: Job, note: str, again: bool) -> SlackDelivery:
        return SlackDelivery(client, all_of_them, job, Note.from_text(note), filing, again=again)

    return Deliveries(PLATFORM, make, service, clock, tempo, reports)


class SlackDelivery(Delivery[Shown]):
    # Slack takes 50 edits in a minute from all of a workspace, and endings are among them.
    edits_at_once = 1

    def __init__(
        self,
        client: AsyncWebClient,
        all_of_them: Deliveries,
        job: Job,
        note: Note | None,
        filing: Filing,
        *,
        again: bool,
    ) -> None:
        self._client = client
        self._filing = filing
        #: Files that others noted of its images.
        self._covered: Mapping[str, str] = {}
        self._uncovered: Mapping[str, str] = {}
        self._origin = Origin.from_text(job.origin)
        self._words = words_for(self._origin.locale)
        self._files = dict(note.files) if note else {}
        self._apart = note is not None and note.apart
        self._kept_back = NOTHING
        #: The message with the pictures, where they came apart.
        self._pictures: MessageScreen | None = None
        ways = ["direct"] if self._origin.private else ["post", "direct"]
        if note and note.way:
            ways = ways[ways.index(note.way) :]
        super().__init__(all_of_them, job, note if note and note.ts else None, ways, job.space, again=again)
        self.gone = note.gone if note else ""
        # Each would be a file of its own.
        self._shows_previews = False

    async def opened(self, way: str, shown: Shown, *, again: bool) -> MessageScreen:
        """Where there may be one already, there is no way to find it: it holds no picture, and a press removes it."""
        channel, thread = await self._target(way)
        posting = asyncio.create_task(self._posted(way, channel, thread, shown), name=f"post {self.job.id}")
        try:
            return MessageScreen(self._client, await asyncio.shield(posting))
        except asyncio.CancelledError:
            # What was posted and not noted would be posted again.
            done, late = await asyncio.wait([posting], timeout=POSTING_MOST)
            for task in late:
                task.cancel()
            for task in done:
                log.info("posted at the last moment", job=self.job.id, mishap=repr(task.exception()))
            raise

    async def _posted(self, way: str, channel: str, thread: str, shown: Shown) -> Note:
        with told_apart():
            answer = await self._client.chat_postMessage(
                channel=channel, thread_ts=thread or None, text=shown.text, blocks=shown.blocks
            )
        async with self._filing.writing:
            await self._read_others()
            note = self._note_of(way, channel, str(answer["ts"]), thread)
            await self._written(lambda: self.service.note(self.job.id, note.to_text()))
        return note

    async def _target(self, way: str) -> tuple[str, str]:
        if way == "post":
            return self._origin.channel, self._origin.thread
        channel = await talk_with(self._client, self._origin.user)
        return channel, self._origin.thread if channel == self._origin.channel else ""

    def _note_of(self, way: str, channel: str, ts: str, thread: str) -> Note:
        return Note(
            way=way,
            channel=channel,
            ts=ts,
            thread=thread,
            files=dict(self._files),
            apart=self._apart,
            gone=self.gone,
            covered=self._covered,
            uncovered=self._uncovered,
        )

    async def reopened(self, note: Note) -> MessageScreen:
        return MessageScreen(self._client, note)

    def shown(self, event: Event | Stopped) -> Shown:
        name = self._origin.name
        match event:
            case Queued():
                return render.waiting(self.job, event, self._words, name)
            case Started() | Progress():
                return render.painting(self.job, event, self._words, name)
            case Failed(failure):
                return render.failed(self.job, failure, self._words, name)
            case Cancelled():
                return render.cancelled(self.job, self._words, name)
            case Stopped():
                return render.restarting(self.job, self._words, name)
            case _:
                raise AssertionError(f"{event} has pictures")

    async def put_images(self, images: Sequence[Image], kept_back: KeptBack) -> Note:
        self._kept_back = kept_back
        if not images:
            note: Note = await self.put(render.kept_back(self.job, kept_back, self._words, self._origin.name), [])
        else:
            if not self.has_message:
                await self.put(render.coming(self.job, self._words, self._origin.name), [])
            note = await (self._put_apart(images) if self._apart else self._put_together(images))
        # Of images that were deleted meanwhile.
        for image_id in self._files.keys() - {image.id for image in images}:
            await self._removed(self._files.pop(image_id))
        return note

    async def _put_together(self, images: Sequence[Image]) -> Note:
        shown, lines = await self._with_files(images)
        try:
            return await self._put_in_blocks(shown, lines)
        except Unreachable as error:
            if str(error) != NOT_SHOWN:
                raise
        log.warning("slack shows files in no block; they come apart", job=self.job.id)
        return await self._put_apart(images)

    async def _with_files(self, images: Sequence[Image]) -> tuple[list[tuple[Image, str | None]], list[str]]:
        """And a line for each that has none."""
        shown: list[tuple[Image, str | None]] = []
        lines: list[str] = []
        for image in images:
            file_id = None
            try:
                file_id = await self._file_of(image)
            except (ImageFileLost, Unreachable) as error:
                lines.append(self._missing(image, error))
            shown.append((image, file_id))
        return shown, lines

    async def _put_in_blocks(self, shown: Sequence[tuple[Image, str | None]], lines: Sequence[str]) -> Note:
        """Raises Unreachable."""
        return await shown_in_time(lambda: self._put_finished(shown, lines), self.all.tempo.retry)

    async def _put_finished(self, shown: Sequence[tuple[Image, str | None]], lines: Sequence[str]) -> Note:
        seconds = seconds_of(self.job, [image for image, _ in shown])
        finished = render.finished(
            self.job, shown, self._words, seconds, lines, name=self._origin.name, kept_back=self._kept_back
        )
        note: Note = await self.put(finished, [])
        return note

    async def _put_apart(self, images: Sequence[Image]) -> Note:
        """Files with a message of their own, which they get once; the job's own message keeps the buttons."""
        if not self._apart:
            await self._upload_apart(images)
        elif late := [image for image in images if image.id not in self._files]:
            await self._begin(late)
        lines, ts = [], ""
        if files := [image for image in images if image.id in self._files]:
            try:
                ts, lines = await self._shared(files), [self._words.say("apart")]
            except Unreachable as error:
                lines = [self._missing(image, error) for image in files]
        lines += [self._not_shown(image, "") for image in images if image not in files]
        note = await self._put_finished([(image, None) for image in images], lines)
        # What people answer to is the message with the picture.
        return replace(note, ts=ts) if ts else note

    async def _upload_apart(self, images: Sequence[Image]) -> None:
        """Those that can be uploaded, anew: Slack shares a file as it completes it."""
        seen_by_nobody, self._files = self._files, {}
        self._apart = True
        await self._begin(images)
        for file_id in seen_by_nobody.values():
            try:
                await self._delete(file_id)
            except Mishap as error:
                log.info("a file that nobody sees stays", job=self.job.id, why=str(error))

    async def _begin(self, images: Sequence[Image]) -> None:
        for image in images:
            with suppress(ImageFileLost, Unreachable):
                self._files[image.id] = await self._begun(image)
        await self._keep_files()

    async def _shared(self, images: Sequence[Image]) -> str:
        """Raises Unreachable."""
        channel, thread = await self.tried(lambda: self._target(self.way))
        files, comment = (
            [self._files[image.id] for image in images],
            render.notice(self.job, self._words, self._origin.name),
        )
        ts: str = await self.tried(lambda: shared(self._client, files, channel, thread, comment))
        self._pictures = MessageScreen(self._client, self._note_of(self.way, channel, ts, thread))
        return ts

    async def take_back(self) -> None:
        await super().take_back()
        if self._pictures is not None:
            with suppress(Unreachable):
                await self.tried(self._pictures.remove)
        for file_id in self._files.values():
            await self._removed(file_id)

    async def _removed(self, file_id: str) -> None:
        """Somebody wants it gone, and may have done that already."""
        with suppress(Unreachable):
            await self.tried(lambda: self._delete(file_id))

    async def _delete(self, file_id: str) -> None:
        with told_apart():
            await self._client.files_delete(file=file_id)

    async def _file_of(self, image: Image) -> str:
        """Noted before it is a file, and so uploaded once. Raises ImageFileLost or Unreachable."""
        noted = self._files.get(image.id)
        if noted is not None:
            try:
                await self.tried(lambda: until_processed(self._client, noted))
            except Unreachable as error:
                if str(error) not in FILE_GONE:
                    raise
            else:
                return noted
        file_id = self._files[image.id] = await self._begun(image)
        await self._keep_files()
        await self.tried(lambda: completed(self._client, file_id))
        return file_id

    async def _begun(self, image: Image) -> str:
        covered = render.is_covered(self.job, image)
        encoded = await (self.service.covered(image) if covered else self.service.encoded(image, FILE_MOST))
        assert encoded is not None
        alt_text = render.alt_text(image, None, self._words, covered=covered)
        name, content = f"{COVERED if covered else ''}{image.id}.{encoded.suffix}", encoded.bytes
        file_id: str = await self.tried(lambda: begun(self._client, name, content, alt_text))
        return file_id

    async def _keep_files(self) -> None:
        async with self._filing.writing:
            await self._read_others()
            await self.keep_note(self._noted)

    async def _read_others(self) -> None:
        """What was noted besides stays noted."""
        note = await self._written(lambda: self._filing.note_of(self.job.id))
        if note is not None:
            self._covered, self._uncovered = note.covered, note.uncovered

    def _noted(self, note: Any) -> Note:
        if not isinstance(note, Note):
            return self._note_of(self.way, "", "", "")
        return replace(
            note, files=dict(self._files), apart=self._apart, covered=self._covered, uncovered=self._uncovered
        )

    def _missing(self, image: Image, error: ImageFileLost | Unreachable) -> str:
        if isinstance(error, ImageFileLost):
            return self._words.failure(Failure(error.code, str(error)))
        return self._not_shown(image, str(error))

    def _not_shown(self, image: Image, why: str) -> str:
        numbers = render.numbers_of(self.job)
        number, link = numbers.get(image.id), self.service.link(image)
        if why == "storage_limit_reached":
            return self._words.say("storage_full")
        key = "not_shown" if link is None else "link"
        return self._words.say(key if number is None else f"{key}.number", number=number, link=link)

    def message_of(self, note: Note) -> Message:
        """A message is the beginning of its own thread, or belongs to another's."""
        return Message(
            platform=PLATFORM,
            space=self.job.space,
            channel=note.channel,
            message_id=note.ts,
            thread=note.thread or note.ts,
        )

    def explained(self, shown: Shown) -> Shown:
        if self.way != "direct":
            return shown
        return render.told_privately(shown, self.gone, self._origin.channel, self._words)

    def is_old(self, note: Note) -> bool:
        return False
