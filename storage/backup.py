"""One tar file holds index and images: made while a server works, and put in place whole or not at all."""

import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import tarfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.errors import CareRefused
from storage.check import Kept, Tick, damaged, examine_index, kept_images, still_there
from storage.files import sync
from storage.snapshot import copy_index

DATABASE = "limner.sqlite"
IMAGES = "images"
SECRET = "secret"  # noqa: S105 - a file's name
CONTENTS = "backup.json"
#: Folders with the certificate that signs now, and with those that did before.
CREDENTIALS = "credentials*"
#: What else a data folder consists of; first what must not be found beside an index that it does not belong to.
PARTS = (f"{DATABASE}-wal", f"{DATABASE}-shm", DATABASE, IMAGES, SECRET)
#: Unpacked and not examined yet: a restore that was interrupted leaves it, and nobody needs it.
UNPACKED = "restoring"
#: Unpacked, examined, about to be put in place: from here on a restore is finished, at the next start if not before.
EXAMINED = "restored"
ASIDE = "aside"
SIGNING = r"credentials(\.until-[\d-]{17})?/(certificate|key)\.pem"
NAME = re.compile(
    rf"{re.escape(DATABASE)}|{SECRET}|{re.escape(CONTENTS)}|{IMAGES}/[0-9a-f]{{2}}/[0-9a-f-]{{36}}\.png|{SIGNING}"
)

FORGET = (
    "UPDATE images SET parent_id = NULL WHERE parent_id = :id",
    "DELETE FROM images WHERE id = :id",
)


@dataclass(frozen=True, slots=True)
class Backup:
    images: int
    #: IDs of images whose file was missing or damaged when the backup was made.
    lost: list[str]


def back_up(folder: Path, target: Path, tick: Tick = lambda: None) -> Backup:
    """The name appears only once all is on the disk. Raises CareRefused.

    An image that is deleted meanwhile is not in the backup, and not in the backup's index either.
    """
    if target.exists():
        raise CareRefused(f"{target} exists already. Name another file; an older backup is never overwritten.")
    part = target.with_name(target.name + ".part")
    try:
        with closing_up(part), tarfile.open(part, "w") as tar:
            backup = _pack(folder, part.with_name(target.name + ".index"), tar, tick)
        sync(part)
        part.replace(target)
        sync(target.absolute().parent)
    except (OSError, sqlite3.Error) as error:
        raise CareRefused(f"The backup {target} cannot be written: {error}") from error
    return backup


@contextmanager
def closing_up(part: Path) -> Iterator[None]:
    """What was not finished goes."""
    try:
        yield
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _pack(folder: Path, copy: Path, tar: tarfile.TarFile, tick: Tick) -> Backup:
    try:
        copy_index(folder / DATABASE, copy)
        images = kept_images(copy)
        absent = []
        for image in images:
            if not _add_image(tar, folder / IMAGES, image):
                absent.append(image)
            tick()
        lost = still_there(absent, folder / DATABASE)
        _forget(copy, [image for image in absent if image not in lost])
        backup = Backup(len(images) - len(absent), [image.image_id for image in lost])
        if (folder / SECRET).exists():
            tar.add(folder / SECRET, SECRET)
        for path in folder.glob(f"{CREDENTIALS}/*.pem"):
            tar.add(path, f"{path.parent.name}/{path.name}")
        _add(tar, CONTENTS, json.dumps({"images": backup.images, "lost": backup.lost}).encode())
        # The last, as it says what must be there: a file that was cut off has none.
        tar.add(copy, DATABASE)
        return backup
    finally:
        copy.unlink(missing_ok=True)


def _add_image(tar: tarfile.TarFile, folder: Path, image: Kept) -> bool:
    """False where its file is missing or damaged."""
    try:
        content = (folder / image.file).read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    if hashlib.sha256(content).hexdigest() != image.sha256:
        return False
    _add(tar, f"{IMAGES}/{image.file}", content)
    return True


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    tar.addfile(entry, io.BytesIO(content))


