"""Slack's errors -> what can still be done."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError, SlackRequestError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from adapters.chat.mishaps import Passing, Unreachable, why

#: Of Slack's errors those that say "not now".
NOT_NOW = {
    "ratelimited",
    "rate_limited",
    "message_limit_exceeded",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "update_failed",
    "external_channel_migrating",
    "org_login_required",
    "team_added_to_org",
}
#: All of us are refused, which is nothing that a job could help: what is owed stays owed.
OURS = {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"}
#: Slack's errors -> what is gone; all others, also those of tomorrow, are a permission that is missing.
GONE = {
    "channel_not_found": "channel",
    "is_archived": "channel",
    "is_inactive": "channel",
    "message_not_found": "message",
    "thread_not_found": "message",
}


class Web(AsyncWebClient):
    """Knows that not all that answers is Slack: the library fails in its own ways over what is no JSON object."""

    async def api_call(self, *args: Any, **more: Any) -> AsyncSlackResponse:
        try:
            return await super().api_call(*args, **more)
        except (AttributeError, ValueError) as error:
            raise SlackRequestError(f"The answer was none of Slack's: {why(error)}") from error


@contextmanager
def told_apart() -> Iterator[None]:
    """Raises Passing or Unreachable in place of the library's exceptions."""
    try:
        yield
    except SlackApiError as error:
        code = code_of(error)
        if code in NOT_NOW | OURS or not code:
            raise Passing(str(error)) from error
        raise Unreachable(code, GONE.get(code, "permission")) from error
    except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Passing(why(error)) from error


def code_of(error: SlackApiError) -> str:
    """Slack's word for it; "" where the answer was none of Slack's, e.g. a 500."""
    answer = error.response
    return str(answer.get("error") or "") if hasattr(answer, "get") and isinstance(answer.data, dict) else ""
