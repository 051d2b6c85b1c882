"""What a check of the data folder finds, and what it rightly passes over."""

import shutil
import sqlite3
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from storage.check import damaged, examine_index, kept_images, left_over, lost, still_there
from storage.folder import IMAGES
from tests.storage.filled import Filled, filled, make_old, name_of


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("made") / "data", 1, 2, 3).folder


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Filled:
    shutil.copytree(made, tmp_path / "data")
    return Filled(tmp_path / "data")


def found_damaged(data: Filled) -> list[str]:
    return [image.image_id for image in damaged(kept_images(data.index), data.folder / IMAGES)]


def found_lost(data: Filled) -> list[str]:
    return [image.image_id for image in lost(kept_images(data.index), data.folder / IMAGES)]


def test_a_folder_that_is_whole_is_in_order_and_every_image_is_looked_at(data: Filled) -> None:
    looked_at: list[None] = []
    images = kept_images(data.index)

    assert examine_index(data.index) == []
    assert damaged(images, data.folder / IMAGES, lambda: looked_at.append(None)) == []
    assert len(looked_at) == 3
    assert found_lost(data) == []
    assert left_over(data.index, data.folder / IMAGES) == []


def test_an_index_is_examined_while_somebody_writes_to_it(data: Filled) -> None:
    with closing(sqlite3.connect(data.index, isolation_level=None)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM images")

        assert examine_index(data.index) == []
        assert len(kept_images(data.index)) == 3


@pytest.mark.parametrize("whole", [b"", b"no database at all, by no means", None], ids=["empty", "text", "overwritten"])
def test_a_damaged_index_is_found_with_what_to_do(data: Filled, whole: bytes | None) -> None:
    content = bytearray(data.index.read_bytes())
    content[5000:30000] = b"\xff" * 25000
    data.index.write_bytes(bytes(content) if whole is None else whole)

    (wrong,) = examine_index(data.index)

    assert str(data.index) in wrong.what
    assert "limner db restore" in wrong.remedy


def test_an_index_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    (wrong,) = examine_index(tmp_path / "limner.sqlite")

    assert "unable to open" in wrong.what
    assert list(tmp_path.iterdir()) == []


def test_an_index_of_a_newer_limner_is_told(data: Filled) -> None:
    change(data, "INSERT INTO migrations VALUES ('9999_next', 0)")

    (wrong,) = examine_index(data.index)

    assert "newer Limner (9999_next)" in wrong.what


def test_messages_deliveries_and_images_of_nothing_are_found(data: Filled) -> None:
    change(
        data,
        "INSERT INTO messages VALUES (7, 'test', 's', 'c', 'm', 't', 'no image', 1, 'test:ann', 0)",
        "INSERT INTO messages VALUES (8, 'test', 's', 'c', 'n', 't', 'no image', 2, 'test:ann', 0)",
        "INSERT INTO deliveries VALUES ('no job', 'test', 'owed', '', NULL)",
        "UPDATE images SET parent_id = 'no image' WHERE number = 1",
        "UPDATE images SET job_id = 'no job' WHERE number = 2",
    )

    found = {wrong.what for wrong in examine_index(data.index)}

    assert found == {
        "2 row(s) of messages name images that are not there",
        "1 row(s) of deliveries name jobs that are not there",
        "1 row(s) of images name images that are not there",
        "1 row(s) of images name jobs that are not there",
    }


def change(data: Filled, *statements: str) -> None:
    """As another program may do, which knows no foreign keys."""
    with closing(sqlite3.connect(data.index)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.mark.parametrize(
    ("content", "cheaply"), [(None, True), (b"", True), (b"picture", True), (b"pictuRe 2" * 100, False)]
)
def test_an_image_whose_file_is_missing_or_not_what_was_saved_is_found(
    data: Filled, content: bytes | None, cheaply: bool
) -> None:
    data.file(2).unlink() if content is None else data.file(2).write_bytes(content)

    assert found_damaged(data) == [name_of(2)]
    assert found_lost(data) == ([name_of(2)] if cheaply else [])


async def test_an_image_that_is_deleted_meanwhile_is_not_lost(data: Filled) -> None:
    images = kept_images(data.index)
    data.file(1).unlink()
    await data.delete(2)

    absent = damaged(images, data.folder / IMAGES)

    assert [image.image_id for image in absent] == [name_of(1), name_of(2)]
    assert [image.image_id for image in still_there(absent, data.index)] == [name_of(1)]


async def test_files_that_no_image_names_are_left_over(data: Filled) -> None:
    await data.wait_with(4)
    of_waiting, of_nobody, half, new = (data.file(number) for number in (4, 5, 6, 7))
    half = half.with_suffix(".tmp")
    for path in (of_waiting, of_nobody, half, new):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"an attempt")
    for path in (of_waiting, of_nobody, half, data.file(1)):
        make_old(path)

    assert set(left_over(data.index, data.folder / IMAGES)) == {of_nobody, half}


async def test_what_is_finished_while_one_looks_for_left_over_files_is_none(
    data: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files are listed first: the row of each that is there by then is in the index that is read afterwards."""
    import storage.check as check

    late = data.file(9)

    def listed(folder: Path) -> list[Path]:
        assert str(uuid.UUID(late.stem)) not in [image.image_id for image in kept_images(data.index)]
        with closing(sqlite3.connect(data.index)) as connection, connection:
            connection.execute(
                "INSERT INTO images (id, requester, space, file, sha256, size, width, height, created_at) "
                "VALUES (?, 'a', 'b', 'c', ?, 1, 1, 1, 0)",
                (late.stem, "0" * 64),
            )
        return [late]

    monkeypatch.setattr(check, "_old_files", listed)

    assert left_over(data.index, data.folder / IMAGES) == []
