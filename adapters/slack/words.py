"""What people read on Slack. The sentences stand in words/*.toml, in Slack's mrkdwn."""

from collections.abc import Sequence
from functools import cache

from adapters.chat import words
from adapters.slack.mrkdwn import fitting, quoted

LANGUAGES = ("en",)
#: All that an answer may have.
ANSWER = 2900


class Words(words.Words):
    def quoted(self, text: str, limit: int) -> str:
        return quoted(text, limit)

    def places(self, places: Sequence[str]) -> str:
        return channels(places)

    def listed(self, sentences: Sequence[str]) -> str:
        """One sentence needs no list."""
        if len(sentences) == 1:
            return sentences[0]
        return "\n".join(fitting((f"• {sentence}" for sentence in sentences), ANSWER))


def words_for(locale: str) -> Words:
    """Of a locale as Slack names it: `en-US`, `de-DE`."""
    language = locale.partition("-")[0].lower()
    return _words(language if language in LANGUAGES else LANGUAGES[0])


@cache
def _words(language: str) -> Words:
    return Words(language, words.sentences("adapters.slack", f"{language}.toml"))


def channels(places: Sequence[str]) -> str:
    """As Slack shows them, the first twenty."""
    shown = [f"<#{place}>" for place in places[:20]]
    return ", ".join([*shown, "…"] if len(places) > len(shown) else shown)
