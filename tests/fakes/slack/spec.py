"""Slack's own descriptions of calls, blocks and manifests, where they lie beside the project, as judges of the bot."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft7Validator, ValidationError

from tests.fakes.slack.messages import Json

FOLDER = Path(__file__).parents[3].parent / "shared/specs/slack"
#: Characters of what is told of one breach.
LONGEST = 200
#: Of an argument's description, those that JSON Schema knows.
KEYWORDS = {"anyOf", "enum", "items", "maxItems", "maxLength", "maximum", "minItems", "minLength", "minimum", "type"}
#: Structures of their own; they are checked by what they contain.
OPAQUE = {"attachments", "blocks", "metadata", "unfurled_attachments", "view"}
#: Taken by every method, and sent with every call by slack-bolt.
TOLERATED = {"team_id"}
#: A key that is an ID, as those have that are keyed by channels.
ID = re.compile(r"[A-Z][A-Z0-9_]{7,}")
NOT_CHECKED = {"blocks", "state", "view"}


class Spec:
    def __init__(self) -> None:
        self.methods: dict[str, Json] = {
            path.stem: json.loads(path.read_text()) for path in (FOLDER / "methods").glob("*.json")
        }
        self._arguments: dict[tuple[str, str], Draft7Validator] = {}
        self._blocks: dict[str, Draft7Validator] = {}
        self._manifests: dict[int, Draft7Validator] = {}
        self._samples: dict[str, Any] = {}

    # What the bot sends

    def argument_breaches(self, method: str, args: Mapping[str, Any], *, typed: bool) -> Iterator[str]:
        """`typed`: they came as JSON, so that numbers are numbers."""
        if method not in self.methods:
            return
        described = self.methods[method]["args"]
        known = described["properties"]
        for name in described["required"]:
            if name != "token" and name not in args:
                yield f"{name} is missing"
        for name, value in args.items():
            if name not in known:
                if name not in TOLERATED:
                    yield f"there is no argument {name!r}"
            elif name not in OPAQUE:
                value = value if typed else _typed(value, known[name])
                yield from self._argument_breaches(method, name, value)

    def _argument_breaches(self, method: str, name: str, value: Any) -> Iterator[str]:
        if (method, name) not in self._arguments:
            schema = _schema(self.methods[method]["args"]["properties"][name])
            self._arguments[method, name] = Draft7Validator(schema)
        for error in self._arguments[method, name].iter_errors(value):
            yield f"{name}: {_shortened(error.message)}"

    def takes_json(self, method: str) -> bool:
        """Whether arguments may come as a JSON body."""
        return method not in self.methods or bool(self.methods[method].get("json_input_supported"))

    def verb(self, method: str) -> str | None:
        verb: str | None = self.methods.get(method, {}).get("http_method")
        return verb

    def block_breaches(self, block: Json) -> list[str]:
        name = self._block_names.get(block.get("type", ""))
        if name is None:
            return [f"there are no blocks of type {block.get('type')!r}"]
        return self._kit_breaches(name, block)

    def view_breaches(self, view: Json) -> list[str]:
        """Without its blocks."""
        name = {"modal": "ModalView", "home": "HomeView"}.get(view.get("type", ""))
        if name is None:
            return [f"there are no views of type {view.get('type')!r}"]
        return self._kit_breaches(name, view | {"blocks": []})

    def metadata_breaches(self, metadata: Json) -> list[str]:
        return self._kit_breaches("MessageMetadata", metadata)

    def _kit_breaches(self, name: str, value: Json) -> list[str]:
        if name not in self._blocks:
            schema = {"$ref": f"#/definitions/{name}", "definitions": self._kit}
            self._blocks[name] = Draft7Validator(schema)
        return [line for error in self._blocks[name].iter_errors(value) for line in _told(error)]

    @cached_property
    def _kit(self) -> dict[str, Json]:
        definitions: dict[str, Json] = json.loads((FOLDER / "blockkit.schema.json").read_text())["definitions"]
        return definitions

    @cached_property
    def _block_names(self) -> dict[str, str]:
        """By a block's type, what the schema calls it."""
        names = [one["$ref"].rsplit("/", 1)[1] for one in self._kit["KnownBlock"]["anyOf"]]
        shapes = [(name, shape) for name in names for shape in self._kit[name].get("anyOf", [self._kit[name]])]
        return {shape["properties"]["type"]["const"]: name for name, shape in shapes}

    def manifest_breaches(self, told: Json) -> list[str]:
        version = told.get("_metadata", {}).get("major_version", 1)
        if version not in self._manifests:
            path = FOLDER / f"manifest/manifest.schema.{version}.0.0.json"
            if not path.exists():
                return [f"there is no manifest of version {version}"]
            self._manifests[version] = Draft7Validator(json.loads(path.read_text()))
        return [line for error in self._manifests[version].iter_errors(told) for line in _told(error)]

    # What the fake tells

    def strange_answers(self, method: str, told: Json) -> list[str]:
        """Fields of an answer that Slack's do not have."""
        return _strangers(told, self._sample(f"responses/{method}"), "")

    def strange_payloads(self, name: str, told: Json) -> list[str]:
        return _strangers(told, self._sample(f"payloads/{name}"), "")

    def _sample(self, name: str) -> Any:
        if name not in self._samples:
            path = FOLDER / f"samples/{name}.json"
            self._samples[name] = json.loads(path.read_text()) if path.exists() else {}
        return self._samples[name]


