"""The data folder: who may work on it, and what stands where in it."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bot.errors import CannotStart, DataFolderInUse
from storage.backup import DATABASE as DATABASE
from storage.backup import IMAGES as IMAGES
from storage.backup import finish
from storage.files import ImageFolder

LOCK = "lock"


@contextmanager
def data_folder(folder: Path) -> Iterator[Path]:
    """Creates the folder and holds its lock, which ends with the process whatever happens to it.

    A restore that was interrupted is finished first.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("a+")
    except OSError as error:
        raise CannotStart(
            f"Cannot write to the data folder {folder}: {error.strerror}. Set LIMNER_DATA_DIR."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataFolderInUse(
                f"Another Limner works on the data folder {folder}. Stop it, or set LIMNER_DATA_DIR to another folder."
            ) from error
        finish(folder)
        yield folder


def image_folder(folder: Path) -> ImageFolder:
    """Raises CannotStart."""
    try:
        return ImageFolder(folder)
    except OSError as error:
        raise CannotStart(f"The image folder {folder} cannot be written: {error.strerror}.") from error
