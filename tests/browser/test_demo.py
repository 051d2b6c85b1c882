"""As a newcomer starts it: `limner serve` with the demo model, and a browser."""

import pytest
from playwright.async_api import Browser, expect

from tests.scenarios.conftest import PATIENCE, Serve, data_dir, serve

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

__all__ = ["data_dir", "serve"]


async def test_the_demo_model_paints_what_is_asked_for_in_the_page_and_refines_it(
    serve: Serve, browser: Browser
) -> None:
    server = serve()
    async with await browser.new_context() as visit:
        page = await visit.new_page()
        await page.goto(str(server.http.base_url))
        await expect(page.get_by_text("This is the demo model")).to_be_visible(timeout=PATIENCE * 1000)
        text = page.get_by_label("Message to Limner")
        await text.fill("/generate a cat in a hat --steps 6")
        await text.press("Enter")
        pictures = page.locator("figure.picture[id]")
        await expect(pictures).to_have_count(1, timeout=PATIENCE * 1000)
        await expect(page.get_by_text("This is the demo model")).to_be_hidden()
        await pictures.get_by_role("button", name="Refine", exact=True).click()
        await text.fill("in the snow --steps 6")
        await text.press("Enter")
        await expect(pictures).to_have_count(2, timeout=PATIENCE * 1000)
        await expect(page.locator(".quote a")).to_have_count(1)

        for prompt in ("a cat in a hat", "in the snow"):
            img = pictures.locator(".canvas").get_by_alt_text(prompt, exact=True)
            await expect(img).to_have_js_property("complete", True)
            assert await img.evaluate("img => img.naturalWidth") >= 128
