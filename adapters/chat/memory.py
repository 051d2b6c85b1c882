"""What is remembered for a while, and only so much of it."""

import secrets
from collections import OrderedDict
from typing import Generic, TypeVar

#: Requests, so that one that comes twice is taken once.
SEEN_MOST = 10_000
#: Windows that are open at once.
OPEN_MOST = 1_000

T = TypeVar("T")


class Seen:
    """Whatever a platform sends a second time, e.g. after a lost connection, is not taken a second time."""

    def __init__(self) -> None:
        self._ids: OrderedDict[int | str, None] = OrderedDict()

    def first_time(self, key: int | str) -> bool:
        if key in self._ids:
            return False
        self._ids[key] = None
        if len(self._ids) > SEEN_MOST:
            self._ids.popitem(last=False)
        return True


class Remembered(Generic[T]):
    """What an open window is about."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, T] = OrderedDict()

    def keep(self, found: T) -> str:
        """The key under which it can be had once."""
        key = secrets.token_urlsafe(12)
        self._found[key] = found
        if len(self._found) > OPEN_MOST:
            self._found.popitem(last=False)
        return key

    def take(self, key: str) -> T | None:
        return self._found.pop(key, None)
