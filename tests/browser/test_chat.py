"""What is typed, and what comes back."""

import pytest
from playwright.async_api import expect

from bot.errors import JobFailed
from tests.browser.conftest import OpenPlayground, Painter

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def test_words_become_a_picture_and_its_progress_and_preview_are_seen_meanwhile(
    playground: OpenPlayground,
) -> None:
    # Slow enough that somebody looks before it is held.
    painter = Painter(step_seconds=0.1)
    painter.hold(at_step=10)
    async with playground(painter) as here:
        await expect(here.page.get_by_role("heading", name="What shall I paint?")).to_be_visible()
        await here.say("/generate a cat in a hat --steps 12")

        await expect(here.last).to_contain_text("Step 9 of 12")
        bar = here.last.get_by_role("progressbar")
        await expect(bar).to_have_attribute("value", "9")
        await expect(bar).to_have_attribute("max", "12")
        preview = here.last.get_by_alt_text("Unfinished: a cat in a hat")
        await expect(preview).to_have_js_property("naturalWidth", 16)

        painter.release()
        await expect(here.last).to_contain_text("Painted in")
        picture = here.pictures.get_by_alt_text("a cat in a hat", exact=True)
        await expect(picture).to_have_js_property("naturalWidth", 64)
        await expect(here.page.get_by_role("progressbar")).to_have_count(0)
        await expect(here.page.get_by_role("heading", name="What shall I paint?")).to_be_hidden()


async def test_a_picture_that_is_small_is_shown_large(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.paint()

        box = await here.pictures.get_by_role("img").bounding_box()

        assert box is not None
        assert min(box["width"], box["height"]) >= 256


async def test_an_example_is_painted_at_one_press(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.page.get_by_role("button", name="/generate a cat in a hat on a blue background").click()

        await expect(here.pictures.get_by_alt_text("a cat in a hat on a blue background")).to_be_visible()
        await expect(here.text).to_be_focused()


async def test_words_without_a_command_are_painted(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.paint("a lighthouse")

        await expect(here.pictures.get_by_alt_text("a lighthouse")).to_be_visible()


async def test_several_pictures_of_one_job_stand_side_by_side(playground: OpenPlayground) -> None:
    async with playground(viewport={"width": 1200, "height": 900}) as here:
        await here.say("/generate a cat --images 2 --steps 2")
        await expect(here.pictures).to_have_count(2)

        first, second = [await picture.bounding_box() for picture in await here.pictures.all()]

        assert first is not None
        assert second is not None
        assert first["y"] == second["y"]
        assert first["x"] + first["width"] <= second["x"]


async def test_jobs_that_are_sent_at_once_are_painted_and_stay_in_their_order(playground: OpenPlayground) -> None:
    async with playground(Painter(slots=2)) as here:
        for number in range(5):
            await here.say(f"/generate cat number {number} --steps 2")
        await expect(here.pictures).to_have_count(5)

        said = await here.page.locator(".said").all_inner_texts()

        assert said == [f"/generate cat number {number} --steps 2" for number in range(5)]


async def test_a_wrong_option_is_answered_with_what_was_meant_and_the_text_is_there_to_be_mended(
    playground: OpenPlayground,
) -> None:
    async with playground() as here:
        await here.say("/generate a cat --setps 2")

        await expect(here.last).to_contain_text("Did you mean --steps?")
        await expect(here.text).to_have_value("/generate a cat --setps 2")
        await expect(here.text).to_be_focused()
        await here.paint("/generate a cat --steps 2")


async def test_all_mistakes_are_listed_and_the_text_comes_back_though_something_else_was_begun(
    playground: OpenPlayground,
) -> None:
    async with playground() as here:
        await here.say("/generate a cat --steps many --quality best")
        await expect(here.last.get_by_role("listitem")).to_have_count(2)
        await here.text.fill("something else")

        await here.last.get_by_role("button", name="Edit and send again").click()

        await expect(here.text).to_have_value("/generate a cat --steps many --quality best")


async def test_an_unknown_command_is_answered_with_the_one_that_was_meant(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.say("/genrate a cat")

        await expect(here.last).to_contain_text("Did you mean /generate?")


async def test_a_job_that_fails_says_why_and_can_be_tried_again(playground: OpenPlayground) -> None:
    painter = Painter()
    painter.fail_next(JobFailed("painting_failed", "It came out black."))
    async with playground(painter) as here:
        await here.say("/generate a cat --steps 2")
        await expect(here.last).to_contain_text("It came out black.")

        await here.last.get_by_role("button", name="Try again").click()

        await expect(here.pictures).to_have_count(1)
        await expect(here.turns).to_have_count(2)


async def test_status_and_help_are_answered_in_the_chat(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.say("/status")
        await expect(here.last).to_contain_text("Worker fake")
        await here.say("/help")
        await expect(here.last).to_contain_text("/refine")


async def test_what_was_sent_is_recalled_with_up_and_shift_enter_begins_a_new_line(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.say("/help")
        await here.say("/status")
        await expect(here.turns).to_have_count(2)

        await here.text.press("ArrowUp")
        await expect(here.text).to_have_value("/status")
        await here.text.press("ArrowUp")
        await expect(here.text).to_have_value("/help")
        await here.text.press("ArrowDown")
        await here.text.press("ArrowDown")
        await expect(here.text).to_have_value("")
        await here.text.press_sequentially("a cat")
        await here.text.press("Shift+Enter")
        await here.text.press_sequentially("in a hat")
        await expect(here.text).to_have_value("a cat\nin a hat")
        await expect(here.turns).to_have_count(2)


async def test_commands_and_options_are_suggested_while_they_are_typed(playground: OpenPlayground) -> None:
    async with playground() as here:
        options = here.page.get_by_role("option")
        await here.text.press_sequentially("/")
        await expect(options).to_have_count(4)
        await expect(options.first).to_have_attribute("aria-selected", "true")
        await here.text.press("ArrowDown")
        await here.text.press("Enter")
        await expect(here.text).to_have_value("/refine ")
        await here.text.press_sequentially("warmer --st")
        await expect(options).to_have_count(3)
        await here.text.press("Escape")
        await expect(options).to_have_count(0)
        await here.text.press_sequentially("e")
        await here.text.press("Tab")
        await expect(here.text).to_have_value("/refine warmer --steps ")


async def test_a_command_that_is_whole_is_sent_by_one_enter(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.text.press_sequentially("/status")
        await here.text.press("Enter")

        await expect(here.last).to_contain_text("Worker fake")


async def test_nothing_is_sent_where_nothing_is_written(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.say("  \n ")
        await here.page.get_by_role("button", name="Send").click()
        await here.say("/help")

        await expect(here.turns).to_have_count(1)
