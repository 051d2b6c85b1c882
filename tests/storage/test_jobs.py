"""Jobs in the index: their moves, what is kept of them, and which come first."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bot.jobs import Failure, Image, ImageRequest, Job, JobStatus, Refinement, Sampler
from bot.ports import Ended, Over
from storage.database import Database
from storage.deliveries import Deliveries
from storage.files import ImageFolder
from storage.images import Images
from storage.jobs import Jobs

FAILURE = Failure("out_of_memory", "The picture is too large for this device.")
STRANGE = (
    "  \ufdfd \U0001f469\u200d\U0001f3a8 \u202eright\u202c \u2028\x00\t'); DROP TABLE jobs -- \"\\ é e\u0301 \uffff  "
)

Move = Callable[[Jobs], Awaitable[object]]

#: Every move of the store, and where it leads.
MOVES: dict[str, tuple[Move, JobStatus]] = {
    "claim": (lambda jobs: jobs.claim("job", 20), JobStatus.RUNNING),
    "requeue": (lambda jobs: jobs.requeue("job", attempt_counts=True), JobStatus.QUEUED),
    "requeue for free": (lambda jobs: jobs.requeue("job", attempt_counts=False), JobStatus.QUEUED),
    "finish": (lambda jobs: jobs.finish("job", [], 30), JobStatus.DONE),
    "fail": (lambda jobs: jobs.fail("job", FAILURE, 30), JobStatus.FAILED),
    "cancel": (lambda jobs: jobs.cancel("job", 30), JobStatus.CANCELLED),
}

#: The moves that bring a new job into a state.
WAYS: dict[JobStatus, list[str]] = {
    JobStatus.QUEUED: [],
    JobStatus.RUNNING: ["claim"],
    JobStatus.DONE: ["claim", "finish"],
    JobStatus.FAILED: ["claim", "fail"],
    JobStatus.CANCELLED: ["cancel"],
}


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with Database.open(tmp_path / "limner.sqlite", now=0) as database:
        yield database


@pytest.fixture
def jobs(database: Database) -> Jobs:
    return Jobs(database)


@pytest.fixture
def images(database: Database, tmp_path: Path) -> Images:
    return Images(database, ImageFolder(tmp_path / "images"))


def job(job_id: str = "job", request: ImageRequest | Refinement | None = None) -> Job:
    return Job(
        id=job_id,
        requester="test:ann",
        space="test:studio",
        origin="where to answer",
        request=request or ImageRequest(prompt="a cat", seed=7),
        image_ids=("first", "second"),
        created_at=10,
    )


def image(image_id: str) -> Image:
    return Image(
        id=image_id,
        job_id="job",
        requester="test:ann",
        space="test:studio",
        parent_id=None,
        file=f"{image_id}.png",
        sha256="0" * 64,
        size=1,
        width=64,
        height=64,
        recipe=None,
        created_at=30,
    )


async def bring_to(jobs: Jobs, status: JobStatus) -> Job:
    """A new job, in this state."""
    await jobs.add(job())
    for way in WAYS[status]:
        assert await MOVES[way][0](jobs)
    return await the(jobs)


async def the(jobs: Jobs) -> Job:
    found = await jobs.get("job")
    assert found is not None
    return found


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("status", JobStatus)
async def test_a_legal_move_is_made_and_any_other_changes_nothing(jobs: Jobs, status: JobStatus, move: str) -> None:
    make, target = MOVES[move]
    before = await bring_to(jobs, status)

    moved = bool(await make(jobs))
    after = await the(jobs)

    assert (before.status, moved) == (status, status.may_become(target))
    assert after.status is target if moved else after == before


@pytest.mark.parametrize("move", MOVES)
async def test_a_job_that_nobody_knows_makes_no_move(jobs: Jobs, move: str) -> None:
    assert not await MOVES[move][0](jobs)
    assert await jobs.get("job") is None


@pytest.mark.parametrize("move", MOVES)
async def test_a_move_touches_no_other_job(jobs: Jobs, move: str) -> None:
    others = [job("another"), job("a third")]
    for other in others:
        await jobs.add(other)
    make, target = MOVES[move]
    await bring_to(jobs, JobStatus.RUNNING if JobStatus.RUNNING.may_become(target) else JobStatus.QUEUED)

    assert await make(jobs)

    assert [await jobs.get(other.id) for other in others] == others


async def test_a_claim_counts_an_attempt_and_notes_when_it_began(jobs: Jobs) -> None:
    await jobs.add(job())

    claimed = await jobs.claim("job", 20)

    assert claimed == replace(job(), status=JobStatus.RUNNING, attempts=1, started_at=20)
    assert claimed == await the(jobs)


async def test_of_many_claims_at_once_one_gets_the_job(jobs: Jobs) -> None:
    await jobs.add(job())

    claimed = await asyncio.gather(*(jobs.claim("job", 20) for _ in range(10)))

    assert sum(claim is not None for claim in claimed) == 1
    assert (await the(jobs)).attempts == 1


@pytest.mark.parametrize(("attempt_counts", "attempts"), [(True, 1), (False, 0)])
async def test_an_attempt_is_given_back_where_it_does_not_count(
    jobs: Jobs, attempt_counts: bool, attempts: int
) -> None:
    await bring_to(jobs, JobStatus.RUNNING)

    await jobs.requeue("job", attempt_counts=attempt_counts)

    assert await the(jobs) == replace(job(), attempts=attempts)
    claimed = await jobs.claim("job", 40)
    assert claimed is not None
    assert (claimed.attempts, claimed.started_at) == (attempts + 1, 40)


@pytest.mark.parametrize("move", ["finish", "fail", "cancel"])
async def test_an_ending_notes_its_time_and_keeps_the_rest(jobs: Jobs, move: str) -> None:
    running = await bring_to(jobs, JobStatus.RUNNING)
    make, target = MOVES[move]
    await make(jobs)

    failure = FAILURE if move == "fail" else None

    assert await the(jobs) == replace(running, status=target, finished_at=30, failure=failure)


@pytest.mark.parametrize("failure", [Failure("", ""), Failure("code", STRANGE)])
async def test_a_failure_is_kept_as_it_was_told(jobs: Jobs, failure: Failure) -> None:
    await bring_to(jobs, JobStatus.RUNNING)

    await jobs.fail("job", failure, 30)

    assert (await the(jobs)).failure == failure


async def test_a_job_is_done_together_with_its_images(jobs: Jobs, images: Images) -> None:
    await bring_to(jobs, JobStatus.RUNNING)

    assert await jobs.finish("job", [image("first"), image("second")], 30)

    assert await images.of_job("job") == [image("first"), image("second")]


@pytest.mark.parametrize(
    "wrong",
    [image("first"), replace(image("second"), job_id="nobody"), replace(image("second"), sha256="short")],
    ids=["the same again", "unknown job", "no checksum"],
)
async def test_an_image_that_cannot_be_written_leaves_neither_images_nor_an_ending(
    jobs: Jobs, images: Images, wrong: Image
) -> None:
    running = await bring_to(jobs, JobStatus.RUNNING)

    with pytest.raises(sqlite3.IntegrityError):
        await jobs.finish("job", [image("first"), wrong], 30)

    assert await the(jobs) == running
    assert await images.of_job("job") == []
    assert await jobs.finish("job", [image("first")], 31)


@pytest.mark.parametrize("status", set(JobStatus) - {JobStatus.RUNNING})
async def test_a_job_that_does_not_run_gets_no_images(jobs: Jobs, images: Images, status: JobStatus) -> None:
    await bring_to(jobs, status)

    assert not await jobs.finish("job", [image("first")], 40)

    assert await images.of_job("job") == []


async def test_unfinished_jobs_come_in_the_order_in_which_they_were_accepted(jobs: Jobs) -> None:
    for number, job_id in enumerate("zyxwvu"):
        await jobs.add(replace(job(job_id), created_at=-number))
    for job_id in "yxwv":
        await jobs.claim(job_id, 20)
    await jobs.requeue("y", attempt_counts=True)
    await jobs.finish("x", [], 30)
    await jobs.fail("w", FAILURE, 30)

    unfinished = await jobs.unfinished()

    assert [(found.id, found.status) for found in unfinished] == [
        ("z", JobStatus.QUEUED),
        ("y", JobStatus.QUEUED),
        ("v", JobStatus.RUNNING),
        ("u", JobStatus.QUEUED),
    ]


@pytest.mark.parametrize("status", JobStatus)
async def test_a_job_is_unfinished_until_it_is_over(jobs: Jobs, status: JobStatus) -> None:
    found = await bring_to(jobs, status)

    assert await jobs.unfinished() == ([] if status.over else [found])


@pytest.mark.parametrize(
    "request_",
    [
        ImageRequest(prompt="a cat"),
        ImageRequest(prompt=STRANGE, negative_prompt="", seed=0),
        ImageRequest(
            prompt="",
            negative_prompt=STRANGE,
            width=1024,
            height=64,
            num_inference_steps=150,
            guidance_scale=1 / 3,
            sampler=Sampler.DPMPP_2M_KARRAS,
            seed=2**64 - 1,
            num_images=4,
        ),
        Refinement(image_id="parent", prompt="warmer"),
        Refinement(
            image_id="parent",
            prompt=STRANGE,
            negative_prompt=STRANGE,
            strength=0.1 + 0.2,
            num_inference_steps=1,
            guidance_scale=0,
            sampler=Sampler.EULER_ANCESTRAL,
            seed=2**63,
            num_images=2,
        ),
    ],
)
async def test_a_request_comes_back_with_every_field(jobs: Jobs, request_: ImageRequest | Refinement) -> None:
    await jobs.add(job(request=request_))

    assert await the(jobs) == job(request=request_)


@pytest.mark.parametrize("image_ids", [(), ("one",), ("d", "c", "b", "a")])
async def test_who_asked_and_for_whom_and_where_to_answer_and_the_image_ids_come_back(
    jobs: Jobs, image_ids: tuple[str, ...]
) -> None:
    accepted = replace(
        job(),
        requester=STRANGE,
        space=STRANGE,
        audience=STRANGE,
        age_restricted=True,
        origin=STRANGE,
        image_ids=image_ids,
        created_at=1e9 / 7,
    )
    await jobs.add(accepted)

    assert await the(jobs) == accepted


async def test_an_id_is_given_out_once(jobs: Jobs) -> None:
    await jobs.add(job())

    with pytest.raises(sqlite3.IntegrityError, match=r"jobs\.id"):
        await jobs.add(job(request=ImageRequest(prompt="another")))

    assert await the(jobs) == job()


async def test_jobs_that_ended_since_a_time_are_found_however_they_ended(jobs: Jobs) -> None:
    for number, job_id in enumerate(("early", "done", "failed", "cancelled")):
        await jobs.add(job(job_id))
        await jobs.claim(job_id, 20 + number)
    await jobs.finish("early", [], 29)
    await jobs.finish("done", [], 30)
    await jobs.fail("failed", FAILURE, 31)
    await jobs.cancel("cancelled", 32)
    await jobs.add(job("running"))
    await jobs.claim("running", 40)
    await jobs.add(job("queued"))

    assert await jobs.over_since(30) == Over(seconds=[20], failures=[FAILURE.code], cancelled=1)
    assert await jobs.over_since(29) == Over(seconds=[19, 20], failures=[FAILURE.code], cancelled=1)
    assert await jobs.over_since(33) == Over(seconds=[], failures=[])


async def test_an_id_that_is_taken_owes_nothing_new(jobs: Jobs, database: Database) -> None:
    await jobs.add(replace(job(), origin=""))

    with pytest.raises(sqlite3.IntegrityError):
        await jobs.add(job())

    assert await Deliveries(database).owed("test") == []


async def test_jobs_are_counted_by_status_also_where_there_are_none(jobs: Jobs) -> None:
    assert await jobs.counts() == dict.fromkeys(JobStatus, 0)

    for job_id in "abcdef":
        await jobs.add(job(job_id))
    for job_id in "abc":
        await jobs.claim(job_id, 20)
    await jobs.finish("a", [], 30)
    await jobs.fail("b", FAILURE, 30)

    assert await jobs.counts() == {
        JobStatus.QUEUED: 3,
        JobStatus.RUNNING: 1,
        JobStatus.DONE: 1,
        JobStatus.FAILED: 1,
        JobStatus.CANCELLED: 0,
    }


async def test_counts_are_right_whoever_adds_moves_or_deletes_jobs(jobs: Jobs, database: Database) -> None:
    for move in MOVES:
        await jobs.add(job(move))
        await jobs.claim(move, 20)
    await jobs.finish("finish", [], 30)
    await jobs.fail("fail", FAILURE, 30)
    await jobs.cancel("cancel", 30)
    await jobs.requeue("requeue", attempt_counts=True)
    await jobs.cancel("cancel", 40)
    await database.write("DELETE FROM jobs WHERE id IN ('finish', 'claim')", {})

    counted = await database.all("SELECT status, count(*) AS jobs FROM jobs GROUP BY status", {})

    assert await jobs.counts() == dict.fromkeys(JobStatus, 0) | {row["status"]: row["jobs"] for row in counted}


async def test_the_newest_jobs_of_a_requester_come_page_by_page_in_all_states(jobs: Jobs) -> None:
    for number, job_id in enumerate("abcdef"):
        await jobs.add(replace(job(job_id), requester="test:ben" if job_id == "d" else "test:ann", created_at=-number))
    for job_id in "abc":
        await jobs.claim(job_id, 20)
    await jobs.finish("a", [], 30)
    await jobs.fail("b", FAILURE, 30)
    await jobs.cancel("e", 30)

    async def page(limit: int, before: str | None = None) -> list[str]:
        return [found.id for found in await jobs.newest_of("test:ann", limit, before)]

    assert await page(10) == ["f", "e", "c", "b", "a"]
    assert await page(2) == ["f", "e"]
    assert await page(2, "e") == ["c", "b"]
    # Whoever's it is, it is a place in the order.
    assert await page(2, "d") == ["c", "b"]
    assert await page(2, "a") == []
    assert await page(2, "nobody knows") == []
    assert await jobs.newest_of("test:nobody", 10, None) == []


async def test_what_ended_since_a_time_is_told_with_how_and_when_and_how_long_it_took(jobs: Jobs) -> None:
    for job_id in ("early", "done", "failed", "cancelled"):
        await jobs.add(job(job_id))
        await jobs.claim(job_id, 20)
    await jobs.finish("early", [], 29)
    await jobs.finish("done", [], 30)
    await jobs.fail("failed", FAILURE, 31.5)
    await jobs.cancel("cancelled", 32)
    await jobs.add(job("queued"))

    assert {ended.at: ended for ended in await jobs.ended_since(30)} == {
        30: Ended(30, JobStatus.DONE, 20),
        31.5: Ended(31.5, JobStatus.FAILED, 21.5),
        32: Ended(32, JobStatus.CANCELLED, 22),
    }
    assert await jobs.ended_since(33) == []


async def test_jobs_that_failed_come_with_the_last_one_first(jobs: Jobs) -> None:
    for job_id in ("a", "b", "c", "d", "done", "cancelled"):
        await jobs.add(job(job_id))
        await jobs.claim(job_id, 20)
    for job_id, end in (("a", 33), ("b", 32), ("c", 32), ("d", 31)):
        await jobs.fail(job_id, FAILURE, end)
    await jobs.finish("done", [], 40)
    await jobs.cancel("cancelled", 40)

    failed = await jobs.newest_failed(3)

    assert [found.id for found in failed] == ["a", "c", "b"]
    assert {found.failure for found in failed} == {FAILURE}
