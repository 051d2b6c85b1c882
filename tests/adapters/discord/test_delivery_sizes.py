"""Images that are larger than Discord takes: they arrive smaller, or as a link, and the original stays as it is."""

import hashlib
import io
import re
from pathlib import Path

import pytest
from PIL import Image

from tests.adapters.discord.conftest import StartBot
from tests.adapters.discord.delivering import (
    LACONIC,
    MESSAGE,
    Rows,
    noise,
    only_message,
    pictures,
    requests,
    settled,
    smooth,
    with_pngs,
)
from tests.fakes.discord import Channel, FakeDiscord, Person

MIB = 2**20


def statuses(discord: FakeDiscord) -> list[int | None]:
    """Of all attempts to show finished pictures; the first news may be a preview already."""
    return [
        request.status
        for request in requests(discord, "PATCH", MESSAGE)
        if request.files and not any(file.name == "preview.jpg" for file in request.files.values())
    ]


@pytest.mark.parametrize(
    ("png", "limit", "suffix", "form"),
    [
        (smooth(200), 120_000, "png", "PNG"),
        (smooth(200), 100_000, "webp", "WEBP"),
        (noise(200), 100_000, "jpg", "JPEG"),
        (noise(200), 50_000, "jpg", "JPEG"),
    ],
    ids=["png", "webp", "jpeg", "small jpeg"],
)
async def test_an_image_is_shown_in_the_best_form_that_fits(
    discord: FakeDiscord,
    bot: StartBot,
    ada: Person,
    rows: Rows,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    png: bytes,
    limit: int,
    suffix: str,
    form: str,
) -> None:
    with_pngs(monkeypatch, png)
    # Without a guild the interaction alone says what may be sent.
    discord.size_limit = limit + 1_000
    direct = discord.dm(ada)
    async with bot(tempo=LACONIC):
        await ada.command(direct, "generate", prompt="a cat")
        await settled(discord, rows, ["delivered"])

    (message,) = direct.record
    (picture,) = pictures(message)
    assert Path(picture.filename).suffix == f".{suffix}"
    assert len(picture.data) <= discord.size_limit
    assert picture.description == "a cat (painted by a machine)"
    with Image.open(io.BytesIO(picture.data)) as opened:
        assert (opened.format, opened.size) == (form, (200, 200))
    assert statuses(discord) == [200]
    ((file, sha256, size),) = rows.read("SELECT file, sha256, size FROM images")
    original = (tmp_path / "images" / str(file)).read_bytes()
    assert original == png
    assert (hashlib.sha256(original).hexdigest(), len(original)) == (sha256, size)


