import re

import pytest

from adapters.chat.words import channels
from adapters.slack.words import LANGUAGES, words_for
from bot import errors
from bot.errors import (
    AgeRestricted,
    AlreadyDecided,
    AlreadyOver,
    AskedTooMuch,
    BadRequest,
    Blocked,
    Forbidden,
    ImageHeld,
    Mistake,
    NobodyHears,
    NotFound,
    PlaceClosed,
    QueueFull,
    Refused,
    ShareFull,
    ShuttingDown,
    SpacePaused,
    WordsRefused,
)
from bot.jobs import Failure
from tests.adapters import source
from tests.adapters.slack.judging import breaches, rings

ADAPTER = source.ROOT / "adapters" / "slack"
ENGLISH, GERMAN = words_for("en"), words_for("de")
SENTENCES = dict(ENGLISH.sentences)
#: Of both languages.
ALL = [*SENTENCES.items(), *GERMAN.sentences.items()]

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
    ShareFull("requester", 1, 30),
    ShareFull("space", 9, 30),
    ShuttingDown(),
    WordsRefused(1, shipped=False),
    WordsRefused(1, shipped=True),
    ImageHeld(),
    NobodyHears(),
    AlreadyDecided(),
]


@pytest.mark.parametrize("locale", ["de-DE", "de-AT", "DE"])
def test_german_is_for_all_who_speak_it(locale: str) -> None:
    assert words_for(locale) is GERMAN


@pytest.mark.parametrize("locale", ["en-US", "en-GB", "ja-JP", "", "../de"])
def test_everybody_else_reads_english(locale: str) -> None:
    assert words_for(locale) is ENGLISH


def test_both_languages_say_the_same_things_of_the_same_values() -> None:
    assert [*SENTENCES] == [*GERMAN.sentences]
    wrong = [
        key
        for key, text in SENTENCES.items()
        if source.placeholders(text) != source.placeholders(GERMAN.sentences[key])
    ]
    assert wrong == []


def test_german_numbers_have_commas() -> None:
    assert GERMAN.say("modal.strength.none", usual=0.5).endswith("0,5.")


def test_there_is_a_file_for_each_language() -> None:
    assert {file.stem for file in (ADAPTER / "words").iterdir()} == set(LANGUAGES)


def test_no_sentence_is_empty_or_shouts_or_speaks_of_discord() -> None:
    wrong = re.compile(r"^\s*$|!|discord|server|\*\*", re.IGNORECASE)
    assert [key for key, text in ALL if wrong.search(text)] == []


def test_no_sentence_has_a_sign_that_slack_wants_escaped() -> None:
    assert [key for key, text in ALL if re.search(r"[<>&]", MARKUP.sub("", text))] == []


def test_bold_and_code_are_closed_where_they_begin() -> None:
    for key, text in ALL:
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
    matching = [(key, text) for key, text in ALL if re.fullmatch(pattern, key)]
    assert matching
    assert [(key, len(text)) for key, text in matching if len(text) > limit] == []


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
    assert {code for code in source.failure_codes() if f"failure.{code}" not in SENTENCES} == set()


def test_every_mistake_that_can_be_made_on_slack_is_said_with_values_that_it_has() -> None:
    assert source.mistakes_without_words(SENTENCES, ADAPTER) == []


def test_no_words_are_kept_for_mistakes_that_nobody_makes() -> None:
    assert source.words_without_mistakes(SENTENCES, ADAPTER) == []


def test_every_sentence_is_said_somewhere() -> None:
    assert source.unsaid(SENTENCES, ADAPTER) == []


def test_everything_that_is_said_is_there_with_all_its_values() -> None:
    assert source.said_wrongly(SENTENCES, ADAPTER) == []


def test_every_sentence_can_stand_in_a_section() -> None:
    for key, text in ALL:
        section = {"type": "section", "text": {"type": "mrkdwn", "text": text, "verbatim": True}}
        assert breaches([section]) == [], key
