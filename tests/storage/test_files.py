"""The image folder: files that are whole, names that stay inside, and what is said of files that are lost."""

import errno
import hashlib
import os
import resource
import signal
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

import storage
from bot.errors import ImageFileLost
from bot.jobs import Image
from bot.ports import StoredFile
from storage.database import Database
from storage.files import ImageFolder
from storage.images import Images

ROOT = Path(storage.__file__).parents[1]
CAT = str(uuid.UUID(int=1))
DOG = str(uuid.UUID(int=0xD0 << 120))
FILE = f"{CAT[:2]}/{CAT}.png"

#: Writes an image, and stops where its bytes are about to be forced to the disk.
INTERRUPTED = f"""
import os, pathlib, signal, stat, sys
from storage.files import ImageFolder

def killed(descriptor):
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.kill(os.getpid(), signal.SIGKILL)

os.fsync = killed
ImageFolder(pathlib.Path(sys.argv[1])).write("{CAT}", bytes(100_000))
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Deep enough that whatever leaves it is still seen by the test."""
    return tmp_path / "a" / "b" / "images"


@pytest.fixture
def folder(place: Path) -> ImageFolder:
    return ImageFolder(place)


def files(place: Path) -> dict[str, bytes]:
    return {path.relative_to(place).as_posix(): path.read_bytes() for path in place.rglob("*") if path.is_file()}


