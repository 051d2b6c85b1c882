"""/generate and /refine: what reaches the request, which image is meant, and each mistake told."""

from collections.abc import Callable

import pytest

from adapters.slack.words import words_for
from bot.jobs import Quality
from tests.adapters.slack.conftest import StartBot
from tests.adapters.slack.watching import (
    Rows,
    answered,
    asked_for,
    asker,
    image_of,
    link_to,
    paint,
    refinement,
    settled,
    shown_in,
    told,
    unchanged,
)
from tests.fakes.slack import Channel, FakeMessage, FakeSlack, Person

INK = {"name": "ink", "lora": "someone/ink"}
UNKNOWN = "I know no image by that"
SOME_ID = "9e107d9d-372b-4b7a-9f0f-6d5c0e1f2a3b"
ENGLISH = words_for("en")


# What reaches the request


async def test_all_options_reach_the_painter(slack: FakeSlack, art: Channel, ada: Person, bot: StartBot) -> None:
    text = (
        "a cat & a <dog> --size 128x64 --steps 4 --seed 7 --guidance 3,5 --images 2 --quality draft --style ink "
        "--no text, frames"
    )
    async with bot(styles=[INK]) as limner:
        await ada.command(art, "/generate", text)
        message = await shown_in(slack, art)
        asked = asked_for(limner)

    assert asked.prompt == "a cat & a <dog>"
    assert (asked.width, asked.height, asked.num_inference_steps, asked.seed) == (128, 64, 4, 7)
    assert (asked.guidance_scale, asked.num_images, asked.quality) == (3.5, 2, "draft")
    assert (asked.negative_prompt, asked.style) == ("text, frames", "ink")
    assert len(message.pictures) == 2


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ("\u2014size 64x128 \u2014steps 4", {"width": 64, "height": 128, "num_inference_steps": 4}),
        ("\u2013seed=7 \u2014no \u201ctext, blur\u201d", {"seed": 7, "negative_prompt": "text, blur"}),
        ("--style \u201cink\u201d --seed \u20187\u2019", {"style": "ink", "seed": 7}),
        ("--size 64\u00d7128", {"width": 64, "height": 128}),
        ("--SEED 18446744073709551615", {"seed": 2**64 - 1}),
        ("--guidance 0 --quality High", {"guidance_scale": 0, "quality": Quality.HIGH}),
    ],
)
async def test_options_are_taken_as_slacks_own_apps_write_them(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, options: str, fields: dict[str, object]
) -> None:
    async with bot(styles=[INK]) as limner:
        await ada.command(art, "/generate", f"a cat {options}")
        await shown_in(slack, art)
        asked = asked_for(limner)

    assert asked.prompt == "a cat"
    assert {name: getattr(asked, name) for name in fields} == fields


