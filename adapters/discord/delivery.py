"""Brings the news of each job to where it was asked for, until its ending is told: once, whatever happens meanwhile.

A job has one message. It is posted as soon as the job is accepted, under a nonce, and then only edited: an edit may be
repeated, so that neither a lost answer nor a restart makes a second message.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import discord
import structlog
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from adapters.chat.watch import Stopped, Watch
from adapters.discord import render
from adapters.discord.mishaps import Passing, TooLarge, Unreachable
from adapters.discord.origin import Note, Origin
from adapters.discord.place import PLATFORM
from adapters.discord.render import Shown
from adapters.discord.screens import Picture, Screen, Way, opened, reopened
from adapters.discord.uploads import most_of_each, pictures_of
from adapters.discord.words import words_for
from bot.errors import NotFound
from bot.events import Cancelled, Done, Ending, Event, Failed, Progress, Queued, Started
from bot.jobs import Image, Job, Message
from bot.policy import Asker
from bot.service import Service

#: Seconds of age after which Discord takes only few edits of a message; it is left alone then until the ending.
EDITED_FOR = 50 * 60.0
#: Seconds between two tries, at most.
RETRY_MOST = 60.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tempo:
    """Seconds between two calls to Discord."""

    #: Edits of one message while it is painted; more where many are painted in one channel.
    progress: float = 3.0
    #: Edits of one message while it waits.
    queue: float = 10.0
    #: Before what failed is tried again for the first time, at most; each time after that twice as long.
    retry: float = 1.0


class Deliveries:
    """All jobs that are owed an answer on Discord, each with a task of its own."""

    def __init__(self, client: discord.Client, service: Service, clock: Callable[[], float], tempo: Tempo) -> None:
        self.client = client
        self.service = service
        self.clock = clock
        self.tempo = tempo
        #: Messages that are being edited, by channel: they share its rate limit.
        self.live: Counter[int] = Counter()
        self._at_work: dict[str, Delivery] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = False

    def start(self, job: Job, *, note: str = "", again: bool = False) -> "Delivery":
        """The delivery that is at work for this job already, if there is one."""
        if job.id in self._at_work:
            return self._at_work[job.id]
        delivery = Delivery(self, job, Note.from_text(note), again=again)
        if self._over:
            # It stays owed.
            delivery.first.set_result(None)
        else:
            self._at_work[job.id] = delivery
            task = asyncio.create_task(self._run(delivery), name=f"deliver {job.id}")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return delivery

    async def _run(self, delivery: "Delivery") -> None:
        channel_id = delivery.origin.channel_id
        self.live[channel_id] += 1
        try:
            await self.in_the_end(delivery.run, Exception)
        finally:
            delivery.tell_first(None)
            self.live[channel_id] -= 1
            del self._at_work[delivery.job.id]

    async def in_the_end(self, work: Callable[[], Awaitable[T]], mishap: type[Exception]) -> T:
        """Does it again and again, until this mishap does not happen."""
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(mishap),
            wait=wait_random_exponential(multiplier=self.tempo.retry, max=RETRY_MOST),
            before_sleep=_log_mishap,
        ):
            with attempt:
                return await work()
        raise AssertionError("it is tried again for ever")

    async def take_up(self) -> None:
        """What an earlier life of the program still owes."""
        for owed in await self.in_the_end(lambda: self.service.undelivered(PLATFORM), Exception):
            self.start(owed.job, note=owed.note, again=True)

    async def finish(self, limit: float) -> None:
        """Lets what is being told be told for `limit` seconds; the rest stays owed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                # What was accepted just now may still begin.
                while self._tasks:
                    await asyncio.wait(self._tasks)
        self._over = True
        late = list(self._tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


class Delivery:
    def __init__(self, all_of_them: Deliveries, job: Job, note: Note | None, *, again: bool) -> None:
        self._all = all_of_them
        self._service = all_of_them.service
        self.job = job
        self.origin = Origin.from_text(job.origin)
        self._owner = Asker(job.requester, job.space)
        self._words = words_for(self.origin.locale)
        self._note = note
        self._screen: Screen | None = None
        self._ways = self._open_ways()
        self._closed: list[str] = []
        #: Ways on which there may be a message that is not noted.
        self._tried: set[Way] = set(self._ways) if again else set()
        #: Why the first one was closed; "" where none was.
        self._gone = "" if note is None else note.gone
        self._shows_previews = True
        #: Where the first message is; None where there is none.
        self.first: asyncio.Future[Note | None] = asyncio.get_running_loop().create_future()

    def _open_ways(self) -> list[Way]:
        """In the order in which they are tried."""
        ways: list[Way] = ["post"] if self.origin.post else []
        if self.origin.token is not None:
            ways.append("response")
        ways.append("direct")
        if self._note is not None:
            while ways[0] != self._note.way:
                ways.pop(0)
        return ways

    async def run(self) -> None:
        """To the end. Where it breaks off, it can be taken up again by another call."""
        try:
            await self._follow()
        except NotFound:
            log.info("the job was erased before it was delivered", job=self.job.id)
            await self._take_back()
        except Exception:
            log.exception("delivery broke off", job=self.job.id)
            raise

    async def _follow(self) -> None:
        watch = Watch()
        stream = self._service.follow(self.job.id, self._owner, self._all.tempo.progress)
        hearing = asyncio.create_task(watch.hear(stream), name=f"hear {self.job.id}")
        try:
            pause = 0.0
            while True:
                event, preview = await watch.news(pause)
                if isinstance(event, Ending):
                    await self._tell(event)
                    return
                if not await self._show(event, preview):
                    watch.recall()
                if isinstance(event, Stopped):
                    return
                pause = self._pause(event)
        finally:
            hearing.cancel()
            with suppress(asyncio.CancelledError):
                await hearing

    def _pause(self, event: Event) -> float:
        tempo = self._all.tempo
        crowd = self._all.live[self.origin.channel_id]
        # Discord bears about five edits in five seconds in a channel.
        return max(tempo.queue if isinstance(event, Queued) else tempo.progress, tempo.progress / 3 * crowd)

    async def _show(self, event: Event | Stopped, preview: bytes | None) -> bool:
        """Tries once. False where it may work later."""
        shown = self._shown(event)
        if self._closed or self._is_old():
            return True
        seen = preview if self._shows_previews and isinstance(event, Progress) else None
        try:
            await self._put_once(shown, [Picture("preview.jpg", seen, "")] if seen else [])
        except (Passing, TooLarge) as error:
            log.info("news could not be told", job=self.job.id, why=str(error))
            self._shows_previews &= not isinstance(error, TooLarge)
            return False
        except Unreachable as error:
            await self._give_way_up(error)
        return True

    def _is_old(self) -> bool:
        note = self._note if self._screen is None else self._screen.note
        if note is None:
            return False
        return self._all.clock() - discord.utils.snowflake_time(note.message_id).timestamp() > EDITED_FOR

    def _shown(self, event: Event | Stopped) -> Shown:
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

    async def _put_once(self, shown: Shown, pictures: Sequence[Picture]) -> Note:
        screen = self._screen
        if screen is None:
            screen, says_it = await self._open(shown)
            if says_it and not pictures:
                return screen.note
        await screen.show(shown, pictures)
        return screen.note

    async def _open(self, shown: Shown) -> tuple[Screen, bool]:
        """The message of this job, posted where there is none yet, and whether it is known to say this.

        Only the first way may have been taken before.
        """
        way = self._ways[0]
        if self._note is not None and self._note.way == way:
            screen, says_it = await reopened(self._all.client, self.origin, self._note), False
        else:
            if way == "response" and self._all.clock() > self.origin.expires_at:
                raise Unreachable("The interaction has expired.", "expired")
            again = way in self._tried
            self._tried.add(way)
            screen = await opened(self._all.client, way, self.job, self.origin, shown, again=again)
            says_it = way == "response" or not again
            self._screen = screen
            note = replace(screen.note, gone=self._gone)
            await self._written(lambda: self._service.note(self.job.id, note.to_text()))
            await self._check_not_erased()
        self._screen = screen
        self.tell_first(screen.note)
        return screen, says_it

    async def _written(self, write: Callable[[], Awaitable[T]]) -> T:
        """What was done on Discord must be written down, and would be done twice otherwise."""
        return await self._all.in_the_end(write, Exception)

    async def _check_not_erased(self) -> None:
        """Raises NotFound."""
        await self._service.job(self.job.id, self._owner)

    def tell_first(self, note: Note | None) -> None:
        if not self.first.done():
            self.first.set_result(note)

    async def _give_way_up(self, error: Unreachable) -> None:
        """Raises NotFound where the message is gone because all of the job is."""
        await self._check_not_erased()
        log.info("a way to the requester is closed", job=self.job.id, way=self._ways[0], why=str(error))
        self._closed.append(f"{self._ways.pop(0)}: {error}")
        self._gone = self._gone or error.gone
        if error.gone == "channel" and self._ways[:1] == ["response"]:
            # Nobody can look there any more.
            self._ways.pop(0)
        self._screen = self._note = None
        self.tell_first(None)

    async def _take_back(self) -> None:
        """Who erased the job may have known nothing of this message."""
        screen = self._screen
        with suppress(Unreachable, TooLarge):
            if screen is None and self._note is not None:
                screen = await reopened(self._all.client, self.origin, self._note)
            if screen is not None:
                await self._all.in_the_end(screen.remove, Passing)

    async def _tell(self, ending: Ending) -> None:
        """Until Discord has taken it, or no way is left."""
        while self._ways:
            try:
                await self._told(ending)
            except Unreachable as error:
                await self._give_way_up(error)
            else:
                log.info("job delivered", job=self.job.id, way=self._ways[0])
                return
        why = "; ".join(self._closed)
        log.warning("job cannot be delivered", job=self.job.id, why=why)
        await self._written(lambda: self._service.undeliverable(self.job.id, why))

    async def _told(self, ending: Ending) -> None:
        images = ending.images if isinstance(ending, Done) else ()
        messages: dict[str, Message] = {}
        if not isinstance(ending, Done):
            await self._put(self._shown(ending), [])
        elif images:
            note = await self._put_images(images)
            messages = dict.fromkeys((image.id for image in images), self._message(note))
        deleted = await self._written(lambda: self._service.delivered(self.job.id, messages))
        if isinstance(ending, Done) and len(deleted) == len(images):
            await self._take_back()
        elif deleted:
            await self._put_images([image for image in images if image.id not in deleted])

    def _message(self, note: Note) -> Message:
        channel, message_id = str(note.channel_id), str(note.message_id)
        return Message(platform=PLATFORM, space=self.job.space, channel=channel, message_id=message_id)

    async def _put_images(self, images: Sequence[Image]) -> Note:
        """As large as Discord takes them."""
        limit = most_of_each(self._all.client, self._ways[0], self.origin, len(images))
        seconds = max(image.created_at for image in images) - self.job.created_at
        while True:
            pictures, lines = await pictures_of(self._service, images, limit, self._words)
            try:
                return await self._put(render.finished(self.job, images, self._words, seconds, lines), pictures)
            except TooLarge as error:
                if not pictures:
                    raise Unreachable(str(error)) from error
                limit = max(len(picture.content) for picture in pictures) // 2

    async def _put(self, shown: Shown, pictures: Sequence[Picture]) -> Note:
        """Tries again for as long as that may help."""
        if self._ways[0] == "direct" and self._gone:
            why = self._words.say(f"told_privately.{self._gone}", channel=f"<#{self.origin.channel_id}>")
            shown = replace(shown, content=f"{why}\n{shown.content}")
        return await self._all.in_the_end(lambda: self._put_once(shown, pictures), Passing)


def _log_mishap(state: RetryCallState) -> None:
    log.info("tried again", why=repr(state.outcome and state.outcome.exception()), tries=state.attempt_number)
