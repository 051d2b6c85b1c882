"""What commands and claims ask of a large index, of whom and what is in it at random."""

import random
import uuid
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from benchmarks.full_index import (
    ADULTS,
    NOW,
    ORIGIN,
    PICTURES,
    REQUESTERS,
    SECRETIVE,
    Full,
    requester_of,
    space_of,
)
from bot.decisions import Act, Decision
from bot.errors import Forbidden, NotFound
from bot.jobs import Failure, ImageRequest, Job, Message, Refinement
from bot.policy import Asker
from bot.quality import Menu
from bot.service import Service
from storage.database import Database
from storage.deliveries import Deliveries
from storage.files import ImageFolder, file_of
from storage.folder import IMAGES
from storage.images import Images
from storage.jobs import Jobs
from storage.rules import RulesOfSpaces

Ask = Callable[[], Awaitable[object]]
Questions = dict[str, Ask]


class Chosen:
    """Whom and what is asked for, at random; those with much more often."""

    def __init__(self, full: Full) -> None:
        self.full = full
        self.chance = random.Random(1)

    def image(self) -> str:
        return self.chance.choice(self.full.images)

    def job(self) -> str:
        return self.chance.choice(self.full.jobs)

    def space(self) -> str:
        return space_of(min(self.chance.randrange(60), self.chance.randrange(60)))

    def requester(self) -> str:
        return requester_of(self.space(), min(self.chance.randrange(2000), self.chance.randrange(2000)))

    def message(self) -> tuple[str, str, str]:
        _, message = self.chance.choice(self.full.messages)
        return message.platform, message.channel, message.message_id


DECISION = Decision(at=NOW, space="test:studio", act=Act.BLOCKED, by="test:ada", about="test:ann")


