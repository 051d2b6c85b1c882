"""Slack's rules for blocks and views: its schema, slack_sdk's checks, and limits that neither of them knows."""

import copy
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from slack_sdk.errors import SlackObjectFormationError
from slack_sdk.models.blocks import Block

from tests.fakes.slack import blocks as kit
from tests.fakes.slack import spec
from tests.fakes.slack.messages import Json

MOST_IN_MESSAGE, MOST_IN_VIEW = 50, 100
LARGEST_VIEW = 250_000
LONGEST_ID, LONGEST_METADATA, LONGEST_INPUT = 255, 3000, 3000
LONGEST_MARKDOWN = 12_000
CONFIRM = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
#: Characters, of a field's value or of the text object in it.
LONGEST: dict[str, dict[str, int]] = {
    "section": {"text": 3000},
    "header": {"text": 150},
    "image": {"alt_text": 2000, "image_url": 3000, "title": 2000},
    "input": {"label": 2000, "hint": 2000},
    "button": {"text": 75, "value": 2000, "url": 3000, "accessibility_label": 75},
    "markdown": {"text": LONGEST_MARKDOWN},
}
LONGEST_PLACEHOLDER, LONGEST_FIELD = 150, 2000
LONGEST_OPTION = {"text": 75, "value": 150, "description": 75}
MODAL_TITLES = {"title": 24, "submit": 24, "close": 24}
#: How many a field may list, at least and at most.
COUNTS: dict[str, dict[str, tuple[int, int]]] = {
    "section": {"fields": (1, 10)},
    "context": {"elements": (1, 10)},
    "actions": {"elements": (1, 25)},
    "overflow": {"options": (1, 5)},
    "checkboxes": {"options": (1, 10)},
    "radio_buttons": {"options": (1, 10)},
    "static_select": {"options": (1, 100)},
    "multi_static_select": {"options": (1, 100)},
}


def block_breaches(blocks: Any, most: int = MOST_IN_MESSAGE) -> list[str]:
    """Each with the place as Slack writes it."""
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        return ["blocks is not a list of objects"]
    told = [f"there are {len(blocks)} blocks, {most} are allowed"] if len(blocks) > most else []
    for number, block in enumerate(blocks):
        # A malformed block would not bear a closer look.
        found = _shape(block) or [*_library(block), *_limits(block)]
        told += [f"{line} [json-pointer:/blocks/{number}]" for line in dict.fromkeys(found)]
    return told or list(_repeated(blocks))


def _shape(block: Json) -> list[str]:
    if document := spec.load():
        return document.block_breaches(block)
    return [] if isinstance(block.get("type"), str) else ["a block without a type"]


def _library(block: Json) -> Iterator[str]:
    parsed = Block.parse(copy.deepcopy(block))
    if parsed is None:
        yield f"slack_sdk knows no blocks of type {block.get('type')!r}"
        return
    try:
        parsed.validate_json()
    except SlackObjectFormationError as error:
        yield str(error)


def _limits(block: Json) -> Iterator[str]:
    for key in ("block_id", "action_id"):
        for part in kit.walk([block]):
            if len(part.get(key) or "") > LONGEST_ID:
                yield f"{key} has {len(part[key])} characters, {LONGEST_ID} are allowed"
    for part in kit.walk([block]):
        kind = part.get("type", "")
        yield from _lengths(kind, part, LONGEST.get(kind, {}))
        yield from _lengths(kind, part, {"placeholder": LONGEST_PLACEHOLDER})
        yield from _lengths(f"{kind}.confirm", part.get("confirm") or {}, CONFIRM)
        for name, (low, high) in COUNTS.get(kind, {}).items():
            if name in part and not low <= len(part[name]) <= high:
                yield f"{kind} has {len(part[name])} {name}, {low} to {high} are allowed"
        for option in part.get("options") or ():
            yield from _lengths(f"{kind}.option", option, LONGEST_OPTION)
        for field in part.get("fields") or ():
            yield from _lengths(f"{kind}.field", {"text": field}, {"text": LONGEST_FIELD})
        if kind == "plain_text_input":
            yield from _input_limits(part)
    for text in kit.objects(block):
        if text["type"] in kit.TEXTS and not text.get("text"):
            yield f"{text['type']} must be more than 0 characters"


def _lengths(name: str, part: Json, longest: dict[str, int]) -> Iterator[str]:
    for field, limit in longest.items():
        value = part.get(field)
        text = value.get("text") if isinstance(value, dict) else value
        if isinstance(text, str) and len(text) > limit:
            yield f"{name}.{field} must be less than {limit + 1} characters, it has {len(text)}"


def _input_limits(part: Json) -> Iterator[str]:
    low, high = part.get("min_length", 0), part.get("max_length", LONGEST_INPUT)
    if not 0 <= low <= high <= LONGEST_INPUT:
        yield f"plain_text_input takes {low} to {high} characters, {LONGEST_INPUT} are possible"
    if len(part.get("initial_value") or "") > high:
        yield f"plain_text_input.initial_value has {len(part['initial_value'])} characters, it takes {high}"


def _repeated(blocks: Sequence[Json]) -> Iterator[str]:
    ids = [[block["block_id"] for block in blocks if "block_id" in block]]
    ids += [[part["action_id"] for part in kit.walk([block]) if "action_id" in part] for block in blocks]
    for same in ids:
        yield from (f"{name!r} stands there {count} times" for name, count in Counter(same).items() if count > 1)


def view_breaches(view: Any) -> list[str]:
    if not isinstance(view, dict):
        return ["the view is not an object"]
    told = document.view_breaches(view) if (document := spec.load()) else []
    told += _lengths("view", view, MODAL_TITLES | {"callback_id": LONGEST_ID, "private_metadata": LONGEST_METADATA})
    if len(json.dumps(view)) > LARGEST_VIEW:
        told.append(f"the view is larger than {LARGEST_VIEW} bytes")
    if view.get("type") == "modal" and not view.get("title"):
        told.append("a modal needs a title")
    blocks = view.get("blocks")
    told += block_breaches(blocks, MOST_IN_VIEW)
    if not told and not blocks:
        told.append("a view needs a block")
    if not told and view["type"] == "modal" and any(block["type"] == "input" for block in blocks or ()):
        told += [] if view.get("submit") else ["a modal with input blocks needs a submit button"]
    return told
