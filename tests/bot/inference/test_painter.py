"""Many jobs in one painter: who comes first, what is dropped, and what becomes of jobs that cannot be painted."""

import io
import threading
from dataclasses import replace
from typing import Any

import pytest
import torch
from PIL import Image

from benchmarks.alike import are_alike
from bot.events import Preview, Progress
from bot.inference import png
from bot.inference.caps import Caps
from bot.inference.pipelines import Pipelines
from bot.inference.preview import preview
from bot.inference.wire import Broke, Dropped, Finished
from bot.jobs import ImageRequest, Refinement, Sampler, Stage
from bot.ports import Painted
from tests.bot.inference.painting import PIXELS, Easel, painted, picture, work

CAT = ImageRequest(prompt="a cat", width=64, height=64, num_inference_steps=4, seed=1)


class Decodes:
    """Counts them, and lets some run out of memory."""

    def __init__(self, pipelines: Pipelines, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        self.tiled: list[bool] = []
        self.failing = 0
        vae = pipelines.base.vae
        original = vae.decode

        def decode(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            self.tiled.append(vae.use_tiling)
            if self.failing:
                self.failing -= 1
                raise torch.OutOfMemoryError("no room")
            return original(*args, **kwargs)

        monkeypatch.setattr(vae, "decode", decode)


@pytest.fixture
def decodes(demo: Pipelines, monkeypatch: pytest.MonkeyPatch) -> Decodes:
    return Decodes(demo, monkeypatch)


def run_out_of_memory(pipelines: Pipelines, monkeypatch: pytest.MonkeyPatch, *, beyond: int) -> None:
    """Calls with more latent positions than this find no memory."""
    original = pipelines.base.unet.forward

    def forward(sample: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        if sample.shape[0] * sample.shape[2] * sample.shape[3] > beyond:
            raise torch.OutOfMemoryError("no room")
        return original(sample, *args, **kwargs)

    monkeypatch.setattr(pipelines.base.unet, "forward", forward)


def test_a_job_that_comes_later_makes_its_first_step_at_once(demo: Pipelines) -> None:
    easel = Easel(demo)
    easel.accept(work(replace(CAT, num_inference_steps=20)))
    easel.turn(5)
    easel.accept(work(CAT))
    easel.turn()

    assert easel.progress(1) == [Progress(1, 1, 1, 4)]
    assert easel.progress(0)[-1] == Progress(1, 1, 6, 20)


def test_one_job_of_many_images_leaves_places_to_others(demo: Pipelines) -> None:
    easel = Easel(demo, cap=4)
    easel.accept(work(replace(CAT, num_images=4)))
    easel.accept(work(CAT))
    easel.accept(work(CAT))
    easel.turn()

    assert [len(easel.progress(number)) for number in range(3)] == [1, 1, 1]
    assert easel.progress(0) == [Progress(1, 4, 2, 16)], "two of its four images, as two places are left"


def test_a_large_job_is_not_overtaken_for_ever(demo: Pipelines) -> None:
    easel = Easel(demo, caps=Caps(2 * 64 * 64))
    easel.accept(work(replace(CAT, num_inference_steps=3)))
    easel.turn()
    easel.accept(work(replace(CAT, width=128, height=128)))
    easel.accept(work(CAT))
    easel.turn(2)
    easel.turn()

    assert len(easel.progress(1)) == 1
    assert easel.progress(2) == []
    easel.finish()
    assert all(isinstance(easel.ending(number), Finished) for number in range(3))


def test_a_job_that_is_cancelled_before_its_first_step_takes_none(demo: Pipelines) -> None:
    easel = Easel(demo, cap=1)
    easel.accept(work(CAT))
    easel.accept(work(CAT))
    easel.turn()
    easel.painter.cancel(1)
    easel.finish()

    assert easel.of(1) == [Dropped()]
    assert isinstance(easel.ending(0), Finished)


def test_after_a_cancel_there_is_no_step_no_decoding_and_the_place_is_free(demo: Pipelines, decodes: Decodes) -> None:
    easel = Easel(demo, cap=1)
    easel.accept(work(CAT))
    easel.accept(work(replace(CAT, num_inference_steps=1)))
    easel.turn(3)
    calls = easel.painter.denoiser.calls

    easel.painter.cancel(0)
    easel.turn()

    assert easel.painter.denoiser.calls == calls + 1
    assert easel.progress(1) == [Progress(1, 1, 1, 1)], "the place was taken at once"
    easel.finish()
    assert decodes.calls == 1
    assert easel.of(0)[-1] == Dropped()


def test_one_image_of_four_may_be_done_when_the_job_is_cancelled(demo: Pipelines) -> None:
    easel = Easel(demo, cap=1)
    easel.accept(work(replace(CAT, num_images=4, num_inference_steps=1)))
    easel.turn(2)
    easel.painter.cancel(0)
    easel.finish()

    assert easel.ending(0) == Dropped()
    assert easel.painter.denoiser.calls == 2


def test_cancelling_twice_or_what_is_not_there_changes_nothing(demo: Pipelines) -> None:
    easel = Easel(demo)
    easel.accept(work(CAT))
    easel.painter.cancel(7)
    easel.painter.preview(7, 1.0)
    easel.painter.cancel(0)
    easel.painter.cancel(0)
    easel.finish()

    assert easel.of(0) == [Dropped()]


def test_previews_come_once_in_an_interval_and_only_while_somebody_looks(demo: Pipelines) -> None:
    easel = Easel(demo)
    easel.accept(work(replace(CAT, num_inference_steps=12), preview_interval=2.0))
    easel.accept(work(replace(CAT, num_inference_steps=12)))
    for _ in range(8):
        easel.turn()
        easel.time += 1.0
    easel.painter.preview(0, None)
    easel.finish()

    assert len(easel.previews(0)) == 4
    assert easel.previews(1) == []
    sizes = {Image.open(io.BytesIO(seen.jpeg)).size for seen in easel.previews(0)}
    assert sizes == {(64, 64)}


def test_a_preview_shows_what_the_picture_will_be() -> None:
    """One of the colours of SDXL's latents, as the matrix has it."""
    x0 = torch.zeros(4, 128, 64)
    x0[0] = 2.0
    shown = Image.open(io.BytesIO(preview(x0)))

    assert (shown.format, shown.size) == ("JPEG", (256, 512))
    red, green, blue = shown.getpixel((100, 100))  # type: ignore[misc]
    for seen, exact in ((red, 0.3651 * 2 + 0.1084), (green, 0.4232 * 2 - 0.0175), (blue, 0.4341 * 2 - 0.0011)):
        assert seen == pytest.approx((exact + 1) * 127.5, abs=4)


def test_a_preview_of_nonsense_is_a_picture_all_the_same() -> None:
    assert Image.open(io.BytesIO(preview(torch.full((4, 8, 8), float("nan"))))).size == (64, 64)


@pytest.mark.slow
def test_where_memory_is_not_enough_for_all_fewer_step_together(
    demo: Pipelines, monkeypatch: pytest.MonkeyPatch
) -> None:
    easel = Easel(demo)
    run_out_of_memory(demo, monkeypatch, beyond=3 * 64)
    for number in range(4):
        easel.accept(work(replace(CAT, seed=number)))
    easel.finish()
    monkeypatch.undo()

    (alone,) = painted(demo, work(replace(CAT, seed=3)))
    assert all(isinstance(easel.ending(number), Finished) for number in range(4))
    assert are_alike(picture(easel.images(3)[0]), picture(alone))


def test_what_does_not_fit_fails_alone_and_hears_which_size_would(
    demo: Pipelines, monkeypatch: pytest.MonkeyPatch
) -> None:
    easel = Easel(demo)
    run_out_of_memory(demo, monkeypatch, beyond=2 * 64)
    easel.accept(work(replace(CAT, num_inference_steps=2)))
    easel.finish()
    easel.accept(work(replace(CAT, width=256, height=128)))
    easel.accept(work(CAT))
    easel.finish()

    failure = easel.ending(1)
    assert isinstance(failure, Broke)
    assert failure.code == "out_of_memory"
    assert failure.detail == "256x128 needs more memory than the device has. 88x40 should fit."
    assert isinstance(easel.ending(2), Finished)


def test_a_picture_that_does_not_fit_the_decoder_is_decoded_in_tiles(demo: Pipelines, decodes: Decodes) -> None:
    decodes.failing = 1
    easel = Easel(demo)
    easel.accept(work(CAT))
    easel.finish()

    assert decodes.tiled == [False, True]
    assert isinstance(easel.ending(0), Finished)
    painted(demo, work(CAT))
    assert decodes.tiled[2] is False, "the next is tried whole again"


@pytest.mark.slow
def test_a_picture_that_does_not_even_fit_in_tiles_fails_alone(demo: Pipelines, decodes: Decodes) -> None:
    decodes.failing = 2
    easel = Easel(demo)
    easel.accept(work(CAT))
    easel.accept(work(replace(CAT, seed=2)))
    easel.finish()

    assert getattr(easel.ending(0), "code", None) == "out_of_memory"
    assert isinstance(easel.ending(1), Finished)


@pytest.mark.slow
def test_a_job_whose_pictures_come_at_once_and_do_not_fit_fails_once(demo: Pipelines, decodes: Decodes) -> None:
    decodes.failing = 2
    easel = Easel(demo)
    easel.accept(work(replace(CAT, num_images=3)))
    easel.accept(work(replace(CAT, seed=2)))
    easel.finish()

    assert getattr(easel.ending(0), "code", None) == "out_of_memory"
    assert decodes.calls == 3, "its other pictures are not tried"
    assert isinstance(easel.ending(1), Finished)


@pytest.mark.parametrize("images", [2, 4])
def test_pngs_that_are_ready_at_the_same_moment_are_all_counted(
    demo: Pipelines, monkeypatch: pytest.MonkeyPatch, images: int
) -> None:
    together = threading.Barrier(2)
    original = png.encode

    def encode(*args: Any) -> bytes:
        encoded = original(*args)
        together.wait(10)
        return encoded

    monkeypatch.setattr(png, "encode", encode)
    easel = Easel(demo)
    easel.accept(work(replace(CAT, num_images=images)))
    easel.finish()

    *_, ending = easel.of(0)
    assert isinstance(ending, Finished)
    assert len(easel.images(0)) == images


def test_what_the_unet_raises_fails_the_jobs_of_that_call_and_no_others(
    demo: Pipelines, monkeypatch: pytest.MonkeyPatch
) -> None:
    easel = Easel(demo)
    easel.accept(work(CAT))
    easel.turn()
    monkeypatch.setattr(demo.base.unet, "forward", lambda *args, **kwargs: 1 / 0)
    easel.turn()
    monkeypatch.undo()
    easel.accept(work(CAT))
    easel.finish()

    assert easel.ending(0) == Broke("painting_failed", "ZeroDivisionError: division by zero")
    assert isinstance(easel.ending(1), Finished)


def test_a_step_that_fails_for_several_images_of_a_job_fails_it_once(
    demo: Pipelines, monkeypatch: pytest.MonkeyPatch
) -> None:
    easel = Easel(demo)
    monkeypatch.setattr(demo.base.unet, "forward", lambda *args, **kwargs: 1 / 0)
    easel.accept(work(replace(CAT, num_images=3)))
    easel.finish()

    assert easel.of(0) == [Broke("painting_failed", "ZeroDivisionError: division by zero")]


def test_a_device_that_is_lost_ends_the_painter_and_blames_no_job(
    demo: Pipelines, monkeypatch: pytest.MonkeyPatch
) -> None:
    easel = Easel(demo)
    easel.accept(work(CAT))
    monkeypatch.setattr(demo.base.unet, "forward", lambda *args, **kwargs: 1 / 0)
    monkeypatch.setattr(demo.device, "is_usable", lambda: False)

    with pytest.raises(Exception, match="a step of 1 rows failed"):
        easel.painter.turn()

    assert easel.of(0) == []


def test_a_png_that_cannot_be_made_fails_its_job(demo: Pipelines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.inference.png.encode", lambda *args: 1 / 0)
    easel = Easel(demo)
    easel.accept(work(CAT))
    easel.finish()

    assert easel.ending(0) == Broke("painting_failed", "ZeroDivisionError: division by zero")
    assert not any(isinstance(news, Painted) for news in easel.of(0))


def test_a_png_that_cannot_be_made_ends_the_jobs_other_images_too(
    demo: Pipelines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.inference.png.encode", lambda *args: 1 / 0)
    easel = Easel(demo, cap=1)
    easel.accept(work(replace(CAT, num_images=4)))
    easel.finish()

    assert easel.painter.denoiser.calls < 4 * 4
    assert not easel.painter.turn()


def test_a_style_that_is_not_set_up_any_more_fails_its_job(demo: Pipelines) -> None:
    easel = Easel(demo)
    easel.accept(work(replace(CAT, style="ink")))
    easel.finish()

    assert easel.ending(0) == Broke("style_unavailable", "The style ink is not set up any more.")


@pytest.mark.parametrize("sampler", Sampler)
def test_a_picture_that_shall_change_much_is_painted_by_the_base(demo: Pipelines, sampler: Sampler) -> None:
    (parent,) = painted(demo, work(CAT))
    change = Refinement(image_id="parent", prompt="snow", strength=0.8, num_inference_steps=4, sampler=sampler, seed=1)
    (image,) = painted(demo, work(change, source=parent.png))

    assert (image.recipe.stage, image.recipe.model) == (Stage.BASE, demo.model)
    (image,) = painted(demo, work(replace(change, strength=0.5), source=parent.png))
    assert image.recipe.stage is Stage.REFINER


def test_an_ensembles_recipe_names_both_models(demo: Pipelines) -> None:
    easel = Easel(demo)
    easel.accept(work(replace(CAT, num_inference_steps=10, refine_at=0.8)))
    easel.finish()

    recipe = easel.images(0)[0].recipe
    assert (recipe.stage, recipe.refiner, recipe.refine_at) == (Stage.BASE, demo.refiner, 0.8)
    assert easel.progress(0)[-1] == Progress(1, 1, 10, 10)


def test_an_ensemble_that_is_dropped_between_its_models_is_gone(demo: Pipelines) -> None:
    easel = Easel(demo)
    easel.accept(work(replace(CAT, num_inference_steps=10, refine_at=0.8)))
    easel.turn(8)
    easel.painter.cancel(0)

    assert not easel.painter.turn()


def test_no_previews_and_no_progress_come_after_the_end(demo: Pipelines) -> None:
    easel = Easel(demo)
    for number in range(6):
        easel.accept(work(replace(CAT, seed=number), preview_interval=0.0))
    easel.finish()

    for number in range(6):
        last = easel.of(number)[-1]
        assert isinstance(last, Finished), "the last word"
        assert any(isinstance(news, Preview) for news in easel.of(number))


def test_caps_of_a_painter_are_not_exceeded(demo: Pipelines) -> None:
    rows: list[int] = []
    hook = demo.base.unet.register_forward_pre_hook(lambda module, inputs: rows.append(len(inputs[0])))
    easel = Easel(demo, caps=Caps(PIXELS, 3))
    for number in range(7):
        easel.accept(work(replace(CAT, seed=number, num_inference_steps=2)))
    easel.finish()
    hook.remove()

    assert max(rows) == 6


class Suspicious:
    """Checks in the threads that write PNGs, and flags each second picture that it sees."""

    def __init__(self) -> None:
        self.threads: list[str] = []

    def flags(self, picture: Image.Image) -> bool:
        self.threads.append(threading.current_thread().name)
        return len(self.threads) % 2 == 0


def test_each_finished_picture_is_checked_off_the_step_thread(demo: Pipelines) -> None:
    checker = Suspicious()
    images = painted(demo, work(replace(CAT, num_images=4)), checker=checker)

    assert sorted(image.flagged for image in images if image.flagged is not None) == [False, False, True, True]
    assert all(thread.startswith("png") for thread in checker.threads)


def test_without_a_checker_nothing_is_said_of_a_picture(demo: Pipelines) -> None:
    (image,) = painted(demo, work(CAT))

    assert image.flagged is None


def test_a_picture_that_cannot_be_checked_fails_its_job_and_no_other(demo: Pipelines) -> None:
    class Broken(Suspicious):
        def flags(self, picture: Image.Image) -> bool:
            if super().flags(picture):
                return False
            raise RuntimeError("no such kernel")

    easel = Easel(demo, checker=Broken())
    for _ in range(2):
        easel.accept(work(CAT))
        easel.finish()

    ending = easel.ending(0)
    assert isinstance(ending, Broke)
    assert ending.code == "check_failed"
    assert isinstance(easel.ending(1), Finished)
