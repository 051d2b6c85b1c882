"""LoRAs on the base's UNet: one slot in every layer that some style changes, filled anew without a recompilation.

Only the UNet's part of a LoRA is used; what it holds for the text encoders is left out.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from math import sqrt
from pathlib import Path
from typing import Any, NamedTuple

import torch
from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY
from diffusers.utils import convert_unet_state_dict_to_peft
from huggingface_hub import hf_hub_download, list_repo_files, snapshot_download
from huggingface_hub.errors import LocalEntryNotFoundError, RemoteEntryNotFoundError, RepositoryNotFoundError
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.other import get_pattern_key
from safetensors import SafetensorError, safe_open

from bot.errors import JobFailed
from bot.inference.pipelines import explained
from bot.styles import Style

#: Most LoRAs in a set: a style, and the one that makes few steps enough.
SET_MAX = 2
#: The name that peft knows the slot by.
SLOT = "limner"
#: The ends of peft's keys.
DOWN, UP = ".lora_A.weight", ".lora_B.weight"
SUFFIX = ".safetensors"
HUB_ID = re.compile(r"(?!\.)(?P<repo>[\w.-]+/[\w.-]+)(?<!\.safetensors)(/(?P<file>.+\.safetensors))?")
#: The name that diffusers and its training scripts give to a LoRA's file.
USUAL_FILE = "pytorch_lora_weights.safetensors"
#: What gives away adapters of other kinds, which diffusers refuses with a page of keys, or strips to a wrong LoRA.
OTHER_KINDS = {
    "dora_scale": "DoRA",
    "lora_magnitude": "DoRA",
    "hada_": "LoHa",
    "lokr_": "LoKr",
    ".lora_mid.": "CP-LoRA",
}


class Pair(NamedTuple):
    """A layer's change: weight + up @ down. Alpha and the style's weight are multiplied into `up`."""

    down: torch.Tensor  # [rank, in, ...]
    up: torch.Tensor  # [out, rank, ...]

    @property
    def rank(self) -> int:
        return self.down.shape[0]


class Loras:
    """Reads all styles at once. One that cannot be used stands in `broken`, with a reason, and harms nothing else."""

    def __init__(self, pipeline: StableDiffusionXLPipeline, styles: Sequence[Style]) -> None:
        self.broken: dict[str, str] = {}
        self._pairs: dict[str, dict[str, Pair]] = {}
        for style in styles:
            try:
                self._pairs[style.name] = _read(_file_of(style.lora), style.weight, pipeline.unet)
            except Exception as error:
                self.broken[style.name] = explained(error)
        self._slot = _open_slot(pipeline.unet, _slot_ranks(self._pairs.values()))
        self._unets: list[UNet2DConditionModel] = []
        self._filled: tuple[str, ...] = ()
        self._active: tuple[str, ...] = ()
        self.join(pipeline.unet)

    def join(self, unet: UNet2DConditionModel) -> None:
        """For a twin, which shares the slot's weights but is switched on and off by itself: from now on along."""
        switch(unet, on=bool(self._active))
        self._unets.append(unet)

    def activate(self, names: tuple[str, ...]) -> None:
        """The LoRAs of all further calls of the UNet; () is none.

        Raises JobFailed for one that is broken or unknown; what was active then stays.
        """
        names = tuple(dict.fromkeys(names))
        if len(names) > SET_MAX:
            raise ValueError(f"{len(names)} LoRAs at a time, where the slot holds {SET_MAX}")
        for name in names:
            if name not in self._pairs:
                reason = self.broken.get(name, "there is none of this name")
                raise JobFailed("style_unavailable", f"The style {name} cannot be used: {reason}")
        if names and names != self._filled:
            _fill(self._slot, [self._pairs[name] for name in names])
            self._filled = names
        if bool(names) != bool(self._active):
            for unet in self._unets:
                switch(unet, on=bool(names))
        self._active = names


def has_slot(unet: UNet2DConditionModel) -> bool:
    return any(isinstance(layer, BaseTunerLayer) for layer in unet.modules())


