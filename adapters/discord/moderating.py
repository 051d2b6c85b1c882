"""What moderators are shown and what they press; and what anyone presses who reports an image, or asks why."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import discord
import structlog

from adapters.chat.deliveries import Deliveries
from adapters.chat.delivery import Picture
from adapters.chat.kept_back import why_kept_back
from adapters.chat.mishaps import Passing
from adapters.chat.refusals import Unclear
from adapters.chat.reports import thanks
from adapters.chat.retry import again_and_again
from adapters.discord import place as places
from adapters.discord import render
from adapters.discord.buttons import view
from adapters.discord.intake import Interaction, answer, in_time, jump_link
from adapters.discord.mishaps import told_apart
from adapters.discord.origin import Note
from adapters.discord.place import PLATFORM, requester_of
from adapters.discord.render import Shown, person
from adapters.discord.screens import file_of, nonce
from adapters.discord.takedown import Takedown
from adapters.discord.uploads import COVERED
from adapters.discord.words import Words, words_for
from bot.decisions import Report
from bot.errors import Forbidden
from bot.jobs import Image, Message
from bot.moderation import Judged
from bot.policy import Asker
from bot.service import Service

#: Bytes of a message around its file.
AROUND = 2**14
#: For each report, before others have their turn.
TRIES = 3

log = structlog.get_logger(__name__)


class Moderating:
    def __init__(
        self,
        client: discord.Client,
        service: Service,
        takedown: Takedown,
        retry: float,
        later: Callable[[Callable[[], Awaitable[None]], str], None],
    ) -> None:
        self._client = client
        self._service = service
        self._takedown = takedown
        #: Seconds before what failed is tried again for the first time, at most.
        self._retry = retry
        #: Runs what nobody waits for, under a name.
        self._later = later
        #: Set by the client, which makes both.
        self.deliveries: Deliveries

    async def post(self, report: Report, image: Image, place: str) -> Message:
        """Shows an image to the moderators, covered. Raises Mishap."""
        channel = self._client.get_partial_messageable(int(place))
        guild = self._client.get_guild(int(report.space.rpartition(":")[2]))
        words = words_for(guild.preferred_locale.value if guild else "")
        limit = guild.filesize_limit if guild else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES
        shown = await self._report(report, image, words)
        encoded = await self._service.encoded(image, limit - AROUND)
        alt_text = render.alt_text(image, None, words)
        name = f"{COVERED}{image.id}"
        pictures = [] if encoded is None else [Picture(f"{name}.{encoded.suffix}", encoded.bytes, alt_text)]
        post = partial(self._post, channel, shown, pictures, nonce(image.id, "m"))
        message_id = await again_and_again(post, Passing, self._retry, TRIES)
        return Message(platform=PLATFORM, space=image.space, channel=place, message_id=str(message_id))

    async def _post(
        self, channel: discord.PartialMessageable, shown: Shown, pictures: Sequence[Picture], nonce: str
    ) -> int:
        files = [file_of(picture) for picture in pictures]
        with told_apart():
            message = await channel.send(shown.content, view=view(shown), files=files, nonce=nonce)
        return message.id

    async def _report(self, report: Report, image: Image, words: Words) -> Shown:
        """What it is about, and where it was asked for."""
        where = None
        note = None if image.job_id is None else Note.from_text(await self._service.noted(image.job_id))
        if note is not None:
            where = jump_link(int(report.space.rpartition(":")[2]), note.channel_id, note.message_id)
        return render.report(report, image, where, words)

    @in_time
    async def ask_before_reporting(self, interaction: Interaction, image_id: str) -> None:
        """Which image of a set it is, too."""
        words = words_for(interaction.locale.value)
        asker = places.of_interaction(interaction).asker
        image = await self._service.image(image_id, asker)
        images: Sequence[Image] = [image]
        numbers: Mapping[str, int] = {}
        if image.job_id is not None:
            job = await self._service.job(image.job_id, asker)
            images, numbers = await self._service.images_of(job), render.numbers_of(job)
        question = render.report_question([(each.id, numbers.get(each.id)) for each in images], words)
        await interaction.response.send_message(question.content, view=view(question), ephemeral=True)

    async def report(self, interaction: Interaction, image_id: str) -> None:
        await interaction.response.defer()
        reported = await self._service.report(image_id, places.of_interaction(interaction).asker)
        self.deliveries.reports.wake()
        await answer(interaction, thanks(reported, words_for(interaction.locale.value)), view=None)

    @in_time
    async def why(self, interaction: Interaction, job_id: str) -> None:
        asker = places.of_interaction(interaction).asker
        text = await why_kept_back(self._service, job_id, asker, words_for(interaction.locale.value))
        await interaction.response.send_message(text, ephemeral=True)

    async def approve(self, interaction: Interaction, image_id: str) -> None:
        await self._judge(interaction, "approved", lambda asker: self._service.moderation.approve(image_id, asker))

    async def refuse(self, interaction: Interaction, image_id: str) -> None:
        await self._judge(interaction, "refused", lambda asker: self._service.moderation.refuse(image_id, asker))

    async def block(self, interaction: Interaction, image_id: str) -> None:
        refuse = lambda asker: self._service.moderation.refuse(image_id, asker, block=True)  # noqa: E731
        await self._judge(interaction, "blocked", refuse)

    async def _judge(self, interaction: Interaction, how: str, decide: Callable[[Asker], Awaitable[Judged]]) -> None:
        """The report keeps the words and says who decided; a refused picture goes from it, too."""
        words = words_for(interaction.guild_locale.value if interaction.guild_locale else interaction.locale.value)
        await interaction.response.defer()
        try:
            judged = await decide(places.of_interaction(interaction).asker)
        except Forbidden as error:
            raise Unclear("moderators_only") from error
        decided = words.say(
            f"report.{how}",
            moderator=person(requester_of(interaction.user.id)),
            person=person(judged.image.requester),
        )
        gone: dict[str, Any] = {} if how == "approved" else {"attachments": []}
        await answer(interaction, decided, view=None, **gone)
        self._later(partial(self._follow_up, judged, how, interaction.message), f"tell what was {how}")

    async def _follow_up(self, judged: Judged, how: str, report: discord.Message | None) -> None:
        """Who asked sees it in their message; what else shows a refused image goes."""
        told = {str(report.id)} if report is not None else set()
        if judged.job is not None:
            note = Note.from_text(await self._service.noted(judged.job.id))
            told |= set() if note is None else {str(note.message_id)}
            if how != "approved" or judged.image.held:
                await self.deliveries.tell_anew(judged.job)
        await self._takedown.of(one for one in judged.messages if one.message_id not in told)
