"""Slack's errors -> what can still be done."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError

from adapters.chat.mishaps import Passing, Unreachable

#: Of Slack's errors those that say "not now".
NOT_NOW = {
    "ratelimited",
    "internal_error",
    "fatal_error",
    "service_unavailable",
    "request_timeout",
    "team_added_to_org",
}
#: All of us are refused, which is nothing that a job could help: what is owed stays owed.
OURS = {"invalid_auth", "not_authed", "account_inactive", "token_revoked", "token_expired"}
#: Slack's errors -> what is gone.
GONE = {
    "channel_not_found": "channel",
    "is_archived": "channel",
    "is_inactive": "channel",
    "message_not_found": "message",
    "thread_not_found": "message",
    "not_in_channel": "permission",
    "restricted_action": "permission",
    "cant_update_message": "permission",
    "edit_window_closed": "permission",
}


@contextmanager
def told_apart() -> Iterator[None]:
    """Raises Passing or Unreachable in place of the library's exceptions."""
    try:
        yield
    except SlackApiError as error:
        code = code_of(error)
        if code in NOT_NOW | OURS or not code:
            raise Passing(str(error)) from error
        raise Unreachable(code, GONE.get(code, "message")) from error
    except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError) as error:
        raise Passing(repr(error)) from error


def code_of(error: SlackApiError) -> str:
    """Slack's word for it; "" where the answer was none of Slack's, e.g. a 500."""
    answer = error.response
    return str(answer.get("error") or "") if hasattr(answer, "get") and isinstance(answer.data, dict) else ""
