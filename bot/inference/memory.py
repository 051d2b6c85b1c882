"""How the models fit in the device's memory: which parts stay there, and which come only when they are needed."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import nn

from bot.ports import Memory

#: Bytes for what is not weights: activations of one guided 1024x1024 step or decode, and CUDA's own.
HEADROOM = 3 * 10**9


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


def chosen(wanted: Memory, total: int | None, weights: Weights) -> Memory:
    """What `auto` stands for on a device with so many bytes; None: one that shares the machine's own memory."""
    if wanted is not Memory.AUTO:
        return wanted
    largest = max(weights.unet, weights.refiner_unet)
    if total is None or total >= weights.text + weights.unet + weights.refiner_unet + weights.vae + HEADROOM:
        return Memory.FULL
    return Memory.BALANCED if total >= largest + weights.vae + HEADROOM else Memory.LOW


def size(*modules: nn.Module) -> int:
    """Bytes of all weights."""
    return sum(weight.nbytes for module in modules for weight in module.state_dict().values())


class Residence:
    """Moves parts between the device and the machine's memory, as the level asks."""

    def __init__(self, level: Memory, device: torch.device | str) -> None:
        self.level = level
        self._device = torch.device(device)
        self._home = torch.device("cpu")
        self._here: dict[Part, list[nn.Module]] = {part: [] for part in Part}

    @property
    def one_unet_at_a_time(self) -> bool:
        return self.level is not Memory.FULL

    def bring(self, part: Part, modules: Sequence[nn.Module]) -> None:
        """To the device; what has to make room goes home first."""
        if self._here[part] == list(modules):
            return
        for other in Part if self.level is Memory.LOW else (part,):
            if self.level is not Memory.FULL:
                self.send_home(other, but=modules)
        for module in modules:
            module.to(self._device)
        self._here[part] = list(modules)

    def send_home(self, part: Part, but: Sequence[nn.Module] = ()) -> None:
        for module in self._here[part]:
            if module not in but:
                module.to(self._home)
        self._here[part] = [module for module in self._here[part] if module in but]

    @contextmanager
    def visit(self, part: Part, modules: Sequence[nn.Module]) -> Iterator[None]:
        """On the device for this block alone, unless the level lets everything stay."""
        self.bring(part, modules)
        try:
            yield
        finally:
            if self.level is not Memory.FULL:
                self.send_home(part)
