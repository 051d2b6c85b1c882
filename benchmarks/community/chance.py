"""What people ask for, by chance: hardly ever the same twice, so that caches fill and turn over."""

import random
from collections.abc import Awaitable, Callable

from tests.fakes.executor import png
from training.vocabulary import WORDS

SIZES = ((64, 64), (64, 96), (96, 64), (96, 96))
SAMPLERS = ("euler", "euler_ancestral", "dpmpp_2m", "dpmpp_2m_karras")
#: Of each chat.
PEOPLE, CHANNELS = 200, 6
#: People who take the place of others after each round.
NEWCOMERS = 5
#: Steps of what is cancelled before its end.
ENDLESS = 150
#: Messages of a channel that its platform still remembers in the next round.
REMEMBERED = 40
#: People who are thought of as having asked for something.
ASKERS = 10
#: Seconds.
PATIENCE = 20.0

#: Something that somebody does; what comes of it is seen later.
Deed = Callable[[], Awaitable[None]]


class Chance:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._words = WORDS.split()

    def prompt(self) -> str:
        """Hardly ever the same twice; one in ten takes several chunks."""
        most = 200 if self.random.random() < 0.1 else 30
        return " ".join(self.random.choices(self._words, k=self.random.randint(3, most)))

    def gibberish(self, length: int) -> str:
        return "".join(self.random.choices("0123456789;:#*+", k=length))

    def steps(self) -> int:
        return self.random.randint(2, 8)

    def size(self) -> tuple[int, int]:
        return self.random.choice(SIZES)

    def typed_size(self) -> str:
        return "{}x{}".format(*self.size())

    def picture(self) -> bytes:
        return png(self.size(), self.random.randrange(2**16))
