import re
from collections.abc import Iterator

import pytest
import torch
from diffusers import EulerDiscreteScheduler
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from benchmarks import capacity, floors, gpu, reaction, report, scales, sdxl, speed
from benchmarks.rivals import Bench
from bot.inference.pipelines import DEMO, Pipelines
from bot.inference.samplers import course
from bot.jobs import Sampler
from bot.ports import Memory

#: They load torch, or run a benchmark to its end.
slow, nightly = pytest.mark.slow, pytest.mark.nightly

H200 = 790.0
GOALS = {f"G{number}" for number in range(1, 18)}


@pytest.fixture
def _compiled_anew() -> Iterator[None]:
    torch.compiler.reset()
    yield
    torch.compiler.reset()


@nightly
@pytest.mark.usefixtures("_compiled_anew")
def test_it_runs_to_its_end_without_a_gpu_and_has_a_row_for_every_goal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def two_lives() -> tuple[float, float]:
        return 6.0, 7.0

    monkeypatch.setattr(reaction, "_two_lives", two_lives)

    rows = gpu.measure(gpu.Size.DEMO, quick=True)

    report.show("gpu", rows)
    told = {row.what: row.measured for row in rows}
    assert [row.what for row in rows if row.measured.startswith(("failed", "left out"))] == []
    assert {what.split()[0] for what in told} >= GOALS
    assert set(re.findall(r"\bG\d+\b", capsys.readouterr().out)) == GOALS
    assert told["G15 one LoRA for another, rank 4, compiled"].endswith("0 recompiles")
    assert told["G9 cancelled to a waiting job's first step, 2 at once"].startswith("1 step")
    if not torch.cuda.is_available():
        assert {what.split()[0] for what, text in told.items() if text == "needs a CUDA GPU"} == {"G8", "G12", "G13"}


@nightly
def test_what_does_not_end_within_the_budget_is_left_out_and_has_its_row() -> None:
    rows = gpu.measure(gpu.Size.DEMO, quick=True, budget=0.0)

    assert {row.what.split()[0] for row in rows if row.measured.startswith("left out")} >= GOALS


@nightly
async def test_a_killed_worker_is_waited_for() -> None:
    start, again = await reaction._two_lives()

    assert min(start, again) > 0


@nightly
def test_a_small_card_is_painted_on_with_one_unet_at_a_time() -> None:
    bench = Bench(Pipelines.load(DEMO, DEMO, Memory.BALANCED), scales.QUICK)

    taken = capacity.on_a_small_card(bench)

    assert list(taken) == ["base", "base and refiner"]
    assert all(each.seconds > 0 for each in taken.values())


@slow
def test_the_full_size_has_sdxls_parameters() -> None:
    with torch.device("meta"):
        parts = {
            "base": sdxl.unet(sdxl.BASE_UNET),
            "refiner": sdxl.unet(sdxl.REFINER_UNET),
            "vae": sdxl.vae(),
            "first text encoder": sdxl.text_encoder(CLIPTextModel, sdxl.CLIP_L),
            "second text encoder": sdxl.text_encoder(CLIPTextModelWithProjection, sdxl.CLIP_BIG_G),
        }

    assert {name: sum(weight.numel() for weight in part.parameters()) for name, part in parts.items()} == {
        "base": 2_567_463_684,
        "refiner": 2_259_526_660,
        "vae": 83_653_863,
        "first text encoder": 123_060_480,
        "second text encoder": 694_659_840,
    }


@slow
def test_what_is_made_on_a_device_has_its_dtype_and_leaves_torch_as_it_was() -> None:
    with sdxl._made_on("meta", torch.bfloat16):
        made = torch.nn.Linear(1, 1)

    assert (made.weight.device.type, made.weight.dtype) == ("meta", torch.bfloat16)
    assert torch.empty(1).dtype is torch.float32
    assert torch.empty(1).device.type == "cpu"


@slow
@pytest.mark.parametrize(
    ("seconds", "how"),
    [
        (0.356, {"steps": 20}),
        (0.527, {"steps": 30}),
        (0.869, {"steps": 50}),
        (0.537, {"steps": 23, "refiner_steps": 7}),
        (0.883, {"steps": 40, "refiner_steps": 10}),
        (0.185, {"steps": 20, "unguided_steps": 20}),
        (0.270, {"steps": 30, "unguided_steps": 30}),
        (0.441, {"steps": 50, "unguided_steps": 50}),
    ],
)
def test_floors_at_1024_are_the_arithmetic_over_the_peak(seconds: float, how: dict[str, int]) -> None:
    assert floors.image(1024, **how) / H200 == pytest.approx(seconds, abs=0.001)


@slow
def test_a_floor_at_512_and_one_with_guidance_in_the_first_half() -> None:
    assert floors.image(512, 30) / H200 == pytest.approx(0.124, abs=0.001)
    assert floors.image(1024, 30) / floors.image(1024, 30, unguided_steps=15) == pytest.approx(1.32, abs=0.01)


@slow
def test_a_device_of_unknown_peak_has_no_floors() -> None:
    assert floors.peak_of("NVIDIA H100 80GB HBM3") == floors.peak_of("NVIDIA H200") == H200
    assert floors.peak_of("NVIDIA H100 PCIe") is None
    assert speed.with_eta(1.0, None) == "1.000 s"
    assert speed.with_eta(1.0, 0.527) == "1.000 s, η 0.53"


@slow
def test_thirty_steps_are_shared_as_the_goals_say() -> None:
    schedule = dict(EulerDiscreteScheduler.from_config(sdxl._scheduler().config).config)

    assert len(course(Sampler.EULER, schedule, 30, ends_at=speed.REFINE_AT)) == 23
    assert len(course(Sampler.EULER, schedule, 30, starts_at=speed.REFINE_AT)) == 7


@slow
def test_kernels_that_run_side_by_side_keep_a_gpu_busy_once() -> None:
    assert speed.covered([(0, 10), (2, 5), (8, 12), (20, 21)]) == 13
