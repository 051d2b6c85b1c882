"""SDXL at full size with random weights, made where they are used: speed and memory do not depend on their values."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from diffusers import (
    AutoencoderKL,
    EulerDiscreteScheduler,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
    UNet2DConditionModel,
)
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from bot.inference.pipelines import DEMO_FOLDER, Device, Pipelines
from bot.jobs import Stage
from bot.ports import Memory

NAME = "SDXL with random weights"
#: Where the parts stay that are not in use.
HOME = "cpu"
#: The demo's tokenizer uses the first of them only.
TOKENS = 49408

_SDXL_UNET: Mapping[str, Any] = {
    "sample_size": 128,
    "layers_per_block": 2,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
}
BASE_UNET: Mapping[str, Any] = {
    **_SDXL_UNET,
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10),
    "attention_head_dim": (5, 10, 20),
    "cross_attention_dim": 2048,
    "projection_class_embeddings_input_dim": 2816,
}
REFINER_UNET: Mapping[str, Any] = {
    **_SDXL_UNET,
    "block_out_channels": (384, 768, 1536, 1536),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": 4,
    "attention_head_dim": (6, 12, 24, 24),
    "cross_attention_dim": 1280,
    "projection_class_embeddings_input_dim": 2560,
}
VAE: Mapping[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
    "sample_size": 1024,
    "scaling_factor": 0.13025,
}
CLIP_L: Mapping[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "projection_dim": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "hidden_act": "quick_gelu",
}
CLIP_BIG_G: Mapping[str, Any] = {
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "projection_dim": 1280,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "hidden_act": "gelu",
}


def pipelines(wanted: Memory) -> Pipelines:
    """Base and refiner, both made already; on the device where all stays there, else in the machine's memory."""
    device = Device()
    home = device.name if wanted is Memory.FULL else HOME
    base = _base(device).to(home)
    device.release()
    made = Pipelines(device, NAME, NAME, base, wanted, read_refiner=lambda: _refiner(base, device, home))
    # Else it would be looked for on the hub.
    made.of(Stage.REFINER)
    device.release()
    return made


def unet(config: Mapping[str, Any]) -> UNet2DConditionModel:
    made = UNet2DConditionModel(**config)
    # It predicts no noise, so that latents stay what they were: finite.
    torch.nn.init.zeros_(made.conv_out.weight)
    torch.nn.init.zeros_(made.conv_out.bias)
    return made.eval()


def vae() -> AutoencoderKL:
    return AutoencoderKL(**VAE).eval()


def text_encoder(kind: type[Any], config: Mapping[str, Any], **token_ids: Any) -> Any:
    return kind(CLIPTextConfig(vocab_size=TOKENS, **config, **token_ids)).eval()


def _base(device: Device) -> StableDiffusionXLPipeline:
    tokenizer, tokenizer_2 = (
        CLIPTokenizer.from_pretrained(DEMO_FOLDER / "base" / name) for name in ("tokenizer", "tokenizer_2")
    )
    ids = {name: getattr(tokenizer, name) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    with _made_on(device.name, device.dtype):
        parts = {
            "text_encoder": text_encoder(CLIPTextModel, CLIP_L, **ids),
            "text_encoder_2": text_encoder(CLIPTextModelWithProjection, CLIP_BIG_G, **ids),
            "unet": unet(BASE_UNET),
            "vae": vae(),
        }
    made = StableDiffusionXLPipeline(
        **parts, tokenizer=tokenizer, tokenizer_2=tokenizer_2, scheduler=_scheduler(), add_watermarker=False
    )
    made.set_progress_bar_config(disable=True)
    return made


def _refiner(base: StableDiffusionXLPipeline, device: Device, home: str) -> StableDiffusionXLImg2ImgPipeline:
    with _made_on(device.name, device.dtype):
        made = unet(REFINER_UNET)
    return StableDiffusionXLImg2ImgPipeline(
        text_encoder=None,
        text_encoder_2=base.text_encoder_2,
        tokenizer=None,
        tokenizer_2=base.tokenizer_2,
        unet=made.to(home),
        vae=base.vae,
        scheduler=_scheduler(),
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )


def _scheduler() -> EulerDiscreteScheduler:
    """The demo's is SDXL's own."""
    return EulerDiscreteScheduler.from_pretrained(DEMO_FOLDER / "base" / "scheduler")


@contextmanager
def _made_on(device: str, dtype: torch.dtype) -> Iterator[None]:
    """Whatever is made in this block; without a copy in the machine's memory, and without a wider one."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.device(device):
            yield
    finally:
        torch.set_default_dtype(before)
