"""Buttons whose state is their custom_id, so that they work after any restart: `limner:<action>:<subject>`."""

import re
from collections.abc import Iterator
from typing import Any, Self

import discord

from adapters.discord.render import Button, Shown

TEMPLATE = r"limner:(?P<action>[a-z_]+):(?P<subject>.+)"
TEMPLATE_OF_BUTTON = re.compile(TEMPLATE)
STYLES = {
    "primary": discord.ButtonStyle.primary,
    "secondary": discord.ButtonStyle.secondary,
    "danger": discord.ButtonStyle.danger,
}


class PressedButton(discord.ui.DynamicItem[discord.ui.Button[Any]], template="(?s:.+)"):
    """Any button, also of a newer or another program; what it means is the client's to know."""

    def __init__(self, button: discord.ui.Button[Any], action: str, subject: str) -> None:
        super().__init__(button)
        self.action = action
        self.subject = subject

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        assert isinstance(item, discord.ui.Button)
        own = TEMPLATE_OF_BUTTON.fullmatch(match.string)
        return cls(item, own["action"] if own else "", own["subject"] if own else "")

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.client.pressed(interaction, self.action, self.subject)


def view(shown: Shown) -> discord.ui.View:
    """Never waited for: presses find their way by custom_id."""
    made = discord.ui.View(timeout=None)
    for number, row in enumerate(shown.rows):
        for button in row:
            made.add_item(_button(button, number))
    # A view that has ended is not kept in memory for its message.
    made.stop()
    return made


def _button(button: Button, row: int) -> discord.ui.Button[Any]:
    return discord.ui.Button(label=button.label, style=STYLES[button.style], custom_id=button.custom_id, row=row)


def subjects(message: discord.Message) -> set[str]:
    """What the buttons of a message are about: IDs of jobs and images."""
    return {match["subject"] for match in _matches(message)}


def subjects_of(message: discord.Message, action: str) -> list[str]:
    """In the order of the buttons."""
    return [match["subject"] for match in _matches(message) if match["action"] == action]


def _matches(message: discord.Message) -> Iterator[re.Match[str]]:
    for row in message.components:
        for component in getattr(row, "children", []):
            if match := TEMPLATE_OF_BUTTON.fullmatch(getattr(component, "custom_id", None) or ""):
                yield match
