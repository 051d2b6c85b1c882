"""All that adapters may ask for. Checks who asks, then calls the engine and the stores."""

import asyncio
import random
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import TypeVar

from bot.activity import Activity, Watch
from bot.decisions import Act
from bot.engine import Engine
from bot.errors import (
    AgeRestricted,
    AlreadyOver,
    Blocked,
    Forbidden,
    ImageFileLost,
    ImageHeld,
    NotFound,
    Refused,
    StorageTrouble,
)
from bot.events import Event
from bot.export import Export, packed
from bot.jobs import Belongings, Delivery, Image, ImageRequest, Job, Message, Refinement, Treatment, together
from bot.links import Links
from bot.marks.findings import Verified, examine
from bot.marks.marker import PLAIN, Marker
from bot.moderation import Moderation, Reported
from bot.pictures import Encoded, covered, prepare
from bot.policy import (
    Asker,
    Rules,
    Weights,
    check_admin,
    check_limits,
    check_place,
    fits_here,
    may_end,
    may_judge,
    may_see,
    owns,
    treatment_for,
)
from bot.ports import (
    BelongingsStore,
    DeliveryStore,
    Executor,
    ImageStore,
    JobStore,
    ModerationStore,
    RuleStore,
    StorageHealth,
)
from bot.prompts import checked_refinement, checked_request
from bot.quality import Menu
from bot.status import Lately, Overview, Status
from bot.telemetry import Telemetry

Asked = TypeVar("Asked", ImageRequest, Refinement)

#: Seeds that nobody chose stay below this, so that they are easy to read aloud and safe in JavaScript.
CHOSEN_SEED_LIMIT = 2**32
#: Pictures that a page of a history has at most beside its jobs.
BROUGHT_MOST = 100
#: How much a varied image may differ.
VARIED = 0.6
#: Makes job IDs of what asks by an ID of its own.
ONCE = uuid.UUID("9d0f3c1a-7b1e-4c55-8a0b-5f6f2b7f0c9e")


@dataclass(frozen=True, slots=True)
class History:
    """A page of what somebody asked for and brought, the newest first."""

    jobs: Sequence[Job]
    #: Images by job ID, in their order; of jobs that are done.
    images: Mapping[str, Sequence[Image]]
    #: As old as these jobs.
    brought: Sequence[Image]


