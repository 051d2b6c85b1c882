"""Before an index is brought up to date, a copy of it is kept."""

import resource
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import storage.snapshot
from bot.errors import CannotStart, DatabaseTooNew
from storage.check import examine_index, kept_images
from storage.database import Database
from storage.migrate import migrations
from tests.storage.filled import Filled, filled
from tests.storage.killed import killed_at_every_step

COPY = "limner.sqlite.before-9998_next"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("made") / "data", 1, 2).folder


@pytest.fixture
def data(made: Path, tmp_path: Path) -> Filled:
    shutil.copytree(made, tmp_path / "data")
    return Filled(tmp_path / "data")


@pytest.fixture
def newer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program knows two migrations more than it has."""
    more = {"9998_next": "CREATE TABLE more (word TEXT) STRICT", "9999_last": "DELETE FROM images WHERE number = 1"}
    known = {**migrations(), **more}
    for module in ("storage.migrate", "storage.snapshot", "storage.check"):
        monkeypatch.setattr(f"{module}.migrations", lambda: known)


def copies(data: Filled) -> list[str]:
    return sorted(path.name for path in data.folder.iterdir() if ".before-" in path.name)


async def start(data: Filled) -> None:
    async with Database.open(data.index, now=1):
        pass


def applied(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM migrations")}


@pytest.mark.usefixtures("newer")
async def test_the_copy_is_the_index_as_it_was_with_what_stood_in_its_log(data: Filled) -> None:
    before = applied(data.index)
    with closing(sqlite3.connect(data.index, isolation_level=None)) as other:
        other.execute("DELETE FROM images WHERE number = 2")
        await start(data)

    assert copies(data) == [COPY]
    assert applied(data.folder / COPY) == before
    assert len(kept_images(data.folder / COPY)) == 1
    assert applied(data.index) == before | {"9998_next", "9999_last"}
    assert kept_images(data.index) == []


async def test_there_is_none_of_a_new_index_nor_where_nothing_is_to_be_done(data: Filled, tmp_path: Path) -> None:
    for _ in range(2):
        await start(data)
        await start(Filled(tmp_path / "new"))

    assert copies(data) == copies(Filled(tmp_path / "new")) == []


@pytest.mark.usefixtures("newer")
async def test_there_is_none_of_an_index_that_a_newer_limner_wrote(data: Filled) -> None:
    with closing(sqlite3.connect(data.index)) as connection, connection:
        connection.execute("INSERT INTO migrations VALUES ('9999_another', 0)")

    with pytest.raises(DatabaseTooNew):
        await start(data)

    assert copies(data) == []


@pytest.mark.usefixtures("newer")
async def test_where_there_is_no_room_for_the_copy_nothing_is_changed_and_the_next_start_goes_on(data: Filled) -> None:
    before, files = applied(data.index), set(data.content())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, hard))
    try:
        with pytest.raises(CannotStart, match=r"before-9998_next.* Nothing was changed. Make room"):
            await start(data)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert (applied(data.index), set(data.content())) == (before, files)
    await start(data)
    assert applied(data.folder / COPY) == before


@pytest.mark.usefixtures("newer")
async def test_a_migration_for_which_there_is_no_room_is_told_and_leaves_the_index_as_it_was(
    data: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = applied(data.index)
    full = {**migrations(), "9998_next": "PRAGMA max_page_count = 1; CREATE TABLE more (word TEXT) STRICT"}
    monkeypatch.setattr("storage.migrate.migrations", lambda: full)

    with pytest.raises(CannotStart, match="cannot be brought up to date: database or disk is full"):
        await start(data)

    assert applied(data.index) == before
    assert examine_index(data.index) == []


@pytest.mark.usefixtures("newer")
@pytest.mark.slow
def test_a_program_that_is_killed_meanwhile_leaves_no_half_copy_and_the_next_start_makes_it_anew(
    data: Filled, tmp_path: Path
) -> None:
    def prepare(step: int) -> tuple[str, ...]:
        shutil.copytree(data.folder, tmp_path / f"data {step}")
        return (str(tmp_path / f"data {step}" / "limner.sqlite"),)

    steps = 0
    for step, _ in killed_at_every_step(prepare, storage.snapshot.keep_before_migrating):
        folder = Filled(tmp_path / f"data {step}")
        for _ in range(2):
            for name in copies(folder):
                if not name.endswith(".part"):
                    assert examine_index(folder.folder / name) == []
                    assert len(kept_images(folder.folder / name)) == 2
            storage.snapshot.keep_before_migrating(folder.index)
        assert copies(folder) == [COPY]
        steps += 1

    assert steps > 3
