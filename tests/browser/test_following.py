"""Jobs go on whoever looks: the queue, cancelling, reloading, lost connections, several tabs."""

import json
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import OpenPlayground, Painter, Playground

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]


@pytest.fixture
def held() -> Painter:
    """Stops before the third step until it is released."""
    painter = Painter()
    painter.hold(at_step=3)
    return painter


async def begun(here: Playground, text: str = "/generate a cat --steps 4") -> None:
    await here.say(text)
    await expect(here.last).to_contain_text("Step 2 of 4")


async def test_who_waits_sees_the_place_in_line(playground: OpenPlayground, held: Painter) -> None:
    async with playground(held) as here:
        await begun(here)
        await here.say("/generate a dog --steps 4")
        await expect(here.last).to_contain_text("Next in line")
        await here.say("/generate a fox --steps 4")
        await expect(here.last).to_contain_text("2nd in line")

        held.release()

        await expect(here.pictures).to_have_count(3)


async def test_a_job_is_cancelled_while_it_is_painted_and_while_it_waits(
    playground: OpenPlayground, held: Painter
) -> None:
    async with playground(held) as here:
        await begun(here)
        await here.say("/generate a dog --steps 4")
        await expect(here.last).to_contain_text("Next in line")

        await here.last.get_by_role("button", name="Cancel").click()
        await expect(here.last).to_contain_text("Cancelled")
        await here.turns.first.get_by_role("button", name="Cancel").click()
        await expect(here.turns.first).to_contain_text("Cancelled")

        statuses = [job["status"] for job in (await history(here))["jobs"]]
        assert statuses == ["cancelled", "cancelled"]
        held.release()
        await here.turns.first.get_by_role("button", name="Paint it after all").click()
        await expect(here.pictures).to_have_count(1)


async def history(here: Playground) -> Any:
    return await (await here.page.request.get(f"{here.url}/history")).json()


async def test_a_reload_shows_the_history_and_follows_what_still_runs(
    playground: OpenPlayground, held: Painter
) -> None:
    async with playground(held) as here:
        await begun(here)
        await here.say("/generate a dog --steps 4")
        await expect(here.last).to_contain_text("Next in line")

        await here.page.reload()

        await expect(here.page.locator(".said")).to_have_text(["/generate a cat", "/generate a dog"])
        await expect(here.turns.first).to_contain_text("Step 2 of 4")
        await expect(here.last).to_contain_text("Next in line")
        held.release()
        await expect(here.pictures).to_have_count(2)
        await here.page.reload()
        await expect(here.pictures).to_have_count(2)
        await expect(here.pictures.last.get_by_role("img")).to_have_js_property("naturalWidth", 64)
        await expect(here.page.get_by_role("heading", name="What shall I paint?")).to_be_hidden()


async def test_lineage_survives_a_reload_and_an_address_leads_to_its_picture(playground: OpenPlayground) -> None:
    async with playground() as here:
        parent = await (await here.paint("/generate a cat --steps 2")).get_attribute("id")
        child = await (await here.paint("/refine snow --steps 4")).get_attribute("id")

        await here.load(f"/#{parent}")
        await here.page.reload()

        await expect(here.page.locator(f"#{parent} .children a")).to_have_attribute("href", f"#{child}")
        await expect(here.last.locator(".quote a")).to_have_attribute("href", f"#{parent}")
        await expect(here.page.locator(f"#{parent}")).to_be_in_viewport()


async def test_older_pictures_are_shown_on_demand_and_in_their_order(playground: OpenPlayground) -> None:
    async with playground(Painter(slots=4)) as here:
        for number in range(23):
            response = await here.page.request.post(
                f"{here.url}/jobs", data={"prompt": f"cat {number}", "num_inference_steps": 1}
            )
            assert response.status == 202
        await here.page.reload()
        await expect(here.pictures).to_have_count(20)
        await expect(here.page.locator(".said").first).to_have_text("/generate cat 3")
        third = here.page.locator(".said").get_by_text("/generate cat 3", exact=True)
        await here.page.evaluate("scrollTo({ top: 0, behavior: 'instant' })")
        before = await third.bounding_box()

        await here.page.get_by_role("button", name="Show older pictures").click()

        await expect(here.pictures).to_have_count(23)
        after = await third.bounding_box()
        assert before is not None
        assert after is not None
        assert abs(before["y"] - after["y"]) < 40, "what was looked at stays where it was"
        said = await here.page.locator(".said").all_inner_texts()
        assert said == [f"/generate cat {number}" for number in range(23)]
        await expect(here.page.get_by_role("button", name="Show older pictures")).to_be_hidden()


