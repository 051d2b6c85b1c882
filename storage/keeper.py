"""What is done with the data folder in the background while a server works: looking for lost files, and pruning."""

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from bot.errors import StorageTrouble
from storage.backup import DATABASE, IMAGES
from storage.check import REST, kept_in_pages, lost, still_there
from storage.database import Database
from storage.health import Health
from storage.images import Images
from storage.prune import DAY, NEVER, prune
from storage.rules import RulesOfSpaces

#: Seconds.
WATCH = 5.0

log = structlog.get_logger(__name__)


class Keeper:
    def __init__(
        self,
        *,
        database: Database,
        images: Images,
        health: Health,
        folder: Path,
        clock: Callable[[], float],
        days: float | None,
        rules: RulesOfSpaces,
    ) -> None:
        """`days` after which things are erased; None is never, but for what the rules of spaces say."""
        self._database = database
        self._images = images
        self._health = health
        self._folder = folder
        self._clock = clock
        self._days = days
        self._rules = rules

    async def run(self) -> None:
        """Until it is cancelled."""
        try:
            await self._look_for_lost_files()
        except sqlite3.Error as error:
            log.warning("images could not be counted; limner db check says more", why=str(error))
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(), name="watch the disk")
            tasks.create_task(self._prune_daily(), name="prune")

    async def _watch(self) -> None:
        """So that the log says when trouble is over, also where nobody asks for anything."""
        while True:
            await asyncio.sleep(WATCH)
            await self._health.trouble()

    async def _prune_daily(self) -> None:
        while True:
            try:
                if self._days is not None or await self._rules.spaces_with_retention():
                    await self._prune()
            except (StorageTrouble, sqlite3.Error) as error:
                log.warning("old images could not be erased; trying again tomorrow", why=str(error))
            await asyncio.sleep(DAY)

    async def _look_for_lost_files(self) -> None:
        missing = await asyncio.to_thread(lost_files, self._folder)
        if missing:
            advice = "Run limner db check, and restore the files from a backup."
            log.warning("image files are missing or damaged", images=len(missing), first=missing[0], advice=advice)

    async def _prune(self) -> None:
        now = self._clock()
        before = NEVER if self._days is None else now - self._days * DAY
        gone = await prune(self._database, self._images, before, now)
        if gone.images or gone.jobs:
            log.info("erased what was too old", images=gone.images, jobs=gone.jobs)


def lost_files(folder: Path) -> list[str]:
    """Whose file is missing or has another size; what was deleted meanwhile is not."""
    absent = []
    for images in kept_in_pages(folder / DATABASE):
        absent += lost(images, folder / IMAGES)
        time.sleep(REST)
    return [image.file for image in still_there(absent, folder / DATABASE)]
