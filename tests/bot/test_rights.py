"""No sequence of commands lets anybody see, refine or end what is not for them, or learn that it exists."""

import asyncio
import itertools
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from bot.app import open_service
from bot.errors import NotFound
from bot.settings import Settings
from tests.bot.asking import ANN, BOB, MODERATOR, ask, paint, painted, refine
from tests.bot.lives import VERBS, Life
from tests.bot.rights import Place, Role
from tests.bot.story import PEOPLE, SPACES, Deed, Record, Story
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor

STORIES = 12
#: So many times as many.
NIGHT = 50
#: A tmpfs, where there is one: nothing here has to outlive the machine.
FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None
OFTEN = ["generate", "generate", "refine", "vary", "again", "repeat", "delete"]


def place(space: str, name: str, is_open: bool, adults: bool) -> Place:
    return Place(space, name, is_open, adults, channel=name.partition("/")[0])


#: Most of what can be seen where it should not be is seen between these.
ALWAYS = [
    place(SPACES[0], "market", True, False),
    place(SPACES[0], "night", True, True),
    place(SPACES[0], "cellar", False, False),
]
#: The last of the people comes from elsewhere, unless the story has it otherwise.
USUAL = {(PEOPLE[-1], SPACES[0]): Role.GUEST}
places = st.builds(
    place,
    space=st.sampled_from(SPACES),
    name=st.sampled_from(["art", "attic", "art/thread"]),
    is_open=st.booleans(),
    adults=st.booleans(),
)
deeds = st.builds(
    Deed,
    verb=st.sampled_from([*OFTEN, *VERBS]),
    who=st.integers(0, len(PEOPLE) - 1),
    where=st.integers(0, 4),
    what=st.integers(0, 63),
    private=st.sampled_from([False, False, True]),
    right=st.sampled_from([True, True, False]),
)
stories = st.builds(
    Story,
    places=st.lists(places, min_size=1, max_size=2, unique_by=lambda place: (place.space, place.name)).map(
        lambda drawn: [*ALWAYS, *drawn]
    ),
    roles=st.dictionaries(
        st.tuples(st.sampled_from(PEOPLE), st.sampled_from(SPACES)), st.sampled_from(Role), max_size=6
    ).map(lambda drawn: USUAL | drawn),
    queue_limit=st.sampled_from([100, 2]),
    lives=st.lists(st.lists(deeds, min_size=6, max_size=20), min_size=1, max_size=2),
)
often = settings(
    max_examples=STORIES,
    deadline=None,
    print_blob=True,
    # Phase.shrink would make a failure's story short, in some minutes.
    phases=[Phase.explicit, Phase.generate],
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@pytest.mark.slow
@often
@given(stories)
def test_whatever_is_done_nobody_sees_or_ends_what_is_not_for_them_or_learns_of_it(story: Story) -> None:
    with tempfile.TemporaryDirectory(dir=FAST) as folder, capture_logs():
        asyncio.run(told(story, Path(folder)))


@pytest.mark.nightly
@pytest.mark.timeout(7200)
@settings(often, max_examples=STORIES * NIGHT)
@given(stories)
def test_nor_in_many_other_lives(story: Story) -> None:
    with tempfile.TemporaryDirectory(dir=FAST) as folder, capture_logs():
        asyncio.run(told(story, Path(folder)))


async def told(story: Story, folder: Path) -> None:
    record = Record()
    ticks = itertools.count(1)
    options = Settings(
        data_dir=folder, queue_limit=story.queue_limit, drain_seconds=0, public_url="https://limner.example"
    )
    for deeds in story.lives:
        executor = FakeExecutor()
        async with open_service(options, executor=executor, clock=lambda: float(next(ticks))) as service:
            life = Life(story, record, service, executor)
            if deeds is story.lives[0]:
                await life.live(story.beginning)
            await life.live(deeds)
            if deeds is story.lives[-1]:
                await life.the_end()


async def test_a_job_from_among_adults_is_there_for_who_may_end_it_and_else_among_adults_only(
    limner: OpenLimner,
) -> None:
    async with limner() as service:
        job = await ask(service, replace(ANN, age_restricted=True))
        for asker in (ANN, MODERATOR, replace(BOB, age_restricted=True)):
            assert (await service.job(job.id, asker)).id == job.id
        with pytest.raises(NotFound):
            await service.job(job.id, BOB)
        with pytest.raises(NotFound):
            await anext(service.follow(job.id, BOB))


async def test_the_newest_images_of_a_space_are_none_of_an_outsiders(limner: OpenLimner) -> None:
    async with limner() as service:
        image = await paint(service)

        assert await service.newest_images(BOB, 10) == [image]
        assert await service.newest_images(replace(BOB, closed_to="test:studio/bridge", outsider=True), 10) == []


async def test_of_what_came_of_an_image_everybody_hears_what_they_may_see(limner: OpenLimner) -> None:
    async with limner() as service:
        parent = await paint(service)
        made_by = (replace(BOB, private=True), replace(BOB, age_restricted=True), BOB)
        jobs = [await refine(service, parent.id, asker) for asker in made_by]
        hidden, adults, seen = [(await painted(service, job, BOB))[0].id for job in jobs]

        assert await service.children(parent, ANN) == [seen]
        assert await service.children(parent, replace(ANN, age_restricted=True)) == [adults, seen]
        assert await service.children(parent, replace(BOB, age_restricted=True)) == [hidden, adults, seen]
