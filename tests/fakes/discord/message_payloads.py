"""What Discord says of messages and interactions, in JSON."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.fakes.discord import payloads
from tests.fakes.discord.clock import iso
from tests.fakes.discord.kinds import Kind, Type
from tests.fakes.discord.messages import FakeAttachment, FakeMessage, Json, walk

if TYPE_CHECKING:
    from tests.fakes.discord.asked import Asked

#: Of a message.
DEFAULT, REPLY, SLASH_ANSWER, MENU_ANSWER = 0, 19, 20, 23
#: Of a reference to another message.
REPLIED_TO, FORWARDED = 0, 1
#: Fields of a message that is passed on.
SNAPSHOT = (
    "type",
    "content",
    "embeds",
    "components",
    "attachments",
    "mentions",
    "mention_roles",
    "flags",
    "timestamp",
    "edited_timestamp",
)
#: How bots speak of a file of the same message.
ATTACHED = "attachment://"
#: What is told of such a file then.
RESOLVED = ("id", "url", "proxy_url", "width", "height", "content_type")


def attachment(file: FakeAttachment, *, ephemeral: bool = False) -> Json:
    told: Json = {
        "id": str(file.id),
        "filename": file.filename,
        "size": len(file.data),
        "url": file.url,
        "proxy_url": file.url,
    }
    if file.content_type:
        told["content_type"] = file.content_type
    if file.description:
        told["description"] = file.description
    if file.pixels:
        told["width"], told["height"] = file.pixels
    if ephemeral:
        told["ephemeral"] = True
    return told


def numbered(components: list[Json]) -> list[Json]:
    """With the IDs that Discord gives to components that came without."""
    copies = [_copied(component) for component in components]
    taken = {part["id"] for part in walk(copies) if part.get("id")}
    free = (number for number in range(1, 1000) if number not in taken)
    for part in walk(copies):
        if not part.get("id"):
            part["id"] = next(free)
    return copies


def numbered_component(said: FakeMessage, name: str) -> Json:
    """By custom_id or label."""
    place = list(map(id, walk(said.components))).index(id(said.component(name)))
    return list(walk(numbered(said.components)))[place]


def _copied(value: Any) -> Any:
    match value:
        case dict():
            return {key: _copied(part) for key, part in value.items()}
        case list():
            return [_copied(part) for part in value]
        case _:
            return value


def message(said: FakeMessage, *, whole: bool = True, nonce: bool = False, nested: bool = False) -> Json:
    """Not `whole`: without what the bot may not read. The nonce is told to the one who posts, and then no more."""
    links = {link: attachment(one) for one in said.attachments for link in (ATTACHED + one.filename, one.url)}
    told: Json = {
        "id": str(said.id),
        "channel_id": str(said.channel.id),
        "type": _type(said),
        "author": payloads.user(said.author),
        "content": said.content if whole else "",
        "embeds": _linked(said.embeds, links) if whole else [],
        "components": _linked(numbered(said.components), links) if whole else [],
        "attachments": [attachment(one, ephemeral=said.ephemeral) for one in said.attachments] if whole else [],
        "mentions": [payloads.user(person) for person in said.mentions],
        "mention_roles": [],
        "mention_everyone": "@everyone" in said.pings or "@here" in said.pings,
        "flags": int(said.flags),
        "timestamp": iso(said.created),
        "edited_timestamp": iso(said.edited) if said.edited else None,
        "pinned": False,
        "tts": False,
    }
    if nonce and said.nonce is not None:
        told["nonce"] = said.nonce
    if said.webhook_id:
        told["webhook_id"] = str(said.webhook_id)
    if said.asked:
        told |= {
            "webhook_id": str(said.author.id),
            "application_id": str(said.author.id),
            "interaction_metadata": interaction_metadata(said.asked),
        }
    elif said.author.is_bot:
        told["application_id"] = str(said.author.id)
    if said.forwards:
        told["message_reference"] = _reference(said.forwards, FORWARDED)
        told["message_snapshots"] = [{"message": _snapshot(said.forwards)}] if whole else []
    if said.reply_to:
        told["message_reference"] = _reference(said.reply_to, REPLIED_TO)
        if not nested:
            told["referenced_message"] = referenced(said.reply_to)
    return told


def _reference(said: FakeMessage, type: int) -> Json:
    told: Json = {"type": type, "message_id": str(said.id), "channel_id": str(said.channel.id)}
    return told | ({"guild_id": str(said.channel.guild.id)} if said.channel.guild else {})


def _snapshot(said: FakeMessage) -> Json:
    """What is passed on of a message: not who wrote it."""
    told = message(said, nested=True)
    return {key: told[key] for key in SNAPSHOT}


def referenced(said: FakeMessage) -> Json | None:
    if said.deleted:
        return None
    return message(said, whole=readable(said), nested=True)


def _type(said: FakeMessage) -> int:
    if said.reply_to:
        return REPLY
    if said.asked is None or said.asked.type is not Type.COMMAND or said is not said.asked.original:
        return DEFAULT
    return {1: SLASH_ANSWER, 2: MENU_ANSWER, 3: MENU_ANSWER}.get(said.asked.data.get("type", 0), DEFAULT)


def _linked(value: Any, links: Mapping[str, Json]) -> Any:
    """What speaks of a file of the message is told where it lies."""
    match value:
        case {"url": str(url)} if url in links:
            return value | {key: links[url][key] for key in RESOLVED if key in links[url]}
        case dict():
            return {key: _linked(part, links) for key, part in value.items()}
        case list():
            return [_linked(part, links) for part in value]
        case _:
            return value


def readable(said: FakeMessage) -> bool:
    """Whether a bot without the message content intent gets to see what it says."""
    bot = said.channel.fake.bot
    return said.author is bot or bot in said.mentions or said.channel.kind is Kind.DM


def interaction_metadata(asked: "Asked") -> Json:
    told: Json = {
        "id": str(asked.id),
        "type": int(asked.type),
        "user": payloads.user(asked.person),
        "authorizing_integration_owners": asked.owners,
    }
    if asked.cause:
        told["triggering_interaction_metadata"] = interaction_metadata(asked.cause)
    elif asked.message:
        told["interacted_message_id"] = str(asked.message.id)
    return told
