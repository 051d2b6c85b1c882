"""The image check: a model that says of a finished picture whether it is one to be careful with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch
from diffusers.pipelines.stable_diffusion.safety_checker import StableDiffusionSafetyChecker
from huggingface_hub import hf_hub_download
from PIL import Image
from transformers import AutoImageProcessor, AutoModelForImageClassification, CLIPImageProcessor

from bot.errors import CannotStart, JobFailed

#: Of a classifier's labels, those that flag a picture, by how they begin.
FLAGGING = ("nsfw", "unsafe", "porn", "hentai", "sexy", "explicit", "nude", "gore", "violence")
#: The part of a classifier's certainty from which a picture is flagged, all flagging labels together.
CERTAIN = 0.5


class Checker(Protocol):
    """Called from several threads at once."""

    def flags(self, picture: Image.Image) -> bool: ...


class ConceptChecker:
    """diffusers' StableDiffusionSafetyChecker: near to one of the concepts that were given to it as numbers alone."""

    def __init__(self, source: str, device: str) -> None:
        self._device, self._dtype = device, dtype_on(device)
        self._look = _read(CLIPImageProcessor, source, "feature_extractor")
        model = _read(StableDiffusionSafetyChecker, source, "safety_checker", dtype=self._dtype)
        self._model = model.to(device).eval()

    def flags(self, picture: Image.Image) -> bool:
        seen = self._look(picture.convert("RGB"), return_tensors="pt").pixel_values.to(self._device, self._dtype)
        # It paints over what it flags; that picture is not wanted.
        _, flagged = self._model(clip_input=seen, images=[torch.zeros(1)])
        return bool(flagged[0])


class ClassChecker:
    """A classifier of transformers whose labels say what is to be flagged."""

    def __init__(self, source: str, device: str) -> None:
        self._device, self._dtype = device, dtype_on(device)
        self._look = AutoImageProcessor.from_pretrained(source)
        model = AutoModelForImageClassification.from_pretrained(source, dtype=self._dtype)
        self._model = model.to(device).eval()
        self._flagging = flagging(model.config.id2label)

    @torch.inference_mode()
    def flags(self, picture: Image.Image) -> bool:
        seen = self._look(picture.convert("RGB"), return_tensors="pt").pixel_values.to(self._device, self._dtype)
        certainty = self._model(seen).logits.float().softmax(-1)[0]
        return bool(certainty[self._flagging].sum() >= CERTAIN)


def flagging(labels: Mapping[int, str]) -> list[int]:
    """Raises ValueError where no label is one that flags."""
    found = [number for number, label in labels.items() if label.lower().startswith(FLAGGING)]
    if not found:
        raise ValueError(f"none of its labels ({', '.join(labels.values())}) begins with {', '.join(FLAGGING)}")
    return found


def load_checker(source: str, device: str) -> Checker:
    """From a folder or hub ID. Raises CannotStart, which names it."""
    source = str(Path(source).expanduser()) if source.startswith("~") else source
    try:
        config = json.loads(_config(source).read_text(encoding="utf-8"))
        if StableDiffusionSafetyChecker.__name__ in config.get("architectures", []):
            return ConceptChecker(source, device)
        return ClassChecker(source, device)
    except Exception as error:
        raise CannotStart(f"The image check {source} cannot be loaded: {error}") from error


def checked(checker: Checker | None, picture: Image.Image) -> bool | None:
    """Whether it is flagged; None where nothing checks. Raises JobFailed: what could not be checked is not shown."""
    if checker is None:
        return None
    try:
        return checker.flags(picture)
    except Exception as error:
        detail = f"The picture could not be checked, and so is not shown: {type(error).__name__}: {error}"
        raise JobFailed("check_failed", detail) from error


def dtype_on(device: str) -> torch.dtype:
    return torch.float16 if device == "cuda" else torch.float32


def _config(source: str) -> Path:
    """Of the model, which may stand alone or in a pipeline's folder."""
    names = ("config.json", "safety_checker/config.json")
    if Path(source).is_dir():
        found = next((path for name in names if (path := Path(source) / name).is_file()), None)
        if found is None:
            raise FileNotFoundError(f"the folder holds neither {' nor '.join(names)}")
        return found
    return Path(hf_hub_download(source, names[0]))


def _read(kind: Any, source: str, part: str, **how: Any) -> Any:
    """A part from a pipeline's folder, or from where it stands alone."""
    inside = Path(source, part).is_dir()
    return kind.from_pretrained(source, subfolder=part, **how) if inside else kind.from_pretrained(source, **how)
