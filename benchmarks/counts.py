"""What does not depend on the machine: how alike pictures are, and how much work they took. Tests hold the same."""

import io
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file

from benchmarks.alike import levels_apart
from benchmarks.drive import NO_LIMIT, Driven, painted
from benchmarks.mixes import requests
from benchmarks.report import Row
from benchmarks.stock import Stock
from bot.inference.caps import Caps
from bot.inference.compiled import CompiledTwin
from bot.inference.lora import Loras
from bot.inference.pipelines import DEMO, Pipelines
from bot.inference.studio import TWIN_ROWS, call_all, inputs
from bot.jobs import ImageRequest, Refinement
from bot.quality import Menu
from bot.styles import Style

CAT = Menu().filled_in(ImageRequest(prompt="a cat", width=64, height=64, num_inference_steps=6, seed=1))
MIXES, TOGETHER = 50, 2
#: Of a UNet call: one, and two for each of up to 8 pictures.
ROWS = (1, 2, 4, 8, 6, 16, 10, 14, 12)
#: Twelve requests of 6 to 12 steps, 109 in all.
STEPS = (6, 12, 7, 11, 8, 10, 9, 9, 12, 6, 7, 12)


def measure() -> Iterator[Row]:
    pipelines = Pipelines.load(DEMO, DEMO)
    yield from equality(pipelines, Stock())
    yield from unet_calls(pipelines)
    yield from after_a_cancel(pipelines)
    yield from encoder_calls(pipelines)
    yield from graphs()


def equality(pipelines: Pipelines, stock: Stock) -> Iterator[Row]:
    levels = levels_of_mixes(pipelines, stock)
    text = f"at most {levels.max()} of 255, on {(levels > 0).mean():.4%} of {levels.size:,} subpixels"
    what = f"{MIXES} mixes, {MIXES * TOGETHER} pictures of every sampler and stage, against stock diffusers"
    yield Row(what, text, "≤ 1, on ≤ 0.1 %")


def levels_of_mixes(pipelines: Pipelines, stock: Stock) -> NDArray[Any]:
    """How far apart all pictures are. Each mix comes while others are under way: rows join and leave at any step."""
    chance = random.Random(2)
    parent = painted(pipelines, [CAT], 1)[1].images()[0].png
    driven = Driven(pipelines, Caps(NO_LIMIT, 8))
    for number, request in enumerate(requests(chance, MIXES * TOGETHER)):
        driven.accept(number, request, source=parent if isinstance(request, Refinement) else None)
        if number % TOGETHER == TOGETHER - 1:
            for _ in range(chance.randint(1, 9)):
                driven.painter.turn()
    driven.run()
    images = driven.images()
    assert len(images) == MIXES * TOGETHER
    apart = []
    for image in images.values():
        theirs = stock.paint(image.recipe, parent if image.recipe.strength is not None else None)
        apart.append(levels_apart(Image.open(io.BytesIO(image.png)), theirs))
    return np.concatenate(apart)


def unet_calls(pipelines: Pipelines) -> Iterator[Row]:
    mixed = [replace(CAT, num_inference_steps=steps, seed=number) for number, steps in enumerate(STEPS)]
    calls = {cap: painted(pipelines, mixed, cap)[1].painter.denoiser.calls for cap in (1, 2, 4, 8)}
    text = ", ".join(f"{count} at cap {cap}" for cap, count in calls.items())
    yield Row(f"UNet calls for 12 requests of 6 to 12 steps, {sum(STEPS)} in all", text, "≤ 21 at cap 8")


def after_a_cancel(pipelines: Pipelines) -> Iterator[Row]:
    decodes: list[Any] = []
    hook = pipelines.base.vae.decoder.register_forward_hook(lambda *_: decodes.append(None))
    driven = Driven(pipelines, Caps(NO_LIMIT, 1))
    for number in range(2):
        driven.accept(number, CAT)
    for _ in range(3):
        driven.painter.turn()
    told = len([number for _, number, _ in driven.told if number == 0])
    driven.painter.cancel(0)
    driven.painter.turn()
    took_its_place = any(number == 1 for _, number, _ in driven.told)
    steps = len([number for _, number, _ in driven.told if number == 0]) - told - 1
    hook.remove()
    driven.run()
    text = (
        f"{steps} steps, {len(decodes)} decodes, its place {'taken at the next step' if took_its_place else 'not free'}"
    )
    yield Row("after a cancel is seen", text, "0 steps, 0 decodes, place free")


def encoder_calls(pipelines: Pipelines) -> Iterator[Row]:
    before = pipelines.text_encoder_calls
    asked = [
        replace(CAT, prompt=f"only counted: {number % 10}", negative_prompt="nor this", num_inference_steps=1)
        for number in range(100)
    ]
    painted(pipelines, asked, 16)
    text = f"{pipelines.text_encoder_calls - before}"
    yield Row("text-encoder calls for 100 requests with 10 prompts and one negative", text, "11")


def graphs() -> Iterator[Row]:
    """As dynamo makes them of the UNet's repeated blocks; they run as they are, for only their number counts."""
    made: list[Any] = []
    torch.compiler.reset()

    def count(graph: Any, example: Any) -> Any:
        made.append(graph)
        return graph

    # Of its own: LoRAs stay in a UNet.
    pipelines = Pipelines.load(DEMO, DEMO)
    calls = {rows: inputs(pipelines, 64, rows) for rows in ROWS}
    with TemporaryDirectory() as folder:
        loras = Loras(pipelines.pipeline, _styles(pipelines, Path(folder)))
    twin = CompiledTwin(pipelines.base.unet, lambda unet: call_all(unet, [calls[rows] for rows in TWIN_ROWS]), count)
    twin.wait()
    assert twin.ready is not None, twin.failure
    loras.join(twin.ready)
    before = len(made)
    with torch.inference_mode():
        for rows in ROWS:
            twin.ready(**calls[rows])
        yield Row("graphs of a compiled block over batches of 1 to 8", f"{before // 2 + len(made) - before}", "≤ 2")
        before = len(made)
        for names in (("one",), ("two",), (), ("one", "two"), ("two",)):
            loras.activate(names)
            twin.ready(**calls[2])
    torch.compiler.reset()
    yield Row("recompiles over four swaps of LoRAs", f"{len(made) - before}", "0")


def _styles(pipelines: Pipelines, folder: Path) -> list[Style]:
    """Small random LoRAs on every block alike, as usual."""
    styles = []
    for name, rank in (("one", 2), ("two", 4)):
        state = {}
        for layer, module in pipelines.base.unet.named_modules():
            if layer.endswith(("attn1.to_q", "attn2.to_v")):
                state[f"unet.{layer}.lora_A.weight"] = torch.randn(rank, module.in_features) / 10
                state[f"unet.{layer}.lora_B.weight"] = torch.randn(module.out_features, rank) / 10
        save_file(state, folder / f"{name}.safetensors")
        styles.append(Style(name=name, lora=str(folder / f"{name}.safetensors")))
    return styles
