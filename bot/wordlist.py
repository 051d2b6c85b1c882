"""Which words are not painted: a space's own rules, and the shipped list that holds everywhere.

A rule is a word or a phrase; a star at its end stands for any letters. No rule is a pattern of its writer's making, so
none is slow: a prompt of 2,000 characters takes 2 to 4 ms against 200 of them, and 25 ms where it is all disguises.
"""

import re
import string
import tomllib
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from itertools import chain
from pathlib import Path

from decancer_py import parse

from bot.errors import BadRequest, Mistake

RULE_LIMIT = 60
RULES_MOST = 200
LETTERS_LEAST = 2

#: Of what is spelled out letter by letter, a shorter rule is looked for as a whole only.
_LONG = 4
#: Read as letters inside of words. decancer knows more, but takes 6 and 9 for any of five letters, and brackets and
#: strokes stand in prompts for themselves.
_SIGNS = "01234578!$@|+"
#: Letters that are drawn with more than one sign; longest first.
_DRAWN = {"|\\|": "n", "/\\/": "n", "|_|": "u", "|-|": "h", "/\\": "a", "\\/": "v", "()": "o", "|<": "k", "|)": "d"}
#: What decancer leaves alone where it is asked to: a rule in one of these is compared as it is written.
_SCRIPTS = ["japanese", "greek", "cyrillic", "hebrew", "arabic", "devanagari", "bengali", "armenian", "gujarati"]
_SCRIPTS += ["tamil", "thai", "lao", "burmese", "khmer", "mongolian", "chinese", "korean"]
_AS_WRITTEN = {"disable_bidi": True, "retain_emojis": True} | {f"retain_{script}": True for script in _SCRIPTS}
#: Written without spaces between words, so that a rule in them is found inside of others too.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR")
#: What may stand between the letters of a word: no white space, nothing that parts words, no letter in disguise.
_SEPARATOR = r"(?:[^\w\s,;:/()\[\]{}<>?!$@|+]|_)?"
#: Between two ways to read one text: a letter that is in no rule, so that no phrase goes across.
_SEAM = " \u01c1 "


@dataclass(frozen=True, slots=True)
class Found:
    """Which rule forbids it."""

    #: Counted from 1: among the space's rules, or in the shipped list.
    number: int
    #: Of the list that holds everywhere.
    shipped: bool
    #: Of a shipped rule; "" for a space's own, as whoever asked is never shown the words.
    name: str


def parse_rule(text: str) -> str:
    """What an admin typed -> the rule as it is kept and listed: lower case, single spaces. Raises BadRequest."""
    shown = " ".join(_cleaned(text).split())
    core = shown.strip("* ")
    if not shown:
        raise _mistake("The rule is empty. Write a word or a phrase, e.g. gore or behead*.", "empty")
    if not core:
        raise _mistake("Only stars would forbid everything. Write a word, e.g. gore or behead*.", "only_stars")
    if "*" in core:
        raise _mistake("A star may stand at the beginning and at the end of a rule, not inside.", "star_inside")
    rule = "*" * shown.startswith("*") + core + "*" * shown.endswith("*")
    if len(rule) > RULE_LIMIT:
        words = f"A rule may have up to {RULE_LIMIT} characters; this one has {len(rule)}."
        raise _mistake(words, "too_long", limit=RULE_LIMIT, length=len(rule))
    if sum(map(len, _words(core))) < (1 if _is_unspaced(core) else LETTERS_LEAST):
        raise _mistake(f"A rule needs at least {LETTERS_LEAST} letters.", "too_short", least=LETTERS_LEAST)
    return rule


def forbidden(
    rules: Sequence[str],
    prompt: str,
    negative_prompt: str | None,
    *,
    inherited: Sequence[str] = (),
    names: Sequence[str] = (),
) -> Found | None:
    """The first rule that forbids it; of the shipped list first.

    Rules are as `parse_rule` gives them. Inherited are the prompts of the images that it is refined from, which only
    the shipped list looks at; names are those of files.
    """
    asked = [_read(text) for text in (prompt, *names)]
    before = [_read(text) for text in inherited]
    unwanted = [_read(negative_prompt)] if negative_prompt else []
    for number, shipped in enumerate(_shipped_list(), 1):
        if shipped.forbids(asked + before, unwanted):
            return Found(number, True, shipped.name)
    for number, rule in enumerate(rules, 1):
        if _is_in(rule, asked + unwanted):
            return Found(number, False, "")
    return None


