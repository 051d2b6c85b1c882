"""The socket that the server listens on."""

import socket

import pytest

from adapters.web.server import listen
from bot.errors import CannotStart


def test_answers_are_sent_at_once() -> None:
    with listen("127.0.0.1", 0) as listening, socket.create_connection(listening.getsockname()):
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_port_that_is_taken_is_told() -> None:
    with listen("127.0.0.1", 0) as listening, pytest.raises(CannotStart, match="LIMNER_HTTP_PORT"):
        listen("127.0.0.1", listening.getsockname()[1])
