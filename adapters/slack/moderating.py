"""What moderators press; and what anyone presses who reports an image, uncovers one, or asks why one is kept back."""

from collections.abc import Awaitable, Callable
from functools import partial

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.deliveries import Deliveries
from adapters.chat.kept_back import why_kept_back
from adapters.chat.mishaps import Mishap, Unreachable
from adapters.chat.refusals import Unclear, explained
from adapters.chat.reports import thanks
from adapters.slack import render
from adapters.slack.blocks import Shown
from adapters.slack.board import Board
from adapters.slack.desk import Ask, Desk
from adapters.slack.filing import Filing
from adapters.slack.mishaps import told_apart
from adapters.slack.takedown import Takedown
from adapters.slack.uploads import NOT_SHOWN, shown_in_time
from adapters.slack.words import Words, words_for
from bot.errors import AlreadyDecided, Forbidden, NotFound
from bot.jobs import Image
from bot.moderation import Judged
from bot.policy import Asker
from bot.service import Service

#: Buttons -> what was done, as the sentences about it have it.
HOW = {"approve": "approved", "refuse": "refused", "block": "blocked"}

log = structlog.get_logger(__name__)


class Moderating:
    def __init__(
        self,
        client: AsyncWebClient,
        service: Service,
        desk: Desk,
        deliveries: Deliveries,
        board: Board,
        filing: Filing,
        takedown: Takedown,
    ) -> None:
        self._client = client
        self._service = service
        self._desk = desk
        self._deliveries = deliveries
        self._board = board
        self._filing = filing
        self._takedown = takedown
        #: Messages of reports on which somebody decided in this life of the program.
        self._decided: set[tuple[str, str]] = set()

    # For everybody

    async def ask_before_reporting(self, image_id: str, ask: Ask) -> None:
        """Which image of a set it is, too."""
        asker, someone = await self._desk.asker(ask)
        image = await self._service.image(image_id, asker)
        images, numbers = [image], dict[str, int]()
        if image.job_id is not None:
            job = await self._service.job(image.job_id, asker)
            images, numbers = list(await self._service.images_of(job)), dict(render.numbers_of(job))
        choices = [(each.id, numbers.get(each.id)) for each in images]
        await self._desk.tell(ask, render.report_question(choices, words_for(someone.locale)))

    async def report(self, image_id: str, asker: Asker, words: Words) -> tuple[str, None]:
        """What is said in place of the question."""
        reported = await self._service.report(image_id, asker)
        self._deliveries.reports.wake()
        return thanks(reported, words), None

    async def why(self, job_id: str, ask: Ask) -> None:
        asker, someone = await self._desk.asker(ask)
        text = await why_kept_back(self._service, job_id, asker, words_for(someone.locale))
        await self._desk.tell(ask, render.answer(text))

    async def show(self, image_id: str, ask: Ask) -> None:
        """Uncovers one for who sees it."""
        asker, someone = await self._desk.asker(ask)
        image = await self._service.image(image_id, asker)
        await self._uncover(image, ask, words_for(someone.locale))

    async def _uncover(self, image: Image, ask: Ask, words: Words) -> None:
        number = None
        if image.job_id is not None:
            job = await self._service.job(image.job_id, Asker(image.requester, image.space))
            number = render.numbers_of(job).get(image.id)
        try:
            file_id = await self._filing.uncovered(image, render.alt_text(image, None, words))
            if file_id is None:
                raise Unreachable("there is nothing to note it with")
            shown = render.uncovered(image, number, file_id, words)
            await shown_in_time(partial(self._whisper, ask, shown), self._deliveries.tempo.retry)
        except Unreachable as error:
            log.warning("an image could not be uncovered", image=image.id, why=str(error))
            link = self._service.link(image)
            key = "storage_full" if str(error) == "storage_limit_reached" else "not_shown" if link is None else "link"
            await self._desk.tell(ask, render.answer(words.say(key, link=link)))

    async def _whisper(self, ask: Ask, shown: Shown) -> None:
        """Raises Unreachable where Slack does not show the file yet; other mishaps leave other ways."""
        if ask.at_home:
            await self._desk.tell(ask, shown)
            return
        try:
            with told_apart():
                await self._client.chat_postEphemeral(
                    channel=ask.channel,
                    user=ask.user,
                    thread_ts=ask.thread or None,
                    text=shown.text,
                    blocks=shown.blocks,
                )
        except Mishap as error:
            if str(error) == NOT_SHOWN:
                raise
            await self._desk.tell(ask, shown)

    # For moderators

    async def look(self, image_id: str, ask: Ask) -> None:
        """Uncovers what they shall decide on, wherever it was made."""
        asker, someone = await self._desk.asker(ask)
        try:
            image = await self._service.moderation.judged(image_id, asker)
        except Forbidden as error:
            raise Unclear("moderators_only") from error
        await self._uncover(image, ask, words_for(someone.locale))

    async def judge(self, action: str, image_id: str, ask: Ask, ts: str) -> None:
        """`ts`: of the report. Raises Refused."""
        asker, someone = await self._desk.asker(ask)
        try:
            judged = await self._decision(action)(image_id, asker)
        except Forbidden as error:
            raise Unclear("moderators_only") from error
        except (AlreadyDecided, NotFound) as error:
            told = await self._outdate(ask, ts, asker, words_for(someone.locale), error)
            raise told from error
        self._decided.add((ask.channel, ts))
        await self._board.close(ask.channel, ts, judged, HOW[action], someone.name)
        await self._follow_up(action, judged, (ask.channel, ts))

    def _decision(self, action: str) -> Callable[[str, Asker], Awaitable[Judged]]:
        moderation = self._service.moderation
        if action == "approve":
            return moderation.approve
        return partial(moderation.refuse, block=action == "block")

    async def _outdate(
        self, ask: Ask, ts: str, asker: Asker, words: Words, error: AlreadyDecided | NotFound
    ) -> AlreadyDecided | NotFound:
        """A second message of a report shall ask no more, nor show the words of what is gone."""
        if (ask.channel, ts) in self._decided:
            return AlreadyDecided()
        if asker.moderator and ask.channel == (await self._service.rules(asker)).reports_to:
            await self._board.outdate(ask.channel, ts, explained(words, error))
        return error

    async def _follow_up(self, action: str, judged: Judged, report: tuple[str, str]) -> None:
        """Who asked sees it in their message; what else shows a refused image goes."""
        note = None if judged.job is None else await self._filing.note_of(judged.job.id)
        if judged.job is not None and (action != "approve" or judged.image.held):
            await self._deliveries.tell_anew(judged.job)
        if action != "approve":
            but = {report} if note is None else {report, (note.channel, note.ts)}
            await self._takedown.of(judged.messages, but=but)
            files = [] if note is None else note.files_of(judged.image.id)
            await self._takedown.of_files(files)
