import ast
import re
from pathlib import Path

import pytest

from adapters.chat.words import channels
from adapters.slack.words import LANGUAGES, words_for
from bot import errors
from bot.errors import (
    AgeRestricted,
    AlreadyOver,
    AskedTooMuch,
    BadRequest,
    Blocked,
    Forbidden,
    Mistake,
    NotFound,
    PlaceClosed,
    QueueFull,
    Refused,
    ShuttingDown,
    SpacePaused,
)
from bot.jobs import Failure
from tests.adapters.discord.test_words import (
    NO_OPTION,
    called,
    failure_codes,
    mistakes,
    placeholders,
    text_of,
    trees,
)
from tests.adapters.slack.judging import breaches, rings

ROOT = Path(__file__).parents[3]
ADAPTER = ROOT / "adapters" / "slack"
SPEAKERS = ("adapters/chat", "adapters/slack")
ENGLISH = words_for("en")
SENTENCES = dict(ENGLISH.sentences)

#: Slack shows these as they stand: `*bold*`, code, a link, a time.
MARKUP = re.compile(r"<\{link\}\|[^<>]*>")

#: One of each kind of refusal, and one more where there are several sentences.
REFUSALS: list[Refused] = [
    BadRequest(Mistake("prompt", "The prompt is empty.", "empty")),
    NotFound("image"),
    NotFound("job"),
    NotFound("recipe"),
    NotFound("something"),
    AlreadyOver("done"),
    AlreadyOver("failed"),
    AlreadyOver("cancelled"),
    Forbidden(),
    Blocked(),
    SpacePaused(),
    PlaceClosed(["C1234", "C5678"]),
    AskedTooMuch("images", 1),
    AskedTooMuch("steps", 30),
    AskedTooMuch("jobs", 2),
    AskedTooMuch("something", 2),
    AgeRestricted(),
    QueueFull(10, 30),
    ShuttingDown(),
]


@pytest.mark.parametrize("locale", ["en-US", "en-GB", "de-DE", "ja-JP", "", "../de"])
def test_everybody_reads_english(locale: str) -> None:
    assert words_for(locale) is ENGLISH


def test_there_is_a_file_for_each_language() -> None:
    assert {file.stem for file in (ADAPTER / "words").iterdir()} == set(LANGUAGES)


def test_no_sentence_is_empty_or_shouts_or_speaks_of_discord() -> None:
    wrong = re.compile(r"^\s*$|!|discord|server|\*\*", re.IGNORECASE)
    assert [key for key, text in SENTENCES.items() if wrong.search(text)] == []


def test_no_sentence_has_a_sign_that_slack_wants_escaped() -> None:
    assert [key for key, text in SENTENCES.items() if re.search(r"[<>&]", MARKUP.sub("", text))] == []


def test_bold_and_code_are_closed_where_they_begin() -> None:
    for key, text in SENTENCES.items():
        for line in text.splitlines():
            assert line.count("`") % 2 == 0, key
            assert re.sub(r"`[^`]*`", "", line).count("*") % 2 == 0, key


@pytest.mark.parametrize(
    ("pattern", "limit"),
    [
        (r"app\.name", 35),
        (r"app\.bot", 80),
        (r"app\.description", 140),
        (r"command\..*", 140),
        (r"menu\.[a-z]+", 24),
        (r"menu\..*\.description", 150),
        (r"modal\.(title.*|submit|close)", 24),
        (r"modal\..*\.placeholder", 150),
        (r"button\..*", 60),
        (r".*", 2900),
    ],
)
def test_sentences_are_as_short_as_slack_wants_them(pattern: str, limit: int) -> None:
    matching = {key: text for key, text in SENTENCES.items() if re.fullmatch(pattern, key)}
    assert matching
    assert {key: len(text) for key, text in matching.items() if len(text) > limit} == {}


def test_a_sentence_or_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError):
        ENGLISH.say("queue.nowhere")
    with pytest.raises(KeyError):
        ENGLISH.say("queue.place")


def test_values_are_not_taken_for_templates() -> None:
    assert "{person.__class__}" in ENGLISH.say("blocked", person="{person.__class__}")


