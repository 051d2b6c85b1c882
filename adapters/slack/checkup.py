"""Looks at Slack as the bot would: the tokens, the scopes, the channels that it is in. It opens no socket, so that a
bot that runs meanwhile is not disturbed."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat.checkup import Found, named
from adapters.slack.manifest import HTTP_PATH, SCOPES
from adapters.slack.mishaps import OURS, code_of
from adapters.slack.mrkdwn import plain

#: For all of it.
SECONDS = 10.0
#: Channels in one answer of Slack, and such answers that are asked for.
PAGE, PAGES = 200, 5
#: Characters of a name.
NAME = 40
#: Subjects.
BOT, SCOPE, SOCKET, HTTP = "slack bot", "slack scopes", "slack socket", "slack http"
CHANNELS, ADMINS, EVENTS = "slack channels", "slack admins", "slack events"
BOT_TOKEN, APP_TOKEN, SECRET = "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "SLACK_SIGNING_SECRET"
APPS = "https://api.slack.com/apps"
STATUS = "https://slack-status.com"
#: By how it begins, what a token is.
KINDS = {
    "xoxb-": "a bot token",
    "xapp-": "an app token",
    "xoxp-": "a user token",
    "xoxe": "a token that expires",
}
#: Token -> how it begins, and where in the app's settings it stands.
TOKENS = {
    BOT_TOKEN: ("xoxb-", "OAuth & Permissions > Bot User OAuth Token"),
    APP_TOKEN: ("xapp-", "Basic Information > App-Level Tokens"),
}
#: Kinds of channels -> the scope without which they are not told.
LISTED = {"public_channel": "channels:read", "private_channel": "groups:read"}
#: What Slack answers where a token is not the one that it was meant to be.
REFUSED = OURS | {"not_allowed_token_type"}
NO_SCOPE = {"missing_scope", "no_permission"}
TOO_MANY = {"ratelimited", "rate_limited"}
FAULTS = {"internal_error", "fatal_error", "service_unavailable", "request_timeout"}
SOCKET_MODE_OFF = "socket mode is not turned on"
UNREACHABLE = (SlackClientError, aiohttp.ClientError, TimeoutError, OSError)


async def checkup(
    bot_token: str,
    *,
    app_token: str | None = None,
    signing_secret: str | None = None,
    api_url: str | None = None,
    public_url: str | None = None,
    admins: Collection[str] = (),
    seconds: float = SECONDS,
) -> list[Found]:
    """All that is well and all that is not, within so many seconds.

    `admins` are user IDs whom the operator named. A token that cannot be one is not sent.
    """
    checkup = Checkup(bot_token, api_url, public_url if app_token is None else None, seconds)
    found = list(misshapen(BOT_TOKEN, bot_token)) or await checkup.told(BOT, checkup.bot)
    if checkup.unreached:
        return found
    looks = [checkup.connection(app_token, signing_secret)]
    if checkup.name is not None:
        looks += [checkup.told(CHANNELS, checkup.channels), checkup.told(ADMINS, lambda: checkup.admins(admins))]
    return [*found, *(one for part in await asyncio.gather(*looks) for one in part)]


def misshapen(name: str, token: str) -> Iterator[Found]:
    prefix, page = TOKENS[name]
    if token.startswith(prefix) and len(token.split()) == 1:
        return
    kind = next((kind for begins, kind in KINDS.items() if token.startswith(begins) and begins != prefix), None)
    what = f"set, but it is {kind}" if kind else "set, but it does not look right"
    yield Found(name, what, f"The token is one word that begins with {prefix}; copy it again from {_settings(page)}.")


class Checkup:
    def __init__(self, bot_token: str, api_url: str | None, http_url: str | None, seconds: float) -> None:
        """`http_url`: where Slack reaches Limner, if it does."""
        self._api_url = api_url
        self._http_url = http_url
        self._seconds = seconds
        self._until = asyncio.get_running_loop().time() + seconds
        quiet = logging.getLogger(f"{__name__}.sdk")
        quiet.setLevel(logging.CRITICAL)
        # Nothing is tried a second time: somebody waits, and can look again.
        self._client = AsyncWebClient(
            bot_token, base_url=api_url or AsyncWebClient.BASE_URL, logger=quiet, retry_handlers=[]
        )
        self._scopes: Collection[str] = SCOPES
        #: Of the bot, once Slack has told it.
        self.name: str | None = None
        #: Slack did not answer as it should, so that nothing else need be asked.
        self.unreached = False

    async def told(self, subject: str, look: Callable[[], Awaitable[list[Found]]]) -> list[Found]:
        """What is found there, or why nothing can be."""
        try:
            async with asyncio.timeout_at(self._until):
                return await look()
        except UNREACHABLE as error:
            self.unreached = True
            return [self._mishap(subject, error)]
        except (AttributeError, KeyError, TypeError, ValueError):
            # Of plain text the library makes an AttributeError.
            self.unreached = True
            return [Found(subject, "something answers, but not as Slack does", self._where_it_is())]

    def _mishap(self, subject: str, error: Exception) -> Found:
        if isinstance(error, TimeoutError):
            return Found(subject, f"no answer within {self._seconds:g} seconds", self._how_to_reach_it())
        if not isinstance(error, SlackApiError):
            return Found(subject, f"cannot be reached: {error or repr(error)}", self._how_to_reach_it())
        code, status = code_of(error), _status(error)
        if status == 429 or code in TOO_MANY:
            remedy = "Wait a minute. If it stays so, find out what else uses this token."
            return Found(subject, "Slack takes no more from here at the moment: too many requests (429)", remedy)
        if status >= 500 or code in FAULTS:
            return Found(subject, f"Slack has a fault (it answers {code or status})", f"Try later; see {STATUS}.")
        if code:
            return Found(subject, f"Slack refuses to tell (it answers {code})", self._look_at_the_app())
        return Found(subject, "something answers, but not as Slack does", self._where_it_is())

    def _where_it_is(self) -> str:
        if self._api_url is not None:
            return f"Correct LIMNER_SLACK_API_URL ({self._api_url}); it ends in /api/. Or leave it out."
        return f"Look whether something between here and slack.com answers in its place; see also {STATUS}."

    def _how_to_reach_it(self) -> str:
        if self._api_url is not None:
            return f"Look whether this is right, and what is there runs: LIMNER_SLACK_API_URL ({self._api_url})."
        return f"Look at this machine's network: slack.com must be reached on port 443. See also {STATUS}."

    def _look_at_the_app(self) -> str:
        return (
            f"Look at the app's settings at {APPS}, and search Slack's documentation for that word; see also {STATUS}."
        )

    # The bot

    async def bot(self) -> list[Found]:
        """Who the token belongs to, and what it may do."""
        try:
            told = await self._client.auth_test()
        except SlackApiError as error:
            if (code := code_of(error)) not in REFUSED:
                raise
            return [_refused(BOT, BOT_TOKEN, code)]
        self.name, team = plain(told["user"], NAME), plain(told["team"], NAME)
        found = [Found(BOT, f"@{self.name} in the workspace {team}, {plain(told['url'], 2 * NAME)}")]
        granted = told.headers.get("X-OAuth-Scopes")
        if granted is None:
            return found
        self._scopes = {scope.strip() for scope in granted.split(",")}
        return [*found, self._judged()]

    def _judged(self) -> Found:
        lacking = [f"{scope} ({need.partition(':')[0]})" for scope, need in SCOPES.items() if scope not in self._scopes]
        if not lacking:
            return Found(SCOPE, f"all {len(SCOPES)} that Limner needs")
        command = "limner manifest" if self._http_url is None else f"limner manifest --http {self._http_url}"
        remedy = (
            f"Put what `{command}` prints into {_settings('App Manifest')}, save it, and then reinstall the app "
            "under Install App. Until then, what is named in brackets does not work."
        )
        return Found(SCOPE, f"the bot lacks {', '.join(lacking)}", remedy)

    async def channels(self) -> list[Found]:
        if not (kinds := [kind for kind, scope in LISTED.items() if scope in self._scopes]):
            return []
        names: list[str] = []
        cursor = ""
        for _ in range(PAGES):
            told: Any = await self._client.users_conversations(
                types=kinds, exclude_archived=True, limit=PAGE, cursor=cursor or None
            )
            names += [f"#{plain(channel['name'], NAME)}" for channel in told["channels"]]
            if not (cursor := (told.get("response_metadata") or {}).get("next_cursor") or ""):
                break
        if not names and len(kinds) == len(LISTED):
            return [Found(CHANNELS, "the bot is in none", f"Type /invite @{self.name} in a channel.")]
        return [Found(CHANNELS, named(names, " or" if cursor else ""))] if names else []

    async def admins(self, admins: Collection[str]) -> list[Found]:
        """Whether those whom the operator named are there; all is well where nothing is said."""
        if "users:read" not in self._scopes:
            return []
        unknown = [admin for admin, is_known in [(one, await self._is_known(one)) for one in admins] if not is_known]
        if not unknown:
            return []
        remedy = (
            "Correct LIMNER_SLACK_ADMINS. A member ID stands in the person's profile in Slack: the three dots > "
            "Copy member ID."
        )
        return [Found(ADMINS, f"nobody here has the ID {', '.join(unknown)}", remedy)]

    async def _is_known(self, user: str) -> bool:
        try:
            await self._client.users_info(user=user)
        except SlackApiError as error:
            if code_of(error) not in ("user_not_found", "user_not_visible"):
                raise
            return False
        return True

    # How Slack reaches Limner

    async def connection(self, app_token: str | None, signing_secret: str | None) -> list[Found]:
        if app_token is not None:
            return list(misshapen(APP_TOKEN, app_token)) or await self.told(SOCKET, lambda: self._socket(app_token))
        if signing_secret is not None:
            return list(_http(signing_secret, self._http_url))
        remedy = (
            f"Set {APP_TOKEN} (from {_settings(TOKENS[APP_TOKEN][1])}), with which Limner connects to Slack by itself; "
            f"or {SECRET}, if Slack shall reach Limner at an address of yours."
        )
        return [Found(EVENTS, f"neither {APP_TOKEN} nor {SECRET} is set: Limner hears nothing of Slack", remedy)]

    async def _socket(self, app_token: str) -> list[Found]:
        """Asks for a socket's address, and opens none."""
        try:
            told = await self._client.apps_connections_open(app_token=app_token.strip())
        except SlackApiError as error:
            return [self._no_socket(error)]
        said = (told.get("response_metadata") or {}).get("messages") or ()
        if not told["url"].startswith(("wss://", "ws://")):
            raise ValueError
        if any(SOCKET_MODE_OFF in str(message).lower() for message in said):
            return [_switched_off("Slack warns that Socket Mode is off for the app")]
        return [Found(SOCKET, "Socket Mode is on, and the app token is good for it")]

    def _no_socket(self, error: SlackApiError) -> Found:
        code = code_of(error)
        if code in TOO_MANY or _status(error) == 429:
            # About once a minute is allowed, and a bot that starts asks, too.
            return Found(SOCKET, "could not be looked at: Slack was asked a moment ago, and allows it once a minute")
        if code in REFUSED:
            return _refused(SOCKET, APP_TOKEN, code)
        if code in NO_SCOPE:
            remedy = f"Generate another one with this scope at {_settings(TOKENS[APP_TOKEN][1])}, and set it."
            return Found(SOCKET, f"{APP_TOKEN} lacks the scope connections:write", remedy)
        if code == "socket_mode_not_enabled":
            return _switched_off("Socket Mode is off for the app")
        return self._mishap(SOCKET, error)


