"""A tiny model of the class that is known for checking pictures, in a folder as the hub has it."""

from pathlib import Path

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessor, CLIPVisionConfig

SIDE = 32
RED = Image.new("RGB", (64, 64), "red")


def make_checker(folder: Path, *, nearness: float = 0.999) -> None:
    """Flags what is as near as that to a red picture, from -1 to 1."""
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=16,
        projection_dim=8,
    )
    torch.manual_seed(0)
    model = StableDiffusionSafetyChecker(CLIPConfig(vision_config=vision.to_dict(), projection_dim=8))
    look = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size={"height": SIDE, "width": SIDE})
    with torch.no_grad():
        seen = look(RED, return_tensors="pt").pixel_values
        red = model.visual_projection(model.vision_model(seen)[1])[0]
        model.concept_embeds.copy_(red.repeat(len(model.concept_embeds), 1))
        model.concept_embeds_weights.data.fill_(2.0)
        model.concept_embeds_weights.data[3] = nearness
        model.special_care_embeds_weights.data.fill_(2.0)
    model.save_pretrained(folder)
    look.save_pretrained(folder)
