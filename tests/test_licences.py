"""What `make audit` says of the licences of what Limner needs."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def listed(folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """With the packages of this folder before those that are installed."""
    command = [sys.executable, str(ROOT / "requirements/licences.py")]
    env = os.environ | ({"PYTHONPATH": str(folder)} if folder else {})
    return subprocess.run(command, env=env, text=True, capture_output=True)


def add(folder: Path, name: str, *metadata: str) -> None:
    said = folder / f"{name.replace('-', '_')}-1.dist-info"
    said.mkdir()
    lines = ["Metadata-Version: 2.4", f"Name: {name}", "Version: 1", *metadata]
    (said / "METADATA").write_text("\n".join(lines) + "\n")


def test_all_that_limner_needs_may_go_with_it() -> None:
    ran = listed()

    assert ran.returncode == 0, ran.stderr
    assert {"limner", "torch", "discord-py", "uvicorn"} <= {line.split()[0] for line in ran.stdout.splitlines()}


ALLOWED = [
    "License-Expression: MIT",
    "License-Expression: MIT AND (GPL-3.0-only OR Apache-2.0)",
    "Classifier: License :: OSI Approved :: MIT License",
    "License: BSD-3-Clause",
]
NOT_ALLOWED = [
    "License-Expression: GPL-3.0-only",
    "License-Expression: MIT AND GPL-3.0-only",
    "License-Expression: LicenseRef-Secret",
    "Classifier: License :: OSI Approved :: GNU General Public License v3 (GPLv3)",
    "License: ask me",
    "Summary: nothing is said",
]


def test_each_licence_that_is_not_known_to_go_with_it_is_named(tmp_path: Path) -> None:
    bad = [f"bad-{number}" for number, _ in enumerate(NOT_ALLOWED)]
    good = [f"good-{number}" for number, _ in enumerate(ALLOWED)]
    needs = [f"Requires-Dist: {name}; python_version > '3'" for name in good + bad]
    add(tmp_path, "limner", "License-Expression: Apache-2.0", *needs)
    for name, terms in zip(good + bad, ALLOWED + NOT_ALLOWED, strict=True):
        add(tmp_path, name, terms)
    ran = listed(tmp_path)

    assert (ran.returncode, ran.stderr) == (1, f"Not known to go with Apache-2.0: {', '.join(bad)}\n")


def test_what_only_comes_with_a_build_for_nvidias_devices_is_nvidias(tmp_path: Path) -> None:
    add(tmp_path, "limner", "License-Expression: Apache-2.0", "Requires-Dist: nvidia-cublas")
    add(tmp_path, "nvidia-cublas", "License-Expression: LicenseRef-NVIDIA-Proprietary")
    ran = listed(tmp_path)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "LicenseRef-NVIDIA-Proprietary" in ran.stdout


def test_what_is_needed_and_not_there_is_told(tmp_path: Path) -> None:
    add(tmp_path, "limner", "License-Expression: Apache-2.0", "Requires-Dist: nowhere-to-be-found")

    assert listed(tmp_path).stderr == "nowhere-to-be-found is needed and not installed\n"
