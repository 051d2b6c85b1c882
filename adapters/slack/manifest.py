"""The app as Slack is told of it: commands, shortcuts, least scopes and events. Slack takes it as JSON."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from adapters.slack.words import words_for

#: Scope -> what needs it. Without one of them, something of Limner does not work.
SCOPES: Mapping[str, str] = {
    "app_mentions:read": "to hear mentions: app_mention",
    # Whether the bot is there is asked before a job is queued; each kind of conversation wants a scope of its own.
    "channels:read": "public channels: conversations.info",
    "groups:read": "private channels: conversations.info",
    "im:read": "direct messages: conversations.info",
    "mpim:read": "direct messages with several people: conversations.info",
    "chat:write": "to show and edit pictures: chat.postMessage, chat.postEphemeral, chat.update, chat.delete",
    "commands": "commands and shortcuts",
    "files:read": "to wait for an upload, and to fetch a picture that somebody wants refined: files.info",
    "files:write": "to upload pictures and delete them: files.getUploadURLExternal, files.delete",
    "im:history": "to hear direct messages: message.im",
    "im:write": "to open direct messages for what is private: conversations.open",
    "users:read": "names, languages, and who is an admin: users.info",
}
#: app_home_opened needs no scope.
EVENTS = ("app_home_opened", "app_mention", "message.im")
#: Where the web adapter takes what Slack sends.
HTTP_PATH = "/slack/events"
COMMANDS = {"/generate": "generate", "/refine": "refine", "/limner-status": "status", "/limner": "limner"}
#: Their people and channels come as IDs; prompts come as they are typed.
ESCAPED = {"/limner"}
SHORTCUTS = {"refine_image": "refine", "show_recipe": "recipe"}
ONE_CLICK = "https://api.slack.com/apps?new_app=1&manifest_json="


def manifest(http_url: str | None = None) -> dict[str, Any]:
    """For Socket Mode, or with the URL at which Slack reaches this Limner's web adapter."""
    say = words_for("en").say
    request_url = None if http_url is None else http_url.rstrip("/").removesuffix(HTTP_PATH) + HTTP_PATH
    return {
        "_metadata": {"major_version": 2},
        "display_information": {
            "name": say("app.name"),
            "description": say("app.description"),
            "long_description": say("app.long_description"),
        },
        "features": {
            "app_home": {
                "home_tab_enabled": True,
                "messages_tab_enabled": True,
                "messages_tab_read_only_enabled": False,
            },
            "bot_user": {"display_name": say("app.bot"), "always_online": True},
            "slash_commands": [_command(command, key, request_url) for command, key in COMMANDS.items()],
            "shortcuts": [
                {
                    "name": say(f"menu.{key}"),
                    "type": "message",
                    "callback_id": callback_id,
                    "description": say(f"menu.{key}.description"),
                }
                for callback_id, key in SHORTCUTS.items()
            ],
        },
        "oauth_config": {"scopes": {"bot": list(SCOPES)}},
        "settings": {
            "event_subscriptions": _reached({"bot_events": list(EVENTS)}, request_url),
            "interactivity": _reached({"is_enabled": True}, request_url),
            "org_deploy_enabled": False,
            "socket_mode_enabled": request_url is None,
            "is_hosted": False,
            "token_rotation_enabled": False,
        },
    }


def one_click(http_url: str | None = None) -> str:
    """The link that begins a new app with this manifest."""
    return ONE_CLICK + quote(json.dumps(manifest(http_url), separators=(",", ":"), ensure_ascii=False), safe="")


def _command(command: str, key: str, request_url: str | None) -> dict[str, Any]:
    words = words_for("en")
    told = {
        "command": command,
        "description": words.say(f"command.{key}"),
        "should_escape": command in ESCAPED,
    }
    if (hint := f"command.{key}.hint") in words.sentences:
        told["usage_hint"] = words.say(hint)
    return told if request_url is None else told | {"url": request_url}


def _reached(told: dict[str, Any], request_url: str | None) -> dict[str, Any]:
    return told if request_url is None else told | {"request_url": request_url}
