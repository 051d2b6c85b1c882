"""What is done with a picture that is there, or that somebody brings."""

import base64
import json
from collections.abc import Callable

import pytest
from playwright.async_api import FilePayload, Locator, expect

from bot.jobs import Refinement
from tests.browser.conftest import OpenPlayground, Playground

pytestmark = [pytest.mark.slow, pytest.mark.asyncio(loop_scope="session")]

MakeFile = Callable[..., FilePayload]


async def id_of(picture: Locator) -> str:
    return str(await picture.get_attribute("id")).removeprefix("image-")


async def refined(here: Playground, words: str) -> tuple[str, str]:
    """The IDs of parent and child, once the page shows which came from which."""
    await here.say(words)
    await expect(here.pictures).to_have_count(2)
    first, second = [await id_of(picture) for picture in await here.pictures.all()]
    await expect(here.last.locator(".quote a")).to_have_attribute("href", f"#image-{first}")
    await expect(here.pictures.first.locator(".children a")).to_have_attribute("href", f"#image-{second}")
    return first, second


async def test_a_reply_to_a_picture_refines_it_and_the_lineage_is_shown(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.paint("/generate a cat --steps 2")
        await here.pictures.get_by_role("button", name="a cat", exact=True).click()
        await expect(here.page.locator("#reply")).to_contain_text("Refining a cat")
        await expect(here.text).to_be_focused()

        first, second = await refined(here, "with a hat")

        assert here.painter.works[-1].request.prompt == "with a hat"
        await expect(here.page.locator("#reply")).to_be_hidden()
        image = await (await here.page.request.get(f"{here.url}/images/{second}")).json()
        assert image["parent"] == first


@pytest.mark.parametrize(
    ("chosen", "words", "strength"),
    [("some", "in the snow", 0.5), ("much", "in the snow", 0.8), ("much", "in the snow --strength 0.6", 0.6)],
)
async def test_how_much_shall_change_is_chosen_or_typed(
    playground: OpenPlayground, chosen: str, words: str, strength: float
) -> None:
    async with playground() as here:
        await here.paint("/generate a cat --steps 2")
        await here.pictures.get_by_role("button", name="Refine", exact=True).click()
        await here.page.get_by_label("Change").select_option(chosen)

        await refined(here, words)

        request = here.painter.works[-1].request
        assert isinstance(request, Refinement)
        assert (request.prompt, request.strength) == ("in the snow", strength)


async def test_the_refine_button_does_the_same_as_a_reply(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.paint("/generate a cat --steps 2")
        await here.pictures.get_by_role("button", name="Refine", exact=True).click()

        await refined(here, "/refine in the snow --steps 4")


async def test_refine_without_a_picture_takes_the_newest_one(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.paint("/generate a cat --steps 2")

        await refined(here, "/refine in the snow --steps 4")


async def test_who_thinks_better_of_it_refines_nothing(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.paint("/generate a cat --steps 2")
        for stop in ("button", "Escape"):
            await here.pictures.get_by_role("button", name="Refine", exact=True).click()
            await expect(here.page.locator("#reply")).to_be_visible()
            if stop == "button":
                await here.page.get_by_role("button", name="Stop refining").click()
            else:
                await here.text.press("Escape")
            await expect(here.page.locator("#reply")).to_be_hidden()

        await here.paint("a dog")

        await expect(here.page.locator(".quote")).to_have_count(0)


async def test_a_refusal_gives_back_the_text_and_the_picture_that_it_was_about(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.paint("/generate a cat --steps 2")
        await here.pictures.get_by_role("button", name="Refine", exact=True).click()
        await here.say("in the snow --strenth 1")

        await expect(here.last).to_contain_text("--strength")
        await expect(here.text).to_have_value("in the snow --strenth 1")
        await expect(here.page.locator("#reply")).to_be_visible()


async def test_a_picture_is_varied_and_painted_again(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.paint("/generate a cat --steps 2 --seed 7")
        parent = await id_of(here.pictures.first)
        await here.pictures.first.get_by_role("button", name="Vary").click()
        await expect(here.pictures).to_have_count(2)
        await expect(here.last.locator(".quote a")).to_have_attribute("href", f"#image-{parent}")

        await here.pictures.first.get_by_role("button", name="Again").click()

        await expect(here.pictures).to_have_count(3)
        await expect(here.last.locator(".said")).to_have_text("/generate a cat")
        assert here.painter.works[-1].request.seed != 7


async def test_a_picture_is_deleted_only_by_who_says_so_twice(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.paint("/generate a cat --steps 2")
        picture = here.pictures.first
        image = f"{here.url}/images/{await id_of(picture)}"
        await picture.get_by_role("button", name="Delete").click()
        await expect(picture.get_by_role("button", name="Keep")).to_be_focused()
        await picture.get_by_role("button", name="Keep").press("Enter")
        await expect(picture.get_by_role("button", name="Delete")).to_be_focused()
        assert (await here.page.request.get(image)).status == 200

        await picture.get_by_role("button", name="Delete").click()
        await picture.get_by_role("group").get_by_role("button", name="Delete").click()

        await expect(here.last).to_contain_text("This picture was deleted.")
        assert (await here.page.request.get(image)).status == 404
        await here.page.reload()
        await expect(here.last).to_contain_text("The picture was deleted.")


async def test_who_refines_a_picture_and_deletes_it_first_refines_nothing(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.paint("/generate a cat --steps 2")
        await here.pictures.first.get_by_role("button", name="Refine").click()
        await here.pictures.first.get_by_role("button", name="Delete").click()
        await here.pictures.first.get_by_role("group").get_by_role("button", name="Delete").click()

        await expect(here.page.locator("#reply")).to_be_hidden()


async def test_the_recipe_is_shown_and_copied_to_the_last_digit(playground: OpenPlayground) -> None:
    seed = 2**64 - 1
    async with playground(permissions=["clipboard-read", "clipboard-write"]) as here:
        await here.paint(f"/generate a cat --steps 2 --seed {seed}")
        await here.pictures.get_by_role("button", name="Recipe").click()
        dialog = here.page.get_by_role("dialog", name="Recipe")
        await expect(dialog).to_contain_text(str(seed))

        await dialog.get_by_role("button", name="Copy recipe").click()

        await expect(dialog.get_by_role("button", name="Copied")).to_be_visible()
        copied = json.loads(await here.page.evaluate("navigator.clipboard.readText()"))
        assert (copied["prompt"], copied["seed"]) == ("a cat", seed)
        await here.page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()


async def test_the_dialog_leads_from_a_picture_to_its_parent_and_its_children(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.paint("/generate a cat --steps 2")
        first, second = await refined(here, "/refine snow --steps 4")
        await here.pictures.last.get_by_role("button", name="Recipe").click()
        dialog = here.page.get_by_role("dialog", name="Recipe")

        await expect(dialog.get_by_role("link")).to_have_attribute("href", f"#image-{first}")
        await dialog.get_by_role("link").click()

        await expect(dialog).to_be_hidden()
        await expect(here.pictures.first).to_be_in_viewport()
        await here.pictures.first.get_by_role("button", name="Recipe").click()
        await expect(dialog.get_by_role("link")).to_have_attribute("href", f"#image-{second}")


async def test_a_picture_is_downloaded_under_its_id(playground: OpenPlayground) -> None:
    async with playground() as here:
        await here.paint("/generate a cat --steps 2")
        await here.pictures.get_by_role("button", name="Recipe").click()

        async with here.page.expect_download() as download:
            await here.page.get_by_role("button", name="Download").click()

        assert (await download.value).suggested_filename == f"{await id_of(here.pictures.first)}.png"


DROP = """([kind, name, type, text]) => {
    const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
    const files = new DataTransfer();
    files.items.add(new File([bytes], name, { type }));
    const options = { bubbles: true, cancelable: true };
    if (kind === 'paste') {
        document.dispatchEvent(new ClipboardEvent('paste', { ...options, clipboardData: files }));
        return;
    }
    for (const name of ['dragover', 'drop'])
        document.body.dispatchEvent(new DragEvent(name, { ...options, dataTransfer: files }));
}"""


async def hand_in(here: Playground, way: str, file: FilePayload) -> None:
    if way == "choose":
        async with here.page.expect_file_chooser() as chooser:
            await here.page.get_by_role("button", name="Bring a picture").click()
        await (await chooser.value).set_files([file])
        return
    text = base64.b64encode(file["buffer"]).decode()
    await here.page.evaluate(DROP, [way, file["name"], file["mimeType"], text])


@pytest.mark.parametrize("way", ["drop", "paste", "choose"])
async def test_a_picture_that_somebody_brings_is_refined(
    playground: OpenPlayground, picture_file: MakeFile, way: str
) -> None:
    async with playground() as here:
        await hand_in(here, way, picture_file("holiday.jpg", "JPEG"))
        await expect(here.page.locator("#reply")).to_contain_text("Refining holiday.jpg")
        await expect(here.pictures).to_have_count(1)
        await expect(here.pictures.get_by_role("button", name="Vary")).to_have_count(0)

        first, _ = await refined(here, "in the evening")

        await here.page.reload()
        await expect(here.pictures).to_have_count(2)
        assert await id_of(here.pictures.first) == first


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (FilePayload(name="notes.txt", mimeType="text/plain", buffer=b"words"), "PNG, JPEG or WebP"),
        (FilePayload(name="broken.png", mimeType="image/png", buffer=b"no picture"), "no picture that can be read"),
        (FilePayload(name="empty.png", mimeType="image/png", buffer=b""), "picture"),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
async def test_a_file_that_is_no_picture_is_refused_and_nothing_is_refined(
    playground: OpenPlayground, file: FilePayload, why: str
) -> None:
    async with playground() as here:
        await hand_in(here, "drop", file)

        await expect(here.last.locator(".problem")).to_contain_text(why)
        await expect(here.page.locator("#reply")).to_be_hidden()
        await expect(here.pictures).to_have_count(0)
