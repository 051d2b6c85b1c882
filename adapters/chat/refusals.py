"""Why something was not done, for who asked; the log has what they need not know."""

import structlog

from adapters.chat.words import Words
from bot.errors import LimnerError, Refused
from bot.jobs import Failure

log = structlog.get_logger(__name__)


class Unclear(Refused):
    """What was asked for cannot be found out; `key` and `values` say it in words of a platform's words.py."""

    def __init__(self, key: str, **values: object) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


def explained(words: Words, error: Exception) -> str:
    match error:
        case Unclear(key=key, values=values):
            return words.say(key, **values)
        case Refused():
            return words.refusal(error)
        case LimnerError():
            return words.failure(Failure(error.code, str(error)))
        case _:
            log.error("a request broke off", exc_info=error)
            return words.say("wrong")
