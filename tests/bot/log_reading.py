"""What the program says once it serves, as it stands on its standard error."""

import io
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import pytest
import structlog

from bot import log

Read = Callable[[], str]


class Terminal(io.StringIO):
    def __init__(self, *, is_one: bool) -> None:
        super().__init__()
        self._is_one = is_one

    def isatty(self) -> bool:
        return self._is_one


@contextmanager
def written(secrets: Sequence[str], *, for_people: bool = False) -> Iterator[Read]:
    stream = Terminal(is_one=for_people)
    last = logging.StreamHandler(stream)
    last.setLevel(logging.WARNING)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging, "lastResort", last)
        patch.setattr(sys, "stderr", stream)
        log.write_lines(secrets)
    # Nobody else listens where the program serves; here pytest does.
    logging.root.addHandler(last)
    try:
        yield stream.getvalue
    finally:
        logging.root.removeHandler(last)
        structlog.reset_defaults()
