"""A scene says what is to be seen; `render` draws it from the glyphs of Noto Color Emoji."""

import colorsys
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.subjects import HAT, SUBJECTS, Subject

FONT = Path("/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf")
#: The only size that its bitmaps have.
FONT_SIZE = 109
SIDE = 128

COLOURS = {
    "white": (244, 244, 240),
    "black": (34, 34, 38),
    "grey": (140, 146, 152),
    "red": (206, 52, 54),
    "orange": (240, 142, 48),
    "yellow": (248, 214, 78),
    "green": (84, 172, 88),
    "turquoise": (70, 196, 190),
    "blue": (66, 126, 220),
    "purple": (132, 88, 190),
    "pink": (244, 154, 194),
    "brown": (128, 86, 54),
}
#: A background differs by so much from its colour, each channel by itself.
COLOUR_JITTER = 6
#: Degrees of hue, for subjects that have a colour which is not theirs.
HUES = {"red": 2, "orange": 28, "yellow": 50, "green": 120, "turquoise": 176, "blue": 214, "purple": 272, "pink": 325}


class Size(StrEnum):
    SMALL = "small"
    USUAL = "usual"
    BIG = "big"


class Place(StrEnum):
    MIDDLE = "middle"
    LEFT = "left"
    RIGHT = "right"
    TOP = "top"
    BOTTOM = "bottom"


class Light(StrEnum):
    USUAL = "usual"
    WARM = "warm"
    COLD = "cold"
    NIGHT = "night"
    SNOW = "snow"


#: What each colour channel is multiplied with.
TINTS = {Light.WARM: (1.06, 0.90, 0.66), Light.COLD: (0.74, 0.90, 1.08), Light.NIGHT: (0.34, 0.36, 0.56)}

#: The longer side of a subject with its hat, to the shorter one of the picture.
EXTENTS = {Size.SMALL: (0.34, 0.42), Size.USUAL: (0.64, 0.74), Size.BIG: (0.86, 0.94)}
#: Of all that stand in a row.
ROW_EXTENTS = {2: (0.44, 0.48), 3: (0.29, 0.32)}
#: Beside the middle, the usual size is a bit smaller.
ASIDE = 0.78
CENTRES = {
    Place.MIDDLE: (0.5, 0.5),
    Place.LEFT: (0.28, 0.5),
    Place.RIGHT: (0.72, 0.5),
    Place.TOP: (0.5, 0.28),
    Place.BOTTOM: (0.5, 0.72),
}
CENTRE_JITTER = 0.035


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    #: One to three, from left to right.
    subjects: tuple[Subject, ...]
    background: str
    has_hat: bool = False
    size: Size = Size.USUAL
    place: Place = Place.MIDDLE
    light: Light = Light.USUAL
    #: A key of HUES: the subjects have this colour, and not their own.
    painted: str | None = None
    #: Pixels.
    width: int = SIDE
    height: int = SIDE
    #: Of what a scene leaves open: the exact size, place and shade.
    seed: int = field(default=0, compare=False)


def draw_scene(chance: Random, width: int = SIDE, height: int = SIDE) -> Scene:
    kind = chance.random()
    first = chance.choice(SUBJECTS)
    if kind < 0.84:
        subjects: tuple[Subject, ...] = (first,)
    elif kind < 0.92:
        subjects = (first, first)
    elif kind < 0.95:
        subjects = (first, first, first)
    else:
        subjects = (first, chance.choice([subject for subject in SUBJECTS if subject is not first]))
    alone = len(subjects) == 1
    return Scene(
        subjects=subjects,
        background=chance.choice(list(COLOURS)),
        has_hat=chance.random() < 0.4,
        size=chance.choices(list(Size), (0.14, 0.74, 0.12))[0] if alone else Size.USUAL,
        place=chance.choices(list(Place), (0.8, 0.06, 0.06, 0.04, 0.04))[0] if alone else Place.MIDDLE,
        light=chance.choices(list(Light), (0.8, 0.05, 0.05, 0.05, 0.05))[0],
        painted=chance.choice(list(HUES)) if chance.random() < 0.1 else None,
        width=width,
        height=height,
        seed=chance.getrandbits(32),
    )


def render(scene: Scene) -> Image.Image:
    """RGB."""
    chance = Random(scene.seed)
    shade = tuple(
        _clipped(level + chance.uniform(-COLOUR_JITTER, COLOUR_JITTER)) for level in COLOURS[scene.background]
    )
    picture = Image.new("RGB", (scene.width, scene.height), shade)
    for subject, extent, (x, y) in _places(scene, chance):
        sprite = _scaled(_sprite(subject, scene.has_hat, scene.painted), extent)
        picture.paste(sprite, (round(x - sprite.width / 2), round(y - sprite.height / 2)), sprite)
    return _lit(picture, scene.light, chance)