def switch(unet: UNet2DConditionModel, *, on: bool) -> None:
    """Not by `enable_lora` and `disable_lora`, which flip `requires_grad` too: then code is compiled anew."""
    for layer in unet.modules():
        if isinstance(layer, BaseTunerLayer):
            layer.set_adapter([SLOT] if on else [], inference_mode=True)


def _slot_ranks(members: Iterable[Mapping[str, Pair]]) -> dict[str, int]:
    """Layer -> the largest rank that a set can have there."""
    ranks: dict[str, list[int]] = {}
    for member in members:
        for layer, pair in member.items():
            ranks.setdefault(layer, []).append(pair.rank)
    return {layer: sum(sorted(found)[-SET_MAX:]) for layer, found in ranks.items()}


def _open_slot(unet: UNet2DConditionModel, ranks: Mapping[str, int]) -> dict[str, Pair]:
    """Puts zeros of these ranks into the UNet, which peft scales by 1."""
    if not ranks:
        return {}
    zeros: dict[str, torch.Tensor] = {}
    for layer, rank in ranks.items():
        weight = unet.get_submodule(layer).weight
        zeros[layer + DOWN] = weight.new_zeros(rank, *weight.shape[1:])
        zeros[layer + UP] = weight.new_zeros(weight.shape[0], rank, *(1 for _ in weight.shape[2:]))
    unet.load_lora_adapter(zeros, prefix=None, adapter_name=SLOT, low_cpu_mem_usage=True)
    layers = {layer: unet.get_submodule(layer) for layer in ranks}
    return {layer: Pair(it.lora_A[SLOT].weight, it.lora_B[SLOT].weight) for layer, it in layers.items()}


@torch.no_grad()
def _fill(slot: Mapping[str, Pair], members: Sequence[Mapping[str, Pair]]) -> None:
    """Rank after rank, and in place: compiled code and twins hold the same tensors."""
    for layer, (down, up) in slot.items():
        used = 0
        for pair in (member[layer] for member in members if layer in member):
            down[used : used + pair.rank].copy_(pair.down, non_blocking=True)
            up[:, used : used + pair.rank].copy_(pair.up, non_blocking=True)
            used += pair.rank
        down[used:] = 0
        up[:, used:] = 0


def _file_of(lora: str) -> Path:
    """Fetches what is a hub ID, or takes it from the hub's cache. Raises OSError or ValueError."""
    path = Path(lora).expanduser()
    found = None if path.exists() else HUB_ID.fullmatch(lora)
    if found is not None:
        return Path(_fetched(found["repo"], found["file"]))
    if path.suffix != SUFFIX:
        raise ValueError(f"{lora} is no {SUFFIX} file")
    return path


def _fetched(repo: str, file: str | None) -> str:
    try:
        return hf_hub_download(repo, file) if file else _usual_file_in(repo)
    except RepositoryNotFoundError as error:
        raise ValueError(f"the hub has no {repo}, or HF_TOKEN may not read it") from error
    except RemoteEntryNotFoundError as error:
        raise ValueError(f"{repo} holds no {file}") from error


def _usual_file_in(repo: str) -> str:
    """The file that diffusers' scripts write, else the only one that there is."""
    try:
        return hf_hub_download(repo, USUAL_FILE)
    except LocalEntryNotFoundError:  # The hub is out of reach.
        names = [path.name for path in Path(snapshot_download(repo, local_files_only=True)).iterdir()]
    except RemoteEntryNotFoundError:
        names = [name for name in list_repo_files(repo) if "/" not in name]
    names = [name for name in names if name.endswith(SUFFIX)]
    if len(names) != 1:
        raise ValueError(f"{repo} holds {len(names)} {SUFFIX} files; name one of them, as {repo}/file{SUFFIX}")
    return hf_hub_download(repo, names[0])


