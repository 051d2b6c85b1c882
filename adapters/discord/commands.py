"""The commands as Discord knows them: names, options, descriptions in each language, and who may see them."""

from itertools import islice
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str

from adapters.discord import place as places
from adapters.discord import render
from adapters.discord.admin import Admin
from adapters.discord.desk import Desk
from adapters.discord.intake import Interaction
from adapters.discord.pictures import attached
from adapters.discord.words import LANGUAGES, Words, words_for
from bot.errors import BadRequest, Mistake
from bot.jobs import Image, Quality, Treatment
from bot.prompts import GUIDANCE_MAX, IMAGES_MAX, SEED_MAX, STEPS_MAX, parse_size, tidy
from bot.service import Service
from bot.typed import Typed

#: Discord's limits for an option that completes itself.
CHOICES_MOST = 25
CHOICE_MOST = 100
#: Own images that are looked through for one that was meant.
IMAGES_SEARCHED = 200
SIZES = {
    "square": "1024x1024",
    "portrait": "832x1216",
    "landscape": "1216x832",
    "wide": "1344x768",
    "tall": "768x1344",
}

#: Of a forum its posts are asked in: there the option is left out.
Channel = discord.TextChannel | discord.VoiceChannel
Steps = Range[int, 1, STEPS_MAX]
Guidance = Range[float, 0.0, GUIDANCE_MAX]
Images = Range[int, 1, IMAGES_MAX]
Strength = Range[float, 0.0, 1.0]
Days = Range[int, 0, 36_500]
Limit = Range[int, 0, 1_000]

ENGLISH = words_for("en")


def said(key: str) -> locale_str:
    return locale_str(ENGLISH.say(key), key=key)


class Translations(app_commands.Translator):
    """From the word files."""

    async def translate(self, string: locale_str, locale: discord.Locale, context: Any) -> str | None:
        key, language = string.extras.get("key"), locale.value.partition("-")[0]
        if key is None or language not in LANGUAGES or language == ENGLISH.language:
            return None
        return words_for(language).say(key)


def described(command: str, *options: str) -> dict[str, locale_str]:
    return {option: said(f"command.{command}.{option}") for option in options}


def add_painting(tree: app_commands.CommandTree[Any], desk: Desk, service: Service) -> None:
    _add_generate(tree, desk, service)
    _add_refine(tree, desk, service)
    _add_menus(tree, desk)


def _add_generate(tree: app_commands.CommandTree[Any], desk: Desk, service: Service) -> None:
    @tree.command(name="generate", description=said("command.generate"))
    @app_commands.describe(
        **described(
            "generate",
            *("prompt", "negative_prompt", "size", "quality", "style"),
            *("steps", "guidance", "seed", "images", "private"),
        )
    )
    @app_commands.choices(
        quality=[Choice(name=said(f"choice.quality.{quality}"), value=quality.value) for quality in Quality]
    )
    async def generate(
        interaction: Interaction,
        prompt: str,
        negative_prompt: str | None = None,
        size: str | None = None,
        quality: str | None = None,
        style: str | None = None,
        steps: Steps | None = None,
        guidance: Guidance | None = None,
        seed: str | None = None,
        images: Images | None = None,
        private: bool = False,
    ) -> None:
        mistakes: list[Mistake] = []
        typed = Typed(
            words=prompt,
            negative_prompt=negative_prompt,
            size=size,
            quality=_quality(quality, mistakes),
            style=style,
            steps=steps,
            guidance=guidance,
            seed=_seed(seed, mistakes),
            images=images,
            private=private,
            mistakes=tuple(mistakes),
        )
        await desk.generate(interaction, typed)

    @generate.autocomplete("size")
    async def sizes(interaction: Interaction, current: str) -> list[Choice[str]]:
        words = words_for(interaction.locale.value)
        presets = [Choice(name=words.say(f"choice.size.{name}"), value=size) for name, size in SIZES.items()]
        found = [choice for choice in presets if current.strip().casefold() in choice.name.casefold()]
        # What was typed may be a size of its own.
        own = [Choice(name=current.strip(), value=current.strip())] if not found and _is_size(current) else []
        return [*own, *found]

    @generate.autocomplete("style")
    async def styles(interaction: Interaction, current: str) -> list[Choice[str]]:
        names = [style.name for style in service.menu.styles if current.casefold() in style.name.casefold()]
        return [Choice(name=name, value=name) for name in names[:CHOICES_MOST]]


