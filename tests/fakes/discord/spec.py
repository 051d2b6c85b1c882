"""Discord's own OpenAPI document, where it lies beside the project, as a judge of requests."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator, ValidationError

from tests.fakes.discord.messages import Json

DOCUMENT = Path(__file__).parents[3].parent / "shared/specs/discord/openapi.json"
#: Characters of what is told of one breach.
LONGEST = 200
#: Fields that discord.py sends and Discord takes, though the document does not have them.
TOLERATED = {
    "ApplicationCommandUpdateRequest": ("nsfw",),
    "ApplicationCommandCreateRequest": ("nsfw",),
    "ApplicationCommandPatchRequestPartial": ("nsfw",),
    "ApplicationCommandSubcommandGroupOption": ("nsfw",),
    "ApplicationCommandSubcommandOption": ("nsfw",),
    "IncomingWebhookUpdateForInteractionCallbackRequestPartial": ("tts",),
    "IncomingWebhookUpdateRequestPartial": ("tts",),
    "MessageAttachmentRequest": ("content_type", "height", "proxy_url", "size", "spoiler", "url", "width"),
    "MessageEditRequestPartial": ("tts",),
    "RichEmbed": ("flags",),
}


class Spec:
    def __init__(self, document: Json) -> None:
        self._paths: Json = document["paths"]
        schemas: dict[str, Json] = {name: _strict(schema) for name, schema in document["components"]["schemas"].items()}
        # The documentation allows numbers, and discord.py sends some.
        schemas["SnowflakeType"]["type"] = ["string", "integer"]
        for name, fields in TOLERATED.items():
            schemas.get(name, {}).get("properties", {}).update(dict.fromkeys(fields, True))
        self._components = {"schemas": schemas}
        self._loose = document["components"]
        self._validators: dict[tuple[str, str], Draft202012Validator | None] = {}
        self._answers: dict[tuple[str, str], Draft202012Validator] = {}

    def breaches(self, method: str, route: str, body: Any, query: Mapping[str, str]) -> list[str]:
        """In what a request differs from the document."""
        operation = self._paths.get(route, {}).get(method.lower())
        if operation is None:
            return ["the document does not have this route"]
        parameters = [*operation.get("parameters", ()), *self._paths[route].get("parameters", ())]
        known = {one["name"] for one in parameters if one["in"] == "query"}
        told = [f"unknown query parameter {name!r}" for name in query if name not in known]
        if validator := self._validator(method, route, operation):
            told += [line for error in validator.iter_errors(body) for line in _told(error)]
        elif body is not None:
            told.append("the document has no body here")
        return told

    def answer_breaches(self, method: str, route: str, told: Any) -> list[str]:
        """In what a good answer of the fake itself differs from the document; it may have more fields."""
        responses = self._paths.get(route, {}).get(method.lower(), {}).get("responses", {})
        schema = responses.get("200", {}).get("content", {}).get("application/json", {}).get("schema")
        if schema is None:
            return []
        if (method, route) not in self._answers:
            self._answers[method, route] = Draft202012Validator({"allOf": [schema], "components": self._loose})
        return [line for error in self._answers[method, route].iter_errors(told) for line in _told(error)]

    def _validator(self, method: str, route: str, operation: Json) -> Draft202012Validator | None:
        key = method, route
        if key not in self._validators:
            contents = operation.get("requestBody", {}).get("content", {})
            schema = contents.get("application/json", {}).get("schema")
            made = schema and Draft202012Validator({"allOf": [schema], "components": self._components})
            self._validators[key] = made
        return self._validators[key]


@cache
def load() -> Spec | None:
    """None where the document isn't there."""
    return Spec(json.loads(DOCUMENT.read_text())) if DOCUMENT.exists() else None


def _strict(schema: Any) -> Any:
    """Objects with no other fields than those that are named."""
    match schema:
        case list():
            return [_strict(part) for part in schema]
        case dict():
            strict = {key: _strict(part) for key, part in schema.items() if key != "properties"}
            if "properties" in schema:
                strict["properties"] = {name: _strict(part) for name, part in schema["properties"].items()}
                strict.setdefault("additionalProperties", False)
            return strict
        case _:
            return schema


def _told(error: ValidationError) -> list[str]:
    """Of alternatives, only what is wrong with the one that was meant: its type fits."""
    branches = getattr(error.kind, "context", None)
    if not branches:
        return [f"{'.'.join(map(str, error.instance_path))}: {_shortened(error.message)}"]
    depth = len(error.instance_path) + 1
    meant = [
        branch
        for branch in branches
        if not any(list(one.instance_path)[depth - 1 :] == ["type"] or _is_null(one) for one in branch)
    ]
    return [line for branch in meant or branches for one in branch for line in _told(one)]


def _shortened(message: str) -> str:
    """Its ends: the value comes first, what is wrong with it last."""
    return message if len(message) <= LONGEST else f"{message[: LONGEST // 2]} … {message[-LONGEST // 2 :]}"


def _is_null(error: ValidationError) -> bool:
    return list(error.schema_path)[-1:] == ["type"] and getattr(error.kind, "types", None) == ["null"]
