"""A small bot on the real slack-bolt, which shows that the fake Slack is one that slack-bolt can live with.

Called as a program it runs over a socket until it is killed: python -m tests.fakes.slack.probe API_URL TOKEN APP_TOKEN
"""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from tests.fakes.slack.messages import Json
from tests.fakes.slack.server import FakeSlack

#: Seconds between pings of a socket. Half of it must be enough for an answer.
PING = 1.0

MANIFEST: Json = {
    "_metadata": {"major_version": 2},
    "display_information": {"name": "Probe", "description": "Does one of each"},
    "features": {
        "app_home": {
            "home_tab_enabled": True,
            "messages_tab_enabled": True,
            "messages_tab_read_only_enabled": False,
        },
        "bot_user": {"display_name": "probe", "always_online": True},
        "slash_commands": [
            {"command": "/generate", "description": "Paint", "usage_hint": "a cat", "should_escape": False},
            {"command": "/silent", "description": "Say nothing", "should_escape": False},
        ],
        "shortcuts": [
            {"name": "Refine image", "type": "message", "callback_id": "refine_image", "description": "Paint again"}
        ],
    },
    "oauth_config": {
        "scopes": {
            "bot": [
                "app_mentions:read",
                "channels:read",
                "chat:write",
                "commands",
                "files:read",
                "files:write",
                "groups:read",
                "im:history",
                "im:write",
                "users:read",
            ]
        }
    },
    "settings": {
        "event_subscriptions": {"bot_events": ["app_home_opened", "app_mention", "message.im"]},
        "interactivity": {"is_enabled": True},
        "org_deploy_enabled": False,
        "socket_mode_enabled": True,
        "is_hosted": False,
        "token_rotation_enabled": False,
    },
}


def plain(text: str) -> Json:
    return {"type": "plain_text", "text": text}


def button(label: str, action_id: str, value: str = "img1") -> Json:
    return {"type": "button", "text": plain(label), "action_id": action_id, "value": value}


def section(text: str) -> Json:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def actions(*buttons: Json) -> Json:
    return {"type": "actions", "elements": list(buttons)}


def image(file_id: str, alt_text: str = "A cat") -> Json:
    return {"type": "image", "slack_file": {"id": file_id}, "alt_text": alt_text}


def modal(*more: Json, title: str = "Refine") -> Json:
    prompt = {"type": "plain_text_input", "action_id": "text", "initial_value": "a cat", "max_length": 100}
    field = {"type": "input", "block_id": "prompt", "label": plain("Prompt"), "element": prompt}
    blocks = [field, *more]
    form = {"type": "modal", "callback_id": "refine", "title": plain(title), "submit": plain("Paint"), "blocks": blocks}
    return form | {"private_metadata": "img1", "notify_on_close": True}


STYLE: Json = {
    "type": "input",
    "block_id": "style",
    "optional": True,
    "label": plain("Style"),
    "element": {
        "type": "static_select",
        "action_id": "style",
        "options": [{"text": plain(name), "value": name.lower()} for name in ("Ink", "Oil")],
    },
}


