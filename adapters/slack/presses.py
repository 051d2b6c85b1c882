"""What a press does that erases something: it is asked for once more, and answered where the question was."""

import re
from datetime import timedelta

import structlog
from slack_sdk.webhook.async_client import AsyncWebhookClient

from adapters.chat.mishaps import Mishap
from adapters.chat.refusals import Unclear
from adapters.slack import render
from adapters.slack.desk import Ask, Desk
from adapters.slack.mishaps import told_apart
from adapters.slack.origin import Note
from adapters.slack.people import requester_of
from adapters.slack.takedown import Takedown
from adapters.slack.words import words_for
from bot.jobs import Belongings
from bot.policy import Asker
from bot.service import Service

#: Days, and perhaps a person.
PURGED = re.compile(r"([0-9]{1,5})/([UW][A-Z0-9]{1,20})?")

log = structlog.get_logger(__name__)


class Presses:
    def __init__(self, service: Service, desk: Desk, takedown: Takedown) -> None:
        self._service = service
        self._desk = desk
        self._takedown = takedown

    async def do(self, action: str, subject: str, ask: Ask, response_url: str) -> None:
        """Raises Refused."""
        asker, someone = await self._desk.asker(ask)
        words = words_for(someone.locale)
        match action:
            case "delete":
                image = await self._service.check_may_delete(subject, asker)
                await self._desk.tell(ask, render.confirmation(words.say("confirm.delete"), "delete", image.id, words))
            case "confirm_delete":
                gone = await self._delete(subject, asker)
                await replace(response_url, words.say("deleted" if gone else "deleted.not_taken_down"))
            case "confirm_forget":
                erased = await self._service.forget(asker)
                counts = {"images": len(erased.images), "jobs": len(erased.jobs)}
                await replace(response_url, words.say("forgotten", **counts))
                await self._takedown.of_all(erased)
            case "confirm_purge":
                erased = await self._purge(subject, asker)
                counts = {"images": len(erased.images), "jobs": len(erased.jobs)}
                await replace(response_url, words.say("purged", **counts))
                await self._takedown.of_all(erased)
            case "keep":
                await replace(response_url, words.say("kept"))
            case _:
                raise Unclear("unknown_button")

    async def _delete(self, image_id: str, asker: Asker) -> bool:
        """False where Slack still shows it."""
        image = await self._service.check_may_delete(image_id, asker)
        job = None if image.job_id is None else await self._service.job(image.job_id, asker)
        await self._service.delete(image.id, asker)
        note = None if job is None else Note.from_text(await self._service.noted(job.id))
        return job is None or note is None or await self._takedown.of_image(image.id, job, note)

    async def _purge(self, what: str, asker: Asker) -> Belongings:
        subject = PURGED.fullmatch(what)
        if subject is None:
            raise Unclear("unknown_button")
        days, user = subject.groups()
        return await self._service.purge(
            asker,
            older_than=timedelta(days=int(days)).total_seconds(),
            requester=requester_of(user) if user else None,
        )


async def replace(response_url: str, text: str) -> None:
    """The question that only who pressed sees, by its answer."""
    shown = render.answer(text)
    try:
        with told_apart():
            await AsyncWebhookClient(response_url).send(text=shown.text, blocks=shown.blocks, replace_original=True)
    except Mishap as error:
        log.warning("an answer could not be given", why=str(error))
