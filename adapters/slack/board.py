"""Where moderators hear of reports: a message for each, which says in the end who decided."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.mishaps import Mishap, Passing, Unreachable
from adapters.chat.retry import again_and_again
from adapters.slack import render
from adapters.slack.blocks import Shown
from adapters.slack.filing import TRIES, Filing
from adapters.slack.mishaps import told_apart
from adapters.slack.origin import Note, Origin
from adapters.slack.people import PLATFORM
from adapters.slack.takedown import Takedown
from adapters.slack.uploads import NOT_SHOWN, shown_in_time
from adapters.slack.words import Words, words_for
from bot.decisions import Report
from bot.jobs import Image, Job, Message
from bot.moderation import Judged
from bot.policy import Asker
from bot.service import Service

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is known of who asked for an image."""

    name: str
    #: Moderators read a report in the language of who asked, as a workspace has none.
    words: Words
    #: "" where nobody else can look.
    channel: str


class Board:
    def __init__(
        self, client: AsyncWebClient, service: Service, filing: Filing, takedown: Takedown, retry: float
    ) -> None:
        self._client = client
        self._service = service
        self._filing = filing
        self._takedown = takedown
        #: Seconds before what failed is tried again for the first time, at most.
        self._retry = retry
        #: Files that cover what the last messages were about, by channel and ts.
        self._files: dict[tuple[str, str], str] = {}

    async def post(self, report: Report, image: Image, place: str) -> Message:
        """Shows an image to the moderators, covered. Raises ImageFileLost or mishaps.

        After a lost answer there may be a second message: nobody can tell whether Slack took the first one.
        """
        asked = await self._asked(image)
        where = await self._link(image, asked)
        file_id = await self._filing.covered(image, asked.words.say("alt.covered"))
        show = partial(render.report, report, image, name=asked.name, where=where, words=asked.words)
        try:
            ts = await shown_in_time(partial(self._tried, place, show(file_id)), self._retry)
        except Unreachable as error:
            if str(error) != NOT_SHOWN:
                raise
            log.warning("slack does not show the file of a report", image=image.id)
            ts = await self._tried(place, show(None))
        self._files.clear()
        if file_id is not None:
            self._files[place, ts] = file_id
        return Message(platform=PLATFORM, space=image.space, channel=place, message_id=ts)

    async def _tried(self, channel: str, shown: Shown) -> str:
        return await again_and_again(partial(self._post, channel, shown), Passing, self._retry, TRIES)

    async def _post(self, channel: str, shown: Shown) -> str:
        with told_apart():
            # A link to a message would show it, and so the image.
            answer = await self._client.chat_postMessage(
                channel=channel, text=shown.text, blocks=shown.blocks, unfurl_links=False, unfurl_media=False
            )
        return str(answer["ts"])

    async def take_back(self, messages: Sequence[Message]) -> bool:
        """Of what was deleted while it was posted."""
        files = [file_id for one in messages if (file_id := self._files.get((one.channel, one.message_id)))]
        gone = await self._takedown.of(messages)
        return gone & await self._takedown.of_files(files)

    async def close(self, channel: str, ts: str, judged: Judged, how: str, moderator: str) -> None:
        """Says who decided, without the words, and without a picture that is gone."""
        asked = await self._asked(judged.image)
        named = {"moderator": moderator, "person": asked.name}
        text = asked.words.say(f"report.{how}", **{key: asked.words.quoted(name, 80) for key, name in named.items()})
        note = await self._note_of(judged.job)
        file_id = note.covered.get(judged.image.id) if note is not None and how == "approved" else None
        await self._say(channel, ts, render.decided(text, judged.image, file_id, asked.words))

    async def outdate(self, channel: str, ts: str, text: str) -> None:
        """In place of a message that asks for what is decided."""
        await self._say(channel, ts, render.answer(text))

    async def _say(self, channel: str, ts: str, shown: Shown) -> None:
        async def edit() -> None:
            with told_apart():
                await self._client.chat_update(channel=channel, ts=ts, text=shown.text, blocks=shown.blocks)

        try:
            await again_and_again(edit, Passing, self._retry, TRIES)
        except Mishap as error:
            log.warning("a report still asks for what is decided", channel=channel, why=str(error))

    async def _asked(self, image: Image) -> Asked:
        if image.job_id is None:
            return Asked(image.requester.partition(":")[2], words_for(""), "")
        job = await self._service.job(image.job_id, Asker(image.requester, image.space))
        origin = Origin.from_text(job.origin)
        channel = "" if origin.private or origin.channel.startswith("D") else origin.channel
        return Asked(origin.name, words_for(origin.locale), channel)

    async def _link(self, image: Image, asked: Asked) -> str | None:
        """To the message where it was asked for, as far as there is one that others may see."""
        note = None if image.job_id is None else await self._filing.note_of(image.job_id)
        if note is None or not note.ts or note.channel != asked.channel:
            return None
        try:
            with told_apart():
                answer = await self._client.chat_getPermalink(channel=note.channel, message_ts=note.ts)
        except Mishap as error:
            log.info("a report comes without a link", image=image.id, why=str(error))
            return None
        return str(answer["permalink"])

    async def _note_of(self, job: Job | None) -> Note | None:
        return None if job is None else await self._filing.note_of(job.id)
