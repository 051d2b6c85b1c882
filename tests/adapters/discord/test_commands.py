"""/generate and /refine: what reaches the request, what completes itself, and each mistake told."""

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from bot.jobs import ImageRequest, Quality, Refinement
from bot.pictures import BYTES_MAX
from tests.adapters.discord import kept
from tests.adapters.discord.conftest import StartBot
from tests.adapters.discord.watching import image_ids, paint, painted, told
from tests.fakes.discord import Channel, FakeDiscord, FakeMessage, Person, Upload
from tests.fakes.executor import png

INK = {"name": "ink", "lora": "someone/ink"}
UNKNOWN = "9e107d9d-372b-4b7a-9f0f-6d5c0e1f2a3b"


@pytest.fixture
def art(discord: FakeDiscord) -> Channel:
    return discord.guild("Studio").channel("art")


@pytest.fixture
def ada(discord: FakeDiscord) -> Person:
    return discord.person("Ada")


def upload(content: bytes = b"", name: str = "mine.png", content_type: str = "image/png") -> Upload:
    return Upload(name, content_type, content or png((96, 64)))


def link(message: FakeMessage, *, guild: object = None) -> str:
    home = message.channel.guild
    assert home is not None
    return f"https://discord.com/channels/{guild or home.id}/{message.channel.id}/{message.id}"


# What reaches the request


@pytest.mark.parametrize(
    ("option", "value", "fields"),
    [
        ("negative_prompt", "rain", {"negative_prompt": "rain"}),
        ("size", "832x1216", {"width": 832, "height": 1216}),
        ("size", " 64 X 72 ", {"width": 64, "height": 72}),
        ("quality", "high", {"quality": Quality.HIGH, "num_inference_steps": 50}),
        ("style", "ink", {"style": "ink"}),
        ("steps", 7, {"num_inference_steps": 7}),
        ("guidance", 3.5, {"guidance_scale": 3.5}),
        ("guidance", 4, {"guidance_scale": 4}),
        ("seed", "18446744073709551615", {"seed": 2**64 - 1}),
        ("seed", " 7 ", {"seed": 7}),
        ("images", 2, {"num_images": 2}),
    ],
)
async def test_each_option_of_generate_reaches_the_request(
    bot: StartBot, art: Channel, ada: Person, option: str, value: Any, fields: dict[str, object]
) -> None:
    async with bot(styles=[INK]) as limner:
        await paint(limner, ada, art, "a cat\nin a hat", **{option: value})

    request = limner.executor.works[0].request
    assert isinstance(request, ImageRequest)
    assert request.prompt == "a cat in a hat"
    assert {name: getattr(request, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("option", "value", "fields"),
    [
        ("strength", 0.3, {"strength": 0.3}),
        ("strength", 1, {"strength": 1}),
        ("negative_prompt", "rain", {"negative_prompt": "rain"}),
        ("steps", 7, {"num_inference_steps": 7}),
        ("seed", "7", {"seed": 7}),
    ],
)
async def test_each_option_of_refine_reaches_the_request(
    bot: StartBot, art: Channel, ada: Person, option: str, value: Any, fields: dict[str, object]
) -> None:
    async with bot() as limner:
        await paint(limner, ada, art)
        await painted(limner, await ada.command(art, "refine", prompt="in the snow", **{option: value}))

    request = limner.executor.works[1].request
    assert isinstance(request, Refinement)
    assert request.prompt == "in the snow"
    assert {name: getattr(request, name) for name in fields} == fields


@pytest.mark.parametrize("name", [image_ids, lambda message: [link(message)], lambda message: [f" {link(message)}/ "]])
async def test_refine_takes_the_image_that_an_id_or_a_link_names(
    bot: StartBot, art: Channel, ada: Person, name: Callable[[FakeMessage], list[str]]
) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art)
        await paint(limner, ada, art, "a dog")
        await painted(limner, await ada.command(art, "refine", prompt="in the snow", image=name(first)[0]))

    assert getattr(limner.executor.works[2].request, "image_id", None) == image_ids(first)[0]


