"""What a person does with commands, buttons, shortcuts and modals, as the bot is told of it."""

from collections.abc import Sequence

from tests.fakes.slack import blocks as kit
from tests.fakes.slack import payloads
from tests.fakes.slack.asked import Asked
from tests.fakes.slack.deliveries import Type
from tests.fakes.slack.forms import chosen
from tests.fakes.slack.messages import Json


def send_command(asked: Asked, text: str) -> None:
    fake, channel = asked.fake, asked.channel
    assert channel
    payload = {
        "token": fake.verification_token,
        "team_id": channel.team.id,
        "team_domain": channel.team.domain,
        "channel_id": channel.id,
        "channel_name": channel.told_name,
        "user_id": asked.person.id,
        "user_name": asked.person.username,
        "command": asked.name,
        "text": text.strip(),
        "api_app_id": fake.app_id,
        # Slack sends this one as a string over sockets, too.
        "is_enterprise_install": "false",
        "response_url": asked.response_url,
        "trigger_id": asked.trigger_id,
    }
    _send(asked, "slash_command", payload, Type.COMMAND)


def send_action(asked: Asked, blocks: Sequence[Json], name: str, value: str | Sequence[str] | None) -> None:
    block, part = kit.find(blocks, name)
    asked.name = part["action_id"]
    action: Json = {"type": part["type"], "action_id": part["action_id"], "block_id": block["block_id"]}
    action["action_ts"] = asked.fake.ids.timestamp()
    if part["type"] == "button":
        assert value is None, f"{name!r} is a button."
        action |= {key: part[key] for key in ("text", "value", "style", "confirm", "url") if key in part}
    else:
        action |= chosen(part, value)
    where = _message_place(asked) if asked.message else _view_place(asked)
    state = payloads.state(list(blocks))
    payload = _base(asked, "block_actions") | where | {"state": state, "actions": [action]}
    _send(asked, "block_actions", payload)


def _message_place(asked: Asked) -> Json:
    message, channel = asked.message, asked.channel
    assert message
    assert channel
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": channel.id,
        "is_ephemeral": message.ephemeral,
    }
    container |= {"thread_ts": message.thread_ts} if message.thread_ts else {}
    told: Json = {
        "container": container,
        "channel": payloads.place(channel),
        "response_url": asked.response_url,
        "trigger_id": asked.trigger_id,
    }
    # Slack does not tell what stands in messages that only one person sees.
    return told if message.ephemeral else told | {"message": payloads.message(message)}


def _view_place(asked: Asked) -> Json:
    assert asked.source
    container = {"type": "view", "view_id": asked.source.id}
    return {"container": container, "view": asked.source.payload, "trigger_id": asked.trigger_id}


def send_shortcut(asked: Asked) -> None:
    assert asked.message
    assert asked.channel
    payload = _base(asked, "message_action") | {
        "user": {"id": asked.person.id, "name": asked.person.username, "team_id": asked.person.team.id},
        "callback_id": asked.name,
        "trigger_id": asked.trigger_id,
        "response_url": asked.response_url,
        "action_ts": asked.fake.ids.timestamp(),
        "message_ts": asked.message.ts,
        "message": payloads.message(asked.message),
        "channel": payloads.place(asked.channel),
    }
    del payload["api_app_id"]
    _send(asked, "message_shortcut", payload)


def send_submission(asked: Asked) -> None:
    assert asked.source
    told = {"trigger_id": asked.trigger_id, "view": asked.source.payload}
    _send(asked, "view_submission", _base(asked, "view_submission") | told)


def send_closing(asked: Asked) -> None:
    assert asked.source
    _send(asked, "view_submission", _base(asked, "view_closed") | {"view": asked.source.payload, "is_cleared": False})


def _base(asked: Asked, type: str) -> Json:
    team = asked.channel.team if asked.channel else asked.person.team
    return {
        "type": type,
        "user": payloads.actor(asked.person),
        "api_app_id": asked.fake.app_id,
        "token": asked.fake.verification_token,
        "enterprise": None,
        "is_enterprise_install": False,
        "team": payloads.team(team),
    }


def _send(asked: Asked, sample: str, payload: Json, type: Type = Type.INTERACTIVE) -> None:
    manifest = asked.fake.manifest
    assert type is Type.COMMAND or manifest.interactive, "The manifest does not switch interactivity on."
    asked.fake.check_payload(sample, payload)
    asked.fake.deliveries.send(type, payload, asked)
