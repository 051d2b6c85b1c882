"""Loads base and refiner with stock diffusers, shares their equal parts, and hands out what each stage is made of."""

import gc
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline, StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from bot.errors import JobFailed
from bot.inference import memory
from bot.inference.denoise import UNet
from bot.inference.encode import Encoder, Encoding
from bot.inference.memory import Part, Residence
from bot.inference.preview import SDXL_COLOURS, Colours, colours_of
from bot.inference.wire import NO_REFINER
from bot.jobs import Stage
from bot.ports import Memory

DEMO = "demo"
DEMO_FOLDER = Path(__file__).parent / "demo"
SDXL = "stabilityai/stable-diffusion-xl-base-1.0"
SDXL_REFINER = "stabilityai/stable-diffusion-xl-refiner-1.0"

#: Of the machine's or the device's memory for embeddings: some 800 prompts of SDXL.
CACHE_BYTES = 256 * 2**20
#: SDXL's refiner is that much of its base; known before it is loaded.
REFINER_TO_BASE = 0.88

# Their bars tell of parts that load in a second; the bar of a download, which is the hub's, stays.
diffusers_logging.disable_progress_bar()
transformers_logging.disable_progress_bar()


class Device:
    def __init__(self) -> None:
        self.name = "cuda" if torch.cuda.is_available() else "cpu"
        # bf16 on a GPU for all parts, the VAE too: SDXL's VAE overflows in fp16. A CPU is fastest and exact in fp32.
        self.dtype = torch.bfloat16 if self.name == "cuda" else torch.float32
        self.dtype_name = str(self.dtype).removeprefix("torch.")
        self._step: torch.cuda.Event | None = None

    @property
    def full_name(self) -> str:
        return torch.cuda.get_device_name() if self.name == "cuda" else f"CPU, {torch.get_num_threads()} threads"

    def memory(self) -> tuple[int | None, int | None]:
        """Used and total bytes on the device."""
        if self.name == "cpu":
            return None, None
        free, total = torch.cuda.mem_get_info()
        return total - free, total

    def free_memory(self) -> int | None:
        used, total = self.memory()
        return None if used is None or total is None else total - used

    def is_usable(self) -> bool:
        """After some errors a CUDA context fails every further call; then only a new process helps."""
        try:
            if self.name == "cuda":
                torch.cuda.synchronize()
        except RuntimeError:
            return False
        return True

    def copy(self, tensor: torch.Tensor) -> Callable[[], torch.Tensor]:
        """To the machine's memory, without waiting for the device; whoever calls the answer waits, in any thread."""
        if self.name == "cpu":
            return lambda: tensor
        copied = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True).copy_(tensor, non_blocking=True)
        done = torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
        done.record()

        def arrive() -> torch.Tensor:
            done.synchronize()
            return copied

        return arrive

    def pace(self) -> None:
        """After each step: waits for the end of the one before, so that the device always has one more to do, and what
        is told of steps is not far ahead of it."""
        if self.name == "cuda":
            last, self._step = self._step, torch.cuda.Event(blocking=True)  # type: ignore[no-untyped-call]
            self._step.record()
            if last is not None:
                last.synchronize()

    def release(self) -> None:
        gc.collect()
        if self.name == "cuda":
            torch.cuda.empty_cache()


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """What one stage is made of."""

    stage: Stage
    #: As the recipe names it.
    name: str
    #: The noise schedule's config, from which every sampler's course is made.
    schedule: Mapping[str, Any]
    unet: Any
    vae: Any
    image_processor: Any
    #: Prompt and negative prompt -> what the UNet takes.
    encode: Callable[[str, str | None], tuple[Encoding, Encoding]]
    #: The micro-conditioning ends with an aesthetics score, not with the target size.
    takes_score: bool


