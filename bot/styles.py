"""Styles: the LoRAs that the operator offers by name, and the words that wake them."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """A LoRA that a request can name."""

    name: str
    #: A .safetensors file, or on the hub `owner/repo` or `owner/repo/file.safetensors`.
    lora: str
    weight: float = 1.0
    #: Words that the prompt gets in front where it does not have them.
    trigger: str = ""


def with_trigger(prompt: str, style: Style | None) -> str:
    if style is None or not style.trigger or _holds(prompt, style.trigger):
        return prompt
    return f"{style.trigger}, {prompt}"


def _holds(prompt: str, words: str) -> bool:
    """Whole words, in any case: "party" does not hold "art"."""
    return re.search(rf"(?<!\w){re.escape(words)}(?!\w)", prompt, re.IGNORECASE) is not None
