"""How a stage goes: its learning rate over the steps, and what is told of it."""

import time

#: Steps.
WARM_UP = 100


def learning_rate(highest: float, step: int, steps: int) -> float:
    """Rises, and then falls to nothing in a straight line."""
    return highest * min((step + 1) / WARM_UP, 1 - step / steps)


def tell(stage: str, step: int, steps: int, **figures: float) -> None:
    words = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
    print(f"{time.strftime('%H:%M:%S')} {stage} {step}/{steps}  {words}", flush=True)
