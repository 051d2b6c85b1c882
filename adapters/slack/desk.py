"""What can be asked, from whichever door: each way ends in one call of the service, and mistakes are told privately."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import aiohttp
import structlog
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from adapters.chat.delivery import Deliveries
from adapters.chat.memory import Remembered
from adapters.chat.mishaps import Mishap
from adapters.chat.refusals import Unclear, explained
from adapters.slack import render, reports
from adapters.slack.blocks import Shown
from adapters.slack.mishaps import told_apart
from adapters.slack.origin import Origin
from adapters.slack.people import PLATFORM, People, Room, Someone, asker_of
from adapters.slack.pictures import fetched, is_picture
from adapters.slack.views import refine_modal
from adapters.slack.words import Words, words_for
from bot.errors import BadRequest, NotFound, Refused
from bot.jobs import STRENGTH, Image, Job
from bot.policy import Asker
from bot.service import Service
from bot.typed import Typed, read

LINK = re.compile(
    r"<?https?://[\w.-]+\.slack\.com/archives/(?P<channel>[A-Z0-9]{1,20})/p(?P<ts>[0-9]{16})[^>\s]{0,200}>?"
)
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


class Desk:
    def __init__(self, client: AsyncWebClient, service: Service, deliveries: Deliveries, people: People) -> None:
        self._client = client
        self._service = service
        self._deliveries = deliveries
        self._people = people
        #: Pictures from Slack that open windows are about.
        self._pictures: Remembered[Mapping[str, Any]] = Remembered()
        self.bot_name = "limner"

    # Doors

    async def generate(self, ask: Ask, text: str) -> None:
        typed = read(unescaped(text))
        await self._take(ask, self._generates(typed), private=typed.private)

    async def refine(self, ask: Ask, text: str) -> None:
        """`[<ID> | <message link>] more snow --steps 40`; without an image the asker's last one here."""
        named, words = parted(unescaped(text))
        typed = read(words)

        async def accept(asker: Asker, origin: str) -> Job:
            image = await self._named_or_last(named, typed.image, asker, ask.channel)
            return await self._service.refine(typed.refinement(image, self._service.menu), asker, origin)

        await self._take(ask, accept, private=typed.private)

    async def spoken_to(self, ask: Ask, text: str, files: Sequence[Mapping[str, Any]]) -> None:
        """A mention, or a direct message."""
        typed = read(unescaped(text))

        async def accept(asker: Asker, origin: str) -> Job:
            if not typed.words and not typed.mistakes:
                raise Unclear("no_words")
            if files:
                return await self._refine_picture(files[0], typed, asker, origin)
            image = await self._of_thread(ask, typed.image, asker)
            if image is None and (typed.image or typed.strength is not None):
                image = await self._named_or_last(None, typed.image, asker, ask.channel)
            if image is None:
                return await self._generates(typed)(asker, origin)
            return await self._service.refine(typed.refinement(image, self._service.menu), asker, origin)

        await self._take(ask, accept, private=typed.private)

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
        shown = await self._service.shown_by(PLATFORM, ask.channel, str(message["ts"]))
        if shown:
            images = {number: await self._service.image(image_id, asker) for number, image_id in enumerate(shown, 1)}
            await self._open(trigger_id, ask, images, "", words)
            return
        picture = next((file for file in message.get("files", []) if is_picture(file)), None)
        if picture is None:
            raise Unclear("picture.none")
        await self._open(trigger_id, ask, {}, self._pictures.keep(picture), words)

    async def _open(self, trigger_id: str, ask: Ask, images: Mapping[int, Image], picture: str, words: Words) -> None:
        about = {
            "channel": ask.channel,
            "thread": ask.thread,
            "image": next(iter(images.values())).id if images else "",
            "picture": picture,
        }
        with told_apart():
            await self._client.views_open(trigger_id=trigger_id, view=refine_modal(images, words, json.dumps(about)))

    async def submitted(self, ask: Ask, view: Mapping[str, Any]) -> None:
        """The window came back."""
        about = json.loads(view["private_metadata"])
        fields = {block: next(iter(values.values())) for block, values in view["state"]["values"].items()}
        prompt, strength = fields["prompt"].get("value") or "", fields["strength"].get("value") or ""
        chosen = (fields.get("image", {}).get("selected_option") or {}).get("value")

        async def accept(asker: Asker, origin: str) -> Job:
            typed = Typed(words=prompt, strength=strength_of(strength))
            if about["picture"]:
                picture = self._pictures.take(about["picture"])
                if picture is None:
                    raise Unclear("picture.too_late")
                return await self._refine_picture(picture, typed, asker, origin)
            image = await self._service.image(chosen or about["image"], asker)
            negative = None if image.recipe is None else image.recipe.negative_prompt
            refinement = replace(typed, negative_prompt=negative).refinement(image, self._service.menu)
            return await self._service.refine(refinement, asker, origin)

        await self._take(replace(ask, thread=about["thread"]), accept)

    # Answers

    async def tell_recipe(self, ask: Ask, image_id: str) -> None:
        asker, words = await self._who(ask)
        await self.tell(ask, reports.recipe(await self._service.image(image_id, asker), words))

    async def tell_recipe_in(self, ask: Ask, message: Mapping[str, Any]) -> None:
        shown = await self._service.shown_by(PLATFORM, ask.channel, str(message["ts"]))
        if not shown:
            raise Unclear("recipe.none")
        await self.tell_recipe(ask, shown[0])

    async def tell(self, ask: Ask, shown: Shown) -> None:
        """To who asks alone; where the bot may not write, in answer to what they did, and else directly."""
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
            log.info("could not be told in answer", why=repr(error))
            return False
        return answer.status_code == 200

    async def _tell_directly(self, user: str, shown: Shown) -> None:
        try:
            with told_apart():
                opened = await self._client.conversations_open(users=[user])
                channel = str(opened["channel"]["id"])
                await self._client.chat_postMessage(channel=channel, text=shown.text, blocks=shown.blocks)
        except Mishap as error:
            log.warning("an answer could not be given", why=str(error))

    async def refuse(self, ask: Ask, error: Exception) -> None:
        someone = await self._people.someone(ask.user)
        await self.tell(ask, render.answer(explained(words_for(someone.locale), error)))

    # How

    async def _take(self, ask: Ask, accept: Accept, *, private: bool = False) -> None:
        """Raises Refused."""
        someone, room = await self._people.someone(ask.user), await self._people.room(ask.channel)
        asker = asker_of(ask.team, ask.user, ask.channel, room, someone, private=private, asked_by=ask.id)
        if await self._service.accepted(asker):
            return
        if not private:
            self._check_room(room, ask.channel)
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

    async def asker(self, ask: Ask) -> tuple[Asker, Someone]:
        someone, room = await self._people.someone(ask.user), await self._people.room(ask.channel)
        return asker_of(ask.team, ask.user, ask.channel, room, someone), someone

    def _generates(self, typed: Typed) -> Accept:
        async def accept(asker: Asker, origin: str) -> Job:
            return await self._service.generate(typed.request(self._service.menu), asker, origin)

        return accept

    async def _of_thread(self, ask: Ask, which: str | None, asker: Asker) -> Image | None:
        """The newest image of the thread; of the set that began it, `--image 2`."""
        if not ask.thread:
            return None
        if which is not None and which.isdecimal():
            shown = await self._service.shown_by(PLATFORM, ask.channel, ask.thread)
            if shown:
                return await self._service.image(chosen_of(shown, which), asker)
        if which is not None:
            return None
        newest = await self._service.newest_in_thread(PLATFORM, ask.channel, ask.thread)
        return None if newest is None else await self._service.image(newest, asker)

    async def _named_or_last(self, named: str | None, which: str | None, asker: Asker, channel: str) -> Image:
        """By its ID or a link to its message; `which` is another way to say that, or one of those that are linked.

        Raises NotFound or Unclear.
        """
        text = named or which
        if text is None:
            last = await self._service.newest_in_channel(asker, PLATFORM, channel)
            if last is None:
                raise Unclear("image.none_here")
            return await self._service.image(last, asker)
        if link := LINK.fullmatch(text):
            ts = f"{link['ts'][:10]}.{link['ts'][10:]}"
            shown = await self._service.shown_by(PLATFORM, link["channel"], ts)
            if not shown:
                raise NotFound("image")
            # Whoever may not see it must not learn how many there are.
            await self._service.image(shown[0], asker)
            return await self._service.image(chosen_of(shown, which if named else None), asker)
        return await self._service.image(text, asker)

    async def _refine_picture(self, file: Mapping[str, Any], typed: Typed, asker: Asker, origin: str) -> Job:
        """The picture is kept only where the job is accepted."""
        image = await self._service.bring(await fetched(file, self._client.token), asker)
        try:
            return await self._service.refine(typed.refinement(image, self._service.menu), asker, origin)
        except Refused:
            await self._service.delete(image.id, asker)
            raise


def unescaped(text: str) -> str:
    """Slack escapes three characters in what people write."""
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def parted(text: str) -> tuple[str | None, str]:
    """An image's ID or a message link at the beginning, and the words after it."""
    first, rest = (*text.split(maxsplit=1), "", "")[:2]
    is_id = re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", first) is not None
    return (first, rest) if is_id or LINK.fullmatch(first) else (None, text)


def strength_of(text: str) -> float:
    """What was typed into the field; empty stands for the usual. Raises BadRequest."""
    if not text.strip():
        return STRENGTH
    typed = read(f"--strength {text.strip()}")
    if typed.mistakes:
        raise BadRequest(*typed.mistakes)
    assert typed.strength is not None
    return typed.strength


def chosen_of(shown: Sequence[str], which: str | None) -> str:
    """One of the images of a message, by its number. Raises Unclear."""
    if which is None or not which.isdecimal():
        if len(shown) > 1:
            raise Unclear("image.which", images=len(shown), number=2)
        return shown[0]
    number = int(which[:3])
    if 1 <= number <= len(shown):
        return shown[number - 1]
    raise Unclear("image.number", number=number, numbers=", ".join(map(str, range(1, len(shown) + 1))))