@contextmanager
def full_disk() -> Iterator[None]:
    """No file can grow past this size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def failing_fsync() -> Iterator[None]:
    def fail(descriptor: int) -> None:
        raise OSError(errno.EIO, "fsync failed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        yield


@pytest.mark.parametrize("encoded", [b"", b"a picture", bytes(range(256)) * 5000])
def test_a_file_is_kept_with_its_checksum_and_size(folder: ImageFolder, place: Path, encoded: bytes) -> None:
    stored = folder.write(CAT, encoded)

    assert stored == StoredFile(FILE, hashlib.sha256(encoded).hexdigest(), len(encoded))
    assert files(place) == {FILE: encoded}
    assert folder.path(stored.file) == place / FILE


def test_images_lie_in_folders_by_their_first_characters(folder: ImageFolder, place: Path) -> None:
    stored = [folder.write(image_id, b"a picture").file for image_id in (CAT, DOG)]

    assert stored == [f"00/{CAT}.png", f"d0/{DOG}.png"]
    assert files(place).keys() == set(stored)


@pytest.mark.parametrize("mishap", [full_disk, failing_fsync])
@pytest.mark.parametrize("before", [{}, {FILE: b"of an earlier attempt"}], ids=["new", "again"])
def test_a_write_that_fails_leaves_what_was_there_before(
    folder: ImageFolder, place: Path, mishap: Callable[[], AbstractContextManager[None]], before: dict[str, bytes]
) -> None:
    for content in before.values():
        folder.write(CAT, content)

    with mishap(), pytest.raises(OSError, match=r"File too large|fsync failed"):
        folder.write(CAT, bytes(100_000))

    assert files(place) == before
    folder.write(CAT, b"at last")
    assert files(place) == {FILE: b"at last"}


def test_a_rename_that_fails_leaves_nothing(folder: ImageFolder, place: Path) -> None:
    (place / FILE / "in the way").mkdir(parents=True)

    with pytest.raises(IsADirectoryError):
        folder.write(CAT, b"a picture")

    assert files(place) == {}


def test_the_bytes_are_on_the_disk_before_the_name_appears_and_the_name_before_the_answer(
    folder: ImageFolder, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[tuple[str, set[str]]] = []

    def note(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        forced.append((path.relative_to(place).as_posix(), {name for name in files(place) if name.endswith(".png")}))

    folder.write(DOG, b"a picture")
    folder.write(str(uuid.UUID(int=2)), b"makes the sub-folder")
    (place / "00" / f"{uuid.UUID(int=2)}.png").unlink()
    monkeypatch.setattr(os, "fsync", note)
    folder.write(CAT, b"a picture")

    assert forced == [(f"00/{CAT}.tmp", {f"d0/{DOG}.png"}), ("00", {f"d0/{DOG}.png", FILE})]


def test_a_new_sub_folder_is_on_the_disk_before_the_answer(
    folder: ImageFolder, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: forced.append(Path(f"/proc/self/fd/{descriptor}").readlink()))

    folder.write(CAT, b"a picture")

    assert place in forced


def test_what_a_killed_writer_left_is_no_image_and_is_cleared_away_at_the_next_start(
    folder: ImageFolder, place: Path
) -> None:
    whole = folder.write(DOG, b"a whole picture").file

    killed = subprocess.run([sys.executable, "-c", INTERRUPTED, place], cwd=ROOT, check=False)
    left = files(place).keys() - {whole}

    assert killed.returncode == -signal.SIGKILL
    assert [Path(name).suffix for name in left] == [".tmp"]
    assert not folder.path(FILE).exists()
    ImageFolder(place)
    assert files(place) == {whole: b"a whole picture"}


@pytest.mark.parametrize("image_id", ["../../outside", "..", "a/../../../outside"])
def test_an_id_that_leads_out_of_the_folder_is_neither_written_nor_removed(
    folder: ImageFolder, place: Path, image_id: str
) -> None:
    outside = (place / image_id[:2] / f"{image_id}.png").resolve()
    outside.parent.mkdir(parents=True, exist_ok=True)
    outside.write_bytes(b"of somebody else")

    for touch in (lambda: folder.write(image_id, b"a picture"), lambda: folder.remove(image_id)):
        with pytest.raises(ValueError, match="image"):
            touch()

    assert outside.read_bytes() == b"of somebody else"


@pytest.mark.parametrize("file", ["../outside.png", "00/../../outside.png", "/etc/passwd"])
def test_a_name_that_leads_out_of_the_folder_is_no_path(folder: ImageFolder, file: str) -> None:
    with pytest.raises(ValueError, match="image"):
        folder.path(file)


def test_only_the_image_that_is_named_is_removed_and_one_that_is_missing_is_fine(
    folder: ImageFolder, place: Path
) -> None:
    folder.write(CAT, b"a cat")
    folder.write(DOG, b"a dog")

    for _ in range(2):
        folder.remove(CAT)
        folder.remove(str(uuid.UUID(int=7)))

    assert files(place) == {f"d0/{DOG}.png": b"a dog"}


async def kept(images: Images, encoded: bytes) -> Image:
    """An image as the index names it; none of this test needs its row."""
    stored = await images.save(CAT, encoded)
    return Image(
        id=CAT,
        job_id=None,
        requester="test:ann",
        space="test:studio",
        parent_id=None,
        file=stored.file,
        sha256=stored.sha256,
        size=stored.size,
        width=64,
        height=64,
        recipe=None,
        created_at=0,
    )


@pytest.fixture
async def images(tmp_path: Path, folder: ImageFolder) -> AsyncIterator[Images]:
    async with Database.open(tmp_path / "limner.sqlite", now=0) as database:
        yield Images(database, folder)


async def test_what_was_saved_is_read_again(images: Images) -> None:
    image = await kept(images, b"a picture")

    assert await images.read(image) == b"a picture"
    assert images.path(image).read_bytes() == b"a picture"


async def test_images_are_discarded_by_their_ids(images: Images, place: Path) -> None:
    await images.save(CAT, b"a cat")
    await images.save(DOG, b"a dog")

    await images.discard([CAT, str(uuid.UUID(int=7))])
    await images.discard([])

    assert files(place) == {f"d0/{DOG}.png": b"a dog"}


async def test_a_file_that_is_missing_is_lost(images: Images) -> None:
    image = await kept(images, b"a picture")
    await images.discard([CAT])

    with pytest.raises(ImageFileLost) as lost:
        await images.read(image)

    assert lost.value.image_id == CAT


@pytest.mark.parametrize("content", [b"", b"a pict", b"A picture"], ids=["empty", "cut off", "changed"])
async def test_a_file_that_is_not_what_was_saved_is_lost(images: Images, content: bytes) -> None:
    image = await kept(images, b"a picture")
    images.path(image).write_bytes(content)

    with pytest.raises(ImageFileLost):
        await images.read(image)
