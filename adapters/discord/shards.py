"""Connections to the Gateway that are tried for as long as it takes."""

import discord
import yarl


class PatientClient(discord.AutoShardedClient):
    _launching = False
    _again = False

    async def launch_shard(self, gateway: yarl.URL, shard_id: int, *, initial: bool = False) -> None:
        """The library's own calls itself after each failure; after some 980, in an hour and a half, it is in too deep.

        So the call from within only says that it was made.
        """
        if self._launching:
            self._again = True
            return
        self._launching = self._again = True
        try:
            while self._again:
                self._again = False
                await super().launch_shard(gateway, shard_id, initial=initial)
                initial = False
        finally:
            self._launching = False

    async def begin_anew(self) -> None:
        """After a start that failed, for the next one: the library's own clear() leaves closed what close() closed."""
        await self.http.close()
        self.http.connector = discord.utils.MISSING
        self.clear()
        # Among others a new queue, without the old connection's goodbye.
        await self._async_setup_hook()
