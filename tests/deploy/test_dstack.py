"""The files for dstack, as its own models read them."""

import json
import os
import shutil
import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from bot.settings import PREFIX, Settings, read_settings

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[2]
PYTHON = PROJECT / ".venv-dstack" / "bin" / "python"
SCRIPT = Path(__file__).with_name("parse_dstack.py")
BOT = "bot.dstack.yml"
PROFILES = ".dstack/profiles.yml"
FILES = (
    BOT,
    PROFILES,
    "cluster.dstack.yml",
    *(f".dstack/{name}.dstack.yml" for name in ("fleet", "cluster-fleet", "volume")),
)

SECRETS = {"LIMNER_API_KEYS", "DISCORD_TOKEN", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "HF_TOKEN"}

#: Seconds from dstack's Ctrl-C to its kill; no option changes them.
UNTIL_KILLED = 10


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    result = parse(PROJECT, home=tmp_path_factory.mktemp("home"))
    assert result.returncode == 0, result.stderr
    parsed: dict[str, Any] = json.loads(result.stdout)
    return parsed


@pytest.fixture
def bot(read: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = read["bot"]
    return settings


@pytest.fixture
def environment(bot: dict[str, Any]) -> dict[str, str]:
    """What the file itself sets; of the others it has names only."""
    return {name: value for name, value in bot["env"].items() if isinstance(value, str)}


@pytest.fixture
def settings(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Settings:
    """What the program makes of that environment, with an API key from the user's shell and nothing else."""
    monkeypatch.chdir(tmp_path)
    for name in os.environ.keys() & SECRETS | {name for name in os.environ if name.startswith(PREFIX)}:
        monkeypatch.delenv(name)
    for name, value in {**environment, **dict.fromkeys(SECRETS, ""), "LIMNER_API_KEYS": "key"}.items():
        monkeypatch.setenv(name, value)
    return read_settings()


def parse(folder: Path, *, home: Path) -> subprocess.CompletedProcess[str]:
    if not PYTHON.exists():
        pytest.fail("dstack is not installed in .venv-dstack; `make test` installs it.")
    command = [str(PYTHON), str(SCRIPT), "spot"]
    return subprocess.run(command, cwd=folder, env={"HOME": str(home)}, capture_output=True, text=True, timeout=50)


def test_it_is_one_task_on_one_machine(bot: dict[str, Any]) -> None:
    assert bot["type"] == "task"
    assert (bot["nodes"] or 1, bot["groups"]) == (1, None)


def test_the_machine_has_an_nvidia_gpu_of_12_gb_and_16_gb_of_ram(bot: dict[str, Any]) -> None:
    gpu = bot["resources"]["gpu"]
    assert gpu["vendor"] == "nvidia"
    assert gpu["count"] == {"min": 1, "max": 1}
    assert gpu["memory"]["min"] >= 12
    assert bot["resources"]["memory"]["min"] >= 16


def test_it_installs_from_the_lock_file_and_serves(bot: dict[str, Any]) -> None:
    assert bot["python"] == "3.11"
    assert [repo["local_path"] for repo in bot["repos"]] == ["."]
    assert bot["commands"][0] == "make .venv/run"
    assert bot["commands"][-1] == "exec .venv/bin/limner serve"


def test_the_program_listens_on_the_port_that_dstack_forwards(bot: dict[str, Any], settings: Settings) -> None:
    assert [port["container_port"] for port in bot["ports"]] == [settings.http_port] == [8000]
    assert settings.http_host == "0.0.0.0"


def test_index_and_images_are_on_a_network_volume(bot: dict[str, Any], settings: Settings) -> None:
    network_volumes = [PurePosixPath(volume["path"]) for volume in bot["volumes"] if volume.get("name")]
    assert any(settings.data_dir.is_relative_to(path) for path in network_volumes)


def test_the_cache_is_on_a_volume_that_a_cloud_without_such_volumes_may_leave_out(
    bot: dict[str, Any], environment: dict[str, str]
) -> None:
    (cache,) = [volume for volume in bot["volumes"] if volume.get("instance_path")]
    assert cache["optional"]
    for name in ("HF_HOME", "PIP_CACHE_DIR"):
        assert PurePosixPath(environment[name]).is_relative_to(cache["path"])


def test_every_variable_of_the_bot_is_one_that_it_knows(bot: dict[str, Any]) -> None:
    names = {name.removeprefix(PREFIX).lower() for name in bot["env"] if name.startswith(PREFIX)}
    assert names <= Settings.model_fields.keys()


def test_secrets_are_asked_of_the_user_and_not_in_the_file(bot: dict[str, Any]) -> None:
    assert {name for name, value in bot["env"].items() if value == {"key": name}} == SECRETS
    assert not bot["registry_auth"]


def test_the_bot_comes_back_after_every_kind_of_failure(bot: dict[str, Any]) -> None:
    assert set(bot["retry"]["on_events"]) == {"no-capacity", "error", "interruption"}


def test_a_stop_leaves_time_to_drain(bot: dict[str, Any], settings: Settings) -> None:
    assert settings.drain_seconds <= UNTIL_KILLED - 2
    assert "trap '' HUP" in bot["commands"], "dstack hangs up after half of that time"
    assert bot["stop_duration"] >= Settings.model_fields["drain_seconds"].default


def test_no_profile_ends_the_bot_or_keeps_an_unused_machine_for_long(read: dict[str, Any]) -> None:
    assert {name: profile["spot_policy"] for name, profile in read["profiles"].items()} == {
        "default": "on-demand",
        "spot": "auto",
    }
    for profile in read["profiles"].values():
        assert profile["max_duration"] == "off"
        assert profile["utilization_policy"] is None
        assert 0 <= profile["idle_duration"] <= 3600


def test_the_cluster_has_one_server_and_painters_with_the_bots_gpus(read: dict[str, Any], bot: dict[str, Any]) -> None:
    server, painters = read["cluster"]["groups"]

    assert (server["nodes"], server["resources"]["gpu"]["count"]) == (1, {"min": 0, "max": 0})
    assert server["commands"][0] == painters["commands"][0] == "make .venv/cluster"
    assert server["commands"][-1] == "exec .venv/bin/limner serve"
    assert [port["container_port"] for port in server["ports"]] == [8000]
    for part in ("vendor", "memory", "compute_capability"):
        assert painters["resources"]["gpu"][part] == bot["resources"]["gpu"][part]
    nodes = server["nodes"] + painters["nodes"]
    assert read["cluster_fleet"]["nodes"]["max"] == nodes
    assert read["cluster_fleet"]["placement"] == "cluster"


def test_the_cluster_is_set_up_as_the_one_machine_is(read: dict[str, Any], bot: dict[str, Any]) -> None:
    cluster = read["cluster"]
    own = {"LIMNER_EXECUTOR": "ray", "RAY_USAGE_STATS_ENABLED": "0"}

    assert cluster["env"] == bot["env"] | own
    for part in ("python", "repos", "retry", "stop_duration"):
        assert cluster[part] == bot[part]
    assert "trap '' HUP" in cluster["groups"][0]["commands"]
    assert [volume.get("path") for volume in cluster["volumes"]] == [volume.get("path") for volume in bot["volumes"]]


def test_fleets_and_the_volume_are_those_that_the_tasks_name(read: dict[str, Any], bot: dict[str, Any]) -> None:
    assert read["volume"]["name"] in [volume.get("name") for volume in bot["volumes"]]
    for fleet in (read["fleet"], read["cluster_fleet"]):
        assert fleet["nodes"]["min"] == 0, "no cost while the bot is stopped"
        assert 0 <= fleet["idle_duration"] <= 3600


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [
        (BOT, "stop_duration:", "stop_duraton:"),
        (BOT, "12GB..", "plenty"),
        (PROFILES, "idle_duration:", "idle_time:"),
        (PROFILES, "spot_policy: auto", "spot_policy: cheap"),
    ],
)
def test_a_mistake_in_a_file_is_refused(tmp_path: Path, file: str, right: str, wrong: str) -> None:
    (tmp_path / PROFILES).parent.mkdir()
    for name in FILES:
        shutil.copy(PROJECT / name, tmp_path / name)
    text = (PROJECT / file).read_text()
    assert right in text
    (tmp_path / file).write_text(text.replace(right, wrong))

    result = parse(tmp_path, home=tmp_path)

    assert result.returncode == 1
    assert "validation error" in result.stderr
    assert wrong.removesuffix(":").split()[-1] in result.stderr
