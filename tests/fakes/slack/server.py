"""A local Slack: Web API, Socket Mode, events over HTTP, files and response URLs on one port, and the world behind.

It follows Slack's documentation; where that is silent, it is the stricter of what may be true.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self, TypeVar

from aiohttp import web

from tests.fakes.clock import Bell, Clock
from tests.fakes.slack import files, http_events, sockets, spec
from tests.fakes.slack.agenda import Agenda
from tests.fakes.slack.answers import Answers
from tests.fakes.slack.asked import Asked
from tests.fakes.slack.deliveries import Deliveries
from tests.fakes.slack.doors import API, KNOWN, Doors
from tests.fakes.slack.events import Events
from tests.fakes.slack.faults import Delay, Failure, Faults, Forgery, Limit
from tests.fakes.slack.ids import Ids
from tests.fakes.slack.manifest import Manifest
from tests.fakes.slack.messages import Json
from tests.fakes.slack.people import Person
from tests.fakes.slack.places import Channel, Team
from tests.fakes.slack.problems import Refused
from tests.fakes.slack.requests import Request
from tests.fakes.slack.views import View, Views

T = TypeVar("T")

#: Requests that a failed wait tells of.
TOLD = 20


class FakeSlack:
    """Leaving it raises AssertionError if the bot broke a rule."""

    def __init__(self, manifest: Json, *, checks_itself: bool = False) -> None:
        """`manifest`: of the app; it has no other scopes, events, commands and shortcuts than those in there."""
        self.manifest = Manifest(manifest)
        #: Holds what it tells against Slack's own samples, too.
        self.checks_itself = checks_itself
        self.clock = Clock()
        self.bell = Bell()
        self.ids = Ids(self.clock)
        #: Rules that the bot broke; a test that provokes one takes it out.
        self.violations: list[str] = [f"the manifest: {breach}" for breach in self.manifest.breaches()]
        self.requests: list[Request] = []
        #: Seconds until an upload counts as processed.
        self.file_delay = 0.0
        #: Whether an image block that shows a file counts among its shares. Nobody says so of the real Slack.
        self.image_blocks_share = False
        #: Whether blocks may show files at all.
        self.blocks_show_files = True
        #: Whether what people type behind a command comes with &, < and > escaped.
        self.escapes_commands = True
        #: Where the bot takes events over HTTP; None is for Socket Mode.
        self.http_events_url: str | None = None
        self.people: dict[str, Person] = {}
        self.channels: dict[str, Channel] = {}
        #: By the token in the response URL.
        self.asked: dict[str, Asked] = {}
        #: Timestamp and name.
        self.reactions: list[tuple[str, str]] = []
        #: By channel and thread.
        self.statuses: dict[tuple[str, str], str] = {}
        self.faults = Faults()
        self.agenda = Agenda(self.clock, self.note)
        self.deliveries = Deliveries(self)
        self.events = Events(self)
        self.sockets = sockets.Sockets(self)
        self.http_events = http_events.HttpEvents(self)
        self.file_host = files.FileHost(self)
        self.views = Views(self)
        self.answers = Answers(self)
        self.workspaces = 0
        self.team = self.workspace("Studio")
        self.bot = Person(self, self.manifest.bot_name, self.team, is_bot=True)
        self.owner = self.person("Olga Owner", owner=True)
        self.bot_id, self.app_id = self.ids.new("B"), self.ids.new("A")
        self.bot_token = f"xoxb-{secrets.token_hex(12)}"
        self.app_token = f"xapp-1-{self.app_id}-{secrets.token_hex(12)}"
        self.signing_secret, self.verification_token = secrets.token_hex(16), secrets.token_hex(12)
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._runner = web.AppRunner(Doors(self).application(), access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port: int = self._runner.addresses[0][1]
        self.spawn(self.agenda.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.sockets.close()
        await self.http_events.close()
        await self._runner.cleanup()
        if error is None and self.violations:
            raise AssertionError("The bot broke Slack's rules:\n" + "\n".join(self.violations))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def api_url(self) -> str:
        return self.url + API

    @property
    def team_id(self) -> str:
        return self.team.id

    # The world

    def workspace(self, name: str) -> Team:
        """Another one of the same organisation, where the app is installed, too."""
        self.workspaces += 1
        return Team(self.ids.new("T"), name, name.lower().replace(" ", "-"))

    def person(
        self, name: str, *, admin: bool = False, owner: bool = False, locale: str = "en-US", team: Team | None = None
    ) -> Person:
        return Person(self, name, team or self.team, admin=admin, owner=owner, locale=locale)

    def channel(self, name: str, *, private: bool = False, member: bool = True, team: Team | None = None) -> Channel:
        """`member`: the bot is in it. The same name is the same channel."""
        team = team or self.team
        for channel in self.channels.values():
            if (channel.name, channel.team) == (name, team) and not channel.is_im:
                return channel
        return Channel(self, name, team, private=private, member=member)

    def dm(self, person: Person, other: Person | None = None) -> Channel:
        """Between a person and the bot, or two people."""
        between = (person, other or self.bot)
        for channel in self.channels.values():
            if set(channel.between) == set(between):
                return channel
        return Channel(self, "directmessage", person.team, between=between, member=other is None)

    def home(self, person: Person) -> View | None:
        """The home tab as it was last published for this person."""
        return self.views.homes.get(person.id)

    @property
    def files(self) -> list[files.FakeFile]:
        """All, in order; those whose upload was never completed, too."""
        return list(self.file_host.files.values())

    # Waiting

    async def until(self, condition: Callable[[], T], timeout: float = 5, *, waiting: object = None) -> T:  # noqa: ASYNC109
        """Until the condition holds; it is looked at whenever something changes here. Returns what it returned."""
        result = await self.bell.until(condition, timeout)
        if result is None:
            raise AssertionError(self._told_when_late(timeout, waiting))
        return result

    async def connected(self) -> None:
        """Until there is a socket."""
        await self.until(lambda: self.sockets.ready, waiting="a socket")

    @property
    def connections(self) -> int:
        """Sockets, all that there ever were."""
        return self.sockets.connections

    def _told_when_late(self, timeout: float, waiting: object) -> str:
        lines = [f"Nothing came of it within {timeout} s.", *([f"Waited for {waiting!r}."] if waiting else [])]
        lines += [f"Sockets: {self.connections} in all, {'one' if self.sockets.ready else 'none'} now."]
        lines += ["The last requests:", *map(str, self.requests[-TOLD:])]
        return "\n".join([*lines, *(["Broken rules:", *self.violations] if self.violations else [])])

    # Mishaps

    def fail(
        self,
        method: str,
        *,
        error: str | None = None,
        status: int | None = None,
        times: int | None = 1,
        taken: bool = False,
    ) -> None:
        """The next calls get this answer; with neither an error nor a status the connection is cut.

        `taken`: what was asked for happens all the same. `times`: None is for all that follow.
        """
        self.faults.order(Failure(_known(method), times, error, status, taken))

    def limit(self, method: str, *, times: int | None = 1, retry_after: int = 1) -> None:
        """The next calls are too many."""
        self.faults.order(Limit(_known(method), times, retry_after))

    def delay(self, method: str, seconds: float, *, times: int | None = None, taken: bool = True) -> None:
        """Answers come late; `taken`: what was asked for happens before the wait, else after it."""
        self.faults.order(Delay(_known(method), times, seconds, taken))

    def forge(self, *, secret: str | None = None, age: float = 0, times: int | None = 1) -> None:
        """What is sent to the bot over HTTP next is signed with this secret, or that many seconds old."""
        self.faults.order(Forgery("http", times, secret, age))

    def heal(self) -> None:
        """No mishaps any more."""
        self.faults.forget()

    async def disconnect(self, reason: str | None = "warning") -> None:
        """Tells the bot to connect anew, and closes all sockets a little later, after a warning ten seconds later.

        Without a reason they are closed at once and without a word.
        """
        await self.sockets.drop(reason)

    def lose_sockets(self) -> None:
        """What is sent over those that are open reaches nobody, and neither side is told. New ones work."""
        self.sockets.lose()

    @asynccontextmanager
    async def cut_off(self) -> AsyncIterator[None]:
        """Within it, the bot has no socket and gets none. Events come later; what people wait for fails."""
        self.sockets.bar()
        try:
            await self.sockets.drop(None)
            yield
        finally:
            self.sockets.unbar()

    async def repeat(self, asked: Asked) -> None:
        """Delivers the very same event, command or action a second time."""
        assert asked.delivery, "The bot hears nothing of it."
        self.deliveries.repeat(asked.delivery)

    async def verify_url(self) -> bool:
        """Whether the bot's URL proves itself when Slack asks it to."""
        return await self.http_events.verify()

    # For the fake's own parts

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name="the fake Slack")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self.note(error)

    def note(self, error: Exception) -> None:
        self.violations.append(f"the fake failed: {error!r}")

    def check_payload(self, sample: str, payload: Json) -> None:
        document = spec.load() if self.checks_itself and sample else None
        strange = document.strange_payloads(sample, payload) if document else []
        self.violations += [f"the fake's payload {sample}: {line}" for line in strange]

    def need_scope(self, scope: str) -> None:
        if scope not in self.manifest.scopes:
            provided = ",".join(sorted(self.manifest.scopes))
            raise Refused("missing_scope", [f"the scope {scope} is missing"], needed=scope, provided=provided)

    def visible(self, channel_id: str) -> Channel:
        """A channel that the bot can know of; a person's ID stands for the talk with that person."""
        if channel_id in self.people:
            return self.dm(self.people[channel_id])
        channel = self.channels.get(channel_id)
        if channel is None or (channel.private and not channel.has_bot):
            raise Refused("channel_not_found")
        return channel

    def place_to_post(self, channel_id: str, *, must_be_in: bool = False) -> Channel:
        channel = self.visible(channel_id)
        if channel.archived:
            raise Refused("is_archived")
        if channel.is_im and not self.manifest.messages_tab:
            raise Refused("messages_tab_disabled", ["the manifest does not switch the messages tab on"])
        everywhere = "chat:write.public" in self.manifest.scopes and not must_be_in
        if not channel.has_bot and not everywhere:
            raise Refused("not_in_channel")
        return channel


def _known(method: str) -> str:
    assert method in KNOWN, f"The fake has no {method}; it has {sorted(KNOWN)}."
    return method
