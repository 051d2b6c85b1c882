"""Whether index and image folder are whole and agree, also while a server works on them."""

import hashlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from storage.migrate import migrations
from storage.snapshot import applied_in, reading

#: Seconds. A file that is younger may be one that a server has written and is about to name in the index.
YOUNG = 3600.0
#: Images whose files are read at once.
TOGETHER = 64
#: Images of one page, and seconds between two of them, in which others have their turn.
PAGE_SIZE, REST = 200, 0.002
PAGE = "SELECT number, id, file, sha256, size FROM images WHERE number > :after ORDER BY number LIMIT :limit"
IMAGES = "SELECT id, file, sha256, size FROM images ORDER BY number"
NAMED = """
SELECT id FROM images UNION
SELECT value FROM jobs, json_each(jobs.image_ids) WHERE status IN ('queued', 'running')
"""

#: Hears of each image that was examined.
Tick = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Wrong:
    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Kept:
    """An image's file, as the index has it."""

    image_id: str
    file: str
    sha256: str
    size: int


def examine_index(path: Path) -> list[Wrong]:
    """What SQLite finds, and whether a newer program wrote it; an older one is fine."""
    try:
        with reading(path) as connection:
            damage = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(10)")]
            if damage != ["ok"]:
                return [Wrong(f"{path} is damaged: {'; '.join(damage)}", "Restore a backup with `limner db restore`.")]
            applied = applied_in(connection)
            if unknown := sorted(applied - migrations().keys()):
                what = f"{path} was written by a newer Limner ({', '.join(unknown)})"
                return [Wrong(what, "Start the newer Limner that wrote it, or restore a backup from before.")]
            return list(_dangling(connection))
    except sqlite3.Error as error:
        return [Wrong(f"{path}: {error}", "Restore a backup with `limner db restore`.")]


def _dangling(connection: sqlite3.Connection) -> Iterator[Wrong]:
    """Messages of no image, deliveries of no job, images of no job or parent."""
    count: dict[tuple[str, str], int] = {}
    for table, _, parent, _ in connection.execute("PRAGMA foreign_key_check"):
        count[table, parent] = count.get((table, parent), 0) + 1
    for (table, parent), rows in count.items():
        yield Wrong(
            f"{rows} row(s) of {table} name {parent} that are not there",
            "Another program changed the index. Restore a backup with `limner db restore`.",
        )


def kept_images(path: Path) -> list[Kept]:
    with reading(path) as connection:
        return [Kept(*row) for row in connection.execute(IMAGES)]


def kept_in_pages(path: Path) -> Iterator[list[Kept]]:
    """As `kept_images`, for who serves meanwhile: takes little memory, and holds no view that lets the log grow."""
    after = 0
    with reading(path) as connection:
        connection.execute("COMMIT")
        while rows := connection.execute(PAGE, {"after": after, "limit": PAGE_SIZE}).fetchall():
            after = rows[-1]["number"]
            yield [Kept(row["id"], row["file"], row["sha256"], row["size"]) for row in rows]


def lost(images: Iterable[Kept], folder: Path) -> list[Kept]:
    """Cheaply: whose file is missing or has another size."""
    return [image for image in images if _size(folder / image.file) != image.size]


def damaged(images: Iterable[Kept], folder: Path, tick: Tick = lambda: None) -> list[Kept]:
    """Whose file is missing, or is not what was saved: reads all of them."""
    found = []
    rest = iter(images)
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1), "checksum") as threads:
        while some := list(islice(rest, TOGETHER)):
            for image, whole in zip(some, threads.map(lambda image: is_whole(image, folder), some), strict=True):
                tick()
                found += [] if whole else [image]
    return found


def is_whole(image: Kept, folder: Path) -> bool:
    try:
        with (folder / image.file).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == image.sha256
    except OSError:
        return False


def still_there(images: Iterable[Kept], index: Path) -> list[Kept]:
    """Without those that were deleted meanwhile."""
    with reading(index) as connection:
        query = "SELECT 1 FROM images WHERE id = ?"
        return [image for image in images if connection.execute(query, (image.image_id,)).fetchone()]


def left_over(index: Path, folder: Path) -> list[Path]:
    """Files that no image and no unfinished job names: a crash left them, and nobody can reach them any more."""
    # Before the index is read, so that what is finished meanwhile is in it.
    files = list(_old_files(folder))
    with reading(index) as connection:
        named = {str(row[0]) for row in connection.execute(NAMED)}
    return [path for path in files if path.suffix != ".png" or path.stem not in named]


def _old_files(folder: Path) -> Iterator[Path]:
    now = time.time()
    for path in folder.glob("*/*"):
        try:
            if path.is_file() and now - path.stat().st_mtime > YOUNG:
                yield path
        except FileNotFoundError:
            continue


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None
