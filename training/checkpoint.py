"""What a stage of the training goes on from after it was interrupted."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

#: Seconds between two saved ones.
INTERVAL = 120.0


class Checkpoint:
    """Of all that has a `state_dict`, with the number of steps done. A file, replaced as a whole."""

    def __init__(self, file: Path, **parts: Any) -> None:
        self.step = 0
        self._file = file
        self._parts = parts
        self._saved_at = time.monotonic()
        if file.exists():
            saved = torch.load(file, weights_only=True)
            self.step = saved["step"]
            for name, part in parts.items():
                part.load_state_dict(saved[name])

    def steps(self, until: int) -> Iterator[int]:
        """The numbers of the steps to do; saves now and then, and at the end."""
        while self.step < until:
            yield self.step
            self.step += 1
            if time.monotonic() - self._saved_at > INTERVAL or self.step == until:
                self.save()

    def save(self) -> None:
        states = {name: part.state_dict() for name, part in self._parts.items()}
        unfinished = self._file.with_suffix(".new")
        torch.save({"step": self.step, **states}, unfinished)
        unfinished.replace(self._file)
        self._saved_at = time.monotonic()