def _add_refine(tree: app_commands.CommandTree[Any], desk: Desk, service: Service) -> None:
    @tree.command(name="refine", description=said("command.refine"))
    @app_commands.describe(
        **described("refine", "prompt", "image", "strength", "picture", "negative_prompt", "steps", "seed", "private")
    )
    async def refine(
        interaction: Interaction,
        prompt: str,
        image: str | None = None,
        strength: Strength | None = None,
        picture: discord.Attachment | None = None,
        negative_prompt: str | None = None,
        steps: Steps | None = None,
        seed: str | None = None,
        private: bool = False,
    ) -> None:
        mistakes: list[Mistake] = []
        typed = Typed(
            words=prompt,
            negative_prompt=negative_prompt,
            steps=steps,
            seed=_seed(seed, mistakes),
            strength=strength,
            image=image,
            private=private,
            mistakes=tuple(mistakes),
        )
        await desk.refine(interaction, typed, attached(picture) if picture is not None else None)

    @refine.autocomplete("image")
    async def own_images(interaction: Interaction, current: str) -> list[Choice[str]]:
        words = words_for(interaction.locale.value)
        images = await service.own_images(places.of_interaction(interaction).asker, IMAGES_SEARCHED)
        found = (render.choice(image, words) for image in images if _is_meant(image, current, words))
        return [Choice(name=name, value=value) for name, value in islice(found, CHOICES_MOST)]


def _add_menus(tree: app_commands.CommandTree[Any], desk: Desk) -> None:
    @tree.context_menu(name=said("menu.refine"))
    async def refine_image(interaction: Interaction, message: discord.Message) -> None:
        await desk.ask_how(interaction, message)

    @tree.context_menu(name=said("menu.recipe"))
    async def show_recipe(interaction: Interaction, message: discord.Message) -> None:
        await desk.recipe_in(interaction, message)


def _is_meant(image: Image, typed: str, words: Words) -> bool:
    """By any part of its words, or the beginning of its ID."""
    sought = tidy(typed).casefold()
    said = words.say("choice.image.brought") if image.recipe is None else image.recipe.prompt
    return sought in said.casefold() or image.id.startswith(sought)


def _is_size(text: str) -> bool:
    try:
        parse_size(text)
    except BadRequest:
        return False
    return len(text.strip()) <= CHOICE_MOST


def _quality(text: str | None, mistakes: list[Mistake]) -> Quality | None:
    if text is None:
        return None
    try:
        return Quality(text)
    except ValueError:
        choices = ", ".join(Quality)
        message = f"quality is one of {choices}."
        mistakes.append(Mistake("quality", message, "unknown", {"choices": choices, "text": text}))
        return None


def _seed(text: str | None, mistakes: list[Mistake]) -> int | None:
    """A string on Discord, whose whole numbers are smaller than seeds."""
    digits = "" if text is None else text.strip()
    if not digits or (digits.isascii() and digits.isdigit() and len(digits) <= len(str(SEED_MAX))):
        return int(digits) if digits else None
    message = f"seed must be a whole number from 0 to {SEED_MAX}."
    mistakes.append(Mistake("seed", message, "range", {"least": 0, "most": SEED_MAX}))
    return None


def add_admin(tree: app_commands.CommandTree[Any], admin: Admin) -> None:
    @tree.command(name="status", description=said("command.status"))
    @app_commands.default_permissions(manage_guild=True)
    # Not guild_only(), which leaves to the tree's contexts what it does not say.
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.allowed_installs(guilds=True, users=False)
    async def status(interaction: Interaction) -> None:
        await admin.status(interaction)

    limner = app_commands.Group(name="limner", description=said("command.limner"))
    tree.add_command(limner)
    _add_for_everyone(limner, admin)
    _add_rules(limner, admin)
    _add_trust(limner, admin)


