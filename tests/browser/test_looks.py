"""Who sees little, hears instead, has a small screen or no mouse can use it too."""

from importlib.resources import files
from typing import Any

import pytest
from playwright.async_api import Page, expect

from bot.errors import JobFailed
from tests.browser.conftest import OpenPlayground, Painter, Playground

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

PHONE = {"width": 360, "height": 720}
Schemes = pytest.mark.parametrize("scheme", ["light", "dark"])


async def findings(page: Page, scheme: str) -> list[str]:
    """What axe-core counts as serious or critical. The dark page differs from the light one in its colours alone."""
    if not await page.evaluate("'axe' in window"):
        await page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
    options = {
        "resultTypes": ["violations"],
        **({"runOnly": ["color-contrast", "link-in-text-block"]} if scheme == "dark" else {}),
    }
    found: dict[str, Any] = await page.evaluate("options => axe.run(options)", options)
    grave = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
    return [f"{one['id']}: {node['html']} {node['failureSummary']}" for one in grave for node in one["nodes"]]


async def converse(here: Playground) -> None:
    """Pictures, a lineage, a failure, a refusal, a wrong list of options, help, what is cancelled and what waits."""
    assert isinstance(here.painter, Painter)
    await here.paint("/generate a cat --steps 2 --images 1")
    await here.paint("/refine in the snow --steps 4")
    here.painter.fail_next(JobFailed("painting_failed", "It came out black."))
    await here.say("/generate a dog --steps 2")
    await expect(here.last).to_contain_text("It came out black.")
    await here.say("/help")
    await here.say("/status")
    await expect(here.last).to_contain_text("Worker fake")
    await here.say("/generate a cat --steps many --quality best")
    await expect(here.last.get_by_role("listitem")).to_have_count(2)
    await here.text.fill("")
    here.painter.hold(at_step=3)
    await here.say("/generate a fox --steps 4")
    await expect(here.last).to_contain_text("Step 2 of 4")
    await here.say("/generate an owl --steps 4")
    await expect(here.last).to_contain_text("Next in line")


@Schemes
async def test_axe_finds_nothing_serious_in_the_chat(playground: OpenPlayground, scheme: str) -> None:
    async with playground(color_scheme=scheme) as here:
        await expect(here.page.locator("#state")).to_have_text("Ready to paint")
        assert await findings(here.page, scheme) == []
        await converse(here)
        assert await findings(here.page, scheme) == []
        await here.pictures.first.get_by_role("button", name="Refine", exact=True).click()
        await here.text.press_sequentially("/")
        await here.pictures.last.get_by_role("button", name="Delete").focus()
        assert await findings(here.page, scheme) == []
        await here.pictures.last.get_by_role("button", name="Delete").click()
        assert await findings(here.page, scheme) == []
        await here.pictures.first.get_by_role("button", name="Recipe").click()
        await expect(here.page.get_by_role("dialog")).to_contain_text("Refined into")
        assert await findings(here.page, scheme) == []


@Schemes
async def test_axe_finds_nothing_serious_behind_the_scenes_and_at_the_door(
    playground: OpenPlayground, scheme: str
) -> None:
    async with playground(keys=("one",), color_scheme=scheme) as here:
        await expect(here.page.get_by_label("Key", exact=True)).to_be_visible()
        assert await findings(here.page, scheme) == []
        await here.page.get_by_label("Key", exact=True).fill("one")
        await here.page.get_by_role("button", name="Come in").click()
        await converse(here)
        await here.load("/admin")
        await expect(here.page.get_by_role("cell", name="It came out black.")).to_be_visible()
        assert await findings(here.page, scheme) == []


async def width(page: Page) -> int:
    return int(await page.evaluate("document.documentElement.scrollWidth"))


@pytest.mark.parametrize("size", [PHONE, {"width": 320, "height": 560}], ids=lambda size: size["width"])
async def test_on_a_phone_nothing_lies_beside_the_screen(playground: OpenPlayground, size: dict[str, int]) -> None:
    async with playground(viewport=size, has_touch=True, is_mobile=True) as here:
        assert await width(here.page) == size["width"]
        await here.paint("/generate " + "wide" * 100 + " --steps 2")
        await converse(here)
        await here.text.fill("/")
        assert await width(here.page) == size["width"]
        await here.pictures.first.get_by_role("button", name="Recipe").click()
        await expect(here.page.get_by_role("dialog")).to_contain_text("Seed")
        assert await width(here.page) == size["width"]
        await here.load("/admin")
        await expect(here.page.get_by_role("cell", name="It came out black.")).to_be_attached()
        assert await width(here.page) == size["width"]


async def test_the_text_stays_where_it_can_be_written_however_long_the_conversation(playground: OpenPlayground) -> None:
    async with playground(viewport=PHONE) as here:
        for _ in range(3):
            await here.paint("/generate a cat --steps 2")

        await expect(here.text).to_be_in_viewport(ratio=1)
        await expect(here.pictures.last.get_by_role("button", name="Refine", exact=True)).to_be_in_viewport(ratio=1)
        await here.page.mouse.wheel(0, -5000)
        await expect(here.page.locator(".said").first).to_be_in_viewport()
        await expect(here.text).to_be_in_viewport(ratio=1)


