"""Previews: what a step predicts, as a small JPEG, without the VAE."""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

#: Pixels of the longest side.
PREVIEW_SIDE = 512
JPEG_QUALITY = 80
#: Beside a VAE's weights, where its latents are not SDXL's.
COLOURS_FILE = "latent_rgb.json"


@dataclass(frozen=True, slots=True, eq=False)
class Colours:
    """What latents look like: about `latents @ to_rgb + bias`, in [-1, 1]."""

    #: [latent channels, 3]
    to_rgb: torch.Tensor
    #: [3]
    bias: torch.Tensor


#: Figures from ComfyUI's latent_formats.py.
SDXL_COLOURS = Colours(
    torch.tensor(
        [
            [0.3651, 0.4232, 0.4341],
            [-0.2533, -0.0042, 0.1068],
            [0.1076, 0.1111, -0.0362],
            [-0.3165, -0.2492, -0.2188],
        ]
    ),
    torch.tensor([0.1084, -0.0175, -0.0011]),
)


def colours_of(vae_folder: Path) -> Colours:
    """The folder's own, else SDXL's."""
    file = vae_folder / COLOURS_FILE
    if not file.is_file():
        return SDXL_COLOURS
    told = json.loads(file.read_text(encoding="utf-8"))
    return Colours(*(torch.tensor(told[name], dtype=torch.float32) for name in ("to_rgb", "bias")))


def preview(x0: torch.Tensor, colours: Colours = SDXL_COLOURS) -> bytes:
    """`x0`: the picture without its noise, [4, height, width] on the CPU."""
    rgb = torch.einsum("chw,cr->hwr", x0.float(), colours.to_rgb) + colours.bias
    pixels = ((rgb + 1) * 127.5).clamp(0, 255).round().to(torch.uint8)
    picture = Image.fromarray(pixels.numpy())
    scale = min(8.0, PREVIEW_SIDE / max(picture.size))
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    file = io.BytesIO()
    picture.resize(size, Image.Resampling.BILINEAR).save(file, "JPEG", quality=JPEG_QUALITY)
    return file.getvalue()
