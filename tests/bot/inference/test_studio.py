"""A worker's studio as a whole: opened, measured, compiled in the background, and painted in."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from bot.inference import studio
from bot.inference.compiled import CompiledTwin
from bot.inference.pipelines import DEMO
from bot.inference.studio import Studio
from bot.inference.wire import Finished, Load, News
from bot.jobs import ImageRequest
from bot.ports import Memory
from tests.bot.inference.painting import work

pytestmark = pytest.mark.slow

CAT = ImageRequest(prompt="a cat", width=64, height=64, num_inference_steps=3, seed=1)

Opened = Callable[[Load], tuple[Studio, list[tuple[int, News]]]]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    monkeypatch.setattr(studio, "WARM_UP", {"cpu": 0.1})

    def open_studio(load: Load) -> tuple[Studio, list[tuple[int, News]]]:
        told: list[tuple[int, News]] = []
        return Studio.open(load, tell=lambda number, news: told.append((number, news)), wake=lambda: None), told

    return open_studio


def finish(of: Studio) -> None:
    deadline = time.monotonic() + 40
    while of.painter.turn() or of.painter.holds_any:
        assert time.monotonic() < deadline


def test_it_says_what_it_found(opened: Opened) -> None:
    painting, _ = opened(Load(DEMO, DEMO))

    loaded = painting.loaded
    assert (loaded.model, loaded.refiner, loaded.device, loaded.dtype) == (DEMO, DEMO, "cpu", "float32")
    side = painting.painter._pipelines.native_side
    assert loaded.native_pixels == side * side
    assert loaded.pixels >= 2 * side * side
    assert loaded.plan.startswith("full: all models stay on the device; up to ")
    assert [measured.pixels for measured in painting.table] == [side * side, side * side // 4]


class Graphs(list[Any]):
    """Made by dynamo for `twins`, run as they are."""

    def __init__(self) -> None:
        self.twins: list[CompiledTwin] = []


@pytest.fixture
def graphs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Graphs]:
    made = Graphs()

    def count(graph: Any, example: Any) -> Any:
        made.append(graph)
        return graph

    def twin(unet: Any, warm_up: Any) -> CompiledTwin:
        made.twins.append(CompiledTwin(unet, warm_up, count))
        return made.twins[-1]

    torch.compiler.reset()
    monkeypatch.setattr(studio, "CompiledTwin", twin)
    yield made
    torch.compiler.reset()


def test_a_twin_takes_over_when_it_is_warm_and_compiles_nothing_more(opened: Opened, graphs: Graphs) -> None:
    painting, told = opened(Load(DEMO, DEMO, compiles=True))
    assert "the UNet is compiled in the background" in painting.loaded.plan
    deadline = time.monotonic() + 40
    while len(graphs) < 2:
        painting.painter.accept(0, work(CAT))
        finish(painting)
        assert time.monotonic() < deadline
    (twin,) = graphs.twins
    twin.wait()
    assert twin.ready is not None
    made = len(graphs)

    for number, guidance in enumerate((5.0, 0.0), start=1):
        painting.painter.accept(number, work(replace(CAT, guidance_scale=guidance)))
        finish(painting)
    for number in range(3, 6):
        painting.painter.accept(number, work(CAT))
    finish(painting)

    assert len(graphs) == made
    assert sum(isinstance(news, Finished) for _, news in told) >= 6


def test_a_unet_that_comes_and_goes_is_not_compiled_and_the_plan_says_so(opened: Opened) -> None:
    painting, _ = opened(Load(DEMO, DEMO, Memory.BALANCED, compiles=True))

    assert "the UNet is not compiled, as it comes and goes" in painting.loaded.plan


def test_a_compiler_that_fails_is_told_once_and_the_eager_unet_goes_on(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(graph: Any, example: Any) -> Any:
        raise RuntimeError("no C++ compiler here")

    monkeypatch.setattr(studio, "CompiledTwin", lambda unet, warm_up: CompiledTwin(unet, warm_up, broken))
    painting, told = opened(Load(DEMO, DEMO, compiles=True))
    deadline = time.monotonic() + 40
    said = ""
    while "compiling failed" not in said:
        painting.painter.accept(0, work(CAT))
        finish(painting)
        said += capsys.readouterr().err
        assert time.monotonic() < deadline
    painting.painter.accept(0, work(CAT))
    finish(painting)

    assert "compiling failed" not in capsys.readouterr().err
    assert isinstance(told[-1][1], Finished)
