"""`/limner` and `/limner-status`: what admins set, and what everyone may know of Limner and of themselves."""

import difflib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

import bot
from adapters.chat.refusals import Unclear
from adapters.chat.words import channels
from adapters.slack import render, reports
from adapters.slack.blocks import Shown
from adapters.slack.desk import Ask, Desk
from adapters.slack.mishaps import told_apart
from adapters.slack.people import PLATFORM, requester_of
from adapters.slack.uploads import sent
from adapters.slack.words import Words, words_for
from bot.errors import Forbidden
from bot.policy import Asker, Rules
from bot.service import Service

#: Read from what is installed; torch itself never comes into this process.
VERSIONS = {name: version(name) for name in ("slack-bolt", "diffusers", "torch")}
#: Bytes of an export; Slack takes more.
EXPORT_MOST = 2**30
PERSON = re.compile(r"<@(?P<user>[UW][A-Z0-9]{1,20})(?:\|[^>]*)?>")
CHANNEL = re.compile(r"<#(?P<channel>[CG][A-Z0-9]{1,20})(?:\|[^>]*)?>")
OPTION = re.compile(r"--(?P<name>jobs|images|steps|days)[ =](?P<number>[0-9]{1,5})(?![0-9])")
RULES = {"jobs": "jobs_each", "images": "images_most", "steps": "steps_most"}

#: Takes who asks, in which words, and what follows the command's word.
Act = Callable[[Asker, Words, str], Awaitable[Shown]]


