"""The compiled twin on real dynamo, with a backend that counts graphs and runs them as they are."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.models.attention import BasicTransformerBlock

from bot.inference.compiled import CompiledTwin
from bot.inference.lora import Loras
from bot.styles import Style
from tests.bot.inference.test_lora import as_peft, called, demo, random_weights, saved

pytestmark = pytest.mark.slow

#: Rows of a UNet call: two for each of up to 8 pictures, or one for an unguided picture alone.
ROWS = (1, 2, 3, 8, 16)


class Graphs:
    """A backend."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, graph: torch.fx.GraphModule, examples: list[Any]) -> Callable[..., Any]:
        self.count += 1
        return graph


@pytest.fixture
def graphs() -> Iterator[Graphs]:
    torch.compiler.reset()
    yield Graphs()
    torch.compiler.reset()


@pytest.fixture
def pipeline() -> StableDiffusionXLPipeline:
    return demo()


def warm_up(unet: UNet2DConditionModel) -> None:
    for rows in (1, 2):
        called(unet, rows)


def widths(unet: UNet2DConditionModel) -> int:
    """How many different ones its transformer blocks have."""
    return len({block.norm1.normalized_shape for block in unet.modules() if isinstance(block, BasicTransformerBlock)})


def attention_loras(unet: UNet2DConditionModel, folder: Path) -> list[Style]:
    """On every block alike, as usual, but of two ranks."""
    layers = tuple(name for name, _ in unet.named_modules() if name.endswith(("attn1.to_q", "attn2.to_v")))
    return [
        Style(name=name, lora=saved(as_peft(random_weights(unet, layers, rank)), folder / f"{name}.safetensors"))
        for name, rank in (("ink", 2), ("wax", 4))
    ]


def test_a_single_row_has_one_graph_and_any_more_rows_another(
    pipeline: StableDiffusionXLPipeline, graphs: Graphs
) -> None:
    twin = CompiledTwin(pipeline.unet, warm_up, graphs)
    twin.wait()

    assert twin.failure is None
    assert graphs.count == 2 * widths(pipeline.unet)
    for rows in ROWS:
        assert torch.equal(called(twin.ready, rows), called(pipeline.unet, rows))
    assert graphs.count == 2 * widths(pipeline.unet)


def test_loras_come_and_go_without_a_further_graph(
    pipeline: StableDiffusionXLPipeline, graphs: Graphs, tmp_path: Path
) -> None:
    loras = Loras(pipeline, attention_loras(pipeline.unet, tmp_path))
    twin = CompiledTwin(pipeline.unet, called, graphs)
    twin.wait()
    loras.activate(("ink",))
    loras.join(twin.ready)

    # With LoRAs and without.
    assert graphs.count == 2 * widths(pipeline.unet)
    answers: dict[tuple[str, ...], torch.Tensor] = {}
    for names in (("ink",), ("wax",), (), ("ink", "wax"), ("ink",), ()):
        loras.activate(names)
        answer = called(twin.ready)
        assert torch.equal(answer, called(pipeline.unet))
        assert torch.equal(answer, answers.setdefault(names, answer))
    assert len({float(answer.sum()) for answer in answers.values()}) == len(answers)
    assert graphs.count == 2 * widths(pipeline.unet)


def test_the_unet_serves_and_changes_its_loras_while_the_twin_is_compiled(
    pipeline: StableDiffusionXLPipeline, graphs: Graphs, tmp_path: Path
) -> None:
    loras = Loras(pipeline, attention_loras(pipeline.unet, tmp_path))
    plain = called(pipeline.unet)
    begun, go_on = threading.Event(), threading.Event()

    def slow_warm_up(unet: UNet2DConditionModel) -> None:
        begun.set()
        assert go_on.wait(30)

    twin = CompiledTwin(pipeline.unet, slow_warm_up, graphs)
    assert begun.wait(30)
    assert twin.ready is None
    loras.activate(("wax",))
    answer = called(pipeline.unet)
    go_on.set()
    twin.wait()
    loras.join(twin.ready)

    assert not torch.equal(answer, plain)
    with torch.compiler.set_stance("force_eager"):  # Nothing was warmed up here.
        assert torch.equal(called(twin.ready), answer)


def test_the_twin_costs_no_memory(pipeline: StableDiffusionXLPipeline, graphs: Graphs) -> None:
    twin = CompiledTwin(pipeline.unet, lambda unet: None, graphs)
    twin.wait()

    assert twin.ready is not None
    assert twin.ready is not pipeline.unet
    pairs = zip(twin.ready.parameters(), pipeline.unet.parameters(), strict=True)
    assert all(ours is theirs for ours, theirs in pairs)


def test_where_compiling_fails_the_unet_stays(pipeline: StableDiffusionXLPipeline, graphs: Graphs) -> None:
    def no_compiler(graph: torch.fx.GraphModule, examples: list[Any]) -> Callable[..., Any]:
        raise RuntimeError("no C compiler\nwas found")

    before = called(pipeline.unet)
    twin = CompiledTwin(pipeline.unet, warm_up, no_compiler)
    twin.wait()

    assert twin.ready is None
    assert twin.failure is not None
    assert "no C compiler" in twin.failure
    assert len(twin.failure.splitlines()) == 1
    assert torch.equal(called(pipeline.unet), before)
