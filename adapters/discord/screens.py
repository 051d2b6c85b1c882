"""Messages that show how a job stands. All calls raise what mishaps.py tells apart."""

import base64
import io
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import discord

from adapters.chat.delivery import Picture
from adapters.chat.mishaps import Unreachable
from adapters.discord.buttons import subjects, view
from adapters.discord.mishaps import told_apart
from adapters.discord.origin import Note, Origin
from adapters.discord.place import user_of
from adapters.discord.render import Shown
from bot.jobs import Job

#: Messages that are looked through for one that may have been posted; many jobs may be told in one channel at once.
SEARCHED = 500
#: Discord's code where messages may be posted, but no replies: for those it wants READ_MESSAGE_HISTORY.
NO_REPLIES = 160002

NOBODY = discord.AllowedMentions.none()

Way = Literal["post", "response", "direct"]


@dataclass(frozen=True, slots=True)
class MessageScreen:
    """An ordinary message, in a channel or in direct messages."""

    message: discord.PartialMessage
    way: Way
    gone: str = ""

    @property
    def note(self) -> Note:
        return Note(self.way, self.message.channel.id, self.message.id, self.gone)

    async def show(self, shown: Shown, pictures: Sequence[Picture]) -> None:
        files = [file_of(picture) for picture in pictures]
        with told_apart():
            await self.message.edit(content=shown.content, view=view(shown), attachments=files)

    async def remove(self) -> None:
        with told_apart():
            await self.message.delete()


@dataclass(frozen=True, slots=True)
class ResponseScreen:
    """The answer to an interaction, which can be edited while its token lives."""

    webhook: discord.Webhook
    channel_id: int
    message_id: int
    gone: str = ""

    @property
    def note(self) -> Note:
        return Note("response", self.channel_id, self.message_id, self.gone)

    async def show(self, shown: Shown, pictures: Sequence[Picture]) -> None:
        await edit_response(self.webhook, shown, pictures)

    async def remove(self) -> None:
        original: Any = "@original"
        with told_apart():
            await self.webhook.delete_message(original)


Screen = MessageScreen | ResponseScreen


async def reopened(client: discord.Client, origin: Origin, note: Note) -> Screen:
    """The message that an earlier life of the program noted."""
    if note.way == "response":
        return ResponseScreen(_webhook(client, origin), note.channel_id, note.message_id, note.gone)
    way: Way = "direct" if note.way == "direct" else "post"
    messages = client.get_partial_messageable(note.channel_id, guild_id=origin.guild_id if way == "post" else None)
    return MessageScreen(messages.get_partial_message(note.message_id), way, note.gone)


async def opened(
    client: discord.Client, way: Way, job: Job, origin: Origin, shown: Shown, *, again: bool, gone: str
) -> Screen:
    """A message without pictures, which come by an edit that can be repeated.

    `again` says that it may have been posted already, so that nobody knows what it shows; `gone`, why it is not on the
    first way.
    """
    match way:
        case "response":
            webhook = _webhook(client, origin)
            message_id = await edit_response(webhook, shown, [])
            return ResponseScreen(webhook, origin.channel_id, message_id, gone)
        case "post":
            channel = client.get_partial_messageable(origin.channel_id, guild_id=origin.guild_id)
            return MessageScreen(await _posted(client, channel, way, job, origin, shown, again), way, gone)
        case "direct":
            with told_apart():
                user = client.get_user(user_of(job.requester)) or await client.fetch_user(user_of(job.requester))
                direct = await user.create_dm()
            channel = client.get_partial_messageable(direct.id)
            return MessageScreen(await _posted(client, channel, way, job, origin, shown, again), way, gone)


async def _posted(
    client: discord.Client,
    channel: discord.PartialMessageable,
    way: Way,
    job: Job,
    origin: Origin,
    shown: Shown,
    again: bool,
) -> discord.PartialMessage:
    if again and (found := await _found(client, channel, job, origin)) is not None:
        return channel.get_partial_message(found)
    reference: Any = None
    if way == "post" and origin.reply_to is not None:
        reference = channel.get_partial_message(origin.reply_to).to_reference(fail_if_not_exists=False)
    with told_apart():
        try:
            message = await _sent(channel, shown, nonce(job.id, way[0]), reference)
        except discord.Forbidden as error:
            if error.code != NO_REPLIES:
                raise
            message = await _sent(channel, shown, nonce(job.id, way[0]), None)
    return channel.get_partial_message(message.id)


async def _sent(channel: discord.PartialMessageable, shown: Shown, nonce: str, reference: Any) -> discord.Message:
    return await channel.send(shown.content, view=view(shown), nonce=nonce, reference=reference, mention_author=False)


async def _found(client: discord.Client, channel: discord.PartialMessageable, job: Job, origin: Origin) -> int | None:
    """A message of ours about this job: Discord forgets a nonce after some minutes. None where it cannot be known."""
    assert client.user is not None
    marks = {job.id, *job.image_ids}
    try:
        with told_apart():
            async for message in channel.history(limit=SEARCHED, after=discord.Object(origin.asked_by)):
                if message.author.id == client.user.id and marks & subjects(message):
                    return message.id
    except Unreachable:
        return None
    return None


def nonce(about: str, kind: str) -> str:
    """Of a message about a job or an image, at most 25 characters.

    With it Discord takes a message that is sent twice within some minutes only once.
    """
    return base64.urlsafe_b64encode(uuid.UUID(about).bytes).rstrip(b"=").decode() + kind


def _webhook(client: discord.Client, origin: Origin) -> discord.Webhook:
    assert client.application_id is not None
    if origin.token is None:
        raise Unreachable("There was no interaction to answer.")
    return discord.Webhook.partial(client.application_id, origin.token, client=client)


async def edit_response(webhook: discord.Webhook, shown: Shown, pictures: Sequence[Picture]) -> int:
    original: Any = "@original"
    files = [file_of(picture) for picture in pictures]
    with told_apart():
        message = await webhook.edit_message(
            original, content=shown.content, view=view(shown), attachments=files, allowed_mentions=NOBODY
        )
    return message.id


def file_of(picture: Picture) -> discord.File:
    return discord.File(io.BytesIO(picture.content), picture.name, description=picture.alt_text)