def _read(file: Path, weight: float, unet: UNet2DConditionModel) -> dict[str, Pair]:
    """Layer of the UNet -> its change. Raises OSError or ValueError."""
    state, metadata = _opened(file)
    config, modules = _unet_config_in(metadata), dict(unet.named_modules())
    pairs = {}
    for layer, parts in _by_layer(_in_peft_form(state, unet)).items():
        if not _fits(parts, modules.get(layer)):
            raise ValueError(f"it is no plain LoRA for this UNet; the layer {layer} differs")
        down, up = parts[DOWN], parts[UP]
        scale = weight * _scale(config, layer, rank=down.shape[0])
        pairs[layer] = Pair(_ready(down, unet), _ready(up.float() * scale, unet))
    if not pairs:
        raise ValueError("it holds no LoRA for SDXL's UNet")
    return pairs


def _ready(part: torch.Tensor, unet: UNet2DConditionModel) -> torch.Tensor:
    """To be copied to the UNet's device without a wait."""
    part = part.to(unet.dtype).contiguous()
    return part.pin_memory() if unet.device.type == "cuda" else part


def _opened(file: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors and metadata."""
    try:
        with safe_open(file, "pt") as opened:
            return {key: opened.get_tensor(key) for key in opened.keys()}, opened.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"{file} is damaged, or no {SUFFIX} file: {error}") from error


def _in_peft_form(state: dict[str, torch.Tensor], unet: UNet2DConditionModel) -> dict[str, torch.Tensor]:
    """The UNet's part alone, with the keys that peft gives it, from any form that diffusers knows."""
    for sign, kind in OTHER_KINDS.items():
        if any(sign in key for key in state):
            raise ValueError(f"it is a {kind}, and only plain LoRAs can be used")
    _fold_alphas(state)
    try:
        state, _ = StableDiffusionXLPipeline.lora_state_dict(state, unet_config=unet.config)
    except Exception as error:
        raise ValueError(f"its keys are none of an SDXL LoRA: {explained(error)}") from error
    of_unet = {key.removeprefix("unet."): weight for key, weight in state.items() if key.startswith("unet.")}
    converted: dict[str, torch.Tensor] = convert_unet_state_dict_to_peft(of_unet)
    return converted


def _fold_alphas(state: dict[str, torch.Tensor]) -> None:
    """Multiplies kohya's alphas into the weights. diffusers loses those of attention layers where they differ."""
    for key in [key for key in state if key.endswith(".alpha")]:
        layer = key.removesuffix(".alpha")
        down, up = f"{layer}.lora_down.weight", f"{layer}.lora_up.weight"
        if down in state and up in state:
            state[up] = state[up].float() * (float(state.pop(key)) / state[down].shape[0])


def _unet_config_in(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The fields of peft's LoraConfig, where diffusers wrote it into the file."""
    config: dict[str, Any] = json.loads(metadata.get(LORA_ADAPTER_METADATA_KEY, "{}"))
    return {key.removeprefix("unet."): value for key, value in config.items() if key.startswith("unet.")}


def _scale(config: Mapping[str, Any], layer: str, rank: int) -> float:
    """What peft multiplies by; 1 where the file does not tell."""
    alphas = config.get("alpha_pattern", {})
    alpha: float = alphas.get(get_pattern_key(alphas, layer), config.get("lora_alpha", rank))
    return alpha / (sqrt(rank) if config.get("use_rslora") else rank)


def _by_layer(state: Mapping[str, torch.Tensor]) -> dict[str, dict[str, torch.Tensor]]:
    """Layer -> end of the key -> weight."""
    layers: dict[str, dict[str, torch.Tensor]] = {}
    for key, weight in state.items():
        layer, dot, end = key.rpartition(".lora_")
        layers.setdefault(layer, {})[dot + end] = weight
    return layers


def _fits(parts: Mapping[str, torch.Tensor], layer: torch.nn.Module | None) -> bool:
    if parts.keys() != {DOWN, UP} or not isinstance(layer, torch.nn.Linear | torch.nn.Conv2d):
        return False
    out, *rest = layer.weight.shape
    rank = parts[DOWN].shape[:1]
    return parts[DOWN].shape == (*rank, *rest) and parts[UP].shape == (out, *rank, *(1 for _ in rest[1:]))
