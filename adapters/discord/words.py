"""What people read on Discord, in their language. The sentences stand in words/*.toml."""

from functools import cache

from adapters.chat import words
from adapters.discord.markdown import code, quoted

LANGUAGES = ("en", "de")


class Words(words.Words):
    bullet = "-"
    answer_most = 1900

    def quoted(self, text: str, limit: int) -> str:
        return quoted(text, limit)

    def code(self, text: str) -> str:
        return code(text)


def words_for(locale: str) -> Words:
    return _words(words.language_of(locale, LANGUAGES))


@cache
def _words(language: str) -> Words:
    return Words(language, words.sentences("adapters.discord", f"{language}.toml"))
