"""The demo model's parts: SDXL base and refiner in small, untrained, in stock diffusers' and transformers' classes.

Two text encoders, a UNet with `text_time` conditioning, an 8x VAE; the refiner with the second encoder alone and an
aesthetics score.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from training.scenes import SIDE
from training.vocabulary import END, START, vocabulary

#: Latent side; eight pixels each.
LATENTS = SIDE // 8
WIDTH_1, WIDTH_2 = 64, 96
TIME_ID_WIDTH = 32


def tokenizers() -> tuple[CLIPTokenizer, CLIPTokenizer]:
    """They differ in what they fill up with, as SDXL's do."""
    return _tokenizer(padding=END), _tokenizer(padding="!")


def encoders() -> tuple[CLIPTextModel, CLIPTextModelWithProjection]:
    return _encoder(CLIPTextModel, WIDTH_1, "quick_gelu"), _encoder(CLIPTextModelWithProjection, WIDTH_2, "gelu")


def base_unet() -> UNet2DConditionModel:
    return _unet((64, 128, 160), WIDTH_1 + WIDTH_2, time_ids=6)


def refiner_unet() -> UNet2DConditionModel:
    return _unet((64, 96, 128), WIDTH_2, time_ids=5)


def vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(16, 24, 48, 96),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=1,
        latent_channels=4,
        # Groups of few channels would take the brightness from plain areas.
        norm_num_groups=1,
        sample_size=SIDE,
        force_upcast=False,
    )


def scheduler() -> EulerDiscreteScheduler:
    """SDXL's."""
    return EulerDiscreteScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        timestep_spacing="leading",
        steps_offset=1,
    )


def _tokenizer(padding: str) -> CLIPTokenizer:
    tokens, merges = vocabulary()
    with TemporaryDirectory() as folder:
        vocab_file, merges_file = Path(folder, "vocab.json"), Path(folder, "merges.txt")
        vocab_file.write_text(json.dumps(tokens), encoding="utf-8")
        merges_file.write_text("\n".join(["#version: 0.2", *map(" ".join, merges), ""]), encoding="utf-8")
        return CLIPTokenizer(str(vocab_file), str(merges_file), pad_token=padding, model_max_length=77)


def _encoder(kind: type[Any], width: int, activation: str) -> Any:
    tokens, _ = vocabulary()
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


def _unet(widths: tuple[int, int, int], cross_attention_width: int, time_ids: int) -> UNet2DConditionModel:
    """SDXL's shape: no attention at full resolution."""
    return UNet2DConditionModel(
        sample_size=LATENTS,
        block_out_channels=widths,
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        transformer_layers_per_block=1,
        # The number of heads: diffusers' name is historical.
        attention_head_dim=tuple(width // 32 for width in widths),
        cross_attention_dim=cross_attention_width,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=TIME_ID_WIDTH,
        projection_class_embeddings_input_dim=WIDTH_2 + TIME_ID_WIDTH * time_ids,
        norm_num_groups=8,
    )
