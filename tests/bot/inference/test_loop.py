"""Which rows step together, and what becomes of them when memory runs out; with a UNet that only counts."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from bot.inference.caps import Caps
from bot.inference.denoise import Condition, Denoiser, Key, Row
from bot.inference.loop import SWAP_AFTER, StepFailed, StepLoop, TooLarge, pixels_of
from bot.inference.samplers import course
from bot.jobs import Sampler, Stage

SCHEDULE = {"num_train_timesteps": 1000, "beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
SMALL = Key(Stage.BASE, 8, 8, (), 1)
LARGE = Key(Stage.BASE, 16, 16, (), 1)
REFINER = SMALL._replace(stage=Stage.REFINER)
INK = SMALL._replace(loras=("ink",))
GIB = 2**30


class FakeUNet:
    """Remembers its calls, and fails where a test says so."""

    def __init__(self) -> None:
        #: Stage, rows and latent height of each call.
        self.calls: list[tuple[Stage, int, int]] = []
        self.keys: list[Key] = []
        self.most_rows = 10**6
        self.error: Exception | None = None
        self.released = 0

    def of(self, key: Key) -> Callable[..., Any]:
        self.keys.append(key)

        def call(sample: torch.Tensor, *rest: Any, **more: Any) -> tuple[torch.Tensor]:
            if len(sample) > self.most_rows:
                raise torch.OutOfMemoryError(f"{len(sample)} rows")
            if self.error is not None:
                raise self.error
            self.calls.append((key.stage, len(sample), sample.shape[2]))
            return (torch.zeros_like(sample),)

        return call

    def release(self) -> None:
        self.released += 1


@pytest.fixture
def unet() -> FakeUNet:
    return FakeUNet()


def loop(unet: FakeUNet, *, cap: int = 8, one_stage_at_a_time: bool = False) -> StepLoop:
    return StepLoop(
        Denoiser(torch.float32),
        Caps(GIB, cap),
        unet=unet.of,
        release=unet.release,
        one_stage_at_a_time=one_stage_at_a_time,
    )


def row(key: Key = SMALL, steps: int = 4) -> Row:
    nothing = torch.zeros(1, 1)
    condition = Condition(torch.zeros(1, 77, 1), nothing, nothing)
    return Row(
        key=key,
        course=course(Sampler.EULER, SCHEDULE, steps),
        prompt=condition,
        negative=None,
        guidance_scale=1.0,
        guided_steps=0,
        latents=torch.zeros(1, 4, key.height, key.width),
        generator=torch.Generator(),
    )


def add(to: StepLoop, *rows: Row) -> None:
    for each in rows:
        to.add(each)


def run(of: StepLoop) -> list[Sequence[Row]]:
    batches = []
    while len(of):
        batches.append(of.step())
    return batches


def test_rows_of_one_key_step_together_and_leave_when_they_are_finished(unet: FakeUNet) -> None:
    steps = loop(unet)
    short, long = row(steps=2), row(steps=3)
    add(steps, short, long)

    assert run(steps) == [[short, long], [short, long], [long]]


def test_a_row_joins_between_two_steps(unet: FakeUNet) -> None:
    steps = loop(unet)
    first, second = row(steps=3), row(steps=2)
    steps.add(first)
    steps.step()
    steps.add(second)

    assert run(steps) == [[first, second], [first, second]]


def test_a_row_that_is_dropped_takes_no_further_step(unet: FakeUNet) -> None:
    steps = loop(unet)
    stays, goes = row(), row()
    add(steps, stays, goes)
    steps.step()

    steps.drop(goes)

    assert run(steps) == [[stays]] * 3
    assert goes.step == 1


def test_keys_take_turns_so_that_every_row_gets_as_much_work(unet: FakeUNet) -> None:
    steps = loop(unet)
    add(steps, row(LARGE, steps=4), row(SMALL, steps=16), row(SMALL, steps=16))
    run(steps)

    heights = [height for _, _, height in unet.calls]
    assert sorted(heights[:10]) == [8] * 8 + [16] * 2, "four steps of 8x8 are one of 16x16"


def test_a_key_that_comes_later_does_not_catch_up_on_what_it_missed(unet: FakeUNet) -> None:
    steps = loop(unet)
    steps.add(row(LARGE, steps=50))
    for _ in range(40):
        steps.step()
    steps.add(row(SMALL, steps=50))
    unet.calls.clear()
    for _ in range(10):
        steps.step()

    assert {height for _, _, height in unet.calls} == {8, 16}


def test_a_lora_set_keeps_its_turn_for_some_steps(unet: FakeUNet) -> None:
    steps = loop(unet)
    add(steps, row(SMALL, steps=20), row(INK, steps=20))
    run(steps)

    swaps = sum(one.loras != other.loras for one, other in zip(unet.keys, unet.keys[1:], strict=False))
    assert swaps <= 40 / SWAP_AFTER


def test_where_the_models_take_turns_one_works_until_it_has_nothing_left(unet: FakeUNet) -> None:
    steps = loop(unet, one_stage_at_a_time=True)
    add(steps, row(SMALL, steps=3), row(REFINER, steps=2))
    steps.step()

    assert not steps.has_room(Stage.BASE, pixels_of(SMALL)), "the refiner's turn would never come"
    assert steps.has_room(Stage.REFINER, pixels_of(REFINER))
    run(steps)
    stages = [stage for stage, _, _ in unet.calls]
    assert stages == [Stage.BASE] * 3 + [Stage.REFINER] * 2


def test_there_is_always_room_for_one_however_large(unet: FakeUNet) -> None:
    steps = StepLoop(Denoiser(torch.float32), Caps(100), unet=unet.of, release=unet.release, one_stage_at_a_time=False)

    assert steps.has_room(Stage.BASE, GIB)
    steps.add(row())
    assert not steps.has_room(Stage.BASE, 1)


def test_where_memory_is_not_enough_the_batch_is_halved_and_that_is_remembered(unet: FakeUNet) -> None:
    steps = loop(unet)
    unet.most_rows = 3
    rows = [row(steps=2) for _ in range(8)]
    add(steps, *rows)
    batches = run(steps)

    assert unet.released == 2, "from 8 to 4 to 2"
    assert [len(batch) for batch in batches] == [2] * 8
    assert all(each.step == 2 for each in rows)
    assert batches[:4] == [rows[0:2], rows[2:4], rows[4:6], rows[6:8]], "nobody waits for the others' whole picture"


def test_a_row_that_does_not_fit_alone_is_named_and_the_others_go_on(unet: FakeUNet) -> None:
    steps = loop(unet)
    unet.most_rows = 0
    one, other = row(), row(LARGE)
    add(steps, one, other)

    with pytest.raises(TooLarge) as caught:
        steps.step()

    assert caught.value.row in (one, other)
    steps.drop(caught.value.row)
    unet.most_rows = 1
    assert len(run(steps)) == 4


def test_what_the_unet_raises_is_told_with_its_rows_and_they_stay_as_they_were(unet: FakeUNet) -> None:
    steps = loop(unet)
    one, other = row(), row()
    add(steps, one, other)
    unet.error = RuntimeError("misaligned")

    with pytest.raises(StepFailed) as caught:
        steps.step()

    assert caught.value.rows == [one, other]
    assert caught.value.__cause__ is unet.error
    assert (one.step, other.step, len(steps)) == (0, 0, 2)
