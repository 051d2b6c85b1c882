"""Where settings come from, which of them wins, and what is told about a wrong one."""

import os
import re
import traceback
from pathlib import Path
from typing import Any

import pytest
from pydantic import HttpUrl, SecretStr, ValidationError, WebsocketUrl

from bot.errors import CannotStart
from bot.settings import Settings, is_loopback, read_settings
from bot.styles import Style

OURS = re.compile(r"LIMNER_|(HF|DISCORD|SLACK_BOT|SLACK_APP)_TOKEN$", re.IGNORECASE)
TOKENS = ["HF_TOKEN", "DISCORD_TOKEN", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"]


@pytest.fixture(autouse=True)
def _nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if OURS.match(name):
            monkeypatch.delenv(name)


def write(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")


def secret(settings: Settings, token: str) -> str | None:
    found: SecretStr | None = getattr(settings, token.lower())
    return None if found is None else found.get_secret_value()


def keys(settings: Settings) -> list[str]:
    return [key.get_secret_value() for key in settings.api_keys]


def complaint() -> str:
    with pytest.raises(CannotStart) as error:
        read_settings()
    return str(error.value)


def test_without_a_word_it_runs_for_this_machine_only() -> None:
    assert read_settings().model_dump() == {
        "data_dir": Path("data"),
        "http_host": "127.0.0.1",
        "http_port": 8000,
        "api_keys": (),
        "public_url": None,
        "model": None,
        "refiner": None,
        "memory": "auto",
        "compile": False,
        "draft": None,
        "draft_lora": None,
        "styles": (),
        "watermark": True,
        "certificate": None,
        "certificate_key": None,
        "image_check": None,
        "step_timeout": 300.0,
        "executor": "local",
        "devices": "auto",
        "ray_address": None,
        "queue_limit": 200,
        "moderator_weight": 1.0,
        "admin_weight": 1.0,
        "drain_seconds": 60.0,
        "retention_days": None,
        "hf_token": None,
        "discord_api_url": None,
        "discord_gateway_url": None,
        "discord_token": None,
        "slack_bot_token": None,
        "slack_app_token": None,
        "slack_admins": (),
        "slack_api_url": None,
        "slack_signing_secret": None,
    }


@pytest.mark.parametrize(
    ("variable", "text", "value"),
    [
        ("LIMNER_DATA_DIR", "/srv/limner", Path("/srv/limner")),
        ("LIMNER_HTTP_HOST", "::1", "::1"),
        ("LIMNER_HTTP_PORT", "0", 0),
        ("LIMNER_DEVICES", "0, GPU-1f2e-3d", "0,GPU-1f2e-3d"),
        ("LIMNER_HTTP_PORT", "65535", 65535),
        ("LIMNER_PUBLIC_URL", "https://limner.example", "https://limner.example"),
        ("LIMNER_PUBLIC_URL", "http://10.0.0.7:8000/paints/", "http://10.0.0.7:8000/paints"),
        ("LIMNER_DISCORD_API_URL", "http://localhost:3000/api/v10", HttpUrl("http://localhost:3000/api/v10")),
        ("LIMNER_DISCORD_GATEWAY_URL", "ws://localhost:3000/", WebsocketUrl("ws://localhost:3000/")),
        ("LIMNER_MODEL", "demo", "demo"),
        ("LIMNER_REFINER", "an owner/a model", "an owner/a model"),
        ("LIMNER_EXECUTOR", "local", "local"),
        ("LIMNER_QUEUE_LIMIT", "1", 1),
        ("LIMNER_DRAIN_SECONDS", "0.5", 0.5),
        ("LIMNER_DRAIN_SECONDS", "0", 0),
        ("LIMNER_RETENTION_DAYS", "90", 90),
    ],
)
@pytest.mark.parametrize("where", ["environment", ".env", "limner.toml"])
def test_a_setting_is_read_wherever_it_stands(
    monkeypatch: pytest.MonkeyPatch, where: str, variable: str, text: str, value: object
) -> None:
    field = variable.removeprefix("LIMNER_").lower()
    match where:
        case "environment":
            monkeypatch.setenv(variable, text)
        case ".env":
            write(".env", f"{variable}={text}\n")
        case _:
            write("limner.toml", f"{field} = {value if isinstance(value, int | float) else repr(text)}\n")

    assert getattr(read_settings(), field) == value


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("where", ["environment", ".env", "limner.toml"])
def test_a_token_is_read_by_the_name_that_its_platform_gives_it(
    monkeypatch: pytest.MonkeyPatch, where: str, token: str
) -> None:
    match where:
        case "environment":
            monkeypatch.setenv(token, "hush")
        case ".env":
            write(".env", f"{token}=hush\n")
        case _:
            write("limner.toml", f'{token.lower()} = "hush"\n')

    assert secret(read_settings(), token) == "hush"


def test_an_argument_outweighs_the_environment_and_that_env_and_that_toml(monkeypatch: pytest.MonkeyPatch) -> None:
    won = []
    write("limner.toml", 'queue_limit = 1\nhf_token = "toml"')
    won.append(read_settings())
    write(".env", "LIMNER_QUEUE_LIMIT=2\nHF_TOKEN=dotenv")
    won.append(read_settings())
    monkeypatch.setenv("LIMNER_QUEUE_LIMIT", "3")
    monkeypatch.setenv("HF_TOKEN", "environment")
    won.append(read_settings())
    won.append(read_settings(queue_limit=4, hf_token="argument"))

    assert [settings.queue_limit for settings in won] == [1, 2, 3, 4]
    assert [secret(settings, "HF_TOKEN") for settings in won] == ["toml", "dotenv", "environment", "argument"]


def test_places_that_say_different_things_are_read_together(monkeypatch: pytest.MonkeyPatch) -> None:
    write("limner.toml", 'model = "demo"\nqueue_limit = 1')
    write(".env", "LIMNER_HTTP_PORT=2")
    monkeypatch.setenv("LIMNER_QUEUE_LIMIT", "3")
    settings = read_settings()

    assert (settings.model, settings.http_port, settings.queue_limit) == ("demo", 2, 3)


@pytest.mark.parametrize("variable", ["LIMNER_QUEUE_LIMIT", "LIMNER_MODEL", "LIMNER_API_KEYS", *TOKENS])
def test_a_variable_that_is_empty_is_not_set(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "")

    assert read_settings() == Settings()
    assert read_settings().queue_limit == 200


def test_what_belongs_to_others_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL", "theirs")
    monkeypatch.setenv("HTTP_PORT", "theirs")
    write(".env", "QUEUE_LIMIT=theirs\nDATABASE_URL=theirs\n")

    assert read_settings() == Settings()
    assert (read_settings().model, read_settings().http_port) == (None, 8000)


@pytest.mark.parametrize(
    ("text", "found"),
    [("one", ["one"]), ("one,two", ["one", "two"]), (" one , two,, ", ["one", "two"]), (",", []), ("a b", ["a b"])],
)
def test_api_keys_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch, text: str, found: list[str]) -> None:
    monkeypatch.setenv("LIMNER_API_KEYS", text)

    assert keys(read_settings()) == found


@pytest.mark.parametrize("text", ['"one, two"', '["one", "two"]', '["", " one ", "two"]'])
def test_in_toml_api_keys_may_be_a_list_too(text: str) -> None:
    write("limner.toml", f"api_keys = {text}")

    assert keys(read_settings()) == ["one", "two"]


@pytest.mark.parametrize(
    ("variable", "text", "told"),
    [
        ("LIMNER_HTTP_PORT", "eighty", "valid integer"),
        ("LIMNER_HTTP_PORT", "-1", "greater than or equal to 0"),
        ("LIMNER_HTTP_PORT", "65536", "less than or equal to 65535"),
        ("LIMNER_QUEUE_LIMIT", "0", "greater than or equal to 1"),
        ("LIMNER_QUEUE_LIMIT", "1.5", "valid integer"),
        ("LIMNER_RETENTION_DAYS", "0", "greater than 0"),
        ("LIMNER_RETENTION_DAYS", "inf", "finite number"),
        ("LIMNER_DRAIN_SECONDS", "-1", "greater than or equal to 0"),
        ("LIMNER_DRAIN_SECONDS", "nan", "greater than or equal to 0"),
        ("LIMNER_DRAIN_SECONDS", "a while", "valid number"),
        ("LIMNER_EXECUTOR", "rei", "should be 'local' or 'ray'"),
        ("LIMNER_DEVICES", "0,,2", "must be auto, cpu, or GPUs separated by commas"),
        ("LIMNER_DEVICES", "cuda:0", "must be auto, cpu, or GPUs separated by commas"),
        ("LIMNER_PUBLIC_URL", "limner.example", "must look like https://"),
        ("LIMNER_PUBLIC_URL", "ftp://limner.example", "must look like https://"),
        ("LIMNER_PUBLIC_URL", "https://", "must look like https://"),
        ("LIMNER_PUBLIC_URL", "https:///download", "must look like https://"),
        ("LIMNER_PUBLIC_URL", "https://limner.example?a=b", "must look like https://"),
        ("LIMNER_PUBLIC_URL", "https://limner example", "must look like https://"),
        ("LIMNER_DISCORD_API_URL", "discord.com", "valid URL"),
        ("LIMNER_DISCORD_API_URL", "wss://gateway.example", "'http' or 'https'"),
        ("LIMNER_DISCORD_GATEWAY_URL", "https://gateway.example", "'ws' or 'wss'"),
    ],
)
@pytest.mark.parametrize("where", ["environment", ".env", "limner.toml"])
def test_a_wrong_value_is_told_with_its_variable_and_what_is_allowed(
    monkeypatch: pytest.MonkeyPatch, where: str, variable: str, text: str, told: str
) -> None:
    match where:
        case "environment":
            monkeypatch.setenv(variable, text)
        case ".env":
            write(".env", f'{variable}="{text}"\n')
        case _:
            write("limner.toml", f'{variable.removeprefix("LIMNER_").lower()} = "{text}"\n')

    assert re.fullmatch(f"{variable}: .*{re.escape(told)}.*", complaint())


@pytest.mark.parametrize("line", ["hf_token = 5", "HF_TOKEN = 5"])
def test_a_wrong_token_is_told_by_the_name_that_its_platform_gives_it(line: str) -> None:
    write("limner.toml", line)

    assert complaint().startswith("HF_TOKEN: ")


def test_all_wrong_values_are_told_at_once_each_on_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("LIMNER_HTTP_PORT", "LIMNER_QUEUE_LIMIT", "LIMNER_DRAIN_SECONDS"):
        monkeypatch.setenv(variable, "much")

    told = [line.partition(":")[0] for line in complaint().splitlines()]

    assert told == ["LIMNER_HTTP_PORT", "LIMNER_QUEUE_LIMIT", "LIMNER_DRAIN_SECONDS"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("limner.toml", b"queue_limit = = 3"),
        ("limner.toml", b'model = "\xff"'),
        (".env", b"LIMNER_MODEL=\xff"),
    ],
)
def test_a_file_that_cannot_be_read_is_told_by_its_name(name: str, content: bytes) -> None:
    Path(name).write_bytes(content)

    assert name in complaint()


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.1.7", "studio.example", "[::1]", "127.0.0.1:80", "LOCALHOST"]
)
def test_an_address_that_others_can_reach_wants_a_key(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("LIMNER_HTTP_HOST", host)
    told = complaint()
    monkeypatch.setenv("LIMNER_API_KEYS", "hush")

    assert told.startswith(f"LIMNER_HTTP_HOST is {host}, which others can reach, and LIMNER_API_KEYS is empty.")
    assert read_settings().http_host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_the_own_machine_wants_no_key(monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    monkeypatch.setenv("LIMNER_HTTP_HOST", host)

    assert is_loopback(host)
    assert read_settings().http_host == host


def test_keys_of_nothing_but_commas_guard_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_HTTP_HOST", "0.0.0.0")
    monkeypatch.setenv("LIMNER_API_KEYS", " , ")

    assert "LIMNER_API_KEYS is empty" in complaint()


def test_no_secret_is_ever_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (*TOKENS, "LIMNER_API_KEYS"):
        monkeypatch.setenv(variable, "hush,hush")
    settings = read_settings()

    assert keys(settings) == ["hush", "hush"]
    for shown in (repr(settings), str(settings), str(settings.model_dump()), settings.model_dump_json()):
        assert "hush" not in shown


def everything_told(**overrides: Any) -> str:
    """As a log would show it, with its causes."""
    with pytest.raises(CannotStart) as error:
        read_settings(**overrides)
    return "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize("variable", [*TOKENS, "LIMNER_API_KEYS"])
def test_a_mistake_elsewhere_shows_no_secret(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "hush")
    monkeypatch.setenv("LIMNER_QUEUE_LIMIT", "0")

    assert "hush" not in everything_told()


@pytest.mark.parametrize("wrong", ['{ hush-hush = "hush" }', '[["hush-hush"]]', '[{ hush = "hush" }]'])
@pytest.mark.parametrize("variable", [*TOKENS, "api_keys"])
def test_a_secret_of_a_wrong_kind_is_not_shown_by_its_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, wrong: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("limner.toml").write_text(f"{variable.lower()} = {wrong}\n")

    assert "hush" not in everything_told()


def test_a_missing_key_shows_no_other_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "hush")
    monkeypatch.setenv("LIMNER_HTTP_HOST", "0.0.0.0")

    assert "hush" not in everything_told()


def test_settings_are_read_once_and_never_changed() -> None:
    settings = read_settings()

    with pytest.raises(ValidationError, match="frozen"):
        settings.queue_limit = 1  # type: ignore[misc]


def test_styles_come_from_limner_toml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("limner.toml").write_text('[[styles]]\nname = "ink"\nlora = "ink.safetensors"\nweight = 0.8\n')

    (style,) = read_settings().styles
    assert style.style() == Style(name="ink", lora="ink.safetensors", weight=0.8)


@pytest.mark.parametrize(
    ("toml", "told"),
    [
        ('[[styles]]\nname = "ink"', "lora"),
        ('[[styles]]\nname = "an ink"\nlora = "x"', "pattern"),
        ('[[styles]]\nname = "lcm"\nlora = "x"', "lcm is taken"),
        ('[[styles]]\nname = "a"\nlora = "x"\n[[styles]]\nname = "a"\nlora = "y"', "a is taken"),
        ('[[styles]]\nname = "a"\nlora = "x"\nweigth = 1', "weigth"),
        ('[[styles]]\nname = "a"\nlora = "x"\nweight = 9', "less than or equal to 4"),
        ('draft = "turbo"', "must be one of lcm, lightning"),
        ('memory = "huge"', "'auto', 'full', 'balanced' or 'low'"),
        ("step_timeout = 0", "greater than 0"),
    ],
)
def test_a_mistake_in_limner_toml_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, toml: str, told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("limner.toml").write_text(toml)

    with pytest.raises(CannotStart) as caught:
        read_settings()

    assert told in str(caught.value)


def test_styles_that_are_no_json_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIMNER_STYLES", "ink")

    with pytest.raises(CannotStart, match="LIMNER_STYLES: "):
        read_settings()
