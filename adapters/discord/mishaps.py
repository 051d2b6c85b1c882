"""Discord's errors -> what can still be done."""

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import discord

from adapters.chat.mishaps import Passing, TooLarge, Unreachable, why

TOO_LARGE = 40005
#: What aiohttp says while the library has closed its connections and not opened new ones.
CLOSED = "Session is closed"
#: Of Discord's codes those that say "not now", whatever the status is: write limits of a channel or server, edits of an
#: old message, switched off for the moment, overloaded.
NOT_NOW = {20016, 20022, 20028, 20029, 30046, 40004, 40006, 40062, 130000}
#: Discord's codes -> what is gone.
GONE = {
    10003: "channel",
    10004: "channel",
    10008: "message",
    10015: "expired",
    10062: "expired",
    50001: "permission",
    50007: "permission",
    50013: "permission",
    50027: "expired",
    50083: "permission",
    160005: "permission",
}


@contextmanager
def told_apart() -> Iterator[None]:
    """Raises Passing, Unreachable or TooLarge in place of the library's exceptions.

    What Discord calls a mistake of ours is Unreachable too: the same call would be refused for ever.
    """
    try:
        yield
    except discord.HTTPException as error:
        if error.status == 413 or error.code == TOO_LARGE:
            raise TooLarge(str(error)) from error
        if error.status >= 500 or error.status == 429 or error.code in NOT_NOW or _says_nothing_of_this(error):
            raise Passing(str(error)) from error
        told = f"{error.text or error.response.reason} (Discord's code {error.code})"
        raise Unreachable(told, GONE.get(error.code, "message"), error.code) from error
    except (TimeoutError, discord.RateLimited, aiohttp.ClientError, OSError) as error:
        raise Passing(why(error)) from error
    except RuntimeError as error:
        if str(error) != CLOSED:
            raise
        raise Passing(str(error)) from error


def _says_nothing_of_this(error: discord.HTTPException) -> bool:
    """The bot's token was replaced, or something in front of Discord refuses all of us: what is owed stays owed."""
    return error.status in (401, 403) and error.code == 0
