"""Loads base and refiner with stock diffusers, shares their equal parts, and fits them in the device's memory."""

import gc
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from bot.errors import JobFailed
from bot.inference.samplers import SCHEDULERS
from bot.jobs import Sampler

DEMO = "demo"
DEMO_FOLDER = Path(__file__).parent / "demo"
SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
SDXL_REFINER = "stabilityai/stable-diffusion-xl-refiner-1.0"

#: Bytes of device memory from which base (6.9 GB in bf16) and refiner (4.5 GB more) stay on the device together;
#: below, the two UNets take turns there.
BOTH_RESIDENT = 15 * 10**9

# Their bars tell of parts that load in a second; the bar of a download, which is the hub's, stays.
diffusers_logging.disable_progress_bar()
transformers_logging.disable_progress_bar()


class Device:
    def __init__(self) -> None:
        self.name = "cuda" if torch.cuda.is_available() else "cpu"
        # bf16 on a GPU for all parts, the VAE too: SDXL's VAE overflows in fp16. A CPU is fastest and exact in fp32.
        self.dtype = torch.bfloat16 if self.name == "cuda" else torch.float32
        self.dtype_name = str(self.dtype).removeprefix("torch.")

    @property
    def full_name(self) -> str:
        return torch.cuda.get_device_name() if self.name == "cuda" else f"CPU, {torch.get_num_threads()} threads"

    def memory(self) -> tuple[int | None, int | None]:
        """Used and total bytes on the device."""
        if self.name == "cpu":
            return None, None
        free, total = torch.cuda.mem_get_info()
        return total - free, total

    def is_usable(self) -> bool:
        """After some errors a CUDA context fails every further call; then only a new process helps."""
        try:
            if self.name == "cuda":
                torch.cuda.synchronize()
        except RuntimeError:
            return False
        return True

    def release(self) -> None:
        gc.collect()
        if self.name == "cuda":
            torch.cuda.empty_cache()


class Pipelines:
    """The base is there from the start; the refiner is loaded when it is first asked for."""

    def __init__(self, device: Device, model: str, refiner: str, base: StableDiffusionXLPipeline) -> None:
        self.device = device
        self.model = model
        self.refiner = refiner
        self._base = base
        self._refiner: StableDiffusionXLImg2ImgPipeline | None = None
        #: The models' own noise schedules, from which every sampler is made afresh.
        self._base_schedule = dict(base.scheduler.config)
        self._refiner_schedule: dict[str, Any] = {}

    @classmethod
    def load(cls, model: str | None, refiner: str | None) -> "Pipelines":
        device = Device()
        model, refiner = chosen(model, refiner, device)
        base = _from_pretrained(StableDiffusionXLPipeline, source_of(model, "base"), device)
        return cls(device, model, refiner, base.to(device.name))

    @property
    def native_side(self) -> int:
        """Pixels of the square that the model was made for."""
        return int(self._base.default_sample_size * self._base.vae_scale_factor)

    def from_words(self, sampler: Sampler) -> StableDiffusionXLPipeline:
        self._make_room_for(self._base)
        self._base.scheduler = _scheduler(self._base_schedule, sampler)
        return self._base

    def from_picture(self, sampler: Sampler) -> StableDiffusionXLImg2ImgPipeline:
        """Raises JobFailed where the refiner cannot be loaded; the next call tries again."""
        if self._refiner is None:
            self._refiner = self._load_refiner()
            self._refiner_schedule = dict(self._refiner.scheduler.config)
        self._make_room_for(self._refiner)
        self._refiner.scheduler = _scheduler(self._refiner_schedule, sampler)
        return self._refiner

    def _load_refiner(self) -> StableDiffusionXLImg2ImgPipeline:
        try:
            refiner = _from_pretrained(
                StableDiffusionXLImg2ImgPipeline, source_of(self.refiner, "refiner"), self.device
            )
        except Exception as error:
            detail = f"The refiner {self.refiner} could not be loaded: {explained(error)}"
            raise JobFailed("refiner_unavailable", detail) from error
        for part in ("text_encoder_2", "vae"):
            ours, theirs = getattr(self._base, part), getattr(refiner, part)
            if _same_weights(ours, theirs):
                setattr(refiner, part, ours)
        return refiner

    def _make_room_for(self, wanted: Any) -> None:
        total = self.device.memory()[1]
        other = self._refiner if wanted is self._base else self._base
        if total is not None and total < BOTH_RESIDENT and other is not None:
            other.unet.to("cpu")
        wanted.to(self.device.name)


def chosen(model: str | None, refiner: str | None, device: Device) -> tuple[str, str]:
    """What None stands for: SDXL 1.0 on a CUDA GPU, else the demo model; and the refiner that belongs to the model."""
    model = model or (SDXL if device.name == "cuda" else DEMO)
    return model, refiner or (DEMO if model == DEMO else SDXL_REFINER)


def source_of(name: str, part: str) -> str:
    """A folder or a hub ID."""
    if name == DEMO:
        return str(DEMO_FOLDER / part)
    return str(Path(name).expanduser()) if name.startswith("~") else name


def is_broken_folder(source: str) -> bool:
    """A path, and not a hub ID, that leads to no model."""
    is_path = Path(source).exists() or source.startswith((".", "/"))
    return is_path and not (Path(source) / "model_index.json").is_file()


def _from_pretrained(pipeline: type[Any], source: str, device: Device) -> Any:
    """The fp16 files where there are some: half the download, and the same numbers once they are bf16."""
    if is_broken_folder(source):
        raise FileNotFoundError(f"The folder {source} holds no model_index.json.")

    def load(**variant: str) -> Any:
        how = {"dtype": device.dtype, "use_safetensors": True, "add_watermarker": False}
        loaded = pipeline.from_pretrained(source, **how, **variant)
        loaded.set_progress_bar_config(disable=True)
        return loaded

    try:
        return load(variant="fp16")
    except (OSError, ValueError):
        return load()  # Where there is nothing at all, this says so.


def _scheduler(schedule: dict[str, Any], sampler: Sampler) -> Any:
    kind, options = SCHEDULERS[sampler]
    return kind.from_config(schedule, **options)


def _same_weights(ours: torch.nn.Module, theirs: torch.nn.Module) -> bool:
    our_weights, their_weights = ours.state_dict(), theirs.state_dict()
    scale, their_scale = (getattr(part.config, "scaling_factor", None) for part in (ours, theirs))
    if our_weights.keys() != their_weights.keys() or scale != their_scale:
        return False
    return all(torch.equal(weight.cpu(), their_weights[name].cpu()) for name, weight in our_weights.items())


def explained(error: BaseException) -> str:
    """One line for the operator, without the pages that libraries print."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{first or type(error).__name__}"