class Service:
    def __init__(
        self,
        *,
        engine: Engine,
        jobs: JobStore,
        images: ImageStore,
        deliveries: DeliveryStore,
        rules: RuleStore,
        belongings: BelongingsStore,
        moderation: ModerationStore,
        storage: StorageHealth,
        executor: Executor,
        links: Links,
        clock: Callable[[], float],
        chance: random.Random,
        menu: Menu,
        weights: Weights,
        telemetry: Telemetry,
        marker: Marker = PLAIN,
        anchors: bytes | None = None,
    ) -> None:
        """`anchors`: certificates in PEM of whose content credentials are trusted."""
        self._engine = engine
        self._jobs = jobs
        self._images = images
        self._deliveries = deliveries
        self._rules = rules
        self._belongings = belongings
        self._storage = storage
        self._links = links
        self._clock = clock
        self._chance = chance
        self._executor = executor
        self._overview = Overview(engine=engine, jobs=jobs, executor=executor, storage=storage, clock=clock)
        self._watch = Watch(engine=engine, jobs=jobs, overview=self._overview, clock=clock)
        self._weights = weights
        self._marker = marker
        self._anchors = anchors
        #: What is reported and decided.
        self.moderation = Moderation(store=moderation, images=images, jobs=jobs, rules=rules, clock=clock)
        #: What may be chosen from: styles, and whether there is a refiner.
        self.menu = menu
        #: Adapters add what they alone know.
        self.telemetry = telemetry

    def may_preview(self, job: Job) -> bool:
        """What is finished is checked, and what is not goes unchecked: not where it might be flagged and not shown."""
        return job.treatment is Treatment.ALLOW or not any(worker.image_check for worker in self._executor.status())

    async def generate(self, request: ImageRequest, asker: Asker, origin: str = "") -> Job:
        """Accepts a job. With an origin, its ending is owed to the requester's platform. Raises Refused."""
        rules = await self._rules_for(asker)
        filled = within(rules, request, self.menu.filled_in)
        checked = checked_request(filled, self.menu)
        await self.moderation.check_words(rules, asker, checked)
        return await self._accept(checked, rules, asker, origin)

    async def refine(self, refinement: Refinement, asker: Asker, origin: str = "") -> Job:
        """Accepts a job. Raises Refused, NotFound for images that the asker may not see."""
        parent = await self.image(refinement.image_id, asker)
        rules = await self._rules_for(asker)
        filled = within(rules, refinement, self.menu.filled_in_for)
        refinement = replace(checked_refinement(filled, self.menu), image_id=parent.id)
        await self.moderation.check_words(rules, asker, refinement, parent)
        return await self._accept(refinement, rules, asker, origin)

    async def again(self, image_id: str, asker: Asker, origin: str = "") -> Job:
        """The request that made an image, with a new seed. Raises Refused."""
        image = await self.image(image_id, asker)
        if image.job_id is None:
            raise NotFound("recipe")
        return await self.repeat(image.job_id, asker, origin)

    async def repeat(self, job_id: str, asker: Asker, origin: str = "") -> Job:
        """What a job asked for, with a new seed. Raises Refused."""
        job = await self.job(job_id, asker)
        if not fits_here(asker, job):
            raise AgeRestricted if owns(asker, job) else NotFound("job")
        request = self.menu.asked_again(replace(job.request, seed=None))
        if not isinstance(request, Refinement):
            return await self.generate(request, asker, origin)
        try:
            return await self.refine(request, asker, origin)
        except NotFound as error:
            raise NotFound("parent") from error

    async def vary(self, image_id: str, asker: Asker, origin: str = "") -> Job:
        """An image like this one, from the same words in the same style. Raises Refused."""
        image = await self.image(image_id, asker)
        request = await self._request_of(image)
        varied = Refinement(
            image_id=image.id,
            prompt=request.prompt,
            negative_prompt=request.negative_prompt,
            style=request.style,
            strength=VARIED,
        )
        return await self.refine(varied, asker, origin)

    async def _request_of(self, image: Image) -> ImageRequest | Refinement:
        """Raises NotFound for a picture that somebody brought."""
        job = None if image.job_id is None else await self._jobs.get(image.job_id)
        if job is None:
            raise NotFound("recipe")
        return job.request

    async def cancel(self, job_id: str, asker: Asker) -> Job:
        """Raises NotFound, Forbidden or AlreadyOver."""
        job = await self.job(job_id, asker)
        if not may_end(asker, job):
            raise Forbidden
        if not await self._engine.cancel(job):
            raise AlreadyOver((await self.job(job_id, asker)).status)
        return await self.job(job_id, asker)

    async def job(self, job_id: str, asker: Asker) -> Job:
        """Raises NotFound. Who may end it knows of it wherever they are."""
        job = await self._jobs.get(canonical(job_id, "job"))
        if job is None or not may_see(asker, job) or not (fits_here(asker, job) or may_end(asker, job)):
            raise NotFound("job")
        return job

    def unfinished(self, asker: Asker) -> Sequence[Job]:
        """The asker's own, from all spaces, the oldest first; they may run meanwhile."""
        return self._engine.unfinished_of(asker.requester)

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
        """Raises NotFound; AgeRestricted for the asker's own, where it must not be shown here; ImageHeld."""
        image = await self._seen(image_id, asker)
        if not fits_here(asker, image):
            raise AgeRestricted if owns(asker, image) else NotFound("image")
        if image.held:
            raise ImageHeld if owns(asker, image) or may_judge(asker, image) else NotFound("image")
        return image

    async def _seen(self, image_id: str, asker: Asker) -> Image:
        image = await self._images.get(canonical(image_id, "image"))
        if image is None or not may_see(asker, image):
            raise NotFound("image")
        return image

    async def check_may_delete(self, image_id: str, asker: Asker) -> Image:
        """The image. Raises NotFound or Forbidden."""
        image = await self._seen(image_id, asker)
        if not may_end(asker, image):
            raise Forbidden if fits_here(asker, image) else NotFound("image")
        return image

    async def delete(self, image_id: str, asker: Asker) -> Sequence[Message]:
        """Returns the messages that showed it. Raises NotFound or Forbidden."""
        image = await self.check_may_delete(image_id, asker)
        messages = await self._images.delete(image.id)
        await self._images.discard([image.id])
        return messages

    async def images_of(self, job: Job) -> Sequence[Image]:
        """Without those that are held."""
        return [image for image in await self._images.of_job(job.id) if not image.held]

    async def held_of(self, job: Job) -> int:
        """How many of its images wait for a moderator."""
        return sum(image.held for image in await self._images.of_job(job.id))

    async def report(self, image_id: str, asker: Asker) -> Reported:
        """Whoever sees an image may ask the moderators of its space to look at it. Raises NotFound."""
        return await self.moderation.report(await self.image(image_id, asker), asker)

    async def newest_images(self, asker: Asker, limit: int, before: str | None = None) -> Sequence[Image]:
        """Of those that everybody in the space may see; the newest first. Raises NotFound for an unknown `before`."""
        before_id = None if before is None else (await self.image(before, asker)).id
        if asker.outsider:
            return []
        return await self._images.newest(asker.space, limit, before_id)

    async def own_images(self, asker: Asker, limit: int) -> Sequence[Image]:
        """What the asker made or brought, wherever that was, as far as it fits here; the newest first."""
        return await self._images.newest_of(asker.requester, limit, age_restricted=asker.age_restricted)

    async def history(self, asker: Asker, limit: int, before: str | None = None) -> History:
        """The asker's own; of what came before the job `before`. Raises NotFound for an unknown `before`."""
        last = None if before is None else await self.job(before, asker)
        jobs = await self._jobs.newest_of(asker.requester, limit, None if last is None else last.id)
        after = jobs[-1].created_at if len(jobs) == limit else -inf
        until = inf if last is None else last.created_at
        brought = await self._images.brought(asker.requester, BROUGHT_MOST, after, until)
        images: dict[str, list[Image]] = {job.id: [] for job in jobs}
        for image in await self._images.of_jobs(images.keys()):
            if image.job_id is not None and fits_here(asker, image) and not image.held:
                images[image.job_id].append(image)
        for job in jobs:
            images[job.id].sort(key=lambda image: job.image_ids.index(image.id))
        return History(jobs, images, [image for image in brought if fits_here(asker, image)])

    async def children(self, image: Image, asker: Asker) -> Sequence[str]:
        """IDs of those that the asker may use here."""
        found = await self._images.children(image.id)
        return [child.id for child in found if may_see(asker, child) and fits_here(asker, child) and not child.held]

    def file(self, image: Image) -> Path:
        """Raises ImageFileLost; what was changed and has its size still is not found out."""
        path = self._images.path(image)
        if not path.is_file() or path.stat().st_size != image.size:
            raise ImageFileLost(image.id)
        return path

    async def encoded(self, image: Image, limit: int) -> Encoded | None:
        """The image in at most so many bytes, as a PNG where that will do; None where nothing will.

        It keeps the marks that its format can carry. Raises ImageFileLost.
        """
        png = await self._images.read(image)
        return await asyncio.to_thread(self._marker.fitting, image, png, limit, self._clock())

    async def covered(self, image: Image) -> Encoded:
        """A blur in its place, in which nothing can be recognised. Raises ImageFileLost."""
        png = await self._images.read(image)
        return await asyncio.to_thread(covered, png)

    async def verify(self, encoded: bytes, asker: Asker) -> Verified:
        """What marks a file has, and whether it is an image here. Raises BadRequest for what is no picture."""
        findings = await asyncio.to_thread(examine, encoded, self._anchors)
        same = await self._images.with_sha256(findings.sha256)
        for image_id in [*(image.id for image in same), findings.image_id or ""]:
            with suppress(Refused):
                return Verified(findings, bool(same), await self.image(image_id, asker))
        return Verified(findings, bool(same), None)

    def link(self, image: Image) -> str | None:
        """Whoever has it may download the image. None where the program has no public address."""
        return self._links.link(image.id)

    async def linked(self, image_id: str, proof: str) -> Image:
        """The image of a link. Raises NotFound."""
        image_id = canonical(image_id, "image")
        image = await self._images.get(image_id) if self._links.proves(image_id, proof) else None
        if image is None or image.held:
            raise NotFound("image")
        return image

    async def bring(self, encoded: bytes, asker: Asker, name: str = "") -> Image:
        """Takes in a picture that Limner did not paint, so that it can be refined. Raises Refused.

        `name` is what its file is called where it comes from.
        """
        await self.moderation.check_name(await self._rules_for(asker), asker, name)
        picture = await asyncio.to_thread(prepare, encoded)
        image_id = str(uuid.uuid4())
        stored = await self._images.save(image_id, picture.png)
        image = Image(
            id=image_id,
            job_id=None,
            requester=asker.requester,
            space=asker.space,
            audience=asker.audience,
            age_restricted=asker.age_restricted,
            parent_id=None,
            file=stored.file,
            sha256=stored.sha256,
            size=stored.size,
            width=picture.width,
            height=picture.height,
            recipe=None,
            created_at=self._clock(),
        )
        try:
            await self._images.add(image)
        except StorageTrouble:
            await self._images.discard([image_id])
            raise
        return image

    async def undelivered(self, platform: str) -> Sequence[Delivery]:
        """Of jobs in any state whose ending the platform was not told; the oldest first."""
        return await self._deliveries.owed(platform)

    async def note(self, job_id: str, note: str) -> None:
        """For the adapter to find its way after a restart."""
        await self._deliveries.note(job_id, note)

    async def noted(self, job_id: str) -> str:
        """What its adapter noted last; "" where there is nothing."""
        return await self._deliveries.noted(job_id)

    async def delivered(self, job_id: str, messages: Mapping[str, Message]) -> Sequence[str]:
        """The platform took the job's ending; `messages` say by image ID what shows the images.

        Returns the IDs of images that were deleted meanwhile: nobody else knows of their messages, which must go too.
        """
        return await self._deliveries.delivered(job_id, messages)

    async def undeliverable(self, job_id: str, why: str) -> None:
        """There is no way left to tell the requester."""
        await self._deliveries.give_up(job_id, why)

    async def shown_by(self, platform: str, channel: str, message_id: str) -> Sequence[str]:
        """IDs of the images that a message shows."""
        return await self._deliveries.by_message(platform, channel, message_id)

    async def newest_in_thread(self, platform: str, channel: str, thread: str) -> str | None:
        return await self._deliveries.newest_in_thread(platform, channel, thread)

    async def newest_in_channel(self, asker: Asker, platform: str, channel: str) -> str | None:
        """The asker's own last image there; a private one only for who asks privately, as nobody meant to show it."""
        return await self._deliveries.newest_of_requester(asker.requester, platform, channel, private=asker.private)

    async def rules(self, asker: Asker) -> Rules:
        return await self._rules.get(asker.space)

    async def change_rules(self, asker: Asker, change: Callable[[Rules], Rules]) -> Rules:
        """Of the asker's space; what was changed goes on record. Raises Forbidden, NobodyHears."""
        check_admin(asker)
        return await self.moderation.change_rules(asker, change)

    async def block(self, requester: str, asker: Asker) -> bool:
        """False where it was so before. Raises Forbidden."""
        check_admin(asker)
        return await self._rules.block(asker.space, requester, self.moderation.decision(Act.BLOCKED, asker, requester))

    async def unblock(self, requester: str, asker: Asker) -> bool:
        """False where it was so before. Raises Forbidden."""
        check_admin(asker)
        return await self._rules.unblock(
            asker.space, requester, self.moderation.decision(Act.UNBLOCKED, asker, requester)
        )

    async def belongings(self, asker: Asker) -> Belongings:
        """All that is kept of the asker, from all spaces."""
        return await self._belongings.of(asker.requester)

    async def export(self, asker: Asker, limit: int) -> tuple[Belongings, Export]:
        """The same as a file of at most so many bytes."""
        belongings = await self._belongings.of(asker.requester)
        files = {image.id: path for image in belongings.images if (path := self._images.path(image)).is_file()}
        return belongings, await asyncio.to_thread(packed, belongings, files, limit)

    async def forget(self, asker: Asker) -> Belongings:
        """Erases all that is kept of the asker, and returns what that was; cancels what was not done."""
        # The last first, so that none of them starts as another makes room.
        for job in reversed(self._engine.unfinished_of(asker.requester)):
            await self._engine.cancel(job)
        return await self._erased(await self._belongings.erase(asker.requester))

    async def purge(self, asker: Asker, *, older_than: float = 0, requester: str | None = None) -> Belongings:
        """Erases what is kept of the asker's space, perhaps only from before so many seconds or of one requester.

        Jobs that are not over are left alone. Raises Forbidden.
        """
        check_admin(asker)
        before = self._clock() - older_than
        detail = f"older than {older_than:.0f} s" if older_than else "everything"
        await self.moderation.write(self.moderation.decision(Act.PURGED, asker, requester or "", detail))
        return await self._erased(await self._belongings.erase_in(asker.space, before, requester))

    async def _erased(self, pieces: AsyncIterator[Belongings]) -> Belongings:
        """With the files of each piece: what is interrupted leaves few that no image names."""
        erased = []
        async for piece in pieces:
            await self._images.discard([image.id for image in piece.images])
            erased.append(piece)
        return together(erased)

    async def lately(self) -> Lately:
        return await self._overview.lately()

    async def status(self) -> Status:
        return await self._overview.status()

    async def activity(self) -> Activity:
        """Of all requesters, without their words."""
        return await self._watch.activity()

    async def drain(self, limit: float) -> None:
        """Takes nothing new, lets what runs finish for `limit` seconds; the rest stays queued for the next start."""
        await self._engine.drain(limit)

    async def accepted(self, asker: Asker) -> Job | None:
        """The job of the very thing that asks, where it was accepted before; in an earlier life of the program, too."""
        return await self._jobs.get(job_id_for(asker)) if asker.asked_by else None

    async def _accept(self, request: ImageRequest | Refinement, rules: Rules, asker: Asker, origin: str) -> Job:
        check_limits(rules, request)
        seed = self._chance.randrange(CHOSEN_SEED_LIMIT) if request.seed is None else request.seed
        job = Job(
            id=job_id_for(asker),
            requester=asker.requester,
            space=asker.space,
            audience=asker.audience,
            age_restricted=asker.age_restricted,
            treatment=treatment_for(rules, asker),
            origin=origin,
            request=replace(request, seed=seed),
            image_ids=tuple(str(uuid.uuid4()) for _ in range(request.num_images)),
            created_at=self._clock(),
        )
        await self._engine.submit(job, rules.jobs_each, self._weights.of(asker))
        return job

    async def _rules_for(self, asker: Asker) -> Rules:
        """Raises Refused where nothing is taken from the asker, StorageTrouble where nothing can be kept."""
        if trouble := await self._storage.trouble():
            raise trouble
        if await self._rules.is_blocked(asker.space, asker.requester):
            raise Blocked
        rules = await self._rules.get(asker.space)
        check_place(rules, asker)
        return rules


def within(rules: Rules, request: Asked, filled_in: Callable[[Asked], Asked]) -> Asked:
    """A quality takes as many steps as a space allows; who says a number of steps means it."""
    filled, most = filled_in(request), rules.steps_most
    if request.num_inference_steps is None and most is not None and (filled.num_inference_steps or 0) > most:
        return filled_in(replace(request, num_inference_steps=most))
    return filled


def job_id_for(asker: Asker) -> str:
    """Always the same for what asks by an ID of its own: the index has room for one such job only."""
    if not asker.asked_by:
        return str(uuid.uuid4())
    return str(uuid.uuid5(ONCE, f"{asker.space}/{asker.requester}/{asker.asked_by}"))


def canonical(text: str, kind: str) -> str:
    """The one way in which an ID is written in the index. Raises NotFound for text that is no UUID."""
    try:
        return str(uuid.UUID(text))
    except ValueError as error:
        raise NotFound(kind) from error
