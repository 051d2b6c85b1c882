"""Who looks at what was made sees what is for them, and of all else nothing, not even that it is there."""

import io
import zipfile
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from pathlib import Path

from bot.errors import AgeRestricted, BadRequest, Forbidden, NotFound, Refused
from bot.jobs import Image, Job, Refinement
from bot.policy import Asker
from bot.service import Service
from tests.bot.rights import Made, Sight, Visit, may_end, sight
from tests.bot.story import (
    NEVER,
    PEOPLE,
    SPACES,
    Deed,
    Look,
    Record,
    Story,
    alike,
    answer,
    as_if_it_never_was,
    for_all_of_the_space,
    ids,
    job_is_there,
    own_and_here,
)


class Onlooker:
    """Looks at what there is, as anybody, and judges what is shown."""

    def __init__(self, story: Story, record: Record, service: Service) -> None:
        self.story = story
        self.record = record
        self.service = service

    async def look(self, deed: Deed, visit: Visit) -> None:
        await self.of_image(deed, visit, self.service.image)

    async def of_image(self, deed: Deed, visit: Visit, look: Look) -> str | None:
        """The image where it may be used here, untouched yet; else nothing is done nor told."""
        image_id = self.record.image(deed)
        made = self.record.images.get(image_id)
        if made is not None and sight(visit, made) is Sight.SEEN:
            found = await self.service.image(image_id, visit.asker)
            assert found.id == image_id
            return image_id
        if made is not None and sight(visit, made) is Sight.NOT_HERE:
            assert isinstance(await answer(look(image_id, visit.asker)), AgeRestricted)
        else:
            await as_if_it_never_was(look, image_id, visit.asker, "image")
        return None

    async def look_at_job(self, deed: Deed, visit: Visit) -> None:
        await self.check_job(self.record.job(deed), visit, self.service.job)
        await self.check_job(self.record.job(deed), visit, self._first_event)

    async def check_job(self, job_id: str, visit: Visit, look: Look) -> None:
        made = self.record.jobs.get(job_id)
        if made is not None and job_is_there(visit, made):
            assert not isinstance(await answer(look(job_id, visit.asker)), Refused)
        else:
            await as_if_it_never_was(look, job_id, visit.asker, "job")

    async def _first_event(self, job_id: str, asker: Asker) -> object:
        async with aclosing(self.service.follow(job_id, asker)) as stream:
            return await anext(stream)

    async def list_all(self, deed: Deed, visit: Visit) -> None:
        await self.check_lists(self.record.image(deed), visit)

    async def check_lists(self, before: str, visit: Visit) -> None:
        own = await self.service.own_images(visit.asker, 100)
        assert ids(own) == self.record.that(lambda made: own_and_here(visit, made))
        history = await self.service.history(visit.asker, 100)
        shown = [image for images in (*history.images.values(), history.brought) for image in images]
        assert ids(shown) == ids(own)
        assert {job.id for job in history.jobs} == self.record.jobs_that(lambda made: made.visit.who == visit.who)
        listed = await self.service.newest_images(visit.asker, 100)
        assert ids(listed) == self.record.that(lambda made: for_all_of_the_space(visit, made))
        older = await answer(self.service.newest_images(visit.asker, 100, before))
        made = self.record.images.get(before)
        match sight(visit, made) if made else Sight.HIDDEN:
            case Sight.SEEN:
                assert not isinstance(older, Refused)
                assert ids(older) <= ids(listed) - {before}
            case Sight.NOT_HERE:
                assert isinstance(older, AgeRestricted)
            case Sight.HIDDEN:
                assert alike(older, NotFound("image"))

    async def look_for_last(self, deed: Deed, visit: Visit) -> None:
        await self.check_last(visit)

    async def check_last(self, visit: Visit) -> None:
        channel = visit.place.channel
        last = await self.service.newest_in_channel(visit.asker, "one", channel)
        possible = self.record.that(
            lambda made: (
                made.visit.who == visit.who
                and made.visit.place.channel == channel
                and bool(made.job)
                and (visit.private or not made.visit.private)
            )
        )
        assert last in possible if possible else last is None

    async def check_children(self, image: Image, visit: Visit) -> None:
        children = set(await self.service.children(image, visit.asker))
        seen = self.record.that(lambda made: made.parent == image.id and sight(visit, made) is Sight.SEEN)
        assert children == seen

    async def use_link(self, deed: Deed, visit: Visit) -> None:
        await self.check_link(self.record.image(deed), self.record.image(replace(deed, what=deed.what // 7)))

    async def check_link(self, image_id: str, other: str) -> None:
        """A link to the other one shows itself alone."""
        link = self.service.link(self.record.kept[other]) if other in self.record.kept else None
        found = await answer(self.service.linked(image_id, (link or "").rpartition("=")[2]))
        if link is not None and other == image_id and not self.record.images[image_id].gone:
            assert isinstance(found, Image)
        else:
            assert alike(found, NotFound("image"))

    async def take_out(self, deed: Deed, visit: Visit) -> None:
        belongings, export = await self.service.export(visit.asker, 2**20)
        assert belongings == await self.service.belongings(visit.asker)
        own = self.record.that(lambda made: made.visit.who == visit.who)
        assert ids(belongings.images) == own
        assert {job.id for job in belongings.jobs} == self.record.jobs_that(lambda made: made.visit.who == visit.who)
        with zipfile.ZipFile(io.BytesIO(export.zip)) as archive:
            assert {Path(name).stem for name in archive.namelist()} == own | {"limner"}

    async def check_delete(self, image_id: str, visit: Visit, delete: Look) -> None:
        made = self.record.images.get(image_id)
        if made is not None and may_end(visit, made):
            assert not isinstance(await answer(delete(image_id, visit.asker)), Refused)
        elif made is not None and sight(visit, made) is Sight.SEEN:
            assert isinstance(await answer(delete(image_id, visit.asker)), Forbidden)
        else:
            await as_if_it_never_was(delete, image_id, visit.asker, "image")

    async def _refine(self, prompt: str, image_id: str, asker: Asker) -> Job:
        return await self.service.refine(Refinement(image_id=image_id, prompt=prompt, seed=1), asker)

    async def everybody_looks_at_everything(self) -> None:
        made_ids = [*self.record.images]
        for image_id, other in zip(made_ids, [*made_ids[1:], *made_ids[:1]], strict=True):
            await self.check_link(image_id, other)
            await self.check_link(image_id, image_id)
        for visit in self.story.visits():
            await self.check_last(visit)
            await self.check_last(replace(visit, private=True))
            await self.check_lists(made_ids[0] if made_ids else NEVER, visit)
            for image_id, made in self.record.images.items():
                found = await answer(self.service.image(image_id, visit.asker))
                match sight(visit, made):
                    case Sight.SEEN:
                        assert isinstance(found, Image)
                        assert found.parent_id == self.record.parent(made)
                        await self.check_children(found, visit)
                        await self.check_again(image_id, made, visit)
                    case Sight.NOT_HERE:
                        assert isinstance(found, AgeRestricted)
                    case Sight.HIDDEN:
                        assert alike(found, NotFound("image"))
                await self.check_delete(image_id, visit, self.service.check_may_delete)
            for job_id in self.record.jobs:
                await self.check_job(job_id, visit, self.service.job)

    async def check_again(self, image_id: str, made: Made, visit: Visit) -> None:
        """Whoever may see a child only does not get at its parent by it."""
        source = Sight.SEEN if made.parent is None else sight(visit, self.record.images[made.parent])
        if source is Sight.HIDDEN:
            assert alike(await answer(self.service.again(image_id, visit.asker)), NotFound("parent"))
        elif source is Sight.NOT_HERE:
            assert isinstance(await answer(self.service.again(image_id, visit.asker)), AgeRestricted)

    async def who_is_blocked_learns_no_more(self) -> None:
        for who in PEOPLE:
            await self.service.block(who, Asker("one:admin", SPACES[0], admin=True))
            self.record.blocked.add((SPACES[0], who))
        wrong, right = partial(self._refine, ""), partial(self._refine, "warmer")
        for visit in self.story.visits():
            refusal = self.record.refusal(visit)
            found = await answer(self.service.bring(b"no picture", visit.asker))
            assert isinstance(found, refusal or BadRequest)
            hidden = [one for one, made in self.record.images.items() if sight(visit, made) is Sight.HIDDEN]
            for look in (wrong, right, self.service.vary, self.service.again) if hidden else ():
                await as_if_it_never_was(look, hidden[0], visit.asker, "image")
