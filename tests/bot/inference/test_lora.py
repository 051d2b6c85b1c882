"""LoRAs in the slot against the stock pipeline, which loads the same files as adapters of their own."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
import torch
from diffusers import StableDiffusionXLPipeline
from huggingface_hub.errors import RemoteEntryNotFoundError, RepositoryNotFoundError
from safetensors.torch import save_file

from bot.errors import JobFailed
from bot.inference.lora import Loras, has_slot
from bot.inference.pipelines import DEMO_FOLDER
from bot.styles import Style

BLOCK = "down_blocks.1.attentions.0.transformer_blocks.0"
MIDDLE = "mid_block.attentions.0.transformer_blocks.0"
CONVS = ("conv_in", "down_blocks.1.resnets.0.conv1", "down_blocks.1.downsamplers.0.conv")
LINEARS = (f"{BLOCK}.attn1.to_q", f"{BLOCK}.attn1.to_out.0", f"{BLOCK}.ff.net.0.proj", f"{MIDDLE}.attn2.to_k")
OTHERS = (f"{BLOCK}.attn1.to_q", f"{MIDDLE}.attn2.to_v", "mid_block.attentions.0.proj_in", "conv_in", "conv_out")

#: Layer -> down and up.
Weights = dict[str, tuple[torch.Tensor, torch.Tensor]]
#: fp32 sums in another order.
CLOSE = 1e-5


def demo() -> StableDiffusionXLPipeline:
    """Only its UNet, which LoRAs change: nobody shares it."""
    others = ("text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2", "vae")
    return StableDiffusionXLPipeline.from_pretrained(
        DEMO_FOLDER / "base", variant="fp16", dtype=torch.float32, add_watermarker=False, **dict.fromkeys(others)
    )


@pytest.fixture
def pipeline() -> StableDiffusionXLPipeline:
    return demo()


def random_weights(unet: Any, layers: tuple[str, ...], rank: int, seed: int = 1) -> Weights:
    generator = torch.Generator().manual_seed(seed)
    made = {}
    for layer in layers:
        out, *rest = unet.get_submodule(layer).weight.shape
        down = torch.randn(rank, *rest, generator=generator)
        made[layer] = (down / 4, torch.randn(out, rank, *(1 for _ in rest[1:]), generator=generator) / 4)
    return made


def as_diffusers(weights: Weights) -> dict[str, torch.Tensor]:
    parts = (("down", 0), ("up", 1))
    return {f"unet.{layer}.lora.{part}.weight": pair[i] for layer, pair in weights.items() for part, i in parts}


def as_peft(weights: Weights) -> dict[str, torch.Tensor]:
    parts = (("A", 0), ("B", 1))
    return {f"unet.{layer}.lora_{part}.weight": pair[i] for layer, pair in weights.items() for part, i in parts}


def as_kohya(weights: Weights, alpha: float = 1.0) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = {}
    for layer, (down, up) in weights.items():
        name = f"lora_unet_{layer.replace('.', '_')}"
        state |= {f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up, f"{name}.alpha": torch.tensor(alpha)}
    return state


def saved(state: dict[str, torch.Tensor], file: Path, metadata: dict[str, str] | None = None) -> str:
    save_file({key: weight.contiguous() for key, weight in state.items()}, file, metadata)
    return str(file)


def styles_in(folder: Path, unet: Any) -> list[Style]:
    return [
        Style(
            name="diffusers",
            lora=saved(as_diffusers(random_weights(unet, LINEARS, 4, seed=1)), folder / "1.safetensors"),
            weight=0.7,
        ),
        Style(name="peft", lora=saved(as_peft(random_weights(unet, OTHERS, 6, seed=2)), folder / "2.safetensors")),
        Style(
            name="kohya",
            lora=saved(as_kohya(random_weights(unet, (*LINEARS, *CONVS), 3, seed=3)), folder / "3.safetensors"),
            weight=-1.5,
        ),
    ]


@torch.inference_mode()
def called(unet: Any, rows: int = 2) -> torch.Tensor:
    generator = torch.Generator().manual_seed(rows)
    latents = torch.randn(rows, 4, 8, 8, generator=generator)
    added = {"text_embeds": torch.randn(rows, 96, generator=generator), "time_ids": torch.zeros(rows, 6)}
    words = torch.randn(rows, 77, 160, generator=generator)
    out: torch.Tensor = unet(
        latents, torch.full((rows,), 500.0), encoder_hidden_states=words, added_cond_kwargs=added
    ).sample
    return out


@pytest.fixture
def stock(pipeline: StableDiffusionXLPipeline) -> Callable[[list[Style]], torch.Tensor]:
    """What the stock pipeline answers with these styles."""

    def answer(styles: list[Style]) -> torch.Tensor:
        other = demo()
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Already found a `peft_config`")
            for style in styles:
                other.load_lora_weights(style.lora, adapter_name=style.name)
        other.set_adapters([style.name for style in styles], [style.weight for style in styles])
        return called(other.unet)

    return answer


def apart(left: torch.Tensor, right: torch.Tensor) -> float:
    return float((left - right).abs().max())


@pytest.mark.slow
def test_every_set_equals_the_stock_pipeline_whatever_was_active_before(
    pipeline: StableDiffusionXLPipeline, stock: Callable[[list[Style]], torch.Tensor], tmp_path: Path
) -> None:
    styles = {style.name: style for style in styles_in(tmp_path, pipeline.unet)}
    plain = called(pipeline.unet)
    loras = Loras(pipeline, list(styles.values()))

    assert not loras.broken
    for names in (("diffusers",), ("peft", "kohya"), ("kohya",), ("kohya", "diffusers"), ("peft",), ("diffusers",)):
        loras.activate(names)
        answer = called(pipeline.unet)
        assert apart(answer, stock([styles[name] for name in names])) < CLOSE
        assert apart(answer, plain) > 100 * CLOSE


def test_without_a_lora_the_unet_answers_as_if_it_had_never_had_one(
    pipeline: StableDiffusionXLPipeline, tmp_path: Path
) -> None:
    plain = called(pipeline.unet)
    loras = Loras(pipeline, styles_in(tmp_path, pipeline.unet))

    assert torch.equal(called(pipeline.unet), plain)
    loras.activate(("peft", "kohya"))
    loras.activate(())
    assert torch.equal(called(pipeline.unet), plain)


def test_without_styles_the_unet_is_not_touched(pipeline: StableDiffusionXLPipeline) -> None:
    before = {name: type(module) for name, module in pipeline.unet.named_modules()}
    loras = Loras(pipeline, [])
    loras.activate(())

    assert {name: type(module) for name, module in pipeline.unet.named_modules()} == before
    assert not has_slot(pipeline.unet)
    assert not loras.broken


def test_a_set_may_name_a_lora_twice_but_not_three_of_them(pipeline: StableDiffusionXLPipeline, tmp_path: Path) -> None:
    loras = Loras(pipeline, styles_in(tmp_path, pipeline.unet))
    loras.activate(("peft",))
    once = called(pipeline.unet)
    loras.activate(("peft", "peft"))

    assert torch.equal(called(pipeline.unet), once)
    with pytest.raises(ValueError, match="3 LoRAs"):
        loras.activate(("peft", "kohya", "diffusers"))


def test_each_layer_has_its_own_alpha(pipeline: StableDiffusionXLPipeline, tmp_path: Path) -> None:
    """The stock pipeline takes one layer's alpha for another's attention; so this is against the formula."""
    weights = random_weights(pipeline.unet, LINEARS, 2)
    alphas = {layer: float(2**i) for i, layer in enumerate(LINEARS)}
    state: dict[str, torch.Tensor] = {}
    for layer, pair in weights.items():
        state |= as_kohya({layer: pair}, alphas[layer])
    merged = demo()
    for layer, (down, up) in weights.items():
        merged.unet.get_submodule(layer).weight.data += up @ down * (alphas[layer] / 2)
    loras = Loras(pipeline, [Style(name="ink", lora=saved(state, tmp_path / "ink.safetensors"))])
    loras.activate(("ink",))

    assert apart(called(pipeline.unet), called(merged.unet)) < CLOSE


@pytest.mark.parametrize("use_rslora", [False, True])
def test_the_scale_that_the_file_itself_tells_is_heeded(
    pipeline: StableDiffusionXLPipeline,
    stock: Callable[[list[Style]], torch.Tensor],
    tmp_path: Path,
    use_rslora: bool,
) -> None:
    config = {
        "unet.r": 4,
        "unet.lora_alpha": 2,
        "unet.alpha_pattern": {LINEARS[1]: 8},
        "unet.use_rslora": use_rslora,
        "unet.target_modules": list(LINEARS),
    }
    metadata = {"lora_adapter_metadata": json.dumps(config)}
    state = as_peft(random_weights(pipeline.unet, LINEARS, 4))
    style = Style(name="ink", lora=saved(state, tmp_path / "ink.safetensors", metadata))
    loras = Loras(pipeline, [style])
    loras.activate(("ink",))

    assert apart(called(pipeline.unet), stock([style])) < CLOSE


def test_the_part_for_the_text_encoders_is_left_out(pipeline: StableDiffusionXLPipeline, tmp_path: Path) -> None:
    state = as_kohya(random_weights(pipeline.unet, LINEARS, 2))
    both = state | {
        "lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight": torch.ones(2, 8),
        "lora_te1_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight": torch.ones(8, 2),
        "lora_te1_text_model_encoder_layers_0_self_attn_q_proj.alpha": torch.tensor(1.0),
    }
    files = {"without": state, "with": both}
    styles = [Style(name=name, lora=saved(files[name], tmp_path / f"{name}.safetensors")) for name in files]
    loras = Loras(pipeline, styles)
    loras.activate(("without",))
    without = called(pipeline.unet)
    loras.activate(("with",))

    assert torch.equal(called(pipeline.unet), without)


def broken_files(folder: Path, unet: Any) -> dict[str, str]:
    """Words of the reason -> a LoRA."""
    good = as_peft(random_weights(unet, LINEARS, 2))
    layer = f"unet.{LINEARS[0]}"
    (folder / "cut.safetensors").write_bytes(Path(saved(good, folder / "whole.safetensors")).read_bytes()[:-8])
    torch.save(good, folder / "pickle.safetensors")
    torch.save(good, folder / "pickle.bin")

    def state(name: str, tensors: dict[str, torch.Tensor]) -> str:
        return saved(tensors, folder / f"{name}.safetensors")

    return {
        "No such file": str(folder / "missing.safetensors"),
        "damaged": str(folder / "cut.safetensors"),
        "pickle.safetensors is damaged": str(folder / "pickle.safetensors"),
        "pickle.bin is no .safetensors file": str(folder / "pickle.bin"),
        "no .safetensors file": "nonsense",
        "the layer down_blocks.1.attentions.0": state("wide", good | {f"{layer}.lora_A.weight": torch.ones(2, 48)}),
        "the layer up_blocks.7": state(
            "deep",
            {"unet.up_blocks.7.lora_A.weight": torch.ones(2, 8), "unet.up_blocks.7.lora_B.weight": torch.ones(8, 2)},
        ),
        "the layer ": state("half", {f"{layer}.lora_A.weight": good[f"{layer}.lora_A.weight"]}),
        "DoRA": state("dora", good | {f"{layer}.lora_magnitude_vector": torch.ones(64)}),
        "LoHa": state("loha", {"lora_unet_conv_in.hada_w1_a": torch.ones(2, 2)}),
        "keys": state("orphan", {"lora_unet_conv_in.lora_down.weight": torch.ones(2, 4, 3, 3)}),
        "holds no LoRA": state("model", {"model.diffusion_model.out.2.weight": torch.ones(2, 2)}),
        "": state("empty", {}),
    }


def test_a_style_that_cannot_be_used_is_told_in_a_line_and_harms_no_other(
    pipeline: StableDiffusionXLPipeline, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    good = Style(name="good", lora=saved(as_peft(random_weights(pipeline.unet, OTHERS, 2)), tmp_path / "g.safetensors"))
    lone = Loras(other := demo(), [good])
    reasons = broken_files(tmp_path, pipeline.unet)
    capfd.readouterr()
    loras = Loras(pipeline, [*(Style(name=words, lora=lora) for words, lora in reasons.items()), good])

    assert capfd.readouterr() == ("", "")
    assert loras.broken.keys() == reasons.keys()
    for words, reason in loras.broken.items():
        assert words in reason
        assert 0 < len(reason.splitlines()) == 1
    for each in (lone, loras):
        each.activate(("good",))
    assert torch.equal(called(pipeline.unet), called(other.unet))


@pytest.mark.parametrize("name", ["broken", "unknown"])
def test_what_cannot_be_used_fails_its_job_and_leaves_the_active_ones(
    pipeline: StableDiffusionXLPipeline, tmp_path: Path, name: str
) -> None:
    broken = Style(name="broken", lora=str(tmp_path / "missing.safetensors"))
    loras = Loras(pipeline, [*styles_in(tmp_path, pipeline.unet), broken])
    loras.activate(("kohya",))
    before = called(pipeline.unet)

    with pytest.raises(JobFailed, match=f"The style {name} cannot be used") as failure:
        loras.activate(("peft", name))
    assert failure.value.code == "style_unavailable"
    assert torch.equal(called(pipeline.unet), before)


def cached_lora(cache: Path, repo: str, files: dict[str, Path]) -> None:
    """As the hub's client leaves downloaded files on the disk."""
    repository = cache / f"models--{repo.replace('/', '--')}"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0" * 40)
    for name, file in files.items():
        (snapshot / name).symlink_to(file)


