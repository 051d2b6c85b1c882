"""A modal as a person fills it in."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tests.fakes.discord import message_payloads
from tests.fakes.discord.kinds import Part
from tests.fakes.discord.messages import Json, Upload

if TYPE_CHECKING:
    from tests.fakes.discord.places import Channel

#: Characters of a text field.
LONGEST_TEXT = 4000
UNTOUCHED: Any = object()


class Filled:
    """What the person's client sends for each component; fields that were not touched keep what stood in them."""

    def __init__(self, channel: "Channel", modal: Json, values: dict[str, Any]) -> None:
        self._channel = channel
        self._values = dict(values)
        self.resolved: dict[str, Json] = {}
        self.components = [self._part(component, number) for number, component in enumerate(modal["components"], 1)]
        assert not self._values, f"The modal {modal['title']!r} has no fields {sorted(self._values)}."

    def _part(self, component: Json, number: int) -> Json:
        told = {"type": component["type"], "id": component.get("id") or number * 100}
        match component["type"]:
            case Part.LABEL:
                return told | {"component": self._field(component["component"], number * 100 + 1)}
            case Part.ROW:
                fields = component["components"]
                return told | {
                    "components": [self._field(field, number * 100 + n) for n, field in enumerate(fields, 1)]
                }
            case _:
                return told

    def _field(self, field: Json, number: int) -> Json:
        told = {"type": field["type"], "id": field.get("id") or number, "custom_id": field["custom_id"]}
        value = self._values.pop(field["custom_id"], UNTOUCHED)
        match field["type"]:
            case Part.TEXT_INPUT:
                return told | {"value": _text(field, value)}
            case Part.SELECT | Part.CHECKBOX_GROUP:
                return told | {"values": _choices(field, value)}
            case Part.RADIO_GROUP:
                chosen = _choices({**field, "max_values": 1}, value)
                return told | {"value": chosen[0] if chosen else None}
            case Part.CHECKBOX:
                return told | {"value": bool(field.get("default")) if value is UNTOUCHED else bool(value)}
            case Part.FILE_UPLOAD:
                return told | {"values": self._files(field, [] if value is UNTOUCHED else value)}
        raise AssertionError(f"The fake cannot fill in components of type {field['type']}.")

    def _files(self, field: Json, uploads: Sequence[Upload]) -> list[str]:
        _check_count(field, uploads)
        keys = []
        for upload in uploads:
            attachment = self._channel.fake.cdn.keep(upload, self._channel.id)
            told = message_payloads.attachment(attachment, ephemeral=True)
            self.resolved.setdefault("attachments", {})[str(attachment.id)] = told
            keys.append(str(attachment.id))
        return keys


def _text(field: Json, value: Any) -> str:
    text = field.get("value") or "" if value is UNTOUCHED else value
    assert isinstance(text, str), f"{field['custom_id']!r} takes text, not {text!r}."
    if text or field.get("required") is not False:
        low, high = field.get("min_length") or 1, field.get("max_length") or LONGEST_TEXT
        assert low <= len(text) <= high, f"{field['custom_id']!r} takes {low} to {high} characters: {text!r}."
    return text


def _choices(field: Json, value: Any) -> list[str]:
    options = field.get("options") or []
    if value is UNTOUCHED:
        chosen = [option["value"] for option in options if option.get("default")]
    else:
        chosen = [value] if isinstance(value, str) else list(value)
    known = [option["value"] for option in options]
    assert set(chosen) <= set(known), f"{field['custom_id']!r} offers {known}, not {chosen}."
    _check_count(field, chosen)
    return chosen


def _check_count(field: Json, chosen: Sequence[Any]) -> None:
    low = field.get("min_values")
    low = 1 if low is None else low
    high = field.get("max_values") or (len(field.get("options") or ()) if field["type"] == Part.CHECKBOX_GROUP else 1)
    if chosen or field.get("required") is not False:
        assert low <= len(chosen) <= high, f"{field['custom_id']!r} takes {low} to {high}: {chosen}."
