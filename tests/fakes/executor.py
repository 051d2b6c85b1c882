"""An Executor without a GPU: paints flat pictures, and holds or fails jobs where a test says so."""

import asyncio
import io
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field

from PIL import Image

from bot.errors import JobCancelled, JobFailed, WorkerDied
from bot.events import Progress
from bot.jobs import ImageRequest, Recipe
from bot.ports import Painted, Work, WorkerState, WorkerStatus

#: Pixels, where a request leaves the size to the model.
SIDE = 64


@dataclass(slots=True)
class Painting:
    """A job in a slot."""

    cancelled: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)


class FakeExecutor:
    """Implements bot.ports.Executor."""

    def __init__(self, *, slots: int = 1, ready: bool = True) -> None:
        #: All that it was given to paint, in order.
        self.works: list[Work] = []
        self.most_at_once = 0
        self._slots = slots
        self._ready = ready
        self._held_at: int | None = None
        self._mishaps: list[JobFailed | WorkerDied] = []
        self._paintings: dict[str, Painting] = {}
        self._changed: Callable[[], None] = lambda: None

    def become_ready(self) -> None:
        self._ready = True
        self._changed()

    def hold(self, *, at_step: int = 1) -> None:
        """From now on no job gets past this point, which lies before the step, until `release`."""
        self._held_at = at_step

    def release(self) -> None:
        self._held_at = None
        for painting in self._paintings.values():
            painting.released.set()

    def fail_next(self, mishap: JobFailed | WorkerDied, *, times: int = 1) -> None:
        """The next jobs end with this instead of their last image."""
        self._mishaps += [mishap] * times

    @property
    def capacity(self) -> int:
        return self._slots if self._ready else 0

    def status(self) -> Sequence[WorkerStatus]:
        well = WorkerState.BUSY if self._paintings else WorkerState.READY
        return [WorkerStatus(name="fake", state=well if self._ready else WorkerState.STARTING)]

    async def run(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        await asyncio.get_running_loop().create_future()

    async def paint(self, work: Work) -> AsyncGenerator[Progress | Painted, None]:
        painting = self._paintings[work.job_id] = Painting()
        self.works.append(work)
        self.most_at_once = max(self.most_at_once, len(self._paintings))
        mishap = self._mishaps.pop(0) if self._mishaps else None
        images, steps = len(work.image_ids), work.request.num_inference_steps
        try:
            for number, image_id in enumerate(work.image_ids, start=1):
                for step in range(1, steps + 1):
                    await self._before(step, painting)
                    yield Progress(number, images, step, steps)
                if mishap is not None and number == images:
                    raise mishap
                yield painted(work, number, image_id)
        finally:
            del self._paintings[work.job_id]

    async def _before(self, step: int, painting: Painting) -> None:
        await asyncio.sleep(0)
        if step == self._held_at and not painting.cancelled:
            painting.released.clear()
            await painting.released.wait()
        if painting.cancelled:
            raise JobCancelled

    def cancel(self, job_id: str) -> None:
        if painting := self._paintings.get(job_id):
            painting.cancelled = True
            painting.released.set()


def painted(work: Work, number: int, image_id: str) -> Painted:
    request = work.request
    assert request.seed is not None
    if isinstance(request, ImageRequest):
        size = request.width or SIDE, request.height or SIDE
        strength = parent_id = None
    else:
        assert work.source is not None
        size = Image.open(io.BytesIO(work.source)).size
        strength, parent_id = request.strength, request.image_id
    seed = request.seed + number - 1
    recipe = Recipe(
        stage="base" if parent_id is None else "refiner",
        model="fake",
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        width=size[0],
        height=size[1],
        seed=seed,
        sampler=request.sampler,
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
        strength=strength,
        parent_id=parent_id,
        parent_sha256=work.source_sha256,
    )
    return Painted(image_id, png(size, seed), recipe)


def png(size: tuple[int, int] = (SIDE, SIDE), seed: int = 0) -> bytes:
    """A picture of one colour, which depends on the seed."""
    file = io.BytesIO()
    Image.new("RGB", size, (seed % 256, seed // 256 % 256, 128)).save(file, "PNG")
    return file.getvalue()
