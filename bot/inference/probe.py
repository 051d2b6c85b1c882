"""Tells what the GPU side would find on this machine, as JSON on standard output, without loading a model."""

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

from huggingface_hub import try_to_load_from_cache

from bot.inference.pipelines import Device, chosen, is_broken_folder, source_of

LIBRARIES = ("torch", "diffusers", "transformers", "accelerate", "safetensors")


def main() -> None:
    model, refiner = (name or None for name in sys.argv[1:3])
    device = Device()
    model, refiner = chosen(model, refiner, device)
    used, total = device.memory()
    found = {
        "versions": {name: version(name) for name in LIBRARIES},
        "device": device.name,
        "device_name": device.full_name,
        "dtype": device.dtype_name,
        "memory_used": used,
        "memory_total": total,
        "ram_total": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "models": {name: where_is(source_of(name, part)) for name, part in ((model, "base"), (refiner, "refiner"))},
    }
    print(json.dumps(found))  # noqa: T201


def where_is(source: str) -> str:
    """`here`, `download` (a hub ID that is not cached yet) or `broken` (a folder without a model in it)."""
    if is_broken_folder(source):
        return "broken"
    if Path(source).exists():
        return "here"
    return "here" if isinstance(try_to_load_from_cache(source, "model_index.json"), str) else "download"


if __name__ == "__main__":
    main()
