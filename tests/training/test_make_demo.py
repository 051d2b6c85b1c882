from pathlib import Path

import pytest

from bot.inference.pipelines import DEMO_FOLDER
from training.make_demo import main
from training.vocabulary import WORDS, vocabulary


def files(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


# diffusers warns that it would cast nothing.
@pytest.mark.filterwarnings("ignore")
def test_the_script_makes_the_committed_checkpoint_again(tmp_path: Path) -> None:
    main(tmp_path)

    committed = files(DEMO_FOLDER)
    del committed["README.md"]
    assert files(tmp_path) == committed


def test_every_byte_is_a_token_so_that_any_text_can_be_written() -> None:
    tokens, _ = vocabulary()

    assert sorted(tokens.values()) == list(range(len(tokens)))
    assert sum(len(token) == 1 for token in tokens) == 256


def test_each_of_its_words_is_one_token() -> None:
    tokens, merges = vocabulary()

    assert {f"{word}</w>" for word in WORDS.split()} <= tokens.keys()
    assert all(one + other in tokens for one, other in merges)
