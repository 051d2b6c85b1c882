"""Channels and their messages."""

from typing import TYPE_CHECKING, Any

from tests.fakes.discord import message_payloads, payloads
from tests.fakes.discord.kinds import Kind
from tests.fakes.discord.messages import FakeMessage
from tests.fakes.discord.posting import edit, post
from tests.fakes.discord.problems import Problem, Refused
from tests.fakes.discord.requests import Request, Routes

if TYPE_CHECKING:
    from tests.fakes.discord.places import Channel
    from tests.fakes.discord.server import FakeDiscord

#: Seconds for which a nonce is remembered.
NONCE_MEMORY = 5 * 60
LONGEST_NONCE = 25
#: Seconds after which a message counts as old, and edits of an old one that pass within as many seconds.
OLD, MOST_EDITS_WHEN_OLD = 3600, 3
MESSAGES, MESSAGE = "/channels/{channel_id}/messages", "/channels/{channel_id}/messages/{message_id}"

routes = Routes()


def channel_of(fake: "FakeDiscord", request: Request) -> "Channel":
    channel = fake.channels.get(request.place("channel_id"))
    if channel is None:
        raise Refused(Problem.UNKNOWN_CHANNEL)
    if not channel.has_bot or channel.lacks_bot or not channel.may(fake.bot, "view_channel"):
        raise Refused(Problem.MISSING_ACCESS)
    return channel


def message_of(fake: "FakeDiscord", request: Request) -> FakeMessage:
    channel = channel_of(fake, request)
    message = fake.messages.get(request.place("message_id"))
    if message is None or message.deleted or message.ephemeral or message.channel is not channel:
        raise Refused(Problem.UNKNOWN_MESSAGE)
    return message


def need(channel: "Channel", *names: str) -> None:
    if not channel.may(channel.fake.bot, *names):
        raise Refused(Problem.MISSING_PERMISSIONS)


@routes("GET", "/channels/{channel_id}")
def get_channel(fake: "FakeDiscord", request: Request) -> Any:
    return payloads.channel(channel_of(fake, request))


@routes("POST", "/channels/{channel_id}/typing")
def type_along(fake: "FakeDiscord", request: Request) -> None:
    _need_to_send(channel_of(fake, request))


@routes("POST", MESSAGES)
def create_message(fake: "FakeDiscord", request: Request) -> Any:
    channel, form = channel_of(fake, request), request.form
    _need_to_send(channel)
    _need_for(channel, request)
    if (message := _same_nonce(fake, form)) is None:
        message = post(channel, form, request.files, reply_to=_replied_to(fake, channel, form))
        if message.nonce is not None:
            fake.nonces[message.nonce] = message
    return message_payloads.message(message, nonce=True)


def _need_to_send(channel: "Channel") -> None:
    if channel.kind is Kind.DM and any(person.closes_dms for person in channel.people):
        raise Refused(Problem.CLOSED_DMS)
    need(channel, "send_messages_in_threads" if channel.is_thread else "send_messages")


def _need_for(channel: "Channel", request: Request) -> None:
    if request.files:
        need(channel, "attach_files")
    if request.form.get("embeds"):
        need(channel, "embed_links")


def _same_nonce(fake: "FakeDiscord", form: Any) -> FakeMessage | None:
    nonce = form.get("nonce")
    if nonce is None:
        return None
    if len(str(nonce)) > LONGEST_NONCE:
        raise Refused(Problem.INVALID_FORM, [f"the nonce {nonce!r} is longer than {LONGEST_NONCE} characters"])
    message = fake.nonces.get(str(nonce))
    if message is None or not form.get("enforce_nonce") or message.deleted:
        return None
    return message if fake.clock.now() - message.created < NONCE_MEMORY else None


def _replied_to(fake: "FakeDiscord", channel: "Channel", form: Any) -> FakeMessage | None:
    reference = form.get("message_reference")
    if reference is None:
        return None
    if not channel.may(fake.bot, "read_message_history"):
        raise Refused(Problem.NO_HISTORY_TO_REPLY)
    message = fake.messages.get(int(reference["message_id"]))
    if message and not message.deleted and not message.ephemeral and message.channel is channel:
        return message
    if reference.get("fail_if_not_exists") is not False:
        # In a bot's life messages go away; this breaks no rule.
        raise Refused(Problem.INVALID_FORM)
    return None


@routes("GET", MESSAGES)
def get_messages(fake: "FakeDiscord", request: Request) -> Any:
    channel = channel_of(fake, request)
    if not channel.may(fake.bot, "read_message_history"):
        return []
    limit, messages = int(request.query.get("limit", 50)), channel.messages
    if "after" in request.query:
        newer = [one for one in messages if one.id > int(request.query["after"])]
        return [_seen(one) for one in reversed(newer[:limit])]
    if "around" in request.query:
        middle = int(request.query["around"])
        near = sorted(messages, key=lambda one: abs(one.id - middle))[:limit]
        return [_seen(one) for one in sorted(near, key=lambda one: -one.id)]
    before = int(request.query.get("before", 2**63))
    return [_seen(one) for one in [one for one in messages if one.id < before][::-1][:limit]]


def _seen(message: FakeMessage) -> Any:
    return message_payloads.message(message, whole=message_payloads.readable(message))


@routes("GET", MESSAGE)
def get_message(fake: "FakeDiscord", request: Request) -> Any:
    message = message_of(fake, request)
    need(message.channel, "read_message_history")
    return _seen(message)


@routes("PATCH", MESSAGE)
def edit_message(fake: "FakeDiscord", request: Request) -> Any:
    message = message_of(fake, request)
    if message.author is not fake.bot:
        raise Refused(Problem.NOT_THE_AUTHOR)
    _need_for(message.channel, request)
    now = fake.clock.now()
    if now - message.created > OLD:
        recent = [moment for moment, _, _ in message.history[1:] if now - moment < OLD < moment - message.created]
        if len(recent) >= MOST_EDITS_WHEN_OLD:
            raise Refused(Problem.OLD_MESSAGE_EDITED)
    edit(message, request.form, request.files)
    return message_payloads.message(message)


@routes("DELETE", MESSAGE)
def delete_message(fake: "FakeDiscord", request: Request) -> None:
    message = message_of(fake, request)
    if message.author is not fake.bot:
        need(message.channel, "manage_messages")
    message.channel.remove(message)
