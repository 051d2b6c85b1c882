"""The wheel and the sdist, as somebody gets them who has no clone."""

import subprocess
import sys
import sysconfig
import tarfile
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

import bot
from tests.scenarios.conftest import Server

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


@pytest.mark.nightly
def test_the_installed_wheel_serves_and_paints(dist: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (wheel,) = dist.glob("*.whl")
    home = tmp_path / "venv"
    venv.create(home, with_pip=False)
    (site,) = home.glob("lib/python*/site-packages")
    # The libraries of this environment, without what makes it find the clone.
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = str(home / "bin" / "python")
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", str(wheel)]
    subprocess.run(install, check=True)

    monkeypatch.delenv("PYTHONPATH", raising=False)
    server = Server(tmp_path / "data", [str(home / "bin" / "limner")], LIMNER_DRAIN_SECONDS="0")
    try:
        page = server.http.get("/", headers={"Accept": "text/html"})
        painted = server.generate(prompt="a cat in a hat", width=64, height=64, num_inference_steps=2)
        picture = server.download(painted["id"])
    finally:
        server.close()

    assert "<html" in page.text
    assert picture.startswith(b"\x89PNG")
    where = [python, "-P", "-c", "import bot; print(bot.__file__)"]
    found = subprocess.run(where, capture_output=True, text=True, check=True)
    assert Path(found.stdout).is_relative_to(home)
