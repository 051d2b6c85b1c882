"""A backup is whole, made beside a server, and put in place whole or not at all."""

import io
import os
import resource
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

import storage.backup
from bot.errors import CareRefused
from storage.backup import DATABASE, Backup, back_up, finish, restore
from storage.check import damaged, examine_index, kept_images
from storage.snapshot import copy_index
from tests.storage.filled import Filled, filled, name_of
from tests.storage.killed import killed_at_every_step


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("made") / "data", 1, 2, 3).folder


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Filled:
    shutil.copytree(made, tmp_path / "data")
    return Filled(tmp_path / "data")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "backup.tar"


def names(folder: Path) -> set[str]:
    """Without what SQLite leaves where somebody has only read."""
    return {path.name for path in folder.iterdir()} - {f"{DATABASE}-wal", f"{DATABASE}-shm"}


def whole(folder: Path) -> list[str]:
    """IDs of the images of a folder in which nothing is wrong."""
    images = kept_images(folder / DATABASE)
    assert examine_index(folder / DATABASE) == []
    assert damaged(images, folder / "images") == []
    return [image.image_id for image in images]


def contents(file: Path) -> set[str]:
    with tarfile.open(file) as tar:
        return set(tar.getnames())


def test_a_backup_holds_index_images_and_secret_and_comes_back_in_an_empty_folder(
    data: Filled, file: Path, tmp_path: Path
) -> None:
    made = back_up(data.folder, file)
    (tmp_path / "new").mkdir()

    restored = restore(file, tmp_path / "new", "aside")

    assert made == restored == Backup(3, [])
    assert whole(tmp_path / "new") == [name_of(number) for number in (1, 2, 3)]
    assert (tmp_path / "new" / "secret").read_bytes() == b"s" * 32
    assert names(tmp_path / "new") == {DATABASE, "images", "secret", "aside"}
    assert (tmp_path / "new" / "secret").stat().st_mode & 0o077 == 0
    assert {path.name for path in tmp_path.iterdir()} == {"data", "new", "backup.tar"}


def test_the_certificates_that_sign_and_signed_are_in_it_and_those_that_were_there_are_moved_aside(
    data: Filled, file: Path, tmp_path: Path
) -> None:
    certificates = {"credentials": b"now", "credentials.until-2046-11-24-120000": b"before"}
    for name, content in certificates.items():
        make_folder(data.folder / name)
        for part in ("certificate.pem", "key.pem"):
            (data.folder / name / part).write_bytes(content)
    back_up(data.folder, file)
    new = make_folder(tmp_path / "new")
    make_folder(new / "credentials")
    (new / "credentials" / "key.pem").write_bytes(b"another")

    restore(file, new, "aside")

    for name, content in certificates.items():
        assert (new / name / "key.pem").read_bytes() == (new / name / "certificate.pem").read_bytes() == content
        assert (new / name / "key.pem").stat().st_mode & 0o077 == 0
    assert (new / "aside" / "credentials" / "key.pem").read_bytes() == b"another"


async def test_what_was_there_before_is_moved_aside_whole(data: Filled, file: Path) -> None:
    back_up(data.folder, file)
    await data.add(4)
    before = data.content()

    restore(file, data.folder, "aside")

    after = data.content()
    assert whole(data.folder) == [name_of(number) for number in (1, 2, 3)]
    assert {
        name.removeprefix("aside/"): content for name, content in after.items() if name.startswith("aside/")
    } == before
    assert whole(data.folder / "aside") == [name_of(number) for number in (1, 2, 3, 4)]


def test_a_log_of_the_old_index_is_not_applied_to_the_restored_one(data: Filled, file: Path) -> None:
    back_up(data.folder, file)
    left = data.folder / f"{DATABASE}-wal"
    with closing(sqlite3.connect(data.index)) as connection:
        connection.execute("DELETE FROM images")
        connection.commit()
        log = left.read_bytes()
    left.write_bytes(log)

    restore(file, data.folder, "aside")

    assert (data.folder / "aside" / left.name).read_bytes() == log
    assert len(whole(data.folder)) == 3


