"""Whether index and image folder take what is written, as far as is known, and by trying where it is not."""

import asyncio
from contextlib import suppress

from bot.errors import StorageTrouble
from storage.database import Database
from storage.images import Images

#: Seconds between two tries, however many ask.
PAUSE = 1.0


class Health:
    """Implements bot.ports.StorageHealth."""

    def __init__(self, database: Database, images: Images) -> None:
        self._parts = (database, images)
        self._looking = asyncio.Lock()
        self._looked_at = float("-inf")

    async def trouble(self) -> StorageTrouble | None:
        if self._known() is not None:
            async with self._looking:
                await self._look()
        trouble = self._known()
        # A new one, as many may raise it.
        return None if trouble is None else type(trouble)(trouble.why)

    def _known(self) -> StorageTrouble | None:
        return next((part.trouble.now for part in self._parts if part.trouble.now is not None), None)

    async def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._looked_at + PAUSE:
            return
        for part in self._parts:
            if part.trouble.now is not None:
                with suppress(StorageTrouble):
                    await part.look()
        self._looked_at = asyncio.get_running_loop().time()
