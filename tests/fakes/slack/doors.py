"""What the fake serves over HTTP, and the mishaps there."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp import web

from tests.fakes.slack import calls_chat, calls_files, calls_places, calls_views, files, spec
from tests.fakes.slack.faults import Delay, Failure, Limit
from tests.fakes.slack.messages import Json
from tests.fakes.slack.problems import Refused
from tests.fakes.slack.requests import Method, Request, read, read_raw, read_response

if TYPE_CHECKING:
    from tests.fakes.slack.server import FakeSlack

API = "/api/"
METHODS: dict[str, Method] = calls_chat.methods | calls_files.methods | calls_places.methods | calls_views.methods
#: What can fail, be too much or come late.
KNOWN = {*METHODS, "upload", "download", "response_url"}

Reader = Callable[[web.Request, str, float], Awaitable[Request]]
Answer = Callable[[Request], web.Response]


class Doors:
    def __init__(self, fake: "FakeSlack") -> None:
        self._fake = fake

    def application(self) -> web.Application:
        fake, app = self._fake, web.Application(client_max_size=2**30)
        app.router.add_route("*", API + "{method}", self._server_of(read, self._answered))
        app.router.add_route("*", files.UPLOADS, self._server_of(read_raw, fake.file_host.receive, "upload"))
        app.router.add_get(files.PRIVATE, self._server_of(read_raw, fake.file_host.hand_out, "download"))
        app.router.add_post("/response/{token}", self._server_of(read_response, fake.answers.receive, "response_url"))
        app.router.add_get("/link/", fake.sockets.serve)
        app.router.add_route("*", "/{path:.*}", self._server_of(read_raw, self._answered_unknown, "nothing"))
        return app

    def _server_of(self, reader: Reader, answer: Answer, door: str = "") -> Callable[[web.Request], Any]:
        async def serve(http: web.Request) -> web.StreamResponse:
            try:
                request = await reader(http, door or http.match_info["method"], self._fake.clock.now())
            except (ConnectionError, aiohttp.ClientError, web.RequestPayloadError):
                # The bot died before it had said all.
                return web.Response(status=400)
            self._fake.requests.append(request)
            try:
                return await self._serve(http, request, answer)
            except Exception as error:
                self._fake.violations.append(f"the fake could not take {http.method} {http.path}: {error!r}")
                raise
            finally:
                self._fake.bell.ring()

        return serve

    async def _serve(self, http: web.Request, request: Request, answer: Answer) -> web.StreamResponse:
        delay = self._fake.faults.take(Delay, request.method)
        if delay and not delay.taken:
            await asyncio.sleep(delay.seconds)
        if limit := self._fake.faults.take(Limit, request.method):
            return _limited(request, limit)
        failure = self._fake.faults.take(Failure, request.method)
        if failure and not failure.taken:
            return _failed(http, request, failure)
        response = answer(request)
        request.status = response.status
        if delay and delay.taken:
            self._fake.bell.ring()
            await asyncio.sleep(delay.seconds)
        return _failed(http, request, failure) if failure else response

    def _answered(self, request: Request) -> web.Response:
        try:
            method = METHODS.get(request.method)
            if method is None:
                raise Refused("unknown_method", ["the fake does not know this method"])
            self._check_token(method, request)
            if method.scope:
                self._fake.need_scope(method.scope)
            self._check(method, request)
            told = {"ok": True, **method.answer(self._fake, request)}
            self._check_itself(request, told)
        except Refused as refused:
            return self._refused(request, refused)
        return web.json_response(told, headers={"X-OAuth-Scopes": ",".join(sorted(self._fake.manifest.scopes))})

    def _check_token(self, method: Method, request: Request) -> None:
        if not request.token:
            raise Refused("not_authed", ["no token came with it"])
        if request.token not in (self._fake.bot_token, self._fake.app_token):
            raise Refused("invalid_auth")
        if (request.token == self._fake.app_token) is not method.of_app:
            raise Refused("not_allowed_token_type", ["the other token is the one for this method"])

    def _check(self, method: Method, request: Request) -> None:
        breaches = [] if request.verb in ("POST", method.verb) else [f"it is called by {method.verb}"]
        if request.typed and not method.takes_json:
            breaches.append("arguments cannot come as JSON")
        if document := spec.load():
            breaches += document.argument_breaches(method.name, request.args, typed=request.typed)
        if breaches:
            raise Refused("invalid_arguments", breaches, response_metadata={"messages": breaches})

    def _check_itself(self, request: Request, told: Json) -> None:
        document = spec.load() if self._fake.checks_itself else None
        strange = document.strange_answers(request.method, told) if document else []
        self._fake.violations += [f"the fake's answer to {request.method}: {line}" for line in strange]

    def _refused(self, request: Request, refused: Refused) -> web.Response:
        request.error = refused.error
        self._fake.violations += [f"{request.method}: {breach}" for breach in refused.breaches]
        return web.json_response({"ok": False, "error": refused.error, **refused.more})

    def _answered_unknown(self, request: Request) -> web.Response:
        self._fake.violations.append(f"{request.verb} {request.args}: the fake serves nothing there")
        return web.Response(status=404, text="not found")


def _limited(request: Request, limit: Limit) -> web.Response:
    request.status, request.error = 429, "ratelimited"
    headers = {"Retry-After": str(limit.retry_after)}
    return web.json_response({"ok": False, "error": "ratelimited"}, status=429, headers=headers)


def _failed(http: web.Request, request: Request, failure: Failure) -> web.StreamResponse:
    request.error, request.status = failure.error, failure.status
    if failure.error is not None:
        request.status = failure.status or 200
        return web.json_response({"ok": False, "error": failure.error}, status=request.status)
    if failure.status is not None:
        return web.Response(status=failure.status, text="<html>The test wants it so.</html>", content_type="text/html")
    assert http.transport
    http.transport.close()
    return web.Response(status=500)
