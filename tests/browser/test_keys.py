"""A server that asks for keys."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenPlayground, Playground

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

KEY = "sesame öffne dich"


async def enter(here: Playground, key: str) -> None:
    await here.page.get_by_label("Key", exact=True).fill(key)
    await here.page.get_by_role("button", name="Come in").click()


async def test_a_server_with_keys_asks_for_one_and_then_paints(playground: OpenPlayground) -> None:
    async with playground(keys=(KEY,)) as here:
        await expect(here.page.get_by_role("heading", name="asks for a key")).to_be_visible()
        await enter(here, "a wrong one")
        await expect(here.page.get_by_role("alert")).to_have_text("Limner does not know this key.")
        assert await here.page.evaluate("sessionStorage.length") == 0

        await enter(here, KEY)
        await here.paint("/generate a cat --steps 2")

        await expect(here.pictures.get_by_role("img")).to_have_js_property("naturalWidth", 64)
        await expect(here.page.get_by_label("Key", exact=True)).to_be_hidden()
        await here.page.reload()
        await expect(here.pictures.get_by_role("img")).to_have_js_property("naturalWidth", 64)


async def test_the_key_is_kept_for_the_tab_alone_and_forgotten_on_request(playground: OpenPlayground) -> None:
    async with playground(keys=(KEY,)) as here:
        await enter(here, KEY)
        await expect(here.page.get_by_role("heading", name="What shall I paint?")).to_be_visible()
        stored = "[localStorage.length, document.cookie, sessionStorage.getItem('limner-key')]"
        assert await here.page.evaluate(stored) == [0, "", KEY]

        await here.page.get_by_role("button", name="Forget my key").click()

        await expect(here.page.get_by_role("heading", name="asks for a key")).to_be_visible()
        assert await here.page.evaluate("sessionStorage.length") == 0


async def test_each_key_sees_its_own_pictures(playground: OpenPlayground) -> None:
    async with playground(keys=("one", "two")) as here:
        await enter(here, "one")
        await here.paint("/generate a cat --steps 2")
        await here.page.get_by_role("button", name="Forget my key").click()

        await enter(here, "two")

        await expect(here.page.get_by_role("heading", name="What shall I paint?")).to_be_visible()
        await expect(here.pictures).to_have_count(0)


async def test_behind_the_scenes_asks_for_the_key_too(playground: OpenPlayground) -> None:
    async with playground(keys=(KEY,), path="/admin") as here:
        await expect(here.page.get_by_role("heading", name="Workers")).to_be_hidden()

        await enter(here, KEY)

        await expect(here.page.get_by_role("heading", name="Workers")).to_be_visible()
