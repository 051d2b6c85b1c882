"""Images -> files that are small enough for where they go, and words about those that are not."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import discord

from adapters.chat.delivery import Picture
from adapters.chat.mishaps import TooLarge, Unreachable
from adapters.discord import render
from adapters.discord.origin import Origin
from adapters.discord.screens import Way
from adapters.discord.words import Words
from bot.errors import ImageFileLost
from bot.jobs import Failure, Image, Job, Treatment
from bot.service import Service

T = TypeVar("T")

#: How the name of a file begins that Discord covers until somebody presses it.
COVERED = "SPOILER_"
#: Bytes of a request to Discord, all files together, less what the text around them takes.
REQUEST_MOST = 25 * 2**20 - 2**16


def filesize_limit(client: discord.Client, way: Way, origin: Origin) -> int:
    """Bytes that a file may have, as far as Discord says."""
    match way:
        case "direct":
            return discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES
        case "post":
            guild = client.get_guild(origin.guild_id or 0)
            # Right after a start a server's boosts are not told yet.
            return guild.filesize_limit if guild and not guild.unavailable else origin.filesize_limit
        case "response":
            return origin.filesize_limit


async def put(
    service: Service,
    job: Job,
    images: Sequence[Image],
    limit: int,
    words: Words,
    show: Callable[[list[Picture], list[str]], Awaitable[T]],
) -> T:
    """Shows them, each in at most `limit` bytes, or in fewer where Discord takes fewer. Raises what `show` does."""
    limit = min(limit, REQUEST_MOST // len(images))
    while True:
        pictures, lines = await pictures_of(service, job, images, limit, words)
        try:
            return await show(pictures, lines)
        except TooLarge as error:
            if not pictures:
                raise Unreachable(str(error)) from error
            limit = max(len(picture.content) for picture in pictures) // 2


async def pictures_of(
    service: Service, job: Job, images: Sequence[Image], limit: int, words: Words
) -> tuple[list[Picture], list[str]]:
    """Each in at most `limit` bytes; and lines about those that cannot be shown."""
    pictures, lines = [], []
    numbers = render.numbers_of(job)
    for image in images:
        number = numbers.get(image.id)
        several = number is not None
        try:
            encoded = await service.encoded(image, limit)
        except ImageFileLost as error:
            lines.append(words.failure(Failure(error.code, str(error))))
            continue
        if encoded is not None:
            alt_text = render.alt_text(image, number, words)
            covered = COVERED if image.flagged and job.treatment is Treatment.SPOILER else ""
            pictures.append(Picture(f"{covered}{image.id}.{encoded.suffix}", encoded.bytes, alt_text))
        elif link := service.link(image):
            lines.append(words.say("link.number" if several else "link", number=number, link=link))
        else:
            lines.append(words.say("too_large.number" if several else "too_large", number=number))
    return pictures, lines