def _http(signing_secret: str, public_url: str | None) -> Iterator[Found]:
    if not re.fullmatch(r"[0-9a-f]{32}", signing_secret):
        remedy = f"It has 32 digits, 0 to 9 and a to f; copy it again from {_settings('Basic Information')}."
        yield Found(SECRET, "set, but it does not look right", remedy)
    if public_url is None:
        remedy = "Set LIMNER_PUBLIC_URL to the address, with https, at which Slack reaches this Limner."
        yield Found(HTTP, "nobody knows where Slack reaches Limner: LIMNER_PUBLIC_URL is not set", remedy)
        return
    what = f"the app's Request URLs must be {public_url}{HTTP_PATH}, as `limner manifest --http {public_url}` has them"
    insecure = f"Put Limner behind https, and set LIMNER_PUBLIC_URL to that: Slack does not come to {public_url}."
    yield Found(HTTP, what, None if public_url.startswith("https://") else insecure)


def _refused(subject: str, name: str, code: str) -> Found:
    remedy = f"Copy the token again from {_settings(TOKENS[name][1])}."
    if name == BOT_TOKEN:
        remedy += " If there is none, install the app under Install App."
    return Found(subject, f"Slack refuses {name} ({code})", remedy)


def _switched_off(what: str) -> Found:
    remedy = (
        f"Turn Enable Socket Mode on in {_settings('Socket Mode')}. If Slack shall reach Limner at an address of yours "
        f"instead, unset {APP_TOKEN} and set {SECRET}."
    )
    return Found(SOCKET, what, remedy)


def _settings(page: str) -> str:
    return f"{APPS} > your app > {page}"


def _status(error: SlackApiError) -> int:
    """Of the answer, which is aiohttp's own where it was no JSON."""
    answer: Any = error.response
    return int(answer.status_code if hasattr(answer, "status_code") else answer.status)
