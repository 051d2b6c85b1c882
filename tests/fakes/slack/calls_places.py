"""The app itself, people and channels, as the Web API has them."""

from typing import TYPE_CHECKING

from tests.fakes.slack import payloads
from tests.fakes.slack.messages import Json
from tests.fakes.slack.problems import Refused
from tests.fakes.slack.requests import Methods, Request

if TYPE_CHECKING:
    from tests.fakes.slack.places import Channel
    from tests.fakes.slack.server import FakeSlack

methods = Methods()


@methods("apps.connections.open", of_app=True)
def open_connection(fake: "FakeSlack", _: Request) -> Json:
    return {"url": fake.sockets.ticket()}


@methods("auth.test")
def whose_token(fake: "FakeSlack", _: Request) -> Json:
    return {
        "url": f"https://{fake.team.domain}.slack.com/",
        "team": fake.team.name,
        "user": fake.bot.username,
        "team_id": fake.team.id,
        "user_id": fake.bot.id,
        "bot_id": fake.bot_id,
        "is_enterprise_install": fake.workspaces > 1,
    }


@methods("team.info", "team:read", verb="GET")
def get_team(fake: "FakeSlack", _: Request) -> Json:
    return {"team": {"id": fake.team.id, "name": fake.team.name, "domain": fake.team.domain}}


@methods("users.info", "users:read", verb="GET")
def get_user(fake: "FakeSlack", request: Request) -> Json:
    person = fake.people.get(request.text("user"))
    if person is None:
        raise Refused("user_not_found")
    return {"user": payloads.user(person, locale=request.flag("include_locale"))}


@methods("users.conversations", verb="GET")
def get_own_channels(fake: "FakeSlack", request: Request) -> Json:
    """Those that the bot is in; of public and private ones."""
    scopes = {"public_channel": "channels:read", "private_channel": "groups:read"}
    kinds = [one.strip() for one in str(request.args.get("types", "public_channel")).split(",")]
    for kind in kinds:
        if kind not in scopes:
            raise Refused("invalid_types", [f"the fake lists no {kind!r}"])
        fake.need_scope(scopes[kind])
    begin, limit = request.number("cursor"), request.number("limit", 100)
    found = [one for one in fake.channels.values() if one.has_bot and not one.is_im and _kind(one) in kinds]
    if request.flag("exclude_archived"):
        found = [one for one in found if not one.archived]
    end = begin + limit
    cursor = str(end) if end < len(found) else ""
    told = [payloads.channel(one) for one in found[begin:end]]
    return {"channels": told, "response_metadata": {"next_cursor": cursor}}


@methods("conversations.info", verb="GET")
def get_channel(fake: "FakeSlack", request: Request) -> Json:
    channel = _looked_at(fake, request, "read")
    told = payloads.channel(channel)
    if request.flag("include_num_members"):
        told["num_members"] = len(channel.members)
    return {"channel": told}


@methods("conversations.members", verb="GET")
def get_members(fake: "FakeSlack", request: Request) -> Json:
    members = sorted(person.id for person in _looked_at(fake, request, "read").members)
    return {"members": members, "response_metadata": {"next_cursor": ""}}


@methods("conversations.replies", verb="GET")
def get_replies(fake: "FakeSlack", request: Request) -> Json:
    channel = _looked_at(fake, request, "history")
    root = channel.find(request.text("ts"))
    if root is None or root.deleted:
        raise Refused("thread_not_found")
    limit = request.number("limit", 1000)
    told = [payloads.message(message) for message in [root, *root.replies]]
    return {"messages": told[:limit], "has_more": len(told) > limit}


@methods("conversations.join", "channels:join")
def join(fake: "FakeSlack", request: Request) -> Json:
    channel = fake.visible(request.text("channel"))
    if channel.private:
        raise Refused("method_not_supported_for_channel_type")
    if channel.archived:
        raise Refused("is_archived")
    channel.invite_bot()
    return {"channel": payloads.channel(channel)}


@methods("conversations.open")
def open_dm(fake: "FakeSlack", request: Request) -> Json:
    """Only with one person."""
    fake.need_scope("im:write")
    if request.args.get("channel"):
        return {"channel": {"id": fake.visible(request.text("channel")).id}}
    people = [one for one in request.text("users").split(",") if one]
    if len(people) != 1:
        raise Refused("not_enough_users", ["the fake opens talks with one person only"])
    if people[0] not in fake.people:
        raise Refused("user_not_found")
    channel = fake.dm(fake.people[people[0]])
    return {"channel": payloads.channel(channel) if request.flag("return_im") else {"id": channel.id}}


def _kind(channel: "Channel") -> str:
    return "private_channel" if channel.private else "public_channel"


def _looked_at(fake: "FakeSlack", request: Request, right: str) -> "Channel":
    """Which right it takes depends on the kind of channel."""
    channel = fake.visible(request.text("channel"))
    kind = "im" if channel.is_im else "groups" if channel.private else "channels"
    fake.need_scope(f"{kind}:{right}")
    return channel