def stand_alone(subject: Subject, has_hat: bool, extent: float, centre: tuple[float, float]) -> Image.Image:
    """A subject on nothing, RGBA; extent and centre as parts of the side."""
    sprite = _scaled(_sprite(subject, has_hat, None), extent * SIDE)
    picture = Image.new("RGBA", (SIDE, SIDE))
    x, y = (round(at * SIDE - length / 2) for at, length in zip(centre, sprite.size, strict=True))
    picture.paste(sprite, (x, y))
    return picture


def _places(scene: Scene, chance: Random) -> Iterator[tuple[Subject, float, tuple[float, float]]]:
    """Each subject with the pixels of its longer side and its centre."""
    across, shorter = len(scene.subjects), min(scene.width, scene.height)
    if across == 1:
        extent = chance.uniform(*EXTENTS[scene.size])
        if scene.size is Size.USUAL and scene.place is not Place.MIDDLE:
            extent *= ASIDE
        x, y = CENTRES[Place.MIDDLE if scene.size is Size.BIG else scene.place]
        centres = [(x, y)]
    else:
        # In a row they fill the width.
        extent = chance.uniform(*ROW_EXTENTS[across]) * min(scene.width, 1.6 * scene.height) / shorter
        centres = [(0.5 + (number - (across - 1) / 2) * 0.94 / across, 0.5) for number in range(across)]
    jitter = CENTRE_JITTER if across == 1 else CENTRE_JITTER / 3
    for subject, (x, y) in zip(scene.subjects, centres, strict=True):
        dx, dy = (chance.uniform(-jitter, jitter) for _ in range(2))
        yield subject, extent * shorter, ((x + dx) * scene.width, (y + dy) * scene.height)


@cache
def _font() -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(FONT, FONT_SIZE)


@cache
def _glyph(text: str) -> Image.Image:
    picture = Image.new("RGBA", (160, 160))
    ImageDraw.Draw(picture).text((8, 8), text, font=_font(), embedded_color=True)
    return picture.crop(picture.getbbox())


@cache
def _sprite(subject: Subject, has_hat: bool, painted: str | None) -> Image.Image:
    glyph = _glyph(subject.glyph)
    if painted is not None:
        glyph = _painted(glyph, HUES[painted])
    if not has_hat:
        return glyph
    hat = _glyph(HAT)
    hat = hat.resize(
        (round(glyph.width * 0.6), round(glyph.width * 0.6 * hat.height / hat.width)), Image.Resampling.LANCZOS
    )
    # It sits on the head: where the subject begins, seen from above the middle.
    sunk = round(hat.height * 0.3)
    picture = Image.new("RGBA", (glyph.width, glyph.height + hat.height - sunk))
    picture.alpha_composite(glyph, (0, hat.height - sunk))
    picture.alpha_composite(hat, ((glyph.width - hat.width) // 2, 0))
    return picture.crop(picture.getbbox())


def _painted(glyph: Image.Image, degrees: float) -> Image.Image:
    """In one hue; what is dark or white stays so."""
    pixels = np.asarray(glyph).copy()
    hsv = np.asarray(glyph.convert("RGB").convert("HSV")).astype(float) / 255
    strong = np.minimum(1, 0.25 + hsv[..., 1]) * (hsv[..., 1] > 0.12)
    full = np.array(colorsys.hsv_to_rgb(degrees / 360, 1, 1))
    value = hsv[..., 2:]
    pixels[..., :3] = np.round(255 * value * (1 - strong[..., None] * (1 - full))).astype(np.uint8)
    return Image.fromarray(pixels)


def _scaled(sprite: Image.Image, extent: float) -> Image.Image:
    factor = extent / max(sprite.size)
    size = (max(1, round(sprite.width * factor)), max(1, round(sprite.height * factor)))
    return sprite.resize(size, Image.Resampling.LANCZOS)


def _lit(picture: Image.Image, light: Light, chance: Random) -> Image.Image:
    if light is Light.SNOW:
        _snow(picture, chance)
    if light not in TINTS:
        return picture
    pixels = np.asarray(picture).astype(float) * TINTS[light]
    return Image.fromarray(np.clip(np.round(pixels), 0, 255).astype(np.uint8))


def _snow(picture: Image.Image, chance: Random) -> None:
    brush = ImageDraw.Draw(picture)
    for _ in range(round(34 * picture.width * picture.height / SIDE**2)):
        x, y, radius = chance.uniform(0, picture.width), chance.uniform(0, picture.height), chance.uniform(1.4, 3)
        brush.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 255, 255))


def _clipped(level: float) -> int:
    return max(0, min(255, round(level)))
