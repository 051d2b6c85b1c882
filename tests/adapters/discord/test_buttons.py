"""What the buttons below a result do, whoever presses them, and whenever."""

import asyncio
import uuid
from collections.abc import Callable
from dataclasses import replace

import pytest

from adapters.discord.words import words_for
from bot.errors import JobFailed
from bot.jobs import STRENGTH, Quality
from bot.service import VARIED
from tests.adapters.discord.conftest import StartBot
from tests.adapters.discord.watching import (
    at_rest,
    begun,
    confirmed,
    delete,
    fields,
    image,
    image_ids,
    job,
    paint,
    painted,
    press,
    refinement,
    request,
    spoken,
    told,
    until_painted,
)
from tests.fakes.discord import Channel, FakeDiscord, FakeMessage, Person
from tests.fakes.discord.kinds import Answer
from tests.fakes.discord.messages import Contents
from tests.fakes.executor import FakeExecutor

ENGLISH = words_for("en")
UNKNOWN = ENGLISH.say("refusal.not_found.image")
YEAR = 365 * 24 * 3600.0

GARBAGE = [
    "x",
    "../../etc/passwd",
    "me:me",
    "1/2/3",
    "'; DROP TABLE images; --",
    "\u202e\U0001f408",
    str(uuid.UUID(int=0)),
]

ImageFiles = Callable[[], set[str]]


# Refine


