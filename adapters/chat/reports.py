"""Brings reports to the moderators of a platform's spaces: each image once, also after a restart."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from adapters.chat.mishaps import Mishap
from adapters.chat.words import Words
from bot.decisions import Report
from bot.errors import LimnerError
from bot.jobs import Image, Message
from bot.moderation import Reported
from bot.service import Service

#: Seconds after which those that could not be told are tried again: a channel may be opened, a disk may get room.
AGAIN = 600.0

#: Posts one in the place where moderators hear of it, and says where. Raises Mishap.
Post = Callable[[Report, Image, str], Awaitable[Message]]
#: Takes messages away that show what is gone.
TakeDown = Callable[[Sequence[Message]], Awaitable[bool]]

log = structlog.get_logger(__name__)


def thanks(reported: Reported, words: Words) -> str:
    """What whoever reported an image is told."""
    if reported.decided:
        return words.say("reported.decided")
    if reported.known:
        return words.say("reported.known")
    return words.say("reported.told" if reported.heard else "reported.unheard")


class Reports:
    def __init__(self, platform: str, service: Service, post: Post, take_down: TakeDown, again: float = AGAIN) -> None:
        self._platform = platform
        self._service = service
        self._post = post
        self._take_down = take_down
        self._again = again
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """There may be a new one, or a place for those that wait."""
        self._woken.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            self._woken.clear()
            try:
                await self._tell_all()
            except LimnerError as error:
                log.warning("reports cannot be read; trying again", why=str(error))
            except Exception:
                log.exception("reports broke off; trying again")
            try:
                async with asyncio.timeout(self._again):
                    await self._woken.wait()
            except TimeoutError:
                continue

    async def _tell_all(self) -> None:
        for report, image, place in await self._service.moderation.owed(self._platform):
            try:
                message = await self._post(report, image, place)
            except Mishap as error:
                log.warning("a report did not reach the moderators", image=image.id, channel=place, why=str(error))
            except LimnerError as error:
                log.warning("a report could not be made", image=image.id, why=str(error))
            else:
                if not await self._service.moderation.told(image.id, message):
                    # It was deleted meanwhile, and whoever did that knew nothing of this message.
                    await self._take_down([message])
