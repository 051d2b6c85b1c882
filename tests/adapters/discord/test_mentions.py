"""What the bot does when it is spoken to, by a mention, a reply or a direct message, and what it leaves alone."""

import io

import pytest
from PIL import Image

from adapters.discord.words import words_for
from bot.errors import JobFailed
from bot.jobs import STRENGTH
from tests.adapters.discord.conftest import Bot, StartBot
from tests.adapters.discord.watching import (
    answer_to,
    asker,
    at_rest,
    begun,
    buttons,
    delete,
    image,
    image_ids,
    job,
    paint,
    press,
    refinement,
    request,
    spoken,
    told,
    until_painted,
)
from tests.fakes.discord import Channel, FakeDiscord, FakeMessage, Guild, Person, Upload
from tests.fakes.discord.messages import Contents
from tests.fakes.executor import FakeExecutor, png

ENGLISH = words_for("en")
UNKNOWN = ENGLISH.say("refusal.not_found.image")


def upload(size: tuple[int, int] = (128, 64)) -> Upload:
    return Upload("mine.png", "image/png", png(size))


async def answered(person: Person, channel: Channel, text: str, **more: object) -> str:
    """The bot's reply in words."""
    return (await answer_to(await person.say(channel, text, **more))).text  # type: ignore[arg-type]


async def check_left_alone(limner: Bot, person: Person, channel: Channel) -> None:
    """What was said last got no answer of any kind, as one can tell when something later has come to its end."""
    before = channel.messages
    result = await paint(limner, person, channel)
    assert channel.messages == [*before, result]
    assert [request for request in channel.fake.requests if request.route.endswith("typing")] == []
    assert len(limner.executor.works) == 1


# Painting


async def test_a_mention_with_words_is_painted_below_it(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        said = await ada.say(art, "<@bot> a cat in a hat")
        result = await answer_to(said)
        await until_painted(limner, result)

        assert result.reply_to is said
        assert result.content.startswith("> a cat in a hat\n")
        assert (await request(limner, result, ada)).prompt == "a cat in a hat"
        assert (await image(limner, result, ada)).audience == f"discord:{art.guild.id if art.guild else 0}"


@pytest.mark.parametrize(
    "text", ["a cat <@bot>", "<@bot>, a cat", "<@bot>: a cat", "a <@bot> cat", "<@bot> <@bot> a cat", "<@bot>\na\ncat"]
)
async def test_the_mention_may_stand_anywhere(art: Channel, ada: Person, bot: StartBot, text: str) -> None:
    async with bot() as limner:
        result = await spoken(limner, ada, art, text)

        assert (await request(limner, result, ada)).prompt == "a cat"


async def test_options_may_follow_the_words(art: Channel, ada: Person, bot: StartBot) -> None:
    text = "<@bot> a cat --steps 4 --seed 7 --size 128x64 --quality draft --images 2 --guidance 3,5 --no text, dogs"
    async with bot() as limner:
        asked = await request(limner, await spoken(limner, ada, art, text), ada)

        assert asked.prompt == "a cat"
        assert (asked.num_inference_steps, asked.seed, asked.guidance_scale, asked.num_images) == (4, 7, 3.5, 2)
        assert (asked.width, asked.height, asked.quality, asked.negative_prompt) == (128, 64, "draft", "text, dogs")


async def test_a_mention_in_a_thread_is_painted_there(art: Channel, ada: Person, bot: StartBot) -> None:
    thread = art.thread("cats")
    async with bot() as limner:
        result = await spoken(limner, ada, thread, "<@bot> a cat")
        refined = await spoken(limner, ada, thread, "<@bot> warmer", reply_to=result)

        assert {result.channel, refined.channel} == {thread}
        assert art.messages == []


async def test_what_is_asked_privately_comes_by_direct_message(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        await ada.say(art, "<@bot> a cat --private")
        message = await discord.until(lambda: next(iter(discord.dm(ada).messages), None))
        assert message is not None
        await until_painted(limner, message)

        assert (await image(limner, message, ada)).audience == ""
        assert len(art.messages) == 1


async def test_who_takes_no_direct_messages_is_told_so_below_what_they_said(
    art: Channel, ada: Person, bot: StartBot
) -> None:
    ada.closes_dms = True
    async with bot() as limner:
        text = await answered(ada, art, "<@bot> a secret cat --private")
        await at_rest(limner)

        assert text == ENGLISH.say("no_direct_messages")
        assert "secret" not in text


# Refining


async def test_a_reply_that_rings_refines(art: Channel, ada: Person, ben: Person, bot: StartBot) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art)
        said = await ben.say(art, "warmer light", reply_to=first)
        second = await answer_to(said)
        await until_painted(limner, second)
        refined = await refinement(limner, second, ben)

        assert (refined.prompt, refined.strength) == ("warmer light", STRENGTH)
        assert refined.image_id == image_ids(first)[0]
        assert second.reply_to is said


async def test_a_reply_takes_options(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art)
        text = "warmer --steps 40 --strength 0.4 --no text"
        refined = await refinement(limner, await spoken(limner, ada, art, text, reply_to=first), ada)

        assert (refined.prompt, refined.negative_prompt) == ("warmer", "text")
        assert (refined.num_inference_steps, refined.strength) == (40, 0.4)


async def test_a_reply_across_a_restart_refines(discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art)
    discord.clock.advance(365 * 24 * 3600)
    async with bot() as limner:
        refined = await refinement(limner, await spoken(limner, ada, art, "warmer", reply_to=first), ada)

        assert refined.image_id == image_ids(first)[0]


@pytest.mark.parametrize("by", ["number", "id", "short id"])
async def test_a_reply_says_which_image_of_a_set_it_means(art: Channel, ada: Person, bot: StartBot, by: str) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art, images=3)
        second = image_ids(first)[1]
        which = {"number": "2", "id": second.upper(), "short id": second[:8]}[by]
        result = await spoken(limner, ada, art, f"warmer --image {which}", reply_to=first)

        assert (await refinement(limner, result, ada)).image_id == second