async def test_refine_takes_a_picture_of_ones_own(bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot() as limner:
        asked = await ada.command(art, "refine", prompt="in the snow", picture=upload(png((96, 64), seed=5)))
        message = await painted(limner, asked)

        assert limner.executor.works[0].source == png((96, 64), seed=5)
        assert message.attachments[0].pixels == (96, 64)
        assert await kept.images(limner, ada) == 2


async def test_the_last_image_is_looked_for_in_this_channel(bot: StartBot, art: Channel, ada: Person) -> None:
    assert art.guild
    hall = art.guild.channel("hall")
    async with bot() as limner:
        cat = await paint(limner, ada, art, "a cat")
        await paint(limner, ada, hall, "a dog")
        await painted(limner, await ada.command(art, "refine", prompt="in the snow"))

    assert getattr(limner.executor.works[2].request, "image_id", None) == image_ids(cat)[0]


# What completes itself


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", ["1024x1024", "832x1216", "1216x832", "1344x768", "768x1344"]),
        ("wide", ["1344x768"]),
        ("768", ["1344x768", "768x1344"]),
        ("512x768", ["512x768"]),
        (" 512 x 768", ["512 x 768"]),
        ("1024x1024", ["1024x1024"]),
        ("x" * 300, []),
        ("small", []),
    ],
)
async def test_sizes_are_offered_with_the_one_that_is_typed(
    bot: StartBot, art: Channel, ada: Person, typed: str, offered: list[str]
) -> None:
    async with bot():
        choices = await ada.complete(art, "generate", "size", typed)

    assert [choice["value"] for choice in choices] == offered


async def test_sizes_have_names_in_the_language_of_who_asks(bot: StartBot, art: Channel, discord: FakeDiscord) -> None:
    gerd = discord.person("Gerd", "de")
    async with bot():
        choices = await gerd.complete(art, "generate", "size", "hoch")

    assert [choice["name"] for choice in choices] == ["Hochformat, 832x1216", "Hoch, 768x1344"]


async def test_styles_are_offered_by_part_of_their_name(bot: StartBot, art: Channel, ada: Person) -> None:
    styles = [{"name": f"ink{number}", "lora": "someone/ink"} for number in range(30)]
    async with bot(styles=[*styles, {"name": "Oil", "lora": "someone/oil"}]):
        assert len(await ada.complete(art, "generate", "style", "")) == 25
        assert await ada.complete(art, "generate", "style", "oI") == [{"name": "Oil", "value": "Oil"}]
        assert await ada.complete(art, "generate", "style", "chalk") == []


async def test_images_of_ones_own_are_offered_newest_first(bot: StartBot, art: Channel, ada: Person) -> None:
    ben = art.fake.person("Ben")
    async with bot() as limner:
        cat = await paint(limner, ada, art, "a cat")
        await paint(limner, ben, art, "a cow")
        dogs = await paint(limner, ada, art, "two *dogs*", images=2)
        choices = await ada.complete(art, "refine", "image", "")

    second, first = image_ids(dogs)[::-1]
    assert [choice["value"] for choice in choices] == [second, first, *image_ids(cat)]
    assert choices[0]["name"] == f"two *dogs* · 64 \u00d7 64 · {second[:8]}"


async def test_images_are_found_by_any_part_of_their_words_and_by_their_id(
    bot: StartBot, art: Channel, ada: Person
) -> None:
    async with bot() as limner:
        cat = await paint(limner, ada, art, f"a cat, {'very ' * 50}Fluffy")
        await paint(limner, ada, art, "a dog")
        found = [await ada.complete(art, "refine", "image", typed) for typed in ("fluffy", image_ids(cat)[0])]
        by_part_of_id = await ada.complete(art, "refine", "image", image_ids(cat)[0][:8].upper())

    assert [[choice["value"] for choice in choices] for choices in [*found, by_part_of_id]] == [image_ids(cat)] * 3


