"""Limner's engine and stock diffusers on one device, eager and compiled, painting the same against the clock."""

import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from diffusers import StableDiffusionXLPipeline

from benchmarks import floors
from benchmarks.drive import NO_LIMIT, PAUSE, Driven
from bot.inference.caps import Caps
from bot.inference.compiled import CompiledTwin
from bot.inference.denoise import UNet
from bot.inference.pipelines import Pipelines
from bot.inference.studio import TWIN_ROWS, call_all, inputs
from bot.inference.wire import Broke, Dropped, Finished, News
from bot.jobs import ImageRequest, Sampler, Stage

#: Steps of a picture that is painted so that kernels are chosen and memory is there.
WARM_UP_STEPS = 2

_numbers = itertools.count()


class Unpainted(Exception):
    """A job ended without its picture."""


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is painted."""

    side: int
    steps: int
    fewer_steps: int
    #: Images at once.
    batch: int
    #: Times that a latency is taken, after so many warm-ups.
    runs: int
    warm_ups: int
    #: Batches, for images per second.
    waves: int
    lora_rank: int


@dataclass(frozen=True, slots=True)
class Ran:
    """Seconds until all pixels had come to the machine's memory, and until all were PNGs."""

    pixels: float
    pngs: float


class Engine(Driven):
    """A painter against the clock: the device's and the PNGs'."""

    def __init__(self, pipelines: Pipelines, caps: Caps, **more: Any) -> None:
        super().__init__(pipelines, caps, **more)
        self._device = pipelines.device

    def ask(self, request: ImageRequest, preview_interval: float | None = None) -> int:
        """Gives the number of the job."""
        number = next(_numbers)
        self.accept(number, as_new(request, number), preview_interval=preview_interval)
        return number

    def run_on_clock(self) -> Ran:
        """Until nothing is left to do. Raises Unpainted for what broke since the last run."""
        began, pixels = time.perf_counter(), 0.0
        while (stepped := self.painter.turn()) or self.painter.holds_any:
            if not stepped:
                self._device.is_usable()  # waits for its end
                pixels = pixels or time.perf_counter() - began
                time.sleep(PAUSE)
        ended = time.perf_counter() - began
        broken = [news.detail for _, _, news in self.told if isinstance(news, Broke)]
        self.told.clear()
        if broken:
            raise Unpainted(broken[0])
        return Ran(pixels or ended, ended)

    def until(self, number: int, kind: type[News]) -> tuple[float, int]:
        """When something of this kind was told of a job, and the turns that it took. Raises Unpainted."""
        for turns in itertools.count():
            for when, about, news in self.told:
                if about == number and isinstance(news, kind):
                    return when, turns
                if about == number and isinstance(news, Finished | Broke | Dropped):
                    raise Unpainted(f"{news}")
            self.painter.turn()
        raise AssertionError

    def drop_all(self) -> None:
        for number in {about for _, about, _ in self.told}:
            self.painter.cancel(number)
        while self.painter.turn():
            pass
        self._device.is_usable()
        self.told.clear()


def as_new(request: ImageRequest, number: int) -> ImageRequest:
    """With a prompt that no cache knows."""
    return replace(request, prompt=f"a cat in hat number {number}", seed=number)


class Way(NamedTuple):
    #: Limner's engine, not the stock pipeline.
    ours: bool
    compiled: bool

    def __str__(self) -> str:
        return f"{'Limner' if self.ours else 'diffusers'}, {'compiled' if self.compiled else 'eager'}"


