"""What becomes of jobs: their events, failures and races, and what a stop and a restart do to them."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import aclosing, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.app import DATABASE
from bot.errors import AlreadyOver, JobFailed, ShuttingDown, WorkerDied
from bot.events import Cancelled, Done, Event, Failed, Preview, Progress, Queued, Started
from bot.jobs import ImageRequest, Job, JobStatus, Refinement
from bot.service import Service
from storage.images import Images
from storage.jobs import Jobs
from tests.bot.asking import ANN, ask, hear_all, hear_until, idle, reach
from tests.bot.slow_stores import Slow, fail_once
from tests.conftest import OpenLimner
from tests.fakes.executor import JPEG, FakeExecutor

KILLED = WorkerDied("The worker process was ended by SIGKILL.")
DISK_ERROR = sqlite3.OperationalError("disk I/O error")

ImageFiles = Callable[[], set[str]]


async def ending(service: Service, job: Job) -> Event:
    return (await hear_all(service, job))[-1]


def change_database(folder: Path, sql: str) -> None:
    """Leaves there what a crash would have left."""
    with closing(sqlite3.connect(folder / DATABASE)) as connection, connection:
        connection.execute(sql)


async def test_a_job_is_queued_then_started_then_makes_progress_then_is_done(limner: OpenLimner) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor) as service:
        job = await ask(service, steps=2, images=2)
        async with aclosing(service.follow(job.id, ANN)) as stream:
            heard = await hear_until(stream, Queued(1))
            executor.become_ready()
            heard += [event async for event in stream]
        done = heard.pop()
        kept = await service.job(job.id, ANN)

    assert heard == [Queued(1), Started(), *(Progress((step + 1) // 2, 2, step, 4) for step in range(1, 5))]
    assert isinstance(done, Done)
    assert tuple(image.id for image in done.images) == job.image_ids
    assert (kept.status, kept.attempts, kept.failure) == (JobStatus.DONE, 1, None)
    assert kept.started_at is not None
    assert kept.finished_at is not None


async def test_what_is_told_as_done_is_on_disk_and_in_the_index(limner: OpenLimner, image_files: ImageFiles) -> None:
    async with limner() as service:
        job = await ask(service, images=2)
        done = await ending(service, job)

        assert isinstance(done, Done)
        assert list(done.images) == await service.images_of(job)
        assert {image.file for image in done.images} == image_files()
        assert [service.file(image).stat().st_size for image in done.images] == [image.size for image in done.images]


async def test_positions_are_told_again_when_the_line_moves(limner: OpenLimner) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor) as service:
        jobs = [await ask(service, steps=1) for _ in range(4)]
        async with aclosing(service.follow(jobs[-1].id, ANN)) as stream:
            await hear_until(stream, Queued(4))
            await service.cancel(jobs[1].id, ANN)
            await hear_until(stream, Queued(3))
            executor.hold()
            executor.become_ready()
            heard = await hear_until(stream, Queued(2))
            executor.release()
            heard += await hear_until(stream, Progress(1, 1, 1, 1))

    assert heard[:1] == [Queued(2)]
    assert heard[-2:] == [Started(), Progress(1, 1, 1, 1)]
    assert set(heard[1:-2]) <= {Queued(1)}, "told of at most now and then"


async def test_jobs_are_painted_one_after_the_other_in_one_slot(limner: OpenLimner) -> None:
    executor = FakeExecutor(slots=1)
    async with limner(executor) as service:
        jobs = [await ask(service) for _ in range(5)]
        for job in jobs:
            assert isinstance(await ending(service, job), Done)

    assert [work.job_id for work in executor.works] == [job.id for job in jobs]
    assert executor.most_at_once == 1


async def test_as_many_jobs_are_painted_at_once_as_there_are_slots(limner: OpenLimner) -> None:
    executor = FakeExecutor(slots=3)
    executor.hold(at_step=1)
    async with limner(executor) as service:
        jobs = [await ask(service) for _ in range(5)]
        await reach(service, jobs[2], Started())
        status = await service.status()
        executor.release()
        for job in jobs:
            assert isinstance(await ending(service, job), Done)

    assert (len(status.running), status.queued) == (3, 2)
    assert executor.most_at_once == 3


async def test_jobs_accepted_while_no_worker_is_ready_are_painted_when_one_is(limner: OpenLimner) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor) as service:
        jobs = [await ask(service) for _ in range(3)]
        before = await service.status()
        executor.become_ready()
        endings = [await ending(service, job) for job in jobs]
        after = await service.status()

    assert (before.queued, before.ready) == (3, False)
    assert all(isinstance(event, Done) for event in endings)
    assert (after.queued, after.ready, after.counts[JobStatus.DONE]) == (0, True, 3)


async def test_many_followers_hear_the_same(limner: OpenLimner) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor) as service:
        job = await ask(service)
        first, *others = all_heard = [list[Event]() for _ in range(10)]

        async def follow(heard: list[Event]) -> None:
            async for event in service.follow(job.id, ANN):
                heard.append(event)  # noqa: PERF401 (it is looked at before the end)

        followers = [asyncio.create_task(follow(heard)) for heard in all_heard]
        # One that hears nothing yet may come so late that the job has started.
        while not all(all_heard):
            await asyncio.sleep(0)
        executor.become_ready()
        await asyncio.gather(*followers)

    assert first[:2] == [Queued(1), Started()]
    assert all(heard == first for heard in others)


async def test_a_follower_that_comes_late_hears_from_where_the_job_stands(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=3)
    async with limner(executor) as service:
        job = await ask(service, steps=3)
        await reach(service, job, Progress(1, 1, 2, 3))
        async with aclosing(service.follow(job.id, ANN)) as late:
            heard = [await anext(late)]
            executor.release()
            heard += [event async for event in late]
        after_the_end = await hear_all(service, job)

    assert heard[:2] == [Progress(1, 1, 2, 3), Progress(1, 1, 3, 3)]
    assert after_the_end == heard[2:]


async def test_a_follower_never_hears_the_past_after_the_present(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=1)
    async with limner(executor) as service:
        job = await ask(service, steps=3)
        async with aclosing(service.follow(job.id, ANN)) as early:
            await hear_until(early, Started())
            look_up = Slow(monkeypatch, Jobs, "get", when="after")
            late = asyncio.create_task(hear_all(service, job))
            await look_up.reached()
            look_up.go_on()
            await look_up.reached()
            executor.release()
            executor.hold(at_step=3)
            await hear_until(early, Progress(1, 1, 2, 3))
            look_up.go_on()
            await asyncio.sleep(0.01)
            executor.release()
            heard = await late

    assert heard[:-1] == [Progress(1, 1, 2, 3), Progress(1, 1, 3, 3)]
    assert isinstance(heard[-1], Done)


async def test_closing_a_follower_cancels_nothing_and_leaves_nothing_behind(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=2)
    async with limner(executor) as service:
        job = await ask(service)
        async with aclosing(service.follow(job.id, ANN)) as stream:
            await hear_until(stream, Progress(1, 1, 1, 2))
            tasks = asyncio.all_tasks()
        assert asyncio.all_tasks() == tasks
        executor.release()
        assert isinstance(await ending(service, job), Done)


async def test_a_failed_job_says_why_and_the_next_one_works(limner: OpenLimner, image_files: ImageFiles) -> None:
    executor = FakeExecutor()
    executor.fail_next(JobFailed("out_of_memory", "Try a smaller size."))
    async with limner(executor) as service:
        unlucky, lucky = await ask(service, images=2), await ask(service)
        failed = await ending(service, unlucky)
        done = await ending(service, lucky)
        kept = await service.job(unlucky.id, ANN)
        images = await service.images_of(unlucky)

    assert isinstance(failed, Failed)
    assert (failed.failure.code, failed.failure.detail) == ("out_of_memory", "Try a smaller size.")
    assert (kept.status, kept.failure) == (JobStatus.FAILED, failed.failure)
    assert images == []
    assert isinstance(done, Done)
    assert {image.file for image in done.images} == image_files()


async def test_a_job_whose_worker_died_is_painted_again_with_the_same_image_ids(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    executor.fail_next(WorkerDied("The worker process was ended by SIGKILL."))
    async with limner(executor) as service:
        job = await ask(service, images=2)
        heard = await hear_all(service, job)
        kept = await service.job(job.id, ANN)

    assert heard.count(Started()) >= 1
    assert isinstance(heard[-1], Done)
    assert tuple(image.id for image in heard[-1].images) == job.image_ids
    assert kept.attempts == 2
    assert executor.works == [executor.works[0], replace(executor.works[0], alone=True)]


async def test_a_job_whose_worker_died_is_next_again(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    executor.fail_next(WorkerDied("The worker process was ended by SIGKILL."))
    async with limner(executor) as service:
        jobs = [await ask(service) for _ in range(3)]
        for job in jobs:
            await ending(service, job)

    assert [work.job_id for work in executor.works] == [jobs[0].id, *(job.id for job in jobs)]


async def test_a_job_that_takes_its_worker_down_twice_is_set_aside(limner: OpenLimner, image_files: ImageFiles) -> None:
    executor = FakeExecutor()
    executor.fail_next(WorkerDied("The worker process was ended by SIGSEGV."), times=2)
    async with limner(executor) as service:
        deadly, harmless = await ask(service, images=2), await ask(service)
        failed = await ending(service, deadly)
        done = await ending(service, harmless)

    assert isinstance(failed, Failed)
    assert failed.failure.code == "worker_died"
    assert "SIGSEGV" in failed.failure.detail
    assert isinstance(done, Done)
    assert {image.file for image in done.images} == image_files()
    assert len(executor.works) == 3


async def test_a_queued_job_that_is_cancelled_is_never_painted(limner: OpenLimner) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor) as service:
        unwanted, wanted = await ask(service), await ask(service)
        follower = asyncio.create_task(hear_all(service, unwanted))
        await reach(service, unwanted, Queued(1))
        cancelled = await service.cancel(unwanted.id, ANN)
        executor.become_ready()
        await ending(service, wanted)
        heard = await follower

    assert cancelled.status is JobStatus.CANCELLED
    assert heard == [Queued(1), Cancelled()]
    assert [work.job_id for work in executor.works] == [wanted.id]


async def test_a_running_job_that_is_cancelled_stops_before_its_next_step_and_leaves_no_file(
    limner: OpenLimner, image_files: ImageFiles
) -> None:
    executor = FakeExecutor()
    async with limner(executor) as service:
        job = await ask(service, steps=3, images=2)
        async with aclosing(service.follow(job.id, ANN)) as stream:
            await hear_until(stream, Progress(1, 2, 3, 6))
            executor.hold(at_step=2)
            heard = await hear_until(stream, Progress(2, 2, 4, 6))
            await service.cancel(job.id, ANN)
            heard = [event async for event in stream]
        assert isinstance(await ending(service, await ask(service, steps=1)), Done)
        images = await service.images_of(job)

    assert heard == [Cancelled()]
    assert images == []
    assert len(image_files()) == 1


async def test_a_job_that_is_cancelled_while_its_source_is_read_is_not_painted(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = FakeExecutor()
    async with limner(executor) as service:
        parent = await ask(service)
        await ending(service, parent)
        read = Slow(monkeypatch, Images, "read")
        child = await service.refine(Refinement(image_id=parent.image_ids[0], prompt="warmer"), ANN)
        await read.reached()
        await service.cancel(child.id, ANN)
        read.go_on()
        await ending(service, await ask(service))

    assert child.id not in [work.job_id for work in executor.works]


@pytest.mark.parametrize("mishap", [None, JobFailed("painting_failed", "It broke.")])
async def test_a_job_that_is_over_cannot_be_cancelled(limner: OpenLimner, mishap: JobFailed | None) -> None:
    executor = FakeExecutor()
    if mishap:
        executor.fail_next(mishap)
    async with limner(executor) as service:
        job = await ask(service)
        await ending(service, job)
        with pytest.raises(AlreadyOver, match="failed" if mishap else "done"):
            await service.cancel(job.id, ANN)
        assert len(await service.images_of(job)) == (0 if mishap else 1)


async def test_a_job_cannot_be_cancelled_twice(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False)) as service:
        job = await ask(service)
        await service.cancel(job.id, ANN)
        with pytest.raises(AlreadyOver, match="cancelled"):
            await service.cancel(job.id, ANN)


async def test_a_cancel_that_comes_before_the_finish_wins_and_leaves_no_file_without_a_row(
    limner: OpenLimner, image_files: ImageFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish = Slow(monkeypatch, Jobs, "finish")
    async with limner(drain_seconds=5) as service:
        job = await ask(service, images=2)
        await finish.reached()
        assert len(image_files()) == 2
        cancelled = await service.cancel(job.id, ANN)
        finish.go_on()
        assert await hear_all(service, job) == [Cancelled()]

    assert cancelled.status is JobStatus.CANCELLED
    assert image_files() == set()


async def test_whenever_a_cancel_comes_files_and_rows_agree(limner: OpenLimner, image_files: ImageFiles) -> None:
    rows = set()
    async with limner(FakeExecutor(slots=2), drain_seconds=5) as service:
        for delay in range(20):
            job = await ask(service, steps=1, images=2)
            await asyncio.sleep(delay / 1000)
            try:
                await service.cancel(job.id, ANN)
            except AlreadyOver:
                rows |= {image.file for image in await service.images_of(job)}

    assert image_files() == rows


async def test_a_job_that_is_cancelled_while_its_last_picture_is_saved_leaves_no_file(
    limner: OpenLimner, image_files: ImageFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    saving = Slow(monkeypatch, Images, "save")
    async with limner(drain_seconds=5) as service:
        job = await ask(service)
        await saving.reached()
        await service.cancel(job.id, ANN)
        saving.go_on()
        await idle(service)

    assert image_files() == set()


async def test_a_cancelled_job_that_was_half_painted_before_leaves_no_file(
    limner: OpenLimner, image_files: ImageFiles
) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=2, of_image=2)
    async with limner(executor) as service:
        job = await ask(service, images=2)
        async with aclosing(service.follow(job.id, ANN)) as stream:
            await hear_until(stream, Progress(2, 2, 3, 4))
    assert len(image_files()) <= 1
    async with limner(FakeExecutor(ready=False)) as service:
        await service.cancel(job.id, ANN)

    assert image_files() == set()


async def test_a_job_that_is_cancelled_while_its_worker_dies_leaves_no_file(
    limner: OpenLimner, image_files: ImageFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    requeue = Slow(monkeypatch, Jobs, "requeue")
    executor = FakeExecutor()
    executor.fail_next(KILLED)
    async with limner(executor) as service:
        job = await ask(service, images=2)
        await requeue.reached()
        assert len(image_files()) == 1
        await service.cancel(job.id, ANN)
        requeue.go_on()
        assert await hear_all(service, job) == [Cancelled()]

    assert image_files() == set()


async def test_a_job_that_kills_its_worker_takes_nobody_along_twice(limner: OpenLimner) -> None:
    """All that shared its worker are tried once more, each alone: then it is plain who it was."""
    executor = FakeExecutor(slots=4)
    executor.hold(at_step=2)
    executor.die_of("poison")
    async with limner(executor) as service:
        good = [await ask(service) for _ in range(3)]
        for job in good:
            await reach(service, job, Progress(1, 1, 1, 2))
        bad = await service.generate(ImageRequest(prompt="poison"), ANN)
        late = await ask(service)
        while len(executor.works) < 5:
            await asyncio.sleep(0)
        executor.most_at_once = 1
        executor.release()
        endings = [await ending(service, job) for job in (*good, bad)]
        most_at_once = executor.most_at_once
        assert isinstance(await ending(service, late), Done)
        attempts = [(await service.job(job.id, ANN)).attempts for job in (*good, bad, late)]

    assert [type(event) for event in endings] == [Done, Done, Done, Failed]
    assert attempts == [2, 2, 2, 2, 1]
    assert most_at_once == 1


async def test_previews_are_told_to_those_who_look_and_made_for_nobody_else(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    executor.hold()
    async with limner(executor) as service:
        job = await ask(service)
        await reach(service, job, Started())
        async with aclosing(service.follow(job.id, ANN, preview_interval=1.0)) as looks:
            assert await anext(looks) == Started()
            blind = asyncio.create_task(hear_all(service, job))
            await asyncio.sleep(0)
            executor.release()
            heard = [event async for event in looks]
        assert [event for event in heard if isinstance(event, Preview)] == [Preview(1, JPEG)] * 2
        assert not any(isinstance(event, Preview) for event in await blind)
        other = await ask(service)
        assert not any(isinstance(event, Preview) for event in await hear_all(service, other))
        assert executor.works[1].preview_interval is None


async def test_whoever_looks_before_the_job_starts_sees_it_from_the_first_step(limner: OpenLimner) -> None:
    executor = FakeExecutor(ready=False)
    async with limner(executor) as service:
        job = await ask(service, steps=1)
        async with aclosing(service.follow(job.id, ANN, preview_interval=0.5)) as looks:
            await anext(looks)
            executor.become_ready()
            heard = [event async for event in looks]

    assert executor.works[0].preview_interval == 0.5
    assert Preview(1, JPEG) in heard


async def test_a_picture_that_cannot_be_written_fails_its_job_and_leaves_nothing(
    limner: OpenLimner, image_files: ImageFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = FakeExecutor()
    async with limner(executor) as service:
        unlucky = await ask(service, images=2)
        async with aclosing(service.follow(unlucky.id, ANN)) as stream:
            await hear_until(stream, Progress(2, 2, 3, 4))
            fail_once(monkeypatch, Images, "save", OSError(28, "No space left on device"))
            lucky = await ask(service)
            failed = [event async for event in stream][-1]
        done = await ending(service, lucky)

    assert isinstance(failed, Failed)
    assert failed.failure.code == "internal_error"
    assert "No space left on device" in failed.failure.detail
    assert isinstance(done, Done)
    assert {image.file for image in done.images} == image_files()


@pytest.mark.slow
async def test_a_finish_that_cannot_be_written_fails_its_job_and_leaves_nothing(
    limner: OpenLimner, image_files: ImageFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_once(monkeypatch, Jobs, "finish", DISK_ERROR)
    async with limner() as service:
        unlucky, lucky = await ask(service), await ask(service)
        failed = await ending(service, unlucky)
        done = await ending(service, lucky)

    assert isinstance(failed, Failed)
    assert failed.failure.code == "internal_error"
    assert isinstance(done, Done)
    assert {image.file for image in done.images} == image_files()


async def test_a_claim_that_cannot_be_written_loses_nothing(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.engine.STORE_PAUSE", 0.01)
    fail_once(monkeypatch, Jobs, "claim", DISK_ERROR)
    executor = FakeExecutor()
    async with limner(executor) as service:
        jobs = [await ask(service) for _ in range(3)]
        assert all([isinstance(await ending(service, job), Done) for job in jobs])

    assert [work.job_id for work in executor.works] == [job.id for job in jobs]


async def test_a_job_that_is_cancelled_while_its_claim_fails_is_in_nobodys_way(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.engine.STORE_PAUSE", 0.05)
    fail_once(monkeypatch, Jobs, "claim", DISK_ERROR)
    claim = Slow(monkeypatch, Jobs, "claim")
    executor = FakeExecutor()
    async with limner(executor) as service:
        unwanted, unwanted_too, wanted = [await ask(service) for _ in range(3)]
        await claim.reached()
        await service.cancel(unwanted.id, ANN)
        for _ in range(3):
            claim.go_on()
        await asyncio.sleep(0.01)
        # It stands in the line again, until the next claim finds out.
        await service.cancel(unwanted_too.id, ANN)
        assert isinstance(await ending(service, wanted), Done)

    assert [work.job_id for work in executor.works] == [wanted.id]


@pytest.mark.slow
@pytest.mark.parametrize(("move", "mishap"), [("fail", JobFailed("painting_failed", "It broke.")), ("requeue", KILLED)])
async def test_an_outcome_that_cannot_be_written_is_written_later(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch, move: str, mishap: JobFailed | WorkerDied
) -> None:
    monkeypatch.setattr("bot.engine.STORE_PAUSE", 0.01)
    fail_once(monkeypatch, Jobs, move, DISK_ERROR)
    executor = FakeExecutor()
    executor.fail_next(mishap)
    async with limner(executor) as service:
        unlucky, lucky = await ask(service), await ask(service)
        assert isinstance(await ending(service, unlucky), Failed if move == "fail" else Done)
        assert isinstance(await ending(service, lucky), Done)


async def test_a_stopping_program_accepts_nothing(limner: OpenLimner, image_files: ImageFiles) -> None:
    async with limner() as service:
        await service.drain(0)
        with pytest.raises(ShuttingDown):
            await ask(service)
        counts = (await service.status()).counts

    assert not any(counts.values())


async def test_a_running_job_may_finish_before_the_program_stops(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=2)
    async with limner(executor) as service:
        running, queued = await ask(service), await ask(service)
        await reach(service, running, Progress(1, 1, 1, 2))
        following = asyncio.create_task(hear_all(service, running))
        draining = asyncio.create_task(service.drain(5))
        with pytest.raises(ShuttingDown):
            await hear_all(service, queued)
        executor.release()
        await draining
        heard = await following

        assert isinstance(heard[-1], Done)
        assert (await service.job(queued.id, ANN)).status is JobStatus.QUEUED
        assert len(executor.works) == 1


async def test_a_job_that_takes_too_long_is_put_back_without_counting_the_attempt(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=2)
    async with limner(executor) as service:
        jobs = [await ask(service) for _ in range(2)]
        followers = [asyncio.create_task(hear_all(service, job)) for job in jobs]
        await reach(service, jobs[0], Progress(1, 1, 1, 2))
        await service.drain(0)
        for follower in followers:
            with pytest.raises(ShuttingDown):
                await follower
        put_back = await service.job(jobs[0].id, ANN)

    assert (put_back.status, put_back.attempts) == (JobStatus.QUEUED, 0)
    async with limner() as service:
        endings = [await ending(service, job) for job in jobs]
        kept = await service.job(jobs[0].id, ANN)

    assert all(isinstance(event, Done) for event in endings)
    assert kept.attempts == 1


async def test_a_worker_that_dies_while_the_program_stops_leaves_no_follower_waiting(limner: OpenLimner) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=2)
    executor.fail_next(KILLED)
    async with limner(executor) as service:
        job = await ask(service)
        await reach(service, job, Progress(1, 1, 1, 2))
        follower = asyncio.create_task(hear_all(service, job))
        draining = asyncio.create_task(service.drain(5))
        await reach(service, job, Progress(1, 1, 1, 2))
        executor.release()
        await draining
        with pytest.raises(ShuttingDown):
            await asyncio.wait_for(follower, 5)

    async with limner() as service:
        assert isinstance(await ending(service, job), Done)


async def test_a_job_that_is_just_being_claimed_when_the_program_stops_is_put_back(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=1)
    claim = Slow(monkeypatch, Jobs, "claim", when="after")
    async with limner(executor) as service:
        job = await ask(service)
        await claim.reached()
        follower = asyncio.create_task(hear_all(service, job))
        await service.drain(0)
        claim.go_on()
        with pytest.raises(ShuttingDown):
            await asyncio.wait_for(follower, 5)

    monkeypatch.undo()
    async with limner() as service:
        assert isinstance(await ending(service, job), Done)
        assert (await service.job(job.id, ANN)).attempts == 1


async def test_a_failure_that_is_being_written_when_the_program_stops_is_kept(
    limner: OpenLimner, image_files: ImageFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    discard = Slow(monkeypatch, Images, "discard")
    executor = FakeExecutor()
    executor.fail_next(JobFailed("painting_failed", "It broke."))
    async with limner(executor) as service:
        job = await ask(service, images=2)
        await discard.reached()
        await service.drain(0)
        discard.go_on()

    async with limner() as service:
        assert (await service.job(job.id, ANN)).status is JobStatus.FAILED
    assert image_files() == set()


async def test_queued_jobs_are_painted_after_a_restart_in_their_old_order(limner: OpenLimner) -> None:
    async with limner(FakeExecutor(ready=False)) as service:
        jobs = [await ask(service) for _ in range(3)]
    executor = FakeExecutor()
    async with limner(executor) as service:
        newcomer = await ask(service)
        await ending(service, newcomer)

    assert [work.job_id for work in executor.works] == [job.id for job in (*jobs, newcomer)]


async def test_a_job_that_arrives_while_the_queue_is_being_restored_is_painted_once(
    limner: OpenLimner, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with limner(FakeExecutor(ready=False)) as service:
        old = await ask(service)
    unfinished = Jobs.unfinished

    async def late(jobs: Jobs) -> Any:
        await asyncio.sleep(0.1)
        return await unfinished(jobs)

    monkeypatch.setattr(Jobs, "unfinished", late)
    executor = FakeExecutor()
    async with limner(executor) as service:
        new = await ask(service)
        assert isinstance(await ending(service, new), Done)
        assert isinstance(await ending(service, await ask(service)), Done)

    assert [work.job_id for work in executor.works][:2] == [old.id, new.id]
    assert len(executor.works) == 3


async def test_a_job_that_a_crash_left_running_is_painted_again_before_the_others(
    limner: OpenLimner, tmp_path: Path
) -> None:
    async with limner(FakeExecutor(ready=False)) as service:
        jobs = [await ask(service) for _ in range(2)]
    change_database(tmp_path, f"UPDATE jobs SET status = 'running', attempts = 1 WHERE id = '{jobs[1].id}'")
    executor = FakeExecutor()
    async with limner(executor) as service:
        endings = [await ending(service, job) for job in jobs]
        again = await service.job(jobs[1].id, ANN)

    assert all(isinstance(event, Done) for event in endings)
    assert again.attempts == 2
    assert [work.job_id for work in executor.works] == [jobs[1].id, jobs[0].id]


async def test_a_job_that_crashes_left_running_twice_is_set_aside(
    limner: OpenLimner, image_files: ImageFiles, tmp_path: Path
) -> None:
    async with limner(FakeExecutor(ready=False)) as service:
        deadly, harmless = await ask(service), await ask(service)
    change_database(tmp_path, f"UPDATE jobs SET status = 'running', attempts = 2 WHERE id = '{deadly.id}'")
    left_over = tmp_path / "images" / deadly.image_ids[0][:2] / f"{deadly.image_ids[0]}.png"
    left_over.parent.mkdir()
    left_over.write_bytes(b"painted, but not in the index")
    async with limner() as service:
        failed = await ending(service, deadly)
        done = await ending(service, harmless)

    assert isinstance(failed, Failed)
    assert failed.failure.code == "worker_died"
    assert isinstance(done, Done)
    assert {image.file for image in done.images} == image_files()


async def test_an_image_to_refine_whose_file_is_lost_fails_its_job(limner: OpenLimner) -> None:
    async with limner() as service:
        parent = await ask(service)
        await ending(service, parent)
        image = await service.image(parent.image_ids[0], ANN)
        service.file(image).unlink()
        failed = await ending(service, await service.refine(Refinement(image_id=image.id, prompt="warmer"), ANN))

    assert isinstance(failed, Failed)
    assert failed.failure.code == "image_file_lost"


async def test_no_task_is_left_after_closing(limner: OpenLimner) -> None:
    executor = FakeExecutor(slots=2)
    async with limner(executor) as service:
        for _ in range(3):
            await ending(service, await ask(service))
        executor.hold(at_step=2)
        jobs = [await ask(service) for _ in range(4)]
        await reach(service, jobs[1], Progress(1, 1, 1, 2))
        abandoned = asyncio.create_task(hear_all(service, jobs[0]))
        await reach(service, jobs[0], Progress(1, 1, 1, 2))

    with pytest.raises(ShuttingDown):
        await abandoned
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_job_that_waits_for_its_second_attempt_runs_alone_also_after_a_restart(
    limner: OpenLimner, tmp_path: Path
) -> None:
    async with limner(FakeExecutor(ready=False)) as service:
        jobs = [await ask(service) for _ in range(3)]
    change_database(tmp_path, f"UPDATE jobs SET attempts = 1 WHERE id = '{jobs[1].id}'")
    executor = FakeExecutor(slots=3, ready=False)
    executor.hold(at_step=2)
    async with limner(executor) as service:
        executor.become_ready()
        await reach(service, jobs[0], Progress(1, 1, 1, 2))
        assert [work.job_id for work in executor.works] == [jobs[0].id]
        executor.release()
        endings = [await ending(service, job) for job in jobs]

    assert all(isinstance(event, Done) for event in endings)
    assert executor.most_at_once == 1
