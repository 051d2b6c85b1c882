"""What is reported and decided in a space, and the record of both."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from bot.decisions import Act, Cause, Decision, Report
from bot.errors import AlreadyDecided, Forbidden, NobodyHears, NotFound, WordsRefused
from bot.jobs import Image, ImageRequest, Job, Message, Refinement, Treatment
from bot.policy import Asker, Rules, check_admin, may_judge
from bot.ports import ImageStore, JobStore, ModerationStore, RuleStore
from bot.wordlist import Found, forbidden

#: Entries of a record that are exported at most.
RECORD_MOST = 100_000
#: From how many generations a refinement inherits words.
ANCESTORS_MOST = 50


@dataclass(frozen=True, slots=True)
class Reported:
    """What becomes of a report."""

    #: Somebody reported the image before.
    known: bool
    #: Moderators have looked at it.
    decided: bool
    #: There is a place where moderators hear of it.
    heard: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """What a moderator decided on."""

    image: Image
    #: Whose delivery is owed again; None for a picture that somebody brought.
    job: Job | None
    #: That showed a refused image, also the report itself.
    messages: Sequence[Message] = ()


class Moderation:
    def __init__(
        self,
        *,
        store: ModerationStore,
        images: ImageStore,
        jobs: JobStore,
        rules: RuleStore,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._images = images
        self._jobs = jobs
        self._rules = rules
        self._clock = clock

    async def report(self, image: Image, asker: Asker) -> Reported:
        """Brings an image that the asker sees to the moderators of its space, once."""
        report = Report(
            image_id=image.id,
            platform=image.requester.partition(":")[0],
            space=image.space,
            cause=Cause.REPORTED,
            reporter=asker.requester,
            created_at=self._clock(),
        )
        state = await self._store.report(report, self._about(Act.REPORTED, image, asker))
        heard = bool((await self._rules.get(image.space)).reports_to)
        return Reported(known=state is not None, decided=state == "closed", heard=heard)

    async def owed(self, platform: str) -> Sequence[tuple[Report, Image, str]]:
        """Reports that moderators do not know of yet, each with its image and the place where they hear of it."""
        found = []
        for report in await self._store.owed(platform):
            image, rules = await self._images.get(report.image_id), await self._rules.get(report.space)
            if image is not None and rules.reports_to:
                found.append((report, image, rules.reports_to))
        return found

    async def told(self, image_id: str, message: Message) -> bool:
        """A message shows the image to moderators. False where it is gone by now, or they know of it."""
        return await self._store.told(image_id, message)

    async def judged(self, image_id: str, asker: Asker) -> Image:
        """What moderators decide on, wherever in their space it was made. Raises NotFound or Forbidden."""
        image = await self._images.get(image_id)
        if image is None or image.space != asker.space:
            raise NotFound("image")
        if not may_judge(asker, image):
            raise Forbidden
        return image

    async def approve(self, image_id: str, asker: Asker) -> Judged:
        """Raises NotFound, Forbidden or AlreadyDecided."""
        image = await self.judged(image_id, asker)
        if not await self._store.approve(image, self._about(Act.APPROVED, image, asker)):
            raise AlreadyDecided
        return Judged(image, await self._job(image))

    async def refuse(self, image_id: str, asker: Asker, *, block: bool = False) -> Judged:
        """The image is deleted, and perhaps who made it is blocked. Raises NotFound, Forbidden or AlreadyDecided."""
        image = await self.judged(image_id, asker)
        decisions = [self._about(Act.REFUSED, image, asker)]
        messages = await self._store.refuse(image, decisions)
        if messages is None:
            raise AlreadyDecided
        await self._images.discard([image.id])
        if block:
            await self._rules.block(image.space, image.requester, self._about(Act.BLOCKED, image, asker))
        return Judged(image, await self._job(image), messages)

    async def record(self, asker: Asker, limit: int = RECORD_MOST) -> Sequence[Decision]:
        """Of the asker's space, the newest first. Raises Forbidden."""
        check_admin(asker)
        return await self._store.newest(asker.space, limit)

    async def write(self, decision: Decision) -> None:
        await self._store.record(decision)

    def decision(self, act: Act, asker: Asker, about: str = "", detail: str = "") -> Decision:
        """The asker's, in their space."""
        return Decision(at=self._clock(), space=asker.space, act=act, by=asker.requester, about=about, detail=detail)

    async def change_rules(self, asker: Asker, change: Callable[[Rules], Rules]) -> Rules:
        """Of the asker's space; what was changed goes on record. Raises NobodyHears."""

        def changed(rules: Rules) -> Rules:
            after = change(rules)
            check_heard(after)
            return after

        def recorded(before: Rules, after: Rules) -> Sequence[Decision]:
            return [self.decision(Act.RULES, asker, detail=detail) for detail in changes(before, after)]

        return await self._rules.change(asker.space, changed, recorded)

    async def check_words(
        self, rules: Rules, asker: Asker, request: ImageRequest | Refinement, parent: Image | None = None
    ) -> None:
        """With the words of all images that it is refined from. Raises WordsRefused, and puts it on record."""
        inherited = [] if parent is None else [prompt async for prompt in self._prompts_of(parent)]
        found = await asyncio.to_thread(
            forbidden, rules.words, request.prompt, request.negative_prompt, inherited=inherited
        )
        await self._refuse_words(asker, found)

    async def check_name(self, rules: Rules, asker: Asker, name: str) -> None:
        """Of a file. Raises WordsRefused, and puts it on record."""
        await self._refuse_words(asker, forbidden(rules.words, "", None, names=[name]))

    async def _refuse_words(self, asker: Asker, found: Found | None) -> None:
        if found is None:
            return
        detail = f"everywhere: {found.name}" if found.shipped else f"rule {found.number}"
        await self.write(replace(self.decision(Act.WORDS, asker, asker.requester, detail), by=""))
        raise WordsRefused(found.number, shipped=found.shipped)

    async def _prompts_of(self, image: Image) -> AsyncIterator[str]:
        """Of an image and those that it came from."""
        ancestor: Image | None = image
        for _ in range(ANCESTORS_MOST):
            if ancestor is None or ancestor.recipe is None:
                return
            yield ancestor.recipe.prompt
            parent_id = ancestor.parent_id
            ancestor = None if parent_id is None else await self._images.get(parent_id)

    async def _job(self, image: Image) -> Job | None:
        return None if image.job_id is None else await self._jobs.get(image.job_id)

    def _about(self, act: Act, image: Image, asker: Asker) -> Decision:
        return replace(self.decision(act, asker, image.requester), space=image.space, image_id=image.id)


def check_heard(rules: Rules) -> None:
    """Raises NobodyHears where something would be held and no moderator heard of it."""
    if not rules.reports_to and Treatment.HOLD in (rules.treatment, *rules.treatments.values()):
        raise NobodyHears


def changes(before: Rules, after: Rules) -> Iterator[str]:
    """Each rule that differs, and how."""
    for field in fields(Rules):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old != new:
            yield f"{field.name}: {_change(old, new)}"


def _change(old: Any, new: Any) -> str:
    if isinstance(new, Mapping):
        old, new = ([f"{key}={value}" for key, value in each.items()] for each in (old, new))
    elif not isinstance(new, tuple | frozenset):
        return _said(new)
    gone, come = sorted(set(old) - set(new)), sorted(set(new) - set(old))
    return " ".join([*(f"-{each}" for each in gone), *(f"+{each}" for each in come)])


def _said(value: Any) -> str:
    return "none" if value in (None, "") else str(value).lower() if isinstance(value, bool) else str(value)
