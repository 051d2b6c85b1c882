"""Behind the scenes."""

import pytest
from playwright.async_api import expect

from bot.errors import JobFailed
from bot.jobs import ImageRequest
from bot.policy import Asker
from tests.browser.conftest import OpenPlayground, Painter

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


async def test_behind_the_scenes_shows_line_workers_latency_and_failures_as_they_change(
    playground: OpenPlayground,
) -> None:
    painter = Painter()
    painter.fail_next(JobFailed("painting_failed", "It came out black."))
    painter.hold(at_step=3)
    async with playground(painter, path="/admin") as here:
        await expect(here.page.get_by_text("Nobody waits.")).to_be_visible()
        for name, prompt in (("web:local", "secret cats"), ("discord:ada", "secret dogs"), ("discord:ada", "more")):
            request = ImageRequest(prompt=prompt, num_inference_steps=4)
            await here.service.generate(request, Asker(name, "somewhere"))

        line = here.page.locator("#line")
        await expect(line).to_contain_text("painting, step 2 of 4")
        await expect(line).to_contain_text("2 waiting")
        await expect(line).to_contain_text("discord:ada")
        await expect(here.page.locator("#workers")).to_contain_text("busy")
        painter.release()

        await expect(here.page.get_by_role("cell", name="It came out black.")).to_be_visible()
        await expect(here.page.get_by_role("img", name="2 jobs done and 1 failed in the last hour")).to_be_visible()
        await expect(here.page.get_by_role("img", name="Half of the jobs")).to_be_visible()
        await expect(here.page.locator("#workers")).to_contain_text("ready")
        assert "secret" not in await here.page.locator("body").inner_text()


async def test_a_server_that_went_away_is_told_and_what_was_known_stays(playground: OpenPlayground) -> None:
    async with playground(path="/admin") as here:
        await expect(here.page.locator("#state")).to_have_text("Ready to paint")
        await here.page.route("**/activity", lambda route: route.abort())

        await expect(here.page.locator("#state")).to_contain_text("Limner cannot be reached")
        await expect(here.page.get_by_role("heading", name="Workers")).to_be_visible()
        await here.page.unroute("**/activity")
        await expect(here.page.locator("#state")).to_have_text("Ready to paint")


async def test_a_model_that_is_still_loaded_is_told(playground: OpenPlayground) -> None:
    painter = Painter(ready=False)
    async with playground(painter) as here:
        await expect(here.page.locator("#state")).to_contain_text("Loading the model")

        painter.become_ready()

        await expect(here.page.locator("#state")).to_have_text("Ready to paint")
        await here.page.get_by_role("link", name="Behind the scenes").click()
        await expect(here.page.locator("#workers")).to_contain_text("fake")
        await here.page.get_by_role("link", name="To the chat").click()
        await expect(here.text).to_be_visible()
