"""All that adapters may ask for. Checks who asks, then calls the engine and the stores."""

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path

from bot.engine import Engine
from bot.errors import AlreadyOver, ImageFileLost, NotFound
from bot.events import Event, Progress
from bot.jobs import Image, ImageRequest, Job, JobStatus, Message, Refinement
from bot.pictures import prepare
from bot.policy import Asker, may_cancel, may_see
from bot.ports import Executor, ImageStore, JobStore, WorkerState, WorkerStatus
from bot.prompts import checked_refinement, checked_request
from bot.quality import Menu

#: Seeds that nobody chose stay below this, so that they are easy to read aloud and safe in JavaScript.
CHOSEN_SEED_LIMIT = 2**32


@dataclass(frozen=True, slots=True)
class Running:
    job: Job
    #: None before its first step.
    progress: Progress | None


@dataclass(frozen=True, slots=True)
class Status:
    queued: int
    running: Sequence[Running]
    counts: dict[JobStatus, int]
    workers: Sequence[WorkerStatus]
    stopping: bool

    @property
    def ready(self) -> bool:
        return not self.stopping and any(
            worker.state in (WorkerState.READY, WorkerState.BUSY) for worker in self.workers
        )


class Service:
    def __init__(
        self,
        *,
        engine: Engine,
        jobs: JobStore,
        images: ImageStore,
        executor: Executor,
        clock: Callable[[], float],
        chance: random.Random,
        menu: Menu,
    ) -> None:
        self._engine = engine
        self._jobs = jobs
        self._images = images
        self._executor = executor
        self._clock = clock
        self._chance = chance
        #: What may be chosen from: styles, and whether there is a refiner.
        self.menu = menu

    async def generate(self, request: ImageRequest, asker: Asker, origin: str = "") -> Job:
        """Accepts a job. Raises Refused."""
        return await self._accept(checked_request(self.menu.filled_in(request), self.menu), asker, origin)

    async def refine(self, refinement: Refinement, asker: Asker, origin: str = "") -> Job:
        """Accepts a job. Raises Refused, NotFound for images that the asker may not see."""
        parent = await self.image(refinement.image_id, asker)
        refinement = checked_refinement(self.menu.filled_in_for(refinement, parent), self.menu)
        return await self._accept(replace(refinement, image_id=parent.id), asker, origin)

    async def cancel(self, job_id: str, asker: Asker) -> Job:
        """Raises NotFound or AlreadyOver."""
        job = await self.job(job_id, asker)
        if not may_cancel(asker, job):
            raise NotFound("job")
        if not await self._engine.cancel(job):
            raise AlreadyOver((await self.job(job_id, asker)).status)
        return await self.job(job_id, asker)

    async def job(self, job_id: str, asker: Asker) -> Job:
        """Raises NotFound."""
        job = await self._jobs.get(canonical(job_id, "job"))
        if job is None or not may_see(asker, job):
            raise NotFound("job")
        return job

    async def follow(
        self, job_id: str, asker: Asker, preview_interval: float | None = None
    ) -> AsyncGenerator[Event, None]:
        """From where the job stands now to its ending. Raises NotFound or ShuttingDown. Closing it cancels nothing.

        With an interval in seconds there are previews among the events, about as often.
        """
        job = await self.job(job_id, asker)
        async with aclosing(self._engine.follow(job.id, preview_interval)) as stream:
            async for event in stream:
                yield event

    async def image(self, image_id: str, asker: Asker) -> Image:
        """Raises NotFound."""
        image = await self._images.get(canonical(image_id, "image"))
        if image is None or not may_see(asker, image):
            raise NotFound("image")
        return image

    async def images_of(self, job: Job) -> Sequence[Image]:
        return await self._images.of_job(job.id)

    async def newest_images(self, asker: Asker, limit: int, before: str | None = None) -> Sequence[Image]:
        """The newest first. Raises NotFound for an unknown `before`."""
        before_id = None if before is None else (await self.image(before, asker)).id
        return await self._images.newest(asker.space, limit, before_id)

    async def children(self, image: Image) -> Sequence[str]:
        return await self._images.children(image.id)

    def file(self, image: Image) -> Path:
        """Raises ImageFileLost."""
        path = self._images.path(image)
        if not path.is_file():
            raise ImageFileLost(image.id)
        return path

    async def bring(self, encoded: bytes, asker: Asker) -> Image:
        """Takes in a picture that Limner did not paint, so that it can be refined. Raises BadRequest."""
        picture = await asyncio.to_thread(prepare, encoded)
        image_id = str(uuid.uuid4())
        stored = await self._images.save(image_id, picture.png)
        image = Image(
            id=image_id,
            job_id=None,
            requester=asker.requester,
            space=asker.space,
            parent_id=None,
            file=stored.file,
            sha256=stored.sha256,
            size=stored.size,
            width=picture.width,
            height=picture.height,
            recipe=None,
            created_at=self._clock(),
        )
        await self._images.add(image)
        return image

    async def delivered(self, image_id: str, message: Message) -> None:
        """The platform took this message, which shows the image."""
        await self._images.add_message(image_id, message)

    async def shown_by(self, platform: str, channel: str, message_id: str) -> Sequence[str]:
        """IDs of the images that a message shows."""
        return await self._images.by_message(platform, channel, message_id)

    async def newest_in_thread(self, platform: str, channel: str, thread: str) -> str | None:
        return await self._images.newest_in_thread(platform, channel, thread)

    async def status(self) -> Status:
        return Status(
            queued=self._engine.waiting,
            running=[Running(run.job, run.progress) for run in self._engine.runs()],
            counts=await self._jobs.counts(),
            workers=self._executor.status(),
            stopping=self._engine.stopping,
        )

    async def drain(self, limit: float) -> None:
        """Takes nothing new, lets what runs finish for `limit` seconds; the rest stays queued for the next start."""
        await self._engine.drain(limit)

    async def _accept(self, request: ImageRequest | Refinement, asker: Asker, origin: str) -> Job:
        seed = self._chance.randrange(CHOSEN_SEED_LIMIT) if request.seed is None else request.seed
        job = Job(
            id=str(uuid.uuid4()),
            requester=asker.requester,
            space=asker.space,
            origin=origin,
            request=replace(request, seed=seed),
            image_ids=tuple(str(uuid.uuid4()) for _ in range(request.num_images)),
            created_at=self._clock(),
        )
        await self._engine.submit(job)
        return job


def canonical(text: str, kind: str) -> str:
    """The one way in which an ID is written in the index. Raises NotFound for text that is no UUID."""
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise NotFound(kind) from error
