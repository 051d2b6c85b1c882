"""The connection to Slack: hears what people do, acknowledges it at once, and hands it on."""

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.delivery import Tempo
from adapters.chat.memory import Seen
from adapters.chat.mishaps import Mishap
from adapters.slack.admin import Admin
from adapters.slack.delivery import deliveries
from adapters.slack.desk import Ask, Desk
from adapters.slack.home import Home
from adapters.slack.mishaps import OURS, code_of
from adapters.slack.people import People
from adapters.slack.pictures import is_picture
from adapters.slack.presses import Presses
from adapters.slack.takedown import Takedown
from bot.errors import CannotStart
from bot.service import Service

BUTTON = re.compile(r"limner:(?P<action>[a-z_]+)(?::[0-9]+)?")
#: Tries after Slack said "too many".
RATE_LIMIT_TRIES = 5
#: Subtypes of messages in which somebody speaks.
SPOKEN = (None, "file_share")

Body = Mapping[str, Any]
Listener = Callable[[Ask, Body], Awaitable[None]]

log = structlog.get_logger(__name__)


class LimnerApp:
    def __init__(
        self,
        service: Service,
        client: AsyncWebClient,
        *,
        admins: Collection[str] = (),
        signing_secret: str | None = None,
        clock: Callable[[], float] = time.time,
        tempo: Tempo | None = None,
    ) -> None:
        self._service = service
        self._client = client
        self.deliveries = deliveries(client, service, clock, tempo or Tempo())
        people = People(client, admins)
        self.desk = Desk(client, service, self.deliveries, people)
        self._home = Home(client, service, people)
        self._admin = Admin(client, service, self.desk)
        self._presses = Presses(service, self.desk, Takedown(client, service))
        self._seen = Seen()
        self._work: set[asyncio.Task[None]] = set()
        self.bolt = AsyncApp(client=client, signing_secret=signing_secret, logger=_quiet())
        self._listen()

    def _listen(self) -> None:
        bolt = self.bolt
        bolt.command("/generate")(self._command(lambda ask, body: self.desk.generate(ask, body.get("text", ""))))
        bolt.command("/refine")(self._command(lambda ask, body: self.desk.refine(ask, body.get("text", ""))))
        bolt.command("/limner-status")(self._command(lambda ask, body: self._admin.status(ask)))
        bolt.command("/limner")(self._command(lambda ask, body: self._admin.limner(ask, body.get("text", ""))))
        bolt.action(BUTTON)(self._pressed)
        bolt.shortcut("refine_image")(
            self._command(lambda ask, body: self.desk.ask_how(ask, body["message"], body["trigger_id"]))
        )
        bolt.shortcut("show_recipe")(self._command(lambda ask, body: self.desk.tell_recipe_in(ask, body["message"])))
        bolt.view("limner:refine")(self._submitted)
        bolt.event("app_mention")(self._mentioned)
        bolt.event("message")(self._written)
        bolt.event("app_home_opened")(self._opened_home)

    def _command(self, listener: Listener) -> Callable[..., Awaitable[None]]:
        async def heard(ack: Any, body: Body) -> None:
            await ack()
            self._begin(ask_of(body), lambda ask: listener(ask, body))

        return heard

    async def _pressed(self, ack: Any, body: Body) -> None:
        await ack()
        action = body["actions"][0]
        match = BUTTON.fullmatch(action["action_id"])
        assert match is not None
        subject = str(action.get("value", ""))
        self._begin(ask_of(body), lambda ask: self._do(match["action"], subject, ask, body))

    async def _do(self, action: str, subject: str, ask: Ask, body: Body) -> None:
        match action:
            case "refine":
                await self.desk.ask_how_of(ask, subject, body["trigger_id"])
            case "vary":
                await self.desk.vary(ask, subject)
            case "again":
                await self.desk.again(ask, subject)
            case "retry":
                await self.desk.retry(ask, subject)
            case "recipe":
                await self.desk.tell_recipe(ask, subject)
            case "cancel":
                asker, _ = await self.desk.asker(ask)
                await self._service.cancel(subject, asker)
            case _:
                await self._presses.do(action, subject, ask, body["response_url"])

    async def _submitted(self, ack: Any, body: Body, view: Body) -> None:
        await ack()
        team, user = body["team"]["id"], body["user"]["id"]
        about = re.search(r'"channel": "(\w+)"', view["private_metadata"])
        ask = Ask(team, user, about[1] if about else user, id=view["id"])
        self._begin(ask, lambda ask: self.desk.submitted(ask, view))

    async def _mentioned(self, body: Body, event: Body, context: Any) -> None:
        self._hear(body, event, context)

    async def _opened_home(self, body: Body, event: Body) -> None:
        try:
            if event.get("tab") == "home":
                await self._home.show(body["team_id"], event["user"])
        except Mishap as error:
            log.warning("the home tab could not be shown", why=str(error))

    async def _written(self, body: Body, event: Body, context: Any) -> None:
        """In direct messages alone; channels are heard by mentions."""
        if event.get("channel_type") != "im" or event.get("bot_id") or event.get("subtype") not in SPOKEN:
            return
        self._hear(body, event, context)

    def _hear(self, body: Body, event: Body, context: Any) -> None:
        text = re.sub(rf"<@{context.bot_user_id}>[,:]?", " ", event.get("text", ""))
        ask = Ask(body["team_id"], event["user"], event["channel"], event.get("thread_ts", ""), id=body["event_id"])
        files = [file for file in event.get("files", []) if is_picture(file)]
        self._begin(ask, lambda ask: self.desk.spoken_to(ask, text, files))

    def _begin(self, ask: Ask, act: Callable[[Ask], Awaitable[None]]) -> None:
        """After the acknowledgement, and once, however often Slack sends it."""
        if not self._seen.first_time(ask.id):
            return

        async def run() -> None:
            try:
                await act(ask)
            except Exception as error:  # noqa: BLE001 - it is told and logged
                await self.desk.refuse(ask, error)

        task = asyncio.create_task(run(), name="slack request")
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def finish(self, limit: float) -> None:
        """Lets requests and deliveries come to their end, for `limit` seconds at most."""
        if self._work:
            await asyncio.wait(self._work, timeout=limit)
        await self.deliveries.finish(limit)


