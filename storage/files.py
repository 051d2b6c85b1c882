"""The image folder: files are written whole or not at all, and their names are made from IDs alone."""

import hashlib
import os
from pathlib import Path

from bot.ports import StoredFile


class ImageFolder:
    """Blocking; callers leave the event loop first."""

    def __init__(self, folder: Path, *, alone: bool = True) -> None:
        """Beside another program that writes there, `alone` is false: what looks left over may be its work."""
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        if not alone:
            return
        for left_over in (*folder.glob("*.tmp"), *folder.glob("*/*.tmp")):
            left_over.unlink()

    def path(self, file: str) -> Path:
        """`file` as the index names it. Raises ValueError for a name that leads out of the folder."""
        path = self._folder / file
        if ".." in path.parts or not path.is_relative_to(self._folder):
            raise ValueError(f"{file!r} lies outside the image folder")
        return path

    def write(self, image_id: str, encoded: bytes) -> StoredFile:
        """The name appears only once the bytes are on the disk."""
        file = file_of(image_id)
        path = self.path(file)
        if not path.parent.exists():
            path.parent.mkdir(exist_ok=True)
            sync(self._folder)
        temporary = path.with_suffix(".tmp")
        try:
            with temporary.open("wb") as handle:
                handle.write(encoded)
                handle.flush()
                os.fsync(handle.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync(path.parent)
        return StoredFile(file, hashlib.sha256(encoded).hexdigest(), len(encoded))

    def rehearse(self, size: int) -> None:
        """Writes so many bytes and takes them away again: is there room? One at a time."""
        rehearse(self._folder / "rehearsal.tmp", size)

    def remove(self, image_id: str) -> None:
        self.path(file_of(image_id)).unlink(missing_ok=True)


def rehearse(path: Path, size: int) -> None:
    try:
        with path.open("wb") as handle:
            handle.write(bytes(size))
            handle.flush()
            os.fsync(handle.fileno())
    finally:
        path.unlink(missing_ok=True)


def file_of(image_id: str) -> str:
    """Two characters make the sub-folder, so that no folder grows without end."""
    return f"{image_id[:2]}/{image_id}.png"


def sync(path: Path) -> None:
    """A file's content, or the names in a folder: a rename is on the disk only once the folder is."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
