"""`/limner` and `/limner-status`: what admins set, and what everyone may know of Limner and of themselves."""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

import bot
from adapters.chat.refusals import Unclear
from adapters.chat.reports import Reports
from adapters.chat.words import channels
from adapters.slack import render, reports
from adapters.slack.arguments import (
    REPEATED,
    Act,
    channels_in,
    check_nothing_left,
    not_understood,
    options_in,
    parted,
    person_in,
)
from adapters.slack.blocks import Shown
from adapters.slack.desk import Ask, Desk
from adapters.slack.governing import Governing
from adapters.slack.handing import handed
from adapters.slack.people import PLATFORM, requester_of
from adapters.slack.tokens import unescaped
from adapters.slack.words import Words, words_for
from bot.policy import Asker, Rules
from bot.service import Service

#: Read from what is installed; torch itself never comes into this process.
VERSIONS = {name: version(name) for name in ("slack-bolt", "diffusers", "torch")}
#: Bytes of an export; Slack takes more.
EXPORT_MOST = 2**30
RULES = {"jobs": "jobs_each", "images": "images_most", "steps": "steps_most"}
#: Of any of those, and of an age.
LIMIT_MOST, DAYS_MOST = 1000, 36_500


class Admin:
    """Every command answers privately."""

    def __init__(self, client: AsyncWebClient, service: Service, desk: Desk, reports: Reports) -> None:
        self._client = client
        self._service = service
        self._desk = desk
        self._for_all: Mapping[str, Act] = {
            "help": self._help,
            "about": self._about,
            "mydata": self._mydata,
            "forget": self._forget,
        }
        self._for_admins: Mapping[str, Act] = {
            "pause": self._pause,
            "resume": self._resume,
            "block": self._block,
            "unblock": self._unblock,
            "limits": self._limits,
            "channels": self._channels,
            "purge": self._purge,
            **Governing(client, service, desk, reports).acts,
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
        word, rest = (*text.split(maxsplit=1), "", "")[:2]
        act = self._act(word.lower() or "help", words)
        if act in self._for_admins.values() and not asker.admin:
            raise Unclear("admins_only")
        await self._desk.tell(ask, await act(asker, words, rest))

    def _act(self, word: str, words: Words) -> Act:
        """Raises Unclear."""
        known = {**self._for_all, **self._for_admins}
        if word in known:
            return known[word]
        shown = words.quoted(unescaped(word), REPEATED)
        if nearest := difflib.get_close_matches(word, known, n=1):
            raise Unclear("command.unknown.suggested", word=shown, suggestion=nearest[0])
        raise Unclear("command.unknown", word=shown, words=", ".join(known))

    async def _help(self, asker: Asker, words: Words, rest: str) -> Shown:
        return reports.guide(words, admin=asker.admin)

    async def _about(self, asker: Asker, words: Words, rest: str) -> Shown:
        return reports.about(await self._service.status(), bot.__version__, words)

    async def _mydata(self, asker: Asker, words: Words, rest: str) -> Shown:
        """Comes as a file in direct messages."""
        check_nothing_left(rest, words)
        belongings, export = await self._service.export(asker, EXPORT_MOST)
        key = "mydata" if export.complete else "mydata.partly"
        text = words.say(key, images=len(belongings.images), jobs=len(belongings.jobs))
        await handed(self._client, asker, "limner-mydata.zip", export.zip, text, "mydata")
        return render.answer(words.say("mydata.sent"))

    async def _forget(self, asker: Asker, words: Words, rest: str) -> Shown:
        check_nothing_left(rest, words)
        belongings = await self._service.belongings(asker)
        if belongings.empty:
            return render.answer(words.say("confirm.forget.nothing"))
        question = words.say("confirm.forget", images=len(belongings.images), jobs=len(belongings.jobs))
        # The subject is for the form alone: who presses is who is forgotten.
        return render.confirmation(question, "forget", "me", words)

    async def _pause(self, asker: Asker, words: Words, rest: str) -> Shown:
        check_nothing_left(rest, words)
        await self._service.change_rules(asker, lambda rules: replace(rules, paused=True))
        return render.answer(words.say("paused"))

    async def _resume(self, asker: Asker, words: Words, rest: str) -> Shown:
        check_nothing_left(rest, words)
        await self._service.change_rules(asker, lambda rules: replace(rules, paused=False))
        return render.answer(words.say("resumed"))

    async def _block(self, asker: Asker, words: Words, rest: str) -> Shown:
        user = person_in(rest, "block", words)
        changed = await self._service.block(requester_of(user), asker)
        return render.answer(
            words.say("blocked" if changed else "blocked.already", person=await self._name(user, words))
        )

    async def _unblock(self, asker: Asker, words: Words, rest: str) -> Shown:
        user = person_in(rest, "unblock", words)
        changed = await self._service.unblock(requester_of(user), asker)
        return render.answer(words.say("unblocked" if changed else "not_blocked", person=await self._name(user, words)))

    async def _name(self, user: str, words: Words) -> str:
        return words.quoted((await self._desk.someone(user)).name, 80)

    async def _limits(self, asker: Asker, words: Words, rest: str) -> Shown:
        """0 lifts a limit; without options they are shown."""
        given = options_in(rest, words, dict.fromkeys(RULES, LIMIT_MOST))
        said: dict[str, Any] = {RULES[name]: number or None for name, number in given.items()}
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
        action, named = (*rest.split(maxsplit=1), "", "")[:2]
        match action.lower():
            case "allow":
                chosen = channels_in(named, asker)
                rules = await self._places(asker, lambda listed: listed | chosen)
            case "forbid":
                rules = await self._forbid(asker, channels_in(named, asker), words)
            case "everywhere":
                check_nothing_left(named, words)
                rules = await self._places(asker, lambda listed: frozenset())
            case "list" | "":
                check_nothing_left(named, words)
                rules = await self._service.rules(asker)
            case _:
                raise not_understood(rest, words)
        return render.answer(listed_in(rules, words))

    async def _forbid(self, asker: Asker, chosen: frozenset[str], words: Words) -> Rules:
        """Taking the last one off would open all the others, which nobody means who forbids something."""
        rules = await self._service.rules(asker)
        if unlisted := chosen - rules.places:
            raise Unclear("channels.not_listed", channel=channels(sorted(unlisted)), now=listed_in(rules, words))
        if rules.places <= chosen:
            raise Unclear("channels.last", channel=channels(sorted(rules.places)))
        return await self._places(asker, lambda listed: listed - chosen)

    async def _places(self, asker: Asker, change: Callable[[frozenset[str]], frozenset[str]]) -> Rules:
        return await self._service.change_rules(asker, lambda rules: replace(rules, places=change(rules.places)))

    async def _purge(self, asker: Asker, words: Words, rest: str) -> Shown:
        rest, people = parted(rest)
        if len(people) > 1:
            raise Unclear("command.one_person", word="purge")
        if not people and rest.lstrip().startswith("@"):
            raise Unclear("command.no_person", word="purge")
        user = people[0] if people else None
        days = options_in(rest, words, {"days": DAYS_MOST}).get("days", 0)
        name = await self._name(user, words) if user else ""
        key = {(False, False): "everything", (True, False): "person", (False, True): "older"}.get(
            (user is not None, days > 0), "person_older"
        )
        question = words.say("confirm.purge", what=words.say(f"purge.{key}", person=name, days=days))
        return render.confirmation(question, "purge", f"{days}/{user or ''}", words)


def listed_in(rules: Rules, words: Words) -> str:
    if not rules.places:
        return words.say("channels.everywhere")
    return words.say("channels.allowed", channels=channels(sorted(rules.places)))
