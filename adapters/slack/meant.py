"""Which image is meant: by an ID, by a link to a message, by its number in a set, or by where somebody speaks."""

import re
from collections.abc import Mapping
from dataclasses import replace

from adapters.chat.refusals import Unclear
from adapters.slack.mrkdwn import quoted
from adapters.slack.origin import Note
from adapters.slack.people import PLATFORM
from adapters.slack.tokens import LINK
from bot.errors import NotFound
from bot.jobs import Image
from bot.policy import Asker
from bot.service import Service
from bot.typed import UUID

ADDRESS = re.compile(r"https?://\S*")
#: Of an image in a set.
NUMBER = re.compile(r"[0-9]{1,3}")
#: What people put around an ID, or behind it.
AROUND = "`'\"\u2018\u2019\u201c\u201d<>,:;"
#: Characters of a number that is none that an answer repeats.
SHOWN = 20


class Meant:
    def __init__(self, service: Service) -> None:
        self._service = service

    async def named_or_last(self, named: str | None, which: str | None, asker: Asker, channel: str) -> Image:
        """By its ID or a link to its message, else the asker's last one in the channel; `which` is one of its set.

        `which` may be what names it, too. Raises NotFound or Unclear.
        """
        if named is None and which is not None and not is_number(which):
            named, which = which.strip(AROUND), None
        if named is None:
            return await self._last(which, asker, channel)
        if link := LINK.fullmatch(named):
            ts = f"{link['ts'][:10]}.{link['ts'][10:]}"
            shown = await self._service.shown_by(PLATFORM, link["channel"], ts)
            if not shown:
                raise NotFound("image")
            return chosen(await self.set_of(shown[0], asker), which)
        image = await self._service.image(named, asker)
        return image if which is None else chosen(await self.set_of(image.id, asker), which)

    async def _last(self, which: str | None, asker: Asker, channel: str) -> Image:
        # In direct messages nobody else looks on.
        searching = replace(asker, private=asker.private or channel.startswith("D"))
        last = await self._service.newest_in_channel(searching, PLATFORM, channel)
        if last is None:
            raise Unclear("image.none_here")
        if which is None:
            return await self._service.image(last, asker)
        return chosen(await self.set_of(last, asker), which)

    async def of_thread(self, which: str | None, asker: Asker, channel: str, thread: str) -> Image | None:
        """The newest one in a thread, or that number of the newest set. None where there are none.

        Raises NotFound or Unclear.
        """
        newest = await self._service.newest_in_thread(PLATFORM, channel, thread)
        if newest is None:
            await self._check_painted(channel, thread)
            return None
        image = await self._service.image(newest, asker)
        if which is None:
            return image
        images = await self.set_of(image.id, asker)
        if len(images) == 1 and (first := await self._service.shown_by(PLATFORM, channel, thread)):
            images = await self.set_of(first[0], asker)
        return chosen(images, which)

    async def of_message(self, asker: Asker, channel: str, ts: str) -> Mapping[int, Image]:
        """All that it shows. Raises NotFound."""
        shown = await self._service.shown_by(PLATFORM, channel, ts)
        return await self.set_of(shown[0], asker) if shown else {}

    async def _check_painted(self, channel: str, ts: str) -> None:
        """Raises Unclear for a message whose picture is on its way."""
        for owed in await self._service.undelivered(PLATFORM):
            note = Note.from_text(owed.note)
            if note is not None and (note.channel, note.ts) == (channel, ts):
                raise Unclear("picture.not_yet")

    async def set_of(self, image_id: str, asker: Asker) -> Mapping[int, Image]:
        """It and those that were painted with it and are still there, by the numbers that their message gave them.

        Raises NotFound.
        """
        image = await self._service.image(image_id, asker)
        if image.job_id is None:
            return {1: image}
        job = await self._service.job(image.job_id, asker)
        return {job.image_ids.index(one.id) + 1: one for one in await self._service.images_of(job)}


def parted(text: str) -> tuple[str | None, str]:
    """An image's ID or a link at the beginning, and the words after it."""
    first, rest = (*text.split(maxsplit=1), "", "")[:2]
    bare = first.strip(AROUND)
    return (bare, rest) if UUID.fullmatch(bare) or ADDRESS.fullmatch(bare) else (None, text)


def is_number(which: str | None) -> bool:
    return which is not None and NUMBER.fullmatch(which) is not None


def chosen(images: Mapping[int, Image], which: str | None) -> Image:
    """One of a set, by its number or ID. Raises Unclear."""
    if which is None:
        if len(images) > 1:
            raise Unclear("image.which", images=len(images), number=max(images))
        return next(iter(images.values()))
    for number, image in images.items():
        if which.lower() in (str(number), image.id):
            return image
    raise Unclear("image.number", number=quoted(which, SHOWN), numbers=", ".join(map(str, images)))
