"""A disk that is full or read-only: nothing is lost, nothing is promised, and all goes on once it works again."""

import asyncio
import random
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, aclosing
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.app import open_service
from bot.errors import DiskFull, JobFailed, StorageTrouble, WorkerDied
from bot.events import Cancelled, Done, Failed, Progress
from bot.jobs import Job, JobStatus
from bot.ports import StoredFile
from bot.service import Service
from bot.settings import Settings
from storage.database import Database
from storage.files import ImageFolder
from tests.adapters.web.clients import client_of, problem
from tests.bot.asking import ANN, ask, hear_all, hear_until, idle, painted
from tests.disks import Disk, small_disk
from tests.fakes.executor import FakeExecutor, png


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.engine.STORE_PAUSE", 0.01)
    monkeypatch.setattr("storage.health.PAUSE", 0.0)


def open_on(
    disk: Disk, executor: FakeExecutor | None = None, *, drain_seconds: float = 0
) -> AbstractAsyncContextManager[Service]:
    settings = Settings(data_dir=disk.folder / "data", drain_seconds=drain_seconds)
    return open_service(settings, executor=executor or FakeExecutor(), chance=random.Random(7))


async def about_to_be_done(service: Service, executor: FakeExecutor) -> Job:
    """A job that is held before its last step."""
    executor.hold(at_step=2)
    job = await ask(service)
    async with aclosing(service.follow(job.id, ANN)) as stream:
        await hear_until(stream, Progress(1, 1, 1, 2))
    return job


async def in_trouble(service: Service) -> None:
    async with asyncio.timeout(5):
        while not (await service.status()).trouble:
            await asyncio.sleep(0.005)


async def tried_again(tries: list[str]) -> None:
    before = len(tries)
    async with asyncio.timeout(5):
        while len(tries) < before + 3:
            await asyncio.sleep(0.005)