@asynccontextmanager
async def connected(
    service: Service,
    bot_token: str,
    app_token: str,
    *,
    api_url: str | None = None,
    admins: Collection[str] = (),
    clock: Callable[[], float] = time.time,
    tempo: Tempo | None = None,
    finish_seconds: float = 10.0,
    ping_interval: float = 10.0,
) -> AsyncIterator[LimnerApp]:
    """Connects by Socket Mode; leaving the block lets deliveries finish, then disconnects. Raises CannotStart."""
    # Not the library's handler for lost connections: it would post a second time what Slack may have taken.
    retries: list[AsyncRetryHandler] = [AsyncRateLimitErrorRetryHandler(max_retry_count=RATE_LIMIT_TRIES)]
    client = AsyncWebClient(bot_token, api_url or AsyncWebClient.BASE_URL, retry_handlers=retries)
    app = LimnerApp(service, client, admins=admins, clock=clock, tempo=tempo)
    handler = AsyncSocketModeHandler(app.bolt, app_token, ping_interval=ping_interval)
    await _check_token(client, app)
    await handler.connect_async()  # type: ignore[no-untyped-call]
    log.info("slack connected", name=app.desk.bot_name)
    await app.deliveries.take_up()
    try:
        yield app
    finally:
        await app.finish(finish_seconds)
        await _close(handler)


async def _check_token(client: AsyncWebClient, app: LimnerApp) -> None:
    try:
        app.desk.bot_name = str((await client.auth_test())["user"])
    except SlackApiError as error:
        if code_of(error) in OURS:
            raise CannotStart(
                "Slack refuses SLACK_BOT_TOKEN. Copy the Bot User OAuth Token again from the page OAuth & Permissions "
                "of your app at https://api.slack.com/apps."
            ) from error
        raise


async def _close(handler: AsyncSocketModeHandler) -> None:
    """Waits for what the handler only cancels."""
    client = handler.client
    tasks = [client.message_processor, client.message_receiver, client.current_session_monitor]
    await handler.close_async()  # type: ignore[no-untyped-call]
    await asyncio.gather(*[task for task in tasks if task], return_exceptions=True)


def ask_of(body: Body) -> Ask:
    """Of a command, a button or a shortcut."""
    trigger = body["trigger_id"]
    if "command" in body:
        answer = body.get("response_url", "")
        return Ask(body["team_id"], body["user_id"], body["channel_id"], response_url=answer, id=trigger)
    message = body.get("message") or {}
    channel = (body.get("channel") or {}).get("id") or body["user"]["id"]
    thread, response_url = message.get("thread_ts", ""), body.get("response_url", "")
    return Ask(body["team"]["id"], body["user"]["id"], channel, thread, response_url=response_url, id=trigger)


def _quiet() -> logging.Logger:
    """What is heard that nobody listens for is no news."""
    logger = logging.getLogger("slack_bolt.limner")
    logger.setLevel(logging.ERROR)
    return logger