class Admin:
    """Every command answers privately."""

    def __init__(self, client: AsyncWebClient, service: Service, desk: Desk) -> None:
        self._client = client
        self._service = service
        self._desk = desk
        self._by_word: Mapping[str, Act] = {
            "help": self._help,
            "about": self._about,
            "mydata": self._mydata,
            "forget": self._forget,
            "pause": self._pause,
            "resume": self._resume,
            "block": self._block,
            "unblock": self._unblock,
            "limits": self._limits,
            "channels": self._channels,
            "purge": self._purge,
        }

    async def status(self, ask: Ask) -> None:
        asker, someone = await self._desk.asker(ask)
        if not asker.admin:
            raise Unclear("admins_only")
        now, lately = await self._service.status(), await self._service.lately()
        names = {
            run.job.requester: (await self._desk.someone(run.job.requester.partition(":")[2])).name
            for run in now.running
            if run.job.space == asker.space and run.job.platform == PLATFORM
        }
        words = words_for(someone.locale)
        shown = reports.status(now, lately, bot.__version__, words, asker.space, names=names, libraries=VERSIONS)
        await self._desk.tell(ask, shown)

    async def limner(self, ask: Ask, text: str) -> None:
        asker, someone = await self._desk.asker(ask)
        words = words_for(someone.locale)
        word, _, rest = text.strip().partition(" ")
        act = self._by_word.get(word.lower() or "help")
        if act is None:
            nearest = difflib.get_close_matches(word.lower(), self._by_word, n=1)
            if nearest:
                raise Unclear("command.unknown.suggested", word=words.quoted(word, 40), suggestion=nearest[0])
            raise Unclear("command.unknown", word=words.quoted(word, 40), words=", ".join(self._by_word))
        try:
            shown = await act(asker, words, rest)
        except Forbidden as error:
            raise Unclear("admins_only") from error
        await self._desk.tell(ask, shown)

    async def _help(self, asker: Asker, words: Words, rest: str) -> Shown:
        return reports.guide(words, admin=asker.admin)

    async def _about(self, asker: Asker, words: Words, rest: str) -> Shown:
        return reports.about(await self._service.status(), bot.__version__, words)

    async def _mydata(self, asker: Asker, words: Words, rest: str) -> Shown:
        """Comes as a file in direct messages."""
        belongings, export = await self._service.export(asker, EXPORT_MOST)
        key = "mydata" if export.complete else "mydata.partly"
        text = words.say(key, images=len(belongings.images), jobs=len(belongings.jobs))
        user = asker.requester.partition(":")[2]
        with told_apart():
            opened = await self._client.conversations_open(users=[user])
        direct = str(opened["channel"]["id"])
        await sent(self._client, "limner-mydata.zip", export.zip, text, direct)
        return render.answer(text)

    async def _forget(self, asker: Asker, words: Words, rest: str) -> Shown:
        belongings = await self._service.belongings(asker)
        if not belongings.jobs and not belongings.images:
            return render.answer(words.say("confirm.forget.nothing"))
        question = words.say("confirm.forget", images=len(belongings.images), jobs=len(belongings.jobs))
        # The subject is for the form alone: who presses is who is forgotten.
        return render.confirmation(question, "forget", "me", words)

    async def _pause(self, asker: Asker, words: Words, rest: str) -> Shown:
        await self._service.change_rules(asker, lambda rules: replace(rules, paused=True))
        return render.answer(words.say("paused"))

    async def _resume(self, asker: Asker, words: Words, rest: str) -> Shown:
        await self._service.change_rules(asker, lambda rules: replace(rules, paused=False))
        return render.answer(words.say("resumed"))

    async def _block(self, asker: Asker, words: Words, rest: str) -> Shown:
        user = person_in(rest, "block")
        changed = await self._service.block(requester_of(user), asker)
        return render.answer(
            words.say("blocked" if changed else "blocked.already", person=await self._name(user, words))
        )

    async def _unblock(self, asker: Asker, words: Words, rest: str) -> Shown:
        user = person_in(rest, "unblock")
        changed = await self._service.unblock(requester_of(user), asker)
        return render.answer(words.say("unblocked" if changed else "not_blocked", person=await self._name(user, words)))

    async def _name(self, user: str, words: Words) -> str:
        return words.quoted((await self._desk.someone(user)).name, 80)

    async def _limits(self, asker: Asker, words: Words, rest: str) -> Shown:
        """0 lifts a limit; without options they are shown."""
        given = options_in(rest, words)
        said: dict[str, Any] = {RULES[name]: number or None for name, number in given.items() if name in RULES}
        rules = await self._service.change_rules(asker, lambda rules: replace(rules, **said))
        none = words.say("limits.none")
        return render.answer(
            words.say(
                "limits",
                jobs=none if rules.jobs_each is None else rules.jobs_each,
                images=none if rules.images_most is None else rules.images_most,
                steps=none if rules.steps_most is None else rules.steps_most,
            )
        )

    async def _channels(self, asker: Asker, words: Words, rest: str) -> Shown:
        """`allow|forbid|list|everywhere`, and channels; without any it is this one."""
        action, _, named = rest.strip().partition(" ")
        if CHANNEL.sub("", named).strip(" ,"):
            raise Unclear("command.no_channel")
        chosen = frozenset(found["channel"] for found in CHANNEL.finditer(named)) or frozenset({asker.place})
        match action.lower():
            case "allow":
                rules = await self._places(asker, lambda listed: listed | chosen)
            case "forbid":
                listed = (await self._service.rules(asker)).places
                if asker.admin and listed and listed <= chosen:
                    raise Unclear("channels.last", channel=channels(sorted(listed)))
                rules = await self._places(asker, lambda listed: listed - chosen)
            case "everywhere":
                rules = await self._places(asker, lambda listed: frozenset())
            case "list" | "":
                rules = await self._places(asker, lambda listed: listed)
            case _:
                raise Unclear("command.too_much", text=words.quoted(rest, 80))
        if not rules.places:
            return render.answer(words.say("channels.everywhere"))
        return render.answer(words.say("channels.allowed", channels=channels(sorted(rules.places))))

    async def _places(self, asker: Asker, change: Callable[[frozenset[str]], frozenset[str]]) -> Rules:
        return await self._service.change_rules(asker, lambda rules: replace(rules, places=change(rules.places)))

    async def _purge(self, asker: Asker, words: Words, rest: str) -> Shown:
        if not asker.admin:
            raise Forbidden
        person = PERSON.search(rest)
        user = person["user"] if person else None
        days = options_in(PERSON.sub("", rest), words).get("days", 0)
        name = await self._name(user, words) if user else ""
        key = {(False, False): "everything", (True, False): "person", (False, True): "older"}.get(
            (user is not None, days > 0), "person_older"
        )
        question = words.say("confirm.purge", what=words.say(f"purge.{key}", person=name, days=days))
        return render.confirmation(question, "purge", f"{days}/{user or ''}", words)


def person_in(text: str, word: str) -> str:
    """Raises Unclear."""
    found = PERSON.search(text)
    if found is None:
        raise Unclear("command.no_person", word=word)
    return found["user"]


def options_in(text: str, words: Words) -> dict[str, int]:
    """Raises Unclear where something else is said."""
    if left := OPTION.sub("", text).strip():
        raise Unclear("command.too_much", text=words.quoted(left, 80))
    return {found["name"]: int(found["number"]) for found in OPTION.finditer(text)}
