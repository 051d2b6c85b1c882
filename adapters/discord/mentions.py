"""Finds out whether a message speaks to the bot, and what it says."""

import re

import discord

SAYS_SOMETHING = (discord.MessageType.default, discord.MessageType.reply)


def spoken(message: discord.Message, bot: discord.ClientUser) -> str | None:
    """The text without the mention; None for messages that are not for the bot. Empty where nothing else was said."""
    if message.author.bot or message.webhook_id is not None or message.type not in SAYS_SOMETHING:
        return None
    if message.guild is not None and bot not in message.mentions:
        return None
    return re.sub(rf"<@!?{bot.id}>[,:]?", " ", message.content).strip()
