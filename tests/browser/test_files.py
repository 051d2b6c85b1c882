"""The page's files, as they lie on disk; needs no browser."""

import re
from pathlib import Path

from bot import typed

PAGE = Path(__file__).parents[2] / "adapters" / "web" / "page"
#: Bytes, of both pages together, as they are sent.
WEIGHT = 100_000


def test_both_pages_together_weigh_little() -> None:
    assert sum(file.stat().st_size for file in PAGE.iterdir()) < WEIGHT


def test_nothing_of_the_page_is_made_of_markup_or_comes_from_elsewhere() -> None:
    for file in PAGE.iterdir():
        text = file.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text), (
            file
        )
        assert not re.search(r"\sstyle=|\son\w+=|<style|<script(?! type=\"module\" src=)", text), file
        assert set(re.findall(r"https?://[^\s\"'`)]+", text)) <= {"http://www.w3.org/2000/svg"}, file


def test_the_options_that_are_suggested_are_those_that_are_understood() -> None:
    text = (PAGE / "suggestions.js").read_text()
    suggested = set(re.findall(r'"--(\w+)"', text))

    assert suggested == typed.OPTIONS.keys() - {"negative", "image", "private"}
