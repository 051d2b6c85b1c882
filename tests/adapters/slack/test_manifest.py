import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from jsonschema_rs import Draft7Validator
from typer.testing import CliRunner

from adapters.slack.manifest import COMMANDS, ESCAPED, EVENTS, SCOPES, SHORTCUTS, manifest, one_click
from bot.cli import cli
from tests.fakes.slack import FakeSlack, spec

ADDRESS = "https://limner.example"
FORMS = [None, ADDRESS]
needs_specs = pytest.mark.skipif(spec.load() is None, reason="Slack's own descriptions are not beside the project")


@needs_specs
@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("http_url", FORMS, ids=["socket", "http"])
def test_both_of_slacks_schemas_take_the_manifest(http_url: str | None, version: int) -> None:
    schema = json.loads((spec.FOLDER / f"manifest/manifest.schema.{version}.0.0.json").read_text())
    told = manifest(http_url) | {"_metadata": {"major_version": version}}
    assert [error.message for error in Draft7Validator(schema).iter_errors(told)] == []


@pytest.mark.parametrize("http_url", FORMS, ids=["socket", "http"])
def test_the_local_slack_takes_the_manifest(http_url: str | None) -> None:
    assert FakeSlack(manifest(http_url)).violations == []


def test_it_has_the_commands_and_shortcuts_of_the_adapter() -> None:
    features = manifest()["features"]
    assert [one["command"] for one in features["slash_commands"]] == list(COMMANDS)
    assert "/status" not in COMMANDS
    assert [one["callback_id"] for one in features["shortcuts"]] == list(SHORTCUTS)
    assert [one["name"] for one in features["shortcuts"]] == ["Refine image", "Show recipe"]
    assert {one["type"] for one in features["shortcuts"]} == {"message"}


def test_prompts_come_as_they_are_typed_and_people_as_ids() -> None:
    escaped = {one["command"] for one in manifest()["features"]["slash_commands"] if one["should_escape"]}
    assert escaped == ESCAPED == {"/limner"}


def test_people_can_write_to_the_bot_and_open_its_home_tab() -> None:
    assert manifest()["features"]["app_home"] == {
        "home_tab_enabled": True,
        "messages_tab_enabled": True,
        "messages_tab_read_only_enabled": False,
    }
    assert set(EVENTS) == {"app_home_opened", "app_mention", "message.im"}


def test_socket_mode_needs_no_address() -> None:
    assert manifest()["settings"]["socket_mode_enabled"] is True
    assert "url" not in json.dumps(manifest())


@pytest.mark.parametrize("address", [ADDRESS, f"{ADDRESS}/", f"{ADDRESS}/slack/events"])
def test_without_socket_mode_all_goes_to_one_address(address: str) -> None:
    told = manifest(address)
    settings = told["settings"]
    assert settings["socket_mode_enabled"] is False
    urls = [settings["event_subscriptions"]["request_url"], settings["interactivity"]["request_url"]]
    urls += [one["url"] for one in told["features"]["slash_commands"]]
    assert set(urls) == {f"{ADDRESS}/slack/events"}
    assert len(urls) == 6


@needs_specs
def test_every_scope_is_one_that_something_named_with_it_needs() -> None:
    document = spec.load()
    assert document is not None
    for scope, why in SCOPES.items():
        methods = re.findall(r"\b[a-z]+\.[a-zA-Z.]*[a-zA-Z]\b", why)
        described = [document.methods[method] for method in methods if method in document.methods]
        assert all(scope in method["scope"]["bot"] for method in described), scope
        assert described or scope in ("app_mentions:read", "commands", "im:history")


def test_every_scope_is_there_once_and_none_is_dangerous() -> None:
    scopes = manifest()["oauth_config"]["scopes"]["bot"]
    assert len(set(scopes)) == len(scopes)
    assert not {"chat:write.public", "chat:write.customize", "channels:history", "groups:history"} & set(scopes)


def query(link: str) -> Any:
    parts = urlsplit(link)
    assert (parts.scheme, parts.netloc, parts.path) == ("https", "api.slack.com", "/apps")
    told = parse_qs(parts.query, strict_parsing=True)
    assert told["new_app"] == ["1"]
    return json.loads(told["manifest_json"][0])


@pytest.mark.parametrize("http_url", FORMS, ids=["socket", "http"])
def test_the_link_holds_the_whole_manifest(http_url: str | None) -> None:
    link = one_click(http_url)
    assert query(link) == manifest(http_url)
    assert re.fullmatch(r"[!-~]+", link)
    # Some browsers and servers take no more.
    assert len(link) < 8000


# The command line.


def told(*arguments: str) -> str:
    result = CliRunner().invoke(cli, ["manifest", *arguments])
    assert (result.exit_code, result.stderr) == (0, "")
    return result.stdout


def test_limner_manifest_prints_it_as_json() -> None:
    assert json.loads(told()) == manifest()
    assert json.loads(told("--http", ADDRESS)) == manifest(ADDRESS)


def test_limner_manifest_prints_the_link_in_one_line() -> None:
    assert told("--url") == one_click() + "\n"
    assert told("--url", "--http", ADDRESS) == one_click(ADDRESS) + "\n"


@pytest.mark.parametrize("address", ["http://limner.example", "limner.example", ""])
def test_limner_manifest_refuses_an_address_that_slack_would_refuse(address: str) -> None:
    result = CliRunner().invoke(cli, ["manifest", "--http", address], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "https://" in result.stderr
    assert result.stdout == ""


def test_limner_manifest_needs_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "limner.toml").write_text("nonsense")
    monkeypatch.chdir(tmp_path)
    assert json.loads(told()) == manifest()
