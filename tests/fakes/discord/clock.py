"""Time as Discord writes it: in its IDs, and in messages."""

from datetime import UTC, datetime

from tests.fakes import clock
from tests.fakes.clock import Bell

__all__ = ["Bell", "Clock", "iso"]

#: Milliseconds since 1970 at which Discord's IDs begin to count.
EPOCH = 1_420_070_400_000


class Clock(clock.Clock):
    def __init__(self) -> None:
        super().__init__()
        self._last_id = 0

    def snowflake(self) -> int:
        """A new ID, higher than all before."""
        self._last_id = max(self._last_id + 1, int(self.now() * 1000) - EPOCH << 22)
        return self._last_id


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
