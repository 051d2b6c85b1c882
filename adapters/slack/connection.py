"""The connection to Slack: made in the background, over a socket or by HTTP, and made again whenever it is lost."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import TypeVar

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.async_handler import AsyncRetryHandler
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.deliveries import Tempo
from adapters.slack.app import LimnerApp
from adapters.slack.door import Door
from adapters.slack.mishaps import OURS, Web, code_of
from adapters.slack.sockets import HELLO, LOST, Socket, Sockets
from bot.errors import CannotStart
from bot.service import Service

#: Tries after Slack said "too many".
RATE_LIMIT_TRIES = 5
#: Seconds between two tries to connect, at least.
RECONNECT = 5.0
#: Seconds between two pings of a socket: half of it is what Slack may take for its answer, and after half as long again
#: a dead socket is found out, in place of slack_sdk's 40 s. More often costs nothing but gives up a socket that is only
#: slow, while Slack may want a minute before it opens another.
PING_INTERVAL = 10.0

UNREACHABLE = (SlackClientError, aiohttp.ClientError, TimeoutError, OSError)
#: Slack's errors that no second try will change.
REFUSED = OURS | {"not_allowed_token_type", "missing_scope", "missing_args", "forbidden_team", "access_denied"}
APPS = "https://api.slack.com/apps"
BOT_TOKEN = f"Copy the Bot User OAuth Token (xoxb-) from the page OAuth & Permissions of your app at {APPS}"
APP_TOKEN = (
    "Make an app-level token (xapp-) with the scope connections:write on the page Basic Information of your app at "
    f"{APPS}"
)
#: Slack's reasons for another socket -> what its owner should know.
ADVICE = {
    "link_disabled": f"Socket Mode was switched off; switch it on again on the page Socket Mode of your app at {APPS}",
    "too_many_websockets": "Slack lets an app have ten sockets; see whether other Limners use the same SLACK_APP_TOKEN",
    LOST: "the connection broke off",
}

T = TypeVar("T")

log = structlog.get_logger(__name__)


class SlackConnection:
    """Stays connected for as long as its task runs. Raises CannotStart where Slack refuses a token."""

    def __init__(self, app: LimnerApp, web: AsyncWebClient, reconnect: float) -> None:
        """`web` tries nothing again by itself, so that each failure is told."""
        self._app = app
        self._web = web
        self._reconnect = reconnect
        self._taken_up = False

    async def by_http(self) -> None:
        await self._in_the_end(self._introduce)
        await self._connected("HTTP")

    async def by_sockets(self, app_token: str, ping_interval: float) -> None:
        clock = asyncio.get_running_loop().time
        async with Sockets(self._app.bolt, ping_interval, self._app.acknowledgement) as sockets:

            async def opened() -> Socket:
                await self._introduce()
                return await sockets.open(await self._ticket(app_token))

            while True:
                begun = clock()
                socket = await self._in_the_end(opened)
                why = await socket.greeting()
                if why == HELLO:
                    await self._connected("Socket Mode")
                    why = await socket.news.get()
                if why in ADVICE:
                    log.warning("slack connection lost; connecting again", reason=why, why=ADVICE[why])
                # Where Slack opens sockets only to close them.
                await asyncio.sleep(begun + self._reconnect - clock())

    async def _connected(self, by: str) -> None:
        if self._taken_up:
            log.info("slack connected again")
            return
        self._taken_up = True
        log.info("slack connected", name=self._app.desk.bot_name, by=by)
        await self._app.begin()

    async def _in_the_end(self, connect: Callable[[], Awaitable[T]]) -> T:
        while True:
            try:
                return await connect()
            except UNREACHABLE as error:
                seconds = max(self._reconnect, _patience(error))
                log.warning("slack cannot be reached; trying again", seconds=seconds, why=_why(error))
            except CannotStart:
                raise
            except Exception:
                # Whatever it was that answered in Slack's place.
                seconds = self._reconnect
                log.exception("slack was not understood; trying again", seconds=seconds)
            await asyncio.sleep(seconds)

    async def _introduce(self) -> None:
        try:
            await self._app.introduce(self._web)
        except SlackApiError as error:
            if (code := code_of(error)) in REFUSED:
                raise CannotStart(f"Slack refuses SLACK_BOT_TOKEN: {code}. {BOT_TOKEN}.") from error
            raise

    async def _ticket(self, app_token: str) -> str:
        """The URL of the next socket."""
        try:
            return str((await self._web.apps_connections_open(app_token=app_token))["url"])
        except SlackApiError as error:
            match code_of(error):
                case "missing_scope":
                    raise CannotStart(
                        f"SLACK_APP_TOKEN lacks the scope connections:write, so Slack opens no socket. {APP_TOKEN}."
                    ) from error
                case code if code in REFUSED:
                    raise CannotStart(f"Slack refuses SLACK_APP_TOKEN: {code}. {APP_TOKEN}.") from error
            raise


@asynccontextmanager
async def connected(
    service: Service,
    bot_token: str,
    *,
    app_token: str | None = None,
    signing_secret: str | None = None,
    api_url: str | None = None,
    admins: Collection[str] = (),
    clock: Callable[[], float] = time.time,
    tempo: Tempo | None = None,
    finish_seconds: float = 10.0,
    ping_interval: float = PING_INTERVAL,
    reconnect: float = RECONNECT,
) -> AsyncIterator[LimnerApp]:
    """Connects in the background and stays connected; leaving the block lets deliveries finish, then disconnects.

    By Socket Mode where there is an app token, else by HTTP, at the app's door. Raises CannotStart, also in the middle
    of the block, where Slack refuses a token.
    """
    check_kinds(bot_token, app_token)
    url = api_url or AsyncWebClient.BASE_URL
    # Not the library's handler for lost connections: it would post a second time what Slack may have taken.
    retries: list[AsyncRetryHandler] = [AsyncRateLimitErrorRetryHandler(max_retry_count=RATE_LIMIT_TRIES)]
    client = Web(bot_token, url, retry_handlers=retries)
    app = LimnerApp(service, client, admins=admins, clock=clock, tempo=tempo)
    connection = SlackConnection(app, Web(bot_token, url, retry_handlers=[]), reconnect)
    if app_token is not None:
        staying = connection.by_sockets(app_token, ping_interval)
    else:
        assert signing_secret is not None
        app.door = Door(app.bolt, signing_secret, clock, app.acknowledgement)
        staying = connection.by_http()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(staying, name="slack")
        try:
            yield app
        finally:
            await app.finish(finish_seconds)
            task.cancel()


def check_kinds(bot_token: str, app_token: str | None) -> None:
    """Raises CannotStart where a token is of another kind, as when two were exchanged."""
    if not bot_token.startswith("xoxb-"):
        raise CannotStart(f"SLACK_BOT_TOKEN is not a bot's token, which begins with xoxb-. {BOT_TOKEN}.")
    if app_token is not None and not app_token.startswith("xapp-"):
        raise CannotStart(f"SLACK_APP_TOKEN is not an app-level token, which begins with xapp-. {APP_TOKEN}.")


def _patience(error: Exception) -> float:
    """Seconds that Slack wants to be left alone."""
    if isinstance(error, SlackApiError):
        after = getattr(error.response, "headers", {}).get("Retry-After", "")
        return float(after) if after.isdecimal() else 0.0
    return 0.0


def _why(error: Exception) -> str:
    """Without a URL: that of a socket lets in whoever has it."""
    match error:
        case SlackApiError():
            return code_of(error) or f"HTTP {getattr(error.response, 'status_code', 'error')}"
        case aiohttp.ClientResponseError():
            return f"HTTP {error.status} {error.message}"
        case aiohttp.ClientConnectionError() | OSError():
            return str(error) or repr(error)
        case _:
            return type(error).__name__
