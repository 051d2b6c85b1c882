"""A real dstack server plans what the files ask for. It knows no cloud, so that each plan ends without an offer."""

import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(600)]

PROJECT = Path(__file__).parents[2]
DSTACK = PROJECT / ".venv-dstack" / "bin" / "dstack"
#: Where the repository would be; git is told to find it in a folder.
REMOTE = "https://git.example.org/"
TOKEN = "for-this-test"
#: Seconds.
PATIENCE = 120.0

#: In the order of the guide.
FLEETS = (".dstack/fleet.dstack.yml", ".dstack/cluster-fleet.dstack.yml")

Apply = Callable[..., str]


@pytest.fixture(scope="module")
def apply(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apply]:
    """Says `dstack apply` with these arguments, and no to its question; what it printed. Fleets are there already."""
    folder = tmp_path_factory.mktemp("dstack")
    checkout = repository(folder)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "HOME": str(folder),
        "COLUMNS": "200",
        "DSTACK_SERVER_DIR": str(folder / "server"),
        "DSTACK_SERVER_ADMIN_TOKEN": TOKEN,
        # It would ask the clouds' makers for prices, and tell its own of itself.
        "DSTACK_SERVER_BACKGROUND_PROCESSING_DISABLED": "1",
        "DSTACK_SERVER_CONFIG_DISABLED": "1",
        "DSTACK_ENABLE_TELEMETRY": "0",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{folder}/remotes/.insteadOf",
        "GIT_CONFIG_VALUE_0": REMOTE,
        **dict.fromkeys(("DISCORD_TOKEN", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN", "HF_TOKEN"), ""),
        "LIMNER_API_KEYS": "a-key",
    }

    def dstack(*arguments: str, answer: str = "") -> str:
        done = subprocess.run(
            [DSTACK, *arguments],
            cwd=checkout,
            env=environment,
            input=answer,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    command = [str(DSTACK), "server", "--host", "127.0.0.1", "--port", str(port), "--yes"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server,
    ):
        try:
            _until_it_answers(f"http://127.0.0.1:{port}", folder / "log")
            dstack("project", "add", "--name", "main", "--url", f"http://127.0.0.1:{port}", "--token", TOKEN, "-y")
            _volumes(dstack, checkout)
            fleets = {file: dstack("apply", "--yes", "--detach", "--file", file) for file in FLEETS}
            yield lambda file, *more: fleets.get(file) or dstack("apply", "--file", file, *more, answer="n\n")
        finally:
            server.terminate()


def repository(folder: Path) -> Path:
    """The files in a repository of their own, pushed."""
    checkout = folder / "limner"
    shutil.copytree(PROJECT / ".dstack", checkout / ".dstack")
    for name in ("bot.dstack.yml", "cluster.dstack.yml"):
        shutil.copy(PROJECT / name, checkout)
    remote = folder / "remotes" / "limner.git"
    identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for arguments in (
        ["init", "--quiet", "--initial-branch", "main"],
        ["add", "."],
        [*identity, "commit", "--quiet", "--message", "All of it"],
        ["clone", "--quiet", "--bare", ".", str(remote)],
        ["remote", "add", "origin", str(remote)],
        ["fetch", "--quiet", "origin"],
        ["branch", "--quiet", "--set-upstream-to", "origin/main"],
        ["remote", "set-url", "origin", f"{REMOTE}limner.git"],
    ):
        subprocess.run(["git", *arguments], cwd=checkout, check=True)
    return checkout


def _until_it_answers(url: str, log: Path) -> None:
    gives_up = time.monotonic() + PATIENCE
    while time.monotonic() < gives_up:
        try:
            if httpx.get(f"{url}/healthcheck").is_success:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise AssertionError(log.read_text())


def _volumes(dstack: Callable[..., str], checkout: Path) -> None:
    """A run is planned where its volumes are known. The one cloud with volumes that dstack brings itself is runpod."""
    text = (checkout / ".dstack" / "volume.dstack.yml").read_text()
    for name in ("limner-data", *(f"limner-data-{node}" for node in range(3))):
        elsewhere = {"name": name, "backend": "runpod", "region": "EU-RO-1"}
        for key, value in elsewhere.items():
            text = re.sub(rf"^{key}:.*$", f"{key}: {value}", text, flags=re.MULTILINE)
        (checkout / "elsewhere.dstack.yml").write_text(text)
        dstack("apply", "--yes", "--detach", "--file", "elsewhere.dstack.yml")


@pytest.mark.parametrize("file", FLEETS)
def test_a_fleet_is_planned(apply: Apply, file: str) -> None:
    planned = apply(file)

    assert "No matching instance offers available" in planned
    assert "does not exist yet" in planned


def test_the_volume_is_planned(apply: Apply) -> None:
    planned = apply(".dstack/volume.dstack.yml")

    assert re.search(r"Backend +aws", planned)
    assert re.search(r"Size +100GB", planned)


@pytest.mark.parametrize("profile", [(), ("--profile", "spot")])
@pytest.mark.parametrize(("file", "nodes"), [("bot.dstack.yml", 1), ("cluster.dstack.yml", 3)])
def test_a_run_is_planned_and_ends_without_an_offer(
    apply: Apply, file: str, nodes: int, profile: tuple[str, ...]
) -> None:
    planned = apply(file, *profile)

    assert f"task (nodes={nodes})" in planned
    assert re.search(r"Spot policy +(auto|spot)" if profile else r"Spot policy +on-demand", planned)
    assert "No matching instance offers available" in planned
    assert "Submit the run" in planned
