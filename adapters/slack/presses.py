"""What a press does that ends or erases. Erasing is asked for once more, and answered where that was asked."""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import aiohttp
import structlog
from slack_sdk.webhook.async_client import AsyncWebhookClient

from adapters.chat.memory import Seen
from adapters.chat.mishaps import why
from adapters.chat.refusals import Unclear, explained
from adapters.slack import render
from adapters.slack.desk import ANSWER_MOST, Ask, Desk
from adapters.slack.moderating import HOW, Moderating
from adapters.slack.origin import Note
from adapters.slack.people import PLATFORM, requester_of
from adapters.slack.takedown import Takedown
from adapters.slack.words import Words, words_for
from bot.errors import Forbidden
from bot.jobs import Belongings
from bot.policy import Asker
from bot.service import Service

#: Days, and perhaps a person.
PURGED = re.compile(r"([0-9]{1,5})/([UW][A-Z0-9]{1,20})?")

log = structlog.get_logger(__name__)

#: Takes the subject and who asks, and answers them.
Press = Callable[[str, Ask], Awaitable[None]]
#: Takes the subject and who asks, and returns what is said instead of the question, and what must go from Slack.
Confirmed = Callable[[str, Asker, Words], Awaitable[tuple[str, Belongings | None]]]


class Presses:
    def __init__(self, service: Service, desk: Desk, takedown: Takedown, moderating: Moderating) -> None:
        self._service = service
        self._desk = desk
        self._takedown = takedown
        self._moderating = moderating
        #: Buttons that ask or tell.
        self._told: Mapping[str, Press] = {
            "delete": self._ask_whether_to_delete,
            "report": moderating.ask_before_reporting,
            "why": moderating.why,
            "show": moderating.show,
            "look": moderating.look,
        }
        #: Questions that were answered.
        self._answered = Seen()
        self._confirmed: dict[str, Confirmed] = {
            "confirm_delete": self._delete,
            "confirm_forget": self._forget,
            "confirm_purge": self._purge,
            "keep": self._keep,
            "confirm_report": moderating.report,
            "keep_quiet": self._keep_quiet,
        }

    async def do(self, action: str, subject: str, ask: Ask, ts: str) -> None:
        """`ts`: of the message that was pressed; "" outside of messages. Raises Refused."""
        if (told := self._told.get(action)) is not None:
            await told(subject, ask)
        elif action in HOW:
            await self._moderating.judge(action, subject, ask, ts)
        elif (confirmed := self._confirmed.get(action)) is None:
            raise Unclear("unknown_button")
        elif self._answered.first_time(f"{ask.channel}/{ts}"):
            # Whoever presses twice is not told that there was nothing left to erase.
            await self._confirm(confirmed, subject, ask)

    async def end_or_repeat(self, action: str, job_id: str, ask: Ask, ts: str) -> None:
        """Cancels a job or tries again. Raises Refused."""
        try:
            if action == "retry":
                await self._desk.retry(ask, job_id)
            else:
                asker, _ = await self._desk.asker(ask)
                await self._service.cancel(job_id, asker)
        finally:
            await self._sweep(job_id, ask, ts)

    async def _sweep(self, job_id: str, ask: Ask, ts: str) -> None:
        """After a lost answer there may be a second message of a job, which nobody edits."""
        note = Note.from_text(await self._service.noted(job_id)) if ts else None
        if note is None or not note.ts or (note.channel, note.ts) == (ask.channel, ts):
            return
        if not await self._service.shown_by(PLATFORM, ask.channel, ts):
            await self._takedown.of_stray(ask.channel, ts)

    async def _ask_whether_to_delete(self, image_id: str, ask: Ask) -> None:
        asker, someone = await self._desk.asker(ask)
        words = words_for(someone.locale)
        image = await self._service.check_may_delete(image_id, asker)
        job = None if image.job_id is None else await self._service.job(image.job_id, asker)
        number = None if job is None else render.numbers_of(job).get(image.id)
        question = words.say("confirm.delete" if number is None else "confirm.delete.number", number=number)
        await self._desk.tell(ask, render.confirmation(question, "delete", image.id, words))

    async def _confirm(self, confirmed: Confirmed, subject: str, ask: Ask) -> None:
        asker, someone = await self._desk.asker(ask)
        words = words_for(someone.locale)
        erased = None
        try:
            text, erased = await confirmed(subject, asker, words)
        except Exception as error:  # noqa: BLE001 - it is told and logged
            text = explained(words, error)
        await self._replace(ask, text)
        if erased is not None:
            await self._takedown.of_all(erased)

    async def _keep(self, subject: str, asker: Asker, words: Words) -> tuple[str, None]:
        return words.say("kept"), None

    async def _keep_quiet(self, subject: str, asker: Asker, words: Words) -> tuple[str, None]:
        return words.say("kept_quiet"), None

    async def _delete(self, image_id: str, asker: Asker, words: Words) -> tuple[str, None]:
        """What is said tells whether Slack still shows it, and so it is taken down before."""
        image = await self._service.check_may_delete(image_id, asker)
        job = None if image.job_id is None else await self._service.job(image.job_id, asker)
        messages = await self._service.delete(image.id, asker)
        note = None if job is None else Note.from_text(await self._service.noted(job.id))
        gone = job is None or note is None or await self._takedown.of_image(image.id, job, note, messages)
        return words.say("deleted" if gone else "deleted.not_taken_down"), None

    async def _forget(self, subject: str, asker: Asker, words: Words) -> tuple[str, Belongings]:
        """Who presses is who is forgotten."""
        erased = await self._service.forget(asker)
        return words.say("forgotten", images=len(erased.images), jobs=len(erased.jobs)), erased

    async def _purge(self, what: str, asker: Asker, words: Words) -> tuple[str, Belongings]:
        subject = PURGED.fullmatch(what)
        if subject is None:
            raise Unclear("unknown_button")
        days, user = subject.groups()
        try:
            erased = await self._service.purge(
                asker,
                older_than=timedelta(days=int(days)).total_seconds(),
                requester=requester_of(user) if user else None,
            )
        except Forbidden as error:
            raise Unclear("admins_only") from error
        return words.say("purged", images=len(erased.images), jobs=len(erased.jobs)), erased

    async def _replace(self, ask: Ask, text: str) -> None:
        """The question that only who pressed sees, by its answer; where Slack takes none, it is told besides."""
        shown = render.answer(text)
        try:
            answering = AsyncWebhookClient(ask.response_url, timeout=ANSWER_MOST, retry_handlers=[])
            answer = await answering.send(text=shown.text, blocks=shown.blocks, replace_original=True)
            if answer.status_code == 200:
                return
            log.info("a question could not be replaced", status=answer.status_code)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.info("a question could not be replaced", why=why(error))
        await self._desk.tell(ask, shown)