class Bench:
    """Remembers what it measured, as one figure is often compared with several others."""

    def __init__(
        self, pipelines: Pipelines, scale: Scale, *, peak: float | None = None, backend: str = "inductor"
    ) -> None:
        """`peak`: 10^12 operations per second, where there are floors to compare with."""
        # As a LoRA's slot will have it: compiled code is compiled anew where that changes.
        pipelines.pipeline.unet.requires_grad_(False)
        self.pipelines = pipelines
        self.device = pipelines.device
        self.scale = scale
        self.peak = peak
        self.backend = backend
        #: The base's UNet with its blocks compiled, once it is there.
        self.twin: UNet | None = None
        self._engines: dict[tuple[bool, int], Engine] = {}
        self._stock = {False: pipelines.pipeline}
        self._seconds: dict[tuple[Way, ImageRequest, int, int], float] = {}
        #: Until the PNG was there, of what the engine painted alone.
        self.pngs: dict[ImageRequest, float] = {}

    @property
    def on_gpu(self) -> bool:
        return self.device.name == "cuda"

    def request(self, **changed: Any) -> ImageRequest:
        """The usual one: words against which to paint, guidance, Euler."""
        side = changed.pop("side", self.scale.side)
        usual = ImageRequest(
            prompt="",
            negative_prompt="blurry",
            width=side,
            height=side,
            num_inference_steps=self.scale.steps,
            guidance_scale=5.0,
            sampler=Sampler.EULER,
        )
        return replace(usual, **changed)

    def floor(self, side: int, steps: int, **more: int) -> float | None:
        """Seconds of one image at the device's peak."""
        return None if self.peak is None else floors.image(side, steps, **more) / self.peak

    def latency(self, way: Way, request: ImageRequest) -> float:
        """Seconds of one image alone, until its pixels have come to the machine's memory."""
        return self._measured(way, request, rows=1, images=1, runs=self.scale.runs)

    def rate(self, way: Way, request: ImageRequest, rows: int) -> float:
        """Images per second, so many at once."""
        images = rows * self.scale.waves
        return images / self._measured(way, request, rows, images, runs=1)

    def _measured(self, way: Way, request: ImageRequest, rows: int, images: int, runs: int) -> float:
        key = (way, request, rows, images)
        if key not in self._seconds:
            for _ in range(self.scale.warm_ups):
                self.paint(way, replace(request, num_inference_steps=WARM_UP_STEPS), rows, rows)
            self._seconds[key] = statistics.median(self.paint(way, request, rows, images) for _ in range(runs))
        return self._seconds[key]

    def paint(self, way: Way, request: ImageRequest, rows: int, images: int) -> float:
        """Seconds."""
        if not way.ours:
            return sum(self._paint_stock(way.compiled, request, rows) for _ in range(images // rows))
        engine = self.engine(rows, compiled=way.compiled)
        for _ in range(images):
            engine.ask(request)
        ran = engine.run_on_clock()
        if images == 1:
            self.pngs[request] = ran.pngs
        return ran.pixels

    def engine(self, rows: int, *, compiled: bool = False) -> Engine:
        key = (compiled, rows)
        if key not in self._engines:
            twin = self.twin_of if compiled else _no_twin
            self._engines[key] = Engine(self.pipelines, Caps(NO_LIMIT, rows), compiled=twin)
        return self._engines[key]

    def twin_of(self, stage: Stage) -> UNet | None:
        return self.twin if stage is Stage.BASE else None

    def _paint_stock(self, compiled: bool, request: ImageRequest, rows: int) -> float:
        if compiled not in self._stock:
            parts = {**self.pipelines.pipeline.components, "unet": self.twin}
            self._stock[compiled] = StableDiffusionXLPipeline(**parts, add_watermarker=False)
            self._stock[compiled].set_progress_bar_config(disable=True)
        number = next(_numbers)
        began = time.perf_counter()
        # As the engine does; and code that was compiled in it is compiled anew elsewhere.
        with torch.inference_mode():
            self._stock[compiled](
                prompt=[as_new(request, number).prompt] * rows,
                negative_prompt=[request.negative_prompt] * rows,
                width=request.width,
                height=request.height,
                num_inference_steps=request.num_inference_steps,
                guidance_scale=request.guidance_scale,
                generator=[torch.Generator("cpu").manual_seed(seed) for seed in range(rows)],
            )
        return time.perf_counter() - began

    @torch.inference_mode()
    def seconds(self, call: Callable[[], object]) -> float:
        """Median of several calls, each until the device is done."""
        times = []
        for _ in range(self.scale.warm_ups + self.scale.runs):
            self.device.is_usable()
            began = time.perf_counter()
            call()
            self.device.is_usable()
            times.append(time.perf_counter() - began)
        return statistics.median(times[self.scale.warm_ups :])


def _no_twin(stage: Stage) -> UNet | None:
    return None


def compiled_twin(bench: Bench, patience: float, rows: Sequence[int] = TWIN_ROWS) -> tuple[UNet, float]:
    """The twin and the seconds until it was there. Raises TimeoutError or RuntimeError."""
    calls = [inputs(bench.pipelines, bench.scale.side, each) for each in rows]
    began = time.perf_counter()
    twin = CompiledTwin(bench.pipelines.pipeline.unet, lambda unet: call_all(unet, calls), bench.backend)
    while twin.ready is None:
        if twin.failure is not None:
            raise RuntimeError(f"not compiled: {twin.failure}")
        if time.perf_counter() - began > patience:
            raise TimeoutError(f"not compiled after {patience:.0f} s")
        time.sleep(0.05)
    bench.device.is_usable()
    return twin.ready, time.perf_counter() - began
