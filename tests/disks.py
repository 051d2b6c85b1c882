"""Disks that are full or read-only, really: a small file system in memory."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


class Disk:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filling = folder / "filling"

    def fill(self, *, leave: int = 0) -> None:
        """To the last page, but for so many bytes."""
        free = os.statvfs(self.folder)
        with self._filling.open("ab") as file:
            os.posix_fallocate(file.fileno(), file.tell(), max(free.f_bavail * free.f_frsize - leave, 1))

    def make_room(self) -> None:
        self._filling.unlink()


@contextmanager
def small_disk(folder: Path, *, mebibytes: int = 4) -> Iterator[Disk]:
    """Skips the test where nothing may be mounted."""
    folder.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root may mount a small disk")
    try:
        _run("mount", "-t", "tmpfs", "-o", f"size={mebibytes}m", "limner-test", str(folder))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no small disk can be mounted: {error.stderr}")
    try:
        yield Disk(folder)
    finally:
        _run("umount", "--lazy", str(folder))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
