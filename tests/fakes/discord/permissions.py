"""What somebody may do in a place: roles first, then the place's overwrites."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from discord import Permissions

#: What the link that invites the bot asks for.
INVITED = (
    "view_channel",
    "send_messages",
    "embed_links",
    "attach_files",
    "read_message_history",
    "send_messages_in_threads",
)
#: Of a new guild's @everyone.
EVERYONE = (
    *INVITED,
    "add_reactions",
    "create_public_threads",
    "external_emojis",
    "mention_everyone",
    "use_application_commands",
    "use_external_apps",
)


def bits(names: Iterable[str]) -> int:
    """Of names as discord.Permissions has them."""
    return Permissions(**dict.fromkeys(names, True)).value


ALL = Permissions.all().value
ADMINISTRATOR = bits(["administrator"])
#: What an app has in direct messages, and in places it was not invited to.
OUTSIDE = bits(["attach_files", "embed_links", "mention_everyone", "external_emojis"])


@dataclass(slots=True, eq=False)
class Role:
    id: int
    name: str
    permissions: int
    #: Comes with the bot, and goes with it.
    managed: bool = False


@dataclass(slots=True)
class Overwrite:
    #: Of a role, or of a member.
    of_member: bool
    allow: int = 0
    deny: int = 0

    def __call__(self, permissions: int) -> int:
        return permissions & ~self.deny | self.allow


@dataclass(slots=True)
class Overwrites:
    """By the ID of a role or a member."""

    by_id: dict[int, Overwrite] = field(default_factory=dict)

    def change(self, holder_id: int, *, of_member: bool, allow: int = 0, deny: int = 0) -> None:
        overwrite = self.by_id.setdefault(holder_id, Overwrite(of_member))
        overwrite.allow = overwrite.allow & ~deny | allow
        overwrite.deny = overwrite.deny & ~allow | deny

    def apply(self, permissions: int, everyone_id: int, role_ids: Iterable[int], member_id: int) -> int:
        """In Discord's order: @everyone, all roles together, then the member."""
        roles = [self.by_id[role_id] for role_id in role_ids if role_id in self.by_id and role_id != everyone_id]
        together = Overwrite(False)
        for overwrite in roles:
            together.allow |= overwrite.allow
            together.deny |= overwrite.deny
        for layer in (self.by_id.get(everyone_id), together, self.by_id.get(member_id)):
            permissions = layer(permissions) if layer else permissions
        return permissions
