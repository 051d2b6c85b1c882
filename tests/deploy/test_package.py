"""The wheel and the sdist, as somebody gets them who has no clone."""

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

import bot

PROJECT = Path(__file__).parents[2]
ROOMS = ("bot", "adapters", "storage")


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheel and sdist, built from what git would take."""
    folder = tmp_path_factory.mktemp("dist")
    sources = tmp_path_factory.mktemp("sources")
    # Not in the project: setuptools would leave its traces there.
    for name in [*ROOMS, "pyproject.toml", "README.md", "LICENSE"]:
        subprocess.run(["cp", "-r", PROJECT / name, sources], check=True)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(sources)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def shipped() -> set[str]:
    """All files of the rooms, but for what Python makes itself."""
    found = (path for room in ROOMS for path in (PROJECT / room).rglob("*") if path.is_file())
    return {path.relative_to(PROJECT).as_posix() for path in found if "__pycache__" not in path.parts}


@pytest.mark.slow
def test_wheel_and_sdist_hold_all_that_the_program_needs_and_have_its_version(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    (sdist,) = dist.glob("*.tar.gz")
    inside = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    with tarfile.open(sdist) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}

    wanted = {name for name in shipped() if not name.endswith(("schema.sql", "README.md"))}
    assert wanted <= inside <= shipped()
    assert wanted <= packed
    assert wheel.name == f"limner-{bot.__version__}-py3-none-any.whl"


@contextmanager
def serving(command: Path, folder: Path) -> Iterator[str]:
    """Where `limner serve` answers."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("LIMNER_", "PYTHON"))},
        "LIMNER_MODEL": "demo",
        "LIMNER_HTTP_PORT": "0",
        "LIMNER_DRAIN_SECONDS": "0",
        "COLUMNS": "200",
    }
    with subprocess.Popen(
        [command, "serve"], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        try:
            assert server.stdout is not None
            line = next(line for line in server.stdout if "HTTP" in line)
            yield line.split()[2]
        finally:
            server.terminate()
            server.wait()


@pytest.mark.nightly
def test_the_installed_wheel_serves_and_paints(dist: Path, tmp_path: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    (site,) = home.glob("lib/python*/site-packages")
    # The libraries of this environment, without what makes it find the clone.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = str(home / "bin" / "python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(install, check=True)

    with serving(home / "bin" / "limner", tmp_path) as url:
        page = httpx.get(url, headers={"Accept": "text/html"})
        request = {"prompt": "a cat in a hat", "width": 64, "height": 64, "num_inference_steps": 2}
        painted = httpx.post(f"{url}/generate", json=request, timeout=100)
        picture = httpx.get(url + painted.json()["images"][0]["url"])

    assert "<html" in page.text
    assert picture.content.startswith(b"\x89PNG")
    where = [python, "-P", "-c", "import bot; print(bot.__file__)"]
    found = subprocess.run(where, capture_output=True, text=True, check=True)
    assert Path(found.stdout).is_relative_to(home)
