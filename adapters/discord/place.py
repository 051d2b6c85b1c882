"""Where on Discord something is asked, and by whom: what the core may know of it, and what the bot may do there."""

from dataclasses import dataclass
from typing import Any

import discord

from bot.jobs import Treatment
from bot.policy import Asker

PLATFORM = "discord"
#: Without these no picture can be posted. SEND_MESSAGES_IN_THREADS stands for SEND_MESSAGES in threads.
NEEDED = ("view_channel", "send_messages", "attach_files")
#: All that the invitation asks for: the needed ones, links with previews, and replies to what was said.
INVITED = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    embed_links=True,
    attach_files=True,
    read_message_history=True,
)
#: Guilds that are marked as a whole.
ADULT_GUILDS = (discord.NSFWLevel.explicit, discord.NSFWLevel.age_restricted)

Channel = Any


@dataclass(frozen=True, slots=True)
class Place:
    asker: Asker
    channel_id: int
    #: None in direct messages.
    guild_id: int | None
    #: The bot itself is there, not only its commands.
    is_member: bool
    #: Names of permissions that it needs and lacks.
    missing: tuple[str, ...]
    locale: str
    #: Bytes that a file may have.
    filesize_limit: int

    @property
    def can_post(self) -> bool:
        return self.is_member and not self.missing


def of_interaction(interaction: discord.Interaction[Any], *, private: bool = False) -> Place:
    """Something answered privately stays private when it is asked for more."""
    channel, guild_id = interaction.channel, interaction.guild_id
    assert channel is not None
    if interaction.message is not None and interaction.message.flags.ephemeral:
        private = True
    guild = None if guild_id is None else interaction.client.get_guild(guild_id)
    # Right after a start the server's channels are not told yet; until then nothing there counts as open to all.
    known = guild is not None and not guild.unavailable
    if guild is None:
        is_member = guild_id is None and isinstance(channel, discord.DMChannel) and is_own(channel, interaction)
    else:
        is_member = not known or _was_added(channel, guild)
    return Place(
        asker=_asker(interaction.user, channel, interaction.guild, guild_id, known, interaction.permissions, private),
        channel_id=channel.id,
        guild_id=guild_id,
        is_member=is_member,
        missing=_missing(channel, interaction.app_permissions) if guild is not None else (),
        locale=interaction.locale.value,
        filesize_limit=interaction.filesize_limit,
    )


def of_message(message: discord.Message, *, private: bool = False) -> Place:
    channel, guild = message.channel, message.guild
    guild_id = None if guild is None else guild.id
    permissions = discord.Permissions.none()
    missing: tuple[str, ...] = ()
    if guild is not None:
        assert isinstance(message.author, discord.Member)
        permissions = channel.permissions_for(message.author)
        missing = _missing(channel, channel.permissions_for(guild.me))
    return Place(
        asker=_asker(message.author, channel, guild, guild_id, guild is not None, permissions, private),
        channel_id=channel.id,
        guild_id=guild_id,
        is_member=True,
        missing=missing,
        locale=guild.preferred_locale.value if guild else "",
        filesize_limit=guild.filesize_limit if guild else discord.utils.DEFAULT_FILE_SIZE_LIMIT_BYTES,
    )


def is_own(channel: discord.DMChannel, interaction: discord.Interaction[Any]) -> bool:
    """The direct messages between the bot and who asks; not those of two others."""
    return interaction.context.dm_channel or channel.recipient is None or channel.recipient == interaction.user


def _was_added(channel: Channel, guild: discord.Guild) -> bool:
    """To a private thread; one that the bot was not added to it does not hear of, whatever permissions it has."""
    private = isinstance(channel, discord.Thread) and channel.is_private()
    return not private or guild.get_thread(channel.id) is not None


def _asker(
    user: discord.User | discord.Member,
    channel: Channel,
    guild: discord.Guild | None,
    guild_id: int | None,
    known: bool,
    permissions: discord.Permissions,
    private: bool,
) -> Asker:
    space = f"{PLATFORM}:{guild_id}" if guild_id is not None else f"{PLATFORM}:dm/{channel.id}"
    for_adults = guild is not None and _is_for_adults(channel, guild)
    return Asker(
        requester=requester_of(user.id),
        space=space,
        place=str(_rule_channel(channel)),
        closed_to=None if guild_id is None or (known and _is_open(channel)) else f"{space}/{channel.id}",
        private=private,
        age_restricted=for_adults,
        # Discord wants pictures for adults among adults alone.
        treatment=Treatment.ALLOW if for_adults else Treatment.REFUSE,
        moderator=permissions.manage_messages or permissions.manage_guild,
        admin=permissions.manage_guild,
    )


def requester_of(user_id: int) -> str:
    return f"{PLATFORM}:{user_id}"


def user_of(requester: str) -> int:
    return int(requester.partition(":")[2])


def _rule_channel(channel: Channel) -> int:
    """A thread goes by the rules of its channel."""
    return int(getattr(channel, "parent_id", None) or channel.id)


def _is_open(channel: Channel) -> bool:
    """All members of the guild can read it."""
    if isinstance(channel, discord.Thread):
        return not channel.is_private() and channel.parent is not None and _is_open(channel.parent)
    return bool(channel.permissions_for(channel.guild.default_role).view_channel)


def _is_for_adults(channel: Channel, guild: discord.Guild) -> bool:
    marked = getattr(channel, "is_nsfw", None)
    return guild.nsfw_level in ADULT_GUILDS or (marked is not None and bool(marked()))


def _missing(channel: Channel, permissions: discord.Permissions) -> tuple[str, ...]:
    in_thread = {"send_messages": "send_messages_in_threads"} if isinstance(channel, discord.Thread) else {}
    needed = [in_thread.get(name, name) for name in NEEDED]
    return tuple(name for name in needed if not getattr(permissions, name))
