"""Dockerfile, compose.yml and limner.service, by the tools that read them."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.settings import Settings

PROJECT = Path(__file__).parents[2]
DOCKERFILE = PROJECT / "Dockerfile"
UNIT = PROJECT / "deploy" / "limner.service"
#: Seconds beside draining: what is being told is told, and workers end.
FAREWELL = 20


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((PROJECT / "deploy" / "compose.yml").read_text())
    return read


def test_the_dockerfile_is_as_hadolint_wants_it() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    result = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)

    assert (result.returncode, result.stdout) == (0, "")


def test_the_image_gets_all_that_the_program_is_made_of_and_nothing_else() -> None:
    copied = {
        name
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE.read_text(), re.M)
        for name in line.split()[:-1]
    }
    let_in = re.findall(r"^!(.+)$", (PROJECT / ".dockerignore").read_text(), re.M)

    assert copied == set(let_in)
    assert all((PROJECT / name).exists() for name in copied)
    assert {"adapters", "bot", "storage"} <= copied


def test_what_may_be_written_is_on_volumes_or_in_memory(compose: dict[str, Any]) -> None:
    limner = compose["services"]["limner"]

    assert limner["read_only"]
    assert {volume.partition(":")[2] for volume in limner["volumes"]} == {"/data", "/cache"}
    assert "HOME=/cache" in DOCKERFILE.read_text()
    assert "LIMNER_DATA_DIR=/data" in DOCKERFILE.read_text()
    assert limner["tmpfs"] == ["/tmp"]


def test_whoever_stops_it_waits_until_it_has_drained(compose: dict[str, Any]) -> None:
    drain = Settings.model_fields["drain_seconds"].default
    grace = re.fullmatch(r"(\d+)s", compose["services"]["limner"]["stop_grace_period"])
    stop = re.search(r"^TimeoutStopSec=(\d+)s$", UNIT.read_text(), re.M)
    assert grace
    assert stop

    assert int(grace[1]) >= drain + FAREWELL
    assert int(stop[1]) >= drain + FAREWELL


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="There is no systemd.")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    here = UNIT.read_text().replace("/opt/limner/bin/limner", sys.executable)
    (tmp_path / UNIT.name).write_text(here)

    result = subprocess.run(
        ["systemd-analyze", "verify", tmp_path / UNIT.name], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
