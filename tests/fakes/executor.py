"""An Executor without a GPU: paints flat pictures, and holds or fails jobs where a test says so."""

import asyncio
import io
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from dataclasses import dataclass, field, replace

from PIL import Image

from bot.errors import JobCancelled, JobFailed, WorkerDied
from bot.events import Preview, Progress
from bot.jobs import ImageRequest, Job, Recipe, Sampler, Stage
from bot.ports import Painted, Work, WorkerState, WorkerStatus

#: What stands for a preview.
JPEG = b"a small picture"
#: Pixels, where a request leaves the size to the model.
SIDE = 64


@dataclass(slots=True)
class Painting:
    """A job in a slot."""

    cancelled: bool = False
    #: Its worker is gone.
    died: bool = False
    #: Somebody wants previews; there is one after each step then.
    looked_at: bool = False
    released: asyncio.Event = field(default_factory=asyncio.Event)


class FakeExecutor:
    """Implements bot.ports.Executor."""

    def __init__(self, *, slots: int = 1, ready: bool = True, step_seconds: float = 0) -> None:
        #: All that it was given to paint, in order.
        self.works: list[Work] = []
        self.most_at_once = 0
        self._slots = slots
        self._ready = ready
        self._step_seconds = step_seconds
        self._held_at: int | None = None
        self._held_image: int | None = None
        self._deadly: str | None = None
        self._flagged: Collection[int] | None = None
        self._mishaps: list[JobFailed | WorkerDied] = []
        self._paintings: dict[str, Painting] = {}
        self._changed: Callable[[], None] = lambda: None

    def become_ready(self) -> None:
        self._ready = True
        self._changed()

    def hold(self, *, at_step: int = 1, of_image: int | None = None) -> None:
        """From now on no job gets past this point, which lies before the step of each image, until `release`."""
        self._held_at, self._held_image = at_step, of_image

    def release(self) -> None:
        self._held_at = None
        for painting in self._paintings.values():
            painting.released.set()

    def fail_next(self, mishap: JobFailed | WorkerDied, *, times: int = 1) -> None:
        """The next jobs end with this instead of their last image."""
        self._mishaps += [mishap] * times

    def flag(self, *numbers: int) -> None:
        """From now on pictures are checked, and of each job these are flagged, counted from 1."""
        self._flagged = numbers

    def die_of(self, prompt: str) -> None:
        """A job with this prompt kills the worker at its first step, and with it all jobs in the slots."""
        self._deadly = prompt

    def has_room(self, job: Job, held: Sequence[Job]) -> bool:
        if held and (job.attempts > 0 or any(other.attempts > 1 for other in held)):
            return False
        return self._ready and len(held) < self._slots

    def status(self) -> Sequence[WorkerStatus]:
        well = WorkerState.BUSY if self._paintings else WorkerState.READY
        state = well if self._ready else WorkerState.STARTING
        return [WorkerStatus(name="fake", state=state, image_check=None if self._flagged is None else "fake")]

    async def run(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        await asyncio.get_running_loop().create_future()

    async def paint(self, work: Work) -> AsyncGenerator[Progress | Preview | Painted, None]:
        painting = self._paintings[work.job_id] = Painting(looked_at=work.preview_interval is not None)
        self.works.append(work)
        self.most_at_once = max(self.most_at_once, len(self._paintings))
        mishap = self._mishaps.pop(0) if self._mishaps else None
        images, steps = len(work.image_ids), work.request.num_inference_steps
        assert steps is not None
        try:
            for number, image_id in enumerate(work.image_ids, start=1):
                for step in range(1, steps + 1):
                    if work.request.prompt == self._deadly:
                        self._kill_all()
                    await self._before(number, step, painting)
                    yield Progress(number, images, (number - 1) * steps + step, images * steps)
                    if painting.looked_at:
                        yield Preview(number, JPEG)
                if mishap is not None and number == images:
                    raise mishap
                flagged = None if self._flagged is None else number in self._flagged
                yield replace(painted(work, number, image_id), flagged=flagged)
        finally:
            del self._paintings[work.job_id]

    async def _before(self, image: int, step: int, painting: Painting) -> None:
        await asyncio.sleep(self._step_seconds)
        if step == self._held_at and self._held_image in (None, image) and not painting.cancelled:
            painting.released.clear()
            await painting.released.wait()
        if painting.cancelled:
            raise JobCancelled
        if painting.died:
            raise WorkerDied("The worker process was ended by SIGSEGV.")

    def _kill_all(self) -> None:
        for painting in self._paintings.values():
            painting.died = True
            painting.released.set()

    def preview(self, job_id: str, interval: float | None) -> None:
        if painting := self._paintings.get(job_id):
            painting.looked_at = interval is not None

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
    assert request.num_inference_steps is not None
    assert request.guidance_scale is not None
    recipe = Recipe(
        stage=Stage.BASE if parent_id is None else Stage.REFINER,
        model="fake",
        prompt=request.prompt,
        negative_prompt=request.negative_prompt,
        width=size[0],
        height=size[1],
        seed=seed,
        sampler=request.sampler or Sampler.EULER,
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
