"""What a platform did not do is tried again, at pauses that grow and differ by chance."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    stop_never,
    wait_random_exponential,
)

from adapters.chat.mishaps import why

#: Seconds between two tries, at most.
RETRY_MOST = 60.0

T = TypeVar("T")

log = structlog.get_logger(__name__)


async def again_and_again(
    work: Callable[[], Awaitable[T]],
    mishap: type[Exception],
    retry: float,
    tries: int | None = None,
    told: Callable[[], None] = lambda: None,
) -> T:
    """Until this mishap does not happen, or so many times; the last one is raised.

    `retry` is how many seconds pass before the second try, at most; before each one after that twice as many. `told` is
    called before each of them.
    """
    async for attempt in AsyncRetrying(
        retry=retry_if_exception_type(mishap),
        wait=wait_random_exponential(multiplier=retry, max=RETRY_MOST),
        stop=stop_never if tries is None else stop_after_attempt(tries),
        before_sleep=lambda state: _tell(state, told),
        reraise=True,
    ):
        with attempt:
            return await work()
    raise AssertionError("the last try returns or raises")


def _tell(state: RetryCallState, told: Callable[[], None]) -> None:
    told()
    log.info("tried again", why=why(state.outcome.exception() if state.outcome else None), tries=state.attempt_number)
