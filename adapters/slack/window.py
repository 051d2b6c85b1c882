"""What an open window is about, as it comes back with it, and what was filled in there. Pure."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from adapters.slack.words import Words
from bot.jobs import STRENGTH
from bot.prompts import PROMPT_LIMIT, tidy

#: With a comma, too.
NUMBER = re.compile(r"[0-9]{0,20}([0-9]|[.,][0-9]{1,20})")

#: What can be done with a job -> what it tells of its picture.
WITHOUT = {"limner:cancel": "picture.not_yet", "limner:why": "picture.kept_back", "limner:retry": "picture.not_painted"}


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    #: Where it was opened: of what people of other companies send, Slack names their own.
    team: str
    channel: str
    #: "" outside threads.
    thread: str
    #: The first one's ID; "" for a picture from Slack.
    image: str
    #: The key under which that is remembered.
    picture: str
    #: Of who opened it, as a mistake must be told before Slack can be asked for that.
    locale: str

    def to_text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, view: Mapping[str, Any]) -> "About | None":
        """None for what another version wrote."""
        try:
            fields = json.loads(view["private_metadata"])
            about = cls(**fields)
        except (ValueError, TypeError, KeyError):
            return None
        is_whole = all(isinstance(value, str) for value in fields.values()) and about.team and about.channel
        return about if is_whole else None


@dataclass(frozen=True, slots=True)
class Filled:
    prompt: str
    strength: str
    #: The ID of the image that was chosen from several; "" where there was no choice.
    chosen: str

    @classmethod
    def of(cls, view: Mapping[str, Any]) -> "Filled":
        """What is not there is empty."""
        values = (view.get("state") or {}).get("values") or {}
        fields: dict[str, Any] = {block: next(iter(parts.values()), {}) for block, parts in values.items()}
        chosen = (fields.get("image", {}).get("selected_option") or {}).get("value")
        typed = (fields.get(block, {}).get("value") for block in ("prompt", "strength"))
        return cls(*(text or "" for text in (*typed, chosen)))

    def mistakes(self, words: Words) -> dict[str, str]:
        """By field, in plain text. What only the service knows is not among them."""
        return dict(self._mistakes(words))

    def _mistakes(self, words: Words) -> Iterator[tuple[str, str]]:
        if not tidy(self.prompt):
            yield "prompt", words.say("modal.prompt.empty")
        elif len(self.prompt) > PROMPT_LIMIT:
            yield "prompt", words.say("modal.prompt.too_long", limit=PROMPT_LIMIT, length=len(self.prompt))
        if self.strength_meant is None:
            yield "strength", words.say("modal.strength.none", usual=STRENGTH)

    @property
    def strength_meant(self) -> float | None:
        """Above 0 and up to 1; empty stands for the usual. None where it is no such number."""
        text = self.strength.strip()
        if not text:
            return STRENGTH
        meant = float(text.replace(",", ".")) if NUMBER.fullmatch(text) else 0.0
        return meant if 0 < meant <= 1 else None


def why_without(message: Mapping[str, Any]) -> str | None:
    """The key that says why a message of ours shows no picture; None where it is not one of a job."""
    for block in message.get("blocks") or ():
        for element in block.get("elements") or ():
            if why := WITHOUT.get(element.get("action_id", "")):
                return why
    return None