async def test_a_reply_to_a_set_that_does_not_say_which_is_asked(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art, images=3)

        asked = await answered(ada, art, "warmer", reply_to=first)
        assert asked == ENGLISH.say("image.which", images=3, number=3)
        wrong = await answered(ada, art, "warmer --image 4", reply_to=first)
        assert wrong == "There is no image 4 in this message, only 1, 2, 3."
        loud = await answered(ada, art, "warmer --image **<@1>**", reply_to=first)
        assert loud == r"There is no image \*\*\<@1>\*\* in this message, only 1, 2, 3."


async def test_images_keep_their_numbers_when_one_of_the_set_is_deleted(
    art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art, images=3)
        third = image_ids(first)[2]
        await delete(ada, first)
        result = await spoken(limner, ada, art, "warmer --image 3", reply_to=first)
        assert (await refinement(limner, result, ada)).image_id == third

        wrong = await answered(ada, art, "warmer --image 1", reply_to=first)
        assert wrong == "There is no image 1 in this message, only 2, 3."


async def test_a_mention_with_a_strength_refines_ones_own_last_image_here(
    art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        own = await paint(limner, ada, art)
        await paint(limner, ben, art)
        result = await spoken(limner, ada, art, "<@bot> warmer --strength 0.3")

        assert (await refinement(limner, result, ada)).image_id == image_ids(own)[0]


async def test_a_mention_with_a_number_refines_that_image_of_ones_own_last_set(
    art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        own = await paint(limner, ada, art, images=3)
        result = await spoken(limner, ada, art, "<@bot> warmer --image 2")

        assert (await refinement(limner, result, ada)).image_id == image_ids(own)[1]


async def test_a_mention_with_a_link_refines_what_it_leads_to(
    guild: Guild, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art)
        link = f"https://discord.com/channels/{guild.id}/{art.id}/{first.id}"
        result = await spoken(limner, ada, guild.channel("hall"), f"<@bot> warmer --image {link}")

        assert (await refinement(limner, result, ada)).image_id == image_ids(first)[0]


async def test_a_reply_refines_an_image_whose_message_is_gone(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art)
        first.remove()
        result = await spoken(limner, ada, art, "<@bot> warmer", reply_to=first)

        assert (await refinement(limner, result, ada)).image_id == image_ids(first)[0]


async def test_a_picture_that_comes_with_the_mention_is_refined(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        result = await spoken(limner, ada, art, "<@bot> in oil --strength 0.7", uploads=[upload()])
        source = limner.executor.works[0].source

        assert (await refinement(limner, result, ada)).strength == 0.7
        assert source is not None
        assert Image.open(io.BytesIO(source)).size == (128, 64)


async def test_of_a_picture_and_an_image_only_one_may_be_meant(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        await paint(limner, ada, art)

        text = await answered(ada, art, "<@bot> in oil --image 1", uploads=[upload()])
        assert text == ENGLISH.say("picture.and_image")


async def test_a_reply_to_a_picture_that_came_with_a_mention_refines_it(
    art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        said = await ben.say(art, "<@bot> in oil", uploads=[upload()])
        await until_painted(limner, await answer_to(said))
        result = await spoken(limner, ada, art, "<@bot> in ink", reply_to=said)

        assert (await image(limner, result, ada)).width == 128


async def test_of_a_picture_that_discord_does_not_show_the_menu_is_told(
    art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot():
        said = await ben.say(art, "look", uploads=[upload()])

        assert await answered(ada, art, "<@bot> in oil", reply_to=said) == ENGLISH.say("reply.no_picture")


async def test_a_reply_to_a_message_that_is_gone_is_told_to_have_no_picture(
    art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot():
        said = await ben.say(art, "look", uploads=[upload()])
        said.remove()

        assert await answered(ada, art, "<@bot> in oil", reply_to=said) == ENGLISH.say("picture.none")


async def test_a_reply_to_what_is_still_painted_is_told_to_wait(art: Channel, ada: Person, bot: StartBot) -> None:
    executor = FakeExecutor(ready=False)
    executor.hold(at_step=2)
    async with bot(executor):
        asked = await ada.command(art, "generate", prompt="a cat")
        message = await begun(asked)
        # Not before somebody looks, or the only preview could be missed.
        executor.become_ready()
        await asked.until(lambda _: message.attachments)

        assert await answered(ada, art, "warmer", reply_to=message) == ENGLISH.say("picture.not_yet")


async def test_a_reply_to_what_failed_is_told_that_there_is_nothing(art: Channel, ada: Person, bot: StartBot) -> None:
    executor = FakeExecutor()
    executor.fail_next(JobFailed("painting_failed", "Boom"))
    async with bot(executor) as limner:
        message = await begun(await ada.command(art, "generate", prompt="a cat"))
        await at_rest(limner)

        assert await answered(ada, art, "warmer", reply_to=message) == ENGLISH.say("picture.not_painted")


async def test_a_reply_to_words_of_the_bot_is_told_that_there_is_no_picture(
    art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot():
        words = await answer_to(await ada.say(art, "<@bot>"))

        assert await answered(ada, art, "warmer", reply_to=words) == ENGLISH.say("picture.none")


async def test_a_reply_to_an_image_that_is_gone_is_told_so(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        left = posted(art, message.contents)
        await delete(ada, message)

        assert await answered(ada, art, "warmer", reply_to=left) == UNKNOWN


# Mistakes


async def test_a_mistake_is_told_below_and_rings_for_nobody(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        said = await ada.say(art, "<@bot> a cat --steps many @everyone")
        answer = await answer_to(said)

        assert answer.text == "“\\--steps” takes a whole number, not “many”."
        assert answer.pings == []
        assert limner.executor.works == []


async def test_an_option_that_is_misspelt_is_guessed(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot():
        text = await answered(ada, art, "<@bot> a cat --stpes 4 --cfg 3")

        assert text == (
            "- There is no option “\\--stpes”. Did you mean “\\--steps”?\n"
            "- There is no option “\\--cfg”. Did you mean “\\--guidance”?"
        )


@pytest.mark.parametrize("text", ["<@bot>", "<@bot>  ", "<@bot> --steps 4"])
async def test_without_words_it_is_told_what_to_say(art: Channel, ada: Person, bot: StartBot, text: str) -> None:
    async with bot():
        assert await answered(ada, art, text) == ENGLISH.say("reply.no_words")


async def test_words_that_cannot_ring_stay_so_in_the_answer(
    guild: Guild, art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    role = next(iter(guild.roles.values()))
    async with bot() as limner:
        for words in ("@everyone", "@here", f"<@&{role.id}>", ben.mention):
            result = await spoken(limner, ada, art, f"<@bot> a cat {words}")
            assert result.pings == []
            assert (await answer_to(await ada.say(art, f"<@bot> a cat --size {words}"))).pings == []


async def test_where_the_bot_may_not_post_the_permission_is_named_directly(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot
) -> None:
    art.deny("send_messages", "attach_files")
    async with bot() as limner:
        await ada.say(art, "<@bot> a cat")
        message = await discord.until(lambda: next(iter(discord.dm(ada).messages), None))

        assert message is not None
        permissions = "Send Messages, Attach Files"
        assert message.text == ENGLISH.say("missing_permission.direct", channel=art.mention, permissions=permissions)
        assert limner.executor.works == []


async def test_who_takes_no_direct_messages_is_left_in_peace(art: Channel, ada: Person, bot: StartBot) -> None:
    art.deny("send_messages")
    ada.closes_dms = True
    async with bot() as limner:
        await ada.say(art, "<@bot> a cat")
        await art.fake.until(lambda: art.fake.requests[-1].status == 403)
        art.allow("send_messages")
        result = await spoken(limner, ada, art, "<@bot> a dog")

        assert (await request(limner, result, ada)).prompt == "a dog"
        assert len(limner.executor.works) == 1


async def test_what_is_asked_privately_needs_no_permission(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot
) -> None:
    art.deny("send_messages")
    async with bot() as limner:
        await ada.say(art, "<@bot> a cat --private")
        message = await discord.until(lambda: next(iter(discord.dm(ada).messages), None))
        assert message is not None
        await until_painted(limner, message)
        await ada.say(art, "<@bot> a cat --private --size round")

        assert await discord.until(lambda: "`size`" in discord.dm(ada).messages[-1].text)


async def test_mistakes_are_told_in_the_language_of_the_server(
    guild: Guild, art: Channel, ada: Person, bot: StartBot
) -> None:
    guild.locale = "de"
    async with bot():
        assert await answered(ada, art, "<@bot>") == words_for("de").say("reply.no_words")


# What is not for the bot


async def test_a_reply_that_does_not_ring_is_left_alone(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        first = await answer_to(await ada.say(art, "<@bot>"))
        said = await ada.say(art, "warmer", reply_to=first, ping=False)

        assert said is art.messages[-1]
        await check_left_alone(limner, ada, art)


@pytest.mark.parametrize("text", ["a cat", "@everyone", "@here", "Limner, a cat", "@Limner a cat", "<@&{role}> a cat"])
async def test_what_does_not_mention_the_bot_is_left_alone(
    guild: Guild, art: Channel, ada: Person, bot: StartBot, text: str
) -> None:
    role = next(role.id for role in guild.roles.values() if role.name == "Limner")
    async with bot() as limner:
        await ada.say(art, text.format(role=role))

        await check_left_alone(limner, ada, art)


async def test_another_bot_is_not_listened_to(discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot) -> None:
    other = Person(discord, "Other", is_bot=True)
    async with bot() as limner:
        await other.say(art, "<@bot> a cat")

        await check_left_alone(limner, ada, art)


async def test_a_webhook_is_not_listened_to(discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        said = FakeMessage(
            id=discord.clock.snowflake(),
            channel=art,
            author=ada,
            contents=Contents(f"{discord.bot.mention} a cat"),
            created=discord.clock.now(),
            mentions=[discord.bot],
            webhook_id=discord.clock.snowflake(),
        )
        art.keep(said)

        await check_left_alone(limner, ada, art)


async def test_what_the_bot_says_itself_is_not_listened_to(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        posted(art, Contents(f"{art.fake.bot.mention} a cat"))

        await check_left_alone(limner, ada, art)


async def test_a_message_that_is_edited_is_not_taken_again(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        said = await ada.say(art, "<@bot> a cat")
        await until_painted(limner, await answer_to(said))
        await ada.edit(said, "<@bot> a dog")
        late = await ada.say(art, "a cat")
        await ada.edit(late, "<@bot> a cat")
        await told(await ada.command(art, "limner help"))

        assert len(limner.executor.works) == 1


async def test_a_message_that_comes_twice_is_taken_once(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        said = await ada.say(art, "<@bot> a cat")
        discord.gateway.tell_message("MESSAGE_CREATE", said)
        await until_painted(limner, await answer_to(said))
        await told(await ada.command(art, "limner help"))

        assert len(limner.executor.works) == 1


# Direct messages


async def test_a_direct_message_is_painted_without_a_mention(discord: FakeDiscord, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        result = await spoken(limner, ada, discord.dm(ada), "a cat --steps 4")

        assert (await request(limner, result, ada)).num_inference_steps == 4


async def test_a_reply_in_direct_messages_refines(discord: FakeDiscord, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        first = await spoken(limner, ada, discord.dm(ada), "a cat")
        for ping in (True, False):
            result = await spoken(limner, ada, discord.dm(ada), "warmer", reply_to=first, ping=ping)
            assert (await refinement(limner, result, ada)).image_id == image_ids(first)[0]


async def test_a_picture_in_a_direct_message_is_refined(discord: FakeDiscord, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        result = await spoken(limner, ada, discord.dm(ada), "in oil", uploads=[upload()])
        assert (await image(limner, result, ada)).width == 128
        # The words may come later.
        said = await ada.say(discord.dm(ada), "", uploads=[upload()])
        await answer_to(said)
        later = await spoken(limner, ada, discord.dm(ada), "in ink", reply_to=said)
        assert (await image(limner, later, ada)).width == 128


async def test_a_picture_that_is_forwarded_to_the_bot_is_refined_by_a_reply(
    discord: FakeDiscord, art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        passed_on = await ada.forward(await ben.say(art, "look", uploads=[upload()]), discord.dm(ada))
        assert (await answer_to(passed_on)).text == ENGLISH.say("reply.no_words")
        result = await spoken(limner, ada, discord.dm(ada), "in oil", reply_to=passed_on)

        assert (await image(limner, result, ada)).width == 128


async def test_a_mistake_in_a_direct_message_is_told_below(discord: FakeDiscord, ada: Person, bot: StartBot) -> None:
    async with bot():
        assert await answered(ada, discord.dm(ada), "") == ENGLISH.say("reply.no_words")


async def test_the_buttons_of_a_result_in_direct_messages_work(
    discord: FakeDiscord, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        result = await spoken(limner, ada, discord.dm(ada), "a cat")
        varied = await press(ada, result, "vary")
        await varied.until(lambda _: len(discord.dm(ada).messages) == 3)
        await at_rest(limner)
        last = discord.dm(ada).messages[-1]
        assert last.reply_to is result
        assert await delete(ada, result) == ENGLISH.say("deleted")

        assert result.deleted
        assert buttons(last)
        assert (await job(limner, last, ada)).requester == asker(ada).requester


def posted(channel: Channel, contents: Contents) -> FakeMessage:
    """By the bot."""
    fake = channel.fake
    message = FakeMessage(
        id=fake.clock.snowflake(), channel=channel, author=fake.bot, contents=contents, created=fake.clock.now()
    )
    channel.keep(message)
    return message
