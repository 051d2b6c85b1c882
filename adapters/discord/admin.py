"""`/status` and `/limner`: what admins set, and what everyone may know of Limner and of themselves."""

import io
from collections.abc import Awaitable, Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import discord

import bot
from adapters.chat import governing
from adapters.chat.refusals import Unclear
from adapters.chat.reports import Reports
from adapters.chat.words import channels
from adapters.discord import place as places
from adapters.discord import reports
from adapters.discord.buttons import view
from adapters.discord.intake import Interaction, answer, refuse
from adapters.discord.markdown import person
from adapters.discord.place import Place
from adapters.discord.presses import confirmation
from adapters.discord.words import Words, words_for
from bot.errors import BadRequest, Forbidden, Mistake, Refused
from bot.export import table
from bot.jobs import Treatment
from bot.policy import Rules
from bot.service import Service

#: Read from what is installed; torch itself never comes into this process.
VERSIONS = {name: version(name) for name in ("discord.py", "diffusers", "torch")}
#: Bytes of a message around its file.
AROUND = 2**14
DAYS_MOST = 36_500


class Admin:
    """Every method answers privately."""

    def __init__(self, service: Service, reports: Reports) -> None:
        self._service = service
        self._reports = reports

    async def status(self, interaction: Interaction) -> None:
        async def tell(place: Place, words: Words) -> str:
            if not place.asker.admin:
                raise Forbidden
            now, lately = await self._service.status(), await self._service.lately()
            return reports.status(now, lately, bot.__version__, words, place.asker.space, VERSIONS)

        await self._answer(interaction, tell)

    async def help(self, interaction: Interaction) -> None:
        await self._answer(interaction, lambda place, words: _said(words.say("help")))

    async def about(self, interaction: Interaction) -> None:
        async def tell(place: Place, words: Words) -> str:
            return reports.about(await self._service.status(), bot.__version__, words)

        await self._answer(interaction, tell)

    async def mydata(self, interaction: Interaction) -> None:
        place = places.of_interaction(interaction)
        words = words_for(place.locale)
        await interaction.response.defer(ephemeral=True, thinking=True)
        belongings, export = await self._service.export(place.asker, place.filesize_limit - AROUND)
        file = discord.File(io.BytesIO(export.zip), "limner-mydata.zip")
        text = words.say(
            "mydata" if export.complete else "mydata.partly",
            images=len(belongings.images),
            jobs=len(belongings.jobs),
        )
        # Not by answer(): that the file did not come must be told.
        await interaction.edit_original_response(content=text, attachments=[file])

    async def forget(self, interaction: Interaction) -> None:
        place = places.of_interaction(interaction)
        words = words_for(place.locale)
        await interaction.response.defer(ephemeral=True, thinking=True)
        belongings = await self._service.belongings(place.asker)
        if belongings.empty:
            await answer(interaction, words.say("confirm.forget.nothing"))
            return
        question = words.say("confirm.forget", images=len(belongings.images), jobs=len(belongings.jobs))
        # The subject is for the form alone: who presses is who is forgotten.
        shown = confirmation(question, "forget", "me", words)
        await answer(interaction, shown.content, view=view(shown))

    async def pause(self, interaction: Interaction, *, paused: bool) -> None:
        async def change(place: Place, words: Words) -> str:
            await self._service.change_rules(place.asker, lambda rules: replace(rules, paused=paused))
            return words.say("paused" if paused else "resumed")

        await self._answer(interaction, change)

    async def block(self, interaction: Interaction, user: discord.User | discord.Member) -> None:
        async def change(place: Place, words: Words) -> str:
            changed = await self._service.block(places.requester_of(user.id), place.asker)
            return words.say("blocked" if changed else "blocked.already", person=user.mention)

        await self._answer(interaction, change)

    async def unblock(self, interaction: Interaction, user: discord.User | discord.Member) -> None:
        async def change(place: Place, words: Words) -> str:
            changed = await self._service.unblock(places.requester_of(user.id), place.asker)
            return words.say("unblocked" if changed else "not_blocked", person=user.mention)

        await self._answer(interaction, change)

    async def limits(self, interaction: Interaction, **given: int | None) -> None:
        """`jobs_each`, `images_most`, `steps_most`: None leaves a limit as it is, 0 lifts it."""

        async def change(place: Place, words: Words) -> str:
            said: dict[str, Any] = {name: limit or None for name, limit in given.items() if limit is not None}
            if said:
                rules = await self._service.change_rules(place.asker, lambda rules: replace(rules, **said))
            elif place.asker.admin:
                rules = await self._service.rules(place.asker)
            else:
                raise Forbidden
            return _limits(rules, words)

        await self._answer(interaction, change)

    async def channels(self, interaction: Interaction, action: str, channel_id: int | None) -> None:
        async def change(place: Place, words: Words) -> str:
            chosen = str(channel_id) if channel_id is not None else place.asker.place
            match action:
                case "allow":
                    rules = await self._change_places(place, lambda listed: listed | {chosen})
                case "forbid":
                    rules = await self._forbid(place, chosen, words)
                case "everywhere":
                    rules = await self._change_places(place, lambda listed: frozenset())
                case _:
                    rules = await self._change_places(place, lambda listed: listed)
            return _channels(rules, words)

        await self._answer(interaction, change)

    async def flagged(self, interaction: Interaction, treatment: str | None, channel_id: int | None) -> None:
        """What is done with images that the check flags; without a treatment it is told."""

        async def change(place: Place, words: Words) -> str:
            if treatment is None:
                return governing.of_treatments(await self._rules(place), words)
            chosen = None if treatment == "default" else Treatment(treatment)
            where = None if channel_id is None else str(channel_id)
            rules = await self._service.change_rules(
                place.asker, lambda rules: governing.with_treatment(rules, chosen, where)
            )
            return governing.of_treatments(rules, words)

        await self._answer(interaction, change)

    async def reports(self, interaction: Interaction, channel_id: int | None) -> None:
        """Where moderators hear of reports; without a channel it is told."""

        async def change(place: Place, words: Words) -> str:
            if channel_id is None:
                rules = await self._rules(place)
            else:
                rules = await self._service.change_rules(
                    place.asker, lambda rules: replace(rules, reports_to=str(channel_id))
                )
                self._reports.wake()
            if not rules.reports_to:
                return words.say("reports.nowhere")
            return words.say("reports.here", channel=f"<#{rules.reports_to}>")

        await self._answer(interaction, change)

    async def words(self, interaction: Interaction, action: str, text: str | None) -> None:
        async def change(place: Place, words: Words) -> str:
            if action == "list":
                return governing.of_words(await self._rules(place), words)
            if text is None:
                raise Unclear("words.no_text")
            change = governing.with_word if action == "add" else governing.without_word
            rules = await self._service.change_rules(place.asker, lambda rules: change(rules, text))
            return governing.of_words(rules, words)

        await self._answer(interaction, change)

    async def retention(self, interaction: Interaction, days: int | None) -> None:
        """None tells it, 0 lifts it."""

        async def change(place: Place, words: Words) -> str:
            if days is None:
                rules = await self._rules(place)
            else:
                rules = await self._service.change_rules(
                    place.asker, lambda rules: replace(rules, retention_days=days or None)
                )
            if rules.retention_days is None:
                return words.say("retention.none")
            return words.say("retention", days=rules.retention_days)

        await self._answer(interaction, change)

    async def record(self, interaction: Interaction, *, export: bool) -> None:
        place = places.of_interaction(interaction)
        words = words_for(place.locale)
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            decisions = await self._service.moderation.record(place.asker)
        except Forbidden:
            await refuse(interaction, words, Unclear("admins_only"))
            return
        text = governing.of_record(decisions, words, person, lambda at: f"<t:{at:.0f}:f>")
        files = [discord.File(io.BytesIO(table(decisions)), "limner-record.csv")] if export else []
        await interaction.edit_original_response(content=text, attachments=files)

    async def _rules(self, place: Place) -> Rules:
        """Raises Forbidden."""
        if not place.asker.admin:
            raise Forbidden
        return await self._service.rules(place.asker)

    async def _change_places(self, place: Place, change: Callable[[frozenset[str]], frozenset[str]]) -> Rules:
        return await self._service.change_rules(place.asker, lambda rules: replace(rules, places=change(rules.places)))

    async def _forbid(self, place: Place, chosen: str, words: Words) -> Rules:
        """Taking the last one off would open all the others, which nobody means who forbids something."""
        rules = await self._service.rules(place.asker)
        if place.asker.admin and chosen not in rules.places:
            raise Unclear("channels.not_listed", channel=f"<#{chosen}>", now=_channels(rules, words))
        if place.asker.admin and rules.places == {chosen}:
            raise Unclear("channels.last", channel=f"<#{chosen}>")
        return await self._change_places(place, lambda listed: listed - {chosen})

    async def purge(
        self, interaction: Interaction, user: discord.User | discord.Member | None, days: int | None
    ) -> None:
        place = places.of_interaction(interaction)
        words = words_for(place.locale)
        try:
            if not place.asker.admin:
                raise Unclear("admins_only")
            if days is not None and not 0 <= days <= DAYS_MOST:
                raise BadRequest(Mistake("older_than_days", f"0 to {DAYS_MOST} days.", "range", {"most": DAYS_MOST}))
        except Refused as error:
            await refuse(interaction, words, error)
            return
        question = words.say("confirm.purge", what=_purged(user, days, words))
        shown = confirmation(question, "purge", f"{days or 0}/{user.id if user else ''}", words)
        await interaction.response.send_message(shown.content, view=view(shown), ephemeral=True)

    async def _answer(self, interaction: Interaction, tell: Callable[[Place, Words], Awaitable[str]]) -> None:
        place = places.of_interaction(interaction)
        words = words_for(place.locale)
        await interaction.response.defer(ephemeral=True, thinking=True)
        try:
            text = await tell(place, words)
        except Forbidden:
            await refuse(interaction, words, Unclear("admins_only"))
        except Exception as error:  # noqa: BLE001 - it is told and logged
            await refuse(interaction, words, error)
        else:
            await answer(interaction, text)


async def _said(text: str) -> str:
    return text


def _limits(rules: Rules, words: Words) -> str:
    none = words.say("limits.none")
    return words.say(
        "limits",
        jobs=none if rules.jobs_each is None else rules.jobs_each,
        images=none if rules.images_most is None else rules.images_most,
        steps=none if rules.steps_most is None else rules.steps_most,
    )


def _channels(rules: Rules, words: Words) -> str:
    if not rules.places:
        return words.say("channels.everywhere")
    return words.say("channels.allowed", channels=channels(sorted(rules.places)))


def _purged(user: discord.User | discord.Member | None, days: int | None, words: Words) -> str:
    if user is not None and days:
        return words.say("purge.person_older", person=user.mention, days=days)
    if user is not None:
        return words.say("purge.person", person=user.mention)
    return words.say("purge.older", days=days) if days else words.say("purge.everything")