async def test_lines_and_what_cannot_be_printed_come_as_spaces(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        await ada.command(art, "/generate", "a cat\r\n\tin\0 a\u2028hat\x1b[31m --steps\n4")
        await shown_in(slack, art)

        assert asked_for(limner).prompt == "a cat in a hat [31m"
        assert asked_for(limner).num_inference_steps == 4


@pytest.mark.parametrize("escapes", [True, False])
async def test_signs_that_slack_escapes_reach_the_painter_as_they_were_typed(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, escapes: bool
) -> None:
    slack.escapes_commands = escapes
    async with bot() as limner:
        await ada.command(art, "/generate", "a <cat> & <a|dog> >:) 1 < 2")
        await shown_in(slack, art)

        assert asked_for(limner).prompt == "a <cat> & <a|dog> >:) 1 < 2"


async def test_what_slack_makes_of_names_and_links_comes_as_words(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    slack.escapes_commands = False
    text = (
        f"<@{ben.id}|ben> and {ada.tag} and <@U012345678> in <#C012|art> <#C013> <!channel> <!subteam^S012|@cats> "
        "<http://example.org/a?b&amp;c> <http://example.org|example.org> <mailto:ada@example.org|ada@example.org>"
    )
    async with bot() as limner:
        await ada.command(art, "/generate", text)
        await shown_in(slack, art)

        assert asked_for(limner).prompt == (
            "ben and Ada and somebody in art channel cats http://example.org/a?b&c example.org ada@example.org"
        )


async def test_what_was_typed_rings_for_nobody(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    slack.escapes_commands = False
    async with bot():
        await paint(slack, rows, ada, art, f"<!channel> <!here> @channel {ben.tag} a *cat* --no <!everyone>")
        await ada.command(art, "/generate", f"a cat --x<!channel> {ben.tag}")
        await told(slack, art, ada, "option")

    assert [message.pings for message in art.record] == [[] for _ in art.record]


@pytest.mark.parametrize("command", ["/generate", "/refine"])
@pytest.mark.parametrize("text", ["help", "Help", "?"])
async def test_who_asks_for_help_gets_it(
    art: Channel, ada: Person, bot: StartBot, rows: Rows, command: str, text: str
) -> None:
    async with bot() as limner:
        with unchanged(limner, rows):
            assert "Press *Refine*" in await answered(art, ada, ada.command(art, command, text))


# Mistakes

GENERATE_MISTAKES: dict[str, tuple[str, list[str]]] = {
    "nothing": ("", ["The prompt is empty"]),
    "only an option": ("--steps 4", ["The prompt is empty"]),
    "only what shall not be there": ("--no dogs", ["The prompt is empty"]),
    "nothing to be seen": ("\0\x1b", ["The prompt is empty"]),
    "too many words": ("cat " * 750 + "end", ["up to 2000 characters", "3003"]),
    "too much to leave out": (f"a cat --no {'a' * 2001}", ["`--no` may have up to 2000", "2001"]),
    "an option misspelt": ("a cat --stpes 40", ["no option “--stpes”", "Did you mean “--steps”?"]),
    "another one misspelt": ("a cat --neagtive dogs", ["Did you mean “--negative”?"]),
    "an option of other bots": ("a cat --ar 16:9", ["Did you mean “--size”?"]),
    "an unknown option": ("a cat --xyzzy", ["There is no option “--xyzzy”."]),
    "an option said twice": ("a cat --seed 7 --seed 8", ["“--seed” may be said only once."]),
    "an option without a value": ("a cat --seed", ["`--seed 7`"]),
    "an option before another one": ("a cat --size --steps 4", ["`--size 1024x768`"]),
    "an empty value": ("a cat --style \u201c\u201d", ["“--style” needs a value"]),
    "a value for what takes none": ("a cat --private=yes", ["“--private” takes no value"]),
    "a size in words": ("a cat --size huge", ["`--size` looks like 1024x768", "“huge”"]),
    "half a size": ("a cat --size 1024x", ["`--size` looks like 1024x768", "“1024x”"]),
    "a size with a sign": ("a cat --size -64x64", ["`--size` looks like 1024x768"]),
    "a size of many digits": (f"a cat --size {'9' * 2500}x64", ["`--size` looks like 1024x768", "999…"]),
    "an odd width": ("a cat --size 1001x1024", ["the width must be a multiple of 8", "1001"]),
    "an odd height": ("a cat --size 1024x1001", ["the height must be a multiple of 8", "1001"]),
    "a width too large": ("a cat --size 2056x64", ["the width", "64 to 2048"]),
    "a height too small": ("a cat --size 64x56", ["the height", "64 to 2048"]),
    "steps in words": ("a cat --steps many", ["“--steps” takes a whole number, not “many”"]),
    "no step": ("a cat --steps 0", ["`--steps` goes from 1 to 150"]),
    "less than no step": ("a cat --steps -4", ["“--steps” takes a whole number"]),
    "too many steps": ("a cat --steps 100000", ["`--steps` goes from 1 to 150"]),
    "steps beyond all measure": (f"a cat --steps {'9' * 2500}", ["“--steps” takes a whole number", "999…"]),
    "a seed in words": ("a cat --seed lucky", ["“--seed” takes a whole number"]),
    "a negative seed": ("a cat --seed -1", ["“--seed” takes a whole number"]),
    "a broken seed": ("a cat --seed 1.5", ["“--seed” takes a whole number"]),
    "a seed in other digits": ("a cat --seed \u0663", ["“--seed” takes a whole number"]),
    "a seed too large": (f"a cat --seed {2**64}", ["`--seed` is a whole number from 0 to 18446744073709551615"]),
    "guidance that is no number": ("a cat --guidance NaN", ["“--guidance” takes a number, not “NaN”"]),
    "guidance without end": ("a cat --guidance inf", ["“--guidance” takes a number"]),
    "negative guidance": ("a cat --guidance -0.5", ["`--guidance` goes from 0 to 30"]),
    "too much guidance": ("a cat --guidance 30,5", ["`--guidance` goes from 0 to 30"]),
    "no image": ("a cat --images 0", ["`--images` goes from 1 to 4"]),
    "too many images": ("a cat --images 5", ["`--images` goes from 1 to 4"]),
    "an unknown quality": ("a cat --quality ultra", ["one of draft, standard, high, not “ultra”"]),
    "an unknown style": ("a cat --style *oil*", ["There is no style “\u2217oil\u2217”. There are: ink"]),
    "a strength": ("a cat --strength 0.4", ["`--strength` is only for refining"]),
    "an image to refine": ("a cat --image 2", ["`--image` is only for refining"]),
}


@pytest.mark.parametrize("mistake", GENERATE_MISTAKES)
async def test_a_mistake_in_generate_is_told_privately_and_nothing_is_queued(
    art: Channel, ada: Person, bot: StartBot, rows: Rows, mistake: str
) -> None:
    text, said = GENERATE_MISTAKES[mistake]
    async with bot(styles=[INK]) as limner:
        with unchanged(limner, rows):
            answer = await answered(art, ada, ada.command(art, "/generate", text))

        assert [part for part in said if part not in answer] == []
        assert len(answer) < 300
        assert "\u2022" not in answer, "one mistake is one sentence"


async def test_where_no_styles_are_set_up_that_is_told(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot():
        answer = await answered(art, ada, ada.command(art, "/generate", "a cat --style oil"))

    assert answer == "There is no style “oil”; no styles are set up here."


async def test_all_mistakes_are_told_at_once(art: Channel, ada: Person, bot: StartBot, rows: Rows) -> None:
    async with bot() as limner:
        with unchanged(limner, rows):
            answer = await answered(art, ada, ada.command(art, "/generate", "--size huge --images 9 --style oil"))
            typed = await answered(art, ada, ada.command(art, "/generate", "--steps many --stpes 4 --quality best"))

    assert [line[0] for line in (answer + "\n" + typed).splitlines()] == ["\u2022"] * 7


REFINE_MISTAKES: dict[str, tuple[str, list[str]]] = {
    "nothing": ("", ["The prompt is empty"]),
    "only an option": ("--strength 0.4", ["The prompt is empty"]),
    "only an image": ("{id}", ["The prompt is empty"]),
    "too many words": ("a" * 3001, ["up to 2000 characters", "3001"]),
    "a size": ("snow --size 64x64", ["`--size` is not for refining"]),
    "no strength": ("snow --strength 0", ["`--strength` is a number above 0"]),
    "too much strength": ("snow --strength 1.5", ["up to 1"]),
    "negative strength": ("snow --strength -0.5", ["`--strength` is a number above 0"]),
    "strength that is no number": ("snow --strength NaN", ["“--strength” takes a number, not “NaN”"]),
    "too little strength": ("snow --strength 0.01", ["Strength 0.01 of 30 steps leaves no step"]),
    "an unknown image": (f"{SOME_ID} snow", [UNKNOWN]),
    "an unknown image as an option": (f"snow --image {SOME_ID}", [UNKNOWN]),
    "half an image": (f"snow --image {SOME_ID[:8]}", [UNKNOWN]),
    "garbage for an image": ("snow --image ';DROP", [UNKNOWN]),
    "a link to somewhere else": ("https://example.org/cat.png snow", [UNKNOWN]),
    "a link to nowhere": ("https://studio.slack.com/archives/C012AB3CD/p1700000000000000 snow", [UNKNOWN]),
    "a link to a channel": ("https://studio.slack.com/archives/C012AB3CD snow", [UNKNOWN]),
    "a link of another workspace": ("https://evil.slack.com/archives/C012AB3CD/p1700000000000000 snow", [UNKNOWN]),
    "a link of many digits": (f"https://studio.slack.com/archives/C012AB3CD/p{'1' * 2000} snow", [UNKNOWN]),
    "a number that is none of the set": ("snow --image 3", ["There is no image 3 in this message, only 1, 2."]),
    "number naught": ("snow --image 0", ["There is no image 0 in this message, only 1, 2."]),
    "a number of a named image's set": ("{id} snow --image 9", ["There is no image 9"]),
    "one of a set that nobody chose": ("{link} snow", ["This message shows 2 images. Say which one", "`--image 2`"]),
}


@pytest.mark.parametrize("mistake", REFINE_MISTAKES)
async def test_a_mistake_in_refine_is_told_privately_and_nothing_is_queued(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, mistake: str
) -> None:
    text, said = REFINE_MISTAKES[mistake]
    async with bot() as limner:
        message = await paint(slack, rows, ada, art, "a cat --images 2")
        text = text.replace("{id}", image_of(message)).replace("{link}", link_to(message))
        with unchanged(limner, rows):
            answer = await answered(art, ada, ada.command(art, "/refine", text))

        assert [part for part in said if part not in answer] == []
        assert len(answer) < 300


# Which image is meant

NAMES: dict[str, Callable[[FakeMessage], str]] = {
    "its ID": image_of,
    "its ID in large letters": lambda message: image_of(message).upper(),
    "its ID as code": lambda message: f"`{image_of(message)}`",
    "its ID in quotation marks": lambda message: f"\u201c{image_of(message)}\u201d",
    "its ID and a colon": lambda message: f"{image_of(message)}:",
    "a link": link_to,
    "a link with a query": lambda message: f"{link_to(message)}?x={'1' * 300}&y=2",
    "a link in brackets": lambda message: f"<{link_to(message)}>",
    "a link with a label": lambda message: f"<{link_to(message)}?x=1&amp;y=2|the cat of *Ada*>",
    "an option": lambda message: f"--image {image_of(message).upper()}",
    "an option with a link": lambda message: f"--image {link_to(message)}",
    "an option with code": lambda message: f"--image `{image_of(message)}`",
}


@pytest.mark.parametrize("name", NAMES)
async def test_refine_takes_the_image_that_is_named(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows, name: str
) -> None:
    async with bot() as limner:
        named = await paint(slack, rows, ada, art)
        await paint(slack, rows, ada, art, "a dog")
        text = NAMES[name](named)
        slack.escapes_commands = not text.startswith("<")
        await ada.command(art, "/refine", f"{text} more snow --strength 0.4")
        await settled(slack, rows, ["delivered"] * 3)

        assert refinement(limner).image_id == image_of(named)
        assert (refinement(limner).prompt, refinement(limner).strength) == ("more snow", 0.4)


async def test_refine_takes_ones_own_last_image_here_where_none_is_named(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        last = await paint(slack, rows, ada, art)
        await paint(slack, rows, ben, art, "a cow")
        await paint(slack, rows, ada, slack.channel("hall"), "a dog")
        await ada.command(art, "/refine", "more snow")
        await settled(slack, rows, ["delivered"] * 4)

        assert refinement(limner).image_id == image_of(last)


async def test_without_an_image_here_there_is_nothing_to_refine(
    slack: FakeSlack, art: Channel, ada: Person, ben: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        await paint(slack, rows, ben, art)
        for text in ("more snow", "--image 2 more snow"):
            with unchanged(limner, rows):
                answer = await answered(art, ada, ada.command(art, "/refine", text))
            assert "no image of yours in this channel" in answer


async def test_a_number_alone_is_one_of_ones_own_last_set_here(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        await paint(slack, rows, ada, art, "a dog --images 4")
        message = await paint(slack, rows, ada, art, "a cat --images 3")
        await ada.command(art, "/refine", "--image 2 more snow")
        await settled(slack, rows, ["delivered"] * 3)

        assert refinement(limner).image_id == message.value("limner:refine:2")
        assert refinement(limner).prompt == "more snow"


async def test_one_of_a_set_is_chosen_by_its_number(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art, "a cat --images 3")
        for number, text in enumerate((f"{link_to(message)} more snow", f"{image_of(message)} more snow"), start=2):
            await ada.command(art, "/refine", f"{text} --image {number}")
            await settled(slack, rows, ["delivered"] * number)
            assert refinement(limner).image_id == message.value(f"limner:refine:{number}")


async def test_the_numbers_of_a_set_stay_when_one_of_it_is_deleted(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art, "a cat --images 3")
        third = message.value("limner:refine:3")
        await limner.service.delete(image_of(message), asker(ada))
        answer = await answered(art, ada, ada.command(art, "/refine", f"{link_to(message)} more snow --image 1"))
        assert answer == "There is no image 1 in this message, only 2, 3."
        await ada.command(art, "/refine", f"{link_to(message)} more snow --image 3")
        await settled(slack, rows, ["delivered"] * 2)

        assert refinement(limner).image_id == third


async def test_an_image_that_was_deleted_is_unknown(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        message = await paint(slack, rows, ada, art)
        await limner.service.delete(image_of(message), asker(ada))
        for named in (image_of(message), link_to(message), f"--image {image_of(message)}"):
            with unchanged(limner, rows):
                assert UNKNOWN in await answered(art, ada, ada.command(art, "/refine", f"{named} more snow"))


async def test_a_link_to_a_message_of_a_thread_names_what_that_message_shows(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        root = await paint(slack, rows, ada, art)
        await ada.mention(art, "warmer", thread=root)
        reply = await shown_in(slack, art, 2)
        await settled(slack, rows, ["delivered"] * 2)
        hall = slack.channel("hall")
        await ada.command(hall, "/refine", f"{link_to(reply)} more snow")
        await settled(slack, rows, ["delivered"] * 3)

        assert "thread_ts=" in link_to(reply)
        assert refinement(limner).image_id == image_of(reply)


async def test_a_link_to_a_message_that_shows_no_image_is_told(
    slack: FakeSlack, art: Channel, ada: Person, bot: StartBot, rows: Rows
) -> None:
    async with bot() as limner:
        said = await ada.say(art, "Look!")
        assert said.message is not None
        with unchanged(limner, rows):
            answer = await answered(art, ada, ada.command(art, "/refine", f"{link_to(said.message)} more snow"))

        assert answer == ENGLISH.say("refusal.not_found.image")
