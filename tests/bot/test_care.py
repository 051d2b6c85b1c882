"""limner db, as it is typed: what it says, what it refuses, and its exit codes; and what the server does by itself."""

import asyncio
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

import storage.backup
import storage.keeper
from bot.cli import cli
from bot.errors import CareRefused, DataFolderInUse, ImageFileLost
from storage.folder import DATABASE, data_folder
from tests.bot.asking import ANN, paint, refine
from tests.conftest import OpenLimner
from tests.fakes.clock import Clock
from tests.storage.filled import Filled, filled, make_old, name_of


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: str
    error: BaseException | None
    err: str = ""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Filled:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIMNER_DATA_DIR", str(tmp_path / "data"))
    return filled(tmp_path / "data", 1, 2)


def db(*arguments: str) -> Ended:
    result = CliRunner().invoke(cli, ["db", *arguments], env={"COLUMNS": "200"})
    error = None if isinstance(result.exception, SystemExit) else result.exception
    return Ended(result.exit_code, result.stdout, error, result.stderr)


def test_check_says_that_all_is_well(data: Filled) -> None:
    assert db("check") == Ended(0, "All is well.\n", None)


def test_check_says_what_is_wrong_with_what_to_do_and_repairs_only_what_nobody_misses(data: Filled) -> None:
    data.file(1).write_bytes(b"another picture")
    data.file(7).parent.mkdir()
    data.file(7).write_bytes(b"of nobody")
    make_old(data.file(7))

    found, repaired, again = db("check"), db("check", "--repair"), db("check")

    assert [run.code for run in (found, repaired, again)] == [1, 1, 1]
    assert f"The files of 1 images are missing or damaged: {name_of(1)[:2]}/{name_of(1)}.png" in found.out
    assert "-> Copy them from a backup into" in found.out
    assert f"1 files belong to no image: {data.file(7)}" in found.out
    assert "-> A crash left them" in found.out
    assert "2 thing(s) to mend." in found.out
    assert "Removed 1 files" in repaired.out
    assert "1 thing(s) to mend." in again.out
    assert data.file(1).read_bytes() == b"another picture"
    assert not data.file(7).exists()


def test_check_of_a_damaged_index_says_so(data: Filled) -> None:
    data.index.write_bytes(b"no database at all, by no means")

    run = db("check")

    assert run.code == 1
    assert "file is not a database" in run.out
    assert "limner db restore" in run.out


@pytest.mark.parametrize("command", [("check",), ("backup", "b.tar"), ("prune", "--older-than", "1")])
def test_where_there_is_no_index_that_is_told_and_none_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIMNER_DATA_DIR", str(tmp_path / "data"))

    run = db(*command)

    assert isinstance(run.error, CareRefused)
    assert "There is no index in" in str(run.error)
    assert list(tmp_path.iterdir()) == []


def test_a_backup_is_made_beside_a_server_and_restored_without_one(data: Filled, tmp_path: Path) -> None:
    with data_folder(data.folder):
        made = db("backup", "b.tar")
        refused = db("restore", "b.tar")
    asyncio.run(data.add(3))

    restored = db("restore", "b.tar")

    assert (made.code, made.out) == (0, "b.tar holds the index and 2 images.\n")
    assert isinstance(refused.error, DataFolderInUse)
    assert restored.code == 0
    assert "Restored: the index and 2 images. What was there before is in " in restored.out
    assert asyncio.run(data.images()) == [name_of(1), name_of(2)]
    (aside,) = data.folder.glob("before-restore-*")
    assert asyncio.run(Filled(aside).images()) == [name_of(1), name_of(2), name_of(3)]


def test_a_backup_into_a_folder_gets_a_name_of_its_own(data: Filled, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()

    assert db("backup", "backups").code == 0

    (file,) = (tmp_path / "backups").iterdir()
    assert file.name.startswith("limner-")
    with tarfile.open(file) as tar:
        assert tar.getnames()[-1] == DATABASE


def test_a_backup_without_a_lost_image_says_which_and_ends_with_1(data: Filled) -> None:
    data.file(1).unlink()

    made, restored = db("backup", "b.tar"), db("restore", "b.tar")

    assert (made.code, restored.code) == (1, 0)
    assert f"1 images are not in it, as their files were missing or damaged: {name_of(1)}" in made.err
    assert name_of(1) in restored.err


def test_prune_says_first_what_it_would_erase(data: Filled) -> None:
    would = db("prune", "--older-than", "7", "--dry-run")
    before = asyncio.run(data.images())
    did = db("prune", "--older-than", "7")

    assert (would.code, would.out) == (0, "Would erase 2 images and 2 jobs.\n")
    assert len(before) == 2
    assert (did.code, did.out) == (0, "Erased 2 images and 2 jobs.\n")
    assert asyncio.run(data.images()) == []


def test_prune_leaves_alone_what_a_server_is_just_writing(data: Filled) -> None:
    half = data.file(1).with_suffix(".tmp")
    half.write_bytes(b"half a picture")

    assert db("prune", "--older-than", "0").code == 0

    assert half.exists()


def test_prune_leaves_an_index_of_an_older_limner_to_the_next_start(
    data: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.care.pending", lambda path: ["9999_next"])

    run = db("prune", "--older-than", "7")

    assert isinstance(run.error, CareRefused)
    assert "Start this Limner once" in str(run.error)


async def test_a_server_says_at_its_start_which_files_are_missing_or_cut_off_and_goes_on(
    limner: OpenLimner, tmp_path: Path
) -> None:
    async with limner() as service:
        lost, cut_off, whole = [await paint(service) for _ in range(3)]
        service.file(lost).unlink()
        service.file(cut_off).write_bytes(b"half")

    with capture_logs() as lines:
        async with limner() as service:
            async with asyncio.timeout(5):
                while not any("missing" in line["event"] for line in lines):
                    await asyncio.sleep(0.005)
            for image in (lost, cut_off):
                with pytest.raises(ImageFileLost):
                    service.file(image)
                with pytest.raises(ImageFileLost):
                    await service.encoded(image, 10**6)
            assert service.file(whole).is_file()

    (warning,) = [line for line in lines if "missing" in line["event"]]
    assert (warning["images"], warning["first"]) == (2, lost.file)
    assert "limner db check" in warning["advice"]


async def test_what_is_older_than_the_retention_is_erased_while_a_server_works_and_refinements_stay(
    limner: OpenLimner, image_files: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.keeper, "DAY", 0.01)
    clock = Clock()
    async with limner(clock=clock.now) as service:
        old = await paint(service)
        clock.advance(8 * 86400)
        job = await refine(service, old.id)
        await anext(service.follow(job.id, ANN))
        async for _ in service.follow(job.id, ANN):
            pass
    async with limner(clock=clock.now, retention_days=7 * 86400 / 0.01) as service:
        async with asyncio.timeout(5):
            while (await service._images.get(old.id)) is not None:
                await asyncio.sleep(0.005)
        (young,) = await service.images_of(job)

    assert young.parent_id is None


def test_a_restore_that_was_interrupted_is_finished_by_whoever_works_on_the_folder_next(
    data: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert db("backup", "b.tar").code == 0
    asyncio.run(data.add(3))
    with monkeypatch.context() as patch:
        patch.setattr(storage.backup, "finish", lambda folder: None)
        storage.backup.restore(tmp_path / "b.tar", data.folder, "aside")
    before = asyncio.run(data.images())

    with data_folder(data.folder):
        pass

    assert before == [name_of(1), name_of(2), name_of(3)]
    assert asyncio.run(data.images()) == [name_of(1), name_of(2)]