def test_every_refusal_is_among_those_tested_here() -> None:
    known = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Refused)}
    assert {type(refusal) for refusal in REFUSALS} == known - {Refused}


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{type(refusal).__name__}-{refusal}"[:40])
def test_every_refusal_has_a_sentence_of_its_own(refusal: Refused) -> None:
    assert ENGLISH.refusal(refusal) != ENGLISH.say("refusal.other", why=str(refusal))


def test_a_refusal_that_nobody_foresaw_is_told_in_the_cores_words() -> None:
    class NewRefusal(Refused):
        pass

    assert ENGLISH.refusal(NewRefusal("It is <late>.")) == "This cannot be done: It is &lt;late&gt;."


def test_one_mistake_is_a_sentence_and_several_are_a_list() -> None:
    first = Mistake("num_inference_steps", "", "range", {"least": 1, "most": 150})
    second = Mistake("num_images", "", "range", {"least": 1, "most": 4})
    assert ENGLISH.refusal(BadRequest(first)) == "`--steps` goes from 1 to 150."
    assert ENGLISH.refusal(BadRequest(first, second)) == (
        "• `--steps` goes from 1 to 150.\n• `--images` goes from 1 to 4."
    )


def test_many_mistakes_fit_into_a_section() -> None:
    mistakes = [Mistake("style", "", "unknown", {"style": "&" * 400, "styles": "_" * 400}) for _ in range(20)]
    assert 1000 < len(ENGLISH.refusal(BadRequest(*mistakes))) <= 2900


def test_what_somebody_typed_has_no_effect() -> None:
    refusal = ENGLISH.refusal(BadRequest(Mistake("style", "", "none", {"style": "*bold* <!channel> @ada :cat:"})))
    assert "“\u2217bold\u2217 &lt;!channel&gt; @\u200bada :\u200bcat:”" in refusal
    assert rings(refusal, []) == []


def test_an_option_like_another_is_suggested() -> None:
    mistake = Mistake("stepz", "", "unknown_option", {"option": "--stepz", "suggestion": "--steps"})
    assert ENGLISH.refusal(BadRequest(mistake)) == "There is no option “--stepz”. Did you mean “--steps”?"


def test_channels_in_which_painting_is_allowed_are_named() -> None:
    assert "<#C1234>, <#C5678>" in ENGLISH.refusal(PlaceClosed(["C5678", "C1234"]))
    assert channels([f"C{number}" for number in range(30)]).count("<#") == 20


def test_a_failure_is_told_by_its_code_and_an_unknown_one_by_its_detail() -> None:
    assert "memory" in ENGLISH.failure(Failure("out_of_memory", "CUDA"))
    assert ENGLISH.failure(Failure("something_new", "It <broke>.")) == "The reason: It &lt;broke&gt;."


def test_there_are_words_for_every_code_of_a_failure() -> None:
    assert {code for code in failure_codes() if f"failure.{code}" not in SENTENCES} == set()


def test_every_mistake_that_a_chat_can_make_is_said_with_values_that_it_has() -> None:
    missing, wrong = [], []
    for (field, kind), values in mistakes().items():
        if field in NO_OPTION or (field, kind) == ("negative_prompt", "empty"):
            continue
        keys = [key for key in (f"mistake.{field}.{kind}", f"mistake.{field}.{kind}.suggested") if key in SENTENCES]
        missing += [] if keys else [(field, kind)]
        wrong += [key for key in keys if not placeholders(SENTENCES[key]) <= values]
    assert missing == []
    assert wrong == []


def test_everything_that_is_said_is_there_with_all_its_values() -> None:
    wrong = []
    for file, tree in (found for folder in SPEAKERS for found in trees(folder)):
        for node in ast.walk(tree):
            key = text_of(node.args[0]) if called(node) in ("say", "Unclear") and isinstance(node, ast.Call) else None
            if key is None:
                continue
            assert isinstance(node, ast.Call)
            given = {keyword.arg for keyword in node.keywords}
            needed = placeholders(SENTENCES.get(key, "{no such key}"))
            if needed - given and None not in given:
                wrong.append((file.name, key, needed - given))
    assert wrong == []


def test_every_sentence_can_stand_in_a_section() -> None:
    for key, text in SENTENCES.items():
        section = {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
        assert breaches([section]) == [], key
