"""What can be asked, from whichever door: each way ends in one call of the service, and mistakes are told privately."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import structlog
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from adapters.chat.deliveries import Deliveries
from adapters.chat.memory import Remembered
from adapters.chat.mishaps import Mishap, Unreachable, why
from adapters.chat.refusals import Unclear, explained
from adapters.slack import render, reports
from adapters.slack.blocks import Shown
from adapters.slack.meant import Meant, is_number, parted
from adapters.slack.mishaps import told_apart
from adapters.slack.origin import Origin
from adapters.slack.people import PLATFORM, People, Room, Someone, asker_of, talk_with
from adapters.slack.pictures import fetched, known, picture_of
from adapters.slack.tokens import as_typed, people_in
from adapters.slack.views import refine_modal
from adapters.slack.window import About, Filled, why_without
from adapters.slack.words import Words, words_for
from bot.jobs import Image, Job
from bot.policy import Asker
from bot.service import Service
from bot.typed import Typed, read

#: In place of words to paint.
ASKS_FOR_HELP = ("help", "hilfe", "?")
GREETS = (*ASKS_FOR_HELP, "hi", "hello", "hey", "hallo")
#: People without names in one message who are looked up.
PEOPLE_MOST = 5
#: Slack's errors for a window that was asked for too long ago.
TOO_LATE = {"expired_trigger_id", "exchanged_trigger_id", "invalid_trigger_id"}
#: Seconds for an answer over a response URL.
ANSWER_MOST = 10

#: Accepts a job for an asker, with an origin. Raises Refused.
Accept = Callable[[Asker, str], Awaitable[Job]]

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ask:
    """Who asks, and where."""

    team: str
    user: str
    channel: str
    #: "" outside threads.
    thread: str = ""
    #: Takes answers where the bot may not write; "" where Slack gave none.
    response_url: str = ""
    #: Slack's ID of what was done, which comes along where Slack sends it again.
    id: str = ""

    @property
    def at_home(self) -> bool:
        """In the home tab, which is no conversation."""
        return self.channel == self.user


class Desk:
    def __init__(self, client: AsyncWebClient, service: Service, deliveries: Deliveries, people: People) -> None:
        self._client = client
        self._service = service
        self._deliveries = deliveries
        self._people = people
        self._meant = Meant(service)
        #: Pictures from Slack that open windows are about.
        self._pictures: Remembered[Mapping[str, Any]] = Remembered()
        self.bot_name = "limner"

    # Doors

    async def generate(self, ask: Ask, text: str) -> None:
        said = await self._said(text)
        if said.lower() in ASKS_FOR_HELP:
            await self.tell_help(ask)
            return
        typed = read(said)
        await self._take(ask, self._generates(typed), private=typed.private)

    async def refine(self, ask: Ask, text: str) -> None:
        """`[<ID> | <message link>] more snow --steps 40`; without an image the asker's last one here."""
        said = await self._said(text)
        if said.lower() in ASKS_FOR_HELP:
            await self.tell_help(ask)
            return
        named, words = parted(said)
        typed = read(words)

        async def accept(asker: Asker, origin: str) -> Job:
            image = await self._meant.named_or_last(named, typed.image, asker, ask.channel)
            return await self._refine(image, typed, asker, origin)

        await self._take(ask, accept, private=typed.private)

    async def spoken_to(self, ask: Ask, text: str, files: Sequence[Mapping[str, Any]]) -> None:
        """A mention, or a direct message."""
        said = await self._said(text)
        if not files and said.lower().rstrip("!.") in GREETS:
            await self.tell_help(ask)
            return
        named, words = parted(said)
        typed = read(words)

        async def accept(asker: Asker, origin: str) -> Job:
            if not typed.words:
                raise Unclear("no_words.picture" if files else "no_words")
            if files:
                if named is not None or typed.image is not None:
                    raise Unclear("picture.and_image")
                return await self._refine_picture(picture_of(files), typed, asker, origin)
            image = await self._spoken_of(named, typed, asker, ask)
            if image is None:
                return await self._generates(typed)(asker, origin)
            return await self._refine(image, typed, asker, origin)

        await self._take(ask, accept, private=typed.private)

    async def _spoken_of(self, named: str | None, typed: Typed, asker: Asker, ask: Ask) -> Image | None:
        """None where it is about no image. Raises Refused."""
        which = typed.image
        is_of_some = which is not None or typed.strength is not None
        if ask.thread and named is None and (which is None or is_number(which)):
            image = await self._meant.of_thread(which, asker, ask.channel, ask.thread)
            if image is None and is_of_some:
                raise Unclear("image.none_in_thread")
            return image
        if named is not None or is_of_some:
            return await self._meant.named_or_last(named, which, asker, ask.channel)
        return None

    async def _said(self, text: str) -> str:
        people = people_in(text)[:PEOPLE_MOST]
        known = {user: (await self._people.someone(user)).name for user in people}
        return as_typed(text, {user: name for user, name in known.items() if name != user}).strip()

    async def again(self, ask: Ask, image_id: str) -> None:
        await self._take(ask, lambda asker, origin: self._service.again(image_id, asker, origin))

    async def vary(self, ask: Ask, image_id: str) -> None:
        await self._take(ask, lambda asker, origin: self._service.vary(image_id, asker, origin))

    async def retry(self, ask: Ask, job_id: str) -> None:
        await self._take(ask, lambda asker, origin: self._service.repeat(job_id, asker, origin))

    # Windows

    async def ask_how_of(self, ask: Ask, image_id: str, trigger_id: str) -> None:
        asker, words = await self._who(ask)
        image = await self._service.image(image_id, asker)
        await self._open(trigger_id, ask, {1: image}, "", words)

    async def ask_how(self, ask: Ask, message: Mapping[str, Any], trigger_id: str) -> None:
        """Of whatever picture a message shows."""
        self._check_room(await self._people.room(ask.channel), ask.channel)
        asker, words = await self._who(ask)
        images = await self._meant.of_message(asker, ask.channel, str(message["ts"]))
        if not images and (why := why_without(message)):
            raise Unclear(why)
        picture = "" if images else self._pictures.keep(picture_of(message.get("files", [])))
        await self._open(trigger_id, ask, images, picture, words)

    async def _open(self, trigger_id: str, ask: Ask, images: Mapping[int, Image], picture: str, words: Words) -> None:
        first = next((image.id for image in images.values()), "")
        about = About(
            team=ask.team, channel=ask.channel, thread=ask.thread, image=first, picture=picture, locale=words.language
        )
        try:
            with told_apart():
                view = refine_modal(images, words, about.to_text())
                await self._client.views_open(trigger_id=trigger_id, view=view)
        except Unreachable as error:
            if str(error) not in TOO_LATE:
                raise
            raise Unclear("too_slow") from error

    async def submitted(self, ask: Ask, about: About | None, filled: Filled) -> None:
        """The window came back. Raises Refused."""
        if about is None:
            raise Unclear("unknown_window")
        ask = replace(ask, team=about.team)
        typed = Typed(words=filled.prompt, strength=filled.strength_meant)

        async def accept(asker: Asker, origin: str) -> Job:
            if about.picture:
                picture = self._pictures.take(about.picture)
                if picture is None:
                    raise Unclear("picture.too_late")
                return await self._refine_picture(picture, typed, asker, origin)
            image = await self._service.image(filled.chosen or about.image, asker)
            negative = None if image.recipe is None else image.recipe.negative_prompt
            return await self._refine(image, replace(typed, negative_prompt=negative), asker, origin)

        await self._take(ask, accept)

    # Answers

    async def tell_help(self, ask: Ask) -> None:
        asker, words = await self._who(ask)
        await self.tell(ask, reports.guide(words, admin=asker.admin))

    async def tell_recipe(self, ask: Ask, image_id: str) -> None:
        asker, words = await self._who(ask)
        image = await self._service.image(image_id, asker)
        await self.tell(ask, reports.recipe(image, words, await self._meant.set_of(image.id, asker)))

    async def tell_recipe_in(self, ask: Ask, message: Mapping[str, Any]) -> None:
        shown = await self._service.shown_by(PLATFORM, ask.channel, str(message["ts"]))
        if not shown:
            raise Unclear("recipe.none")
        await self.tell_recipe(ask, shown[0])

    async def tell(self, ask: Ask, shown: Shown) -> None:
        """To who asks alone; where the bot may not write, in answer to what they did, and else directly."""
        if ask.at_home:
            await self._tell_directly(ask.user, shown)
            return
        try:
            with told_apart():
                await self._client.chat_postEphemeral(
                    channel=ask.channel,
                    user=ask.user,
                    thread_ts=ask.thread or None,
                    text=shown.text,
                    blocks=shown.blocks,
                )
        except Mishap as error:
            log.info("could not be told in the channel", why=str(error))
            if not await self._tell_in_answer(ask, shown):
                await self._tell_directly(ask.user, shown)

    async def _tell_in_answer(self, ask: Ask, shown: Shown) -> bool:
        """False where it did not arrive."""
        if not ask.response_url:
            return False
        try:
            answering = AsyncWebhookClient(ask.response_url, timeout=ANSWER_MOST, retry_handlers=[])
            answer = await answering.send(
                text=shown.text, blocks=shown.blocks, response_type="ephemeral", replace_original=False
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            log.info("could not be told in answer", why=why(error))
            return False
        return answer.status_code == 200

    async def _tell_directly(self, user: str, shown: Shown) -> None:
        try:
            channel = await talk_with(self._client, user)
            with told_apart():
                await self._client.chat_postMessage(channel=channel, text=shown.text, blocks=shown.blocks)
        except Mishap as error:
            log.warning("an answer could not be given", why=str(error))

    async def refuse(self, ask: Ask, error: Exception) -> None:
        if isinstance(error, Mishap):
            log.warning("slack did not do it", why=str(error))
            error = Unclear("too_slow")
        someone = await self._people.someone(ask.user)
        await self.tell(ask, render.answer(explained(words_for(someone.locale), error)))

    # How

    async def _take(self, ask: Ask, accept: Accept, *, private: bool = False) -> None:
        """Raises Refused."""
        if ask.at_home:
            ask = replace(ask, channel=await self._talk_with(ask.user))
        someone, room = await self._people.someone(ask.user), await self._people.room(ask.channel)
        asker = asker_of(ask.team, ask.user, ask.channel, room, someone, private=private, asked_by=ask.id)
        if await self._service.accepted(asker):
            return
        if not private:
            self._check_room(room, ask.channel)
        elif not room.direct:
            await self._talk_with(ask.user)
        origin = Origin(
            channel=ask.channel,
            thread=ask.thread,
            user=ask.user,
            name=someone.name,
            locale=someone.locale,
            private=private and not room.direct,
        )
        self._deliveries.start(await accept(asker, origin.to_text()))
        if origin.private:
            await self.tell(ask, render.answer(words_for(someone.locale).say("private.here")))

    async def _talk_with(self, user: str) -> str:
        """The channel of direct messages. Raises Unclear or Passing."""
        try:
            return await talk_with(self._client, user)
        except Unreachable as error:
            raise Unclear("no_direct_messages") from error

    def _check_room(self, room: Room, channel: str) -> None:
        """Raises Unclear with what to do, before anything is queued."""
        if room.archived:
            raise Unclear("archived")
        if room.unknown not in ("", "channel_not_found"):
            raise Unclear("too_slow")
        if not room.member:
            if channel.startswith("D"):
                # Between other people, where nobody can be invited.
                raise Unclear("not_in_talk")
            raise Unclear("not_in_channel", bot=self.bot_name)

    async def _who(self, ask: Ask) -> tuple[Asker, Words]:
        asker, someone = await self.asker(ask)
        return asker, words_for(someone.locale)

    async def someone(self, user: str) -> Someone:
        return await self._people.someone(user)

    async def room(self, channel: str) -> Room:
        return await self._people.room(channel)

    async def asker(self, ask: Ask) -> tuple[Asker, Someone]:
        someone, room = await self._people.someone(ask.user), await self._people.room(ask.channel)
        return asker_of(ask.team, ask.user, ask.channel, room, someone), someone

    def _generates(self, typed: Typed) -> Accept:
        async def accept(asker: Asker, origin: str) -> Job:
            return await self._service.generate(typed.request(self._service.menu), asker, origin)

        return accept

    async def _refine(self, image: Image, typed: Typed, asker: Asker, origin: str) -> Job:
        return await self._service.refine(typed.refinement(image.id, self._service.menu), asker, origin)

    async def _refine_picture(self, file: Mapping[str, Any], typed: Typed, asker: Asker, origin: str) -> Job:
        """The picture is kept only where the job is accepted."""
        found = await known(file, self._client)
        content = await fetched(found, self._client)
        image = await self._service.bring(content, asker, str(found.get("name") or ""))
        try:
            return await self._refine(image, typed, asker, origin)
        except Exception:
            await self._service.delete(image.id, asker)
            raise
