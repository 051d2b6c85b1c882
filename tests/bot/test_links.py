"""Links that show an image to whoever has them, and to nobody who guesses."""

import os
import re
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bot.errors import CannotStart
from bot.links import Links, secret

IMAGE = "0b0f7a52-5d2c-4b3e-9a53-8f2f9d1c2a11"
LINKS = Links("https://limner.example", b"s" * 32)


def proof(links: Links = LINKS, image_id: str = IMAGE) -> str:
    found = re.fullmatch(rf"https://limner\.example/download/{image_id}\?proof=(.+)", links.link(image_id) or "")
    assert found is not None
    return found[1]


def test_a_link_proves_that_it_may_show_its_image() -> None:
    assert LINKS.proves(IMAGE, proof())


def test_a_proof_is_a_whole_sha256_that_needs_no_escapes_in_a_url() -> None:
    for number in range(50):
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", proof(image_id=f"image-{number}"))


def test_a_link_is_the_same_whenever_it_is_made() -> None:
    assert proof() == proof(Links("https://limner.example", b"s" * 32))


def test_a_slash_at_the_end_of_the_address_does_not_matter() -> None:
    assert proof() == proof(Links("https://limner.example/", b"s" * 32))


@pytest.mark.parametrize("public_url", [None, ""])
def test_there_are_no_links_where_the_address_is_not_known_but_old_ones_still_hold(public_url: str | None) -> None:
    links = Links(public_url, b"s" * 32)

    assert links.link(IMAGE) is None
    assert links.proves(IMAGE, proof())


def test_a_proof_is_of_one_image_alone() -> None:
    assert not LINKS.proves(IMAGE[:-1] + "2", proof())
    assert not LINKS.proves(IMAGE.upper(), proof())
    assert not LINKS.proves("", proof())


def test_a_proof_that_another_secret_made_proves_nothing() -> None:
    assert not LINKS.proves(IMAGE, proof(Links("https://limner.example", b"t" * 32)))


def test_a_proof_that_was_changed_anywhere_proves_nothing() -> None:
    right = proof()
    for place, char in enumerate(right):
        for other in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
            assert other == char or not LINKS.proves(IMAGE, right[:place] + other + right[place + 1 :])


@pytest.mark.parametrize(
    "change",
    ["", " ", "\0", "=", "==", "ü", "\ud800", "\U0001f431", "%3D", "x" * 100_000],
)
def test_garbage_proves_nothing(change: str) -> None:
    assert not LINKS.proves(IMAGE, change)
    assert not change or not LINKS.proves(IMAGE, proof() + change)
    assert not change or not LINKS.proves(IMAGE + change, proof())
    assert not LINKS.proves(change, change)


def test_an_id_in_any_script_can_be_proved() -> None:
    links = Links("https://limner.example", b"s" * 32)

    for image_id in ("кошка", "猫", "\ud800"):
        made = (links.link(image_id) or "").rpartition("=")[2]
        assert links.proves(image_id, made)
        assert not links.proves(IMAGE, made)


def test_a_secret_is_made_once_and_then_kept(tmp_path: Path) -> None:
    made = secret(tmp_path)

    assert len(made) == 32
    assert secret(tmp_path) == made == (tmp_path / "secret").read_bytes()


def test_no_two_folders_have_the_same_secret(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()

    assert secret(tmp_path) != secret(tmp_path / "other")


def test_only_the_owner_can_read_the_secret_and_nothing_else_is_left_behind(tmp_path: Path) -> None:
    secret(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["secret"]
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_several_that_make_it_at_once_get_the_same_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        made = set(threads.map(secret, [tmp_path] * 32))

    assert made == {(tmp_path / "secret").read_bytes()}
    assert [path.name for path in tmp_path.iterdir()] == ["secret"]


def test_a_secret_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError("no space left on the disk")

    with monkeypatch.context() as patches:
        patches.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="no space left"):
            secret(tmp_path)
    assert list(tmp_path.iterdir()) == []

    assert len(secret(tmp_path)) == 32


@pytest.mark.parametrize("content", [b"", b"short", b"x" * 33])
def test_a_damaged_secret_is_not_used_and_the_operator_hears_what_to_do(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "secret").write_bytes(content)

    with pytest.raises(CannotStart, match=r"secret is damaged\. Delete it"):
        secret(tmp_path)
    assert (tmp_path / "secret").read_bytes() == content