async def test_a_parent_that_is_not_on_the_page_is_shown_in_the_dialog(playground: OpenPlayground) -> None:
    async with playground(Painter(slots=4)) as here:
        first = str(await (await here.paint("/generate the first --steps 1")).get_attribute("id"))
        for number in range(20):
            body = {"prompt": f"cat {number}", "num_inference_steps": 2}
            assert (await here.page.request.post(f"{here.url}/jobs", data=body)).status == 202
        body = {"prompt": "snow", "id": first.removeprefix("image-"), "num_inference_steps": 4}
        assert (await here.page.request.post(f"{here.url}/jobs", data=body)).status == 202
        await here.page.reload()
        await expect(here.pictures).to_have_count(20)

        await here.last.locator(".quote a").click()

        await expect(here.page.get_by_role("dialog")).to_contain_text("the first")


async def abort(route: Route) -> None:
    await route.abort("connectionreset")


async def end_in_the_middle(route: Route) -> None:
    step = json.dumps({"image": 1, "images": 1, "step": 1, "steps": 4})
    await route.fulfill(content_type="text/event-stream", body=f"event: progress\ndata: {step}\n\nevent: prog")


async def restart(route: Route) -> None:
    await route.fulfill(content_type="text/event-stream", body="event: restarting\ndata: {}\n\n")


@pytest.mark.parametrize("loss", [abort, end_in_the_middle, restart])
async def test_a_lost_connection_is_taken_up_again(playground: OpenPlayground, held: Painter, loss: Any) -> None:
    async with playground(held) as here:
        await here.page.route("**/events*", loss, times=2)
        await here.say("/generate a cat --steps 4")
        await expect(here.last).to_contain_text("connection was lost")

        await expect(here.last).to_contain_text("Step 2 of 4")
        held.release()
        await expect(here.pictures).to_have_count(1)


async def test_a_job_that_ends_while_the_connection_is_lost_is_shown(playground: OpenPlayground, held: Painter) -> None:
    async with playground(held) as here:
        await here.page.route("**/events*", abort)
        await here.say("/generate a cat --steps 4")
        await expect(here.last).to_contain_text("connection was lost")

        held.release()

        await expect(here.pictures).to_have_count(1)


async def test_a_server_that_cannot_be_reached_is_told_and_the_text_is_kept(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.page.route("**/chat", abort, times=1)
        await here.say("/generate a cat --steps 2")
        await expect(here.last).to_contain_text("Limner cannot be reached")
        await expect(here.text).to_have_value("/generate a cat --steps 2")

        await here.text.press("Enter")

        await expect(here.pictures).to_have_count(1)


async def test_more_jobs_in_more_tabs_than_a_browser_has_connections_hold_nobody_up(
    playground: OpenPlayground,
) -> None:
    painter = Painter(slots=12)
    painter.hold(at_step=2)
    async with playground(painter) as here:
        for number in range(4):
            await here.say(f"/generate cat {number} --steps 2")
        await expect(here.page.get_by_role("button", name="Cancel")).to_have_count(4)
        other = await another_tab(here)
        for number in range(4):
            await other.say(f"/generate dog {number} --steps 2")
        await expect(other.page.get_by_role("button", name="Cancel")).to_have_count(8)

        await other.say("/status")
        await expect(other.last).to_contain_text("Worker fake")

        painter.release()
        await expect(here.pictures).to_have_count(4)
        await expect(other.pictures).to_have_count(8)


async def test_what_another_tab_asked_for_is_there_when_one_comes_back(playground: OpenPlayground) -> None:
    async with playground() as here:
        other = await another_tab(here)
        await here.paint("/generate a cat --steps 2")

        await come_back(other.page)

        await expect(other.pictures).to_have_count(1)


async def another_tab(here: Playground) -> Playground:
    page = await here.page.context.new_page()
    tab = Playground(page, here.url, here.service, here.painter, here.alarms)
    tab.watch()
    await tab.load()
    return tab


async def come_back(page: Page) -> None:
    """Chromium without a screen hides no tab."""
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
