"""What can be asked of a picture, from whichever door: each way ends in one call of the service."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import discord

from adapters.chat.delivery import Picture
from adapters.chat.facts import seconds_of
from adapters.chat.memory import Remembered
from adapters.chat.refusals import Unclear
from adapters.discord import place as places
from adapters.discord import render
from adapters.discord.buttons import subjects_of
from adapters.discord.intake import Accept, Intake, Interaction, in_time
from adapters.discord.markdown import quoted
from adapters.discord.modal import Submitted, picture_modal, refine_modal, strength_of
from adapters.discord.pictures import Found, in_message
from adapters.discord.place import PLATFORM
from adapters.discord.render import short
from adapters.discord.screens import edit_response
from adapters.discord.uploads import put
from adapters.discord.words import words_for
from bot.errors import NotFound, Refused
from bot.jobs import Image, Job
from bot.policy import Asker
from bot.service import Service
from bot.typed import Typed, read

LINK = re.compile(
    r"https?://(?:\w+\.)?discord(?:app)?\.com/channels/(?:\d{1,20}|@me)/(?P<channel>\d{1,20})/(?P<message>\d{1,20})/?"
)
#: Of an image in a set.
NUMBER = re.compile(r"[0-9]{1,3}")
#: Characters of a number that is none that an answer repeats.
SHOWN = 20


class Desk:
    def __init__(self, client: discord.Client, service: Service, intake: Intake) -> None:
        self._client = client
        self._service = service
        self._intake = intake
        self._remembered: Remembered[Found] = Remembered()

    async def generate(self, interaction: Interaction, typed: Typed) -> None:
        await self._intake.take(interaction, self._generates(typed), private=typed.private)

    async def refine(self, interaction: Interaction, typed: Typed, picture: Found | None = None) -> None:
        """What `typed.image` names, or the picture, or the asker's last image in this channel."""
        channel_id = interaction.channel_id
        assert channel_id is not None

        async def accept(asker: Asker, origin: str) -> Job:
            if picture is not None:
                if typed.image is not None:
                    raise Unclear("picture.and_image")
                return await self._refine_picture(picture, typed, asker, origin)
            image = await self._named_or_last(typed.image, asker, channel_id)
            return await self._refine(image, typed, asker, origin)

        await self._intake.take(interaction, accept, private=typed.private)

    @in_time
    async def ask_how(self, interaction: Interaction, message: discord.Message) -> None:
        """Opens the window for whatever picture a message shows."""
        words = words_for(interaction.locale.value)
        asker = places.of_interaction(interaction).asker
        if images := await self._shown_by(message, asker):
            await interaction.response.send_modal(refine_modal(images, words, message))
            return
        found = self._picture_in(message, "picture.none")
        found.check()
        await interaction.response.send_modal(picture_modal(self._remembered.keep(found), words, message))

    @in_time
    async def ask_how_of(self, interaction: Interaction, image_id: str) -> None:
        image = await self._service.image(image_id, places.of_interaction(interaction).asker)
        await interaction.response.send_modal(refine_modal({1: image}, words_for(interaction.locale.value)))

    async def submitted(self, interaction: Interaction, window: Submitted) -> None:
        """The window came back."""
        fields = window.fields

        async def accept(asker: Asker, origin: str) -> Job:
            typed = Typed(words=fields.get("prompt", ""), strength=strength_of(fields.get("strength", "")))
            if window.kind == "picture":
                found = self._remembered.take(window.subject)
                if found is None:
                    raise Unclear("picture.too_late")
                return await self._refine_picture(found, typed, asker, origin)
            image = await self._service.image(fields.get("image") or window.subject, asker)
            negative = None if image.recipe is None else image.recipe.negative_prompt
            return await self._refine(image, replace(typed, negative_prompt=negative), asker, origin)

        reply_to = window.message_id or below(interaction)
        await self._intake.take(interaction, accept, private=window.private, reply_to=reply_to)

    async def vary(self, interaction: Interaction, image_id: str) -> None:
        accept: Accept = lambda asker, origin: self._service.vary(image_id, asker, origin)  # noqa: E731
        await self._intake.take(interaction, accept, reply_to=below(interaction))

    async def again(self, interaction: Interaction, image_id: str) -> None:
        accept: Accept = lambda asker, origin: self._service.again(image_id, asker, origin)  # noqa: E731
        await self._intake.take(interaction, accept, reply_to=below(interaction))

    async def retry(self, interaction: Interaction, job_id: str) -> None:
        accept: Accept = lambda asker, origin: self._service.repeat(job_id, asker, origin)  # noqa: E731
        await self._intake.take(interaction, accept, reply_to=below(interaction))

    async def show(self, interaction: Interaction, image_id: str) -> None:
        """In the message that offers them."""
        await interaction.response.defer()
        asker = places.of_interaction(interaction).asker
        images = list((await self._set_of(image_id, asker)).values())
        job = await self._service.job(images[0].job_id or "", asker)
        words, seconds = words_for(interaction.locale.value), seconds_of(job, images)

        async def show(pictures: list[Picture], lines: list[str]) -> None:
            await edit_response(interaction.followup, render.finished(job, images, words, seconds, lines), pictures)

        await put(self._service, job, images, interaction.filesize_limit, words, show)

    @in_time
    async def recipe_of(self, interaction: Interaction, image_id: str) -> None:
        await self._tell_recipe(interaction, await self._set_of(image_id, places.of_interaction(interaction).asker))

    @in_time
    async def recipe_in(self, interaction: Interaction, message: discord.Message) -> None:
        images = await self._shown_by(message, places.of_interaction(interaction).asker)
        if not images:
            raise Unclear(self._unfinished(message) or "recipe.none")
        await self._tell_recipe(interaction, images)

    async def _tell_recipe(self, interaction: Interaction, images: Mapping[int, Image]) -> None:
        first = next(iter(images.values()))
        text = render.recipe(first, words_for(interaction.locale.value), images)
        await interaction.response.send_message(text, ephemeral=True)

    async def spoken_to(self, message: discord.Message, text: str) -> None:
        """A message that mentions the bot, or that was sent to it directly."""
        private = False
        typed: Typed | Refused
        try:
            typed = read(text)
            private = typed.private
        except Refused as error:
            typed = error

        async def accept(asker: Asker, origin: str) -> Job:
            if isinstance(typed, Refused):
                raise typed
            return await self._accept_spoken(message, typed, asker, origin)

        await self._intake.take_message(message, accept, private=private)

    async def _accept_spoken(self, message: discord.Message, typed: Typed, asker: Asker, origin: str) -> Job:
        reference = message.reference
        own_picture = in_message(message)
        if not typed.words:
            raise Unclear("reply.no_words")
        if own_picture is not None:
            if typed.image is not None:
                raise Unclear("picture.and_image")
            return await self._refine_picture(own_picture, typed, asker, origin)
        if reference is not None and reference.message_id is not None:
            return await self._refine_replied_to(reference, typed, asker, origin)
        if typed.image is not None or typed.strength is not None:
            image = await self._named_or_last(typed.image, asker, message.channel.id)
            return await self._refine(image, typed, asker, origin)
        return await self._generates(typed)(asker, origin)

    async def _refine_replied_to(
        self, reference: discord.MessageReference, typed: Typed, asker: Asker, origin: str
    ) -> Job:
        message = reference.resolved
        if isinstance(message, discord.Message):
            images = await self._shown_by(message, asker)
        else:
            # It is gone, but its images may be there.
            images = await self._shown_in(reference.channel_id, reference.message_id, asker)
        if images:
            return await self._refine(chosen(images, typed.image), typed, asker, origin)
        if not isinstance(message, discord.Message):
            raise Unclear("picture.none")
        own = message.author == self._client.user
        picture = self._picture_in(message, "picture.none" if own else "reply.no_picture")
        return await self._refine_picture(picture, typed, asker, origin)

    def _generates(self, typed: Typed) -> Accept:
        async def accept(asker: Asker, origin: str) -> Job:
            return await self._service.generate(typed.request(self._service.menu), asker, origin)

        return accept

    async def _refine(self, image: Image, typed: Typed, asker: Asker, origin: str) -> Job:
        return await self._service.refine(typed.refinement(image.id, self._service.menu), asker, origin)

    async def _refine_picture(self, found: Found, typed: Typed, asker: Asker, origin: str) -> Job:
        """The picture is kept only where the job is accepted."""
        image = await self._service.bring(await found.fetch(), asker, found.name)
        try:
            return await self._refine(image, typed, asker, origin)
        except Exception:
            await self._service.delete(image.id, asker)
            raise

    async def _named_or_last(self, text: str | None, asker: Asker, channel_id: int) -> Image:
        """By its ID or a link to its message, or by its number in the newest set. Raises NotFound or Unclear."""
        text = (text or "").strip()
        if not text or NUMBER.fullmatch(text):
            last = await self._service.newest_in_channel(asker, PLATFORM, str(channel_id))
            if last is None:
                raise Unclear("image.none_here")
            images = await self._set_of(last, asker)
            return chosen(images, text) if text else images[max(images)]
        if link := LINK.fullmatch(text):
            images = await self._shown_in(int(link["channel"]), int(link["message"]), asker)
            if not images:
                raise NotFound("image")
            if len(images) > 1:
                raise Unclear("image.several", images=len(images))
            return next(iter(images.values()))
        return await self._service.image(text, asker)

    async def _shown_by(self, message: discord.Message, asker: Asker) -> Mapping[int, Image]:
        """None for messages of others, and for those without pictures yet."""
        images = await self._shown_in(message.channel.id, message.id, asker)
        if not images and message.author == self._client.user:
            # The index may not know of it yet, or knows of it no more.
            for image_id in subjects_of(message, "refine"):
                return await self._set_of(image_id, asker)
        return images

    async def _shown_in(self, channel_id: int, message_id: int | None, asker: Asker) -> Mapping[int, Image]:
        ids = await self._service.shown_by(PLATFORM, str(channel_id), str(message_id))
        return await self._set_of(ids[0], asker) if ids else {}

    async def _set_of(self, image_id: str, asker: Asker) -> Mapping[int, Image]:
        """It and those that were painted with it and are still there, by the numbers that their message gave them.

        Raises NotFound or AgeRestricted.
        """
        image = await self._service.image(image_id, asker)
        if image.job_id is None:
            return {1: image}
        job = await self._service.job(image.job_id, asker)
        return {job.image_ids.index(one.id) + 1: one for one in await self._service.images_of(job)}

    def _picture_in(self, message: discord.Message, otherwise: str) -> Found:
        """Raises Unclear: `otherwise`, or what a message of ours is instead."""
        found = None if message.author == self._client.user else in_message(message)
        if found is None:
            raise Unclear(self._unfinished(message) or otherwise)
        return found

    def _unfinished(self, message: discord.Message) -> str | None:
        """What to say of a message of ours that may have pictures one day, or did not get any."""
        if message.author == self._client.user:
            for action, said in (("cancel", "picture.not_yet"), ("retry", "picture.not_painted")):
                if subjects_of(message, action):
                    return said
        return None


def chosen(images: Mapping[int, Image], which: str | None) -> Image:
    """One of the images of a message, by its number or ID. Raises Unclear."""
    if which is None:
        if len(images) > 1:
            raise Unclear("image.which", images=len(images), number=max(images))
        return next(iter(images.values()))
    for number, image in images.items():
        if which.lower() in (str(number), image.id, short(image.id)):
            return image
    raise Unclear("image.number", number=quoted(which, SHOWN), numbers=", ".join(map(str, images)))


def below(interaction: Interaction) -> int | None:
    """The message that the result shall reply to; one that only one person sees cannot be replied to."""
    message: Any = interaction.message
    return None if message is None or message.flags.ephemeral else int(message.id)