@cache
def load() -> Spec | None:
    """None where they aren't there."""
    return Spec() if FOLDER.exists() else None


def _schema(described: Any) -> Any:
    """Of an argument, without what JSON Schema does not know."""
    schema = {key: value for key, value in described.items() if key in KEYWORDS}
    if "anyOf" in schema:
        schema["anyOf"] = [_schema(one) for one in schema["anyOf"]]
    if "items" in schema:
        items = schema["items"]
        schema["items"] = _schema(items) | {"required": items.get("required", [])}
        if "properties" in items:
            schema["items"]["properties"] = {name: _schema(one) for name, one in items["properties"].items()}
            schema["items"]["additionalProperties"] = False
    return schema


def _typed(value: Any, described: Json) -> Any:
    """What came as a string, as the type that it stands for."""
    kind = described.get("type")
    if not isinstance(value, str):
        return value
    if kind in ("integer", "number"):
        return int(value) if value.lstrip("-").isdigit() else value
    if kind == "boolean":
        return {"1": True, "true": True, "0": False, "false": False}.get(value, value)
    return value


def _told(error: ValidationError) -> list[str]:
    """Of alternatives, only what is wrong with the one that was meant: its type fits."""
    branches = getattr(error.kind, "context", None)
    if not branches:
        return [f"{'.'.join(map(str, error.instance_path))}: {_shortened(error.message)}"]
    depth = len(error.instance_path)
    meant = [branch for branch in branches if not any(list(one.instance_path)[depth:] == ["type"] for one in branch)]
    return [line for one in min(meant or branches, key=len) for line in _told(one)]


def _shortened(message: str) -> str:
    """Its ends: the value comes first, what is wrong with it last."""
    return message if len(message) <= LONGEST else f"{message[: LONGEST // 2]} … {message[-LONGEST // 2 :]}"


def _strangers(value: Any, sample: Any, path: str) -> list[str]:
    match value, sample:
        case dict(), dict() if sample:
            if all(ID.fullmatch(key) for key in sample):
                sample = dict.fromkeys(value, next(iter(sample.values())))
            found = [f"{path}.{key}" for key in value if key not in sample]
            known = [key for key in value if key in sample and key not in NOT_CHECKED]
            return found + [line for key in known for line in _strangers(value[key], sample[key], f"{path}.{key}")]
        case list(), list() if sample and all(isinstance(one, dict) for one in sample):
            merged = {key: part for one in sample for key, part in one.items()}
            return [line for one in value for line in _strangers(one, merged, f"{path}[]")]
        case _:
            return []
