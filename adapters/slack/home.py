"""The home tab: what one person waits for, their last images, and help."""

from contextlib import aclosing

from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.mishaps import Unreachable
from adapters.slack.mishaps import told_apart
from adapters.slack.origin import Note
from adapters.slack.people import People, asker_of
from adapters.slack.render import is_covered
from adapters.slack.views import IMAGES_SHOWN, View, home
from adapters.slack.words import words_for
from bot.errors import Refused
from bot.events import Progress, Queued, Started
from bot.jobs import Image, Job
from bot.policy import Asker
from bot.service import Service

#: Slack's errors for a view that it does not show, as one with a file that is gone.
NOT_SHOWN = {"invalid_blocks", "invalid_arguments"}


class Home:
    def __init__(self, client: AsyncWebClient, service: Service, people: People) -> None:
        self._client = client
        self._service = service
        self._people = people

    async def show(self, team: str, user: str) -> None:
        """As it is now. Raises mishaps."""
        someone = await self._people.someone(user)
        asker = asker_of(team, user, user, await self._people.room(user), someone)
        own = await self._service.own_images(asker, IMAGES_SHOWN)
        images = [(image, await self._file_of(image)) for image in own]
        covered = [image.id for image in own if await self._is_covered(image)]
        waiting = await self._waiting(asker)
        words = words_for(someone.locale)
        try:
            await self._publish(user, home(images, waiting, words, admin=asker.admin, covered=covered))
        except Unreachable as error:
            if str(error) not in NOT_SHOWN:
                raise
            # Slack does not say which file it is that somebody deleted.
            images = [(image, None) for image, _ in images]
            await self._publish(user, home(images, waiting, words, admin=asker.admin))

    async def _publish(self, user: str, view: View) -> None:
        with told_apart():
            await self._client.views_publish(user_id=user, view=view)

    async def _is_covered(self, image: Image) -> bool:
        """Its file is a blur, as where it was asked for."""
        if not image.flagged or image.job_id is None:
            return False
        return is_covered(await self._service.job(image.job_id, Asker(image.requester, image.space)), image)

    async def _file_of(self, image: Image) -> str | None:
        note = Note.from_text(await self._service.noted(image.job_id)) if image.job_id else None
        return note.files.get(image.id) if note else None

    async def _waiting(self, asker: Asker) -> list[tuple[Job, Queued | Started | Progress]]:
        found: list[tuple[Job, Queued | Started | Progress]] = []
        for job in self._service.unfinished(asker):
            try:
                async with aclosing(self._service.follow(job.id, asker)) as stream:
                    event = await anext(stream)
            except (Refused, StopAsyncIteration):
                continue
            if isinstance(event, Queued | Started | Progress):
                found.append((job, event))
        return found
