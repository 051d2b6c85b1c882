"""Who calls, by bearer keys that are compared in constant time, and the service that they may ask."""

import hashlib
import hmac
from collections.abc import Sequence
from http import HTTPStatus
from typing import Annotated

from fastapi import Depends, HTTPException, Query, Request, Security
from fastapi.security import HTTPBearer

from bot.policy import Asker
from bot.service import Service

#: Everybody who reaches a server without keys, which listens on loopback only.
LOCAL = Asker("web:local", "web:local")

#: For the description alone; `Keys` decides.
KEY = Security(HTTPBearer(scheme_name="key", auto_error=False, description="One of LIMNER_API_KEYS, if any are set."))


class Keys:
    def __init__(self, keys: Sequence[str]) -> None:
        self._digests = [_digest(key.encode("utf-8", "surrogateescape")) for key in keys]

    def asker(self, authorization: str | None) -> Asker | None:
        """None where keys are set and none of them was given."""
        if not self._digests:
            return LOCAL
        scheme, _, key = (authorization or "").partition(" ")
        # Headers come read as Latin-1, whatever they were written in; a key is written in UTF-8.
        sent = key.encode("latin-1").strip()
        given = _digest(sent)
        # All are compared, and digests of equal length, so that the time tells nothing.
        matches = [hmac.compare_digest(given, known) for known in self._digests]
        if scheme.lower() != "bearer" or not sent or not any(matches):
            return None
        name = f"web:{given.hex()[:12]}"
        return Asker(name, name)


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def asker_of(request: Request, _: Annotated[object, KEY] = None) -> Asker:
    keys: Keys = request.app.state.keys
    found = keys.asker(request.headers.get("authorization"))
    if found is None:
        raise HTTPException(
            HTTPStatus.UNAUTHORIZED,
            "This server asks for a key: send the header 'Authorization: Bearer <key>'.",
            {"WWW-Authenticate": "Bearer"},
        )
    return found


CurrentAsker = Annotated[Asker, Depends(asker_of)]


def service_of(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


CurrentService = Annotated[Service, Depends(service_of)]
#: Of a page.
Limit = Annotated[int, Query(ge=1, le=100)]
