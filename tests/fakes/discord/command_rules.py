"""Discord's rules for commands that its published document does not tell."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.fakes.discord.kinds import CommandType, OptionType
from tests.fakes.discord.messages import Json

#: By a command's type.
MOST_COMMANDS = {CommandType.SLASH: 100, CommandType.USER_MENU: 15, CommandType.MESSAGE_MENU: 15}
#: Options of a command, choices of an option.
MOST_OPTIONS = 25
LONGEST_NAME, LONGEST_DESCRIPTION, LONGEST_CHOICE, LONGEST_COMMAND = 32, 100, 100, 8000
#: Of slash commands and options, in any script; the lower case is looked at apart.
NAME = re.compile(r"[-_'\w]{1,32}")
NESTED = {OptionType.SUBCOMMAND, OptionType.GROUP}


def commands_breaches(commands: Sequence[Json]) -> Iterator[str]:
    """Of all commands of one scope."""
    kinds = Counter(CommandType(command.get("type") or 1) for command in commands)
    yield from (f"{count} commands of type {kind}" for kind, count in kinds.items() if count > MOST_COMMANDS[kind])
    names = Counter((command.get("type") or 1, command.get("name")) for command in commands)
    yield from (f"command {name!r} stands there {count} times" for (_, name), count in names.items() if count > 1)
    for command in commands:
        yield from command_breaches(command)


def command_breaches(command: Json) -> Iterator[str]:
    slash = (command.get("type") or 1) == CommandType.SLASH
    where = f"command {command.get('name')!r}"
    names = [command.get("name") or "", *(command.get("name_localizations") or {}).values()]
    if slash:
        yield from (f"{where}: the name {name!r} is not allowed" for name in names if not _good_name(name))
        yield from _description_breaches(where, command)
        yield from _options_breaches(where, command.get("options") or [], depth=0)
    else:
        yield from (f"{where}: the name is too long" for name in names if not 1 <= len(name) <= LONGEST_NAME)
        if command.get("description") or command.get("options"):
            yield f"{where}: an entry of a context menu has neither description nor options"
    if (length := _length(command)) > LONGEST_COMMAND:
        yield f"{where} has {length} characters, {LONGEST_COMMAND} are allowed"


def _good_name(name: str) -> bool:
    return bool(NAME.fullmatch(name)) and name == name.lower()


def _description_breaches(where: str, thing: Json) -> Iterator[str]:
    texts = [thing.get("description") or "", *(thing.get("description_localizations") or {}).values()]
    if not all(1 <= len(text) <= LONGEST_DESCRIPTION for text in texts):
        yield f"{where}: a description has 1 to {LONGEST_DESCRIPTION} characters"


def _options_breaches(where: str, options: Sequence[Json], *, depth: int) -> Iterator[str]:
    if len(options) > MOST_OPTIONS:
        yield f"{where} has {len(options)} options, {MOST_OPTIONS} are allowed"
    names = Counter(option.get("name") for option in options)
    yield from (f"{where}: option {name!r} stands there {count} times" for name, count in names.items() if count > 1)
    nested = [option for option in options if option["type"] in NESTED]
    if nested and len(nested) < len(options):
        yield f"{where} has subcommands and other options"
    needed = [bool(option.get("required")) for option in options]
    if needed != sorted(needed, reverse=True):
        yield f"{where}: a required option stands after an optional one"
    for option in options:
        yield from _option_breaches(f"{where}, option {option.get('name')!r}", option, depth)


def _option_breaches(where: str, option: Json, depth: int) -> Iterator[str]:
    names = [option.get("name") or "", *(option.get("name_localizations") or {}).values()]
    yield from (f"{where}: the name {name!r} is not allowed" for name in names if not _good_name(name))
    yield from _description_breaches(where, option)
    if option["type"] in NESTED:
        if depth > (0 if option["type"] == OptionType.GROUP else 1):
            yield f"{where} is nested too deep"
        yield from _options_breaches(where, option.get("options") or [], depth=depth + 1)
        return
    choices = option.get("choices") or []
    if len(choices) > MOST_OPTIONS:
        yield f"{where} has {len(choices)} choices, {MOST_OPTIONS} are allowed"
    if choices and option.get("autocomplete"):
        yield f"{where} has choices and autocomplete"
    for choice in choices:
        texts = [choice["name"], *(choice.get("name_localizations") or {}).values(), str(choice["value"])]
        if not all(1 <= len(text) <= LONGEST_CHOICE for text in texts):
            yield f"{where}: a choice's name and value have 1 to {LONGEST_CHOICE} characters"


def _length(thing: Json) -> int:
    """Names, descriptions and values all together; of translations, the longest counts."""
    length = sum(
        max(map(len, [thing.get(key) or "", *(thing.get(f"{key}_localizations") or {}).values()]))
        for key in ("name", "description")
    )
    length += len(thing["value"]) if isinstance(thing.get("value"), str) else 0
    return length + sum(_length(part) for key in ("options", "choices") for part in thing.get(key) or ())
