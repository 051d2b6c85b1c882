"""Messages, as the Web API has them."""

from typing import TYPE_CHECKING

from tests.fakes.slack import payloads, posting
from tests.fakes.slack.messages import FakeMessage, Json
from tests.fakes.slack.problems import Refused
from tests.fakes.slack.requests import Methods, Request

if TYPE_CHECKING:
    from tests.fakes.slack.server import FakeSlack

methods = Methods()


@methods("chat.postMessage", "chat:write")
def post_message(fake: "FakeSlack", request: Request) -> Json:
    channel = fake.place_to_post(request.text("channel"))
    message = posting.post(channel, request.args, thread_ts=request.args.get("thread_ts"))
    return {"channel": channel.id, "ts": message.ts, "message": payloads.message(message)}


@methods("chat.postEphemeral", "chat:write")
def post_ephemeral(fake: "FakeSlack", request: Request) -> Json:
    channel = fake.place_to_post(request.text("channel"), must_be_in=True)
    person = fake.people.get(request.text("user"))
    if person is None or person not in channel.members:
        raise Refused("user_not_in_channel")
    thread_ts = request.args.get("thread_ts")
    message = posting.post(channel, request.args, thread_ts=thread_ts, ephemeral_to=person)
    return {"message_ts": message.ts}


@methods("chat.update", "chat:write")
def update(fake: "FakeSlack", request: Request) -> Json:
    message = _own(fake, request, "ts", "cant_update_message")
    if message.channel.archived:
        raise Refused("is_inactive")
    posting.edit(message, request.args)
    told = payloads.message(message)
    # Slack does not say it twice.
    ts = told.pop("ts")
    return {"channel": message.channel.id, "ts": ts, "text": message.text, "message": told}


@methods("chat.delete", "chat:write")
def delete(fake: "FakeSlack", request: Request) -> Json:
    message = _own(fake, request, "ts", "cant_delete_message")
    message.channel.remove(message)
    return {"channel": message.channel.id, "ts": message.ts}


@methods("chat.getPermalink", verb="GET")
def get_permalink(fake: "FakeSlack", request: Request) -> Json:
    message = _there(fake, request, "message_ts")
    thread = f"?thread_ts={message.thread_ts}&cid={message.channel.id}" if message.thread_ts else ""
    place = f"https://{message.channel.team.domain}.slack.com/archives/{message.channel.id}"
    return {"channel": message.channel.id, "permalink": f"{place}/p{message.ts.replace('.', '')}{thread}"}


@methods("reactions.add", "reactions:write")
def add_reaction(fake: "FakeSlack", request: Request) -> Json:
    message = _there(fake, request, "timestamp")
    key = (message.ts, request.text("name"))
    if key in fake.reactions:
        raise Refused("already_reacted")
    fake.reactions.append(key)
    return {}


@methods("assistant.threads.setStatus", "chat:write")
def set_status(fake: "FakeSlack", request: Request) -> Json:
    channel = fake.place_to_post(request.text("channel_id"))
    if channel.find(request.text("thread_ts")) is None:
        raise Refused("invalid_thread_ts")
    fake.statuses[channel.id, request.args["thread_ts"]] = request.args.get("status", "")
    return {}


def _there(fake: "FakeSlack", request: Request, name: str) -> FakeMessage:
    channel = fake.visible(request.text("channel"))
    message = channel.find(request.text(name))
    if message is None or message.deleted:
        raise Refused("message_not_found")
    return message


def _own(fake: "FakeSlack", request: Request, name: str, refusal: str) -> FakeMessage:
    message = _there(fake, request, name)
    if message.user is not fake.bot or not message.channel.has_bot:
        raise Refused(refusal)
    return message
