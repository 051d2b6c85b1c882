"""A request of the bot, and the table of the methods that answer it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from aiohttp import web

from tests.fakes.slack.messages import Json
from tests.fakes.slack.problems import Refused

if TYPE_CHECKING:
    from tests.fakes.slack.server import FakeSlack

#: Arguments that are lists or objects, and may come as a string of JSON.
STRUCTURED = {"attachments", "blocks", "file_ids", "files", "loading_messages", "metadata", "view"}
TRUE = {"1", "true", True}


@dataclass(slots=True)
class Request:
    #: Of the Web API, or "upload", "download", "response_url".
    method: str
    verb: str
    time: float
    #: Without those that are null.
    args: Json
    #: They came as JSON, so that numbers are numbers.
    typed: bool = False
    token: str = field(default="", repr=False)
    #: What was uploaded.
    data: bytes = field(default=b"", repr=False)
    #: Of the answer; None while there is none, or where the connection was cut.
    status: int | None = None
    #: Slack's code, where the answer is no.
    error: str | None = None

    def __str__(self) -> str:
        args = json.dumps(self.args)
        return f"{self.method} -> {self.error or self.status}: {args[:300]}{' …' * (len(args) > 300)}"

    @property
    def files(self) -> list[bytes]:
        return [self.data] if self.data else []

    def text(self, name: str) -> str:
        """An argument that must be there."""
        value = self.args.get(name)
        if not isinstance(value, str) or not value:
            raise Refused("invalid_arguments", [f"{name} is missing, or no text: {value!r}"])
        return value

    def flag(self, name: str) -> bool:
        value = self.args.get(name)
        return isinstance(value, str | int) and value in TRUE

    def number(self, name: str, default: int = 0) -> int:
        value = str(self.args.get(name, default))
        if not value.isdigit():
            raise Refused("invalid_arguments", [f"{name} is {value!r}, not a number"])
        return int(value)


#: What answers; "ok" is added.
Answer = Callable[["FakeSlack", Request], Json]


@dataclass(frozen=True, slots=True)
class Method:
    name: str
    answer: Answer
    #: What the bot must have; one that depends on the arguments is asked for in the answer.
    scope: str | None
    verb: str
    takes_json: bool
    #: With the app's own token instead of the bot's.
    of_app: bool


class Methods(dict[str, Method]):
    """By name."""

    def __call__(
        self, name: str, scope: str | None = None, *, verb: str = "POST", takes_json: bool = True, of_app: bool = False
    ) -> Callable[[Answer], Answer]:
        """Decorates what answers this method."""

        def keep(answer: Answer) -> Answer:
            self[name] = Method(name, answer, scope, verb, takes_json and verb == "POST", of_app)
            return answer

        return keep


async def read(http: web.Request, method: str, now: float) -> Request:
    """A call of the Web API: arguments come as JSON, as a form or in the query."""
    args: Json = dict(http.query)
    typed = http.content_type == "application/json"
    body = await http.text()
    if typed and body:
        args |= json.loads(body)
    elif body:
        args |= dict(parse_qsl(body, keep_blank_values=True))
    token = http.headers.get("Authorization", "").removeprefix("Bearer ") or args.pop("token", "")
    args = {name: _parsed(name, value) for name, value in args.items() if value is not None}
    return Request(method, http.method, now, args, typed=typed and bool(body), token=token)


async def read_raw(http: web.Request, method: str, now: float) -> Request:
    """Bytes, or a request without a body."""
    token = http.headers.get("Authorization", "").removeprefix("Bearer ")
    return Request(method, http.method, now, dict(http.match_info), token=token, data=await http.read())


async def read_response(http: web.Request, method: str, now: float) -> Request:
    """A message for a response URL."""
    args: Mapping[str, Any] = await http.json()
    return Request(method, http.method, now, {**args, "token": http.match_info["token"]}, typed=True)


def _parsed(name: str, value: Any) -> Any:
    if name in STRUCTURED and isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
