"""The invisible watermark of SDXL's own pipelines, in the pixels: 48 bits, again and again over the whole picture.

The scheme is dwtDct of the library invisible-watermark, whose decoder finds what is embedded here; why this is code of
our own is told in docs/decisions/0020. U is that of YUV as OpenCV has it, with 128 for grey. LL is the low band of U's
Haar transform: for each 2x2 pixels, twice their mean. A block of 4x4 values of LL, 8x8 pixels, says one bit, by its
largest value of all but the first: what is left of it over a multiple of SCALE.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: WATERMARK_MESSAGE of diffusers' StableDiffusionXLWatermarker; the first bit is the highest.
MESSAGE = 0b101100111110110010010000011110111011000110011110
BITS = 48
WANTED = np.array([MESSAGE >> (BITS - 1 - at) & 1 for at in range(BITS)], np.float32)
#: A rest in the lower half of it says 0, one in the upper half 1.
SCALE, HALF = 36, 18
#: How far a rest keeps from the ends of its half where it cannot be moved to the middle.
MARGIN = 4
#: How much larger than the next a value must stay that is made smaller.
LEAD = 2
#: Pixels. The library neither embeds nor decodes below.
AREA_MIN = 256 * 256
#: From which correlation on a picture counts as marked, in either direction.
LIKENESS_NEEDED = 0.65
#: Pixels of a block's side, and values of LL.
BLOCK, LL_BLOCK = 8, 4
#: R, G and B in U. Of 2x2 pixels that is half their sum, and 256.
U_OF = np.array([-0.492 * 0.299, -0.492 * 0.587, 0.492 * 0.886], np.float32)
GREY = np.float32(256)
#: Where U alone is to rise by 1: how B rises, and how G falls for each of that, so that Y and V stay.
B_PER_U, G_PER_B = 1 / 0.492, 0.114 / 0.587

Pixels = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]


def embed(rgb: Pixels) -> Pixels:
    """A copy with the watermark, where it is large enough. H x W x 3; only the pixels that must change do."""
    if is_too_small(rgb):
        return rgb
    marked = rgb.copy()
    cells = _cells(marked)
    sums = _sums(rgb)
    ll = _blocks(sums @ U_OF / 2 + GREY)
    where, change, ceiling = _changes(ll, _blocks(1020 - sums[:, :, 2]) / (2 * B_PER_U))
    row, column = np.divmod(np.arange(len(ll)), rgb.shape[1] // BLOCK)
    at = np.flatnonzero(change)
    top, left = np.divmod(where[at], LL_BLOCK)
    _move_u(cells, (row[at], top, column[at], left), change[at] / 2)
    block, value = np.nonzero(ll > ceiling[:, None])
    top, left = np.divmod(value, LL_BLOCK)
    _move_u(cells, (row[block], top, column[block], left), (ceiling[block] - ll[block, value]) / 2)
    return marked


def bits_found(rgb: Pixels) -> float:
    """Which part of the 48 bits is there: 1 is all, and about a half is chance."""
    return float(np.mean((_votes(rgb) > 0.5) == (WANTED > 0)))


def likeness(rgb: Pixels) -> float:
    """The correlation of how many blocks say 1, bit by bit, with the bits that are wanted: -1 to 1.

    It sees much more than majorities do. Saving with losses makes it negative: what sticks out shrinks by about HALF,
    and so comes to say the other bit.
    """
    votes = _votes(rgb)
    return float(np.corrcoef(votes, WANTED)[0, 1]) if np.ptp(votes) > 0 else 0.0


def is_marked(rgb: Pixels) -> bool:
    """So is one picture in 1.7 million without the mark, if its blocks speak by chance (Student's t, two-sided)."""
    return not is_too_small(rgb) and abs(likeness(rgb)) >= LIKENESS_NEEDED


def is_too_small(rgb: Pixels) -> bool:
    return bool(rgb.shape[0] * rgb.shape[1] < AREA_MIN)


def _votes(rgb: Pixels) -> Floats:
    """For each bit, the part of its blocks that say 1."""
    ll = _blocks(_sums(rgb) @ U_OF / 2 + GREY)[:, 1:]
    said = np.where(ll.max(axis=1, initial=0) % SCALE > HALF, 1.0, 0.0)
    bit = np.arange(len(said)) % BITS
    return np.bincount(bit, said, BITS) / np.maximum(1, np.bincount(bit, minlength=BITS))


def _changes(ll: Floats, room: Floats) -> tuple[NDArray[np.intp], Floats, Floats]:
    """By block: which value of LL is moved and by how much, and what no value may be above; infinity where any may.

    `room`: by how much each value can rise before B is full.
    """
    bits = np.resize(WANTED, len(ll))
    blocks = np.arange(len(ll))
    where = ll[:, 1:].argmax(axis=1) + 1
    largest = ll[blocks, where]
    others = ll.copy()
    others[:, 0] = others[blocks, where] = -np.inf
    half = largest // SCALE * SCALE + HALF * bits
    middle = half + HALF / 2
    holds = (half + MARGIN <= largest) & (largest <= half + HALF - MARGIN)
    # Made smaller, it would leave its place to another; then it rises to the next middle.
    stays = middle >= others.max(axis=1) + LEAD
    change = np.where((middle >= largest) | stays, middle, np.where(holds, largest, middle + SCALE)) - largest
    full = (change > room[blocks, where]) & ~holds
    change[change > room[blocks, where]] = 0
    # There is no room above, as in plain white: the whole block goes down.
    below = np.where(largest >= half, half, half - SCALE) + HALF - MARGIN
    return where, change, np.where(full, below, np.float32(np.inf))


def _sums(rgb: Pixels) -> Floats:
    """Of each 2x2 pixels that belong to a whole block."""
    height, width = (side // BLOCK * BLOCK for side in rgb.shape[:2])
    whole = rgb[:height, :width]
    pairs = whole[0::2].astype(np.uint16) + whole[1::2]
    return (pairs[:, 0::2] + pairs[:, 1::2]).astype(np.float32)


def _blocks(ll: Floats) -> Floats:
    """One row for each block, in reading order."""
    rows, columns = (side // LL_BLOCK for side in ll.shape)
    return ll.reshape(rows, LL_BLOCK, columns, LL_BLOCK).swapaxes(1, 2).reshape(-1, LL_BLOCK**2)


def _cells(rgb: Pixels) -> Pixels:
    """A view: block's row, LL's row in it, block's column, LL's column in it, 2 x 2 pixels, RGB."""
    rows, columns = (side // BLOCK for side in rgb.shape[:2])
    whole = rgb[: rows * BLOCK, : columns * BLOCK]
    return whole.reshape(rows, LL_BLOCK, 2, columns, LL_BLOCK, 2, 3).transpose(0, 1, 3, 4, 2, 5, 6)


def _move_u(cells: Pixels, where: tuple[NDArray[np.intp], ...], by: Floats) -> None:
    """Each cell's mean of U by so much; a pixel that can do no more leaves the rest to its neighbours."""
    pixels = cells[where].reshape(-1, 4, 3).astype(np.float32)
    blue, left = pixels[:, :, 2].copy(), 4 * B_PER_U * by
    for _ in range(4):
        free = np.where(left[:, None] > 0, blue < 255, blue > 0)
        share = left / np.maximum(1, free.sum(axis=1))
        moved = np.clip(blue + share[:, None] * free, 0, 255)
        left = left - (moved - blue).sum(axis=1)
        blue = moved
    blue = np.rint(blue)
    pixels[:, :, 1] -= G_PER_B * (blue - pixels[:, :, 2])
    pixels[:, :, 2] = blue
    cells[where] = np.rint(pixels).clip(0, 255).astype(np.uint8).reshape(-1, 2, 2, 3)
