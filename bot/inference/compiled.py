"""torch.compile without a wait: a twin of the UNet is compiled in the background while the UNet goes on serving."""

import copy
import threading
from collections.abc import Callable
from typing import Any

from diffusers import UNet2DConditionModel

from bot.inference.lora import has_slot, switch
from bot.inference.pipelines import explained

#: Graphs of one block: for each width, for one row or more, with LoRAs on or off, and as far as they cover it.
GRAPHS_MAX = 64

WarmUp = Callable[[UNet2DConditionModel], object]
Backend = str | Callable[..., Any]


class CompiledTwin:
    """A copy of a UNet that shares its weights, those of LoRAs too; only whether LoRAs are on is its own.

    `warm_up` calls the twin as it will be called later: in `inference_mode` or not, timesteps 1-D, with one row and
    with more. Anything else is compiled anew when it comes. It runs in a thread of its own.
    """

    def __init__(self, unet: UNet2DConditionModel, warm_up: WarmUp, backend: Backend = "inductor") -> None:
        #: None while it is compiled, and where that failed. Its LoRAs are off: `Loras.join` it.
        self.ready: UNet2DConditionModel | None = None
        self.failure: str | None = None
        work = (unet, warm_up, backend)
        self._thread = threading.Thread(target=self._compile, args=work, name="compile", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until it is ready or failed."""
        self._thread.join()

    def _compile(self, unet: UNet2DConditionModel, warm_up: WarmUp, backend: Backend) -> None:
        try:
            twin = _twin_of(unet)
            twin.compile_repeated_blocks(fullgraph=True, dynamic=True, backend=backend, recompile_limit=GRAPHS_MAX)
            for on in (True, False) if has_slot(twin) else (False,):
                switch(twin, on=on)
                warm_up(twin)
        except Exception as error:
            self.failure = explained(getattr(error, "inner_exception", error))
        else:
            self.ready = twin


def _twin_of(unet: UNet2DConditionModel) -> UNet2DConditionModel:
    """New modules around the same tensors."""
    tensors = (*unet.parameters(), *unet.buffers())
    return copy.deepcopy(unet, {id(tensor): tensor for tensor in tensors})
