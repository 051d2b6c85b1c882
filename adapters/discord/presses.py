"""What a press on a button does."""

import re
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial

from adapters.chat.refusals import Unclear
from adapters.discord import place as places
from adapters.discord.buttons import view
from adapters.discord.desk import Desk
from adapters.discord.intake import Interaction, answer, in_time
from adapters.discord.moderating import Moderating
from adapters.discord.render import Button, Shown
from adapters.discord.takedown import Takedown
from adapters.discord.words import Words, words_for
from bot.jobs import Image
from bot.policy import Asker
from bot.service import Service

#: Days, and perhaps a person.
PURGED = re.compile(r"([0-9]{1,5})/([0-9]{0,20})")
#: Follows an image's ID where its message cannot be taken down.
OUT_OF_REACH = "/private"

#: Does one thing for a press, or raises what refuse() explains.
Press = Callable[[Interaction, str], Awaitable[None]]


class Presses:
    def __init__(
        self,
        service: Service,
        desk: Desk,
        takedown: Takedown,
        moderating: Moderating,
        later: Callable[[Callable[[], Awaitable[None]], str], None],
    ) -> None:
        self._service = service
        self._takedown = takedown
        #: Runs what nobody waits for, under a name.
        self._later = later
        self._by_action: Mapping[str, Press] = {
            "refine": desk.ask_how_of,
            "vary": desk.vary,
            "again": desk.again,
            "retry": desk.retry,
            "recipe": desk.recipe_of,
            "show": desk.show,
            "cancel": self._cancel,
            "delete": self._ask_before_deleting,
            "confirm_delete": self._delete,
            "confirm_forget": self._forget,
            "confirm_purge": self._purge,
            "keep": self._keep,
            "why": moderating.why,
            "report": moderating.ask_before_reporting,
            "confirm_report": moderating.report,
            "keep_quiet": self._keep_quiet,
            "approve": moderating.approve,
            "refuse": moderating.refuse,
            "block": moderating.block,
        }

    def of(self, action: str) -> Press:
        return self._by_action.get(action, _unknown)

    async def _cancel(self, interaction: Interaction, job_id: str) -> None:
        """The job's own message says that it was cancelled."""
        await interaction.response.defer()
        await self._service.cancel(job_id, places.of_interaction(interaction).asker)

    @in_time
    async def _ask_before_deleting(self, interaction: Interaction, image_id: str) -> None:
        words = words_for(interaction.locale.value)
        asker = places.of_interaction(interaction).asker
        text = await self._question(await self._service.check_may_delete(image_id, asker), asker, words)
        # What only one person sees stays until they dismiss it.
        subject = image_id + (OUT_OF_REACH if is_private(interaction) else "")
        question = confirmation(text, "delete", subject, words)
        await interaction.response.send_message(question.content, view=view(question), ephemeral=True)

    async def _question(self, image: Image, asker: Asker, words: Words) -> str:
        job = None if image.job_id is None else await self._service.job(image.job_id, asker)
        if job is None or len(job.image_ids) == 1:
            return words.say("confirm.delete")
        return words.say("confirm.delete.number", number=job.image_ids.index(image.id) + 1)

    async def _delete(self, interaction: Interaction, what: str) -> None:
        await interaction.response.defer()
        image_id = what.removesuffix(OUT_OF_REACH)
        messages = await self._service.delete(image_id, places.of_interaction(interaction).asker)
        gone = await self._takedown.of(messages)
        told = "deleted" if gone and image_id == what else "deleted.not_taken_down"
        await answer(interaction, words_for(interaction.locale.value).say(told), view=None)

    async def _forget(self, interaction: Interaction, _: str) -> None:
        await interaction.response.defer()
        erased = await self._service.forget(places.of_interaction(interaction).asker)
        self._later(partial(self._takedown.of_all, erased), "take down what was forgotten")
        text = words_for(interaction.locale.value).say("forgotten", images=len(erased.images), jobs=len(erased.jobs))
        await answer(interaction, text, view=None)

    async def _purge(self, interaction: Interaction, what: str) -> None:
        subject = PURGED.fullmatch(what)
        if subject is None:
            raise Unclear("unknown_button")
        await interaction.response.defer()
        days, person = subject.groups()
        erased = await self._service.purge(
            places.of_interaction(interaction).asker,
            older_than=timedelta(days=int(days)).total_seconds(),
            requester=places.requester_of(int(person)) if person else None,
        )
        self._later(partial(self._takedown.of_all, erased), "take down what was purged")
        text = words_for(interaction.locale.value).say("purged", images=len(erased.images), jobs=len(erased.jobs))
        await answer(interaction, text, view=None)

    async def _keep(self, interaction: Interaction, _: str) -> None:
        words = words_for(interaction.locale.value)
        await interaction.response.edit_message(content=words.say("kept"), view=None)

    async def _keep_quiet(self, interaction: Interaction, _: str) -> None:
        words = words_for(interaction.locale.value)
        await interaction.response.edit_message(content=words.say("kept_quiet"), view=None)


async def _unknown(interaction: Interaction, _: str) -> None:
    raise Unclear("unknown_button")


def is_private(interaction: Interaction) -> bool:
    """The message that it is about only one person sees."""
    return interaction.message is not None and interaction.message.flags.ephemeral


def confirmation(question: str, what: str, subject: str, words: Words) -> Shown:
    yes = Button(f"confirm_{what}", subject, words.say(f"button.confirm_{what}"), "danger")
    no = Button("keep", subject, words.say("button.keep"))
    return Shown(question, ((yes, no),))
