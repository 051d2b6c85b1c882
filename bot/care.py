"""limner db check | backup | restore | prune: cares for the data folder, beside a server or without one."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bot.errors import CareRefused, StorageTrouble
from bot.settings import Settings, read_settings
from storage.backup import Backup, back_up, restore
from storage.check import Tick, Wrong, damaged, examine_index, kept_images, left_over, still_there
from storage.database import Database
from storage.files import ImageFolder
from storage.folder import DATABASE, IMAGES, data_folder
from storage.images import Images
from storage.prune import DAY, Pruned, prune, would_prune
from storage.snapshot import pending

EXIT_WRONG = 1
#: Of many things that are wrong in the same way, so many are named.
NAMED = 10

db = typer.Typer(help="Checks, backs up, restores and prunes the data folder.", no_args_is_help=True)
out = Console(emoji=False, highlight=False)
err = Console(stderr=True, emoji=False, highlight=False)


@db.command()
def check(
    repair: Annotated[bool, typer.Option("--repair", help="Remove files that belong to no image.")] = False,
) -> None:
    """Looks whether index and images are whole, also beside a server; exit code 1 where something is wrong."""
    folder = existing(read_settings())
    found = examine_index(folder / DATABASE)
    if not found:
        if missing := pending(folder / DATABASE):
            _say(f"The index is of an older Limner; the next start brings it up to date: {', '.join(missing)}.")
        found = [*_images(folder), *_left_over(folder, repair)]
    for wrong in found:
        _say(f"[red]!![/]  {escape(wrong.what)}\n    -> {escape(wrong.remedy)}")
    _say(f"{len(found)} thing(s) to mend." if found else "All is well.")
    if found:
        raise typer.Exit(EXIT_WRONG)


@db.command()
def backup(
    target: Annotated[Path, typer.Argument(help="The tar file to write, or a folder for a new one.")],
) -> None:
    """Writes index, images and secret into one file, also beside a server; exit code 1 where images are lost."""
    folder = existing(read_settings())
    file = target / f"limner-{_now()}.tar" if target.is_dir() else target
    if wrong := examine_index(folder / DATABASE):
        raise CareRefused(f"{wrong[0].what}. {wrong[0].remedy}")
    with _progress("Images", len(kept_images(folder / DATABASE))) as tick:
        made = back_up(folder, file, tick)
    _say(f"{escape(str(file))} holds the index and {made.images} images.")
    _tell_lost(made)
    if made.lost:
        raise typer.Exit(EXIT_WRONG)


@db.command("restore")
def restore_(file: Annotated[Path, typer.Argument(help="A backup that limner db backup wrote.")]) -> None:
    """Puts a backup in place of what is there, which is moved aside; refused while a server runs."""
    settings = read_settings()
    with data_folder(settings.data_dir) as folder:
        aside = f"before-restore-{_now()}"
        if (folder / aside).exists():
            raise CareRefused(f"{folder / aside} exists already. Please try again in a second.")
        with _progress("Images", None) as tick:
            made = restore(file, folder, aside, tick)
    _say(f"Restored: the index and {made.images} images. What was there before is in {escape(str(folder / aside))}.")
    _tell_lost(made)


@db.command("prune")
def prune_(
    older_than: Annotated[float, typer.Option("--older-than", min=0, help="Days.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
) -> None:
    """Erases old images for good, and jobs with their prompts, also beside a server."""
    folder = existing(read_settings())
    if wrong := examine_index(folder / DATABASE):
        raise CareRefused(f"{wrong[0].what}. {wrong[0].remedy}")
    if pending(folder / DATABASE):
        raise CareRefused("The index is of an older Limner. Start this Limner once, which brings it up to date.")
    try:
        gone = asyncio.run(_prune(folder, time.time() - older_than * DAY, dry_run))
    except StorageTrouble as error:
        raise CareRefused(f"Not all that is too old could be erased: {error.why}. Try again to go on.") from error
    _say(f"{'Would erase' if dry_run else 'Erased'} {gone.images} images and {gone.jobs} jobs.")


async def _prune(folder: Path, before: float, dry_run: bool) -> Pruned:
    async with Database.open(folder / DATABASE, now=time.time()) as database:
        if dry_run:
            return await would_prune(database, before)
        return await prune(database, Images(database, ImageFolder(folder / IMAGES, alone=False)), before)


def existing(settings: Settings) -> Path:
    """Raises CareRefused where there is no index."""
    folder = settings.data_dir
    if not (folder / DATABASE).exists():
        raise CareRefused(f"There is no index in {folder.absolute()}. Set LIMNER_DATA_DIR to Limner's data folder.")
    return folder


def _images(folder: Path) -> Iterator[Wrong]:
    images = kept_images(folder / DATABASE)
    with _progress("Images", len(images)) as tick:
        lost = still_there(damaged(images, folder / IMAGES, tick), folder / DATABASE)
    if lost:
        yield Wrong(
            f"The files of {len(lost)} images are missing or damaged: {_named([image.file for image in lost])}",
            f"Copy them from a backup into {folder / IMAGES}, or delete the images.",
        )


def _left_over(folder: Path, repair: bool) -> Iterator[Wrong]:
    paths = left_over(folder / DATABASE, folder / IMAGES)
    if paths and repair:
        for path in paths:
            path.unlink(missing_ok=True)
        _say(f"Removed {len(paths)} files that belonged to no image.")
    elif paths:
        yield Wrong(
            f"{len(paths)} files belong to no image: {_named([str(path) for path in paths])}",
            "A crash left them and nobody can reach them. limner db check --repair removes them.",
        )


def _named(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")


def _tell_lost(made: Backup) -> None:
    if made.lost:
        err.print(
            f"[red]!![/]  {len(made.lost)} images are not in it, as their files were missing or damaged: "
            f"{_named(made.lost)}",
            soft_wrap=True,
        )


@contextmanager
def _progress(what: str, total: int | None) -> Iterator[Tick]:
    columns = (TextColumn(what), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda: progress.advance(task)


def _say(text: str) -> None:
    out.print(text, soft_wrap=True)


def _now() -> str:
    return datetime.now().astimezone().strftime("%Y%m%d-%H%M%S")
