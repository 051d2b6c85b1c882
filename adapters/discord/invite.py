"""The link by which the bot is let in."""

import discord

from adapters.discord.place import INVITED


def invitation(application_id: int) -> str:
    """Where an admin of a server lets the bot in, with what it needs there and no more."""
    return discord.utils.oauth_url(application_id, permissions=INVITED, scopes=("bot", "applications.commands"))
