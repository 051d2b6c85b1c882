"""Writes the reference from the code: docs/reference, and .env.example.

    python -m docs.generate

`make docs` does so before it builds the site, and a test wants what is committed to be what this writes.
"""

import copy
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any

import typer
from pydantic import AliasChoices, BaseModel
from typer.testing import CliRunner

from adapters.web import bodies, problems
from adapters.web.app import build
from bot.cli import cli
from bot.metrics import Metrics
from bot.settings import PREFIX, Settings

PROJECT = Path(__file__).parents[1]
REFERENCE = PROJECT / "docs" / "reference"
#: Where there is more to say of a setting.
MORE = {
    "data_dir": "../data.md",
    "api_keys": "../http.md#keys",
    "public_url": "../http.md#browsers-and-other-sites",
    "model": "../models.md",
    "refiner": "../requests.md#which-model-refines",
    "memory": "../models.md#memory",
    "compile": "../models.md#torchcompile",
    "draft": "../requests.md#qualities",
    "styles": "../requests.md#styles",
    "watermark": "../marks.md",
    "certificate": "../marks.md#your-own-certificate",
    "executor": "../gpus.md#many-machines",
    "devices": "../gpus.md#more-than-one-gpu",
    "step_timeout": "../models.md#when-a-worker-hangs-or-dies",
    "moderator_weight": "../explanation.md#who-is-next",
    "drain_seconds": "../deploy.md#a-new-version",
    "retention_days": "../data.md#old-images",
    "discord_token": "../discord.md",
    "slack_bot_token": "../slack.md",
}


def _page(title: str, lines: Iterator[str]) -> str:
    return "\n".join([f"# {title}", "", "<!-- Written by docs/generate.py. -->", "", *lines, ""])


def _table(*rows: tuple[str, ...]) -> Iterator[str]:
    head, *others = rows
    yield f"| {' | '.join(head)} |"
    yield "|---" * len(head) + "|"
    for row in others:
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |"
    yield ""


def _words(text: str | None) -> str:
    return " ".join((text or "").split())


def variables() -> Iterator[tuple[str, str, str, str]]:
    """Field, variable, default as text ("" where there is none) and description."""
    for name, field in Settings.model_fields.items():
        alias = field.validation_alias
        variable = str(alias.choices[0]) if isinstance(alias, AliasChoices) else PREFIX + name.upper()
        yield name, variable, "" if field.default in (None, ()) else str(field.default), _words(field.description)


def env_example() -> str:
    head = (
        "Every setting of Limner, with its default. Copy this file to .env and take the # off the lines that you "
        "change. What the environment says weighs more than .env, and .env more than limner.toml. An empty value "
        "counts as not set."
    )
    blocks = [_comment(head)]
    blocks += [f"{_comment(text)}\n# {variable}={default}" for _, variable, default, text in variables()]
    return "\n\n".join(blocks) + "\n"


def _comment(text: str) -> str:
    return "\n".join(f"# {line}" for line in textwrap.wrap(text, 118, break_on_hyphens=False))


def settings() -> Iterator[str]:
    yield (
        "Every setting is a variable of the environment. It may also stand in `.env` or, by the name of its field, in "
        "`limner.toml`, both in the folder where Limner is started: [how they weigh](../settings.md)."
    )
    yield ""
    rows = [
        (f"`{variable}`", f"`{name}`", f"`{default}`" if default else "none", _linked(name, text))
        for name, variable, default, text in variables()
    ]
    yield from _table(("Variable", "In `limner.toml`", "Default", "Means"), *rows)


def _linked(name: str, text: str) -> str:
    return f"{text} [More]({MORE[name]})" if name in MORE else text


def commands() -> Iterator[str]:
    yield "What `--help` says of each. [How they are used](../commands.md)."
    yield ""
    plain = copy.copy(cli)
    plain.rich_markup_mode = None
    for name in command_names(cli):
        asked = CliRunner().invoke(plain, [*name.split(), "--help"], prog_name="limner", terminal_width=110)
        assert asked.exit_code == 0, asked.output
        yield from (f"## limner {name}", "", "```text", asked.output.strip(), "```", "")


def command_names(app: typer.Typer, before: str = "") -> Iterator[str]:
    for command in app.registered_commands:
        assert command.callback is not None
        yield before + (command.name or command.callback.__name__)
    for group in app.registered_groups:
        assert group.typer_instance is not None
        yield from command_names(group.typer_instance, f"{before}{group.name} ")


