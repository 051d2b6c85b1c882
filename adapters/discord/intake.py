"""Takes a request from any door: acknowledges it at once, asks the service, and says kindly what is wrong."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from functools import wraps
from typing import Any, ParamSpec

import discord
import structlog

from adapters.chat.deliveries import Deliveries
from adapters.chat.mishaps import Mishap, Passing, Unreachable
from adapters.chat.refusals import Unclear, explained
from adapters.discord import place as places
from adapters.discord.mishaps import told_apart
from adapters.discord.origin import TOKEN_LIFE, Origin
from adapters.discord.place import Place
from adapters.discord.words import Words, words_for
from bot.errors import WordsRefused
from bot.jobs import Job
from bot.policy import Asker

P = ParamSpec("P")

#: Seconds for what is looked up before the first answer. Discord waits for three, and the way there takes some.
PATIENCE = 2.0
#: Discord's codes for an interaction that was answered already, and for one that waited too long.
ACKNOWLEDGED, TOO_LATE = 40060, 10062

Interaction = discord.Interaction[Any]
#: Accepts a job for an asker, with an origin. Raises Refused.
Accept = Callable[[Asker, str], Awaitable[Job]]

log = structlog.get_logger(__name__)


class Intake:
    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries

    async def take(
        self, interaction: Interaction, accept: Accept, *, private: bool = False, reply_to: int | None = None
    ) -> None:
        """Answers the interaction, whatever happens."""
        place = places.of_interaction(interaction, private=private)
        words = words_for(place.locale)
        hidden = place.can_post or place.asker.private
        try:
            with self._deliveries.service.telemetry.metrics.acknowledgement.labels(self._deliveries.platform).time():
                await self._acknowledge(interaction, place, words, hidden)
        except Mishap as error:
            # Too late. Nobody would see an answer, so nothing is begun.
            log.warning("an interaction could not be acknowledged", why=str(error))
            return
        try:
            job = await accept(place.asker, self._origin(interaction, place, reply_to).to_text())
        except Exception as error:  # noqa: BLE001 - it is told and logged
            await refuse(interaction, words, error, hidden=hidden)
            return
        note = await self._deliveries.start(job).first
        if note is not None and note.way == "post":
            link = jump_link(place.guild_id, note.channel_id, note.message_id)
            await answer(interaction, words.say("accepted", link=link))

    async def _acknowledge(self, interaction: Interaction, place: Place, words: Words, hidden: bool) -> None:
        """Raises Mishap."""
        if hidden:
            await at_once(lambda: interaction.response.defer(ephemeral=True, thinking=True))
            return
        # Not deferred: the first follow-up to a deferred answer takes its place.
        await at_once(lambda: interaction.response.send_message(words.say("received")))
        try:
            with told_apart():
                await interaction.followup.send(why_here(place, words), ephemeral=True)
        except Mishap as error:
            log.warning("it could not be told why the answer comes here", why=str(error))

    def _origin(self, interaction: Interaction, place: Place, reply_to: int | None) -> Origin:
        return replace(
            origin_of(place, interaction.id, reply_to),
            token=interaction.token,
            expires_at=interaction.created_at.timestamp() + TOKEN_LIFE,
        )

    async def take_message(self, message: discord.Message, accept: Accept, *, private: bool = False) -> None:
        """The same for a message that speaks to the bot; mistakes are answered below it."""
        place = places.of_message(message, private=private)
        words = words_for(place.locale)
        if not place.can_post and not private:
            await tell_directly(message.author, why_not(place, words))
            return
        try:
            job = await accept(place.asker, origin_of(place, message.id, message.id).to_text())
        except Exception as error:  # noqa: BLE001 - it is told and logged
            await self._refuse_message(message, place, words, error)
            return
        if await self._deliveries.start(job).first is None and private:
            await reply(message, words.say("no_direct_messages"))

    async def _refuse_message(self, message: discord.Message, place: Place, words: Words, error: Exception) -> None:
        """Below it; but which words are refused is nobody else's business."""
        if place.can_post and not isinstance(error, WordsRefused):
            await reply(message, explained(words, error))
        elif not await tell_directly(message.author, explained(words, error)) and place.can_post:
            await reply(message, words.say("refused_privately"))


