"""Slack's IDs, and the timestamps that are the names of messages."""

import string

from tests.fakes.clock import Clock

DIGITS = string.digits + string.ascii_uppercase
#: Without a common factor with 36 ** LENGTH, so that IDs look nothing like each other and never come twice.
STRIDE = 30_031_129_919_147
LENGTH = 9


class Ids:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._count = 0
        self._last = 0

    def new(self, letter: str) -> str:
        """An ID that begins with what says its kind."""
        self._count += 1
        number, digits = self._count * STRIDE % len(DIGITS) ** LENGTH, ""
        for _ in range(LENGTH):
            number, digit = divmod(number, len(DIGITS))
            digits += DIGITS[digit]
        return f"{letter}0{digits}"

    def timestamp(self) -> str:
        """Now, and later than all before."""
        self._last = max(self._last + 1, int(self._clock.now() * 1_000_000))
        return f"{self._last // 1_000_000}.{self._last % 1_000_000:06d}"