def _add_for_everyone(limner: app_commands.Group, admin: Admin) -> None:
    @limner.command(name="help", description=said("command.limner.help"))
    async def help_(interaction: Interaction) -> None:
        await admin.help(interaction)

    @limner.command(name="about", description=said("command.limner.about"))
    async def about(interaction: Interaction) -> None:
        await admin.about(interaction)

    @limner.command(name="mydata", description=said("command.limner.mydata"))
    async def mydata(interaction: Interaction) -> None:
        await admin.mydata(interaction)

    @limner.command(name="forget", description=said("command.limner.forget"))
    async def forget(interaction: Interaction) -> None:
        await admin.forget(interaction)


def _add_rules(limner: app_commands.Group, admin: Admin) -> None:
    @limner.command(name="pause", description=said("command.limner.pause"))
    async def pause(interaction: Interaction) -> None:
        await admin.pause(interaction, paused=True)

    @limner.command(name="resume", description=said("command.limner.resume"))
    async def resume(interaction: Interaction) -> None:
        await admin.pause(interaction, paused=False)

    @limner.command(name="block", description=said("command.limner.block"))
    @app_commands.describe(**described("limner.block", "person"))
    async def block(interaction: Interaction, person: discord.User) -> None:
        await admin.block(interaction, person)

    @limner.command(name="unblock", description=said("command.limner.unblock"))
    @app_commands.describe(**described("limner.unblock", "person"))
    async def unblock(interaction: Interaction, person: discord.User) -> None:
        await admin.unblock(interaction, person)

    @limner.command(name="limits", description=said("command.limner.limits"))
    @app_commands.describe(**described("limner.limits", "jobs", "images", "steps"))
    async def limits(
        interaction: Interaction, jobs: Limit | None = None, images: Limit | None = None, steps: Limit | None = None
    ) -> None:
        await admin.limits(interaction, jobs_each=jobs, images_most=images, steps_most=steps)

    @limner.command(name="channels", description=said("command.limner.channels"))
    @app_commands.describe(**described("limner.channels", "action", "channel"))
    @app_commands.choices(
        action=[
            Choice(name=said(f"choice.channels.{action}"), value=action)
            for action in ("allow", "forbid", "list", "everywhere")
        ]
    )
    async def channels(interaction: Interaction, action: str, channel: Channel | None = None) -> None:
        await admin.channels(interaction, action, None if channel is None else channel.id)

    @limner.command(name="purge", description=said("command.limner.purge"))
    @app_commands.describe(**described("limner.purge", "person", "older_than_days"))
    async def purge(
        interaction: Interaction, person: discord.User | None = None, older_than_days: Days | None = None
    ) -> None:
        await admin.purge(interaction, person, older_than_days)


def _add_trust(limner: app_commands.Group, admin: Admin) -> None:
    @limner.command(name="flagged", description=said("command.limner.flagged"))
    @app_commands.describe(**described("limner.flagged", "treatment", "channel"))
    @app_commands.choices(
        treatment=[
            Choice(name=said(f"choice.flagged.{treatment}"), value=treatment) for treatment in (*Treatment, "default")
        ]
    )
    async def flagged(interaction: Interaction, treatment: str | None = None, channel: Channel | None = None) -> None:
        await admin.flagged(interaction, treatment, None if channel is None else channel.id)

    @limner.command(name="reports", description=said("command.limner.reports"))
    @app_commands.describe(**described("limner.reports", "channel"))
    async def reports(interaction: Interaction, channel: discord.TextChannel | None = None) -> None:
        await admin.reports(interaction, None if channel is None else channel.id)

    @limner.command(name="words", description=said("command.limner.words"))
    @app_commands.describe(**described("limner.words", "action", "text"))
    @app_commands.choices(
        action=[Choice(name=said(f"choice.words.{action}"), value=action) for action in ("add", "remove", "list")]
    )
    async def words(interaction: Interaction, action: str, text: str | None = None) -> None:
        await admin.words(interaction, action, text)

    @limner.command(name="retention", description=said("command.limner.retention"))
    @app_commands.describe(**described("limner.retention", "days"))
    async def retention(interaction: Interaction, days: Days | None = None) -> None:
        await admin.retention(interaction, days)

    @limner.command(name="record", description=said("command.limner.record"))
    @app_commands.describe(**described("limner.record", "export"))
    async def record(interaction: Interaction, export: bool = False) -> None:
        await admin.record(interaction, export=export)
