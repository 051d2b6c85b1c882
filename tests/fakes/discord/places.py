"""Guilds, channels, threads and direct messages."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from discord import Permissions

from tests.fakes.discord import payloads
from tests.fakes.discord.kinds import Context, Kind
from tests.fakes.discord.messages import FakeMessage, Json
from tests.fakes.discord.permissions import ADMINISTRATOR, ALL, EVERYONE, INVITED, OUTSIDE, Overwrites, Role, bits

if TYPE_CHECKING:
    from tests.fakes.discord.people import Person
    from tests.fakes.discord.server import FakeDiscord

MIB = 2**20
#: By a guild's boost tier, in bytes.
SIZE_LIMITS = {0: 10 * MIB, 1: 10 * MIB, 2: 50 * MIB, 3: 100 * MIB}


class Channel:
    def __init__(
        self,
        fake: "FakeDiscord",
        name: str,
        kind: Kind,
        *,
        guild: "Guild | None" = None,
        parent: "Channel | None" = None,
        people: Sequence["Person"] = (),
        nsfw: bool = False,
    ) -> None:
        self.fake = fake
        self.id = fake.clock.snowflake()
        self.name = name
        self.kind = kind
        self.guild = guild
        self.parent = parent
        #: Those in direct messages, without the bot.
        self.people = list(people)
        self.nsfw = nsfw
        #: A private thread to which nobody added the bot: people use its commands there, it sees nothing.
        self.lacks_bot = False
        self.overwrites = Overwrites()
        #: All that was ever posted, deleted or not.
        self.record: list[FakeMessage] = []
        self.deleted = False
        fake.channels[self.id] = self

    def __repr__(self) -> str:
        return f"<#{self.name}>"

    @property
    def mention(self) -> str:
        return f"<#{self.id}>"

    @property
    def messages(self) -> list[FakeMessage]:
        return [message for message in self.record if not message.deleted]

    @property
    def is_thread(self) -> bool:
        return self.parent is not None

    @property
    def context(self) -> Context:
        contexts = {Kind.DM: Context.BOT_DM, Kind.GROUP_DM: Context.PRIVATE_CHANNEL}
        return contexts.get(self.kind, Context.GUILD)

    @property
    def size_limit(self) -> int:
        """Bytes of one file."""
        return self.guild.size_limit if self.guild else self.fake.size_limit

    @property
    def has_bot(self) -> bool:
        return self.guild.has_bot if self.guild else self.kind is Kind.DM

    def thread(self, name: str, private: bool = False, *, with_bot: bool = True) -> "Channel":
        """`with_bot`: somebody added it to a private one."""
        assert self.guild
        kind = Kind.PRIVATE_THREAD if private else Kind.PUBLIC_THREAD
        thread = Channel(self.fake, name, kind, guild=self.guild, parent=self, nsfw=self.nsfw)
        thread.lacks_bot = private and not with_bot
        self.guild.channels.append(thread)
        if thread.lacks_bot:
            return thread
        self.fake.gateway.tell_guild("THREAD_CREATE", payloads.channel(thread) | {"newly_created": True}, self.guild)
        return thread

    def permissions_of(self, person: "Person") -> int:
        """As discord.Permissions.value; 0 where the channel cannot be seen."""
        if self.guild is None:
            return OUTSIDE | bits([*INVITED, "use_application_commands"])
        if self.guild.foreign and person is self.fake.bot:
            return OUTSIDE
        permissions = self.guild.permissions_of(person)
        if permissions & ADMINISTRATOR:
            return ALL
        place = self.parent or self
        permissions = place.overwrites.apply(
            permissions, self.guild.id, self.guild.members.get(person.id, ()), person.id
        )
        return permissions if permissions & bits(["view_channel"]) else 0

    def may(self, person: "Person", *names: str) -> bool:
        wanted = bits(names)
        return self.permissions_of(person) & wanted == wanted

    def deny(self, *names: str) -> None:
        """From now on the bot lacks these permissions here."""
        self._overwrite(self.fake.bot, deny=bits(names))

    def allow(self, *names: str) -> None:
        self._overwrite(self.fake.bot, allow=bits(names))

    def let_in(self, person: "Person") -> None:
        """Who acts in a private channel is let in by itself; this is for those who look at what others did there."""
        self._overwrite(person, allow=bits(["view_channel"]))

    def shut_out(self, person: "Person") -> None:
        self._overwrite(person, deny=bits(["view_channel"]))

    def _overwrite(self, person: "Person", *, allow: int = 0, deny: int = 0) -> None:
        """A thread has none of its own."""
        assert self.guild
        place = self.parent or self
        place.overwrites.change(person.id, of_member=True, allow=allow, deny=deny)
        self.fake.gateway.tell_guild("CHANNEL_UPDATE", payloads.channel(place), self.guild)

    def keep(self, message: FakeMessage) -> None:
        """A new message; the ephemeral ones are not the channel's."""
        self.fake.messages[message.id] = message
        if not message.ephemeral:
            self.record.append(message)
            self.fake.gateway.tell_message("MESSAGE_CREATE", message)

    def remove(self, message: FakeMessage) -> None:
        message.deleted = True
        if not message.ephemeral:
            self.fake.gateway.tell_message("MESSAGE_DELETE", message)

    def delete(self) -> None:
        assert self.guild
        for thread in [channel for channel in self.guild.channels if channel.parent is self]:
            thread.delete()
        self.deleted = True
        self.guild.channels.remove(self)
        del self.fake.channels[self.id]
        event = "THREAD_DELETE" if self.is_thread else "CHANNEL_DELETE"
        self.fake.gateway.tell_guild(event, payloads.channel(self), self.guild)


