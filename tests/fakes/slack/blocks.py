"""What blocks are made of: their parts, what can be read in them, and what can be clicked."""

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fakes.slack.ids import Ids
    from tests.fakes.slack.messages import Json

TEXTS = {"plain_text", "mrkdwn"}
#: Parts that a person acts on, so that they have an action_id.
SELECTS = {f"{kind}_select" for kind in ("static", "external", "users", "conversations", "channels")}
MULTI_SELECTS = {f"multi_{kind}" for kind in SELECTS}
INPUTS = {"plain_text_input", "email_text_input", "url_text_input", "number_input"}
CHOICES = {"checkboxes", "radio_buttons", "static_select", "multi_static_select", "overflow"}
#: Those that keep what was chosen or typed.
STATEFUL = SELECTS | MULTI_SELECTS | INPUTS | {"checkboxes", "radio_buttons", "datepicker", "timepicker", "file_input"}
ACTIVE = STATEFUL | {"button", "overflow"}


def walk(parts: Iterable["Json"]) -> Iterator["Json"]:
    """Blocks and their elements, parents first."""
    for part in parts:
        yield part
        yield from walk(one for one in part.get("elements") or () if isinstance(one, dict))
        yield from walk(part[key] for key in ("element", "accessory") if part.get(key))


def numbered(blocks: Sequence["Json"], ids: "Ids") -> list["Json"]:
    """A copy in which every block and every active element has an ID, as Slack gives one where the bot does not."""
    mine = copy.deepcopy(list(blocks))
    for block in mine:
        block.setdefault("block_id", ids.new("b")[-5:])
    for part in walk(mine):
        if part.get("type") in ACTIVE:
            part.setdefault("action_id", ids.new("a")[-5:])
    return mine


def texts(blocks: Iterable["Json"]) -> list[str]:
    """All that can be read, but for buttons and other elements."""
    told: list[str] = []
    for block in blocks:
        if block["type"] == "markdown":
            told.append(block["text"])
        elif block["type"] != "actions":
            told += _texts([value for key, value in block.items() if key not in ("accessory", "element")])
    return told


def _texts(value: Any) -> Iterator[str]:
    match value:
        case {"type": "plain_text" | "mrkdwn" | "text", "text": str(text)}:
            yield text
        case dict():
            yield from _texts(list(value.values()))
        case list():
            for part in value:
                yield from _texts(part)


def objects(value: Any) -> Iterator["Json"]:
    """Every object in it that has a type."""
    match value:
        case dict():
            if "type" in value:
                yield value
            yield from objects(list(value.values()))
        case list():
            for part in value:
                yield from objects(part)


def pictures(blocks: Iterable["Json"]) -> list["Json"]:
    return [part for part in walk(blocks) if part.get("type") == "image"]


def label(part: "Json") -> str | None:
    """What stands on a button."""
    text: str | None = (part.get("text") or {}).get("text") if part.get("type") == "button" else None
    return text


def find(blocks: Iterable["Json"], name: str) -> tuple["Json", "Json"]:
    """An active element, by action_id or by what stands on it, and its block."""
    known = []
    active = [(block, part) for block in blocks for part in walk([block]) if part.get("type") in ACTIVE]
    for of in (lambda part: part.get("action_id"), label):
        for block, part in active:
            known.append(of(part))
            if of(part) == name:
                return block, part
    raise AssertionError(f"Nothing called {name!r} is there; there are {[one for one in known if one]}.")
