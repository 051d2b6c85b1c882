r"""What a person types around words to weigh them, as in `a (red hat:1.3)` -> the words, and how much each counts.

`\(` and `\)` are parentheses and nothing more. All that is neither stays as it was typed.
"""

import re
from collections.abc import Iterator
from itertools import groupby

#: A larger number is no weight but text. Weights inside one another do not come to more than this either.
WEIGHT_MAX = 3.0

_MARK = re.compile(r"\\[()]|\(|(?::\s*(?P<weight>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*)?\)")


def weighted(prompt: str) -> list[tuple[str, float]]:
    """The text without the syntax, as runs of one weight; at least one. Weights inside one another multiply."""
    runs = groupby(_pieces(prompt), key=lambda piece: piece[1])
    return [("".join(text for text, _ in run), weight) for weight, run in runs] or [("", 1.0)]


def _pieces(prompt: str) -> Iterator[tuple[str, float]]:
    marks = list(_MARK.finditer(prompt))
    groups = _groups(marks)
    weights = [1.0]
    at = 0
    for mark in marks:
        escaped = mark[0].startswith("\\")
        if not escaped and mark not in groups:
            continue
        if at < mark.start():
            yield prompt[at : mark.start()], weights[-1]
        at = mark.start() + 1 if escaped else mark.end()
        if mark[0] == "(":
            weights.append(min(weights[-1] * groups[mark], WEIGHT_MAX))
        elif not escaped:
            weights.pop()
    if at < len(prompt):
        yield prompt[at:], 1.0


def _groups(marks: list[re.Match[str]]) -> dict[re.Match[str], float]:
    """The two marks of every group that has a weight. Without recursion: people nest as deep as they like."""
    groups = {}
    opened: list[re.Match[str]] = []
    for mark in marks:
        if mark[0] == "(":
            opened.append(mark)
        elif not mark[0].startswith("\\") and opened:
            opening = opened.pop()
            weight = float(mark["weight"] or "inf")
            if weight <= WEIGHT_MAX and opening.end() < mark.start():
                groups[opening] = groups[mark] = weight
    return groups
