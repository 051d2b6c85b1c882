"""docs/discord.md says what is so."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import discord as library
import pytest
from discord import app_commands
from discord.app_commands import Command, ContextMenu, Group

from adapters.discord import checkup
from adapters.discord.admin import DAYS_MOST, Admin
from adapters.discord.commands import SIZES, add_admin, add_painting
from adapters.discord.delivery import EDITED_FOR
from adapters.discord.desk import Desk
from adapters.discord.place import INVITED, NEEDED
from adapters.discord.screens import SEARCHED
from adapters.discord.words import LANGUAGES, words_for
from bot.jobs import STRENGTH, Quality
from bot.pictures import BYTES_MAX
from bot.prompts import PROMPT_LIMIT, SEED_MAX, SIDE_MAX, SIDE_MIN, SIDE_UNIT
from bot.quality import GENERATE, REFINE
from bot.service import VARIED
from bot.typed import OPTIONS
from tests.conftest import OpenLimner

PROJECT = Path(__file__).parents[3]
PAGE = (PROJECT / "docs" / "discord.md").read_text()
README = (PROJECT / "README.md").read_text()
WORDS = words_for("en")

Tree = app_commands.CommandTree[Any]


@pytest.fixture
async def tree(limner: OpenLimner) -> Tree:
    """Of the bot, without a connection."""
    client = library.Client(intents=library.Intents.none())
    made: Tree = app_commands.CommandTree(client)
    async with limner() as service:
        add_painting(made, Desk(client, service, None), service)  # type: ignore[arg-type]
        add_admin(made, Admin(service, None))  # type: ignore[arg-type]
    return made


def commands(tree: Tree) -> dict[str, Command[Any, ..., Any]]:
    return {f"/{command.qualified_name}": command for command in tree.walk_commands() if isinstance(command, Command)}


def rows(heading: str) -> list[list[str]]:
    """Cells of the tables below a heading, up to the next heading, without the tables' heads."""
    (section,) = re.findall(rf"^#+ {re.escape(heading)}$(.*?)(?=^#|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    tables = re.findall(r"^\|.*\n\|[-|]+\n((?:\|.*\n)+)", section, re.MULTILINE)
    lines = [line for table in tables for line in table.splitlines()]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def bold(heading: str) -> list[str]:
    return [name for cells in rows(heading) for name in re.findall(r"\*\*(.+?)\*\*", cells[0])]


def ranges(command: Command[Any, ..., Any]) -> Iterator[tuple[str, str]]:
    """Option, and what it takes as the page writes it."""
    for option in command.parameters:
        low, high = option.min_value, option.max_value
        if option.type is library.AppCommandOptionType.string or high is None:
            continue
        # Discord's lower bound of the strength is one that is refused, as Discord knows no "above".
        yield option.name, f"above {low:g}, up to {high:g}" if option.name == "strength" else f"{low:g} to {high:g}"


def test_every_command_is_on_the_page_and_no_other(tree: Tree) -> None:
    headings = re.findall(r"^### (/\w+)$", PAGE, re.MULTILINE)
    listed = [quoted(cells[0])[0] for cells in rows("/status and /limner")]

    assert sorted([*headings, *listed]) == sorted(commands(tree))
    assert all(f"/{group.name}" in PAGE for group in tree.get_commands() if isinstance(group, Group))


@pytest.mark.parametrize("name", ["/generate", "/refine"])
def test_every_option_of_painting_is_on_the_page_in_its_order_with_its_range(tree: Tree, name: str) -> None:
    command = commands(tree)[name]
    table = {quoted(option)[0]: (takes, left_out) for option, takes, left_out in rows(name)}

    assert list(table) == [option.name for option in command.parameters]
    assert [option for option, (_, left_out) in table.items() if left_out == "must be there"] == [
        option.name for option in command.parameters if option.required
    ]
    for option, said in ranges(command):
        assert said in table[option][0]


def test_every_option_of_the_other_commands_is_on_the_page_with_its_range(tree: Tree) -> None:
    for command, options, _, what in rows("/status and /limner"):
        registered = commands(tree)[quoted(command)[0]]
        assert quoted(options) == [option.name for option in registered.parameters]
        for option, said in ranges(registered):
            assert said in options, option
        choices = [choice for parameter in registered.parameters for choice in parameter.choices]
        assert all(str(choice.name) in what for choice in choices)


def test_what_belongs_to_admins_is_the_rules_and_the_status() -> None:
    who = {quoted(command)[0]: who for command, _, who, _ in rows("/status and /limner")}

    everybody = {command for command, may in who.items() if may == "everybody"}
    assert everybody == {"/limner help", "/limner about", "/limner mydata", "/limner forget"}
    assert set(who.values()) == {"everybody", "admins"}


def test_every_entry_of_the_menu_is_on_the_page_and_no_other(tree: Tree) -> None:
    entries = [command.name for command in tree.walk_commands(type=library.AppCommandType.message)]

    assert all(isinstance(tree.get_command(name, type=library.AppCommandType.message), ContextMenu) for name in entries)
    assert bold("In the menu of a message") == entries


def test_every_button_is_on_the_page_and_no_other() -> None:
    asked_first = ("confirm_", "keep")
    keys = [key.removeprefix("button.") for key in WORDS.sentences if key.startswith("button.")]
    labels = [
        WORDS.say(f"button.{key}") for key in keys if not key.endswith(".number") and not key.startswith(asked_first)
    ]

    assert sorted(bold("Buttons")) == sorted(labels)


def test_every_option_that_a_message_may_have_is_on_the_page_and_no_other() -> None:
    written = [cells for cells in rows("Every way to refine") if cells[0].startswith("`--")]
    named = [name for cells in written for code in quoted(cells[0]) for name in re.findall(r"^--(\w+)", code)]

    assert sorted(named) == sorted(OPTIONS)


def test_the_permissions_are_those_of_the_link_and_their_number_is_its_number() -> None:
    names = [cells[0] for cells in rows("Permissions")]

    assert sorted(names) == sorted(checkup.ASKED_FOR.values())
    assert set(re.findall(r"\b2\d{11}\b", PAGE)) == {str(INVITED.value)}
    needed = PAGE[PAGE.index("Without View Channel") :].partition("cannot")[0]
    for name in (*NEEDED, "send_messages_in_threads"):
        assert WORDS.say(f"permission.{name}") in needed


def test_every_language_is_on_the_page_and_no_other() -> None:
    assert [quoted(code)[0] for _, code in rows("Languages")] == list(LANGUAGES)


def test_the_numbers_on_the_page_are_the_codes() -> None:
    generate = {quoted(option)[0]: (takes, left_out) for option, takes, left_out in rows("/generate")}
    refine = {quoted(option)[0]: (takes, left_out) for option, takes, left_out in rows("/refine")}

    for table in (generate, refine):
        assert f"up to {PROMPT_LIMIT} characters" in table["prompt"][0]
        assert f"up to {PROMPT_LIMIT} characters" in table["negative_prompt"][0]
        assert table["seed"][0].startswith(f"0 to {SEED_MAX}")
    assert f"multiples of {SIDE_UNIT} from {SIDE_MIN} to {SIDE_MAX}" in generate["size"][0]
    assert all(size in generate["size"][0] for size in SIZES.values())
    assert quoted(generate["quality"][0]) == list(Quality)
    assert generate["quality"][1] == f"`{Quality.STANDARD}`"
    assert refine["strength"][1] == f"{STRENGTH:g}"
    assert refine["steps"][1] == str(REFINE[Quality.STANDARD].num_inference_steps)
    assert f"up to {BYTES_MAX // 2**20} MiB" in refine["picture"][0]
    assert f"strength {VARIED:g}" in PAGE
    assert f"(0 to {DAYS_MOST})" in PAGE
    assert f"{EDITED_FOR / 60:g} minutes" in PAGE
    assert f"the {SEARCHED} messages after" in PAGE
    assert GENERATE[Quality.DRAFT].num_inference_steps is not None
    assert GENERATE[Quality.DRAFT].num_inference_steps <= 20 < (GENERATE[Quality.STANDARD].num_inference_steps or 0)


def test_what_the_page_quotes_is_what_people_read() -> None:
    """As far as it is quoted."""
    # A number with its noun, as it is read.
    said = re.sub(r"{\w+:[^|}]+\|([^}]+)}", r"\1", "\n".join(WORDS.sentences.values()))
    table = [cells[0] for cells in rows("When something goes wrong")]
    quotes = [quote for cell in table for quote in re.findall(r"\"([^\"]+)\"", cell)]
    ours = [quote for quote in quotes if quote != "The application did not respond"]

    assert len(ours) > 10
    for quote in ours:
        parts = [part.strip(" .") for part in re.split(r"…|\d+", quote)]
        assert all(part in said for part in parts), quote


def test_what_the_page_says_of_the_log_is_what_the_log_says() -> None:
    rooms = (PROJECT / "adapters" / "discord", PROJECT / "adapters" / "chat")
    sources = "\n".join(path.read_text() for room in rooms for path in sorted(room.glob("*.py")))
    for line in (
        "discord cannot be reached",
        "discord connected again",
        "tried again",
        "a message could not be taken down",
    ):
        assert f"`{line}`" in PAGE
        assert f'"{line}' in sources


def test_readme_leads_here_and_no_longer_says_that_discord_does_not_work() -> None:
    assert "](docs/discord.md)" in README
    assert "Discord and Slack do not work yet" not in README
    assert f"{INVITED.value}" in PAGE
