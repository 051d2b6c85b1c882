"""A local Discord: REST, Gateway and CDN on one port, and the world behind them.

It follows Discord's documentation; where that is silent, it is the stricter of what may be true.
"""

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import groupby
from types import TracebackType
from typing import Any, Self, TypeVar

from aiohttp import web

from tests.fakes.discord import cdn, rest_application, rest_interactions, rest_membership, rest_messages, spec
from tests.fakes.discord.asked import Asked
from tests.fakes.discord.clock import Bell, Clock
from tests.fakes.discord.commands import Commands
from tests.fakes.discord.faults import Delay, Failure, Faults, Limit
from tests.fakes.discord.gateway import Gateway
from tests.fakes.discord.kinds import Kind
from tests.fakes.discord.messages import FakeMessage, Json
from tests.fakes.discord.people import Person
from tests.fakes.discord.places import MIB, SIZE_LIMITS, Channel, Guild
from tests.fakes.discord.problems import Problem, Refused
from tests.fakes.discord.requests import Request, Route, read

T = TypeVar("T")

API = "/api/v10"
#: Requests that a failed wait tells of.
TOLD = 20
#: Seconds between refused edits of an old message; at Discord they are more.
OLD_MESSAGE_PAUSE = 0.05
#: One bucket for each route, wide enough that no test waits for it.
BUCKET = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "999", "X-RateLimit-Reset-After": "1.000"}
#: Without it discord.py takes a 429 for a ban.
VIA = {"Via": "1.1 google"}
ROUTES: dict[tuple[str, str], Route] = (
    rest_application.routes | rest_interactions.routes | rest_membership.routes | rest_messages.routes
)