def _forget(copy: Path, images: list[Kept]) -> None:
    with closing(sqlite3.connect(copy)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for image in images:
            for statement in FORGET:
                connection.execute(statement, {"id": image.image_id})


def restore(file: Path, folder: Path, aside: str, tick: Tick = lambda: None) -> Backup:
    """Puts a backup in place, and what was there into the folder `aside` beside it. The caller holds the lock.

    Killed before the backup is examined, it has changed nothing; after that, the next `finish` goes on. Raises
    CareRefused, and then nothing was changed.
    """
    finish(folder)
    unpacked = folder / UNPACKED
    try:
        unpacked.mkdir()
        _unpack(file, unpacked)
        backup = _examined(unpacked, tick)
        (unpacked / CONTENTS).unlink()
        (unpacked / ASIDE).write_text(aside, encoding="utf-8")
        _sync_all(unpacked)
    except (OSError, tarfile.TarError, sqlite3.Error, ValueError, KeyError) as error:
        shutil.rmtree(unpacked, ignore_errors=True)
        raise CareRefused(f"{file} cannot be restored: {error}. Nothing was changed.") from error
    except BaseException:
        shutil.rmtree(unpacked, ignore_errors=True)
        raise
    unpacked.rename(folder / EXAMINED)
    sync(folder)
    finish(folder)
    return backup


def finish(folder: Path) -> None:
    """Brings to its end what a restore began before it was killed. The caller holds the lock of the folder."""
    shutil.rmtree(folder / UNPACKED, ignore_errors=True)
    examined = folder / EXAMINED
    if not (examined / ASIDE).exists():
        # Its last step was to remove this folder.
        shutil.rmtree(examined, ignore_errors=True)
        return
    aside = folder / (examined / ASIDE).read_text(encoding="utf-8")
    aside.mkdir(exist_ok=True)
    # While a part still waits to be put in place, what stands there is the old one. No backup has a log.
    for name in (*PARTS, *(path.name for path in examined.glob(CREDENTIALS))):
        if (examined / name).exists() or name not in (DATABASE, IMAGES, SECRET):
            _move(folder / name, aside / name)
            _move(examined / name, folder / name)
    sync(folder)
    (examined / ASIDE).unlink()
    examined.rmdir()
    sync(folder)


def _move(source: Path, target: Path) -> None:
    if source.exists():
        source.rename(target)


def _unpack(file: Path, unpacked: Path) -> None:
    (unpacked / IMAGES).mkdir()
    with tarfile.open(file) as tar:
        for entry in tar:
            content = tar.extractfile(entry) if entry.isreg() else None
            if content is None or not NAME.fullmatch(entry.name):
                raise ValueError(f"it holds {entry.name!r}, which no backup of Limner has")
            target = unpacked / entry.name
            target.parent.mkdir(exist_ok=True)
            with target.open("xb") as written:
                shutil.copyfileobj(content, written)
    for name in (CONTENTS, DATABASE):
        if not (unpacked / name).exists():
            raise ValueError(f"it holds no {name}: it is no backup of Limner, or it was cut off")
    for path in (unpacked / SECRET, *unpacked.glob(f"{CREDENTIALS}/*.pem")):
        if path.exists():
            path.chmod(0o600)


def _examined(unpacked: Path, tick: Tick) -> Backup:
    """Raises ValueError."""
    contents = json.loads((unpacked / CONTENTS).read_bytes())
    backup = Backup(int(contents["images"]), list(contents["lost"]))
    if found := examine_index(unpacked / DATABASE):
        raise ValueError(found[0].what.replace(str(unpacked / DATABASE), "its index"))
    images = [image for image in kept_images(unpacked / DATABASE) if image.image_id not in backup.lost]
    if wrong := damaged(images, unpacked / IMAGES, tick):
        raise ValueError(f"the files of {len(wrong)} images are missing or damaged in it, e.g. {wrong[0].file}")
    return backup


def _sync_all(folder: Path) -> None:
    for path, _, files in os.walk(folder):
        for name in files:
            sync(Path(path, name))
        sync(Path(path))
