"""What the menu of a message offers: to refine whatever picture it shows, and to tell how an image was made."""

import asyncio
import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web
from PIL import Image

from adapters.chat import pictures as bounds
from adapters.discord import pictures
from adapters.discord.words import words_for
from bot.errors import JobFailed
from bot.pictures import BYTES_MAX
from tests.adapters.discord.conftest import StartBot
from tests.adapters.discord.watching import (
    asker,
    at_rest,
    begun,
    delete,
    fields,
    image,
    image_ids,
    paint,
    painted,
    press,
    refinement,
    told,
)
from tests.fakes.discord import Channel, FakeAttachment, FakeDiscord, FakeMessage, Person, Upload
from tests.fakes.discord.messages import Contents
from tests.fakes.executor import FakeExecutor, png

ENGLISH = words_for("en")
REFINE, RECIPE = "Refine image", "Show recipe"
YEAR = 365 * 24 * 3600.0

Serve = Callable[[web.Request], Awaitable[web.StreamResponse]]


def upload(form: str = "PNG", size: tuple[int, int] = (128, 64)) -> Upload:
    file = io.BytesIO()
    Image.new("RGB", size, "teal").save(file, form)
    return Upload(f"mine.{form.lower()}", f"image/{form.lower()}", file.getvalue())


def attachment(url: str, *, size: int = 100, content_type: str | None = "image/png") -> FakeAttachment:
    return FakeAttachment(1, "mine.png", None, bytes(size), content_type, url, None)


def posted(channel: Channel, author: Person, contents: Contents) -> FakeMessage:
    fake = channel.fake
    message = FakeMessage(
        id=fake.clock.snowflake(), channel=channel, author=author, contents=contents, created=fake.clock.now()
    )
    channel.keep(message)
    return message


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    """The address of a server that does as it likes, as if it were Discord's."""
    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("adapters.discord.pictures.lies_at", lambda *_: True)
            yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


# Images of the bot


async def test_the_menu_of_a_result_opens_the_window_of_its_refine_button(
    art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art, "a cat in a hat")
        window = await ben.menu(art, REFINE, first)
        await window.until(lambda window: window.modal)
        assert fields(window) == {"prompt": "a cat in a hat", "strength": "0.5"}
        second = await painted(limner, await ben.submit(window, {"prompt": "warmer"}))

        assert (await refinement(limner, second, ben)).image_id == image_ids(first)[0]
        assert second.reply_to is first


async def test_what_is_refined_from_the_menu_of_a_private_result_stays_private(
    art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art, private=True)
        second = await painted(limner, await ada.submit(await ada.menu(art, REFINE, first), {"prompt": "warmer"}))

        assert second.ephemeral
        assert (await image(limner, second, ada)).audience == ""
        assert art.messages == []


async def test_of_a_set_one_is_chosen_in_the_window(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art, seed="5", images=3)
        window = await ada.menu(art, REFINE, first)
        await window.until(lambda window: window.modal)
        options = fields(window)["image"]
        assert [option["label"] for option in options] == ["Image 1", "Image 2", "Image 3"]
        assert [option["description"] for option in options] == ["seed 5", "seed 6", "seed 7"]
        second = await painted(limner, await ada.submit(window, {"image": image_ids(first)[2]}))

        assert (await refinement(limner, second, ada)).image_id == image_ids(first)[2]


async def test_the_window_counts_the_images_of_a_set_as_its_buttons_do(
    art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art, images=3)
        await delete(ada, message)
        window = await ada.menu(art, REFINE, message)
        await window.until(lambda window: window.modal)

        assert [option["label"] for option in fields(window)["image"]] == ["Image 2", "Image 3"]
        assert [option["default"] for option in fields(window)["image"]] == [True, False]


async def test_the_menu_of_an_old_message_works_after_a_restart(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art)
    discord.clock.advance(YEAR)
    async with bot() as limner:
        window = await ada.menu(art, REFINE, first)
        await window.until(lambda window: window.modal)
    async with bot() as limner:
        second = await painted(limner, await ada.submit(window))
        assert (await refinement(limner, second, ada)).image_id == image_ids(first)[0]
        assert "**Recipe**" in await told(await ada.menu(art, RECIPE, first))


async def test_the_recipe_of_a_set_is_whole_and_private(art: Channel, ada: Person, ben: Person, bot: StartBot) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art, seed="5", images=2)

        assert await told(await ben.menu(art, RECIPE, message)) == await told(await press(ada, message, "recipe"))


