"""Makes the demo checkpoint: SDXL base and refiner in small, with random weights from a fixed seed.

    python -m training.make_demo bot/inference/demo

The same parts as the real ones, in diffusers' own folder format: two text encoders, a UNet with `text_time`
conditioning, an 8x VAE; the refiner with the second encoder alone and an aesthetics score. Every run writes the same
bytes, given the same versions of torch, diffusers and transformers.
"""

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
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

from training.vocabulary import END, START, vocabulary

SEED = 20261123
#: Latent side; eight pixels each.
LATENTS = 32
WIDTH_1, WIDTH_2 = 64, 96
TIME_ID_WIDTH = 32


def main(folder: Path) -> None:
    torch.manual_seed(SEED)
    tokens, merges = vocabulary()
    encoder_2 = _encoder(CLIPTextModelWithProjection, tokens, WIDTH_2, activation="gelu")
    vae = _vae()
    scheduler = _scheduler()
    base = StableDiffusionXLPipeline(
        text_encoder=_encoder(CLIPTextModel, tokens, WIDTH_1, activation="quick_gelu"),
        text_encoder_2=encoder_2,
        tokenizer=_tokenizer(tokens, merges, padding=END),
        tokenizer_2=_tokenizer(tokens, merges, padding="!"),
        unet=_unet(WIDTH_1 + WIDTH_2, time_ids=6),
        vae=vae,
        scheduler=scheduler,
        add_watermarker=False,
    )
    refiner = StableDiffusionXLImg2ImgPipeline(
        text_encoder=None,
        text_encoder_2=encoder_2,
        tokenizer=None,
        tokenizer_2=_tokenizer(tokens, merges, padding="!"),
        unet=_unet(WIDTH_2, time_ids=5),
        vae=vae,
        scheduler=scheduler,
        requires_aesthetics_score=True,
        force_zeros_for_empty_prompt=False,
        add_watermarker=False,
    )
    for name, pipeline in (("base", base), ("refiner", refiner)):
        pipeline.to(torch.float16).save_pretrained(folder / name, variant="fp16")


def _tokenizer(tokens: dict[str, int], merges: list[tuple[str, str]], padding: str) -> CLIPTokenizer:
    with TemporaryDirectory() as folder:
        vocab_file, merges_file = Path(folder, "vocab.json"), Path(folder, "merges.txt")
        vocab_file.write_text(json.dumps(tokens), encoding="utf-8")
        merges_file.write_text("\n".join(["#version: 0.2", *map(" ".join, merges), ""]), encoding="utf-8")
        return CLIPTokenizer(str(vocab_file), str(merges_file), pad_token=padding, model_max_length=77)


def _encoder(kind: type[Any], tokens: dict[str, int], width: int, activation: str) -> Any:
    config = CLIPTextConfig(
        vocab_size=len(tokens),
        hidden_size=width,
        intermediate_size=4 * width,
        projection_dim=width,
        num_hidden_layers=3,
        num_attention_heads=width // 32,
        hidden_act=activation,
        bos_token_id=tokens[START],
        eos_token_id=tokens[END],
        pad_token_id=tokens[END],
    )
    return kind(config)


def _unet(cross_attention_width: int, time_ids: int) -> UNet2DConditionModel:
    """SDXL's shape: no attention at full resolution, then more of it the coarser it gets."""
    return UNet2DConditionModel(
        sample_size=LATENTS,
        block_out_channels=(32, 64, 64),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=(1, 1, 2),
        attention_head_dim=(1, 2, 2),
        cross_attention_dim=cross_attention_width,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_ID_WIDTH,
        projection_class_embeddings_input_dim=WIDTH_2 + TIME_ID_WIDTH * time_ids,
        norm_num_groups=8,
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(16, 16, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=8,
        sample_size=8 * LATENTS,
        scaling_factor=0.13025,
        force_upcast=False,
    )


def _scheduler() -> EulerDiscreteScheduler:
    return EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="leading",
        steps_offset=1,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