@dataclass(frozen=True, slots=True)
class _Reading:
    """A text in all the ways that it may be read, and what says at once that a rule is not in it."""

    text: str
    #: Its words, with one space between them.
    plain: str
    #: The bones of all that is more than letters, without what is between.
    bones: str
    #: What was spelled out letter by letter.
    spelled: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shipped:
    """A rule of the shipped list."""

    name: str
    #: Never innocent, not even where they are not wanted.
    alone: tuple[str, ...]
    #: One of these may not stand together with one of those.
    these: tuple[str, ...]
    those: tuple[str, ...]

    def forbids(self, asked: Sequence[_Reading], unwanted: Sequence[_Reading]) -> bool:
        everything = [*asked, *unwanted]
        return any(_is_in(word, everything) for word in self.alone) or (
            any(_is_in(word, asked) for word in self.those) and any(_is_in(word, asked) for word in self.these)
        )


@cache
def _shipped_list() -> tuple[_Shipped, ...]:
    listed = tomllib.loads(Path(__file__).with_name("never.toml").read_text(encoding="utf-8"))

    def words(rule: dict[str, list[str]], key: str) -> tuple[str, ...]:
        return tuple(chain.from_iterable(_with_ages(entry, listed["ages"]) for entry in rule.get(key, [])))

    return tuple(
        _Shipped(name=rule["name"], alone=words(rule, "alone"), these=words(rule, "these"), those=words(rule, "those"))
        for rule in listed["rule"]
    )


def _with_ages(entry: str, ages: Iterable[str]) -> Iterator[str]:
    if "{age}" not in entry:
        return iter([parse_rule(entry)])
    return (parse_rule(entry.replace("{age}", age)) for age in ages)


def _mistake(words: str, kind: str, **values: object) -> BadRequest:
    return BadRequest(Mistake("words", words, kind, values))


def _cleaned(text: str) -> str:
    """In lower case, without what nobody sees. The order of right-to-left text stays as the text encoders read it."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
        text = "".join(char for char in text if unicodedata.category(char) not in ("Cf", "Cs"))
        text = unicodedata.normalize("NFKC", text.casefold())
    return "".join(char if char.isprintable() else " " for char in text.casefold())


def _read(text: str) -> _Reading:
    # Among small letters a capital I is a small L in disguise as often as not.
    written = dict.fromkeys((_cleaned(text), _cleaned(re.sub(r"(?<=[a-z])I", "|", text))))
    folded = dict.fromkeys(parsed for line in written for parsed in _folded(line))
    drawn = dict.fromkeys(chain(folded, map(_undrawn, folded)))
    lines = dict.fromkeys(chain.from_iterable(map(_unstretched, drawn)))
    whole = _SEAM.join(lines)
    odd = (chunk for chunk in whole.split() if not chunk.strip(".,;:()[]{}<>?*_-'\"").isalpha())
    plain = " ".join(re.findall(r"[^\W_]+", whole))
    return _Reading(whole, plain, _bones("".join(odd)), _spelled(lines))


def _folded(text: str) -> tuple[str, str]:
    """With every look-alike as the Latin letter that it looks like; with other scripts as they are."""
    return str(parse(text, disable_bidi=True)), str(parse(text, **_AS_WRITTEN))


def _undrawn(text: str) -> str:
    for signs, letter in _DRAWN.items():
        text = text.replace(signs, letter)
    return text


def _unstretched(text: str) -> tuple[str, str, str]:
    """Three and more of a letter may mean one ("nooo") or two ("boooot"); two mean two, as god is not good."""
    return text, re.sub(r"(\w)\1{2,}", r"\1", text), re.sub(r"(\w)\1{2,}", r"\1\1", text)


def _spelled(lines: Iterable[str]) -> str:
    """`a c a t`, `a, c, a, t` -> `acat`: runs of three and more single characters."""
    runs: dict[str, None] = {}
    for line in lines:
        tokens = (token.strip(".;:-_*'\"") for token in re.split(r"[\s,]+", line))
        shape = "".join(token if len(token) == 1 else " " for token in tokens)
        runs |= dict.fromkeys(run for run in shape.split() if len(run) > 2)
    return " ".join(runs)


@cache
def _signs_of() -> dict[str, str]:
    """The signs that decancer reads as each letter."""
    return {letter: "".join(sign for sign in _SIGNS if parse(sign) == letter) for letter in string.ascii_lowercase}


@cache
def _bones_table() -> dict[int, str]:
    """Letters and signs that can be taken for each other, along whatever chain, -> one letter of them."""
    one = {char: char for char in string.ascii_lowercase + _SIGNS}
    for letter, signs in _signs_of().items():
        for sign in signs:
            old, new = sorted((one[sign], one[letter]), key=str.isalpha)
            one = {char: new if its == old else its for char, its in one.items()}
    return str.maketrans(one)


def _bones(text: str) -> str:
    """Without all that tells letters and their disguises apart."""
    return re.sub(r"[\W_]+", "", text.translate(_bones_table()))


def _words(core: str) -> list[str]:
    """A rule's words, in lower case. Look-alikes are told apart only in a rule without Latin letters."""
    latin, as_written = _folded(core)
    return re.findall(r"[^\W_]+", latin if re.search("[a-z]", core) else as_written)


