"""The message on Slack that shows how a job stands."""

from collections.abc import Sequence
from dataclasses import dataclass

from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.delivery import Picture
from adapters.slack.blocks import Shown
from adapters.slack.mishaps import told_apart
from adapters.slack.origin import Note


@dataclass(frozen=True, slots=True)
class MessageScreen:
    client: AsyncWebClient
    note: Note

    async def show(self, shown: Shown, pictures: Sequence[Picture]) -> None:
        """Previews are left out: each would be a file of its own."""
        with told_apart():
            await self.client.chat_update(
                channel=self.note.channel, ts=self.note.ts, text=shown.text, blocks=shown.blocks
            )

    async def remove(self) -> None:
        with told_apart():
            await self.client.chat_delete(channel=self.note.channel, ts=self.note.ts)
