"""The watermark as the library itself reads it, which loads torch for that."""

from itertools import product

import numpy as np
import pytest

from bot.marks import watermark
from tests.bot.marks.kinds import KINDS, SIDES, Pixels, photo

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def read_by_library(rgb: Pixels) -> list[int]:
    from imwatermark import WatermarkDecoder

    bits = WatermarkDecoder("bits", watermark.BITS).decode(np.ascontiguousarray(rgb[:, :, ::-1]), "dwtDct")
    return [int(bit) for bit in bits]


@pytest.mark.parametrize(("kind", "side"), list(product(KINDS, SIDES)))
def test_the_library_reads_all_48_bits(kind: str, side: int) -> None:
    assert read_by_library(watermark.embed(KINDS[kind](side))) == list(watermark.WANTED)


def test_these_are_the_bits_of_sdxls_own_pipelines() -> None:
    from diffusers.pipelines.stable_diffusion_xl.watermark import WATERMARK_BITS

    assert list(watermark.WANTED) == WATERMARK_BITS


def test_what_the_library_embeds_is_found() -> None:
    from imwatermark import WatermarkEncoder

    encoder = WatermarkEncoder()
    encoder.set_watermark("bits", [int(bit) for bit in watermark.WANTED])
    marked = encoder.encode(np.ascontiguousarray(photo(512)[:, :, ::-1]), "dwtDct")[:, :, ::-1]

    assert watermark.is_marked(marked)
