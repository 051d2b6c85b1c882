"""How a stage goes: its learning rate over the steps, one of these, and what is told of it."""

import time

import torch

#: Steps.
WARM_UP = 100


def learning_rate(highest: float, step: int, steps: int) -> float:
    """Rises, and then falls to nothing in a straight line."""
    return highest * min((step + 1) / WARM_UP, 1 - step / steps)


def learn(optimizer: torch.optim.Optimizer, loss: torch.Tensor, rate: float) -> None:
    """One step, at that rate, of all weights that the optimizer has."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(weights, 1.0)
    optimizer.step()


def tell(stage: str, step: int, steps: int, **figures: float) -> None:
    words = "  ".join(f"{name} {value:.4g}" for name, value in figures.items())
    print(f"{time.strftime('%H:%M:%S')} {stage} {step}/{steps}  {words}", flush=True)
