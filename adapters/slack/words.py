"""What people read on Slack. The sentences stand in words/*.toml, in Slack's mrkdwn."""

from functools import cache

from adapters.chat import words
from adapters.slack.mrkdwn import code, quoted

LANGUAGES = ("en", "de")


class Words(words.Words):
    bullet = "•"
    answer_most = 2900

    def quoted(self, text: str, limit: int) -> str:
        return quoted(text, limit)

    def code(self, text: str) -> str:
        return code(text)


def words_for(locale: str) -> Words:
    return _words(words.language_of(locale, LANGUAGES))


@cache
def _words(language: str) -> Words:
    return Words(language, words.sentences("adapters.slack", f"{language}.toml"))
