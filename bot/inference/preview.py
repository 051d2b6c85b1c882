"""Previews: what a step predicts, as a small JPEG, without the VAE."""

import io

import torch
from PIL import Image

#: Pixels of the longest side.
PREVIEW_SIDE = 512
JPEG_QUALITY = 80
#: SDXL's latents to RGB in [-1, 1], [latent channels, colours]; figures from ComfyUI's latent_formats.py.
TO_RGB = torch.tensor(
    [
        [0.3651, 0.4232, 0.4341],
        [-0.2533, -0.0042, 0.1068],
        [0.1076, 0.1111, -0.0362],
        [-0.3165, -0.2492, -0.2188],
    ]
)
BIAS = torch.tensor([0.1084, -0.0175, -0.0011])


def preview(x0: torch.Tensor) -> bytes:
    """`x0`: the picture without its noise, [4, height, width] on the CPU."""
    rgb = torch.einsum("chw,cr->hwr", x0.float(), TO_RGB) + BIAS
    pixels = ((rgb + 1) * 127.5).clamp(0, 255).round().to(torch.uint8)
    picture = Image.fromarray(pixels.numpy())
    scale = min(8.0, PREVIEW_SIDE / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    file = io.BytesIO()
    picture.resize(size, Image.Resampling.BILINEAR).save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()
