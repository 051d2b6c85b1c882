"""A process that is killed at its n-th step on the disk, for every n."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def killed_at_every_step(
    prepare: Callable[[int], tuple[str, ...]], work: Callable[..., object]
) -> Iterator[tuple[int, bool]]:
    """Step, and whether it was killed; the last time it is not. In forks, as a start of Python takes long.

    `prepare` makes what `work` is called with for each step anew.
    """
    for step in range(100):
        arguments = prepare(step)
        child = os.fork()
        if child == 0:
            try:
                _die_at(step)
                work(*[Path(one) if "/" in one else one for one in arguments])
            except BaseException:  # noqa: BLE001 - its exit code tells it
                os._exit(1)
            os._exit(0)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert code in (0, 9), f"it broke at step {step}"
        yield step, code == 9
        if code == 0:
            return
    raise AssertionError("it does not end")


def _die_at(step: int) -> None:
    left = step

    def deadly(original: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **more: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(9)
            return original(*args, **more)

        return call

    for owner, names in ((Path, ("rename", "replace", "unlink", "rmdir")), (os, ("fsync", "mkdir"))):
        for name in names:
            setattr(owner, name, deadly(getattr(owner, name)))
