"""A life of Limner: people come to places and do whatever the service offers, and each answer is judged."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from bot.errors import AgeRestricted, AlreadyOver, AskedTooMuch, BadRequest, Forbidden, NotFound, QueueFull, Refused
from bot.events import Done, Ending
from bot.jobs import Image, Job, Message
from bot.service import Service
from tests.bot.looking import Onlooker
from tests.bot.rights import Made, Role, Sight, Visit, may_end, sight
from tests.bot.story import (
    PEOPLE,
    Deed,
    Record,
    Story,
    alike,
    answer,
    as_if_it_never_was,
    ids,
    job_is_there,
    words,
)
from tests.fakes.executor import FakeExecutor, png


class Life(Onlooker):
    """One run of the program; what was made lives longer."""

    def __init__(self, story: Story, record: Record, service: Service, executor: FakeExecutor) -> None:
        super().__init__(story, record, service)
        self.executor = executor
        self.held = False

    async def live(self, deeds: Sequence[Deed]) -> None:
        await self.paint_what_waits()
        for deed in deeds:
            visit = self.story.visit(deed.who, deed.where, private=deed.private)
            await VERBS[deed.verb](self, deed, visit)

    # Making

    async def generate(self, deed: Deed, visit: Visit) -> None:
        await self.accepted(visit, self.service.generate(words(deed), visit.asker), deed)

    async def refine(self, deed: Deed, visit: Visit) -> None:
        refine = partial(self._refine, "warmer" if deed.right else "")
        if (image_id := await self.of_image(deed, visit, refine)) is not None:
            await self.accepted(visit, refine(image_id, visit.asker), deed, image_id)

    async def vary(self, deed: Deed, visit: Visit) -> None:
        if (image_id := await self.of_image(deed, visit, self.service.vary)) is not None:
            made = self.record.images[image_id]
            await self.accepted(visit, self.service.vary(image_id, visit.asker), None, image_id, bool(made.job))

    async def again(self, deed: Deed, visit: Visit) -> None:
        if (image_id := await self.of_image(deed, visit, self.service.again)) is not None:
            made = self.record.images[image_id]
            again = self.service.again(image_id, visit.asker)
            await self.accepted(visit, again, None, made.parent, bool(made.job))

    async def repeat(self, deed: Deed, visit: Visit) -> None:
        job_id = self.record.job(deed)
        made = self.record.jobs.get(job_id)
        match sight(visit, made) if made else Sight.HIDDEN:
            case Sight.SEEN:
                assert made is not None
                await self.accepted(visit, self.service.repeat(job_id, visit.asker), None, made.parent)
            case Sight.NOT_HERE:
                assert isinstance(await answer(self.service.repeat(job_id, visit.asker)), AgeRestricted)
            case Sight.HIDDEN:
                await as_if_it_never_was(self.service.repeat, job_id, visit.asker, "job")

    async def bring(self, deed: Deed, visit: Visit) -> None:
        brought = await answer(self.service.bring(png(), visit.asker))
        if (refusal := self.record.refusal(visit)) is not None:
            assert isinstance(brought, refusal)
        else:
            assert isinstance(brought, Image)
            self.record.keep(brought, Made(visit))

    async def accepted(
        self, visit: Visit, asking: Awaitable[Job], deed: Deed | None, parent: str | None = None, known: bool = True
    ) -> None:
        """What may be done is done, but for the rules of the space and a full queue. `known`: there is a recipe."""
        waiting = any(not made.over and not made.gone for made in self.record.jobs.values())
        found = await answer(asking)
        source = None if parent is None else sight(visit, self.record.images[parent])
        if not known:
            assert isinstance(found, NotFound)
            assert found.kind == "recipe"
        elif source is Sight.HIDDEN:
            assert alike(found, NotFound("parent"))
        elif source is Sight.NOT_HERE:
            assert isinstance(found, AgeRestricted)
        elif (refusal := self.record.refusal(visit)) is not None:
            assert isinstance(found, refusal)
        elif deed is not None and not deed.right:
            assert isinstance(found, BadRequest)
        elif isinstance(found, Refused):
            assert waiting
            assert isinstance(found, QueueFull | AskedTooMuch)
        else:
            self.record.jobs[found.id] = Made(visit, parent=parent)
            if not self.held:
                await self.paint_what_waits()

    async def paint_what_waits(self) -> None:
        for job_id, made in self.record.jobs.items():
            if made.over or made.gone:
                continue
            owner = replace(made.visit, private=False).asker
            ending = [event async for event in self.service.follow(job_id, owner)][-1]
            assert isinstance(ending, Ending)
            made.over = True
            if isinstance(ending, Done):
                await self._keep(job_id, made, ending.images)

    async def _keep(self, job_id: str, made: Made, images: Sequence[Image]) -> None:
        place = made.visit.place
        for image in images:
            number = len(self.record.images)
            shown = Message(platform="one", space=place.space, channel=place.channel, message_id=str(number))
            await self.service.delivered(job_id, {image.id: shown})
            self.record.keep(image, Made(made.visit, job_id, made.parent))
            made.images.append(image.id)

    # Ending

    async def delete(self, deed: Deed, visit: Visit) -> None:
        image_id = self.record.image(deed)
        made = self.record.images.get(image_id)
        await self.check_delete(image_id, visit, self.service.delete)
        if made is not None and may_end(visit, made):
            made.gone = True

    async def cancel(self, deed: Deed, visit: Visit) -> None:
        job_id = self.record.job(deed)
        made = self.record.jobs.get(job_id)
        if made is None or not job_is_there(visit, made):
            await as_if_it_never_was(self.service.cancel, job_id, visit.asker, "job")
            return
        found = await answer(self.service.cancel(job_id, visit.asker))
        if not may_end(visit, made):
            assert isinstance(found, Forbidden)
        elif made.over:
            assert isinstance(found, AlreadyOver)
        else:
            assert isinstance(found, Job)
            made.over = True

    async def forget(self, deed: Deed, visit: Visit) -> None:
        erased = await self.service.forget(visit.asker)
        own: Callable[[Made], bool] = lambda made: made.visit.who == visit.who  # noqa: E731
        assert ids(erased.images) == self.record.that(own)
        self.record.erase(own, jobs=own)

    async def purge(self, deed: Deed, visit: Visit) -> None:
        who = PEOPLE[deed.what % len(PEOPLE)] if deed.right else None
        erased = await answer(self.service.purge(visit.asker, requester=who))

        def meant(made: Made) -> bool:
            return made.visit.place.space == visit.place.space and who in (None, made.visit.who)

        if visit.role is not Role.ADMIN:
            assert isinstance(erased, Forbidden)
        else:
            assert not isinstance(erased, Refused)
            assert ids(erased.images) == self.record.that(meant)
            self.record.erase(meant, jobs=lambda made: made.over and meant(made))

    # Ruling

    async def block(self, deed: Deed, visit: Visit) -> None:
        who = PEOPLE[deed.what % len(PEOPLE)]
        change = self.service.block if deed.right else self.service.unblock
        if await self.ruled(visit, change(who, visit.asker)):
            (self.record.blocked.add if deed.right else self.record.blocked.discard)((visit.place.space, who))

    async def pause(self, deed: Deed, visit: Visit) -> None:
        change = self.service.change_rules(visit.asker, lambda rules: replace(rules, paused=deed.right))
        if await self.ruled(visit, change):
            (self.record.paused.add if deed.right else self.record.paused.discard)(visit.place.space)

    async def choose_places(self, deed: Deed, visit: Visit) -> None:
        places = frozenset({visit.place.channel}) if deed.right else frozenset[str]()
        if await self.ruled(visit, self.service.change_rules(visit.asker, lambda rules: replace(rules, places=places))):
            self.record.chosen[visit.place.space] = places

    async def limit(self, deed: Deed, visit: Visit) -> None:
        each = 1 if deed.right else None
        await self.ruled(visit, self.service.change_rules(visit.asker, lambda rules: replace(rules, jobs_each=each)))

    async def ruled(self, visit: Visit, change: Awaitable[object]) -> bool:
        refused = isinstance(await answer(change), Forbidden)
        assert refused == (visit.role is not Role.ADMIN)
        return not refused

    async def hold(self, deed: Deed, visit: Visit) -> None:
        """From now on jobs wait, until they go on."""
        self.held = not self.held
        if self.held:
            self.executor.hold()
        else:
            self.executor.release()
            await self.paint_what_waits()

    async def the_end(self) -> None:
        """What an admin erases is theirs to erase, and everybody keeps the rest."""
        parent = Deed("delete", 2, 0, 2, private=False, right=True)
        await self.delete(parent, self.story.visit(2, 0))
        await self.everybody_looks_at_everything()
        await self.who_is_blocked_learns_no_more()
        admin = Visit("one:admin", self.story.places[0], Role.ADMIN)
        for one_alone in (True, False):
            deed = Deed("purge", 0, 0, 0, private=False, right=one_alone)
            await self.purge(deed, admin)
            for who in range(len(PEOPLE)):
                await self.take_out(deed, self.story.visit(who, 0))


VERBS: dict[str, Callable[[Life, Deed, Visit], Awaitable[None]]] = {
    verb.__name__: verb
    for verb in (
        Life.generate,
        Life.refine,
        Life.vary,
        Life.again,
        Life.repeat,
        Life.bring,
        Life.look,
        Life.look_at_job,
        Life.list_all,
        Life.look_for_last,
        Life.use_link,
        Life.take_out,
        Life.delete,
        Life.cancel,
        Life.forget,
        Life.purge,
        Life.block,
        Life.pause,
        Life.choose_places,
        Life.limit,
        Life.hold,
    )
}