async def test_what_fits_in_no_form_comes_as_a_link_that_works_where_there_is_a_public_address(
    discord: FakeDiscord, bot: StartBot, ada: Person, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_pngs(monkeypatch, noise(200))
    discord.size_limit = 1_000
    direct = discord.dm(ada)
    async with bot(public_url="https://limner.example.org") as limner:
        await ada.command(direct, "generate", prompt="a cat", images=2)
        await settled(discord, rows, ["delivered"])
        message = await only_message(discord, direct, "too large")
        links = re.findall(r"\(https://limner\.example\.org/download/([-\w]+)\?proof=([-\w]+)\)", message.content)
        images = [await limner.service.linked(image_id, proof) for image_id, proof in links]

    assert message.attachments == []
    assert {image.id for image in images} == set(rows.shown())
    assert len(images) == 2
    assert "Refine 1" in message.labels


async def test_what_fits_in_no_form_is_told_in_words_where_there_is_no_public_address(
    discord: FakeDiscord, bot: StartBot, ada: Person, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_pngs(monkeypatch, noise(200))
    discord.size_limit = 1_000
    direct = discord.dm(ada)
    async with bot():
        await ada.command(direct, "generate", prompt="a cat")
        await settled(discord, rows, ["delivered"])

    message = await only_message(discord, direct, "The image is too large for Discord here. It is kept;")
    assert message.attachments == []
    assert "Refine" in message.labels


@pytest.mark.parametrize(("tier", "suffix"), [(0, "jpg"), (2, "png")])
async def test_a_server_takes_what_its_boosts_allow(
    discord: FakeDiscord,
    bot: StartBot,
    ada: Person,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    tier: int,
    suffix: str,
) -> None:
    png = noise(2_000)
    assert 10 * MIB < len(png) < 25 * MIB
    with_pngs(monkeypatch, png)
    art = discord.guild("Studio", tier=tier).channel("art")
    async with bot(tempo=LACONIC):
        await ada.command(art, "generate", prompt="a cat")
        await settled(discord, rows, ["delivered"])

    (message,) = art.record
    assert [Path(file.filename).suffix for file in pictures(message)] == [f".{suffix}"]
    assert statuses(discord) == [200]


@pytest.mark.slow
async def test_four_images_that_are_too_large_together_are_sent_smaller_in_one_message(
    discord: FakeDiscord, bot: StartBot, ada: Person, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    png = noise(1_600)
    assert 25 * MIB / 4 < len(png) < 10 * MIB
    with_pngs(monkeypatch, png)
    art = discord.guild("Studio", tier=3).channel("art")
    async with bot(tempo=LACONIC):
        await ada.command(art, "generate", prompt="a cat", images=4)
        await settled(discord, rows, ["delivered"])

    (message,) = art.record
    assert [Path(file.filename).suffix for file in pictures(message)] == [".jpg"] * 4
    assert [file.description for file in pictures(message)] == [
        f"Image {number}: a cat (painted by a machine)" for number in range(1, 5)
    ]
    assert statuses(discord) == [200]
    assert set(rows.shown().values()) == {str(message.id)}


@pytest.mark.parametrize("status", [413, 400])
async def test_what_discord_finds_too_large_after_all_is_sent_smaller(
    discord: FakeDiscord,
    bot: StartBot,
    art: Channel,
    ada: Person,
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    status: int,
) -> None:
    with_pngs(monkeypatch, noise(400, tones=64))
    async with bot(tempo=LACONIC):
        discord.fail("PATCH", MESSAGE, status=status, code=40005, times=2)
        await ada.command(art, "generate", prompt="a cat")
        await settled(discord, rows, ["delivered"])

    (message,) = art.record
    (picture,) = pictures(message)
    assert picture.filename.endswith(".jpg")
    sizes = [request.size for request in requests(discord, "PATCH", MESSAGE)]
    assert len(sizes) == 3
    assert sizes[0] > sizes[1] > sizes[2] > 0


async def test_a_server_that_takes_nothing_at_all_is_left_alone(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    ada.closes_dms = True
    async with bot(tempo=LACONIC):
        discord.fail("PATCH", MESSAGE, status=413, code=40005, times=None)
        await ada.say(art, "<@bot> a cat")
        await settled(discord, rows, ["failed"])

    assert len(requests(discord, "PATCH", MESSAGE)) < 30


async def test_a_preview_that_is_too_large_is_left_out(
    discord: FakeDiscord, bot: StartBot, art: Channel, ada: Person, rows: Rows
) -> None:
    async with bot() as limner:
        limner.executor.hold(at_step=1)
        discord.fail("PATCH", MESSAGE, status=413, code=40005)
        await ada.command(art, "generate", prompt="a cat", steps=2)
        # The message itself comes without one.
        message = await only_message(discord, art, "Starting")
        limner.executor.release()
        limner.executor.hold(at_step=2)
        await discord.until(lambda: requests(discord, "PATCH", MESSAGE))
        assert message.attachments == []
        limner.executor.release()
        await settled(discord, rows, ["delivered"])
    assert [file.filename for file in message.attachments] == [f"{image_id}.png" for image_id in rows.shown()]