@pytest.mark.parametrize(
    ("lora", "files", "reason"),
    [
        ("owner/repo", ["pytorch_lora_weights.safetensors", "other.safetensors"], None),
        ("owner/repo", ["ink.safetensors", "README.md"], None),
        ("owner/repo/ink.safetensors", ["ink.safetensors", "other.safetensors"], None),
        ("owner/repo", ["ink.safetensors", "other.safetensors"], "owner/repo holds 2 .safetensors files"),
        ("owner/repo/ink.bin", ["ink.bin"], "owner/repo/ink.bin is no .safetensors file"),
        ("owner/elsewhere", ["ink.safetensors"], "cache"),
    ],
)
def test_a_lora_of_the_hub_is_found_in_the_cache_when_there_is_no_network(
    pipeline: StableDiffusionXLPipeline,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lora: str,
    files: list[str],
    reason: str | None,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    file = Path(saved(as_peft(random_weights(pipeline.unet, LINEARS, 2)), tmp_path / "ink.safetensors"))
    cached_lora(tmp_path / "hub", "owner/repo", dict.fromkeys(files, file))
    loras = Loras(pipeline, [Style(name="ink", lora=lora)])

    assert (reason or "") in loras.broken.get("ink", "")
    assert bool(reason) == bool(loras.broken)


class Hub:
    """What the hub's client does when it reaches a hub with this one repository."""

    def __init__(self, file: str, files: list[str]) -> None:
        self._file = file
        self._files = files

    def download(self, repo: str, name: str) -> str:
        gone = httpx2.Response(404, request=httpx2.Request("GET", f"https://hub.test/{repo}/{name}"))
        if repo != "owner/repo":
            raise RepositoryNotFoundError("404 Client Error.", response=gone)
        if name not in self._files:
            raise RemoteEntryNotFoundError("404 Client Error.", response=gone)
        return self._file

    def names(self, repo: str) -> list[str]:
        return self._files


@pytest.mark.parametrize(
    ("lora", "files", "reason"),
    [
        ("owner/repo", ["pytorch_lora_weights.safetensors", "other.safetensors"], None),
        ("owner/repo", ["ink.safetensors", "old/ink.safetensors", "README.md"], None),
        ("owner/repo/old/ink.safetensors", ["ink.safetensors", "old/ink.safetensors"], None),
        ("owner/repo", ["ink.safetensors", "other.safetensors"], "owner/repo holds 2 .safetensors files"),
        ("owner/repo", ["ink.bin"], "owner/repo holds 0 .safetensors files"),
        ("owner/repo/wax.safetensors", ["ink.safetensors"], "owner/repo holds no wax.safetensors"),
        ("owner/elsewhere", ["ink.safetensors"], "the hub has no owner/elsewhere"),
    ],
)
def test_a_lora_of_the_hub_is_fetched(
    pipeline: StableDiffusionXLPipeline,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    lora: str,
    files: list[str],
    reason: str | None,
) -> None:
    hub = Hub(saved(as_peft(random_weights(pipeline.unet, LINEARS, 2)), tmp_path / "ink.safetensors"), files)
    monkeypatch.setattr("bot.inference.lora.hf_hub_download", hub.download)
    monkeypatch.setattr("bot.inference.lora.list_repo_files", hub.names)
    loras = Loras(pipeline, [Style(name="ink", lora=lora)])

    assert (reason or "") in loras.broken.get("ink", "")
    assert bool(reason) == bool(loras.broken)
