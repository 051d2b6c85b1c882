"""Opens all that a worker needs: models, LoRAs, measured caps, a compiled twin, and the painter that uses them."""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import UNet2DConditionModel

from bot.inference.caps import Call, Caps, Measured, measure
from bot.inference.compiled import CompiledTwin
from bot.inference.denoise import UNet
from bot.inference.lora import Loras
from bot.inference.memory import IN_WORDS
from bot.inference.paint import Painter
from bot.inference.pipelines import Pipelines
from bot.inference.safety import Checker, load_checker
from bot.inference.wire import Load, Loaded, News
from bot.jobs import Stage
from bot.ports import Memory

#: Seconds that the measuring may take, more or less.
WARM_UP = {"cpu": 2.0, "cuda": 8.0}
#: Rows in a call for which a twin is compiled: a single one, and any more.
TWIN_ROWS = (1, 2)


@dataclass(frozen=True, slots=True, eq=False)
class Studio:
    loaded: Loaded
    painter: Painter
    table: Sequence[Measured]

    @classmethod
    def open(
        cls,
        load: Load,
        *,
        tell: Callable[[int, News], None],
        wake: Callable[[], None],
        stepped: Callable[[Stage, int, float], None] = lambda stage, rows, seconds: None,
    ) -> "Studio":
        pipelines = Pipelines.load(load.model, load.refiner, load.memory)
        device = pipelines.device
        # Before it is measured how much room there is.
        checker = _checker(load, pipelines)
        side = pipelines.native_side
        table = measure(guided_call(pipelines), (side, side // 2), WARM_UP[device.name])
        device.release()
        caps = Caps.of(table)
        caps.painted(side * side)
        loras = Loras(pipelines.pipeline, load.styles)
        # A UNet that comes and goes cannot be warmed up behind its back.
        twins = _Twins(pipelines, loras) if load.compiles and pipelines.residence.level is Memory.FULL else None
        painter = Painter(
            pipelines,
            caps,
            tell=tell,
            clock=time.monotonic,
            loras=loras,
            styles=load.styles,
            compiled=twins.of if twins else lambda stage: None,
            checker=checker,
            marker=load.marker,
            wake=wake,
            stepped=stepped,
        )
        loaded = Loaded(
            model=pipelines.model,
            refiner=pipelines.refiner,
            device=device.name,
            dtype=device.dtype_name,
            memory_used=device.memory()[0],
            memory_total=device.memory()[1],
            native_pixels=side * side,
            pixels=caps.pixels,
            rows=caps.rows,
            plan=_plan(pipelines, caps, loras, load),
            image_check=load.image_check,
        )
        return cls(loaded, painter, table)


class _Twins:
    """The base's alone; the refiner, which comes when it is asked for, goes on without."""

    def __init__(self, pipelines: Pipelines, loras: Loras) -> None:
        self._loras = loras
        self._joined = False
        self._told = False
        all_inputs = [inputs(pipelines, pipelines.native_side, rows) for rows in TWIN_ROWS]
        self._twin = CompiledTwin(pipelines.pipeline.unet, lambda unet: call_all(unet, all_inputs))

    def of(self, stage: Stage) -> UNet | None:
        if self._twin.failure is not None and not self._told:
            self._told = True
            print(f"limner: compiling failed, so it goes on without: {self._twin.failure}", file=sys.stderr)
        twin: UNet2DConditionModel | None = self._twin.ready if stage is Stage.BASE else None
        if twin is not None and not self._joined:
            self._loras.join(twin)
            self._joined = True
        ready: UNet | None = twin
        return ready


def _checker(load: Load, pipelines: Pipelines) -> Checker | None:
    """Where the device has no room for all, it does without this one. Raises CannotStart."""
    if load.image_check is None:
        return None
    small = pipelines.residence.level is Memory.LOW
    return load_checker(load.image_check, "cpu" if small else pipelines.device.name)


@torch.inference_mode()
def call_all(unet: UNet, calls: Sequence[Mapping[str, Any]]) -> None:
    for each in calls:
        unet(**each)


def guided_call(pipelines: Pipelines) -> Call:
    """What `measure` times."""

    def call(side: int, batch: int) -> None:
        call_all(pipelines.unet(Stage.BASE), [inputs(pipelines, side, 2 * batch)])
        pipelines.device.is_usable()  # waits for the end

    return call


@torch.inference_mode()
def inputs(pipelines: Pipelines, side: int, rows: int) -> dict[str, Any]:
    """Of one UNet call for pictures of this side in pixels."""
    device, dtype = pipelines.device.name, pipelines.device.dtype
    encoding, _ = pipelines.base.encode("", None)
    latents = side // pipelines.pipeline.vae_scale_factor
    channels = pipelines.pipeline.unet.config.in_channels
    return {
        "sample": torch.zeros(rows, channels, latents, latents, dtype=dtype, device=device),
        "timestep": torch.full((rows,), 500.0, device=device),
        "encoder_hidden_states": torch.cat([encoding.embeds] * rows).to(dtype),
        "added_cond_kwargs": {
            "text_embeds": torch.cat([encoding.pooled] * rows).to(dtype),
            "time_ids": torch.tensor([[side, side, 0, 0, side, side]] * rows, dtype=dtype, device=device),
        },
        "return_dict": False,
    }


def _plan(pipelines: Pipelines, caps: Caps, loras: Loras, load: Load) -> str:
    side, level = pipelines.native_side, pipelines.residence.level
    at_once = caps.per_call(side * side)
    sentences = [f"{level}: {IN_WORDS[level]}", f"up to {at_once} pictures of {side}x{side} share a step"]
    if load.compiles:
        compiles = "is compiled in the background" if level is Memory.FULL else "is not compiled, as it comes and goes"
        sentences.append(f"the UNet {compiles}")
    sentences += [f"the style {name} cannot be used: {reason}" for name, reason in loras.broken.items()]
    return "; ".join(sentences)