async def test_a_picture_grows_in_the_place_that_was_kept_for_it(playground: OpenPlayground) -> None:
    painter = Painter(step_seconds=0.1)
    painter.hold(at_step=8)
    async with playground(painter, viewport={"width": 1000, "height": 2000}) as here:
        await here.say("/generate a cat --steps 9")
        sheet = here.last.locator(".canvas")
        waiting = await sheet.bounding_box()
        await expect(here.last.get_by_alt_text("Unfinished: a cat")).to_be_visible()
        assert await sheet.bounding_box() == waiting

        painter.release()

        await expect(here.pictures).to_have_count(1)
        assert await sheet.bounding_box() == waiting


COLOURS = """() => {
    const of = getComputedStyle(document.body);
    const light = text => text.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0) / 3;
    return [light(of.backgroundColor), light(of.color)];
}"""


@pytest.mark.parametrize("path", ["/", "/admin"])
async def test_it_is_light_or_dark_as_one_likes(playground: OpenPlayground, path: str) -> None:
    async with playground(color_scheme="light", path=path) as here:
        background, ink = await here.page.evaluate(COLOURS)
        assert background > 200 > 60 > ink
        await here.page.emulate_media(color_scheme="dark")
        background, ink = await here.page.evaluate(COLOURS)
        assert background < 60 < 200 < ink


MOVING = "document.getAnimations().length"


async def test_nothing_moves_where_motion_is_not_wanted(playground: OpenPlayground) -> None:
    painter = Painter()
    painter.hold(at_step=1)
    async with playground(painter, reduced_motion="no-preference") as here:
        await here.say("/generate a cat --steps 2")
        await expect(here.last.get_by_role("button", name="Cancel")).to_be_visible()
        assert await here.page.evaluate(MOVING) > 0

        await here.page.emulate_media(reduced_motion="reduce")

        assert await here.page.evaluate(MOVING) == 0
        assert await here.page.evaluate("getComputedStyle(document.documentElement).scrollBehavior") == "auto"


async def tab_to(here: Playground, name: str, *, key: str = "Shift+Tab") -> None:
    """Presses Tab until a button of this name has the focus, which is seen."""
    for _ in range(30):
        await here.page.keyboard.press(key)
        focused = here.page.locator(":focus")
        if await focused.evaluate("element => element.textContent || element.ariaLabel || element.title") == name:
            style = await focused.evaluate("element => getComputedStyle(element).outlineStyle")
            assert style == "solid"
            return
    raise AssertionError(f"Tab does not lead to {name}")


async def test_all_of_it_works_by_keyboard_alone(playground: OpenPlayground) -> None:
    async with playground() as here:
        keys = here.page.keyboard
        await expect(here.text).to_be_focused()
        await keys.type("/gen")
        await keys.press("Enter")
        await keys.type("a cat --steps 2")
        await keys.press("Enter")
        await expect(here.pictures).to_have_count(1)
        await tab_to(here, "Refine")
        await keys.press("Enter")
        await expect(here.text).to_be_focused()
        await keys.type("with a hat")
        await keys.press("Enter")
        await expect(here.pictures).to_have_count(2)
        await tab_to(here, "Recipe")
        await keys.press("Enter")
        await expect(here.page.get_by_role("dialog")).to_contain_text("Refined from")
        await keys.press("Escape")
        await tab_to(here, "Delete", key="Tab")
        await keys.press("Enter")
        await keys.press("Shift+Tab")
        await keys.press("Enter")
        await expect(here.last).to_contain_text("This picture was deleted.")
        await expect(here.text).to_be_focused()
        await tab_to(here, "To the message box")
        await keys.press("Enter")
        await expect(here.text).to_be_focused()


async def test_a_cancelled_job_leaves_the_focus_where_one_can_go_on(playground: OpenPlayground) -> None:
    painter = Painter()
    painter.hold(at_step=2)
    async with playground(painter) as here:
        await here.say("/generate a cat --steps 2")
        await expect(here.last).to_contain_text("Step 1 of 2")
        await tab_to(here, "Cancel")
        await here.page.keyboard.press("Enter")

        await expect(here.last.get_by_role("button", name="Paint it after all")).to_be_focused()


async def test_what_happens_is_told_to_who_does_not_see_it_and_not_every_step(playground: OpenPlayground) -> None:
    async with playground() as here:
        log = here.page.get_by_role("log", name="Conversation")
        news = here.page.locator("#news")
        await here.paint("/generate a cat --steps 9")
        await expect(log.locator(".byline")).to_have_attribute("aria-live", "off")
        await expect(news).to_have_text("Your picture is ready: a cat")
        await here.say("/generate a cat --setps 9")
        await expect(news).to_contain_text("Did you mean --steps?")
