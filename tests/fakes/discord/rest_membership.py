"""Where the bot is: the guilds that it was invited to."""

from typing import TYPE_CHECKING, Any

from tests.fakes.discord.requests import Request, Routes

if TYPE_CHECKING:
    from tests.fakes.discord.places import Guild
    from tests.fakes.discord.server import FakeDiscord

#: Guilds in one answer.
PAGE = 200

routes = Routes()


@routes("GET", "/users/@me/guilds")
def get_my_guilds(fake: "FakeDiscord", request: Request) -> Any:
    """By their IDs; `before` gives the last ones that fit, as Discord does."""
    limit = int(request.query.get("limit", PAGE))
    before, after = int(request.query.get("before", 0)), int(request.query.get("after", 0))
    mine = sorted((guild for guild in fake.guilds.values() if guild.has_bot), key=lambda guild: guild.id)
    found = [guild for guild in mine if guild.id > after and (not before or guild.id < before)]
    return [_mine(guild) for guild in (found[-limit:] if before else found[:limit])]


def _mine(guild: "Guild") -> Any:
    return {
        "id": str(guild.id),
        "name": guild.name,
        "icon": None,
        "banner": None,
        "owner": False,
        "permissions": str(guild.permissions_of(guild.fake.bot)),
        "features": [],
    }