async def test_refine_opens_a_window_in_which_the_prompt_stands(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        asked = await press(ada, await paint(limner, ada, art, "a cat in a hat"), "refine")
        await asked.until(lambda asked: asked.modal)

        assert asked.modal is not None
        assert asked.modal["title"] == "Refine image"
        assert fields(asked) == {"prompt": "a cat in a hat", "strength": "0.5"}


async def test_what_comes_back_from_the_window_is_painted_below_the_image(
    art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art)
        asked = await ada.submit(await press(ben, first, "refine"), {"prompt": "warmer", "strength": "0.3"})
        second = await painted(limner, asked)
        refined = await refinement(limner, second, ada)

        assert (refined.prompt, refined.strength) == ("warmer", 0.3)
        assert refined.image_id == image_ids(first)[0]
        assert second.reply_to is first
        assert second.pings == []
        assert f"refined from `{image_ids(first)[0][:8]}`, strength 0.3" in second.content


async def test_whoever_refines_anothers_image_owns_what_comes_of_it(
    art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        asked = await ben.submit(await press(ben, await paint(limner, ada, art), "refine"))
        second = await painted(limner, asked)

        assert (await image(limner, second, ben)).requester == f"discord:{ben.id}"
        assert f"for {ben.mention}" in second.content


@pytest.mark.parametrize(
    ("typed", "meant"), [("", STRENGTH), ("  ", STRENGTH), ("0,4", 0.4), ("1", 1.0), (".25", 0.25)]
)
async def test_a_strength_may_be_written_as(art: Channel, ada: Person, bot: StartBot, typed: str, meant: float) -> None:
    async with bot() as limner:
        asked = await ada.submit(await press(ada, await paint(limner, ada, art), "refine"), {"strength": typed})

        assert (await refinement(limner, await painted(limner, asked), ada)).strength == meant


@pytest.mark.parametrize("typed", ["lots", "0", "1.5", "-1", "nan", "50%", "0.5 0.6", "--steps", "0.5 --no"])
async def test_a_strength_that_is_none_is_told_privately(art: Channel, ada: Person, bot: StartBot, typed: str) -> None:
    async with bot() as limner:
        asked = await ada.submit(await press(ada, await paint(limner, ada, art), "refine"), {"strength": typed})

        assert await told(asked) == "`strength` is a number above 0 and up to 1; 0.5 is usual."
        assert len(limner.executor.works) == 1


async def test_a_window_sent_back_without_words_is_told_privately(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        asked = await ada.submit(await press(ada, await paint(limner, ada, art), "refine"), {"prompt": " \n "})

        assert await told(asked) == "The prompt is empty. Say what to paint, for example: a cat in a hat"


async def test_refining_keeps_what_was_to_be_left_out(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art, negative_prompt="text, dogs")
        second = await painted(limner, await ada.submit(await press(ada, first, "refine"), {"prompt": "warmer"}))

        assert (await refinement(limner, second, ada)).negative_prompt == "text, dogs"


async def test_a_refined_image_is_refined_again(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        for prompt in ("warmer", "colder"):
            before = image_ids(message)[0]
            message = await painted(limner, await ada.submit(await press(ada, message, "refine"), {"prompt": prompt}))
            assert (await image(limner, message, ada)).parent_id == before


async def test_an_image_that_was_deleted_while_its_window_was_open_is_told_to_be_gone(
    art: Channel, ada: Person, mo: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        window = await press(ada, message, "refine")
        await window.until(lambda window: window.modal)
        await delete(mo, message)

        assert await told(await ada.submit(window)) == UNKNOWN


# Vary and Again


async def test_vary_paints_something_alike(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art, "a cat", negative_prompt="dogs")
        second = await painted(limner, await press(ada, first, "vary"))
        varied = await refinement(limner, second, ada)

        assert (varied.prompt, varied.negative_prompt, varied.strength) == ("a cat", "dogs", VARIED)
        assert varied.image_id == image_ids(first)[0]
        assert second.reply_to is first


async def test_again_asks_for_the_same_with_a_new_seed(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        first = await paint(
            limner,
            ada,
            art,
            negative_prompt="dogs",
            size="128x64",
            quality="draft",
            steps=7,
            guidance=3,
            seed="1",
            images=2,
        )
        second = await painted(limner, await press(ada, first, "again"))
        before, after = await request(limner, first, ada), await request(limner, second, ada)

        assert after == replace(before, seed=after.seed)
        assert (before.quality, before.width, before.num_images) == (Quality.DRAFT, 128, 2)
        assert after.seed != 1
        assert second.reply_to is first


async def test_again_of_a_refinement_refines_the_same_image_again(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art)
        values = {"prompt": "warmer", "strength": "0.7"}
        second = await painted(limner, await ada.submit(await press(ada, first, "refine"), values))
        third = await painted(limner, await press(ada, second, "again"))
        before, after = await refinement(limner, second, ada), await refinement(limner, third, ada)

        assert after == replace(before, seed=after.seed)
        assert after.seed != before.seed
        assert after.image_id == image_ids(first)[0]
        assert third.reply_to is second


# Recipe


async def test_the_recipe_is_told_privately_and_whole(art: Channel, ada: Person, ben: Person, bot: StartBot) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art, "a *cat*", negative_prompt="dogs", seed="5", steps=9, guidance=4)
        text = await told(await press(ben, message, "recipe"))

        facts = [r"a \*cat\*", "dogs", "Seed: 5", "64 \u00d7 64", "Steps: 9", "guidance: 4", "`euler`", "`fake`"]
        assert [fact for fact in facts if fact not in text] == []
        assert image_ids(message)[0] in text


async def test_the_recipe_of_a_set_tells_seeds_and_ids(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art, seed="5", images=3)
        text = await told(await press(ada, message, "recipe"))

        lines = [f"Image {n}: seed {n + 4}, ID `{image_id}`" for n, image_id in enumerate(image_ids(message), start=1)]
        assert [line for line in text.splitlines() if "eed" in line] == lines


async def test_the_recipe_of_a_refinement_names_its_parent(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art)
        second = await painted(limner, await press(ada, first, "vary"))

        text = await told(await press(ada, second, "recipe"))
        assert f"Refined from: `{image_ids(first)[0]}`, strength 0.6" in text


# Cancel


async def test_whoever_asked_cancels_what_waits(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot(FakeExecutor(ready=False)) as limner:
        message = await begun(await ada.command(art, "generate", prompt="a cat"))
        asked = await press(ada, message, "cancel")
        await asked.until(lambda _: "Cancelled." in message.content)
        await at_rest(limner)

        assert asked.callback_type is Answer.DEFERRED_UPDATE
        assert asked.followups == []
        assert message.labels == ["Try again"]
        assert limner.executor.works == []


async def test_whoever_asked_cancels_what_is_painted(
    art: Channel, ada: Person, bot: StartBot, image_files: ImageFiles
) -> None:
    executor = FakeExecutor()
    executor.hold(at_step=2)
    async with bot(executor) as limner:
        asked = await ada.command(art, "generate", prompt="a cat")
        message = await begun(asked)
        await asked.until(lambda _: "Step 1 of" in message.content)
        await press(ada, message, "cancel")
        await asked.until(lambda _: "Cancelled." in message.content)
        await at_rest(limner)

        assert message.attachments == []
    assert image_files() == set()


async def test_a_moderator_cancels(art: Channel, ada: Person, mo: Person, bot: StartBot) -> None:
    async with bot(FakeExecutor(ready=False)):
        message = await begun(await ada.command(art, "generate", prompt="a cat"))
        asked = await press(mo, message, "cancel")
        await asked.until(lambda _: "Cancelled." in message.content)


async def test_a_stranger_is_told_privately_that_they_may_not_cancel(
    art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor) as limner:
        message = await begun(await ada.command(art, "generate", prompt="a cat"))

        assert await told(await press(ben, message, "cancel")) == ENGLISH.say("refusal.forbidden")
        executor.become_ready()
        await until_painted(limner, message)


async def test_of_two_who_cancel_at_once_one_is_told_that_it_was_cancelled(
    art: Channel, ada: Person, mo: Person, bot: StartBot
) -> None:
    async with bot(FakeExecutor(ready=False)) as limner:
        message = await begun(await ada.command(art, "generate", prompt="a cat"))
        asked = await asyncio.gather(press(ada, message, "cancel"), press(mo, message, "cancel"))
        late = await message.channel.fake.until(lambda: next((one for one in asked if one.followups), None))

        assert late is not None
        assert await told(late) == "This was cancelled already."
        await at_rest(limner)
        assert "Cancelled." in message.content


async def test_a_cancel_that_comes_after_the_end_is_told_so(art: Channel, ada: Person, bot: StartBot) -> None:
    executor = FakeExecutor()
    executor.hold()
    async with bot(executor) as limner:
        message = await begun(await ada.command(art, "generate", prompt="a cat"))
        as_it_was = message.contents
        executor.release()
        await until_painted(limner, message)
        # Their screen is not fresh any more.
        stale = shown_by_the_bot(art, as_it_was)

        assert (
            await told(await press(ada, stale, "cancel")) == "This is painted already; there is nothing left to cancel."
        )


# Delete


async def test_delete_asks_first_and_no_keeps_the_image(
    art: Channel, ada: Person, bot: StartBot, image_files: ImageFiles
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        asked = await press(ada, message, "delete")
        assert await told(asked) == ENGLISH.say("confirm.delete")
        question = asked.original
        assert question is not None
        assert question.labels == ["Delete for good", "Keep it"]
        await ada.click(question, "Keep it")
        await asked.until(lambda _: question.text == "Nothing was erased.")

        assert question.labels == []
        assert not message.deleted
        assert len(image_files()) == 1


@pytest.mark.parametrize("who", ["ada", "mo"])
async def test_an_image_that_is_deleted_takes_its_message_along(
    art: Channel, ada: Person, mo: Person, bot: StartBot, image_files: ImageFiles, who: str
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        image_id = image_ids(message)[0]
        text = await delete({"ada": ada, "mo": mo}[who], message)

        assert text == ENGLISH.say("deleted")
        assert message.deleted
        assert await told(await ada.command(art, "refine", prompt="warmer", image=image_id)) == UNKNOWN
    assert image_files() == set()


async def test_a_stranger_is_not_even_asked_whether_to_delete(
    art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        asked = await press(ben, message, "delete")

        assert await told(asked) == ENGLISH.say("refusal.forbidden")
        assert asked.original is not None
        assert asked.original.labels == []


async def test_who_is_no_moderator_any_more_when_they_say_yes_deletes_nothing(
    art: Channel, ada: Person, mo: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        asked = await press(mo, message, "delete")
        await told(asked)
        assert art.guild is not None
        assert asked.original is not None
        art.guild.members[mo.id].clear()

        assert await confirmed(mo, asked.original) == ENGLISH.say("refusal.forbidden")
        assert not message.deleted


async def test_of_a_set_only_the_picture_that_is_deleted_goes(
    art: Channel, ada: Person, bot: StartBot, image_files: ImageFiles
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art, images=3)
        first, second, third = image_ids(message)
        asked = await press(ada, message, "delete", 2)
        assert await told(asked) == "Delete image 2 of this message for good? Nobody can bring it back."
        assert asked.original is not None
        await confirmed(ada, asked.original)

        assert not message.deleted
        assert [attachment.filename for attachment in message.attachments] == [f"{first}.png", f"{third}.png"]
        labels = ["Refine 1", "Refine 3", "Vary 1", "Vary 3", "Delete 1", "Delete 3", "Again", "Recipe", "Report"]
        assert message.labels == labels
        assert second not in str(message.custom_ids)
        assert len(image_files()) == 2
        assert await limner.service.shown_by("discord", str(art.id), str(message.id)) == [first, third]


async def test_the_buttons_of_a_set_work_when_its_first_picture_is_gone(
    art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art, images=2, seed="5")
        last = image_ids(message)[1]
        await delete(ada, message)
        assert "Seed: 6" in await told(await press(ada, message, "recipe"))
        again = await painted(limner, await press(ada, message, "again"))
        assert len(image_ids(again)) == 2
        refined = await painted(limner, await ada.submit(await press(ada, message, "refine")))

        assert (await refinement(limner, refined, ada)).image_id == last


async def test_a_set_of_which_all_pictures_are_deleted_is_gone(
    art: Channel, ada: Person, bot: StartBot, image_files: ImageFiles
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art, images=2)
        await delete(ada, message)
        await delete(ada, message)

        assert message.deleted
    assert image_files() == set()


async def test_what_was_refined_from_an_image_lives_on_without_it(
    art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        first = await paint(limner, ada, art)
        second = await painted(limner, await ben.submit(await press(ben, first, "refine")))
        await delete(ada, first)

        assert not second.deleted
        assert "Refined from" in await told(await press(ben, second, "recipe"))
        assert await told(await press(ben, second, "again")) == ENGLISH.say("refusal.not_found.parent")
        third = await painted(limner, await ben.submit(await press(ben, second, "refine")))
        assert (await image(limner, third, ben)).parent_id == image_ids(second)[0]


async def test_a_message_that_a_moderator_took_away_before_is_no_obstacle(
    art: Channel, ada: Person, bot: StartBot, image_files: ImageFiles
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        asked = await press(ada, message, "delete")
        await told(asked)
        message.remove()
        assert asked.original is not None

        assert await confirmed(ada, asked.original) == ENGLISH.say("deleted")
    assert image_files() == set()


async def test_a_message_that_cannot_be_changed_any_more_is_told_to_stay(
    art: Channel, ada: Person, bot: StartBot, image_files: ImageFiles
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art, images=2)
        asked = await press(ada, message, "delete")
        await told(asked)
        art.deny("read_message_history")
        assert asked.original is not None

        assert await confirmed(ada, asked.original) == ENGLISH.say("deleted.not_taken_down")
        assert len(message.attachments) == 2
    assert len(image_files()) == 1


async def test_who_deletes_twice_is_told_that_it_is_gone(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        asked = [await press(ada, message, "delete") for _ in range(2)]
        for one in asked:
            await told(one)
        questions = [one.original for one in asked]
        assert questions[0] is not None
        assert questions[1] is not None
        await confirmed(ada, questions[0])

        assert await confirmed(ada, questions[1]) == UNKNOWN


# Sets


@pytest.mark.parametrize("images", [2, 3, 4])
async def test_each_image_of_a_set_has_buttons_of_its_own(
    art: Channel, ada: Person, bot: StartBot, images: int
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art, images=images)
        ids = image_ids(message)

        assert [attachment.filename for attachment in message.attachments] == [f"{image_id}.png" for image_id in ids]
        rows = [[part["custom_id"] for part in row["components"]] for row in message.components]
        assert len(rows) == 4
        for row, action in zip(rows, ("refine", "vary", "delete"), strict=False):
            assert row == [f"limner:{action}:{image_id}" for image_id in ids]
        assert rows[3] == [f"limner:{action}:{ids[0]}" for action in ("again", "recipe", "report")]


async def test_the_second_image_of_a_set_is_refined_and_varied(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art, images=2)
        varied = await painted(limner, await press(ada, message, "vary", 2))
        refined = await painted(limner, await ada.submit(await press(ada, message, "refine", 2)))

        for child in (varied, refined):
            assert (await image(limner, child, ada)).parent_id == image_ids(message)[1]


# Whenever they are pressed


async def test_buttons_work_after_months_and_restarts(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art, images=2)
    discord.clock.advance(YEAR)
    async with bot() as limner:
        refined = await painted(limner, await ada.submit(await press(ada, message, "refine", 2), {"prompt": "warmer"}))
        assert refined.reply_to is message
        for action in ("vary", "again"):
            await painted(limner, await press(ada, message, action))
        assert "**Recipe**" in await told(await press(ada, message, "recipe"))
        await delete(ada, message)

        assert len(message.attachments) == 1


async def test_a_window_that_is_open_across_a_restart_works(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        window = await press(ada, await paint(limner, ada, art), "refine")
        await window.until(lambda window: window.modal)
    async with bot() as limner:
        await painted(limner, await ada.submit(window, {"prompt": "warmer"}))


async def test_a_question_that_is_open_across_a_restart_works(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        asked = await press(ada, message, "delete")
        await told(asked)
    async with bot():
        assert asked.original is not None
        await confirmed(ada, asked.original)

        assert message.deleted


@pytest.mark.parametrize("action", ["refine", "vary", "again", "recipe", "delete"])
async def test_a_button_of_an_image_that_is_gone_says_so(art: Channel, ada: Person, bot: StartBot, action: str) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art)
        before = message.contents
        await delete(ada, message)
        # It could not be taken down.
        left = shown_by_the_bot(art, before)

        assert await told(await press(ada, left, action)) == UNKNOWN
        assert len(limner.executor.works) == 1


# What is not meant to be


@pytest.mark.parametrize(
    "action",
    ["refine", "vary", "again", "retry", "recipe", "cancel", "delete", "confirm_delete", "confirm_purge"],
)
async def test_garbage_for_a_subject_is_answered_and_does_nothing(
    art: Channel, ada: Person, bot: StartBot, action: str
) -> None:
    refusals = {
        UNKNOWN,
        ENGLISH.say("refusal.not_found.job"),
        ENGLISH.say("refusal.forbidden"),
        ENGLISH.say("unknown_button"),
    }
    async with bot() as limner:
        message = await paint(limner, ada, art)
        for subject in GARBAGE:
            assert await told(await ada.click(planted(art, f"limner:{action}:{subject}"), "Press")) in refusals

        assert await image(limner, message, ada)
        assert len(limner.executor.works) == 1


@pytest.mark.parametrize("custom_id", ["limner:upscale:1", "limner:refine", "limner:refine:", "paint_1"])
async def test_a_button_that_nobody_knows_is_answered(art: Channel, ada: Person, bot: StartBot, custom_id: str) -> None:
    async with bot():
        assert await told(await ada.click(planted(art, custom_id), "Press")) == ENGLISH.say("unknown_button")


async def test_a_press_that_comes_twice_is_taken_once(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot
) -> None:
    async with bot() as limner:
        asked = await press(ada, await paint(limner, ada, art), "vary")
        await discord.repeat(asked)
        await painted(limner, asked)

        assert len(limner.executor.works) == 2


# Private ones


async def test_what_is_asked_of_a_private_result_stays_private(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        private = await paint(limner, ada, art, private=True)
        results = [await painted(limner, await press(ada, private, action)) for action in ("vary", "again")]
        results.append(await painted(limner, await ada.submit(await press(ada, private, "refine"))))

        for message in [private, *results]:
            assert message.ephemeral
            assert (await image(limner, message, ada)).audience == ""
        assert art.messages == []


async def test_a_private_job_is_cancelled_and_tried_again_in_private(art: Channel, ada: Person, bot: StartBot) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor) as limner:
        message = await begun(await ada.command(art, "generate", prompt="a cat", private=True))
        asked = await press(ada, message, "cancel")
        await asked.until(lambda _: "Cancelled." in message.content)
        await at_rest(limner)
        executor.become_ready()
        result = await painted(limner, await press(ada, message, "retry"))

        assert result.ephemeral
        assert art.messages == []


async def test_of_a_private_result_it_is_told_who_must_take_it_away(
    art: Channel, ada: Person, bot: StartBot, image_files: ImageFiles
) -> None:
    async with bot() as limner:
        message = await paint(limner, ada, art, private=True)

        assert await delete(ada, message) == ENGLISH.say("deleted.not_taken_down")
    assert image_files() == set()


# In which language


async def test_who_presses_is_answered_in_their_language(
    discord: FakeDiscord, art: Channel, ada: Person, bot: StartBot
) -> None:
    dora, german = discord.person("Dora", locale="de"), words_for("de")
    async with bot() as limner:
        message = await paint(limner, ada, art)
        window = await press(dora, message, "refine")
        await window.until(lambda window: window.modal)
        assert window.modal is not None
        assert window.modal["title"] == german.say("modal.title")
        assert fields(window)["strength"] == "0,5"
        result = await painted(limner, await press(dora, message, "vary"))
        assert german.say("button.delete") in result.labels
        assert await told(await press(dora, message, "delete")) == german.say("refusal.forbidden")
        assert "**Rezept**" in await told(await press(dora, message, "recipe"))

        assert "Delete" in message.labels


# After a failure


async def test_what_failed_is_tried_again_with_a_new_seed(art: Channel, ada: Person, bot: StartBot) -> None:
    executor = FakeExecutor()
    executor.fail_next(JobFailed("out_of_memory", "CUDA out of memory"))
    async with bot(executor) as limner:
        asked = await ada.command(art, "generate", prompt="a cat", negative_prompt="dogs", steps=5, seed="1", images=2)
        failed = await begun(asked)
        await asked.until(lambda _: failed.labels == ["Try again"])
        await at_rest(limner)
        result = await painted(limner, await press(ada, failed, "retry"))
        first, second = (work.request for work in executor.works)

        assert second == replace(first, seed=second.seed)
        assert second.seed != 1
        assert result.reply_to is failed
        assert (await job(limner, result, ada)).request == second


async def test_a_refinement_that_failed_is_tried_again(art: Channel, ada: Person, bot: StartBot) -> None:
    executor = FakeExecutor()
    async with bot(executor) as limner:
        first = await paint(limner, ada, art)
        executor.fail_next(JobFailed("painting_failed", "Boom"))
        asked = await ada.submit(await press(ada, first, "refine"), {"prompt": "warmer", "strength": "0.8"})
        failed = await begun(asked)
        await asked.until(lambda _: failed.labels == ["Try again"])
        await at_rest(limner)
        result = await painted(limner, await press(ada, failed, "retry"))
        again = await refinement(limner, result, ada)

        assert (again.prompt, again.strength, again.image_id) == ("warmer", 0.8, image_ids(first)[0])


async def test_what_was_cancelled_is_tried_again_by_another(
    art: Channel, ada: Person, ben: Person, bot: StartBot
) -> None:
    executor = FakeExecutor(ready=False)
    async with bot(executor) as limner:
        message = await begun(await ada.command(art, "generate", prompt="a cat"))
        asked = await press(ada, message, "cancel")
        await asked.until(lambda _: message.labels == ["Try again"])
        await at_rest(limner)
        executor.become_ready()
        result = await painted(limner, await press(ben, message, "retry"))

        assert (await image(limner, result, ben)).requester == f"discord:{ben.id}"


async def test_a_mention_below_a_result_is_replied_to_like_a_press(art: Channel, ada: Person, bot: StartBot) -> None:
    async with bot() as limner:
        message = await spoken(limner, ada, art, "<@bot> a cat")
        result = await painted(limner, await press(ada, message, "vary"))

        assert result.reply_to is message


def planted(channel: Channel, *custom_ids: str) -> FakeMessage:
    """A message of the bot with such buttons: an old one, or one that should not be there."""
    row = {
        "type": 1,
        "components": [
            {"type": 2, "style": 2, "label": "Press" + str(number or ""), "custom_id": custom_id}
            for number, custom_id in enumerate(custom_ids)
        ],
    }
    return shown_by_the_bot(channel, Contents("Something", components=[row]))


def shown_by_the_bot(channel: Channel, contents: Contents) -> FakeMessage:
    fake = channel.fake
    message = FakeMessage(
        id=fake.clock.snowflake(), channel=channel, author=fake.bot, contents=contents, created=fake.clock.now()
    )
    channel.keep(message)
    return message