class FakeDiscord:
    """Leaving it raises AssertionError if the bot broke a rule."""

    def __init__(self, *, shards: int = 1, checks_itself: bool = False) -> None:
        self.shards = shards
        #: Holds its own answers against Discord's document, too.
        self._checks_itself = checks_itself
        self.clock = Clock()
        self.bell = Bell()
        #: Rules that the bot broke; a test that provokes one takes it out.
        self.violations: list[str] = []
        self.requests: list[Request] = []
        #: Bytes of one file where there is no guild, and of a whole request.
        self.size_limit = SIZE_LIMITS[0]
        self.request_limit = 25 * MIB
        self.people: dict[int, Person] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        self.messages: dict[int, FakeMessage] = {}
        #: By the interaction's token.
        self.asked: dict[str, Asked] = {}
        self.nonces: dict[str, FakeMessage] = {}
        self.gateway = Gateway(self, shards)
        self.commands = Commands(self)
        self.cdn = cdn.Cdn(self)
        self.bot = Person(self, "Limner", is_bot=True)
        self.owner = Person(self, "Olga Owner")
        self.application_id = self.bot.id
        self.token = ".".join([base64.b64encode(str(self.bot.id).encode()).decode(), "fake", secrets.token_hex(12)])
        self._faults = Faults()
        self._dms: dict[int, Channel] = {}

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**30)
        for route in sorted(ROUTES.values(), key=lambda route: "@" not in route.template):
            app.router.add_route(route.method, API + route.template, self._server_of(route))
        app.router.add_get("/gateway/", self.gateway.serve)
        app.router.add_get(cdn.PATH, self.cdn.serve)
        app.router.add_route("*", "/{path:.*}", self._serve_unknown)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.gateway.close()
        await self._runner.cleanup()
        if error is None and self.violations:
            raise AssertionError("The bot broke Discord's rules:\n" + "\n".join(self.violations))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_url(self) -> str:
        return self.url + API

    @property
    def gateway_url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/gateway/"

    # The world

    def guild(self, name: str, *, tier: int = 0, size_limit: int | None = None) -> Guild:
        """The boost tier says how large files may be, unless the limit is given in bytes."""
        return Guild(self, name, tier=tier, size_limit=size_limit)

    def foreign_guild(self, name: str) -> Guild:
        """The bot is not there; people bring it along who installed it for themselves."""
        return Guild(self, name, foreign=True)

    def person(self, name: str, locale: str = "en-US") -> Person:
        return Person(self, name, locale=locale)

    def dm(self, person: Person) -> Channel:
        """Between the bot and a person."""
        if person.id not in self._dms:
            self._dms[person.id] = Channel(self, f"DM with {person.name}", Kind.DM, people=[person])
        return self._dms[person.id]

    def group_dm(self, *people: Person) -> Channel:
        """The bot is not in it."""
        return Channel(self, " and ".join(person.name for person in people), Kind.GROUP_DM, people=people)

    # Waiting

    async def until(self, condition: Callable[[], T], timeout: float = 5, *, waiting: object = None) -> T:  # noqa: ASYNC109
        """Until the condition holds; it is looked at whenever something changes here. Returns what it returned."""
        result = await self.bell.until(condition, timeout)
        if result is None:
            raise AssertionError(self._told_when_late(timeout, waiting))
        return result

    async def connected(self) -> None:
        """Until all shards have a session, or have resumed theirs."""
        await self.until(lambda: self.gateway.ready, waiting="all shards")

    def _told_when_late(self, timeout: float, waiting: object) -> str:
        lines = [f"Nothing came of it within {timeout} s.", *([f"Waited for {waiting!r}."] if waiting else [])]
        lines += [f"Gateway: {self.connections} connections, {self.identifies} IDENTIFY, {self.resumes} RESUME."]
        # What was tried again and again must not hide what came before.
        told = [(line, len(list(same))) for line, same in groupby(map(str, self.requests))]
        lines += [
            "The last requests:",
            *(line if times == 1 else f"{line} ({times} times)" for line, times in told[-TOLD:]),
        ]
        return "\n".join([*lines, *(["Broken rules:", *self.violations] if self.violations else [])])

    # Mishaps

    def fail(
        self,
        method: str,
        route: str,
        *,
        status: int | None = 500,
        times: int | None = 1,
        code: int = 0,
        taken: bool = False,
    ) -> None:
        """The next requests get this answer; without a status the connection is cut.

        `taken`: what was asked for happens all the same. `times`: None is for all that follow.
        """
        self._faults.order(Failure(*_known(method, route), times, status, code, taken))

    def limit(
        self, method: str, route: str, *, times: int | None = 1, retry_after: float = 0.2, global_: bool = False
    ) -> None:
        """The next requests are too many."""
        self._faults.order(Limit(*_known(method, route), times, retry_after, global_))

    def delay(self, method: str, route: str, seconds: float, *, times: int | None = None, taken: bool = True) -> None:
        """Answers come late; `taken`: what was asked for happens before the wait, else after it."""
        self._faults.order(Delay(*_known(method, route), times, seconds, taken))

    def heal(self) -> None:
        """No mishaps any more."""
        self._faults.forget()

    async def disconnect(self, *, resumable: bool = True) -> None:
        """Drops all sockets; the bot may come back at once."""
        await self.gateway.drop(resumable=resumable)

    @asynccontextmanager
    async def cut_off(self, *, resumable: bool = True) -> AsyncIterator[None]:
        """Within it, the bot is disconnected and finds no way back."""
        self.gateway.bar()
        try:
            await self.gateway.drop(resumable=resumable)
            yield
        finally:
            self.gateway.unbar()

    async def repeat(self, asked: Asked) -> None:
        """Delivers the very same interaction a second time."""
        self.gateway.tell_interaction(asked)

    @property
    def refuse_gateway(self) -> bool:
        return self.gateway.refuses

    @refuse_gateway.setter
    def refuse_gateway(self, refuses: bool) -> None:
        self.gateway.refuses = refuses

    @property
    def connections(self) -> int:
        """Sockets, all that there ever were."""
        return self.gateway.connections

    @property
    def identifies(self) -> int:
        return self.gateway.identifies

    @property
    def resumes(self) -> int:
        return self.gateway.resumes

    # REST

    def _server_of(self, route: Route) -> Callable[[web.Request], Any]:
        async def serve(http: web.Request) -> web.StreamResponse:
            request = await read(http, route.template, self.clock.now())
            self.requests.append(request)
            try:
                return await self._serve(http, request, route)
            except Exception as error:
                self.violations.append(f"the fake could not take {request.name}: {error!r}, body {request.body}")
                raise
            finally:
                self.bell.ring()

        return serve

    async def _serve(self, http: web.Request, request: Request, route: Route) -> web.StreamResponse:
        key = route.method, route.template
        delay = self._faults.take(Delay, *key)
        if delay and not delay.taken:
            await asyncio.sleep(delay.seconds)
        if limit := self._faults.take(Limit, *key):
            return self._limited(request, limit)
        failure = self._faults.take(Failure, *key)
        if failure and not failure.taken:
            return self._failed(http, request, failure)
        response = self._answered(http, request, route)
        if delay and delay.taken:
            self.bell.ring()
            await asyncio.sleep(delay.seconds)
        return self._failed(http, request, failure) if failure else response

    def _answered(self, http: web.Request, request: Request, route: Route) -> web.Response:
        try:
            if route.needs_token and http.headers.get("Authorization") != f"Bot {self.token}":
                raise Refused(Problem.UNAUTHORIZED)
            if request.size > self.request_limit:
                raise Refused(Problem.REQUEST_TOO_LARGE)
            self._check(request)
            told = route.answer(self, request)
            self._check_itself(request, told)
        except Refused as refused:
            return self._refused(request, refused)
        return _response(request, 204 if told is None else 200, told, BUCKET | {"X-RateLimit-Bucket": _bucket(request)})

    def _check(self, request: Request) -> None:
        document = spec.load()
        if document and (breaches := document.breaches(request.method, request.route, request.body, request.query)):
            raise Refused(Problem.INVALID_FORM, breaches)

    def _check_itself(self, request: Request, told: Any) -> None:
        document = spec.load() if self._checks_itself and told is not None else None
        breaches = document.answer_breaches(request.method, request.route, told) if document else []
        self.violations += [f"the fake's answer to {request.name}: {breach}" for breach in breaches]

    def _refused(self, request: Request, refused: Refused) -> web.Response:
        self.violations += [f"{request.name}: {breach}" for breach in refused.breaches]
        told: Json = {"message": refused.text, "code": refused.code}
        if refused.breaches:
            told["errors"] = {"_errors": [{"code": "FAKE", "message": breach} for breach in refused.breaches]}
        if refused.status != 429:
            return _response(request, refused.status, told)
        told |= {"retry_after": OLD_MESSAGE_PAUSE, "global": False}
        return _response(request, 429, told, VIA | {"Retry-After": "1"})

    def _limited(self, request: Request, limit: Limit) -> web.Response:
        told = {
            "message": "You are being rate limited.",
            "retry_after": limit.retry_after,
            "global": limit.everywhere,
            "code": 0,
        }
        headers = {
            **VIA,
            "Retry-After": str(max(1, round(limit.retry_after))),
            "X-RateLimit-Limit": "5",
            "X-RateLimit-Remaining": "0",
            "X-RateLimit-Reset": f"{self.clock.now() + limit.retry_after:.3f}",
            "X-RateLimit-Reset-After": f"{limit.retry_after:.3f}",
            "X-RateLimit-Bucket": _bucket(request),
            "X-RateLimit-Scope": "global" if limit.everywhere else "user",
        }
        return _response(request, 429, told, headers | ({"X-RateLimit-Global": "true"} if limit.everywhere else {}))

    def _failed(self, http: web.Request, request: Request, failure: Failure) -> web.StreamResponse:
        if failure.status is None:
            assert http.transport
            request.status = None
            http.transport.close()
            return web.Response(status=500)
        return _response(request, failure.status, {"message": "The test wants it so.", "code": failure.code})

    async def _serve_unknown(self, http: web.Request) -> web.Response:
        path = http.path.removeprefix(API)
        request = Request(http.method, path, http.path_qs, self.clock.now(), {}, {})
        self.requests.append(request)
        return self._refused(request, Refused(Problem.UNKNOWN_ROUTE, ["the fake does not know this route"]))


def _response(request: Request, status: int, told: Any, headers: dict[str, str] | None = None) -> web.Response:
    request.status = status
    if told is None:
        return web.Response(status=status, headers=headers)
    # Exactly this type: discord.py does not read JSON whose type names a charset.
    return web.Response(status=status, headers=headers, body=json.dumps(told).encode(), content_type="application/json")


def _bucket(request: Request) -> str:
    return f"{hash((request.method, request.route)) & 0xFFFFFFFF:08x}"


def _known(method: str, route: str) -> tuple[str, str]:
    assert (method, route) in ROUTES, f"The fake has no {method} {route}; it has {sorted(ROUTES)}."
    return method, route