class Probe:
    """Does one of each; what it hears of it keeps."""

    def __init__(self, api_url: str, token: str, signing_secret: str | None = None) -> None:
        self.client = AsyncWebClient(token, api_url, retry_handlers=[AsyncRateLimitErrorRetryHandler(3)])
        self.app = AsyncApp(client=self.client, signing_secret=signing_secret, logger=_quiet())
        self.heard: list[Json] = []
        self.retries: list[str | None] = []
        self._listen()

    def _listen(self) -> None:
        app = self.app
        app.command("/generate")(self.generate)
        app.command("/silent")(self.be_silent)
        app.action("refine")(self.open_modal)
        app.action("keep")(self.replace)
        app.shortcut("refine_image")(self.open_modal)
        app.view("refine")(self.take_view)
        app.view_closed("refine")(self.hear)
        app.event("app_mention")(self.answer)
        app.event("message")(self.hear)
        app.event("app_home_opened")(self.show_home)

    async def generate(self, ack: Any, respond: Any, say: Any, command: Json) -> None:
        await ack("Painting …")
        await respond(f"{command['text']} for {command['user_name']} in {command['channel_name']}")
        await say(text=command["text"], blocks=[section(command["text"]), actions(button("Refine", "refine"))])

    async def be_silent(self) -> None: ...

    async def open_modal(self, ack: Any, client: AsyncWebClient, body: Json) -> None:
        await ack()
        self.heard.append(body)
        await client.views_open(trigger_id=body["trigger_id"], view=modal(STYLE))

    async def replace(self, ack: Any, respond: Any) -> None:
        await ack()
        await respond("kept", replace_original=True)

    async def take_view(self, ack: Any, body: Json, view: Json) -> None:
        self.heard.append(body)
        prompt: str = view["state"]["values"]["prompt"]["text"]["value"]
        match prompt.split():
            case ["wrong", *_]:
                await ack(response_action="errors", errors={"prompt": "Not that."})
            case ["more", *_]:
                await ack(response_action="update", view=modal(title="More"))
            case ["deeper", *_]:
                await ack(response_action="push", view=modal(title="Deeper"))
            case ["enough", *_]:
                await ack(response_action="clear")
            case _:
                await ack()

    async def answer(self, event: Json, say: Any, request: Any) -> None:
        self.heard.append(event)
        self.retries.append(next(iter(request.headers.get("x-slack-retry-num", [])), None))
        await say(text="Here you are.", thread_ts=event.get("thread_ts") or event["ts"])

    async def hear(self, ack: Any, body: Json) -> None:
        await ack()
        self.heard.append(body.get("event", body))

    async def show_home(self, event: Json, client: AsyncWebClient) -> None:
        self.heard.append(event)
        view = {"type": "home", "blocks": [section("Your images"), actions(button("Refine", "refine"))]}
        await client.views_publish(user_id=event["user"], view=view)


@asynccontextmanager
async def over_socket(fake: FakeSlack) -> AsyncIterator[Probe]:
    """Connected within the block."""
    probe = Probe(fake.api_url, fake.bot_token)
    handler = AsyncSocketModeHandler(probe.app, fake.app_token, ping_interval=PING)
    await handler.connect_async()  # type: ignore[no-untyped-call]
    try:
        await fake.connected()
        yield probe
    finally:
        await close(handler)


async def close(handler: AsyncSocketModeHandler) -> None:
    """Waits for what the handler only cancels."""
    client = handler.client
    tasks = [client.message_processor, client.message_receiver, client.current_session_monitor]
    await handler.close_async()  # type: ignore[no-untyped-call]
    await asyncio.gather(*[task for task in tasks if task], return_exceptions=True)


@asynccontextmanager
async def over_http(fake: FakeSlack) -> AsyncIterator[Probe]:
    """Listening at a URL of its own within the block."""
    probe = Probe(fake.api_url, fake.bot_token, fake.signing_secret)

    async def serve(http: web.Request) -> web.Response:
        return await to_aiohttp_response(await probe.app.async_dispatch(await to_bolt_request(http)))

    app = web.Application()
    app.router.add_post("/slack/events", serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    fake.http_events_url = f"http://127.0.0.1:{runner.addresses[0][1]}/slack/events"
    try:
        yield probe
    finally:
        await runner.cleanup()


async def upload(client: AsyncWebClient, data: bytes, name: str = "cat.png", **more: Any) -> str:
    """The ID of a file that was uploaded; with a channel_id it is shared there."""
    begun = await client.files_getUploadURLExternal(filename=name, length=len(data), alt_txt="A cat")
    async with aiohttp.ClientSession() as session, session.post(begun["upload_url"], data=data) as response:
        assert response.status == 200
    file_id: str = begun["file_id"]
    await client.files_completeUploadExternal(files=[{"id": file_id, "title": "Cat"}], **more)
    return file_id


def _quiet() -> logging.Logger:
    logger = logging.getLogger("probe")
    logger.setLevel(logging.CRITICAL)
    return logger


async def _run(api_url: str, token: str, app_token: str) -> None:
    handler = AsyncSocketModeHandler(Probe(api_url, token).app, app_token)
    await handler.start_async()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    asyncio.run(_run(*sys.argv[1:]))
