"""A request of the bot, and the table of what answers it."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import BodyPartReader, web

from tests.fakes.discord.messages import FakeAttachment, Upload
from tests.fakes.discord.problems import Problem, Refused

if TYPE_CHECKING:
    from tests.fakes.discord.server import FakeDiscord

#: Part of a path.
LONG = re.compile(r"[-\w]{30,}")
FILE_FIELD = re.compile(r"files\[(\d+)\]")


@dataclass(slots=True)
class Request:
    method: str
    #: As the documentation writes it: "/channels/{channel_id}/messages".
    route: str
    path: str
    time: float
    #: By the names in the route.
    places: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    #: Of a multipart request, what came as payload_json.
    body: Any = None
    #: By the number in files[n].
    files: dict[int, Upload] = field(default_factory=dict)
    #: Bytes of the whole.
    size: int = 0
    #: Of the answer; None while there is none, or where the connection was cut.
    status: int | None = None

    def __str__(self) -> str:
        body = json.dumps(self.body)
        return f"{self.name} -> {self.status}: {body[:300]}{' …' * (len(body) > 300)}"

    @property
    def name(self) -> str:
        """Method and path, without what makes the path long: the tokens."""
        return f"{self.method} {LONG.sub('…', self.path)}"

    def place(self, name: str) -> int:
        """An ID in the route; one that is no number is nobody's."""
        value = self.places[name]
        return int(value) if value.isdigit() else 0

    @property
    def form(self) -> Any:
        """The body, where there must be an object."""
        if not isinstance(self.body, dict):
            raise Refused(Problem.INVALID_FORM, [f"the body is not an object: {self.body!r}"])
        return self.body


#: What answers: None is told as 204.
Answer = Callable[["FakeDiscord", Request], Any]


@dataclass(frozen=True, slots=True)
class Route:
    method: str
    template: str
    answer: Answer
    #: Whether the bot's token must come with it; a webhook has its own.
    needs_token: bool


class Routes(dict[tuple[str, str], Route]):
    """By method and template."""

    def __call__(self, method: str, template: str, *, needs_token: bool = True) -> Callable[[Answer], Answer]:
        """Decorates what answers this route."""

        def keep(answer: Answer) -> Answer:
            self[method, template] = Route(method, template, answer, needs_token)
            return answer

        return keep


async def read(http: web.Request, template: str, now: float) -> Request:
    """The whole of it, with its files."""
    request = Request(http.method, template, http.path_qs, now, dict(http.match_info), dict(http.query))
    if http.content_type.startswith("multipart/"):
        await _read_parts(http, request)
    elif http.can_read_body:
        data = await http.read()
        request.size = len(data)
        request.body = json.loads(data) if data else None
    return request


async def _read_parts(http: web.Request, request: Request) -> None:
    async for part in await http.multipart():
        assert isinstance(part, BodyPartReader)
        data = bytes(await part.read(decode=True))
        request.size += len(data)
        if part.name == "payload_json":
            request.body = json.loads(data)
        elif match := FILE_FIELD.fullmatch(part.name or ""):
            name = part.filename or ""
            request.files[int(match[1])] = Upload(name, FakeAttachment.content_type_of(name) or "", data)
