"""What the disk and SQLite refuse: which error it becomes, and that it is logged when it begins and when it ends."""

import asyncio
import errno
import sqlite3
from collections.abc import Iterator, MutableMapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.errors import DiskFull, StorageTrouble
from storage.database import Database
from storage.files import ImageFolder
from storage.health import Health
from storage.images import Images
from storage.trouble import Trouble, translated, trouble_of
from tests.disks import Disk, small_disk

Lines = list[MutableMapping[str, Any]]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), DiskFull),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), DiskFull),
        (OSError(errno.EFBIG, "File too large"), DiskFull),
        (OSError(errno.EROFS, "Read-only file system"), StorageTrouble),
        (OSError(errno.EIO, "Input/output error"), StorageTrouble),
    ],
)
def test_an_error_of_the_disk_is_told_apart(error: OSError, kind: type[StorageTrouble]) -> None:
    found = trouble_of(error)

    assert type(found) is kind
    assert str(error) in found.why
    assert str(error) not in str(found)


@pytest.mark.parametrize("content", [b"no database at all, by no means", None], ids=["no database", "damaged"])
def test_an_index_that_is_damaged_while_it_is_used_is_trouble_too(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "limner.sqlite"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE notes (word TEXT)")
        connection.executemany("INSERT INTO notes VALUES (?)", [("long" * 500,)] * 50)
    whole = path.read_bytes()
    path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096) if content is None else content)

    with closing(sqlite3.connect(path)) as connection, pytest.raises(StorageTrouble) as told, translated():
        connection.execute("SELECT * FROM notes").fetchall()

    assert type(told.value) is StorageTrouble


def test_a_mistake_in_the_code_is_no_trouble_of_the_disk() -> None:
    with closing(sqlite3.connect(":memory:")) as connection, pytest.raises(sqlite3.Error) as told:
        connection.execute("SELECT nonsense")

    assert trouble_of(told.value) is None
    assert trouble_of(sqlite3.ProgrammingError("Cannot operate on a closed database.")) is None


def test_trouble_is_logged_once_when_it_begins_when_it_changes_and_when_it_ends() -> None:
    trouble = Trouble("index")

    with capture_logs() as lines:
        for refusal in (errno.ENOSPC, errno.ENOSPC, errno.EROFS, errno.EROFS):
            with suppress(StorageTrouble), trouble.told():
                raise OSError(refusal, "no")
            with trouble.told():
                "a little may fit in meanwhile"
        for _ in range(2):
            trouble.over()

    assert [(line["event"], line.get("code")) for line in lines] == [
        ("storage trouble", "disk_full"),
        ("storage trouble", "storage_unavailable"),
        ("storage works again", None),
    ]


def test_other_errors_pass_and_say_nothing_of_the_disk() -> None:
    trouble = Trouble("index")
    with suppress(StorageTrouble), trouble.told():
        raise OSError(errno.ENOSPC, "no")

    with pytest.raises(KeyError), trouble.told():
        raise KeyError

    assert isinstance(trouble.now, DiskFull)


async def test_an_index_that_may_not_grow_says_that_it_is_full_and_works_again_by_itself(tmp_path: Path) -> None:
    async with Database.open(tmp_path / "limner.sqlite", now=0) as database:
        await database.write("CREATE TABLE notes (word TEXT) STRICT", {})
        pages = await database.one("PRAGMA page_count", {})
        assert pages is not None
        await database.transact(lambda connection: connection.execute(f"PRAGMA max_page_count = {pages[0]}"))
        for _ in range(2):
            with pytest.raises(DiskFull):
                await database.write("INSERT INTO notes VALUES (:word)", {"word": "long" * 10_000})
        full = database.trouble.now
        rows = await database.all("SELECT * FROM notes", {})
        await database.transact(lambda connection: connection.execute("PRAGMA max_page_count = 1000000"))
        await database.write("INSERT INTO notes VALUES (:word)", {"word": "long" * 10_000})

        await database.look()

    assert isinstance(full, DiskFull)
    assert rows == []
    assert database.trouble.now is None


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    with small_disk(tmp_path / "disk") as disk:
        yield disk


async def test_whether_the_trouble_is_over_is_found_out_by_trying(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage.health.PAUSE", 0.0)
    async with Database.open(disk.folder / "limner.sqlite", now=0) as database:
        images = Images(database, ImageFolder(disk.folder / "images"))
        health = Health(database, images)
        assert await health.trouble() is None
        disk.fill()
        with pytest.raises(DiskFull):
            await images.save("0a", bytes(100_000))
        with pytest.raises(DiskFull):
            await database.write("INSERT INTO migrations VALUES (:long, 0)", {"long": "x" * 100_000})
        with capture_logs() as lines:
            troubles = [await health.trouble() for _ in range(3)]
            disk.make_room()
            over = await health.trouble()

    assert {type(trouble) for trouble in troubles} == {DiskFull}
    assert over is None
    assert [line["event"] for line in lines] == ["storage works again"] * 2
    assert {path.name for path in disk.folder.rglob("*") if path.is_file()} == {"limner.sqlite"}


async def test_however_many_ask_it_is_tried_once_a_second(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def full(folder: ImageFolder, size: int) -> None:
        tried.append(size)
        raise OSError(errno.ENOSPC, "no")

    monkeypatch.setattr(ImageFolder, "rehearse", full)
    async with Database.open(disk.folder / "limner.sqlite", now=0) as database:
        images = Images(database, ImageFolder(disk.folder / "images"))
        disk.fill()
        with pytest.raises(DiskFull):
            await images.save("0a", bytes(100_000))
        health = Health(database, images)
        answers = await asyncio.gather(*[health.trouble() for _ in range(50)])

    assert len(tried) == 1
    assert all(answers)


async def test_room_for_a_little_is_not_room_for_the_image_that_did_not_fit(disk: Disk) -> None:
    async with Database.open(disk.folder / "limner.sqlite", now=0) as database:
        images = Images(database, ImageFolder(disk.folder / "images"))
        disk.fill(leave=200_000)
        with pytest.raises(DiskFull):
            await images.save("0a", bytes(400_000))

        assert isinstance(await Health(database, images).trouble(), DiskFull)
