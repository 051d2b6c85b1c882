"""A worker without a model, in a process of its own, which now and then dies.

It dies of a job that says `poison`; of one that says `hungry`, unless it paints that one alone; and has too little
memory for one that says `too large`.
"""

import os
import random
import signal
import time

from bot.inference.wire import Broke, News
from tests.fakes.light_worker import LightWorker, Painting, open_pipes

#: Seconds that a step takes, at most.
STEP = 0.02
POISON, HUNGRY, TOO_LARGE = "poison", "hungry", "too large"


class ChaosWorker(LightWorker):
    def pass_time(self, seconds: float) -> None:
        time.sleep(random.uniform(0, seconds))

    def step(self, painting: Painting) -> list[News]:
        if POISON in painting.prompt or (HUNGRY in painting.prompt and len(self.held) > 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if TOO_LARGE in painting.prompt:
            return [Broke("out_of_memory", "This picture is too large.")]
        return super().step(painting)


if __name__ == "__main__":
    ChaosWorker(open_pipes()).serve(STEP)
