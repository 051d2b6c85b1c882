"""All jobs of a worker: rows for their images, steps for the rows, pictures out of those that are finished.

One thread, the step thread, calls it between any two steps. What needs no device is done by threads of its own.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from PIL import Image

from bot.errors import JobFailed
from bot.events import Preview, Progress
from bot.inference import png
from bot.inference.caps import Caps
from bot.inference.denoise import Denoiser, Key, Row, UNet
from bot.inference.loop import StepFailed, StepLoop, TooLarge
from bot.inference.lora import Loras
from bot.inference.pipelines import Pipelines, explained
from bot.inference.preview import preview
from bot.inference.rows import RowMaker, loras_of, recipe_of, size_of, stages_of
from bot.inference.safety import Checker, checked
from bot.inference.wire import Broke, Dropped, Finished, News
from bot.jobs import Recipe, Stage
from bot.marks.marker import PLAIN, Marker
from bot.ports import Painted, Work
from bot.styles import Style

#: PNGs at once; the rest of the machine belongs to others.
PNG_THREADS = 2

T = TypeVar("T")

#: Run -> what happened to it. Called from several threads, one at a time.
Tell = Callable[[int, News], None]


@dataclass(slots=True, eq=False)
class Painting:
    """A run of a job."""

    number: int
    work: Work
    #: Of one image.
    pixels: int
    steps_per_image: int = 0
    #: How many of the images have a row, or had one.
    begun: int = 0
    #: Rows in flight.
    rows: list[Row] = field(default_factory=list)
    #: Steps that are finished, over all images.
    steps: int = 0
    #: PNGs that were told of.
    painted: int = 0
    preview_interval: float | None = None
    preview_due: float = 0.0
    over: bool = False

    @property
    def waits(self) -> bool:
        return self.begun < self.images

    @property
    def images(self) -> int:
        return len(self.work.image_ids)

    @property
    def stages(self) -> tuple[Stage, ...]:
        return stages_of(self.work.request)


@dataclass(frozen=True, slots=True, eq=False)
class Owner:
    """Whose row it is."""

    painting: Painting
    index: int
    recipe: Recipe


class Painter:
    """`tell` says what happens to a run; it is called from several threads, but never by two at once.

    `stepped` hears of each step: its stage, its rows, and how many seconds it took.
    """

    def __init__(
        self,
        pipelines: Pipelines,
        caps: Caps,
        *,
        tell: Callable[[int, News], None],
        clock: Callable[[], float],
        loras: Loras | None = None,
        styles: Sequence[Style] = (),
        compiled: Callable[[Stage], UNet | None] = lambda stage: None,
        checker: Checker | None = None,
        marker: Marker = PLAIN,
        wake: Callable[[], None] = lambda: None,
        stepped: Callable[[Stage, int, float], None] = lambda stage, rows, seconds: None,
    ) -> None:
        self._pipelines = pipelines
        self._caps = caps
        self._tell = tell
        self._clock = clock
        self._loras = loras
        self._styles = {style.name: style for style in styles}
        self._compiled = compiled
        self._checker = checker
        self._marker = marker
        self._wake = wake
        self._stepped = stepped
        self._maker = RowMaker(pipelines)
        self.denoiser = Denoiser(pipelines.device.dtype)
        self._loop = StepLoop(
            self.denoiser,
            caps,
            unet=self._unet,
            release=pipelines.device.release,
            one_stage_at_a_time=pipelines.residence.one_unet_at_a_time,
        )
        self._paintings: dict[int, Painting] = {}
        self._owners: dict[Row, Owner] = {}
        self._lock = threading.Lock()
        self._pngs = ThreadPoolExecutor(PNG_THREADS, thread_name_prefix="png")
        self._previews = ThreadPoolExecutor(1, thread_name_prefix="preview")

    @property
    def holds_any(self) -> bool:
        return any(not painting.over for painting in self._paintings.values())

    def accept(self, number: int, work: Work) -> None:
        try:
            width, height = size_of(work, self._pipelines.native_side)
        except Exception as error:
            with self._lock:
                self._tell(number, _broke(error))
            return
        self._paintings[number] = Painting(number, work, width * height, preview_interval=work.preview_interval)

    def cancel(self, number: int) -> None:
        """No further step, no decoding, and the places are free."""
        if (painting := self._paintings.get(number)) is not None:
            self._end(painting, Dropped())

    def preview(self, number: int, interval: float | None) -> None:
        if (painting := self._paintings.get(number)) is not None:
            painting.preview_interval = interval

    def turn(self) -> bool:
        """Lets in who has room, takes one step, and decodes what it finished. False where there was nothing to do.

        Raises only where the device is lost.
        """
        self._forget_what_is_over()
        while (painting := self._next_waiting()) is not None:
            self._begin_image(painting)
        if not len(self._loop):
            return False
        for row in (rows := self._step()):
            self._owners[row].painting.steps += 1
        for painting in self._paintings_of(rows):
            self._tell_progress(painting)
        for row in rows:
            # One that is finished may take the job's others along.
            if row.finished and (owner := self._owners.get(row)) is not None:
                self._finish_row(row, owner)
        return True

    def _unet(self, key: Key) -> UNet:
        unet = self._pipelines.unet(key.stage)
        if self._loras is not None and key.stage is Stage.BASE:
            self._loras.activate(key.loras)
        return self._compiled(key.stage) or unet

    def _next_waiting(self) -> Painting | None:
        """Whoever has the least in flight comes first, then whoever came first. Nobody overtakes for being small."""
        waiting = [painting for painting in self._paintings.values() if painting.waits and self._is_ready(painting)]
        painting = min(waiting, key=lambda each: (len(each.rows), each.number), default=None)
        if painting is None or not self._loop.has_room(painting.stages[0], painting.pixels):
            return None
        return painting

    def _is_ready(self, painting: Painting) -> bool:
        return all(self._pipelines.is_ready(stage, self._wake) for stage in painting.stages)

    def _begin_image(self, painting: Painting) -> None:
        index = painting.begun
        painting.begun += 1
        self._attempt(painting, lambda tiled: self._begin_row(painting, index, tiled=tiled))

    def _begin_row(self, painting: Painting, index: int, *, tiled: bool) -> None:
        recipe = recipe_of(painting.work, index, self._pipelines, self._styles)
        painting.steps_per_image = self._maker.steps(recipe)
        row = self._maker.begin(recipe, painting.work.source, loras_of(painting.work.request), tiled=tiled)
        self._add(row, Owner(painting, index, recipe))

    def _add(self, row: Row, owner: Owner) -> None:
        self._owners[row] = owner
        owner.painting.rows.append(row)
        self._loop.add(row)

    def _step(self) -> Sequence[Row]:
        began = self._clock()
        try:
            rows = self._loop.step()
        except TooLarge as error:
            painting = self._owners[error.row].painting
            self._end(painting, self._too_large(painting))
            return ()
        except StepFailed as error:
            if not self._pipelines.device.is_usable():
                raise
            for painting in self._paintings_of(error.rows):
                self._end(painting, _broke(error.__cause__ or error))
            return ()
        self._pipelines.device.pace()
        self._stepped(rows[0].key.stage, len(rows), self._clock() - began)
        return rows

    def _paintings_of(self, rows: Sequence[Row]) -> Sequence[Painting]:
        return list({self._owners[row].painting: None for row in rows})

    def _tell_progress(self, painting: Painting) -> None:
        image = self._owners[painting.rows[0]].index + 1
        steps = painting.images * painting.steps_per_image
        self._tell_unless_over(painting, Progress(image, painting.images, painting.steps, steps))
        if painting.preview_interval is None or self._clock() < painting.preview_due:
            return
        painting.preview_due = self._clock() + painting.preview_interval
        arrive, colours = self._pipelines.device.copy(painting.rows[0].x0[0]), self._pipelines.colours
        self._previews.submit(lambda: self._tell_unless_over(painting, Preview(image, preview(arrive(), colours))))

    def _finish_row(self, row: Row, owner: Owner) -> None:
        del self._owners[row]
        owner.painting.rows.remove(row)
        if row.key.stage is Stage.BASE and owner.recipe.refine_at is not None:
            self._attempt(owner.painting, lambda tiled: self._add(self._maker.go_on(owner.recipe, row), owner))
            return
        self._attempt(owner.painting, lambda tiled: self._decode(row, owner, tiled=tiled))

    def _decode(self, row: Row, owner: Owner, *, tiled: bool) -> None:
        arrive = self._pipelines.device.copy(self._maker.decode(row, tiled=tiled))
        self._caps.painted(owner.painting.pixels)
        self._pngs.submit(self._finish_picture, owner, arrive)

    def _finish_picture(self, owner: Owner, arrive: Callable[[], torch.Tensor]) -> None:
        """In a thread of its own."""
        painting = owner.painting
        try:
            image_id = painting.work.image_ids[owner.index]
            picture = Image.fromarray(arrive().numpy())
            flagged = checked(self._checker, picture)
            encoded = png.encode(picture, image_id, owner.recipe, self._marker, painting.work.source)
        except Exception as error:
            self._tell_end(painting, _broke(error))
            return
        with self._lock:
            if painting.over:
                return
            self._tell(painting.number, Painted(image_id, encoded, owner.recipe, flagged))
            painting.painted += 1
            if painting.painted == painting.images:
                painting.over = True
                self._tell(painting.number, Finished(self._pipelines.device.memory()[0]))

    def _attempt(self, painting: Painting, work: Callable[[bool], None]) -> None:
        """Where memory runs out, once more, in tiles; what cannot be done fails this job alone."""
        for tiled in (self._pipelines.tiled, True):
            try:
                work(tiled)
            except torch.OutOfMemoryError:
                pass
            except Exception as error:
                if not self._pipelines.device.is_usable():
                    raise
                self._end(painting, _broke(error))
                return
            else:
                return
            # Out here, as the traceback holds the tensors that are to be given back.
            self._pipelines.device.release()
        self._end(painting, self._too_large(painting))

    def _too_large(self, painting: Painting) -> Broke:
        width, height = size_of(painting.work, self._pipelines.native_side)
        detail = f"{width}x{height} needs more memory than the device has."
        scale = (self._caps.largest_painted / painting.pixels) ** 0.5
        if 0 < scale < 1:
            detail += f" {int(width * scale) // 8 * 8}x{int(height * scale) // 8 * 8} should fit."
        else:
            detail += " Try a smaller size."
        return Broke("out_of_memory", detail)

    def _end(self, painting: Painting, news: Broke | Dropped) -> None:
        self._tell_end(painting, news)
        self._drop_rows(painting)

    def _drop_rows(self, painting: Painting) -> None:
        for row in painting.rows:
            self._loop.drop(row)
            del self._owners[row]
        painting.rows.clear()

    def _tell_end(self, painting: Painting, news: News) -> None:
        with self._lock:
            if not painting.over:
                painting.over = True
                self._tell(painting.number, news)

    def _tell_unless_over(self, painting: Painting, news: News) -> None:
        with self._lock:
            if not painting.over:
                self._tell(painting.number, news)

    def _forget_what_is_over(self) -> None:
        for painting in [painting for painting in self._paintings.values() if painting.over]:
            self._drop_rows(painting)
            del self._paintings[painting.number]


def _broke(error: BaseException) -> Broke:
    if isinstance(error, JobFailed):
        return Broke(error.code, error.detail)
    return Broke("painting_failed", f"{type(error).__name__}: {explained(error)}")
