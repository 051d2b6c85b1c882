"""Pictures that are no images of ours: found in what Discord sends, judged before they are fetched."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import discord
import structlog

from adapters.chat.mishaps import why
from adapters.chat.pictures import FETCH_SECONDS, lies_at, limited, too_large
from bot.errors import BadRequest, Mistake
from bot.pictures import BYTES_MAX, FORMATS

TYPES = tuple(f"image/{form.lower()}" for form in FORMATS)
#: What the CDN answers of files that are deleted, or whose address has expired.
GONE = (403, 404, 410)

#: Hosts where Discord keeps files, and copies of what lies elsewhere.
DISCORD = re.compile(r"([a-z0-9-]+\.)*discord(app)?\.(com|net)")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A picture that can be fetched from Discord; its address works for some hours."""

    url: str
    #: None where Discord does not say.
    size: int | None
    content_type: str | None
    #: As whoever sent it named the file.
    name: str = ""

    def check(self) -> None:
        """Raises BadRequest for what is refused unseen."""
        if self.size is not None and self.size > BYTES_MAX:
            raise too_large()
        if self.content_type is not None and self.content_type.partition(";")[0] not in TYPES:
            formats = ", ".join(FORMATS)
            message = f"This is no picture that can be read. Taken are {formats}."
            raise BadRequest(Mistake("picture", message, "unreadable", {"formats": formats}))

    async def fetch(self) -> bytes:
        """No more than is allowed, whatever Discord said of the size. Raises BadRequest where it does not come."""
        self.check()
        if not lies_at(self.url, DISCORD, discord.http.Route.BASE):
            raise BadRequest(Mistake("picture", "This picture does not lie at Discord.", "not_there"))
        limit = aiohttp.ClientTimeout(total=FETCH_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit, auto_decompress=False) as session,
                session.get(self.url, allow_redirects=False) as response,
            ):
                if response.status in GONE:
                    message = "The picture is not on Discord any more."
                    raise BadRequest(Mistake("picture", message, "not_there"))
                if response.status != 200:
                    raise _not_now()
                return await limited(response)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            log.info("a picture could not be fetched", why=why(error))
            raise _not_now() from error


def _not_now() -> BadRequest:
    message = "Discord does not give out this picture at the moment. Trying again helps."
    return BadRequest(Mistake("picture", message, "not_now"))


def attached(attachment: discord.Attachment) -> Found:
    return Found(attachment.url, attachment.size, attachment.content_type, attachment.filename)


def in_message(message: discord.Message) -> Found | None:
    """The first picture; of pictures behind links the copy that Discord keeps."""
    forwarded = ((part.attachments, part.embeds) for part in message.message_snapshots)
    for attachments, embeds in ((message.attachments, message.embeds), *forwarded):
        if found := _in(attachments, embeds):
            return found
    return None


def _in(attachments: Sequence[discord.Attachment], embeds: Sequence[discord.Embed]) -> Found | None:
    for attachment in attachments:
        # Discord does not always say what it is, but it measures pictures.
        if (attachment.content_type or ("image/" if attachment.width else "")).startswith("image/"):
            return attached(attachment)
    for embed in embeds:
        for media in (embed.image, embed.thumbnail):
            if media.proxy_url:
                return Found(media.proxy_url, None, None)
    return None