def http() -> Iterator[str]:
    yield "`GET /openapi.json` says the same for programs. [How it is used](../http.md); [errors](errors.md)."
    yield ""
    yield "## Routes"
    yield ""
    document = build(_no_service(), []).openapi()
    rows = [("`GET /openapi.json`", "The OpenAPI description.", "")]
    for path, methods in document["paths"].items():
        for method, route in methods.items():
            parameters = [
                f"`{one['name']}` ({_type(one['schema'])})"
                for one in route.get("parameters", ())
                if one["in"] == "query"
            ]
            rows.append((f"`{method.upper()} {path}`", _words(route.get("description")), "; ".join(parameters)))
    yield from _table(("Route", "What it does", "In the query"), *rows)
    yield "## Bodies"
    yield ""
    for name in document["components"]["schemas"]:
        kind = getattr(bodies, name)
        if issubclass(kind, BaseModel):
            yield from _schema(kind)


def _no_service() -> Any:
    """The description needs none."""
    return object()


def _schema(kind: type[BaseModel]) -> Iterator[str]:
    """Of the model itself: FastAPI's document rounds large numbers."""
    schema = kind.model_json_schema()
    required = schema.get("required", ())
    yield f"### {kind.__name__}"
    yield ""
    if kind.__doc__ and kind.__doc__ != BaseModel.__doc__:
        yield _words(kind.__doc__)
        yield ""
    asked = issubclass(kind, bodies.Body)
    rows = [
        (
            f"`{name}`",
            _type(field),
            *(("yes" if name in required else "",) if asked else ()),
            _words(field.get("description")),
        )
        for name, field in schema["properties"].items()
    ]
    yield from _table(("Field", "Type", *(("Must be there",) if asked else ()), "Means"), *rows)


def _type(field: Mapping[str, Any]) -> str:
    if "anyOf" in field:
        # null is what is left out, or not there.
        return " or ".join(_type(one) for one in field["anyOf"] if one.get("type") != "null")
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        known = getattr(bodies, name, None)
        if known is not None and not issubclass(known, BaseModel):
            return ", ".join(f"`{value}`" for value in known)
        return f"[{name}](#{name.lower()})"
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    return " ".join([_TYPES[field.get("type", "object")], *_limits(field)])


_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "object",
}


def _limits(field: Mapping[str, Any]) -> Iterator[str]:
    for name, words in (
        ("minimum", "from {}"),
        ("exclusiveMinimum", "above {}"),
        ("maximum", "up to {}"),
        ("exclusiveMaximum", "below {}"),
        ("multipleOf", "in steps of {}"),
    ):
        if name in field:
            yield words.format(f"{field[name]:g}" if isinstance(field[name], float) else field[name])
    if "maxLength" in field:
        yield f"up to {field['maxLength']} characters"


def errors() -> Iterator[str]:
    yield (
        "Every error is a problem as in RFC 9457, `application/problem+json`, with a stable `code`: "
        "[how they look](../http.md#errors). A failed job has the same codes."
    )
    yield ""
    rows = sorted({(int(status), code, meaning) for status, code, meaning in _answers()})
    yield from _table(("Status", "`code`", "Means"), *((str(status), f"`{code}`", text) for status, code, text in rows))


def _answers() -> Iterator[tuple[HTTPStatus, str, str]]:
    meanings = {error.code: _words(error.__doc__) for error in problems.STATUS_OF} | problems.MEANINGS
    for status, code in problems.answers():
        yield status, code, meanings[code]


def metrics() -> Iterator[str]:
    yield (
        "Of `GET /metrics`, besides what prometheus_client tells of any process: "
        "[how they are asked for](../http.md#metrics)."
    )
    yield ""
    made = Metrics()
    made.read(queued=lambda: 0.0, running=lambda: 0.0, workers=lambda: ())
    rows = []
    for collector in made.registry._collector_to_names:
        families = collector.describe() if hasattr(collector, "describe") else collector.collect()
        labels = getattr(collector, "_labelnames", None)
        for family in families:
            if family.name.startswith("limner_"):
                name = family.name + ("_total" if family.type == "counter" else "")
                named = labels if labels is not None else getattr(family, "_labelnames", ())
                rows.append((f"`{name}`", family.type, ", ".join(f"`{one}`" for one in named), family.documentation))
    yield from _table(("Metric", "Kind", "Labels", "What it tells"), *sorted(rows))


PAGES: dict[Path, Callable[[], str]] = {
    PROJECT / ".env.example": env_example,
    REFERENCE / "settings.md": lambda: _page("All settings", settings()),
    REFERENCE / "commands.md": lambda: _page("All commands", commands()),
    REFERENCE / "http.md": lambda: _page("All routes", http()),
    REFERENCE / "errors.md": lambda: _page("Errors", errors()),
    REFERENCE / "metrics.md": lambda: _page("Metrics", metrics()),
}


def main() -> None:
    for file, written in PAGES.items():
        text = written()
        file.parent.mkdir(exist_ok=True)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")
            sys.stdout.write(f"{file.relative_to(PROJECT)}\n")


if __name__ == "__main__":
    main()
