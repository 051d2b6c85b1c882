"""What SDXL's arithmetic alone would take on a GPU: nothing that computes in bf16 can be faster."""

from collections.abc import Mapping

#: 10^12 operations, two per multiplication with its addition, of one forward pass for one image, by its side in pixels.
BASE = {512: 1.589, 768: 3.641, 1024: 6.761, 1536: 17.261}
REFINER = {512: 1.619, 1024: 7.286}
DECODE = {512: 2.515, 1024: 10.470}
#: Both text encoders, for a prompt and a negative prompt.
TEXT = 0.222
#: 10^12 operations per second in bf16, by a part of the device's name: four fifths of the data sheet's figure without
#: sparsity, which is about what the largest matrix products reach.
PEAKS: Mapping[str, float] = {"H200": 790.0, "H100 80GB HBM3": 790.0, "A100": 250.0}


def peak_of(device_name: str) -> float | None:
    return next((peak for name, peak in PEAKS.items() if name in device_name), None)


def image(side: int, steps: int, *, unguided_steps: int = 0, refiner_steps: int = 0) -> float:
    """10^12 operations of one image with its prompts and its decoding; each guided step is two forward passes.

    `unguided_steps` are among the base's `steps`; `refiner_steps` come on top. Raises KeyError for other sides.
    """
    base = (2 * steps - unguided_steps) * BASE[side]
    refiner = 2 * refiner_steps * REFINER[side] if refiner_steps else 0.0
    return base + refiner + DECODE[side] + TEXT
