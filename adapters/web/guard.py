"""Which pages of which sites may ask: a browser here must not be made the tool of a page from elsewhere.

DNS rebinding: a page whose own name is made to point here would be of the same origin as this server, which on loopback
asks for no key. It cannot hide its name, which stands in Host. CSRF: a page from elsewhere can send requests without
reading the answers. It cannot hide where it is from, which stands in Origin and Sec-Fetch-Site.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from typing import Self

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from adapters.web.problems import FOREIGN_HOST, FOREIGN_ORIGIN, problem

#: They change nothing.
SAFE = ("GET", "HEAD", "OPTIONS")
PORTS = {"http": 80, "https": 443}
#: A name or an address, the one of IPv6 in brackets, and perhaps a port, of an authority as in RFC 3986.
AUTHORITY = re.compile(r"(?P<host>[\w.-]+|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{0,5}))?", re.ASCII)
URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)")
#: With every answer.
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is, as Host or Origin says it."""

    host: str
    #: None is the one that belongs to the scheme.
    port: int | None
    #: "" where it is not said.
    scheme: str = ""

    @classmethod
    def of_host(cls, host: str) -> Self | None:
        """None for what is no host."""
        found = AUTHORITY.fullmatch(host.strip().lower())
        if found is None:
            return None
        return cls(found["host"].removesuffix("."), int(found["port"]) if found["port"] else None)

    @classmethod
    def of_url(cls, url: str) -> Self | None:
        """None for what has no host, as the origin `null`."""
        found = URL.match(url.lower())
        address = None if found is None else cls.of_host(found["authority"])
        return found and address and cls(address.host, address.port, found["scheme"])

    @property
    def is_loopback(self) -> bool:
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return False

    def serves(self, origin: "Address") -> bool:
        """The origin is of this host. Which scheme it had there, a proxy in between may have changed."""
        if self.scheme and self.scheme != origin.scheme:
            return False
        usual = PORTS[origin.scheme]
        return self.host == origin.host and (self.port or usual) == (origin.port or usual)


class Guard:
    """ASGI middleware, the outermost."""

    def __init__(
        self, app: ASGIApp, *, hosts: Iterable[str], public_url: str | None, keyed: bool, doors: Collection[str]
    ) -> None:
        """`hosts`: names of this server beside loopback. `keyed`: it asks for keys, which no page from elsewhere has.

        `doors`: paths of what knows by itself from whom it is.
        """
        self._app = app
        self._keyed = keyed
        self._doors = doors
        self._public = None if public_url is None else Address.of_url(public_url)
        named = [Address.of_host(f"[{host}]" if ":" in host else host) for host in hosts]
        self._hosts = {address.host for address in (*named, self._public) if address is not None}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        refusal = None if scope["path"] in self._doors else self._refusal(scope)
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, scope: Scope) -> ASGIApp | None:
        given = Given.of(scope)
        if not self._keyed and not self._is_known(given.host):
            detail = (
                "This server does not know itself by the name that the request was sent to (its Host). As it asks for "
                "no key, it answers only to localhost and to addresses like 127.0.0.1: else any web page could reach "
                "it through a name of its own that is made to point here (DNS rebinding). Call it by such a name; or "
                "set LIMNER_PUBLIC_URL to the address by which others reach it, or LIMNER_API_KEYS."
            )
            return problem(HTTPStatus.MISDIRECTED_REQUEST, FOREIGN_HOST, detail)
        if scope["method"] not in SAFE and not self._is_own(given):
            detail = (
                "A page of another site sent this request (its Origin is not this server), so nothing was done. If it "
                "was a page of this server, behind a proxy that changes Host, set LIMNER_PUBLIC_URL to the address in "
                "the browser."
            )
            return problem(HTTPStatus.FORBIDDEN, FOREIGN_ORIGIN, detail)
        return None

    def _is_known(self, host: Address | None) -> bool:
        return host is not None and (host.is_loopback or host.host in self._hosts)

    def _is_own(self, given: "Given") -> bool:
        """Programs send no origin; all browsers do, for these methods."""
        if given.from_other_site:
            return False
        if not given.origins:
            return True
        origin = Address.of_url(given.origins[0]) if len(given.origins) == 1 else None
        own = [address for address in (given.host, self._public) if address is not None]
        return origin is not None and any(address.serves(origin) for address in own)


@dataclass(frozen=True, slots=True)
class Given:
    """What the headers of a request say of where it was sent, and from where."""

    #: None where there is none, or more than one.
    host: Address | None
    origins: tuple[str, ...]
    from_other_site: bool

    @classmethod
    def of(cls, scope: Scope) -> Self:
        def values(wanted: bytes) -> list[str]:
            return [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]

        hosts = values(b"host")
        return cls(
            host=Address.of_host(hosts[0]) if len(hosts) == 1 else None,
            origins=tuple(values(b"origin")),
            from_other_site="cross-site" in values(b"sec-fetch-site"),
        )