def origin_of(place: Place, asked_by: int, reply_to: int | None) -> Origin:
    return Origin(
        channel_id=place.channel_id,
        guild_id=place.guild_id,
        asked_by=asked_by,
        locale=place.locale,
        post=place.can_post and not place.asker.private,
        filesize_limit=place.filesize_limit,
        reply_to=reply_to,
    )


def in_time(look_up: Callable[P, Awaitable[None]]) -> Callable[P, Coroutine[Any, Any, None]]:
    """For what cannot be promised first, as a window is the answer itself. Raises Unclear where it takes too long."""

    @wraps(look_up)
    async def limited(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                await look_up(*args, **kwargs)
        except TimeoutError as error:
            raise Unclear("too_slow") from error

    return limited


async def at_once(respond: Callable[[], Awaitable[Any]]) -> None:
    """Once more where the connection broke: Discord closes those that were idle. Raises Mishap.

    What Discord has already is fine: an answer may have been lost, and one interaction is one job, however often it
    comes.
    """
    try:
        await _responded(respond)
    except Passing:
        await _responded(respond)


async def _responded(respond: Callable[[], Awaitable[Any]]) -> None:
    try:
        with told_apart():
            await respond()
    except Unreachable as error:
        if error.code != ACKNOWLEDGED:
            raise


async def refuse(interaction: Interaction, words: Words, error: Exception, *, hidden: bool = True) -> None:
    """Privately. `hidden` says that what was answered before, if anything, only the requester sees."""
    if isinstance(error, discord.NotFound) and error.code == TOO_LATE:
        log.warning("an interaction could not be acknowledged", why=str(error))
        return
    text = explained(words, error)
    try:
        with told_apart():
            await _refuse(interaction, text, hidden)
    except Mishap as failure:
        log.warning("a refusal could not be told", refused=type(error).__name__, why=str(failure))


async def _refuse(interaction: Interaction, text: str, hidden: bool) -> None:
    if not interaction.response.is_done():
        try:
            await interaction.response.send_message(text, ephemeral=True)
        except discord.HTTPException as error:
            if error.code != ACKNOWLEDGED:
                raise
            await interaction.edit_original_response(content=text)
    elif hidden and interaction.response.type is discord.InteractionResponseType.deferred_channel_message:
        await interaction.edit_original_response(content=text)
    else:
        await interaction.followup.send(text, ephemeral=True)
        if not hidden:
            await interaction.delete_original_response()


async def answer(interaction: Interaction, text: str, **more: Any) -> None:
    """In place of the private "thinking"; without it nothing is lost."""
    try:
        with told_apart():
            await interaction.edit_original_response(content=text, **more)
    except Mishap as error:
        log.warning("an answer could not be given", why=str(error))


async def reply(message: discord.Message, text: str) -> None:
    try:
        with told_apart():
            await message.reply(text, mention_author=False)
    except Mishap as error:
        log.warning("a message could not be replied to", why=str(error))


def why_here(place: Place, words: Words) -> str:
    """Why the answer comes in the reply, where the bot cannot post."""
    if not place.is_member:
        return words.say("not_a_member")
    return words.say("missing_permission", permissions=permissions(place, words))


def why_not(place: Place, words: Words) -> str:
    return words.say(
        "missing_permission.direct", permissions=permissions(place, words), channel=f"<#{place.channel_id}>"
    )


def permissions(place: Place, words: Words) -> str:
    return ", ".join(words.say(f"permission.{name}") for name in place.missing)


async def tell_directly(user: discord.User | discord.Member, text: str) -> bool:
    """Only after they spoke to the bot; who takes no direct messages is left in peace. False where they do not."""
    try:
        with told_apart():
            await user.send(text)
    except Mishap as error:
        log.info("somebody could not be told directly", why=str(error))
        return False
    return True


def jump_link(guild_id: int | None, channel_id: int, message_id: int) -> str:
    return f"https://discord.com/channels/{guild_id or '@me'}/{channel_id}/{message_id}"
