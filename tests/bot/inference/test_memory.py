"""Which level `auto` takes, and what is on the device at each."""

from pathlib import Path

import pytest
import torch
from torch import nn

from benchmarks.alike import are_alike
from bot.inference.memory import HEADROOM, Part, Residence, Weights, chosen, size
from bot.inference.pipelines import DEMO, Pipelines
from bot.jobs import ImageRequest, Refinement
from bot.ports import Memory
from tests.bot.inference.painting import Easel, painted, picture, work

#: SDXL's in bf16.
SDXL = Weights(text=1_640_000_000, unet=5_135_000_000, refiner_unet=4_519_000_000, vae=167_000_000)
GB = 10**9


@pytest.mark.parametrize(
    ("total", "level"),
    [
        (None, Memory.FULL),
        (80 * GB, Memory.FULL),
        (24 * GB, Memory.FULL),
        (16 * GB, Memory.FULL),
        (12 * GB, Memory.BALANCED),
        (10 * GB, Memory.BALANCED),
        (8 * GB, Memory.LOW),
        (6 * GB, Memory.LOW),
    ],
)
def test_auto_looks_at_the_device(total: int | None, level: Memory) -> None:
    assert chosen(Memory.AUTO, total, SDXL) is level


@pytest.mark.parametrize("level", [Memory.FULL, Memory.BALANCED, Memory.LOW])
def test_what_the_operator_says_goes(level: Memory) -> None:
    assert chosen(level, 1, SDXL) is level


def test_twelve_gigabytes_hold_the_larger_unet_and_leave_room_to_work() -> None:
    assert SDXL.unet + SDXL.vae + HEADROOM < 11.5 * GB


def test_the_size_of_a_module_is_that_of_its_weights() -> None:
    assert size(nn.Linear(3, 5), nn.Linear(1, 1, bias=False)) == 4 * (3 * 5 + 5 + 1)


class Elsewhere(nn.Linear):
    """Goes to a device that needs no GPU: to another place in memory."""

    moves = 0

    def to(self, *args: object, **kwargs: object) -> "Elsewhere":
        self.moves += 1
        for weight in self.parameters():
            weight.data = weight.data.clone()
        return self


class Rooms:
    """Two UNets, a VAE and two text encoders."""

    def __init__(self, level: Memory) -> None:
        self.modules = {name: Elsewhere(2, 2) for name in ("base", "refiner", "vae", "one", "two")}
        self.homes = {name: module.weight.data_ptr() for name, module in self.modules.items()}
        self.residence = Residence(level, "cpu")

    def here(self) -> set[str]:
        return {name for name, module in self.modules.items() if module.weight.data_ptr() != self.homes[name]}

    def bring(self, part: Part, name: str) -> None:
        self.residence.bring(part, [self.modules[name]])
        assert name in self.here()

    def paint(self) -> None:
        with self.residence.visit(Part.TEXT, [self.modules["one"], self.modules["two"]]):
            assert {"one", "two"} <= self.here()
        self.bring(Part.UNET, "base")
        self.bring(Part.UNET, "refiner")
        self.bring(Part.VAE, "vae")


@pytest.mark.parametrize(
    ("level", "stay"),
    [
        (Memory.FULL, {"one", "two", "base", "refiner", "vae"}),
        (Memory.BALANCED, {"refiner", "vae"}),
        (Memory.LOW, {"vae"}),
    ],
)
def test_each_level_keeps_what_it_says_and_sends_the_rest_home_without_a_copy(level: Memory, stay: set[str]) -> None:
    rooms = Rooms(level)
    for _ in range(2):
        rooms.paint()

        assert rooms.here() == stay


def test_what_is_there_already_is_not_looked_through() -> None:
    rooms = Rooms(Memory.FULL)
    for _ in range(3):
        rooms.paint()

    assert [module.moves for module in rooms.modules.values()] == [1] * 5


def test_a_lora_that_changed_on_the_device_comes_home_as_it_is_now() -> None:
    layer = nn.Module()
    layer.lora_A = nn.Linear(2, 2, bias=False)
    layer.plain = nn.Linear(2, 2, bias=False)
    residence = Residence(Memory.BALANCED, "cpu")
    residence.bring(Part.UNET, [layer])
    layer.lora_A.weight.data = torch.ones(2, 2)
    plain = layer.plain.weight.detach().clone()
    residence.send_home(Part.UNET)

    assert torch.equal(layer.lora_A.weight, torch.ones(2, 2))
    assert torch.equal(layer.plain.weight, plain)


@pytest.mark.slow
@pytest.mark.parametrize("level", [Memory.BALANCED, Memory.LOW])
def test_pictures_are_the_same_at_every_level(demo: Pipelines, level: Memory) -> None:
    """Small ones, which one tile holds."""
    cat = ImageRequest(prompt="a cat", width=64, height=64, num_inference_steps=5, refine_at=0.8, seed=1)
    other = Pipelines.load(DEMO, DEMO, level)
    easel = Easel(other)
    for _ in range(2):
        easel.accept(work(cat))
    snow = Refinement(image_id="parent", prompt="snow", strength=1.0, num_inference_steps=3, seed=2)
    (parent,) = painted(demo, work(cat))
    easel.accept(work(snow, source=parent.png))
    easel.finish()

    assert are_alike(picture(easel.images(0)[0]), picture(parent))
    assert are_alike(picture(easel.images(2)[0]), picture(painted(demo, work(snow, source=parent.png))[0]))
    assert other.residence.one_unet_at_a_time
    assert torch.device("cpu") == next(other.base.unet.parameters()).device


@pytest.mark.slow
def test_a_refiner_that_must_be_fetched_lets_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Jobs that need it wait; when it is there, or cannot be had, they go on."""
    pipelines = Pipelines.load(DEMO, "somebody/refiner")
    woken: list[bool] = []
    ended: list[bool] = []

    class Slow:
        def __init__(self, source: str, when_ended: object) -> None:
            woken.append(source == "somebody/refiner")

        @property
        def ended(self) -> bool:
            return bool(ended)

    monkeypatch.setattr("bot.inference.pipelines.Fetching", Slow)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    cat = ImageRequest(prompt="a cat", width=64, height=64, num_inference_steps=5, seed=1)
    easel = Easel(pipelines)
    waits = easel.accept(work(ImageRequest(prompt="a cat", num_inference_steps=5, refine_at=0.5, seed=1)))
    goes_on = easel.accept(work(cat))
    while easel.painter.turn():
        pass

    assert woken == [True], "one download"
    assert len(easel.progress(goes_on)) == 5
    assert easel.of(waits) == []
    ended.append(True)
    easel.finish()
    assert getattr(easel.ending(waits), "code", None) == "refiner_unavailable"
