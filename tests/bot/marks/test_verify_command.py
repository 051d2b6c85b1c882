"""limner verify: what it prints, beside a server and without one, and how it ends."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from bot.cli import cli
from bot.marks.authority import own_signer
from bot.marks.marker import Marker
from bot.policy import Asker
from tests.bot.marks.kinds import RECIPE, flat, photo, plain_png
from tests.conftest import OpenLimner

ANN = Asker("test:ann", "test:ann")
ELSEWHERE = "00000000-0000-4000-8000-000000000000"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LIMNER_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")


def verify(file: Path, *options: str) -> Result:
    return CliRunner().invoke(cli, ["verify", str(file), *options])


def said(result: Result) -> dict[str, str]:
    """By the word that its line begins with."""
    assert result.exit_code == 0, result.output
    return {line[:12].strip(): line[12:].strip() for line in result.output.splitlines()}


def marked(folder: Path, image_id: str = ELSEWHERE) -> bytes:
    marker = Marker(watermark=True, signer=own_signer(folder, time.time()))
    return marker.mark(Image.fromarray(photo(256)), image_id, RECIPE, parent=None, now=time.time())


def written(folder: Path, encoded: bytes) -> Path:
    (path := folder / "picture [bold].png").write_bytes(encoded)
    return path


def test_all_marks_are_told_in_plain_words_without_a_server_and_an_index(tmp_path: Path) -> None:
    result = verify(written(tmp_path, marked(tmp_path)))
    lines = said(result)

    assert lines["File"] == "PNG, 256x256"
    assert lines["Watermark"].startswith("found")
    assert lines["Recipe"] == "found"
    assert "made by a trained model" in lines["Kind"]
    assert lines["Credentials"] == "whole, and signed by who is trusted here"
    assert "Limner, self-made, not trusted" in result.output
    assert RECIPE.model in result.output
    assert "there is none" in lines["Index"]


def test_a_picture_without_marks_has_none_and_that_proves_nothing(tmp_path: Path) -> None:
    result = verify(written(tmp_path, plain_png(photo(256))))
    lines = said(result)

    assert (lines["Watermark"], lines["Recipe"], lines["Kind"], lines["Credentials"]) == (
        "none",
        "none",
        "not said",
        "none",
    )
    assert "can take marks off" in result.output


async def test_the_very_file_is_found_in_the_index_while_a_server_runs(limner: OpenLimner, tmp_path: Path) -> None:
    picture = plain_png(photo(256))
    async with limner() as service:
        image = await service.bring(picture, ANN)
        lines = said(verify(written(tmp_path, picture)))

    assert lines["Index"] == f"this very file is image {image.id} of this Limner"
    assert said(verify(written(tmp_path, picture))) == lines, "and when it runs no more"


async def test_what_the_marks_name_is_worth_what_the_credentials_are(limner: OpenLimner, tmp_path: Path) -> None:
    (elsewhere := tmp_path / "elsewhere").mkdir()
    async with limner() as service:
        image = await service.bring(plain_png(photo(256)), ANN)
    own = said(verify(written(tmp_path, marked(tmp_path, image.id))))
    foreign = said(verify(written(tmp_path, marked(elsewhere, image.id))))
    other = said(verify(written(tmp_path, marked(tmp_path))))

    assert own["Index"].endswith(f"name image {image.id} of this Limner, and the credentials vouch for that")
    assert foreign["Index"].endswith("which anybody may have written")
    assert foreign["Credentials"] == "whole, but whoever signed is unknown here"
    assert other["Index"] == "not known to this Limner"


def test_broken_credentials_are_told_with_the_reason(tmp_path: Path) -> None:
    whole = marked(tmp_path)
    at = whole.index(b"caBX") - 4
    chunk = whole[at : at + 12 + int.from_bytes(whole[at : at + 4])]
    other = plain_png(flat(256, 9, 9, 9))
    result = verify(written(tmp_path, other[:33] + chunk + other[33:]))

    assert said(result)["Credentials"] == "broken, so they prove nothing"
    assert "why: " in result.output


def test_programs_get_json(tmp_path: Path) -> None:
    result = verify(written(tmp_path, marked(tmp_path)), "--json")
    told: dict[str, Any] = json.loads(result.output)

    assert (told["watermark"], told["recipe"], told["image_id"], told["index"]) == ("found", True, ELSEWHERE, None)
    assert told["credentials"]["state"] == "trusted"


@pytest.mark.parametrize("content", [None, b"", b"no picture", plain_png(photo(256))[:500]])
def test_a_file_that_cannot_be_read_is_told_and_ends_with_1(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "none.png" if content is None else written(tmp_path, content)
    result = verify(path)

    assert result.exit_code == 1
    assert "picture" in result.stderr or "Cannot read" in result.stderr
    assert "Traceback" not in result.output


def test_it_makes_nothing_in_the_data_folder(tmp_path: Path) -> None:
    file = written(tmp_path, plain_png(photo(256)))
    said(verify(file))

    assert list(tmp_path.iterdir()) == [file]
