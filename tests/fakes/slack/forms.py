"""A modal as a person fills it in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tests.fakes.slack import blocks as kit
from tests.fakes.slack import payloads
from tests.fakes.slack.messages import Json
from tests.fakes.slack.rules import LONGEST_INPUT

if TYPE_CHECKING:
    from tests.fakes.slack.views import View


def filled(view: "View", values: dict[str, Any]) -> Json:
    """The state that the person's client sends; fields that were not touched keep what stood in them.

    `values`: by block_id, action_id or label. Texts as they are, choices by their values, files as Uploads.
    """
    left, state = dict(values), payloads.state(view.blocks)
    for block in view.blocks:
        for part in kit.walk([block]):
            if part.get("type") in kit.STATEFUL:
                names = (block["block_id"], part["action_id"], (block.get("label") or {}).get("text"))
                name = next((one for one in names if one in left), None)
                told = state["values"][block["block_id"]][part["action_id"]]
                if name is not None:
                    told |= _touched(view, part, left.pop(name))
                _check(block, part, told)
    assert not left, f"The modal {view.title!r} has no fields {sorted(left)}."
    return state


def _touched(view: "View", part: Json, value: Any) -> Json:
    match part["type"]:
        case kind if kind in kit.INPUTS:
            return {"value": str(value) if value not in (None, "") else None}
        case "static_select" | "radio_buttons":
            return {"selected_option": _options(part, [value])[0] if value is not None else None}
        case "multi_static_select" | "checkboxes":
            return {"selected_options": _options(part, value)}
        case "file_input":
            files = [view.fake.file_host.keep(upload, view.person) for upload in value]
            return {"files": [payloads.file(file) for file in files]}
        case _:
            (field,) = (key for key in payloads.untouched(part) if key != "type")
            return {field: value}


def chosen(part: Json, value: str | Sequence[str] | None) -> Json:
    """What an action tells of a part where a person chose something; choices by their values."""
    if part["type"] in ("static_select", "radio_buttons", "overflow"):
        assert isinstance(value, str), f"{part['action_id']!r} is a choice: say what is chosen."
        return {"selected_option": _options(part, [value])[0]}
    if part["type"] in ("multi_static_select", "checkboxes"):
        assert value is not None, f"{part['action_id']!r} is a choice: say what is chosen."
        return {"selected_options": _options(part, [value] if isinstance(value, str) else value)}
    (field,) = (key for key in payloads.untouched(part) if key != "type")
    return {field: value}


def _options(part: Json, values: Sequence[str]) -> list[Json]:
    options = [*(part.get("options") or ())]
    options += [one for group in part.get("option_groups") or () for one in group["options"]]
    known = {option["value"]: option for option in options}
    assert set(values) <= known.keys(), f"{part['action_id']!r} offers {sorted(known)}, not {list(values)}."
    return [known[value] for value in values]


def _check(block: Json, part: Json, told: Json) -> None:
    """As the person's client does."""
    (value,) = (value for key, value in told.items() if key != "type")
    if block["type"] == "input" and not block.get("optional"):
        assert value, f"{block['block_id']!r} must be filled in."
    if part["type"] == "plain_text_input" and value:
        low, high = part.get("min_length", 0), part.get("max_length", LONGEST_INPUT)
        assert low <= len(value) <= high, f"{block['block_id']!r} takes {low} to {high} characters: {value!r}."
