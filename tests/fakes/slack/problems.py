"""How Slack says no."""

from collections.abc import Sequence
from typing import Any


class Refused(Exception):
    """A call was refused, with one of Slack's own error codes and perhaps more that the answer tells.

    `breaches` are rules that the bot broke and should have known; what merely happens in a bot's life has none.
    """

    def __init__(self, error: str, breaches: Sequence[str] = (), **more: Any) -> None:
        self.error = error
        self.breaches = breaches
        self.more = more
        super().__init__(f"{error}: {'; '.join(breaches)}")


def invalid_blocks(told: Sequence[str], breaches: Sequence[str] = ()) -> Refused:
    messages = [f"[ERROR] {line}" for line in told]
    return Refused("invalid_blocks", breaches, errors=list(told), response_metadata={"messages": messages})
