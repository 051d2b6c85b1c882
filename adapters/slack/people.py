"""Who and where, as Slack tells it: names, admins, channels and whether the bot is in them. Remembered for a minute."""

import asyncio
import time
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, TypeVar

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack.mishaps import code_of, told_apart
from bot.jobs import Treatment
from bot.policy import Asker

PLATFORM = "slack"
#: Seconds.
REMEMBERED = 60.0
#: How IDs of people begin.
USER = "UW"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Someone:
    name: str
    locale: str
    #: Of their workspaces, as Slack has it.
    admin: bool
    #: An admin to the operator.
    named: bool = False
    #: Workspaces that they belong to; none where Slack does not tell.
    teams: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Room:
    """A conversation."""

    #: Public, and so open to the whole workspace, and to nobody else.
    open: bool
    direct: bool
    member: bool
    archived: bool
    #: With people of other companies.
    shared: bool = False
    #: Slack's error where it does not tell, or `no_answer`.
    unknown: str = ""


class People:
    def __init__(
        self, client: AsyncWebClient, admins: Collection[str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`admins` are user IDs whom the operator named."""
        self._client = client
        self._admins = frozenset(admins)
        self._clock = clock
        self._known: dict[str, tuple[float, Any]] = {}
        #: Questions under way: whoever asks the same meanwhile gets their answers.
        self._asked: dict[str, asyncio.Task[Any]] = {}

    async def someone(self, user: str) -> Someone:
        """Where Slack does not tell, nobody special."""
        found: Someone = self._remembered(user) or await self._once(user, self._look_up_someone)
        return found

    async def _look_up_someone(self, user: str) -> Someone:
        try:
            told: Any = (await self._client.users_info(user=user, include_locale=True))["user"]
        except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError):
            return Someone(user, "", admin=False, named=user in self._admins)
        profile = told.get("profile", {})
        name = profile.get("display_name") or told.get("real_name") or told.get("name") or user
        teams = {told.get("team_id"), *told.get("enterprise_user", {}).get("teams", [])}
        someone = Someone(
            name,
            told.get("locale") or "",
            admin=bool(told.get("is_admin") or told.get("is_owner")),
            named=user in self._admins,
            teams=frozenset(teams - {None}),
        )
        self._remember(user, someone)
        return someone

    async def room(self, channel: str) -> Room:
        if channel[0] in USER:
            # Where the home tab is; answers to it come directly.
            return Room(open=False, direct=True, member=True, archived=False)
        found: Room = self._remembered(channel) or await self._once(channel, self._look_up_room)
        return found

    async def _look_up_room(self, channel: str) -> Room:
        try:
            told: Any = (await self._client.conversations_info(channel=channel))["channel"]
        except SlackApiError as error:
            return _unknown(code_of(error) or "no_answer")
        except (SlackClientError, aiohttp.ClientError, TimeoutError, OSError):
            return _unknown("no_answer")
        direct = bool(told.get("is_im"))
        shared = bool(told.get("is_ext_shared"))
        private = bool(told.get("is_private") or told.get("is_mpim") or direct)
        member = direct or bool(told.get("is_member"))
        archived = bool(told.get("is_archived"))
        # People of other companies see no more of the workspace, and it sees no more of them, than this channel.
        found = Room(open=not (private or shared), direct=direct, member=member, archived=archived, shared=shared)
        if found.member:
            # Who is told to invite the bot does so at once.
            self._remember(channel, found)
        return found

    async def _once(self, key: str, look_up: Callable[[str], Coroutine[Any, Any, T]]) -> T:
        if key not in self._asked:
            task = self._asked[key] = asyncio.create_task(look_up(key), name="slack look-up")
            task.add_done_callback(lambda _: self._asked.pop(key))
        # One who stops waiting does not stop the others.
        found: T = await asyncio.shield(self._asked[key])
        return found

    def _remembered(self, key: str) -> Any:
        until, found = self._known.get(key, (0.0, None))
        return found if until > self._clock() else None

    def _remember(self, key: str, found: Any) -> None:
        now = self._clock()
        # All are remembered equally long, so that whoever was asked about first is forgotten first.
        for old in list(takewhile(lambda old: self._known[old][0] <= now, self._known)):
            del self._known[old]
        self._known[key] = (now + REMEMBERED, found)


def _unknown(why: str) -> Room:
    return Room(open=False, direct=False, member=False, archived=False, unknown=why)


async def talk_with(client: AsyncWebClient, user: str) -> str:
    """The channel of direct messages. Raises Passing or Unreachable."""
    with told_apart():
        return str((await client.conversations_open(users=[user]))["channel"]["id"])


def requester_of(user: str) -> str:
    return f"{PLATFORM}:{user}"


def asker_of(
    team: str, user: str, channel: str, room: Room, someone: Someone, *, private: bool = False, asked_by: str = ""
) -> Asker:
    space = f"{PLATFORM}:{team}"
    stranger = team not in someone.teams
    # Where Slack tells of neither, somebody in a closed place is taken for one of the workspace.
    outsider = stranger and not room.open and (room.shared or bool(room.unknown) or bool(someone.teams))
    # Whoever runs another workspace does not run this one.
    admin = not outsider and (someone.named or (someone.admin and not stranger))
    return Asker(
        requester=requester_of(user),
        space=space,
        place=channel,
        direct=room.direct,
        closed_to=None if room.open else f"{space}/{channel}",
        private=private,
        outsider=outsider,
        moderator=admin,
        admin=admin,
        # Slack has no channels for adults.
        treatment=Treatment.REFUSE,
        asked_by=asked_by,
    )
