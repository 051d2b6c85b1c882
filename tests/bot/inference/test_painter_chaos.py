"""Whatever happens to a painter, in whatever order: every job hears exactly one ending, as the last thing."""

import random
from dataclasses import replace
from typing import Any

import pytest
import torch

from bot.events import Progress
from bot.inference.caps import Caps
from bot.inference.pipelines import Pipelines
from bot.inference.wire import Broke, Dropped, Finished
from bot.jobs import ImageRequest, Refinement, Sampler, Stage
from bot.ports import Painted
from tests.bot.inference.painting import Easel, painted, work

pytestmark = pytest.mark.slow

CAT = ImageRequest(prompt="a cat", width=64, height=64, num_inference_steps=3, seed=1)


class Mischief:
    """Models that do nothing, fast, and fail now and then."""

    def __init__(self, pipelines: Pipelines, monkeypatch: pytest.MonkeyPatch, chance: random.Random) -> None:
        self._chance = chance
        self.fails = 0.0
        for stage in Stage:
            monkeypatch.setattr(pipelines.of(stage).unet, "forward", self._step)
        monkeypatch.setattr(pipelines.base.vae, "decode", self._decode)

    def _step(self, sample: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[torch.Tensor]:
        self._maybe_fail()
        return (torch.zeros_like(sample),)

    def _decode(self, latents: torch.Tensor, **kwargs: Any) -> tuple[torch.Tensor]:
        self._maybe_fail()
        height, width = latents.shape[-2:]
        return (torch.zeros(1, 3, 8 * height, 8 * width),)

    def _maybe_fail(self) -> None:
        if self._chance.random() < self.fails:
            raise self._chance.choice([torch.OutOfMemoryError("no room"), RuntimeError("misaligned")])


def asked(chance: random.Random) -> ImageRequest | Refinement:
    changes: dict[str, Any] = {
        "num_images": chance.randint(1, 4),
        "num_inference_steps": chance.randint(1, 6),
        "guidance_scale": chance.choice([0.0, 5.0]),
        "sampler": chance.choice(list(Sampler)),
        "seed": chance.randrange(2**32),
    }
    if chance.random() < 0.2:
        return Refinement(image_id="parent", prompt="snow", strength=1.0, **changes)
    size = chance.choice([64, 128])
    request = replace(CAT, width=size, height=size, **changes)
    return replace(request, refine_at=0.8, num_inference_steps=8) if chance.random() < 0.3 else request


@pytest.mark.parametrize("seed", range(6))
def test_every_job_hears_one_ending_and_nothing_after_it(
    demo: Pipelines, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    chance = random.Random(seed)
    parent = painted(demo, work(CAT))[0].png
    mischief = Mischief(demo, monkeypatch, chance)
    mischief.fails = chance.choice([0.0, 0.05, 0.2])
    easel = Easel(demo, caps=Caps(chance.choice([1, 3, 8]) * 64 * 64, chance.choice([1, 3, 8])))
    for _ in range(120):
        match chance.randrange(5):
            case 0:
                request = asked(chance)
                source = parent if isinstance(request, Refinement) else None
                easel.accept(work(request, source=source, preview_interval=chance.choice([None, 0.0])))
            case 1 if easel.accepted:
                easel.painter.cancel(chance.randrange(easel.accepted))
            case 2 if easel.accepted:
                easel.painter.preview(chance.randrange(easel.accepted), chance.choice([None, 0.0, 5.0]))
            case _:
                easel.painter.turn()
        easel.time += chance.random()
    easel.finish()

    for number in range(easel.accepted):
        *news, last = easel.of(number)
        assert isinstance(last, Finished | Broke | Dropped)
        assert not any(isinstance(each, Finished | Broke | Dropped) for each in news)
        progress = [each for each in news if isinstance(each, Progress)]
        assert [each.step for each in progress] == sorted(each.step for each in progress)
        assert all(each.step <= each.steps and each.image <= each.images for each in progress)
        if isinstance(last, Finished):
            ids = [each.image_id for each in news if isinstance(each, Painted)]
            assert len(ids) == len(set(ids)) == progress[-1].images
            assert progress[-1].step == progress[-1].steps
    assert not easel.painter.turn()
    assert not easel.painter._owners
    assert not easel.painter._paintings
