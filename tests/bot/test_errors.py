"""What mistakes say of themselves."""

import ast
from collections.abc import Iterator
from pathlib import Path

from bot.errors import Mistake

BOT = Path(__file__).parents[2] / "bot"
#: The command line is read in English only.
SAID_IN_ENGLISH = {"paint_here.py"}


def mistakes_without_a_kind(source: str) -> Iterator[int]:
    """Their lines. Without is also where the kind is an empty literal."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Mistake":
            named = [keyword.value for keyword in node.keywords if keyword.arg == "kind"]
            kinds = node.args[2:3] or named
            if not kinds or (isinstance(kinds[0], ast.Constant) and not kinds[0].value):
                yield node.lineno


def test_every_mistake_names_a_kind_so_that_it_can_be_said_in_any_language() -> None:
    sources = {path.relative_to(BOT).as_posix(): path.read_text() for path in sorted(BOT.rglob("*.py"))}
    without = {f"{name}:{line}" for name, source in sources.items() for line in mistakes_without_a_kind(source)}

    assert {place for place in without if place.partition(":")[0] not in SAID_IN_ENGLISH} == set()


def test_a_mistake_without_a_kind_would_be_found() -> None:
    source = 'Mistake("a", "b", "kind")\nMistake("a", "b")\nMistake("a", "b", kind="")\nMistake("a", "b", kind="kind")'

    assert list(mistakes_without_a_kind(source)) == [2, 3]


def test_mistakes_with_the_same_sentence_are_one() -> None:
    told = Mistake("seed", "seed is wrong.", "range", {"most": 7})

    assert {told, Mistake("seed", "seed is wrong.")} == {told}