class Guild:
    def __init__(
        self, fake: "FakeDiscord", name: str, *, tier: int = 0, size_limit: int | None = None, foreign: bool = False
    ) -> None:
        self.fake = fake
        self.id = fake.clock.snowflake()
        self.name = name
        self.tier = tier
        self.size_limit = SIZE_LIMITS[tier] if size_limit is None else size_limit
        self.locale = "en-US"
        #: The bot was never invited: only apps that people installed for themselves act here.
        self.foreign = foreign
        self.has_bot = not foreign
        everyone = Role(self.id, "@everyone", bits(EVERYONE))
        self.roles = {everyone.id: everyone}
        #: Who is here, and their roles.
        self.members: dict[int, set[int]] = {fake.owner.id: set()}
        #: Threads too, after their channels.
        self.channels: list[Channel] = []
        if self.has_bot:
            self.members[fake.bot.id] = {self._role("Limner", bits(INVITED), managed=True).id}
        fake.guilds[self.id] = self
        self._tell("GUILD_CREATE", payloads.guild(self))

    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def everyone(self) -> Role:
        return self.roles[self.id]

    def channel(self, name: str, *, private: bool = False, nsfw: bool = False, deny: Sequence[str] = ()) -> Channel:
        channel = Channel(self.fake, name, Kind.TEXT, guild=self, nsfw=nsfw)
        if private:
            view = bits(["view_channel"])
            channel.overwrites.change(self.id, of_member=False, deny=view)
            channel.overwrites.change(self.fake.bot.id, of_member=True, allow=view)
        if deny:
            channel.overwrites.change(self.fake.bot.id, of_member=True, deny=bits(deny))
        self.channels.append(channel)
        self._tell("CHANNEL_CREATE", payloads.channel(channel))
        return channel

    def join(self, person: "Person", **permissions: bool) -> None:
        """As a member with a role that has these permissions; a second time adds the role."""
        roles = self.members.setdefault(person.id, set())
        if wanted := Permissions(**permissions).value:
            names = [name for name, given in permissions.items() if given]
            roles.add(self._role(" and ".join(names), wanted).id)

    def permissions_of(self, person: "Person") -> int:
        """Without any channel's overwrites."""
        if person is self.fake.owner:
            return ALL
        permissions = self.everyone.permissions
        for role_id in self.members.get(person.id, ()):
            permissions |= self.roles[role_id].permissions
        return permissions

    def forbid_external_apps(self) -> None:
        """From now on what such apps answer here is seen by the asker alone."""
        self.everyone.permissions &= ~bits(["use_external_apps"])
        self._tell("GUILD_ROLE_UPDATE", {"guild_id": str(self.id), "role": payloads.role(self, self.everyone)})

    def kick_bot(self) -> None:
        self._tell("GUILD_DELETE", {"id": str(self.id)})
        self.has_bot = False
        self.members.pop(self.fake.bot.id, None)

    def _role(self, name: str, permissions: int, *, managed: bool = False) -> Role:
        for role in self.roles.values():
            if role.name == name and role.permissions == permissions:
                return role
        role = Role(self.fake.clock.snowflake(), name, permissions, managed)
        self.roles[role.id] = role
        if self.id in self.fake.guilds:
            self._tell("GUILD_ROLE_CREATE", {"guild_id": str(self.id), "role": payloads.role(self, role)})
        return role

    def _tell(self, event: str, data: Json) -> None:
        self.fake.gateway.tell_guild(event, data, self)