async def test_no_more_images_are_offered_than_discord_takes(bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot() as limner:
        for number in range(7):
            await paint(limner, ada, art, f"{'😺' * 90} {number}", images=4, steps=1)
        choices = await ada.complete(art, "refine", "image", "")

    assert len(choices) == 25
    assert all(len(choice["name"].encode("utf-16-le")) // 2 <= 100 for choice in choices)


async def test_images_from_among_adults_are_offered_only_there(bot: StartBot, art: Channel, ada: Person) -> None:
    assert art.guild
    cellar = art.guild.channel("cellar", nsfw=True)
    async with bot() as limner:
        message = await paint(limner, ada, cellar)

        assert await ada.complete(art, "refine", "image", "") == []
        assert [one["value"] for one in await ada.complete(cellar, "refine", "image", "")] == image_ids(message)


async def test_a_picture_that_somebody_brought_is_offered_too(bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot() as limner:
        await painted(limner, await ada.command(art, "refine", prompt="in the snow", picture=upload()))
        choices = await ada.complete(art, "refine", "image", "your own")

    assert [choice["name"].split(" · ")[0] for choice in choices] == ["your own picture"]


# Mistakes

GENERATE_MISTAKES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no words": ({"prompt": " \n "}, ["prompt is empty", "for example"]),
    "too many words": ({"prompt": "a" * 2001}, ["prompt", "2000", "2001"]),
    "too much to leave out": ({"negative_prompt": "a" * 2001}, ["`negative_prompt`", "2000", "2001"]),
    "a size in words": ({"size": "huge"}, ["`size`", "1024x768", "huge"]),
    "half a size": ({"size": "1024x"}, ["`size`", "1024x768"]),
    "a size with a sign": ({"size": "-64x64"}, ["`size`", "1024x768"]),
    "a size of many digits": ({"size": f"{'9' * 5000}x64"}, ["`size`", "1024x768", "999…"]),
    "an odd width": ({"size": "1001x1024"}, ["`size`", "width", "multiple of 8", "1001"]),
    "an odd height": ({"size": "1024x1001"}, ["`size`", "height", "multiple of 8", "1001"]),
    "a width too large": ({"size": "2056x64"}, ["`size`", "width", "64 to 2048", "2056"]),
    "a height too small": ({"size": "64x56"}, ["`size`", "height", "64 to 2048", "56"]),
    "an unknown quality": ({"quality": "ultra"}, ["`quality`", "draft, standard, high", "ultra"]),
    "an unknown style": ({"style": "*oil*"}, ["style", "\\*oil\\*", "ink"]),
    "no step": ({"steps": 0}, ["`steps`", "1 to 150"]),
    "too many steps": ({"steps": 151}, ["`steps`", "1 to 150"]),
    "steps beyond all measure": ({"steps": 2**70}, ["`steps`", "1 to 150"]),
    "negative guidance": ({"guidance": -0.5}, ["`guidance`", "0 to 30"]),
    "too much guidance": ({"guidance": 30.5}, ["`guidance`", "0 to 30"]),
    "guidance that is no number": ({"guidance": float("nan")}, ["`guidance`", "0 to 30"]),
    "a seed in words": ({"seed": "lucky"}, ["`seed`", "whole number", str(2**64 - 1)]),
    "a negative seed": ({"seed": "-1"}, ["`seed`", "whole number"]),
    "a broken seed": ({"seed": "1.5"}, ["`seed`", "whole number"]),
    "a seed in other digits": ({"seed": "٣"}, ["`seed`", "whole number"]),
    "a seed too large": ({"seed": str(2**64)}, ["`seed`", str(2**64 - 1)]),
    "a seed of 10,000 digits": ({"seed": "9" * 10_000}, ["`seed`", str(2**64 - 1)]),
    "no image": ({"images": 0}, ["`images`", "1 to 4"]),
    "too many images": ({"images": 5}, ["`images`", "1 to 4"]),
}


@pytest.mark.parametrize("mistake", GENERATE_MISTAKES)
async def test_a_mistake_in_generate_is_told_and_nothing_is_queued(
    bot: StartBot, art: Channel, ada: Person, mistake: str
) -> None:
    options, said = GENERATE_MISTAKES[mistake]
    async with bot(styles=[INK]) as limner:
        text = await told(await ada.command(art, "generate", force=True, **{"prompt": "a cat", **options}))

        assert [words for words in said if words not in text] == []
        assert len(text) < 300
        assert await kept.nothing(limner, ada)
    assert art.messages == []


async def test_where_no_styles_are_set_up_that_is_told(bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot() as limner:
        text = await told(await ada.command(art, "generate", prompt="a cat", style="oil"))

        assert text == "There is no style “oil”; no styles are set up here."
        assert await kept.nothing(limner, ada)


async def test_all_mistakes_are_told_at_once(bot: StartBot, art: Channel, ada: Person) -> None:
    wrong = {"prompt": "", "size": "huge", "style": "oil", "quality": "best", "seed": "x", "steps": 0, "images": 9}
    async with bot() as limner:
        text = await told(await ada.command(art, "generate", force=True, **wrong))

        words = ("prompt", "`size`", "style", "`quality`", "`seed`", "`steps`", "`images`")
        assert [[word in line for word in words].index(True) for line in sorted(text.splitlines())]
        assert [word for word in words if sum(word in line for line in text.splitlines()) != 1] == []
        assert all(line.startswith("- ") for line in text.splitlines())
        assert await kept.nothing(limner, ada)


REFINE_MISTAKES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no words": ({"prompt": " "}, ["prompt is empty"]),
    "too many words": ({"prompt": "a" * 2001}, ["prompt", "2000", "2001"]),
    "too much to leave out": ({"negative_prompt": "a" * 2001}, ["`negative_prompt`", "2000", "2001"]),
    "no strength": ({"strength": 0}, ["`strength`", "above 0"]),
    "too much strength": ({"strength": 1.5}, ["`strength`", "up to 1"]),
    "too little strength": ({"strength": 0.01}, ["`strength`", "0.01", "30 steps"]),
    "no step": ({"steps": 0}, ["`steps`", "1 to 150"]),
    "too many steps": ({"steps": 151}, ["`steps`", "1 to 150"]),
    "a seed in words": ({"seed": "lucky"}, ["`seed`", "whole number"]),
    "an unknown image": ({"image": UNKNOWN}, ["no image"]),
    "half an ID": ({"image": UNKNOWN[:8]}, ["no image"]),
    "garbage for an image": ({"image": "' OR 1=1 --\0"}, ["no image"]),
    "a link to somewhere else": ({"image": "https://example.org/channels/1/2/3"}, ["no image"]),
    "a link to nowhere": ({"image": "https://discord.com/channels/1/2/3"}, ["no image"]),
    "a link of many digits": ({"image": f"https://discord.com/channels/1/2/{'3' * 5000}"}, ["no image"]),
    "image and picture": ({"image": UNKNOWN, "picture": upload()}, ["`image`", "`picture`", "not both"]),
    "a text for a picture": ({"picture": upload(b"Hello", "a.txt", "text/plain")}, ["picture", "PNG, JPEG, WEBP"]),
    "another kind of picture": ({"picture": upload(b"GIF89a", "a.gif", "image/gif")}, ["picture", "PNG, JPEG, WEBP"]),
    "a text that is called a picture": ({"picture": upload(b"Hello")}, ["picture", "PNG, JPEG, WEBP"]),
    "a damaged picture": ({"picture": upload(png((512, 512))[:200])}, ["picture", "damaged"]),
    "a picture with bad words": ({"picture": upload(), "prompt": " "}, ["prompt is empty"]),
}


@pytest.mark.parametrize("mistake", REFINE_MISTAKES)
async def test_a_mistake_in_refine_is_told_and_nothing_is_queued_or_kept(
    bot: StartBot, art: Channel, ada: Person, image_files: Callable[[], set[str]], mistake: str
) -> None:
    options, said = REFINE_MISTAKES[mistake]
    async with bot() as limner:
        await paint(limner, ada, art)
        text = await told(await ada.command(art, "refine", force=True, **{"prompt": "in the snow", **options}))

        assert [words for words in said if words not in text] == []
        assert len(text) < 300
        assert (await kept.jobs(limner, ada), await kept.images(limner, ada), len(image_files())) == (1, 1, 1)
    assert len(art.messages) == 1


async def test_all_mistakes_in_a_refinement_are_told_at_once(bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot() as limner:
        await paint(limner, ada, art)
        wrong = {"prompt": "", "strength": 0, "seed": "x", "steps": 0}
        text = await told(await ada.command(art, "refine", force=True, **wrong))

    assert [word for word in ("prompt", "`strength`", "`seed`", "`steps`") if word not in text] == []


async def test_without_an_image_here_one_is_told_what_to_do(bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot() as limner:
        text = await told(await ada.command(art, "refine", prompt="in the snow"))

        assert "`image`" in text
        assert "/generate" in text
        assert await kept.nothing(limner, ada)


async def test_a_link_to_a_message_without_an_image_finds_none(bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot() as limner:
        said = await ada.say(art, "hello")
        text = await told(await ada.command(art, "refine", prompt="in the snow", image=link(said)))

        assert "no image" in text
        assert await kept.nothing(limner, ada)


async def test_a_link_from_another_server_finds_none(bot: StartBot, art: Channel, ada: Person) -> None:
    hall = art.fake.guild("Another").channel("hall")
    ben = art.fake.person("Ben")
    async with bot() as limner:
        message = await paint(limner, ben, hall, images=2)
        for guild in (None, art.guild.id if art.guild else None):
            text = await told(await ada.command(art, "refine", prompt="snow", image=link(message, guild=guild)))
            assert text == "I know no image by that, or none that you may see here."

        assert await kept.nothing(limner, ada)


async def test_of_a_message_with_several_images_one_must_be_named(bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art, images=3)
        text = await told(await ada.command(art, "refine", prompt="in the snow", image=link(message)))

        assert "3 images" in text
        assert "Refine" in text
        assert "--image" not in text
        assert await kept.jobs(limner, ada) == 1


async def test_a_picture_with_too_many_pixels_is_not_taken(bot: StartBot, art: Channel, ada: Person) -> None:
    file = io.BytesIO()
    Image.new("1", (8000, 5008)).save(file, "PNG")
    async with bot() as limner:
        text = await told(await ada.command(art, "refine", prompt="snow", picture=upload(file.getvalue())))

        assert "40 megapixels" in text
        assert await kept.nothing(limner, ada)


async def test_a_picture_with_too_many_bytes_is_not_even_fetched(bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot() as limner:
        text = await told(await ada.command(art, "refine", prompt="snow", picture=upload(bytes(BYTES_MAX + 1))))

        assert "25 MiB" in text
        assert art.fake.cdn.asked_for == []
        assert await kept.nothing(limner, ada)


async def test_a_picture_that_is_gone_from_discord_is_told(bot: StartBot, art: Channel, ada: Person) -> None:
    async with bot() as limner:
        asked = await ada.command(art, "refine", prompt="snow", picture=upload())
        art.fake.cdn.lose_all()
        text = await told(asked)

        assert "attach it again" in text
        assert await kept.nothing(limner, ada)


async def test_mistakes_are_told_in_the_language_of_who_asks(bot: StartBot, art: Channel, discord: FakeDiscord) -> None:
    gerd = discord.person("Gerd", "de")
    async with bot() as limner:
        text = await told(await gerd.command(art, "generate", force=True, prompt="", size="riesig", steps=0))

        assert text.splitlines() == [
            "- `size` sieht aus wie 1024x768 (Breite x Höhe), nicht wie „riesig“.",
            "- Der Prompt ist leer. Sag, was gemalt werden soll, zum Beispiel: a cat in a hat",
            "- `steps` geht von 1 bis 150.",
        ]
        assert await kept.nothing(limner, gerd)
