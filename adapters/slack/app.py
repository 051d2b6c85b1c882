"""Hears what people do on Slack, hands it on, and acknowledges it."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.authorization.async_authorize import AsyncAuthorize
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.deliveries import Tempo
from adapters.chat.memory import Seen
from adapters.chat.mishaps import Mishap
from adapters.chat.reports import Reports
from adapters.slack.admin import Admin
from adapters.slack.board import Board
from adapters.slack.delivery import deliveries
from adapters.slack.desk import Ask, Desk
from adapters.slack.door import Door
from adapters.slack.filing import Filing
from adapters.slack.home import Home
from adapters.slack.moderating import Moderating
from adapters.slack.people import PLATFORM, People
from adapters.slack.presses import Presses
from adapters.slack.takedown import Takedown
from adapters.slack.window import About, Filled
from adapters.slack.words import words_for
from bot.service import Service

BUTTON = re.compile(r"limner:(?P<action>[a-z_]+)(?::[0-9]+)?")
#: Subtypes of messages in which somebody speaks.
SPOKEN = (None, "file_share")

#: Seconds after which something is acknowledged, whatever came of it by then: Slack waits for three.
ACKNOWLEDGED = 1.5

Body = Mapping[str, Any]
Listener = Callable[[Ask, Body], Awaitable[None]]

log = structlog.get_logger(__name__)


class Itself(AsyncAuthorize):
    """Who the bot is, in place of bolt's own way to learn it, which drops what arrives while it cannot ask Slack."""

    def __init__(self) -> None:
        self.known_as: AuthorizeResult | None = None

    async def __call__(self, **_: object) -> AuthorizeResult | None:
        return self.known_as