class Pipelines:
    """The base is there from the start; the refiner comes when it is first asked for. Belongs to the step thread."""

    def __init__(
        self,
        device: Device,
        model: str,
        refiner: str,
        base: StableDiffusionXLPipeline,
        wanted: Memory = Memory.AUTO,
        read_refiner: Callable[[], Any] | None = None,
        colours: Colours = SDXL_COLOURS,
    ) -> None:
        """`read_refiner` makes the refiner's pipeline, where it does not come from the folder or hub ID `refiner`."""
        self._read_refiner = read_refiner or (
            lambda: _from_pretrained(StableDiffusionXLImg2ImgPipeline, source_of(refiner, "refiner"), device)
        )
        self.device = device
        self.model = model
        self.refiner = refiner
        self.pipeline = base
        #: Of both stages' latents.
        self.colours = colours
        level = memory.chosen(wanted, device.free_memory(), _weights(base, has_refiner=refiner != NO_REFINER))
        self.residence = Residence(level, device.name)
        self._encoder = self._encoder_of(base)
        self.base = Model(
            stage=Stage.BASE,
            name=model,
            schedule=dict(base.scheduler.config),
            unet=base.unet,
            vae=base.vae,
            image_processor=base.image_processor,
            encode=lambda prompt, negative: self._encoder.pair(
                prompt, negative, zeros_for_none=base.config.force_zeros_for_empty_prompt
            ),
            takes_score=False,
        )
        self._refiner: Model | None = None
        self._fetching: Fetching | None = None

    @classmethod
    def load(cls, model: str | None, refiner: str | None, wanted: Memory = Memory.AUTO) -> "Pipelines":
        device = Device()
        model, refiner = chosen(model, refiner, device)
        source = source_of(model, "base")
        base = _from_pretrained(StableDiffusionXLPipeline, source, device)
        return cls(device, model, refiner, base, wanted, colours=colours_of(Path(source) / "vae"))

    @property
    def native_side(self) -> int:
        """Pixels of the square that the model was made for."""
        return int(self.pipeline.default_sample_size * self.pipeline.vae_scale_factor)

    @property
    def tiled(self) -> bool:
        """Pictures are encoded and decoded in tiles, which takes less memory and gives slightly other pixels."""
        return self.residence.level is Memory.LOW

    @property
    def text_encoder_calls(self) -> int:
        return self._encoder.calls

    def of(self, stage: Stage) -> Model:
        """Raises JobFailed where the refiner cannot be loaded; the next call tries again."""
        if stage is Stage.BASE:
            return self.base
        if self._refiner is None:
            self._refiner = self._load_refiner()
        return self._refiner

    def is_ready(self, stage: Stage, when_fetched: Callable[[], None]) -> bool:
        """`of` would not wait for a download. Else one begins, in a thread of its own, and tells its end."""
        if stage is Stage.BASE or self._refiner is not None or Path(source_of(self.refiner, "refiner")).exists():
            return True
        if self._fetching is None:
            self._fetching = Fetching(source_of(self.refiner, "refiner"), when_fetched)
        if self._fetching.ended:
            # Where it failed, `of` says why; the next job tries again.
            self._fetching = None
            return True
        return False

    def unet(self, stage: Stage) -> UNet:
        """On the device."""
        unet: UNet = self.of(stage).unet
        self.residence.bring(Part.UNET, [unet])  # type: ignore[list-item]
        return unet

    def vae(self, stage: Stage) -> Any:
        """On the device."""
        vae = self.of(stage).vae
        self.residence.bring(Part.VAE, [vae])
        return vae

    def _encoder_of(self, pipeline: Any) -> Encoder:
        pairs = ((pipeline.tokenizer, pipeline.text_encoder), (pipeline.tokenizer_2, pipeline.text_encoder_2))
        parts = [(tokenizer, encoder) for tokenizer, encoder in pairs if encoder is not None]
        encoders = [encoder for _, encoder in parts]
        return Encoder(
            parts,
            device=self.device.name,
            cache_bytes=CACHE_BYTES,
            at_work=lambda: self.residence.visit(Part.TEXT, encoders),
        )

    def _load_refiner(self) -> Model:
        try:
            refiner = self._read_refiner()
        except Exception as error:
            detail = f"The refiner {self.refiner} could not be loaded: {explained(error)}"
            raise JobFailed("refiner_unavailable", detail) from error
        shares_vae = _same_weights(self.pipeline.vae, refiner.vae)
        shares_encoder = _same_weights(self.pipeline.text_encoder_2, refiner.text_encoder_2)
        encoder = self._encoder if shares_encoder else self._encoder_of(refiner)
        return Model(
            stage=Stage.REFINER,
            name=self.refiner,
            schedule=dict(refiner.scheduler.config),
            unet=refiner.unet,
            vae=self.pipeline.vae if shares_vae else refiner.vae,
            image_processor=refiner.image_processor,
            encode=lambda prompt, negative: encoder.pair(
                prompt,
                negative,
                zeros_for_none=refiner.config.force_zeros_for_empty_prompt,
                second_only=shares_encoder,
            ),
            takes_score=bool(refiner.config.requires_aesthetics_score),
        )


class Fetching:
    """Downloads a model in a thread of its own.

    Its weights are loaded by the step thread all the same: while libraries load some, they change torch's default
    precision, for all threads.
    """

    def __init__(self, source: str, when_ended: Callable[[], None]) -> None:
        self.ended = False
        self._source = source
        self._when_ended = when_ended
        threading.Thread(target=self._fetch, name="fetch the refiner", daemon=True).start()

    def _fetch(self) -> None:
        # Where that fails, loading it fails in the same way, and then somebody waits to hear of it.
        with suppress(Exception):
            _from_variants(lambda **variant: DiffusionPipeline.download(self._source, use_safetensors=True, **variant))
        self.ended = True
        self._when_ended()


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
    if is_broken_folder(source):
        raise FileNotFoundError(f"The folder {source} holds no model_index.json.")

    def load(**variant: str) -> Any:
        how = {"dtype": device.dtype, "use_safetensors": True, "add_watermarker": False}
        loaded = pipeline.from_pretrained(source, **how, **variant)
        loaded.set_progress_bar_config(disable=True)
        return loaded

    return _from_variants(load)


def _from_variants(load: Callable[..., Any]) -> Any:
    """The fp16 files where there are some: half the download, and the same numbers once they are bf16."""
    try:
        return load(variant="fp16")
    except (OSError, ValueError):
        return load()  # Where there is nothing at all, this says so.


def _weights(base: StableDiffusionXLPipeline, *, has_refiner: bool) -> memory.Weights:
    unet = memory.size(base.unet)
    return memory.Weights(
        text=memory.size(base.text_encoder, base.text_encoder_2),
        unet=unet,
        refiner_unet=int(REFINER_TO_BASE * unet) if has_refiner else 0,
        vae=memory.size(base.vae),
    )


def _same_weights(ours: torch.nn.Module, theirs: torch.nn.Module) -> bool:
    if ours is theirs:
        return True
    our_weights, their_weights = ours.state_dict(), theirs.state_dict()
    scale, their_scale = (getattr(part.config, "scaling_factor", None) for part in (ours, theirs))
    if our_weights.keys() != their_weights.keys() or scale != their_scale:
        return False
    return all(torch.equal(weight.cpu(), their_weights[name].cpu()) for name, weight in our_weights.items())


def explained(error: BaseException) -> str:
    """One line for the operator, without the pages that libraries print."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{first or type(error).__name__}"