@pytest.fixture(params=["full", "read-only"])
def refusal(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def databases(monkeypatch: pytest.MonkeyPatch) -> list[Database]:
    """All that were opened."""
    opened: list[Database] = []
    original = Database.__init__

    def noted(database: Database, *args: Any) -> None:
        original(database, *args)
        opened.append(database)

    monkeypatch.setattr(Database, "__init__", noted)
    return opened


class Breakdown:
    """A disk that is full; or one that takes nothing any more, of which there is no real one to be had."""

    def __init__(self, disk: Disk, refusal: str, databases: list[Database]) -> None:
        self._disk = disk
        self._full = refusal == "full"
        self._databases = databases
        self._images = disk.folder / "data" / "images"
        self.kind = DiskFull if self._full else StorageTrouble

    async def begin(self) -> None:
        if self._full:
            self._disk.fill()
        else:
            await self._index_is_read_only(True)
            self._images.rename(self._disk.folder / "moved")
            self._images.write_text("in the way")

    async def end(self, *, restarting: bool = False) -> None:
        if self._full:
            self._disk.make_room()
        else:
            self._images.unlink()
            (self._disk.folder / "moved").rename(self._images)
            if not restarting:
                await self._index_is_read_only(False)

    async def _index_is_read_only(self, is_so: bool) -> None:
        await self._databases[-1]._writer.execute(f"PRAGMA query_only = {int(is_so)}")


@pytest.fixture
def breakdown(disk: Disk, refusal: str, databases: list[Database]) -> Breakdown:
    return Breakdown(disk, refusal, databases)


async def test_nothing_is_accepted_that_cannot_be_stored_and_all_is_once_it_can(
    disk: Disk, breakdown: Breakdown
) -> None:
    async with open_on(disk, FakeExecutor(ready=False)) as service:
        with capture_logs() as lines:
            await breakdown.begin()
            accepted, refused = 0, []
            for _ in range(40):
                try:
                    # A little may fit into pages that SQLite has already.
                    await ask(service)
                    accepted += 1
                except StorageTrouble as error:
                    refused.append(error)
            await breakdown.end()
            await ask(service)
            counts = (await service.status()).counts

    assert refused
    assert {type(error) for error in refused} == {breakdown.kind}
    assert counts[JobStatus.QUEUED] == accepted + 1
    assert [line["event"] for line in lines if "storage" in line["event"]] == ["storage trouble", "storage works again"]


async def test_a_picture_that_was_painted_waits_for_the_disk_and_others_keep_their_place(
    disk: Disk, breakdown: Breakdown, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[str] = []
    write = ImageFolder.write

    def noted(folder: ImageFolder, image_id: str, encoded: bytes) -> StoredFile:
        tries.append(image_id)
        return write(folder, image_id, encoded)

    monkeypatch.setattr(ImageFolder, "write", noted)
    executor = FakeExecutor()
    async with open_on(disk, executor) as service:
        job = await about_to_be_done(service, executor)
        waiting = await ask(service)
        await breakdown.begin()
        with capture_logs() as lines:
            executor.release()
            await in_trouble(service)
            with pytest.raises(StorageTrouble):
                await ask(service)
            await tried_again(tries)
            running = (await service.status()).running
            await breakdown.end()
            images = [*await painted(service, job), *await painted(service, waiting)]
            trouble = (await service.status()).trouble
        done = await service.job(job.id, ANN)
        assert [service.file(image).stat().st_size == image.size for image in images] == [True] * 2

    assert trouble is None
    assert [run.job.id for run in running] == [job.id]
    assert done.attempts == 1
    assert [work.job_id for work in executor.works] == [job.id, waiting.id]
    said = [line["event"] for line in lines if "storage" in line["event"] or "trying again" in line["event"]]
    assert said in (["storage trouble", "storage works again"], ["storage trouble"] * 2 + ["storage works again"] * 2)


async def test_while_only_images_cannot_be_kept_nothing_is_accepted_and_what_waits_may_be_cancelled(disk: Disk) -> None:
    executor = FakeExecutor()
    async with open_on(disk, executor) as service:
        job = await about_to_be_done(service, executor)
        (disk.folder / "data" / "images").rename(disk.folder / "moved")
        (disk.folder / "data" / "images").write_text("in the way")
        executor.release()
        await in_trouble(service)
        with pytest.raises(StorageTrouble):
            await ask(service)
        with pytest.raises(StorageTrouble):
            await service.bring(png(), ANN)
        await service.cancel(job.id, ANN)

        assert (await hear_all(service, job)) == [Cancelled()]
        await idle(service)
        assert (await service.status()).trouble is not None


async def test_a_picture_that_is_kept_waits_for_the_index(disk: Disk, databases: list[Database]) -> None:
    executor = FakeExecutor()
    async with open_on(disk, executor) as service:
        job = await about_to_be_done(service, executor)
        await databases[-1]._writer.execute("PRAGMA query_only = 1")
        executor.release()
        await in_trouble(service)
        await databases[-1]._writer.execute("PRAGMA query_only = 0")

        (image,) = await painted(service, job)
        assert service.file(image).is_file()
    assert len(executor.works) == 1


async def test_a_picture_that_somebody_brings_and_the_index_does_not_take_leaves_no_file(
    disk: Disk, databases: list[Database]
) -> None:
    async with open_on(disk) as service:
        await databases[-1]._writer.execute("PRAGMA query_only = 1")
        with pytest.raises(StorageTrouble):
            await service.bring(png(), ANN)

        assert list((disk.folder / "data" / "images").glob("*/*")) == []


async def test_a_program_may_stop_while_a_picture_waits_for_the_index(disk: Disk, databases: list[Database]) -> None:
    executor = FakeExecutor()
    async with open_on(disk, executor) as service:
        job = await about_to_be_done(service, executor)
        await databases[-1]._writer.execute("PRAGMA query_only = 1")
        executor.release()
        await in_trouble(service)

    async with open_on(disk) as service:
        assert len(await painted(service, job)) == 1


async def test_a_program_that_stops_while_a_picture_waits_for_the_disk_paints_it_at_the_next_start(
    disk: Disk, breakdown: Breakdown
) -> None:
    executor = FakeExecutor()
    async with open_on(disk, executor) as service:
        job = await about_to_be_done(service, executor)
        await breakdown.begin()
        executor.release()
        await in_trouble(service)
    await breakdown.end(restarting=True)

    async with open_on(disk) as service:
        assert len(await painted(service, job)) == 1


async def test_a_program_may_stop_while_the_index_does_not_take_that_a_worker_died(
    disk: Disk, databases: list[Database]
) -> None:
    executor = FakeExecutor()
    async with open_on(disk, executor, drain_seconds=5) as service:
        executor.fail_next(WorkerDied("It was ended by SIGKILL."))
        job = await about_to_be_done(service, executor)
        await databases[-1]._writer.execute("PRAGMA query_only = 1")
        executor.release()
        await in_trouble(service)

    async with open_on(disk) as service:
        assert len(await painted(service, job)) == 1


async def test_a_job_that_fails_meanwhile_is_told_later_and_takes_nobody_along(
    disk: Disk, breakdown: Breakdown
) -> None:
    executor = FakeExecutor()
    async with open_on(disk, executor) as service:
        executor.fail_next(JobFailed("painting_failed", "It broke."))
        job = await about_to_be_done(service, executor)
        waiting = await ask(service)
        await breakdown.begin()
        executor.release()
        await asyncio.sleep(0.05)
        await breakdown.end()

        assert isinstance((await hear_all(service, job))[-1], Failed)
        assert isinstance((await hear_all(service, waiting))[-1], Done)


async def test_over_http_it_is_a_507_or_503_and_readiness_and_status_say_so(disk: Disk, breakdown: Breakdown) -> None:
    status, code = (507, "disk_full") if breakdown.kind is DiskFull else (503, "storage_unavailable")
    executor = FakeExecutor()
    async with open_on(disk, executor) as service, client_of(service) as client:
        job = await about_to_be_done(service, executor)
        await breakdown.begin()
        executor.release()
        await in_trouble(service)
        problem(await client.post("/jobs", json={"prompt": "a cat"}), status, code)
        readiness, told = await client.get("/readyz"), (await client.get("/status")).json()
        await breakdown.end()
        await painted(service, job)

        assert (readiness.status_code, readiness.json()["reason"]) == (503, code)
        assert told["trouble"].startswith(code)
        assert (await client.get("/readyz")).status_code == 200
        assert (await client.get("/status")).json()["trouble"] is None
