"""People, places, files and messages as Slack tells of them."""

from typing import TYPE_CHECKING

from tests.fakes.slack import blocks as kit
from tests.fakes.slack.messages import FakeMessage, Json

if TYPE_CHECKING:
    from tests.fakes.slack.files import FakeFile
    from tests.fakes.slack.people import Person
    from tests.fakes.slack.places import Channel, Team
    from tests.fakes.slack.server import FakeSlack


def user(person: "Person", *, locale: bool = False) -> Json:
    """As users.info has it."""
    told: Json = {
        "id": person.id,
        "team_id": person.team.id,
        "name": person.username,
        "deleted": False,
        "real_name": person.name,
        "tz": "Europe/Berlin",
        "tz_label": "Central European Time",
        "tz_offset": 3600,
        "profile": {"real_name": person.name, "display_name": person.name, "team": person.team.id},
        "is_admin": person.admin or person.owner,
        "is_owner": person.owner,
        "is_primary_owner": False,
        "is_restricted": False,
        "is_ultra_restricted": False,
        "is_bot": person.is_bot,
        "is_app_user": False,
        "updated": int(person.fake.clock.now()),
    }
    return told | ({"locale": person.locale} if locale else {})


def actor(person: "Person") -> Json:
    """As interactions have it."""
    return {"id": person.id, "username": person.username, "name": person.username, "team_id": person.team.id}


def team(team: "Team") -> Json:
    return {"id": team.id, "domain": team.domain}


def channel(channel: "Channel") -> Json:
    """As conversations.info has it."""
    told: Json = {"id": channel.id, "created": int(channel.created), "is_archived": channel.archived}
    if channel.is_im:
        return told | {"is_im": True, "is_org_shared": False, "user": channel.between[0].id}
    return told | {
        "name": channel.name,
        "name_normalized": channel.name,
        "is_channel": True,
        "is_group": False,
        "is_im": False,
        "is_mpim": False,
        "is_private": channel.private,
        "is_general": False,
        "is_shared": False,
        "is_ext_shared": False,
        "is_org_shared": False,
        "is_member": channel.has_bot,
        "creator": channel.fake.owner.id,
        "context_team_id": channel.team.id,
    }


def place(channel: "Channel") -> Json:
    """As interactions have it."""
    return {"id": channel.id, "name": channel.told_name}


def file(file: "FakeFile") -> Json:
    """Before it is processed, Slack knows little of it."""
    done = file.processed
    url = file.fake.url + file.path
    told: Json = {
        "id": file.id,
        "created": int(file.created),
        "timestamp": int(file.created),
        "name": file.name,
        "title": file.title,
        "mimetype": file.mimetype if done else "",
        "filetype": file.mimetype.rsplit("/", 1)[-1].replace("jpeg", "jpg") if done else "",
        "pretty_type": file.mimetype.rsplit("/", 1)[-1].upper() if done else "",
        "user": file.user.id,
        "user_team": file.user.team.id,
        "editable": False,
        "size": file.length,
        "mode": "hosted",
        "is_external": False,
        "external_type": "",
        "is_public": any(not channel.private for channel, _ in file.shares),
        "public_url_shared": False,
        "display_as_bot": False,
        "username": "",
        "url_private": url,
        "url_private_download": url,
        "media_display_type": "unknown",
        "permalink": file.permalink,
        "permalink_public": f"https://slack-files.com/{file.fake.team.id}-{file.id}-0",
        "has_rich_preview": False,
        "file_access": "visible",
    }
    if file.alt_txt:
        told["alt_txt"] = file.alt_txt
    if done and (pixels := file.pixels):
        told["original_w"], told["original_h"] = pixels
    return told


