"""The real page in Debian's Chromium, against the whole service with a fake executor."""

import io
import re
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest
import pytest_asyncio
from PIL import Image
from playwright.async_api import Browser, ConsoleMessage, FilePayload, Locator, Page, Request, async_playwright, expect

from bot.events import Preview
from bot.ports import Work
from bot.service import Service
from tests.adapters.web.clients import served
from tests.conftest import OpenLimner
from tests.fakes.executor import FakeExecutor

#: Debian's name, and others'.
NAMES = ("chromium", "chromium-browser", "google-chrome")
#: As root there is no sandbox, and in a container little shared memory.
FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage")
#: Milliseconds.
PATIENCE = 15_000
#: What Chromium says of any answer that is an error; the page shows it in its own words.
EXPECTED = re.compile(r"Failed to load resource: (the server responded with a status of|net::ERR)")

expect.set_options(timeout=PATIENCE)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One for all tests; each has a context of its own."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium is installed: on Debian and Ubuntu `apt-get install chromium` brings it")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()


def jpeg() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 160, 60)).save(file, "JPEG")
    return file.getvalue()


class Painter(FakeExecutor):
    """Its previews are pictures."""

    async def paint(self, work: Work) -> Any:
        async for happened in super().paint(work):
            yield Preview(happened.image, jpeg()) if isinstance(happened, Preview) else happened


# Without slots: Playwright notes on whoever listens what it made of the listener.
@dataclass
class Playground:
    """The page, and what is behind it."""

    page: Page
    url: str
    service: Service
    painter: FakeExecutor
    #: What the page must not do: errors in its console, dialogs, requests elsewhere.
    alarms: list[str] = field(default_factory=list)

    @property
    def text(self) -> Locator:
        return self.page.get_by_label("Message to Limner")

    @property
    def turns(self) -> Locator:
        return self.page.locator("#log > .turn")

    @property
    def last(self) -> Locator:
        return self.turns.last

    @property
    def pictures(self) -> Locator:
        """Finished ones."""
        return self.page.locator("figure.picture[id]")

    async def say(self, text: str) -> None:
        await self.text.fill(text)
        await self.text.press("Enter")

    async def paint(self, text: str = "/generate a cat in a hat") -> Locator:
        """The finished picture."""
        count = await self.pictures.count()
        await self.say(text)
        await expect(self.pictures).to_have_count(count + 1)
        return self.pictures.last

    async def load(self, path: str = "/") -> None:
        await self.page.goto(self.url + path)

    def watch(self) -> None:
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.alarms.append(f"error: {error}"))
        self.page.on("request", self._asked)

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not EXPECTED.match(message.text):
            self.alarms.append(message.text)

    def _asked(self, request: Request) -> None:
        if not request.url.startswith((f"{self.url}/", f"blob:{self.url}/")):
            self.alarms.append(f"asked {request.url}")


class OpenPlayground(Protocol):
    def __call__(
        self, painter: FakeExecutor | None = None, *, keys: tuple[str, ...] = (), path: str = "/", **context: Any
    ) -> AbstractAsyncContextManager[Playground]:
        """`context` is the browser's: viewport, colour scheme, and so on."""
        ...


@pytest.fixture
def playground(limner: OpenLimner, browser: Browser) -> OpenPlayground:
    """Opens Limner and its page; leaving the block looks that the page did nothing that it must not do."""

    @asynccontextmanager
    async def open_playground(
        painter: FakeExecutor | None = None, *, keys: tuple[str, ...] = (), path: str = "/", **context: Any
    ) -> AsyncIterator[Playground]:
        painter = painter or Painter()
        wrong: Exception | None = None
        async with limner(painter) as service, served(service, *keys) as http:  # noqa: SIM117 - see below
            # What moves takes much of a processor that has no graphics card to help it. The browser goes first, so that
            # the server waits for none of its connections.
            async with await browser.new_context(**{"reduced_motion": "reduce", **context}) as visit:
                url = str(http.base_url).rstrip("/")
                opened = Playground(await visit.new_page(), url, service, painter)
                opened.watch()
                try:
                    await opened.load(path)
                    yield opened
                except Exception as error:  # noqa: BLE001 - raised below, once all is closed in its order
                    wrong = error
                painter.release()
        if wrong is not None:
            raise wrong
        assert opened.alarms == []

    return open_playground


@pytest.fixture
def picture_file() -> Callable[..., FilePayload]:
    """A file as a person would choose it."""

    def made(name: str = "holiday.png", kind: str = "PNG") -> FilePayload:
        file = io.BytesIO()
        Image.new("RGB", (64, 48), (40, 120, 200)).save(file, kind)
        return FilePayload(name=name, mimeType=f"image/{kind.lower()}", buffer=file.getvalue())

    return made
