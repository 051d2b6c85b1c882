"""Stores that fail once, or that do not begin or return before a test says so."""

import asyncio
from typing import Any

import pytest


def fail_once(monkeypatch: pytest.MonkeyPatch, store: type, method: str, error: Exception) -> None:
    original = getattr(store, method)
    errors = [error]

    async def failing(*args: Any, **kwargs: Any) -> Any:
        if errors:
            raise errors.pop()
        return await original(*args, **kwargs)

    monkeypatch.setattr(store, method, failing)


class Slow:
    """A store whose method, from now on, does not begin or not return before the test says so, call for call."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, store: type, method: str, *, when: str = "before") -> None:
        self._reached = asyncio.Semaphore(0)
        self._go_on = asyncio.Semaphore(0)
        original = getattr(store, method)

        async def slow(*args: Any, **kwargs: Any) -> Any:
            answer = await original(*args, **kwargs) if when == "after" else None
            self._reached.release()
            await self._go_on.acquire()
            return answer if when == "after" else await original(*args, **kwargs)

        monkeypatch.setattr(store, method, slow)

    async def reached(self) -> None:
        await self._reached.acquire()

    def go_on(self) -> None:
        self._go_on.release()
