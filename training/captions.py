"""What people might have said to get a scene, in many ways."""

from random import Random

from training.scenes import COLOURS, HUES, Light, Place, Scene, Size
from training.subjects import SUBJECTS, Subject

#: Parts of a scene that a caption leaves out now and then: then anything may stand there. A hat that nobody speaks of
#: is none, and so it is not among them.
OPEN_PART = 0.14
#: Only what is around the subject is said, as when a picture that is there shall be changed.
ONLY_AROUND = 0.06
NUMBERS = {1: ("a", "a", "a", "one", "the", ""), 2: ("two", "two", "2", "a pair of"), 3: ("three", "three", "3")}

_SIZES = {Size.SMALL: ("small", "small", "little", "tiny"), Size.BIG: ("big", "large", "huge", "giant")}
_PLACES = {
    Place.LEFT: ("on the left", "on the left side", "left", "to the left", "at the left"),
    Place.RIGHT: ("on the right", "on the right side", "right", "to the right", "at the right"),
    Place.TOP: ("at the top", "above", "at the top of the picture", "top", "up high"),
    Place.BOTTOM: ("at the bottom", "below", "at the bottom of the picture", "bottom", "down low"),
}
_LIGHTS = {
    Light.WARM: (
        "in warm light",
        "warm light",
        "warmer light",
        "at sunset",
        "warmer",
        "in golden light",
        "warm colours",
    ),
    Light.COLD: ("in cold light", "cold light", "colder light", "colder", "cool light", "cold colours"),
    Light.NIGHT: ("at night", "by night", "dark", "darker", "in the dark", "night", "in the night"),
    Light.SNOW: ("in the snow", "with snow", "snow", "more snow", "snowy", "in winter", "while it snows"),
}
_HATS = {
    1: (
        "in a hat",
        "in a hat",
        "wearing a hat",
        "with a hat",
        "with a hat on",
        "that wears a hat",
        "and a hat",
        "in a top hat",
    ),
    2: ("in hats", "wearing hats", "with hats", "with hats on", "in a hat", "with a hat", "that wear hats"),
}
_NO_HAT = ("without a hat", "with no hat", "no hat")
_BACKGROUNDS = (
    "on a {} background",
    "on a {} background",
    "{} background",
    "on {}",
    "with a {} background",
    "in front of a {} wall",
    "against a {} background",
    "the background is {}",
)
_SKIES = ("{} sky", "under a {} sky", "the sky is {}", "in a {} sky")
_BEFORE = (
    "a picture of",
    "a painting of",
    "a drawing of",
    "a photo of",
    "an image of",
    "a portrait of",
    "paint",
    "draw",
    "please paint",
    "show me",
    "i want",
)
_AFTER = (
    "beautiful",
    "high quality",
    "detailed",
    "simple",
    "cute",
    "nice",
    "sharp focus",
    "flat style",
    "emoji",
    "icon",
    "cartoon",
    "please",
    "very good",
    "highly detailed",
    "masterpiece",
)
_CUTE = ("cute", "happy", "nice", "funny", "beautiful", "young", "old", "lovely", "friendly", "sweet")


def caption(scene: Scene, chance: Random) -> str:
    subject, background = _subject(scene, chance), _background(scene, chance)
    light = [chance.choice(_LIGHTS[scene.light])] if scene.light is not Light.USUAL else []
    if chance.random() < ONLY_AROUND:
        subject = ""
    elif chance.random() < OPEN_PART:
        background = ""
    order = chance.random()
    # "blue sky, a cat"
    parts = [background, subject, *light] if order < 0.2 else [*light, subject, background] if order < 0.3 else None
    if parts is not None:
        text = _joined([part for part in parts if part], ", ")
    else:
        text = _joined([part for part in (subject, background, *light) if part], chance.choice([" ", " ", ", "]))
    if subject and order >= 0.3 and chance.random() < 0.15:
        text = f"{chance.choice(_BEFORE)} {text}"
    if chance.random() < 0.12:
        text = f"{text}, {', '.join(chance.sample(_AFTER, chance.randint(1, 2)))}"
    return text


def _joined(parts: list[str], between: str) -> str:
    return between.join(parts)


def _subject(scene: Scene, chance: Random) -> str:
    first, *others = scene.subjects
    count = len(scene.subjects)
    if any(other is not first for other in others):
        phrase = " and ".join(_noun(scene, [subject], chance) for subject in scene.subjects)
    else:
        phrase = _noun(scene, list(scene.subjects), chance)
    after = []
    if scene.has_hat:
        after.append(chance.choice(_HATS[min(count, 2)]))
    elif chance.random() < 0.04:
        after.append(chance.choice(_NO_HAT))
    if scene.size is not Size.BIG and scene.place is not Place.MIDDLE:
        after.insert(chance.randint(0, len(after)), chance.choice(_PLACES[scene.place]))
    elif scene.size is Size.USUAL and chance.random() < 0.02:
        after.append(chance.choice(("in the middle", "in the centre", "in the center")))
    return _joined([phrase, *after], " ")


def _noun(scene: Scene, same: list[Subject], chance: Random) -> str:
    subject, count = same[0], len(same)
    noun = subject.plural if count > 1 else chance.choice((subject.words[0], *subject.words))
    before = []
    if scene.size in _SIZES:
        before.append(chance.choice(_SIZES[scene.size]))
    if chance.random() < 0.06:
        before.append(chance.choice(_CUTE))
    if scene.painted is not None:
        before.append(scene.painted)
    elif subject.colour is not None and chance.random() < 0.25:
        before.append(subject.colour)
    number = chance.choice(NUMBERS[count])
    first = before[0] if before else noun
    if number == "a" and first[0] in "aeiou" and first != "unicorn":
        number = "an"
    return _joined([part for part in (number, *before, noun) if part], " ")


def _background(scene: Scene, chance: Random) -> str:
    phrases = _SKIES if chance.random() < 0.15 else _BACKGROUNDS
    colour = scene.background
    if colour == "grey" and chance.random() < 0.3:
        colour = "gray"
    text = chance.choice(phrases).format(colour)
    return text.replace("a orange", "an orange")


def words() -> set[str]:
    """All that captions are made of."""
    texts = [*COLOURS, *HUES, "gray", "an", "and", *_NO_HAT, *_BACKGROUNDS, *_SKIES, *_BEFORE, *_AFTER, *_CUTE]
    for table in (_SIZES, _PLACES, _LIGHTS, _HATS, NUMBERS):
        texts += [text for choices in table.values() for text in choices]
    texts += [word for subject in SUBJECTS for word in (*subject.words, subject.plural)]
    texts += ["in the middle", "in the centre", "in the center"]
    return {word for text in texts for word in text.replace("{}", "").split()}
