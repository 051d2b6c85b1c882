"""What the demo model can paint: one emoji each, with the words for it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subject:
    glyph: str
    #: The first one is its name.
    words: tuple[str, ...]
    #: Of the first word.
    plural: str
    #: That it has by nature, where people would say it.
    colour: str | None = None


def _subject(glyph: str, words: str, plural: str = "", colour: str | None = None) -> Subject:
    name, *others = words.split()
    return Subject(glyph, (name, *others), plural or f"{name}s", colour)


SUBJECTS = (
    _subject("\U0001f431", "cat kitten kitty"),
    _subject("\U0001f436", "dog puppy"),
    _subject("\U0001f98a", "fox", "foxes", "orange"),
    _subject("\U0001f43b", "bear", colour="brown"),
    _subject("\U0001f43c", "panda"),
    _subject("\U0001f428", "koala", colour="grey"),
    _subject("\U0001f430", "rabbit bunny hare"),
    _subject("\U0001f42d", "mouse", "mice", "grey"),
    _subject("\U0001f981", "lion"),
    _subject("\U0001f42f", "tiger"),
    _subject("\U0001f42e", "cow"),
    _subject("\U0001f437", "pig piglet", colour="pink"),
    _subject("\U0001f438", "frog", colour="green"),
    _subject("\U0001f435", "monkey ape"),
    _subject("\U0001f434", "horse pony", colour="brown"),
    _subject("\U0001f984", "unicorn", colour="white"),
    _subject("\U0001f414", "chicken hen"),
    _subject("\U0001f424", "chick bird", colour="yellow"),
    _subject("\U0001f427", "penguin"),
    _subject("\U0001f989", "owl", colour="brown"),
    _subject("\U0001f986", "duck"),
    _subject("\U0001f422", "turtle tortoise", colour="green"),
    _subject("\U0001f40d", "snake", colour="green"),
    _subject("\U0001f432", "dragon", colour="green"),
    _subject("\U0001f433", "whale", colour="blue"),
    _subject("\U0001f41f", "fish", "fishes", "blue"),
    _subject("\U0001f419", "octopus squid", "octopuses"),
    _subject("\U0001f980", "crab", colour="red"),
    _subject("\U0001f40c", "snail"),
    _subject("\U0001f98b", "butterfly", "butterflies", "blue"),
    _subject("\U0001f41d", "bee", colour="yellow"),
    _subject("\U0001f41e", "ladybug beetle", colour="red"),
    _subject("\U0001f418", "elephant", colour="grey"),
    _subject("\U0001f600", "smiley smile face", colour="yellow"),
    _subject("\U0001f47b", "ghost", colour="white"),
    _subject("\U0001f47d", "alien"),
    _subject("\U0001f916", "robot"),
    _subject("\U0001f480", "skull", colour="white"),
    _subject("\U0001f34e", "apple", colour="red"),
    _subject("\U0001f350", "pear", colour="green"),
    _subject("\U0001f34b", "lemon", colour="yellow"),
    _subject("\U0001f34c", "banana", colour="yellow"),
    _subject("\U0001f353", "strawberry", "strawberries", "red"),
    _subject("\U0001f347", "grape", colour="purple"),
    _subject("\U0001f34d", "pineapple"),
    _subject("\U0001f345", "tomato", "tomatoes", "red"),
    _subject("\U0001f955", "carrot", colour="orange"),
    _subject("\U0001f383", "pumpkin", colour="orange"),
    _subject("\U0001f354", "burger hamburger"),
    _subject("\U0001f355", "pizza"),
    _subject("\U0001f369", "donut doughnut"),
    _subject("\U0001f36a", "cookie biscuit"),
    _subject("\U0001f382", "cake"),
    _subject("\U0001f333", "tree", colour="green"),
    _subject("\U0001f335", "cactus", "cactuses", "green"),
    _subject("\U0001f344", "mushroom toadstool", colour="red"),
    _subject("\U0001f33b", "sunflower flower", colour="yellow"),
    _subject("\U0001f337", "tulip", colour="pink"),
    _subject("\U0001f697", "car", colour="red"),
    _subject("\U0001f68c", "bus", "buses"),
    _subject("\U0001f682", "train locomotive"),
    _subject("\U0001f69c", "tractor"),
    _subject("\U0001f680", "rocket spaceship"),
    _subject("\u26f5", "boat sailboat ship"),
    _subject("\U0001f388", "balloon", colour="red"),
    _subject("\u26bd", "ball football"),
    _subject("\U0001f3b8", "guitar"),
    _subject("\U0001f941", "drum"),
    _subject("\U0001f4a1", "lamp bulb"),
    _subject("\u2615", "coffee cup tea"),
    _subject("\U0001f381", "gift present"),
    _subject("\U0001f3e0", "house home"),
    _subject("\U0001f3f0", "castle"),
    _subject("\u2764", "heart love", colour="red"),
    _subject("\u2b50", "star", colour="yellow"),
    _subject("\U0001f31e", "sun", colour="yellow"),
    _subject("\U0001f319", "moon", colour="yellow"),
)
HAT = "\U0001f3a9"
