"""docs/promises.md: its tests are there, and those of each variant fail once the program is broken in that way."""

import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
PAGE = (PROJECT / "docs" / "promises.md").read_text(encoding="utf-8")
#: What the page and the variants call `file::test`.
TEST = re.compile(r"(tests/[\w/]+\.py)::(test_\w+)")
#: As pytest ends where tests failed, not where it found none or could not run them.
TESTS_FAILED = 1


@dataclass(frozen=True, slots=True)
class Variant:
    """The program with one thing broken: `new` in place of `old`, which stands in the file once."""

    breaks: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def __str__(self) -> str:
        return self.breaks


def variants() -> dict[str, list[Variant]]:
    """By the promise that they break."""
    text = Path(__file__).with_name("variants.toml").read_text(encoding="utf-8")
    promises = tomllib.loads(text)["promise"]
    return {
        promise["is"]: [Variant(**{**variant, "tests": tuple(variant["tests"])}) for variant in promise["variant"]]
        for promise in promises
    }


PROMISES = variants()
VARIANTS = [variant for several in PROMISES.values() for variant in several]


def section(promise: str) -> str:
    """Of the page, below this heading."""
    return PAGE.partition(f"\n## {promise}\n")[2].partition("\n## ")[0]


def test_each_promise_has_tests_and_at_least_two_variants() -> None:
    assert list(PROMISES) == re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    assert [promise for promise in PROMISES if not TEST.search(section(promise))] == []
    assert [promise for promise, several in PROMISES.items() if len(several) < 2] == []


def test_the_tests_of_a_promise_are_there() -> None:
    named = {
        *TEST.findall(PAGE),
        *(found for variant in VARIANTS for test in variant.tests for found in TEST.findall(test)),
    }

    assert [name for file, name in sorted(named) if f"def {name}(" not in (PROJECT / file).read_text()] == []


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_variant_fits_the_code(variant: Variant) -> None:
    assert (PROJECT / variant.file).read_text(encoding="utf-8").count(variant.old) == 1


@pytest.mark.nightly
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_broken_program_is_noticed(tmp_path: Path, variant: Variant) -> None:
    copy = tmp_path / "limner"
    files = subprocess.check_output(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=PROJECT
    )
    for name in filter(None, files.decode().split("\0")):
        if (PROJECT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(PROJECT / name, copy / name)
    broken = copy / variant.file
    broken.write_text(broken.read_text(encoding="utf-8").replace(variant.old, variant.new), encoding="utf-8")

    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *variant.tests]
    ended = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)

    assert ended.returncode == TESTS_FAILED, ended.stdout[-3000:] + ended.stderr[-1000:]
