"""From the operator's settings to the marker that workers and server get."""

import time
from pathlib import Path

import pytest

from bot.app import executor_of, marker_of
from bot.errors import CannotStart
from bot.marks.authority import own_signer
from bot.metrics import Metrics
from bot.settings import Settings, read_settings
from tests.bot.marks.test_authority import AUTHORITY, ROOT, brought, issue
from tests.conftest import OpenLimner


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_all_marks_are_on_by_default(tmp_path: Path) -> None:
    marker = marker_of(read_settings(), tmp_path, time.time())

    assert marker.watermark
    assert marker.signer == own_signer(tmp_path, time.time())


def test_off_turns_off_the_one_that_touches_pixels_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIMNER_WATERMARK", "off")
    marker = marker_of(read_settings(), tmp_path, time.time())

    assert not marker.watermark
    assert marker.signer is not None


def test_an_operators_certificate_is_taken_and_none_is_made(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    certificate, secret = brought(tmp_path, key, issue(key, "Studio", AUTHORITY), ROOT)
    (data := tmp_path / "data").mkdir()
    marker = marker_of(Settings(certificate=certificate, certificate_key=secret), data, time.time())

    assert marker.signer is not None
    assert not marker.signer.own
    assert list(data.iterdir()) == []


@pytest.mark.parametrize("name", ["LIMNER_CERTIFICATE", "LIMNER_CERTIFICATE_KEY"])
def test_a_certificate_without_a_key_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "somewhere.pem")

    with pytest.raises(CannotStart, match="belong together"):
        read_settings()


async def test_a_certificate_that_is_not_there_stops_the_start(limner: OpenLimner, tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"LIMNER_CERTIFICATE: .*none\.pem cannot be read"):
        async with limner(certificate=tmp_path / "none.pem", certificate_key=tmp_path / "none.key"):
            pass


def test_workers_get_it_with_their_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loads = []
    monkeypatch.setattr("bot.app.local_team", lambda load, *_, **__: loads.append(load))
    marker = marker_of(Settings(), tmp_path, time.time())
    executor_of(Settings(), Metrics(), marker)

    assert [load.marker for load in loads] == [marker]
