"""Drives a painter as a worker does, and keeps what it tells."""

import io
import time
from collections.abc import Sequence
from typing import Any

from PIL import Image

from bot.errors import JobFailed
from bot.events import Preview, Progress
from bot.inference.caps import Caps
from bot.inference.lora import Loras
from bot.inference.paint import Painter
from bot.inference.pipelines import Pipelines
from bot.inference.safety import Checker
from bot.inference.wire import Broke, Dropped, Finished, News
from bot.jobs import ImageRequest, Refinement
from bot.ports import Painted, Work
from bot.quality import Menu
from bot.styles import Style

#: No limit on pixels: a test's batches depend on nothing that is measured.
PIXELS = 10**9
MENU = Menu()


class Easel:
    """Runs are numbered in the order in which they are accepted, from 0."""

    def __init__(
        self,
        pipelines: Pipelines,
        *,
        cap: int = 8,
        caps: Caps | None = None,
        styles: Sequence[Style] = (),
        loras: Loras | None = None,
        checker: Checker | None = None,
    ) -> None:
        self.told: list[tuple[int, News]] = []
        self.time = 0.0
        self.accepted = 0
        self.painter = Painter(
            pipelines,
            caps or Caps(PIXELS, cap),
            tell=lambda number, news: self.told.append((number, news)),
            clock=lambda: self.time,
            loras=loras,
            styles=styles,
            checker=checker,
        )

    def accept(self, work: Work) -> int:
        self.painter.accept(self.accepted, work)
        self.accepted += 1
        return self.accepted - 1

    def turn(self, times: int = 1) -> None:
        for _ in range(times):
            assert self.painter.turn()

    def finish(self) -> None:
        """Until nothing is left to do, PNGs written."""
        deadline = time.monotonic() + 50
        while self.painter.turn() or self.painter.holds_any:
            assert time.monotonic() < deadline

    def of(self, number: int) -> list[News]:
        return [news for told, news in self.told if told == number]

    def progress(self, number: int) -> list[Progress]:
        return [news for news in self.of(number) if isinstance(news, Progress)]

    def previews(self, number: int) -> list[Preview]:
        return [news for news in self.of(number) if isinstance(news, Preview)]

    def images(self, number: int) -> list[Painted]:
        """In the order of their IDs."""
        images = [news for news in self.of(number) if isinstance(news, Painted)]
        return sorted(images, key=lambda image: image.image_id)

    def ending(self, number: int) -> News:
        (ending,) = (news for news in self.of(number) if isinstance(news, Finished | Broke | Dropped))
        return ending


def work(
    request: ImageRequest | Refinement,
    *,
    source: bytes | None = None,
    menu: Menu = MENU,
    **more: Any,
) -> Work:
    """As the service hands it on: filled in."""
    if isinstance(request, ImageRequest):
        filled: ImageRequest | Refinement = menu.filled_in(request)
    else:
        filled = menu.filled_in_for(request)
    image_ids = tuple(f"image-{number}" for number in range(request.num_images))
    sha256 = None if source is None else "ab" * 32
    return Work(job_id="job", image_ids=image_ids, request=filled, source=source, source_sha256=sha256, **more)


def painted(pipelines: Pipelines, of: Work, **how: Any) -> list[Painted]:
    """The images of one job alone. Raises JobFailed as an executor does."""
    easel = Easel(pipelines, **how)
    easel.accept(of)
    easel.finish()
    if isinstance(ending := easel.ending(0), Broke):
        raise JobFailed(ending.code, ending.detail)
    return easel.images(0)


def picture(image: Painted) -> Image.Image:
    opened = Image.open(io.BytesIO(image.png))
    opened.load()
    return opened
