"""uvicorn inside the program's own event loop: the socket is opened first, signals are the program's."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from bot.errors import CannotStart

#: Seconds that open connections get once the server stops.
GOODBYE = 5


class Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """The program decides when to stop: it drains the queue first."""
        yield


def listen(host: str, port: int) -> socket.socket:
    """Raises CannotStart. Port 0 takes any free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listening = socket.create_server((host, port), family=family)
    except OSError as error:
        raise CannotStart(
            f"Cannot listen on {host} port {port}: {error.strerror}. Set LIMNER_HTTP_PORT to a free port."
        ) from error
    # Inherited by every connection. Without it an answer's body waits some 40 ms for the client to acknowledge its
    # head; asyncio sets it by itself only on sockets that name their protocol, which these do not.
    listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listening


def server(app: FastAPI) -> Server:
    config = uvicorn.Config(
        app, log_config=None, access_log=False, lifespan="off", timeout_graceful_shutdown=GOODBYE, server_header=False
    )
    return Server(config)