class LimnerApp:
    def __init__(
        self,
        service: Service,
        client: AsyncWebClient,
        *,
        admins: Collection[str] = (),
        clock: Callable[[], float] = time.time,
        tempo: Tempo | None = None,
    ) -> None:
        self._service = service
        self._client = client
        tempo = tempo or Tempo()
        filing = Filing(client, service, tempo.retry)
        takedown = Takedown(client, service, tempo.retry)
        board = Board(client, service, filing, takedown, tempo.retry)
        reports = Reports(PLATFORM, service, board.post, board.take_back)
        self._reporting: asyncio.Task[None] | None = None
        self.deliveries = deliveries(client, service, clock, tempo, reports, filing)
        self.acknowledgement = service.telemetry.metrics.acknowledgement.labels(self.deliveries.platform)
        people = People(client, admins)
        self.desk = Desk(client, service, self.deliveries, people)
        self._home = Home(client, service, people)
        self._admin = Admin(client, service, self.desk, reports)
        moderating = Moderating(client, service, self.desk, self.deliveries, board, filing, takedown)
        self._presses = Presses(service, self.desk, takedown, moderating)
        self._seen = Seen()
        #: By the ID of what was done.
        self._work: dict[str, asyncio.Task[None]] = {}
        self._itself = Itself()
        #: The only workspace that it is installed on; None where that is a whole organisation.
        self._team: str | None = None
        #: Where Slack comes in, unless it is by a socket.
        self.door: Door | None = None
        self.bolt = AsyncApp(
            # Without one, bolt looks through all source files for who calls it.
            name="limner",
            client=client,
            logger=_quiet(),
            authorize=self._itself,  # type: ignore[arg-type]  # bolt takes these, too
            before_authorize=self._once_known,
            # What is not acknowledged Slack sends again or tells of: so nothing is lost by a crash meanwhile.
            process_before_response=True,
            # A socket needs none, and the door does it.
            request_verification_enabled=False,
        )
        self._listen()

    async def introduce(self, client: AsyncWebClient) -> None:
        """Learns who the bot is. Raises the library's exceptions."""
        answer = await client.auth_test()
        self.desk.bot_name = str(answer["user"])
        self._team = None if answer.get("is_enterprise_install") else str(answer["team_id"])
        self._itself.known_as = AuthorizeResult.from_auth_test_response(
            bot_token=client.token, auth_test_response=answer
        )

    async def begin(self) -> None:
        """Once Slack can be reached: what an earlier life of the program owes, and reports, until it is finished."""
        await self.deliveries.take_up()
        self._reporting = asyncio.create_task(self.deliveries.reports.run(), name="slack reports")

    async def _once_known(self, body: Body, next: Callable[[], Awaitable[BoltResponse]]) -> BoltResponse:
        """Until then Slack shall come again, but may see that the address is the right one."""
        if self._itself.known_as is None and body.get("type") != "url_verification":
            return BoltResponse(status=503)
        return await next()

    def _listen(self) -> None:
        bolt = self.bolt
        bolt.command("/generate")(self._command(lambda ask, body: self.desk.generate(ask, body.get("text", ""))))
        bolt.command("/refine")(self._command(lambda ask, body: self.desk.refine(ask, body.get("text", ""))))
        bolt.command("/limner-status")(self._command(lambda ask, body: self._admin.status(ask)))
        bolt.command("/limner")(self._command(lambda ask, body: self._admin.limner(ask, body.get("text", ""))))
        # All that there are: an unknown one is answered, too.
        bolt.action(re.compile(""))(self._pressed)
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
            await self._begin(ask_of(body), lambda ask: listener(ask, body))
            await ack()

        return heard

    async def _pressed(self, ack: Any, body: Body) -> None:
        action = body["actions"][0]
        match = BUTTON.fullmatch(action["action_id"])
        name, subject = match["action"] if match else "", str(action.get("value", ""))
        await self._begin(ask_of(body), lambda ask: self._do(name, subject, ask, body))
        await ack()

    async def _do(self, action: str, subject: str, ask: Ask, body: Body) -> None:
        ts = (body.get("container") or {}).get("message_ts", "")
        match action:
            case "refine":
                await self.desk.ask_how_of(ask, subject, body["trigger_id"])
            case "vary":
                await self.desk.vary(ask, subject)
            case "again":
                await self.desk.again(ask, subject)
            case "recipe":
                await self.desk.tell_recipe(ask, subject)
            case "cancel" | "retry":
                await self._presses.end_or_repeat(action, subject, ask, ts)
                if ask.at_home:
                    await self._home.show(ask.team, ask.user)
            case _:
                await self._presses.do(action, subject, ask, ts)

    async def _submitted(self, ack: Any, body: Body, view: Body) -> None:
        about, filled = About.of(view), Filled.of(view)
        if about is not None and (mistakes := filled.mistakes(words_for(about.locale))):
            await ack(response_action="errors", errors=mistakes)
            return
        user = body["user"]["id"]
        ask = Ask(body["team"]["id"], user, user, id=view["id"])
        if about is not None:
            ask = replace(ask, channel=about.channel, thread=about.thread)
        await self._begin(ask, lambda ask: self.desk.submitted(ask, about, filled))
        await ack()

    async def _mentioned(self, body: Body, event: Body, context: Any) -> None:
        """Not by bots and workflows, and not once more when somebody mends what they wrote."""
        if event.get("user") and not event.get("bot_id") and not event.get("edited"):
            await self._hear(body, event, context)

    async def _opened_home(self, body: Body, event: Body) -> None:
        async def show(ask: Ask) -> None:
            try:
                await self._home.show(ask.team, ask.user)
            except Mishap as error:
                log.warning("the home tab could not be shown", why=str(error))

        if event.get("tab") == "home":
            user = event["user"]
            await self._begin(Ask(body["team_id"], user, user, id=body["event_id"]), show)

    async def _written(self, body: Body, event: Body, context: Any) -> None:
        """In direct messages alone; channels are heard by mentions."""
        if event.get("channel_type") != "im" or event.get("bot_id") or event.get("subtype") not in SPOKEN:
            return
        await self._hear(body, event, context)

    async def _hear(self, body: Body, event: Body, context: Any) -> None:
        text = re.sub(rf"<@{context.bot_user_id}(\|[^>]*)?>[,:]?", " ", event.get("text", ""))
        ask = Ask(body["team_id"], event["user"], event["channel"], event.get("thread_ts", ""), id=body["event_id"])
        await self._begin(ask, lambda ask: self.desk.spoken_to(ask, text, event.get("files", [])))

    async def _begin(self, ask: Ask, act: Callable[[Ask], Awaitable[None]]) -> None:
        """Once, however often Slack sends it. It may go on after this returns, which is soon."""
        if self._team is not None:
            # Of somebody from another company Slack tells theirs, which rules nothing here.
            ask = replace(ask, team=self._team)
        if self._seen.first_time(ask.id):
            task = asyncio.create_task(self._run(ask, act), name="slack request")
            self._work[ask.id] = task
            task.add_done_callback(lambda _: self._work.pop(ask.id))
        # The second one is acknowledged no earlier than the first, which may not be safe yet.
        if ask.id in self._work:
            await asyncio.wait({self._work[ask.id]}, timeout=ACKNOWLEDGED)

    async def _run(self, ask: Ask, act: Callable[[Ask], Awaitable[None]]) -> None:
        try:
            try:
                await act(ask)
            except Exception as error:  # noqa: BLE001 - it is told and logged
                await self.desk.refuse(ask, error)
        except Exception:
            log.exception("a refusal could not be told")

    async def finish(self, limit: float) -> None:
        """Lets requests and deliveries come to their end, for `limit` seconds at most."""
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                # What came just now may still begin.
                while self._work:
                    await asyncio.wait(self._work.values())
        for request in list(self._work.values()):
            request.cancel()
        await self.deliveries.finish(limit)
        if self._reporting is not None:
            self._reporting.cancel()
            await asyncio.wait([self._reporting])


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
