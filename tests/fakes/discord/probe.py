"""A small bot on the real discord.py, which shows that the fake Discord is one that discord.py can live with."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Self

import discord
import pytest
import yarl
from discord import app_commands, ui

from tests.fakes.discord.server import FakeDiscord

INTENTS = discord.Intents(guilds=True, guild_messages=True, dm_messages=True)


class RefineModal(ui.Modal, title="Refine"):
    prompt: ui.Label[Self] = ui.Label(
        text="Prompt", component=ui.TextInput(custom_id="prompt", default="a cat", max_length=100)
    )
    style: ui.Label[Self] = ui.Label(
        text="Style",
        component=ui.Select(
            custom_id="style",
            options=[discord.SelectOption(label="Ink"), discord.SelectOption(label="Oil", default=True)],
        ),
    )

    source: ui.Label[Self] = ui.Label(text="From", component=ui.FileUpload(custom_id="source", required=False))
    exact: ui.Label[Self] = ui.Label(text="Keep to it", component=ui.Checkbox(custom_id="exact"))

    async def on_submit(self, interaction: discord.Interaction) -> None:
        assert isinstance(self.prompt.component, ui.TextInput)
        assert isinstance(self.style.component, ui.Select)
        assert isinstance(self.source.component, ui.FileUpload)
        assert isinstance(self.exact.component, ui.Checkbox)
        told = [self.prompt.component.value, self.style.component.values[0], self.exact.component.value]
        told += [len(await file.read()) for file in self.source.component.values]
        await interaction.response.send_message(str(told))


class RefineButton(ui.DynamicItem[ui.Button[Any]], template=r"refine:(?P<image>\w+)"):
    def __init__(self, image: str) -> None:
        super().__init__(ui.Button(label="Refine", custom_id=f"refine:{image}"))
        self.image = image

    @classmethod
    async def from_custom_id(cls, _: discord.Interaction[Any], __: ui.Item[Any], match: re.Match[str]) -> Self:
        return cls(match["image"])

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.edit_message(content=f"refining {self.image}", view=None)


def button(image: str) -> ui.View:
    view = ui.View(timeout=None)
    view.add_item(RefineButton(image))
    return view


class Gallery(ui.LayoutView):
    def __init__(self) -> None:
        super().__init__(timeout=None)
        self.add_item(ui.TextDisplay("A cat"))
        self.add_item(ui.MediaGallery(discord.MediaGalleryItem("attachment://cat.png", description="A cat")))
        self.add_item(ui.ActionRow(RefineButton("img1")))


class Probe(discord.AutoShardedClient):
    """Does one of each; what it hears of it keeps."""

    def __init__(self, intents: discord.Intents = INTENTS) -> None:
        # Otherwise it takes discord.py two seconds to call itself ready.
        super().__init__(intents=intents, guild_ready_timeout=0.01)
        self.tree = app_commands.CommandTree(self)
        self.heard: list[discord.Message] = []
        self.interactions: list[discord.Interaction] = []
        self.add_dynamic_items(RefineButton)
        add_commands(self.tree)

    async def setup_hook(self) -> None:
        await self.tree.sync()

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Without the five seconds of the original."""

    async def on_message(self, message: discord.Message) -> None:
        if message.author != self.user:
            self.heard.append(message)

    async def on_interaction(self, interaction: discord.Interaction) -> None:
        self.interactions.append(interaction)

    def channel(self, channel_id: int) -> discord.PartialMessageable:
        return self.get_partial_messageable(channel_id)


def add_commands(tree: app_commands.CommandTree[Any]) -> None:
    @tree.command(description="Paint")
    @app_commands.describe(prompt="What", images="How many", source="From")
    async def generate(
        interaction: discord.Interaction,
        prompt: str,
        images: app_commands.Range[int, 1, 4] = 1,
        source: discord.Attachment | None = None,
    ) -> None:
        await interaction.response.defer(ephemeral=True)
        size = len(await source.read()) if source else 0
        await interaction.followup.send(f"{images} x {prompt}, {size} bytes, {interaction.filesize_limit}")

    @tree.command(description="Paint again")
    @app_commands.describe(image="Which")
    async def refine(interaction: discord.Interaction, image: str) -> None:
        await interaction.response.send_modal(RefineModal())

    @refine.autocomplete("image")
    async def images(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
        return [app_commands.Choice(name=f"{current}t", value="img1")]

    @tree.context_menu(name="Refine image")
    async def refine_image(interaction: discord.Interaction, message: discord.Message) -> None:
        await interaction.response.send_message(f"refining {message.content!r}", ephemeral=True)

    limner = app_commands.Group(name="limner", description="More")

    @limner.command(description="Explain")
    async def help(interaction: discord.Interaction) -> None:
        await interaction.response.send_message("So it goes.", view=button("img1"))

    @tree.command(description="For moderators")
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.guild_only()
    async def block(interaction: discord.Interaction, person: discord.Member, where: discord.TextChannel) -> None:
        await interaction.response.send_message(f"{person.display_name} in {where.name}", ephemeral=True)

    @tree.command(description="For those who bring the bot along")
    @app_commands.allowed_installs(guilds=True, users=True)
    async def anywhere(interaction: discord.Interaction) -> None:
        await interaction.response.send_message(f"{interaction.context.to_array()} {interaction.is_user_integration()}")

    tree.add_command(limner)

    @tree.command(description="Says nothing")
    async def silent(interaction: discord.Interaction) -> None: ...


@contextmanager
def pointed_at(fake: FakeDiscord) -> Iterator[None]:
    """All bots on discord.py in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(discord.http.Route, "BASE", fake.api_url)
        patch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(fake.gateway_url))
        yield


@asynccontextmanager
async def running(fake: FakeDiscord) -> AsyncIterator[Probe]:
    with pointed_at(fake):
        probe = Probe()
        start = asyncio.create_task(probe.start(fake.token), name="the probe bot")
        try:
            await fake.connected()
            await probe.wait_until_ready()
            yield probe
        finally:
            await probe.close()
            await start