class Stores:
    """What a command or a claim asks and tells the stores."""

    def __init__(self, database: Database, chosen: Chosen, folder: Path) -> None:
        self._chosen = chosen
        self._jobs = Jobs(database)
        self._images = Images(database, ImageFolder(folder / IMAGES))
        self._deliveries = Deliveries(database)
        self._rules = RulesOfSpaces(database)
        self._queued = iter(chosen.full.queued)
        self._running: list[Job] = []
        self._done: list[Job] = []

    def writes(self) -> Questions:
        """Each needs what those before it have done."""
        jobs, rules, chosen, full = self._jobs, self._rules, self._chosen, self._chosen.full
        return {
            "a job is accepted": self._add,
            "claimed": self._claim,
            "put back": lambda: jobs.requeue(self._running.pop().id, attempt_counts=False),
            "another is claimed": self._claim,
            "finished with its image": self._finish,
            "its delivery is noted": lambda: self._deliveries.note(self._done[-1].id, "a note"),
            "delivered with its message": self._deliver,
            "one more is claimed": self._claim,
            "failed": lambda: jobs.fail(self._running.pop().id, Failure("internal_error", ""), NOW),
            "a queued one is cancelled": lambda: jobs.cancel(next(self._queued), NOW),
            "rules are changed": lambda: rules.change(chosen.space(), lambda now: replace(now, images_most=3)),
            "somebody is blocked": lambda: rules.block(chosen.space(), str(uuid.uuid4()), DECISION),
            "an image is deleted": lambda: self._images.delete(full.images.pop(len(full.images) // 2)),
        }

    def reads(self) -> Questions:
        jobs, images, deliveries, rules, chosen = self._jobs, self._images, self._deliveries, self._rules, self._chosen
        popular, most, others = chosen.full.popular[space_of(0)], requester_of(space_of(0), 0), "another channel"
        secretive = requester_of(space_of(0), SECRETIVE)
        newest_in = partial(deliveries.newest_of_requester, private=False)
        return {
            "a job by its ID": lambda: jobs.get(chosen.job()),
            "jobs by status": jobs.counts,
            "what became of the jobs of the last hour": lambda: jobs.over_since(NOW - 3600),
            "what ended in the last hour": lambda: jobs.ended_since(NOW - 3600),
            "jobs that failed last": lambda: jobs.newest_failed(20),
            "newest jobs of a requester": lambda: jobs.newest_of(chosen.requester(), 20, None),
            "a page of older ones of the requester with the most": lambda: jobs.newest_of(most, 20, chosen.job()),
            "an image by its ID": lambda: images.get(chosen.image()),
            "images of a job": lambda: images.of_job(chosen.job()),
            "images of a page of jobs": lambda: images.of_jobs([chosen.job() for _ in range(20)]),
            "pictures that a requester brought": lambda: images.brought(most, 100, 0, NOW),
            "children of an image": lambda: images.children(chosen.image()),
            "children of the image with the most": lambda: images.children(popular),
            "newest images of a space": lambda: images.newest(chosen.space(), 20, None),
            "a page of older ones": lambda: images.newest(space_of(0), 20, chosen.image()),
            "newest images of a space where all are for adults": lambda: images.newest(space_of(ADULTS), 20, None),
            "newest images of a requester": lambda: images.newest_of(chosen.requester(), 25, age_restricted=False),
            "images that a message shows": lambda: deliveries.by_message(*chosen.message()),
            "newest image of a thread": lambda: deliveries.newest_in_thread(*chosen.message()[:2], "thread 7"),
            "newest image of a requester in a channel": lambda: newest_in(chosen.requester(), *chosen.message()[:2]),
            "the same where the one with the most has none": lambda: newest_in(most, "discord", others),
            "the same where all are private": lambda: newest_in(secretive, *chosen.message()[:2]),
            "the note of a delivery": lambda: deliveries.noted(chosen.job()),
            "rules of a space": lambda: rules.get(chosen.space()),
            "whether somebody is blocked": lambda: rules.is_blocked(chosen.space(), chosen.requester()),
        }

    async def _add(self) -> None:
        space = self._chosen.space()
        await self._jobs.add(
            Job(
                id=str(uuid.uuid4()),
                requester=self._chosen.requester(),
                space=space,
                audience=space,
                origin=ORIGIN,
                request=Menu().filled_in(ImageRequest(prompt="a cat", seed=7)),
                image_ids=(str(uuid.uuid4()),),
                created_at=NOW,
            )
        )

    async def _claim(self) -> None:
        job = await self._jobs.claim(next(self._queued), NOW)
        assert job is not None
        self._running.append(job)

    async def _finish(self) -> None:
        job = self._running.pop()
        (image_id,) = job.image_ids
        painted = replace(PICTURES[0], id=image_id, job_id=job.id, requester=job.requester, space=job.space)
        image = replace(painted, audience=job.audience, file=file_of(image_id), sha256="0" * 64, created_at=NOW)
        assert await self._jobs.finish(job.id, [image], NOW)
        self._done.append(job)

    async def _deliver(self) -> None:
        job = self._done.pop()
        message = Message(platform=job.platform, space=job.space, channel="channel", message_id=job.id)
        assert not await self._deliveries.delivered(job.id, dict.fromkeys(job.image_ids, message))


class Commands:
    """What a command asks of the whole service."""

    def __init__(self, service: Service, chosen: Chosen) -> None:
        self._service = service
        self._chosen = chosen
        self._accepted: list[Job] = []

    def asker(self, *, least: int = 2) -> Asker:
        """Not of those with the most: they may wait no more jobs."""
        space = self._chosen.space()
        number = self._chosen.chance.randrange(least, REQUESTERS)
        return Asker(requester_of(space, number), space, age_restricted=True, moderator=True)

    def questions(self) -> Questions:
        service, chosen, asker = self._service, self._chosen, self.asker
        most = replace(asker(), requester=requester_of(space_of(0), 0))
        return {
            "a request is accepted": self.generate,
            "a refinement is accepted, from an image that a message shows": self.refine,
            "a job is followed, its place in the line is told": self._follow,
            "a job is cancelled": self._cancel,
            "an image is deleted": self._delete,
            "newest images of the asker in a channel": lambda: service.newest_in_channel(most, *chosen.message()[:2]),
            "newest images of the space": lambda: service.newest_images(asker(), 20),
            "own images": lambda: service.own_images(asker(), 25),
            "status": service.status,
            "what became of jobs lately": service.lately,
        }

    async def generate(self) -> None:
        self._accepted.append(await self._service.generate(ImageRequest(prompt="a cat"), self.asker(), ORIGIN))

    async def refine(self) -> None:
        _, message = self._chosen.chance.choice(self._chosen.full.messages)
        shown = await self._service.shown_by(message.platform, message.channel, message.message_id)
        asker = replace(self.asker(), space=message.space, closed_to=f"{message.space}/closed")
        # Some were deleted by now, and some the asker may not see.
        with suppress(NotFound):
            for image_id in shown[:1]:
                await self._service.refine(Refinement(image_id=image_id, prompt="warmer"), asker, ORIGIN)

    async def find(self) -> None:
        """What is meant by an answer to a message."""
        image_id, message = self._chosen.chance.choice(self._chosen.full.messages)
        await self._service.shown_by(message.platform, message.channel, message.message_id)
        with suppress(NotFound):
            await self._service.image(image_id, replace(self.asker(), space=message.space))

    async def _follow(self) -> None:
        job = self._chosen.chance.choice(self._accepted)
        asker = Asker(job.requester, job.space)
        async with aclosing(self._service.follow(job.id, asker)) as events:
            await anext(events)

    async def _cancel(self) -> None:
        job = self._accepted.pop()
        await self._service.cancel(job.id, Asker(job.requester, job.space))

    async def _delete(self) -> None:
        images = self._chosen.full.images
        with suppress(NotFound, Forbidden):
            await self._service.delete(images.pop(len(images) // 2), self.asker())
