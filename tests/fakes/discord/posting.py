"""Makes messages of what the bot sends, and edits them."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from tests.fakes.discord.asked import Asked
from tests.fakes.discord.messages import NO_FLAGS, Contents, FakeAttachment, FakeMessage, Flags, Json, Upload
from tests.fakes.discord.people import MENTION, Person
from tests.fakes.discord.problems import Problem, Refused
from tests.fakes.discord.rules import message_breaches

if TYPE_CHECKING:
    from tests.fakes.discord.places import Channel

ROLE_MENTION = re.compile(r"<@&(\d+)>")
#: That a bot may set.
SETTABLE = Flags.SUPPRESS_EMBEDS | Flags.SUPPRESS_NOTIFICATIONS | Flags.IS_COMPONENTS_V2
KEPT_IN_EDITS = ~(Flags.SUPPRESS_EMBEDS | Flags.LOADING)


def post(
    channel: "Channel",
    form: Json,
    files: dict[int, Upload],
    *,
    asked: Asked | None = None,
    reply_to: FakeMessage | None = None,
    original: bool = False,
    private: bool = False,
) -> FakeMessage:
    """A new message of the bot.

    `original`: the first answer to the interaction. `private`: ephemeral, even where the form does not say so.
    """
    allowed = SETTABLE | Flags.EPHEMERAL if asked else SETTABLE
    contents = _composed(channel, Contents(flags=_flags(form, allowed)), form, files)
    if private:
        contents = replace(contents, flags=contents.flags | Flags.EPHEMERAL)
    fake = channel.fake
    message = FakeMessage(
        id=fake.clock.snowflake(),
        channel=channel,
        author=fake.bot,
        contents=contents,
        created=fake.clock.now(),
        nonce=str(form["nonce"]) if form.get("nonce") is not None else None,
        reply_to=reply_to,
        asked=asked,
    )
    _ring(message, form)
    if asked and original:
        asked.original = message
    channel.keep(message)
    return message


def think(asked: Asked, *, private: bool) -> FakeMessage:
    """The message that stands there until the promised answer comes."""
    fake, flags = asked.fake, Flags.LOADING | (Flags.EPHEMERAL if private else NO_FLAGS)
    asked.original = FakeMessage(
        id=fake.clock.snowflake(),
        channel=asked.channel,
        author=fake.bot,
        contents=Contents(flags=flags),
        created=fake.clock.now(),
        asked=asked,
    )
    asked.channel.keep(asked.original)
    return asked.original


def edit(message: FakeMessage, form: Json, files: dict[int, Upload]) -> None:
    flags = message.flags & KEPT_IN_EDITS | _flags(form, SETTABLE | Flags.EPHEMERAL) & ~Flags.EPHEMERAL
    before = replace(message.contents, flags=flags)
    contents = _composed(message.channel, before, form, files)
    message.rewrite(contents, message.channel.fake.clock.now())
    _ring(message, form)
    if not message.ephemeral:
        message.channel.fake.gateway.tell_message("MESSAGE_UPDATE", message)


def check_sizes(channel: "Channel", files: Iterable[Upload]) -> None:
    if any(len(file.data) > channel.size_limit for file in files):
        raise Refused(Problem.REQUEST_TOO_LARGE)


def _flags(form: Json, allowed: Flags) -> Flags:
    flags = Flags(form.get("flags") or 0)
    if foreign := flags & ~allowed:
        raise Refused(Problem.INVALID_FORM, [f"flags {foreign!r} cannot be set here"])
    return flags


def _composed(channel: "Channel", before: Contents, form: Json, files: dict[int, Upload]) -> Contents:
    """Fields that the form does not have stay as they are."""
    check_sizes(channel, files.values())
    contents = replace(
        before,
        content=before.content if "content" not in form else form["content"] or "",
        embeds=before.embeds if "embeds" not in form else form["embeds"] or [],
        components=before.components if "components" not in form else form["components"] or [],
        attachments=_attachments(channel, before, form, files),
    )
    if contents.empty:
        raise Refused(Problem.EMPTY_MESSAGE, ["the message is empty"])
    if breaches := list(message_breaches(contents)):
        raise Refused(Problem.INVALID_FORM, breaches)
    return contents


def _attachments(channel: "Channel", before: Contents, form: Json, files: dict[int, Upload]) -> list[FakeAttachment]:
    """Only those stay that are listed, unless there is no list; every new file is listed."""
    there = {one.id: one for one in before.attachments}
    listed = form.get("attachments")
    if listed is None and "attachments" in form:
        listed = []
    if listed is None:
        listed = [{"id": attachment_id} for attachment_id in there]
    entries = {int(entry["id"]): entry for entry in listed}
    if strangers := entries.keys() - files.keys() - there.keys():
        raise Refused(Problem.INVALID_FORM, [f"attachments lists {sorted(strangers)}, which are nowhere"])
    if forgotten := files.keys() - entries.keys():
        raise Refused(Problem.INVALID_FORM, [f"attachments does not list the files {sorted(forgotten)}"])
    return [
        _new(channel, files[key], entry) if key in files else _kept(there[key], entry) for key, entry in entries.items()
    ]


def _new(channel: "Channel", file: Upload, entry: Json) -> FakeAttachment:
    name = entry.get("filename") or file.name
    upload = Upload(name, FakeAttachment.content_type_of(name) or "", file.data)
    return channel.fake.cdn.keep(upload, channel.id, entry.get("description"))


def _kept(attachment: FakeAttachment, entry: Json) -> FakeAttachment:
    return replace(attachment, description=entry.get("description", attachment.description))


def _ring(message: FakeMessage, form: Json) -> None:
    """Notes whom the message rings for. Edits ring for nobody at Discord; here they count, to be on the safe side."""
    if "allowed_mentions" in form:
        message.allowed_mentions = form["allowed_mentions"]
    allowed = message.allowed_mentions
    people = _people(message, allowed)
    message.mentions = people
    names = [person.name for person in people] + _crowds(message, allowed)
    message.pings = list(dict.fromkeys([*message.pings, *names]))


def _people(message: FakeMessage, allowed: Json | None) -> list[Person]:
    known = message.channel.fake.people
    found = [known[int(key)] for key in MENTION.findall(message.text) if int(key) in known]
    if allowed is not None and "users" not in (allowed.get("parse") or ()):
        named = {str(key) for key in allowed.get("users") or ()}
        found = [person for person in found if str(person.id) in named]
    # Without a word on it, a reply rings.
    if message.reply_to and (allowed is None or allowed.get("replied_user")):
        found.append(message.reply_to.author)
    return list(dict.fromkeys(found))


def _crowds(message: FakeMessage, allowed: Json | None) -> list[str]:
    parse = ["everyone", "roles"] if allowed is None else allowed.get("parse") or ()
    names = [name for name in ("@everyone", "@here") if name in message.text and "everyone" in parse]
    roles = message.channel.guild.roles if message.channel.guild else {}
    named = {str(key) for key in (allowed or {}).get("roles") or ()}
    keys = [key for key in ROLE_MENTION.findall(message.text) if "roles" in parse or key in named]
    return names + [f"@{roles[int(key)].name}" for key in keys if int(key) in roles]
