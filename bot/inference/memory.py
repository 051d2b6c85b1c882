"""How the models fit in the device's memory: which parts stay there, and which come only when they are needed."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import nn

from bot.ports import Memory

#: Bytes for what is not weights: activations of one guided 1024x1024 step or decode, and CUDA's own.
HEADROOM = 3 * 10**9
#: In the name of every weight of a LoRA.
LORA = "lora_"

#: What a level does, for the operator.
IN_WORDS = {
    Memory.FULL: "all models stay on the device",
    Memory.BALANCED: "one UNet at a time on the device, text encoders only while they encode",
    Memory.LOW: "one model part at a time on the device, pictures are decoded in tiles",
}


class Part(StrEnum):
    TEXT = "text"
    UNET = "unet"
    VAE = "vae"


@dataclass(frozen=True, slots=True)
class Weights:
    """Bytes."""

    text: int
    unet: int
    refiner_unet: int
    vae: int


def chosen(wanted: Memory, free: int | None, weights: Weights) -> Memory:
    """What `auto` stands for on a device with so many bytes free; None: one that shares the machine's own memory."""
    if wanted is not Memory.AUTO:
        return wanted
    largest = max(weights.unet, weights.refiner_unet)
    if free is None or free >= weights.text + weights.unet + weights.refiner_unet + weights.vae + HEADROOM:
        return Memory.FULL
    return Memory.BALANCED if free >= largest + weights.vae + HEADROOM else Memory.LOW


def size(*modules: nn.Module) -> int:
    """Bytes of all weights."""
    return sum(weight.nbytes for module in modules for weight in module.state_dict().values())


class Residence:
    """Moves parts between the device and the machine's memory, as the level asks."""

    def __init__(self, level: Memory, device: torch.device | str) -> None:
        self.level = level
        self._device = torch.device(device)
        #: What is on the device.
        self._here: dict[Part, set[nn.Module]] = {part: set() for part in Part}
        #: What each weight was before it came to the device.
        self._homes: dict[nn.Module, dict[str, torch.Tensor]] = {}

    @property
    def one_unet_at_a_time(self) -> bool:
        return self.level is not Memory.FULL

    def bring(self, part: Part, modules: Sequence[nn.Module]) -> None:
        """To the device; what has to make room goes home first."""
        coming = set(modules)
        if coming <= self._here[part]:
            return
        # Whoever calls may be inside `inference_mode`; weights that are moved there could never be changed again.
        with torch.inference_mode(False):
            self._bring(part, coming)

    def _bring(self, part: Part, coming: set[nn.Module]) -> None:
        match self.level:
            case Memory.BALANCED:
                self.send_home(part, but=coming)
            case Memory.LOW:
                for other in Part:
                    self.send_home(other, but=coming)
        for module in coming - self._here[part]:
            if self.level is not Memory.FULL:
                self._homes[module] = {name: weight.data for name, weight in _weights_of(module)}
            module.to(self._device)
        self._here[part] |= coming

    def send_home(self, part: Part, but: Collection[nn.Module] = ()) -> None:
        """Weights do not change, so what they were is still there, and nothing is copied; but for LoRAs."""
        for module in self._here[part] - set(but):
            homes = self._homes.pop(module)
            with torch.inference_mode(False):
                for name, weight in _weights_of(module):
                    weight.data = weight.data.to("cpu") if LORA in name else homes[name]
            self._here[part].discard(module)

    @contextmanager
    def visit(self, part: Part, modules: Sequence[nn.Module]) -> Iterator[None]:
        """On the device for this block alone, unless the level lets everything stay."""
        self.bring(part, modules)
        try:
            yield
        finally:
            if self.level is not Memory.FULL:
                self.send_home(part)


def _weights_of(module: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    yield from module.named_parameters()
    yield from module.named_buffers()