def test_a_backup_has_all_that_was_committed_and_nothing_that_was_not(data: Filled, file: Path) -> None:
    with closing(sqlite3.connect(data.index, isolation_level=None)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("DELETE FROM images WHERE number = 3")
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM images WHERE number = 2")

        made = back_up(data.folder, file)

    assert made == Backup(2, [])


async def test_an_image_that_is_deleted_meanwhile_is_neither_in_the_backup_nor_in_its_index(
    data: Filled, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await data.add(4, of=2)
    original = copy_index

    def copied(source: Path, target: Path) -> None:
        original(source, target)
        with closing(sqlite3.connect(source)) as connection, connection:
            connection.execute("UPDATE images SET parent_id = NULL")
            connection.execute("DELETE FROM images WHERE number = 2")
        data.file(2).unlink()

    monkeypatch.setattr(storage.backup, "copy_index", copied)

    made = back_up(data.folder, file)

    restore(file, make_folder(tmp_path / "new"), "aside")
    assert made == Backup(3, [])
    assert whole(tmp_path / "new") == [name_of(number) for number in (1, 3, 4)]


@pytest.mark.parametrize("content", [None, b"another picture"])
def test_an_image_that_was_lost_before_is_told_and_all_others_come_back(
    data: Filled, file: Path, tmp_path: Path, content: bytes | None
) -> None:
    data.file(2).unlink() if content is None else data.file(2).write_bytes(content)

    made = back_up(data.folder, file)
    restored = restore(file, make_folder(tmp_path / "new"), "aside")

    assert made == restored == Backup(2, [name_of(2)])
    assert len(kept_images(tmp_path / "new" / DATABASE)) == 3


def make_folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_an_older_backup_is_not_overwritten(data: Filled, file: Path) -> None:
    file.write_bytes(b"an older backup")

    with pytest.raises(CareRefused, match="exists already"):
        back_up(data.folder, file)

    assert file.read_bytes() == b"an older backup"


def test_a_backup_for_which_there_is_no_room_leaves_nothing(data: Filled, file: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(CareRefused, match="cannot be written"):
            back_up(data.folder, file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert [path.name for path in file.parent.iterdir()] == ["data"]


def cut_off(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def without_its_end(file: Path) -> None:
    """Cut off between two files, which tar does not notice."""
    with tarfile.open(file) as tar:
        last = tar.getmembers()[-1]
    os.truncate(file, last.offset)


def other_bytes(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content.replace(b"picture 2", b"pictuRe 2"))


def other_index(file: Path) -> None:
    content = bytearray(file.read_bytes())
    start = content.index(b"SQLite format 3")
    content[start + 5000 : start + 30_000] = b"\xff" * 25_000
    file.write_bytes(content)


def no_backup(file: Path) -> None:
    file.write_bytes(b"a letter to grandmother")


def absent(file: Path) -> None:
    file.unlink()


def with_entry(name: str, kind: bytes = tarfile.REGTYPE) -> Callable[[Path], None]:
    def add(file: Path) -> None:
        with tarfile.open(file, "a") as tar:
            entry = tarfile.TarInfo(name)
            entry.type = kind
            entry.linkname = "/etc/passwd"
            tar.addfile(entry, io.BytesIO())

    return add


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (cut_off, "unexpected end of data"),
        (without_its_end, "no limner.sqlite"),
        (other_bytes, "1 images are missing or damaged"),
        (other_index, "its index"),
        (no_backup, "could not be opened"),
        (absent, "No such file"),
        (with_entry("../outside"), "'../outside'"),
        (with_entry("/tmp/outside"), "'/tmp/outside'"),
        (with_entry("images/00/../../outside"), "no backup of Limner has"),
        (with_entry("secret", tarfile.SYMTYPE), "'secret'"),
        (with_entry("credentials/../key.pem"), "'credentials/../key.pem'"),
        (with_entry("secret"), "exists"),
    ],
)
def test_a_backup_that_is_not_whole_is_refused_and_nothing_is_changed(
    data: Filled, file: Path, spoil: Callable[[Path], None], says: str
) -> None:
    back_up(data.folder, file)
    spoil(file)
    before = data.content()

    with pytest.raises(CareRefused, match="Nothing was changed") as told:
        restore(file, data.folder, "aside")

    assert says in str(told.value)
    assert data.content() == before
    assert names(data.folder) == {DATABASE, "images", "secret"}


def test_a_backup_of_a_newer_limner_is_refused(data: Filled, file: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(data.index)) as connection, connection:
        connection.execute("INSERT INTO migrations VALUES ('9999_next', 0)")
    back_up(data.folder, file)

    with pytest.raises(CareRefused, match="newer Limner"):
        restore(file, make_folder(tmp_path / "new"), "aside")

    assert list((tmp_path / "new").iterdir()) == []


@pytest.mark.slow
def test_a_restore_that_is_killed_leaves_the_old_folder_or_is_finished_by_the_next_start(
    data: Filled, tmp_path: Path
) -> None:
    files = filled(tmp_path / "other", 7)
    back_up(files.folder, tmp_path / "other.tar")
    old = data.content()

    def prepare(step: int) -> tuple[str, ...]:
        shutil.copytree(data.folder, tmp_path / f"data {step}")
        return str(tmp_path / "other.tar"), str(tmp_path / f"data {step}"), "aside"

    outcomes = []
    for step, was_killed in killed_at_every_step(prepare, restore):
        folder = Filled(tmp_path / f"data {step}")
        finish(folder.folder)
        outcomes.append(whole(folder.folder))
        if outcomes[-1] == [name_of(7)]:
            assert names(folder.folder) == {DATABASE, "images", "secret", "aside"}
            assert Filled(folder.folder / "aside").content() == old
        else:
            assert was_killed
            assert names(folder.folder) == {DATABASE, "images", "secret"}
            assert outcomes[-1] == [name_of(number) for number in (1, 2, 3)]

    assert outcomes == sorted(outcomes, key=lambda ids: ids == [name_of(7)])
    # Both before and after the point from which there is no way back.
    assert outcomes.count([name_of(7)]) > 5
    assert outcomes.count([name_of(7)]) < len(outcomes) - 5


@pytest.mark.slow
def test_a_backup_that_is_killed_has_no_name_and_does_not_hinder_the_next(data: Filled, tmp_path: Path) -> None:
    def prepare(step: int) -> tuple[str, ...]:
        return str(data.folder), str(tmp_path / f"{step}.tar")

    for step, was_killed in killed_at_every_step(prepare, back_up):
        file = tmp_path / f"{step}.tar"
        if not file.exists():
            assert was_killed
            assert back_up(data.folder, file) == Backup(3, [])
        assert f"images/{data.file(3).parent.name}/{data.file(3).name}" in contents(file)
        assert [path.name for path in tmp_path.glob(f"{step}.tar*")] == [file.name]
