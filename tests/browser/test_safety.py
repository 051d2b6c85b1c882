"""What people type, name or link to is shown and never run; nothing is asked of anybody else."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.async_api import FilePayload, expect

from tests.browser.conftest import OpenPlayground, Playground
from tests.browser.test_refining import hand_in

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

ATTACKS = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    '"><svg/onload=alert(1)>',
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "</textarea><iframe srcdoc='<script>parent.alert(1)</script>'>",
    "{{constructor.constructor('alert(1)')()}} ${alert(1)} \u202e\u2028",
]


def no_dialogs(here: Playground) -> None:
    async def opened(dialog: Any) -> None:
        here.alarms.append(f"dialog: {dialog.message}")
        await dialog.dismiss()

    here.page.on("dialog", opened)


async def elements(here: Playground) -> int:
    """Of kinds that the page has not of itself."""
    return await here.page.locator("#log script, #log iframe, #log svg, #log img[src='x'], dialog script").count()


async def test_a_prompt_is_shown_as_it_was_written_and_never_run(playground: OpenPlayground) -> None:
    async with playground() as here:
        no_dialogs(here)
        for number, attack in enumerate(ATTACKS, start=1):
            await here.say(f"/generate {attack}")
            await expect(here.pictures).to_have_count(number)
        await here.page.reload()
        await expect(here.pictures).to_have_count(len(ATTACKS))

        said = await here.page.locator(".said").all_text_contents()

        assert [text.removeprefix("/generate ").split() for text in said] == [attack.split() for attack in ATTACKS]
        assert await elements(here) == 0
        await here.pictures.first.get_by_role("button", name="Recipe").click()
        await expect(here.page.get_by_role("dialog")).to_contain_text(ATTACKS[0])
        await here.page.keyboard.press("Escape")
        await here.pictures.first.get_by_role("button", name="Refine", exact=True).click()
        await expect(here.page.locator("#reply")).to_contain_text(ATTACKS[0])
        assert await here.page.locator("#reply q *").count() == 0


@pytest.mark.parametrize("attack", [ATTACKS[0], ATTACKS[2]])
async def test_the_name_of_a_file_is_shown_and_never_run(
    playground: OpenPlayground, picture_file: Callable[..., FilePayload], attack: str
) -> None:
    name = attack.replace("/", "\u2215") + ".png"
    async with playground() as here:
        no_dialogs(here)
        await hand_in(here, "drop", picture_file(name))

        await expect(here.last.locator(".said")).to_have_text(f"Brought: {name}")
        await expect(here.page.locator("#reply")).to_contain_text(name)
        assert await elements(here) == 0


async def test_ids_that_are_none_lead_nowhere(playground: OpenPlayground) -> None:
    async with playground() as here:
        no_dialogs(here)
        for attack in (*ATTACKS, "../../etc/passwd", "00000000-0000-4000-8000-000000000000"):
            await here.say(f"/refine {attack} a hat --image {attack.replace(' ', '')}")
            await expect(here.last.locator(".problem")).to_be_visible()
            await here.text.fill("")
            await here.load(f"/#image-{attack}")
        await here.load("/?id=<script>alert(1)</script>#<img src=x onerror=alert(1)>")
        await expect(here.page.get_by_role("heading", name="What shall I paint?")).to_be_visible()
        assert await elements(here) == 0


async def test_what_a_server_says_is_shown_and_never_run(playground: OpenPlayground) -> None:
    """As a proxy might that stands before it."""
    async with playground() as here:
        no_dialogs(here)
        problem = {"status": 422, "detail": ATTACKS[0], "code": ATTACKS[1], "errors": []}
        image = {"id": ATTACKS[2], "width": "1", "height": "1", "seed": 1, "parent": ATTACKS[2], "created_at": 1}
        job = {"id": ATTACKS[2], "kind": ATTACKS[0], "prompt": ATTACKS[0], "parent": None, "status": "done"}
        whole = {**job, "images": [image], "created_at": 1, "started_at": 1, "finished_at": 2}
        await here.page.route("**/chat", lambda route: route.fulfill(status=422, json=problem), times=1)
        await here.say("/generate a cat")
        await expect(here.last).to_contain_text(ATTACKS[0])
        await here.page.route("**/chat", lambda route: route.fulfill(json={"kind": "job", "job": whole}), times=1)
        await here.say("/generate a cat")
        await expect(here.turns).to_have_count(2)
        assert await elements(here) == 0


@pytest.mark.parametrize("path", ["/", "/admin"])
async def test_what_is_not_of_this_page_is_neither_run_nor_loaded(playground: OpenPlayground, path: str) -> None:
    async with playground(path=path) as here:
        no_dialogs(here)
        await here.page.evaluate(
            """() => {
                document.body.insertAdjacentHTML('beforeend', '<img src=x onerror="alert(1)">');
                const script = document.createElement('script');
                script.textContent = 'alert(1)';
                document.body.append(script);
            }"""
        )
        await expect(here.page.locator("img[src=x]")).to_be_attached()
        await here.page.wait_for_load_state("networkidle")

        refused, here.alarms = here.alarms, []
        assert refused
        assert all("Content Security Policy" in alarm for alarm in refused)