@pytest.mark.parametrize("name", [REFINE, RECIPE])
async def test_what_is_not_painted_yet_is_told_to_be_so(art: Channel, ada: Person, bot: StartBot, name: str) -> None:
    executor = FakeExecutor(ready=False)
    executor.hold(at_step=2)
    async with bot(executor):
        asked = await ada.command(art, "generate", prompt="a cat")
        message = await begun(asked)
        # Not before somebody looks, or the only preview could be missed.
        executor.become_ready()
        # A preview is no image.
        await asked.until(lambda _: message.attachments)

        assert await told(await ada.menu(art, name, message)) == ENGLISH.say("picture.not_yet")


@pytest.mark.parametrize("name", [REFINE, RECIPE])
async def test_what_failed_is_told_to_show_nothing(art: Channel, ada: Person, bot: StartBot, name: str) -> None:
    executor = FakeExecutor()
    executor.fail_next(JobFailed("painting_failed", "Boom"))
    async with bot(executor) as limner:
        message = await begun(await ada.command(art, "generate", prompt="a cat"))
        await at_rest(limner)

        assert await told(await ada.menu(art, name, message)) == ENGLISH.say("picture.not_painted")


async def test_an_image_that_is_gone_is_not_taken_from_its_message_either(
    art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        left = posted(art, art.fake.bot, message.contents)
        await delete(ada, message)

        for name in (REFINE, RECIPE):
            assert await told(await ada.menu(art, name, left)) == ENGLISH.say("refusal.not_found.image")


# Other pictures


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
async def test_the_picture_of_somebody_else_is_refined(
    art: Channel, ada: Person, ben: Person, bot: StartBot, form: str
) -> None:
    async with bot() as limner:
        said = await ben.say(art, "look", uploads=[upload(form)])
        window = await ada.menu(art, REFINE, said)
        await window.until(lambda window: window.modal)
        assert window.modal is not None
        assert window.modal["title"] == "Refine this picture"
        assert fields(window) == {"prompt": None, "strength": "0.5"}
        result = await painted(limner, await ada.submit(window, {"prompt": "in oil", "strength": "0.7"}))
        refined = await refinement(limner, result, ada)
        source = limner.executor.works[0].source

        assert (refined.prompt, refined.strength) == ("in oil", 0.7)
        assert result.reply_to is said
        assert result.pings == []
        assert (await limner.service.image(refined.image_id, asker(ada))).requester == f"discord:{ada.id}"
        assert source is not None
        assert Image.open(io.BytesIO(source)).size == (128, 64)


async def test_the_first_picture_among_other_files_is_taken(
    art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    files = [Upload("notes.txt", "text/plain", b"notes"), upload(size=(64, 128)), upload()]
    async with bot() as limner:
        said = await ben.say(art, "look", uploads=files)
        await painted(limner, await ada.submit(await ada.menu(art, REFINE, said), {"prompt": "in oil"}))
        source = limner.executor.works[0].source

        assert source is not None
        assert Image.open(io.BytesIO(source)).size == (64, 128)


async def test_a_picture_of_which_discord_only_says_the_size_is_refined(
    discord: FakeDiscord, art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    file = replace(discord.cdn.keep(upload(), art.id), content_type=None)
    async with bot() as limner:
        said = posted(art, ben, Contents("look", attachments=[file]))
        await painted(limner, await ada.submit(await ada.menu(art, REFINE, said), {"prompt": "in oil"}))


@pytest.mark.parametrize("field", ["image", "thumbnail"])
async def test_of_an_embed_only_the_copy_that_discord_keeps_is_fetched(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot, field: str
) -> None:
    visits: list[str] = []

    async def trap(request: web.Request) -> web.StreamResponse:
        visits.append(request.path)
        return web.Response(body=png())

    other = Person(discord, "Other", is_bot=True)
    copy = discord.cdn.keep(upload(), art.id)
    async with bot() as limner, serving(trap) as url:
        embed = {"type": "rich", field: {"url": url + "cat.png", "proxy_url": copy.url}}
        said = posted(art, other, Contents("a cat", embeds=[embed]))
        result = await painted(limner, await ada.submit(await ada.menu(art, REFINE, said), {"prompt": "in oil"}))

        assert image_ids(result)
        assert visits == []


async def test_an_embed_of_which_discord_keeps_no_copy_shows_no_picture(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot
) -> None:
    embed = {"type": "rich", "image": {"url": "http://127.0.0.1:9/cat.png"}}
    async with bot():
        said = posted(art, Person(discord, "Other", is_bot=True), Contents("a cat", embeds=[embed]))

        assert await told(await ada.menu(art, REFINE, said)) == ENGLISH.say("picture.none")


async def test_a_forwarded_picture_is_refined(
    discord: FakeDiscord, art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    elsewhere = discord.guild("Another").channel("hall")
    async with bot() as limner:
        said = await ben.say(elsewhere, "look", uploads=[upload()])
        passed_on = await ben.forward(said, art)
        result = await painted(limner, await ada.submit(await ada.menu(art, REFINE, passed_on), {"prompt": "in oil"}))

        assert result.reply_to is passed_on


@pytest.mark.parametrize("name", [REFINE, RECIPE])
async def test_a_message_without_a_picture_is_told_to_have_none(
    art: Channel, ada: Person, ben: Person, bot: StartBot, name: str
) -> None:
    none = {REFINE: "picture.none", RECIPE: "recipe.none"}
    async with bot() as limner:
        asked = await ada.menu(art, name, await ben.say(art, "hello"))
        assert await told(asked) == ENGLISH.say(none[name])
        answer = await ada.command(art, "limner help")
        await told(answer)
        assert answer.original is not None

        assert await told(await ada.menu(art, name, answer.original)) == ENGLISH.say(none[name])
        assert limner.executor.works == []


async def test_a_picture_of_somebody_else_has_no_recipe(art: Channel, ada: Person, ben: Person, bot: StartBot) -> None:
    async with bot():
        said = await ben.say(art, "look", uploads=[upload()])

        assert await told(await ada.menu(art, RECIPE, said)) == ENGLISH.say("recipe.none")


@pytest.mark.parametrize(
    "file", [Upload("cat.gif", "image/gif", b"GIF89a"), Upload("cat.svg", "image/svg+xml", b"<svg/>")]
)
async def test_a_picture_of_another_kind_is_refused_before_a_window_opens(
    art: Channel, ada: Person, ben: Person, bot: StartBot, file: Upload
) -> None:
    async with bot():
        text = await told(await ada.menu(art, REFINE, await ben.say(art, "look", uploads=[file])))

        assert text == "I cannot read this as a picture. PNG, JPEG, WEBP will do."
        assert art.fake.cdn.asked_for == []


async def test_a_picture_that_is_said_to_be_too_large_is_refused_before_a_window_opens(
    art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot():
        said = posted(art, ben, Contents(attachments=[attachment("http://127.0.0.1:9/", size=BYTES_MAX + 1)]))

        assert await told(await ada.menu(art, REFINE, said)) == "The picture is too large: up to 25 MiB will do."


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (png()[: len(png()) // 2], "The picture is damaged or cut off, and I cannot read it."),
        (b"no picture at all", "I cannot read this as a picture. PNG, JPEG, WEBP will do."),
        (b"", "I cannot read this as a picture. PNG, JPEG, WEBP will do."),
    ],
    ids=["cut off", "text", "empty"],
)
async def test_a_picture_that_cannot_be_read_is_told_and_not_kept(
    art: Channel,
    ada: Person,
    ben: Person,
    bot: StartBot,
    image_files: Callable[[], set[str]],
    data: bytes,
    why: str,
) -> None:
    async with bot() as limner:
        said = await ben.say(art, "look", uploads=[Upload("cat.png", "image/png", data)])
        asked = await ada.submit(await ada.menu(art, REFINE, said), {"prompt": "in oil"})

        assert await told(asked) == why
        assert (await limner.service.belongings(asker(ada))).images == []
    assert image_files() == set()


async def test_a_picture_is_not_kept_for_a_job_that_was_refused(
    art: Channel, ada: Person, ben: Person, bot: StartBot, image_files: Callable[[], set[str]]
) -> None:
    async with bot() as limner:
        said = await ben.say(art, "look", uploads=[upload()])
        values = {"prompt": "in oil", "strength": "0.001"}
        asked = await ada.submit(await ada.menu(art, REFINE, said), values)

        assert "leaves no step to take" in await told(asked)
        assert (await limner.service.belongings(asker(ada))).images == []
    assert image_files() == set()


async def test_a_picture_that_is_gone_meanwhile_is_told_so(
    art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot():
        window = await ada.menu(art, REFINE, await ben.say(art, "look", uploads=[upload()]))
        await window.until(lambda window: window.modal)
        art.fake.cdn.lose_all()

        assert await told(await ada.submit(window, {"prompt": "in oil"})) == ENGLISH.say("mistake.picture.not_there")


async def test_a_picture_whose_address_has_expired_is_told_so(
    discord: FakeDiscord, art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot():
        window = await ada.menu(art, REFINE, await ben.say(art, "look", uploads=[upload()]))
        await window.until(lambda window: window.modal)
        discord.clock.advance(YEAR)

        assert await told(await ada.submit(window, {"prompt": "in oil"})) == ENGLISH.say("mistake.picture.not_there")


async def test_who_had_a_window_open_across_a_restart_is_told_to_open_it_again(
    art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot():
        window = await ada.menu(art, REFINE, await ben.say(art, "look", uploads=[upload()]))
        await window.until(lambda window: window.modal)
    async with bot():
        assert await told(await ada.submit(window, {"prompt": "in oil"})) == ENGLISH.say("picture.too_late")


async def test_a_result_from_anothers_picture_is_refined_on(
    art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        said = await ben.say(art, "look", uploads=[upload()])
        first = await painted(limner, await ada.submit(await ada.menu(art, REFINE, said), {"prompt": "in oil"}))
        second = await painted(limner, await ada.submit(await press(ada, first, "refine"), {"prompt": "warmer"}))
        again = await painted(limner, await press(ben, first, "again"))

        assert (await image(limner, second, ada)).parent_id == image_ids(first)[0]
        assert (await image(limner, again, ben)).parent_id == (await image(limner, first, ada)).parent_id


# A network that does as it likes


async def refused(limner: Any, ada: Person, art: Channel, url: str) -> str:
    said = posted(art, art.fake.person("Ben"), Contents(attachments=[attachment(url)]))
    text = await told(await ada.submit(await ada.menu(art, REFINE, said), {"prompt": "in oil"}))
    assert (await limner.service.belongings(asker(ada))).images == []
    return text


async def test_more_bytes_than_were_said_are_not_read(
    art: Channel, ada: Person, bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "BYTES_MAX", 2**20)
    sent = 0

    async def endless(request: web.Request) -> web.StreamResponse:
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        with suppress(ConnectionError):
            while sent < 2**26:
                await response.write(bytes(2**16))
                sent += 2**16
        return response

    async with bot() as limner, serving(endless) as url:
        assert await refused(limner, ada, art, url) == "The picture is too large: up to 1 MiB will do."

    assert sent < 2**24


async def test_a_picture_that_does_not_come_to_an_end_is_given_up(
    art: Channel, ada: Person, bot: StartBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "FETCH_SECONDS", 0.05)

    async def slow(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(png()[:20])
        await asyncio.Event().wait()
        return response

    async with bot() as limner, serving(slow) as url:
        assert await refused(limner, ada, art, url) == ENGLISH.say("mistake.picture.not_now")


@pytest.mark.parametrize("status", [301, 302, 307])
async def test_discord_is_not_followed_elsewhere(art: Channel, ada: Person, bot: StartBot, status: int) -> None:
    visits: list[str] = []

    async def elsewhere(request: web.Request) -> web.StreamResponse:
        visits.append(request.path)
        return web.Response(status=status, headers={"Location": "/secret"})

    async with bot() as limner, serving(elsewhere) as url:
        assert await refused(limner, ada, art, url) == ENGLISH.say("mistake.picture.not_now")

    assert visits == ["/"]


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_mishap_at_discord_is_told_to_pass(art: Channel, ada: Person, bot: StartBot, status: int) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status)

    async with bot() as limner, serving(broken) as url:
        assert await refused(limner, ada, art, url) == ENGLISH.say("mistake.picture.not_now")


async def test_a_connection_that_is_cut_is_told_to_pass(art: Channel, ada: Person, bot: StartBot) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        await response.prepare(request)
        await response.write(png()[:20])
        assert request.transport is not None
        request.transport.abort()
        return response

    async with bot() as limner, serving(cut) as url:
        assert await refused(limner, ada, art, url) == ENGLISH.say("mistake.picture.not_now")


async def test_a_picture_that_discord_sends_packed_is_not_unpacked(art: Channel, ada: Person, bot: StartBot) -> None:
    """A small file can unpack to more than memory holds."""

    async def packed(request: web.Request) -> web.StreamResponse:
        response = web.Response(body=bytes(2**20))
        response.enable_compression(web.ContentCoding.gzip, strategy=0)
        return response

    async with bot() as limner, serving(packed) as url:
        assert "I cannot read this as a picture" in await refused(limner, ada, art, url)
