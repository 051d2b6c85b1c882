"""Brings the news of each job to where it was asked for, until its ending is told: once, whatever happens meanwhile.

What must be known of a platform, its adapter adds: which ways there are to a requester, and how a message looks there.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import structlog

from adapters.chat.deliveries import Deliveries
from adapters.chat.kept_back import KeptBack, parted
from adapters.chat.mishaps import Passing, TooLarge, Unreachable
from adapters.chat.watch import Stopped, Watch
from bot.errors import NotFound, StorageTrouble
from bot.events import Done, Ending, Event, Progress, Queued
from bot.jobs import Image, Job, Message
from bot.policy import Asker

T = TypeVar("T")
#: A message as its platform wants it.
Shown = TypeVar("Shown")
ShownThere = TypeVar("ShownThere", contravariant=True)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Picture:
    name: str
    content: bytes
    alt_text: str


class Note(Protocol):
    """Where the message of a job is."""

    #: One of the ways of its platform.
    @property
    def way(self) -> str: ...

    #: Why it is not on the first way, as in mishaps.Unreachable; "" where it is.
    @property
    def gone(self) -> str: ...

    def to_text(self) -> str: ...


class Screen(Protocol[ShownThere]):
    """A message that shows how a job stands. All calls raise mishaps."""

    @property
    def note(self) -> Note: ...

    async def show(self, shown: ShownThere, pictures: Sequence[Picture]) -> None:
        """May be repeated."""
        ...

    async def remove(self) -> None: ...


class Delivery(ABC, Generic[Shown]):
    """One job's way to its requester."""

    #: Messages that share a rate limit and may be edited within `Tempo.progress`; with more of them each waits longer.
    edits_at_once: float

    def __init__(
        self, all_of_them: Deliveries, job: Job, note: Note | None, ways: Sequence[str], limited_by: str, *, again: bool
    ) -> None:
        """`ways` in the order in which they are tried; `limited_by` names the rate limit that its edits share."""
        self.all = all_of_them
        self.service = all_of_them.service
        self.job = job
        self.limited_by = limited_by
        self.is_painted = False
        self._owner = Asker(job.requester, job.space)
        self._note = note
        self._screen: Screen[Shown] | None = None
        self._ways = list(ways)
        if note is not None:
            self._ways = self._ways[self._ways.index(note.way) :]
        self._closed: list[str] = []
        #: Ways on which there may be a message that is not noted.
        self._tried: set[str] = set(self._ways) if again else set()
        #: Why the first one was closed; "" where none was.
        self.gone = "" if note is None else note.gone
        #: Finished pictures were sent on this way, and whether they arrived was not heard.
        self.unheard = False
        self._shows_previews = True
        #: Where the first message is; None where there is none.
        self.first: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    @property
    def way(self) -> str:
        """That is tried now."""
        return self._ways[0]

    @abstractmethod
    async def opened(self, way: str, shown: Shown, *, again: bool) -> Screen[Shown]:
        """A new message without pictures; `again` says that there may be one already, which is then found.

        Raises mishaps.
        """

    @abstractmethod
    async def reopened(self, note: Any) -> Screen[Shown]:
        """The message that was noted. Raises mishaps."""

    @abstractmethod
    def shown(self, event: Event | Stopped) -> Shown:
        """All but Done."""

    @abstractmethod
    async def put_images(self, images: Sequence[Image], kept_back: KeptBack) -> Any:
        """Shows them by `put`, as large as the platform takes them, and returns its note. Raises Unreachable.

        It says what was kept back; where there are no images, without a word of what was asked for.
        """

    def closed_with(self, gone: str) -> Collection[str]:
        """Ways on which nobody could look any more, where this is gone."""
        return ()

    @abstractmethod
    def message_of(self, note: Any) -> Message:
        """For the index."""

    @abstractmethod
    def explained(self, shown: Shown) -> Shown:
        """With a line about why it comes on this way, where the first one was closed."""

    @abstractmethod
    def is_old(self, note: Any) -> bool:
        """The message takes no more edits, but for the last."""

    async def run(self) -> None:
        """To the end. Where it breaks off, it can be taken up again by another call."""
        try:
            await self._follow()
        except NotFound:
            log.info("the job was erased before it was delivered", job=self.job.id)
            await self.take_back()
        except StorageTrouble:
            # The log has it already.
            raise
        except Exception:
            log.exception("delivery broke off", job=self.job.id)
            raise

    async def _follow(self) -> None:
        watch = Watch()
        previews = self.all.tempo.progress if self._shows_previews else None
        stream = self.service.follow(self.job.id, self._owner, previews)
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
        tempo, all_of_them = self.all.tempo, self.all
        if isinstance(event, Queued):
            least, crowd = tempo.queue, all_of_them.live
        else:
            all_of_them.painted[self.limited_by] += not self.is_painted
            self.is_painted = True
            least, crowd = tempo.progress, all_of_them.painted
        return max(least, tempo.progress / self.edits_at_once * crowd[self.limited_by])

    async def _show(self, event: Event | Stopped, preview: bytes | None) -> bool:
        """Tries once. False where it may work later."""
        shown = self.shown(event)
        if self._closed or self._is_old():
            return True
        may_see = self._shows_previews and self.service.may_preview(self.job)
        seen = preview if may_see and isinstance(event, Progress) else None
        # The message itself comes first, and is not edited at once.
        is_first = not self.has_message
        try:
            await self._put_once(shown, [Picture("preview.jpg", seen, "")] if seen and not is_first else [])
        except (Passing, TooLarge) as error:
            log.info("news could not be told", job=self.job.id, why=str(error))
            self._shows_previews &= not isinstance(error, TooLarge)
            return False
        except Unreachable as error:
            await self.give_way_up(error)
        return not (seen and is_first)

    def _is_old(self) -> bool:
        note = self._note if self._screen is None else self._screen.note
        return note is not None and self.is_old(note)

    async def _put_once(self, shown: Shown, pictures: Sequence[Picture]) -> Any:
        screen = self._screen
        if screen is None:
            screen, says_it = await self._open(shown)
            if says_it and not pictures:
                return screen.note
        await screen.show(shown, pictures)
        return screen.note

    async def _open(self, shown: Shown) -> tuple[Screen[Shown], bool]:
        """The message of this job, posted where there is none yet, and whether it is known to say this.

        Only the first way may have been taken before.
        """
        way = self._ways[0]
        if self._note is not None and self._note.way == way:
            screen, says_it = await self.reopened(self._note), False
        else:
            again = way in self._tried
            self._tried.add(way)
            screen = await self.opened(way, shown, again=again)
            says_it = not again
            self._screen = screen
            await self._written(lambda: self.service.note(self.job.id, screen.note.to_text()))
            await self._check_not_erased()
        self._screen = screen
        self.tell_first(screen.note)
        return screen, says_it

    async def _written(self, write: Callable[[], Awaitable[T]]) -> T:
        """What was done on a platform must be written down, and would be done twice otherwise."""
        return await self.all.in_the_end(write, Exception)

    async def _check_not_erased(self) -> None:
        """Raises NotFound."""
        await self.service.job(self.job.id, self._owner)

    def tell_first(self, note: Note | None) -> None:
        if not self.first.done():
            self.first.set_result(note)

    async def give_way_up(self, error: Unreachable) -> None:
        """Goes on to the next one. Raises NotFound where the message is gone because all of the job is."""
        await self._check_not_erased()
        log.info("a way to the requester is closed", job=self.job.id, way=self._ways[0], why=str(error))
        self._closed.append(f"{self._ways.pop(0)}: {error}")
        self.gone = self.gone or error.gone
        self._ways = [way for way in self._ways if way not in self.closed_with(error.gone)]
        self._screen = self._note = None
        self.unheard = False
        self.tell_first(None)

    async def take_back(self) -> None:
        """Who erased the job may have known nothing of this message."""
        screen = self._screen
        with suppress(Unreachable, TooLarge):
            if screen is None and self._note is not None:
                screen = await self.reopened(self._note)
            if screen is not None:
                await self.all.in_the_end(screen.remove, Passing)

    async def _tell(self, ending: Ending) -> None:
        """Until the platform has taken it, or no way is left."""
        began = self.all.clock()
        while self._ways:
            try:
                await self._told(ending)
            except Unreachable as error:
                await self.give_way_up(error)
            else:
                self.service.telemetry.delivered(self.job, self._ways[0], began)
                return
        why = "; ".join(self._closed)
        self.service.telemetry.undeliverable(self.job, why, began)
        await self._written(lambda: self.service.undeliverable(self.job.id, why))

    async def _told(self, ending: Ending) -> None:
        if not isinstance(ending, Done):
            await self.put(self.shown(ending), [])
            await self._written(lambda: self.service.delivered(self.job.id, {}))
            return
        images, kept_back = parted(ending)
        messages: dict[str, Message] = {}
        if images or kept_back:
            note = await self.put_images(images, kept_back)
            messages = dict.fromkeys((image.id for image in images), self.message_of(note))
        deleted = await self._written(lambda: self.service.delivered(self.job.id, messages))
        left = [image for image in images if image.id not in deleted]
        if not left and not kept_back:
            await self.take_back()
        elif deleted:
            await self.put_images(left, kept_back)
        if kept_back.held:
            self.all.reports.wake()

    @property
    def has_message(self) -> bool:
        return self._screen is not None or self._note is not None

    async def tried(self, work: Callable[[], Awaitable[T]]) -> T:
        """Again and again while that may help. Raises Unreachable or TooLarge."""
        return await self.all.in_the_end(work, Passing)

    async def keep_note(self, change: Callable[[Note | None], Note]) -> None:
        """Writes down more than where the message is."""
        note = change(self._note if self._screen is None else self._screen.note)
        await self._written(lambda: self.service.note(self.job.id, note.to_text()))

    async def put(self, shown: Shown, pictures: Sequence[Picture]) -> Any:
        """Tries again for as long as that may help. Returns the note of the message. Raises Unreachable or TooLarge."""
        if self.gone:
            shown = self.explained(shown)

        async def once() -> Any:
            try:
                return await self._put_once(shown, pictures)
            except Passing:
                self.unheard = self.unheard or bool(pictures)
                raise

        return await self.all.in_the_end(once, Passing)
