"""What a platform refuses, told apart by what can still be done: try again, take another way, send less."""

import aiohttp


class Mishap(Exception):
    """The platform did not do what it was asked, or it is not known whether it did."""


class Passing(Mishap):
    """The same call may work in a moment: the network, the platform itself, or its rate limit."""


class Unreachable(Mishap):
    """This way is closed for good."""

    def __init__(self, why: str, gone: str = "message", code: int = 0) -> None:
        super().__init__(why)
        #: `message`, `channel`, `permission`, or `expired` for the answer to an interaction.
        self.gone = gone
        #: The platform's own; 0 where it had none.
        self.code = code


class TooLarge(Mishap):
    """The files are larger than they may be here."""


def why(error: BaseException | None) -> str:
    """For the log, without the request that aiohttp would show: its address and headers let in whoever has them."""
    match error:
        case aiohttp.ClientResponseError():
            return f"HTTP {error.status} {error.message}"
        case aiohttp.InvalidURL():
            return "an address that is none"
        case _:
            return repr(error)