def _is_unspaced(core: str) -> bool:
    return any(unicodedata.name(char, "").startswith(_UNSPACED) for char in core)


@dataclass(frozen=True, slots=True)
class _Needle:
    """What must be in a text, before a closer look is worth its time."""

    plain: str
    #: Each word, and its bones; a number has none, as nothing is taken for it.
    words: tuple[tuple[str, str], ...]
    #: Those of all words.
    bones: str

    def may_be_in(self, reading: _Reading) -> bool:
        plain, odd = reading.plain, reading.bones
        return self.plain in plain or (
            bool(odd) and all(word in plain or (bones and bones in odd) for word, bones in self.words)
        )


@lru_cache(maxsize=20_000)
def _needle(rule: str) -> _Needle:
    words = _words(rule)
    bones = tuple((word, "" if word.isdigit() else _bones(word)) for word in words)
    return _Needle(" ".join(words), bones, _bones("".join(words)))


@lru_cache(maxsize=4_000)
def _pattern(rule: str, *, anywhere: bool = False) -> re.Pattern[str]:
    """Alternatives of single characters and nothing that repeats inside of words, so that it cannot be slow."""
    words = _words(rule)
    core = r"[\W_]+".join(_SEPARATOR.join(map(_disguises, word)) for word in words)
    if anywhere or _is_unspaced(rule):
        return re.compile(core)
    # Digits at the edges do not hide a word (1girl), but belong to one that begins or ends with digits itself.
    before = "" if rule.startswith("*") else r"(?<![^\W_])" + r"\d*" * words[0][0].isalpha()
    after = "" if rule.endswith("*") else r"\d*" * words[-1][-1].isalpha() + r"(?![^\W_])"
    return re.compile(before + core + after)


def _disguises(letter: str) -> str:
    return f"[{re.escape(letter + _signs_of().get(letter, ''))}]"


def _is_in(rule: str, readings: Iterable[_Reading]) -> bool:
    needle = _needle(rule)
    return any(_is_in_reading(rule, needle, reading) for reading in readings)


def _is_in_reading(rule: str, needle: _Needle, reading: _Reading) -> bool:
    if needle.may_be_in(reading) and _matches(rule, _pattern(rule), reading.text):
        return True
    if not reading.spelled or needle.bones not in _bones(reading.spelled):
        return False
    return _matches(rule, _pattern(rule, anywhere=len(needle.bones) >= _LONG), reading.spelled)


def _matches(rule: str, pattern: re.Pattern[str], text: str) -> bool:
    """A number is no word in disguise: 455 is 455."""
    return any(not match[0].isdigit() or match[0] in rule for match in pattern.finditer(text))