def shares(file: "FakeFile") -> Json:
    """Where it is shared, as files.info tells it besides."""
    told: Json = {}
    for message in file.messages if file.processed else ():
        if message.deleted:
            continue
        kind = "private" if message.channel.private else "public"
        entry = {
            "ts": message.ts,
            "channel_name": message.channel.name,
            "team_id": message.channel.team.id,
            "share_user_id": message.user.id,
            "reply_users": [],
            "reply_users_count": 0,
            "reply_count": 0,
            "source": "UNKNOWN",
        }
        entry |= {"thread_ts": message.thread_ts} if message.thread_ts else {}
        told.setdefault(kind, {}).setdefault(message.channel.id, []).append(entry)
    places = list(dict.fromkeys(channel for channel, _ in file.shares)) if file.processed else []
    return {
        "shares": told,
        "channels": [one.id for one in places if not one.private],
        "groups": [one.id for one in places if one.private and not one.is_im],
        "ims": [one.id for one in places if one.is_im],
    }


def profile(fake: "FakeSlack") -> Json:
    """The bot's."""
    return {
        "id": fake.bot_id,
        "deleted": False,
        "name": fake.bot.name,
        "updated": int(fake.bot.created),
        "app_id": fake.app_id,
        "icons": {"image_36": "", "image_48": "", "image_72": ""},
        "team_id": fake.team.id,
    }


def message(message: FakeMessage) -> Json:
    fake = message.channel.fake
    told: Json = {
        "type": "message",
        "user": message.user.id,
        "text": message.text,
        "ts": message.ts,
        "team": message.user.team.id,
    }
    if message.subtype:
        told["subtype"] = message.subtype
    if message.user is fake.bot:
        told |= {"bot_id": fake.bot_id, "app_id": fake.app_id, "bot_profile": profile(fake)}
    else:
        told["client_msg_id"] = f"00000000-0000-0000-0000-{message.ts.replace('.', '')[-12:]}"
    if message.contents.blocks:
        told["blocks"] = message.blocks
    if message.contents.attachments:
        told["attachments"] = list(message.contents.attachments)
    if message.contents.metadata:
        told["metadata"] = message.contents.metadata
    if message.contents.shared:
        told["files"] = [file(one) for one in message.contents.shared]
        told["upload"] = message.subtype == "file_share"
    if message.edited:
        told["edited"] = {"user": message.user.id, "ts": f"{message.edited:.6f}"}
    return told | _thread(message)


def _thread(message: FakeMessage) -> Json:
    if message.thread_ts:
        root = message.channel.find(message.thread_ts)
        told = {"thread_ts": message.thread_ts}
        return told | ({"parent_user_id": root.user.id} if root else {})
    if replies := message.replies:
        people = list(dict.fromkeys(reply.user.id for reply in replies))
        return {
            "thread_ts": message.ts,
            "reply_count": len(replies),
            "reply_users": people,
            "reply_users_count": len(people),
            "latest_reply": replies[-1].ts,
        }
    return {}


def state(blocks: list[Json]) -> Json:
    """What stands in the elements of blocks before anybody touched them."""
    values: Json = {}
    for block in blocks:
        for part in kit.walk([block]):
            if part.get("type") in kit.STATEFUL:
                values.setdefault(block["block_id"], {})[part["action_id"]] = untouched(part)
    return {"values": values}


def untouched(part: Json) -> Json:
    kind: str = part["type"]
    if kind in kit.INPUTS:
        return {"type": kind, "value": part.get("initial_value")}
    if kind in ("checkboxes", "multi_static_select", "multi_external_select"):
        return {"type": kind, "selected_options": part.get("initial_options") or []}
    if kind in ("radio_buttons", "static_select", "external_select"):
        return {"type": kind, "selected_option": part.get("initial_option")}
    if kind == "file_input":
        return {"type": kind, "files": []}
    what = kind.removeprefix("multi_").removesuffix("_select").removesuffix("picker").rstrip("s")
    if kind.startswith("multi_"):
        return {"type": kind, f"selected_{what}s": part.get(f"initial_{what}s") or []}
    return {"type": kind, f"selected_{what}": part.get(f"initial_{what}")}
