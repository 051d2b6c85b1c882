"""What Discord says of people and places, in JSON."""

from typing import TYPE_CHECKING

from tests.fakes.discord.kinds import Kind
from tests.fakes.discord.messages import Json

if TYPE_CHECKING:
    from tests.fakes.discord.people import Person
    from tests.fakes.discord.permissions import Role
    from tests.fakes.discord.places import Channel, Guild

LONG_AGO = "2020-01-01T00:00:00+00:00"


def user(person: "Person") -> Json:
    return {
        "id": str(person.id),
        "username": person.username,
        "global_name": None if person.is_bot else person.name,
        "discriminator": "0000" if person.is_bot else "0",
        "avatar": None,
        "primary_guild": None,
        "bot": person.is_bot,
        "public_flags": 0,
        "flags": 0,
    }


def member(guild: "Guild", person: "Person") -> Json:
    """Without the user; interactions and events add it, messages don't."""
    return {
        "roles": [str(role_id) for role_id in sorted(guild.members.get(person.id, ()))],
        "joined_at": LONG_AGO,
        "premium_since": None,
        "communication_disabled_until": None,
        "nick": None,
        "avatar": None,
        "banner": None,
        "deaf": False,
        "mute": False,
        "pending": False,
        "flags": 0,
    }


def role(guild: "Guild", held: "Role") -> Json:
    told: Json = {
        "id": str(held.id),
        "name": held.name,
        "permissions": str(held.permissions),
        "position": list(guild.roles).index(held.id),
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "managed": held.managed,
        "mentionable": False,
        "icon": None,
        "unicode_emoji": None,
        "description": None,
        "flags": 0,
    }
    return told | {"tags": {"bot_id": str(guild.fake.bot.id)}} if held.managed else told


def guild(home: "Guild") -> Json:
    """As GUILD_CREATE has it."""
    fake = home.fake
    members = [member(home, fake.bot) | {"user": user(fake.bot)}]
    return {
        **guild_profile(home),
        "joined_at": LONG_AGO,
        "large": False,
        "unavailable": False,
        "member_count": len(home.members),
        "members": members,
        "channels": [channel(one) for one in home.channels if not one.is_thread],
        "threads": [channel(one) for one in home.channels if one.is_thread and not one.lacks_bot],
        "voice_states": [],
        "presences": [],
        "stage_instances": [],
        "guild_scheduled_events": [],
        "soundboard_sounds": [],
    }


def guild_profile(home: "Guild") -> Json:
    """As GET /guilds has it."""
    empty = dict.fromkeys(
        (
            "icon",
            "description",
            "splash",
            "discovery_splash",
            "banner",
            "afk_channel_id",
            "system_channel_id",
            "rules_channel_id",
            "public_updates_channel_id",
            "safety_alerts_channel_id",
            "widget_channel_id",
            "vanity_url_code",
            "max_presences",
            "application_id",
            "home_header",
            "incidents_data",
        )
    )
    return empty | {
        "id": str(home.id),
        "name": home.name,
        "owner_id": str(home.fake.owner.id),
        "region": "deprecated",
        "roles": [role(home, one) for one in home.roles.values()],
        "emojis": [],
        "stickers": [],
        "features": [],
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "nsfw_level": 0,
        "nsfw": False,
        "afk_timeout": 300,
        "widget_enabled": False,
        "system_channel_flags": 0,
        "max_members": 500_000,
        "max_video_channel_users": 25,
        "max_stage_video_channel_users": 50,
        "premium_tier": home.tier,
        "premium_subscription_count": 0,
        "premium_progress_bar_enabled": False,
        "preferred_locale": home.locale,
    }


def channel(place: "Channel") -> Json:
    told: Json = {"id": str(place.id), "type": place.kind.value, "flags": 0, "last_message_id": None}
    if place.record:
        told["last_message_id"] = str(place.record[-1].id)
    if place.guild is None:
        told["recipients"] = [user(person) for person in place.people]
        if place.kind is Kind.GROUP_DM:
            told |= {"name": place.name, "icon": None, "owner_id": str(place.people[0].id)}
        return told
    told |= {"guild_id": str(place.guild.id), "name": place.name, "rate_limit_per_user": 0}
    if place.parent is None:
        return told | {
            "position": place.guild.channels.index(place) if place in place.guild.channels else 0,
            "parent_id": None,
            "topic": None,
            "nsfw": place.nsfw,
            "permission_overwrites": [
                {
                    "id": str(holder_id),
                    "type": int(overwrite.of_member),
                    "allow": str(overwrite.allow),
                    "deny": str(overwrite.deny),
                }
                for holder_id, overwrite in place.overwrites.by_id.items()
            ],
        }
    return told | {
        "parent_id": str(place.parent.id),
        "owner_id": str(place.fake.owner.id),
        "message_count": len(place.messages),
        "member_count": 2,
        "total_message_sent": len(place.record),
        "thread_metadata": {
            "archived": False,
            "archive_timestamp": LONG_AGO,
            "auto_archive_duration": 1440,
            "create_timestamp": LONG_AGO,
            "locked": False,
        },
        "member": {
            "id": str(place.id),
            "user_id": str(place.fake.bot.id),
            "join_timestamp": LONG_AGO,
            "flags": 0,
            "muted": False,
            "mute_config": None,
        },
    }
