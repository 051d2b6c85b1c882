"""What admins set for images and words, and what they can read of what was decided."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from slack_sdk.web.async_client import AsyncWebClient

from adapters.chat import governing
from adapters.chat.governing import RECORD_SHOWN
from adapters.chat.refusals import Unclear
from adapters.chat.reports import Reports
from adapters.slack import render
from adapters.slack.arguments import Act, check_nothing_left, not_understood, one_channel_in
from adapters.slack.blocks import Shown
from adapters.slack.desk import Desk
from adapters.slack.handing import handed
from adapters.slack.mrkdwn import moment
from adapters.slack.people import PLATFORM
from adapters.slack.tokens import unescaped
from adapters.slack.words import Words
from bot.decisions import Decision
from bot.export import table
from bot.jobs import Treatment
from bot.policy import Asker
from bot.service import Service

#: In place of a treatment, for none of its own.
DEFAULT = "default"
#: Of a rule that erases by age.
RETENTION_MOST = 36_500
NAME_SHOWN = 80


class Governing:
    """Admins alone ask for these, which whoever calls makes sure of."""

    def __init__(self, client: AsyncWebClient, service: Service, desk: Desk, reports: Reports) -> None:
        self._client = client
        self._service = service
        self._desk = desk
        self._reports = reports
        self.acts: Mapping[str, Act] = {
            "flagged": self._flagged,
            "reports": self._reports_to,
            "words": self._words,
            "retention": self._retention,
            "record": self._record,
        }

    async def _flagged(self, asker: Asker, words: Words, rest: str) -> Shown:
        """`[allow|spoiler|hold|refuse|default] [#channel]`; without a treatment it is told."""
        said, channel = one_channel_in(rest)
        if not said and channel is None:
            return render.answer(governing.of_treatments(await self._service.rules(asker), words))
        try:
            treatment = None if said.lower() == DEFAULT else Treatment(said.lower())
        except ValueError as error:
            raise Unclear("flagged.choices", choices=", ".join([*Treatment, DEFAULT])) from error
        rules = await self._service.change_rules(
            asker, lambda rules: governing.with_treatment(rules, treatment, channel)
        )
        return render.answer(governing.of_treatments(rules, words))

    async def _reports_to(self, asker: Asker, words: Words, rest: str) -> Shown:
        """`[#channel]`; without one it is told."""
        left, channel = one_channel_in(rest)
        if left:
            raise Unclear("command.no_channel")
        rules = await self._service.rules(asker)
        if channel is not None:
            await self._check_there(channel)
            rules = await self._service.change_rules(asker, lambda rules: replace(rules, reports_to=channel))
            self._reports.wake()
        if not rules.reports_to:
            return render.answer(words.say("reports.nowhere"))
        return render.answer(words.say("reports.here", channel=f"<#{rules.reports_to}>"))

    async def _check_there(self, channel: str) -> None:
        """Raises Unclear where no report would arrive."""
        room = await self._desk.room(channel)
        if room.archived:
            raise Unclear("reports.archived", channel=f"<#{channel}>")
        if room.unknown not in ("", "channel_not_found"):
            raise Unclear("too_slow")
        if not room.member:
            raise Unclear("reports.not_there", channel=f"<#{channel}>", bot=self._desk.bot_name)

    async def _words(self, asker: Asker, words: Words, rest: str) -> Shown:
        """`[add|remove|list] TEXT`; without anything they are listed."""
        action, text = (*unescaped(rest).split(maxsplit=1), "", "")[:2]
        match action.lower():
            case "list" | "":
                check_nothing_left(text, words)
                rules = await self._service.rules(asker)
            case "add" | "remove":
                if not text:
                    raise Unclear("words.no_text")
                change = governing.with_word if action.lower() == "add" else governing.without_word
                rules = await self._service.change_rules(asker, lambda rules: change(rules, text.strip()))
            case _:
                raise Unclear("words.actions")
        return render.answer(governing.of_words(rules, words))

    async def _retention(self, asker: Asker, words: Words, rest: str) -> Shown:
        """`[days]`; 0 lifts it, and without days it is told."""
        said = rest.strip()
        rules = await self._service.rules(asker)
        if said:
            if not (said.isascii() and said.isdigit()):
                raise not_understood(rest, words)
            if len(said) > len(str(RETENTION_MOST)) or int(said) > RETENTION_MOST:
                raise Unclear("retention.range", most=RETENTION_MOST)
            days = int(said) or None
            rules = await self._service.change_rules(asker, lambda rules: replace(rules, retention_days=days))
        if rules.retention_days is None:
            return render.answer(words.say("retention.none"))
        return render.answer(words.say("retention", days=rules.retention_days))

    async def _record(self, asker: Asker, words: Words, rest: str) -> Shown:
        """`[export]`: all of it as a file, in direct messages."""
        if rest.strip().lower() not in ("", "export"):
            raise not_understood(rest, words)
        decisions = await self._service.moderation.record(asker)
        if rest.strip():
            text = words.say("record.file", count=len(decisions))
            await handed(self._client, asker, "limner-record.csv", table(decisions), text, "record")
            return render.answer(words.say("record.sent"))
        names = await self._names(decisions[:RECORD_SHOWN], words)
        told = governing.of_record(decisions, words, lambda requester: names.get(requester, ""), moment)
        return render.answer(told)

    async def _names(self, decisions: Sequence[Decision], words: Words) -> Mapping[str, str]:
        """Not mentions: nobody's phone shall ring."""
        names: dict[str, str] = {}
        for requester in dict.fromkeys(who for decision in decisions for who in (decision.by, decision.about) if who):
            platform, _, user = requester.partition(":")
            name = (await self._desk.someone(user)).name if platform == PLATFORM else requester
            names[requester] = words.quoted(name, NAME_SHOWN)
        return names
