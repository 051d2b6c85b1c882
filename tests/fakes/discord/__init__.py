"""A local Discord for tests: REST, Gateway and CDN, with people who use the bot.

    async with FakeDiscord() as discord:
        art = discord.guild("Studio").channel("art")
        ada = discord.person("Ada")
        asked = await ada.command(art, "generate", prompt="a cat")
        await discord.until(lambda: art.messages and art.messages[-1].attachments)

The bot under test is pointed at `api_url` and `gateway_url`; it may run in this process or another.
"""

from tests.fakes.discord.asked import Asked
from tests.fakes.discord.messages import FakeAttachment, FakeMessage, Flags, Upload
from tests.fakes.discord.people import Person
from tests.fakes.discord.places import Channel, Guild
from tests.fakes.discord.requests import Request
from tests.fakes.discord.server import FakeDiscord

__all__ = [
    "Asked",
    "Channel",
    "FakeAttachment",
    "FakeDiscord",
    "FakeMessage",
    "Flags",
    "Guild",
    "Person",
    "Request",
    "Upload",
]
