"""Who may see what, and who may cancel it."""

import pytest

from bot.jobs import Image, ImageRequest, Job
from bot.policy import Asker, may_cancel, may_see

JOB = Job(
    id="job",
    requester="test:ann",
    space="test:studio",
    origin="",
    request=ImageRequest(prompt="a cat"),
    image_ids=("image",),
    created_at=0,
)
IMAGE = Image(
    id="image",
    job_id="job",
    requester="test:ann",
    space="test:studio",
    parent_id=None,
    file="image.png",
    sha256="0" * 64,
    size=1,
    width=64,
    height=64,
    recipe=None,
    created_at=0,
)


@pytest.mark.parametrize("requester", ["test:ann", "test:bob"])
@pytest.mark.parametrize("space", ["test:studio", "other:studio", "test:studio2", "TEST:STUDIO", ""])
@pytest.mark.parametrize("thing", [JOB, IMAGE], ids=["job", "image"])
def test_jobs_and_images_are_seen_by_all_of_their_space_and_nobody_else(
    requester: str, space: str, thing: Job | Image
) -> None:
    assert may_see(Asker(requester, space), thing) == (space == "test:studio")


@pytest.mark.parametrize("requester", ["test:ann", "other:ann", "test:ann2", "TEST:ANN", ""])
@pytest.mark.parametrize("space", ["test:studio", "test:elsewhere"])
def test_a_job_is_cancelled_by_who_asked_for_it_and_nobody_else(requester: str, space: str) -> None:
    assert may_cancel(Asker(requester, space), JOB) == (requester == "test:ann")
