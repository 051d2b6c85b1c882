import json
import shutil
from pathlib import Path

import pytest
import torch

from bot.errors import JobFailed
from bot.inference.pipelines import DEMO, DEMO_FOLDER, SDXL, SDXL_REFINER, Device, Pipelines, chosen
from bot.jobs import Stage


def folder_size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def cached_model(cache: Path, name: str, folder: Path) -> None:
    """As the hub's client leaves a downloaded model on the disk."""
    repository = cache / f"models--{name.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text("0" * 40)
    shutil.copytree(folder, repository / "snapshots" / ("0" * 40))


def test_the_demo_checkpoint_is_small() -> None:
    assert folder_size(DEMO_FOLDER) < 40e6


def test_the_demo_checkpoint_is_an_sdxl_in_small() -> None:
    base = json.loads((DEMO_FOLDER / "base" / "model_index.json").read_text())
    refiner = json.loads((DEMO_FOLDER / "refiner" / "model_index.json").read_text())

    assert base["_class_name"] == "StableDiffusionXLPipeline"
    assert (base["text_encoder"][1], base["text_encoder_2"][1]) == ("CLIPTextModel", "CLIPTextModelWithProjection")
    assert base["force_zeros_for_empty_prompt"]
    assert refiner["_class_name"] == "StableDiffusionXLImg2ImgPipeline"
    assert (refiner["text_encoder"], refiner["tokenizer"]) == ([None, None], [None, None])
    assert refiner["requires_aesthetics_score"]
    assert not refiner["force_zeros_for_empty_prompt"]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_cpu_paints_in_float32() -> None:
    device = Device()

    assert (device.name, device.dtype) == ("cpu", torch.float32)
    assert device.memory() == (None, None)
    assert device.is_usable()


def test_without_a_choice_a_gpu_gets_sdxl_and_a_cpu_the_demo_model() -> None:
    cpu, gpu = Device(), Device()
    gpu.name = "cuda"

    assert chosen(None, None, cpu) == (DEMO, DEMO)
    assert chosen(None, None, gpu) == (SDXL, SDXL_REFINER)
    assert chosen(DEMO, None, gpu) == (DEMO, DEMO)
    assert chosen("a/model", None, cpu) == ("a/model", SDXL_REFINER)
    assert chosen("a/model", "a/refiner", gpu) == ("a/model", "a/refiner")


def test_the_refiner_is_loaded_on_first_use_and_shares_what_is_equal() -> None:
    pipelines = Pipelines.load(DEMO, DEMO)
    base = pipelines.of(Stage.BASE)

    refiner = pipelines.of(Stage.REFINER)

    pipelines.of(Stage.BASE).encode("a cat", None)
    calls = pipelines.text_encoder_calls
    refiner.encode("a cat", None)
    assert pipelines.text_encoder_calls == calls + 1, "only the empty negative prompt is new"
    assert refiner.vae is base.vae
    assert refiner.unet is not base.unet
    assert pipelines.of(Stage.REFINER) is refiner


def test_parts_that_differ_are_not_shared(tmp_path: Path) -> None:
    other = tmp_path / "refiner"
    shutil.copytree(DEMO_FOLDER / "refiner", other)
    config = other / "vae" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"scaling_factor": 0.5}))
    pipelines = Pipelines.load(DEMO, str(other))

    refiner = pipelines.of(Stage.REFINER)

    assert refiner.vae is not pipelines.of(Stage.BASE).vae
    assert refiner.vae.config.scaling_factor == 0.5


def test_a_refiner_that_cannot_be_loaded_harms_nothing_and_is_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "refiner"
    pipelines = Pipelines.load(DEMO, str(folder))

    with pytest.raises(JobFailed) as caught:
        pipelines.of(Stage.REFINER)

    assert caught.value.code == "refiner_unavailable"
    assert str(folder) in caught.value.detail
    assert pipelines.of(Stage.BASE)
    shutil.copytree(DEMO_FOLDER / "refiner", folder)
    assert pipelines.of(Stage.REFINER)


def test_a_refiner_that_is_cut_off_harms_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "refiner"
    shutil.copytree(DEMO_FOLDER / "refiner", folder)
    weights = next((folder / "unet").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:1000])
    pipelines = Pipelines.load(DEMO, str(folder))

    with pytest.raises(JobFailed, match="could not be loaded"):
        pipelines.of(Stage.REFINER)

    assert pipelines.of(Stage.BASE)


def test_a_local_folder_is_a_model_also_without_fp16_files(tmp_path: Path) -> None:
    folder = tmp_path / "my model"
    shutil.copytree(DEMO_FOLDER / "base", folder)
    for file in folder.rglob("*.fp16.safetensors"):
        file.rename(file.with_name(file.name.replace(".fp16", "")))

    assert Pipelines.load(str(folder), DEMO).native_side == Pipelines.load(DEMO, DEMO).native_side


def test_a_hub_id_is_loaded_as_the_hubs_client_stores_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached_model(tmp_path, "somebody/tiny-sdxl", DEMO_FOLDER / "base")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("diffusers.pipelines.pipeline_utils.HF_HUB_OFFLINE", True, raising=False)

    assert Pipelines.load("somebody/tiny-sdxl", DEMO).model == "somebody/tiny-sdxl"


@pytest.mark.parametrize("name", ["/nowhere/at/all", "./nowhere", "."])
def test_a_folder_without_a_model_is_named(name: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"holds no model_index\.json"):
        Pipelines.load(name, DEMO)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "pickled"
    shutil.copytree(DEMO_FOLDER / "base", folder)
    for file in folder.rglob("*.safetensors"):
        file.rename(file.with_name("diffusion_pytorch_model.bin"))

    with pytest.raises(OSError, match="safetensors"):
        Pipelines.load(str(folder), DEMO)
