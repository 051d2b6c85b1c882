import re

import pytest

from adapters.discord.words import LANGUAGES, Words, words_for
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

ADAPTER = source.ROOT / "adapters" / "discord"
ENGLISH, GERMAN = words_for("en"), words_for("de")

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
    PlaceClosed(["1234", "5678"]),
    AskedTooMuch("images", 1),
    AskedTooMuch("steps", 30),
    AskedTooMuch("jobs", 2),
    AskedTooMuch("something", 2),
    WordsRefused(3, shipped=False),
    WordsRefused(3, shipped=True),
    ImageHeld(),
    NobodyHears(),
    AlreadyDecided(),
    AgeRestricted(),
    QueueFull(10, 30),
    ShareFull("requester", 1, 30),
    ShareFull("space", 9, 30),
    ShuttingDown(),
]


def sentences(words: Words) -> dict[str, str]:
    return dict(words.sentences)


@pytest.mark.parametrize("locale", ["de", "de-AT", "de-CH", "DE"])
def test_german_is_for_all_who_speak_it(locale: str) -> None:
    assert words_for(locale).language == "de"


@pytest.mark.parametrize("locale", ["en-US", "en-GB", "fr", "zh-CN", "", "../de"])
def test_everybody_else_reads_english(locale: str) -> None:
    assert words_for(locale).language == "en"


def test_the_words_of_a_language_are_read_once() -> None:
    assert words_for("de") is words_for("de-AT")


def test_there_is_a_file_for_each_language() -> None:
    assert {file.stem for file in (ADAPTER / "words").iterdir()} == set(LANGUAGES)


def test_all_languages_say_the_same_things() -> None:
    assert sentences(ENGLISH).keys() == sentences(GERMAN).keys()


def test_both_languages_name_the_same_values() -> None:
    english, german = sentences(ENGLISH), sentences(GERMAN)
    apart = [key for key in english if source.placeholders(english[key]) != source.placeholders(german[key])]
    assert apart == []


@pytest.mark.parametrize("words", [ENGLISH, GERMAN], ids=LANGUAGES)
def test_no_sentence_is_empty_or_shouts(words: Words) -> None:
    assert [key for key, text in sentences(words).items() if not text.strip() or "!" in text] == []


@pytest.mark.parametrize("words", [ENGLISH, GERMAN], ids=LANGUAGES)
@pytest.mark.parametrize(
    ("pattern", "limit"),
    [
        (r"command\..*", 100),
        (r"choice\..*", 100),
        (r"menu\..*", 32),
        (r"modal\.title.*", 45),
        (r"modal\.(prompt|strength|image)", 45),
        (r"modal\..*\.(description|placeholder)", 100),
        (r"button\..*", 80),
        (r".*", 1900),
    ],
)
def test_sentences_are_as_short_as_discord_wants_them(words: Words, pattern: str, limit: int) -> None:
    matching = {key: text for key, text in sentences(words).items() if re.fullmatch(pattern, key)}
    assert matching
    assert {key: len(text) for key, text in matching.items() if len(text) > limit} == {}


def test_a_sentence_that_is_not_there_is_an_error() -> None:
    with pytest.raises(KeyError):
        ENGLISH.say("queue.nowhere")


def test_a_value_that_is_missing_is_an_error() -> None:
    with pytest.raises(KeyError):
        ENGLISH.say("queue.place")


def test_values_are_not_taken_for_templates() -> None:
    assert "{person.__class__}" in ENGLISH.say("blocked", person="{person.__class__}")


def test_nouns_follow_their_numbers() -> None:
    assert ENGLISH.say("purged", images=1, jobs=2) == "Erased: 1 image and 2 jobs."
    assert GERMAN.say("purged", images=2, jobs=1) == "Gelöscht: 2 Bilder und 1 Auftrag."


def test_numbers_look_as_in_the_language() -> None:
    assert ENGLISH.say("done.seconds", seconds=12.34) == "12.3 s"
    assert GERMAN.say("done.seconds", seconds=12.34) == "12,3 s"


def test_every_refusal_is_among_those_tested_here() -> None:
    known = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Refused)}
    assert {type(refusal) for refusal in REFUSALS} == known - {Refused}


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{type(refusal).__name__}-{refusal}"[:40])
def test_every_refusal_is_said_in_both_languages(refusal: Refused) -> None:
    english, german = ENGLISH.refusal(refusal), GERMAN.refusal(refusal)
    assert english != german
    assert "other" not in english.split(":")[0] or isinstance(refusal, PlaceClosed)


def test_a_refusal_that_nobody_foresaw_is_told_in_the_cores_words() -> None:
    class NewRefusal(Refused):
        pass

    assert ENGLISH.refusal(NewRefusal("It is *late*.")) == "This cannot be done: It is \\*late\\*."


def test_one_mistake_is_a_sentence_and_several_are_a_list() -> None:
    first = Mistake("num_inference_steps", "", "range", {"least": 1, "most": 150})
    second = Mistake("num_images", "", "range", {"least": 1, "most": 4})
    assert ENGLISH.refusal(BadRequest(first)) == "`steps` goes from 1 to 150."
    assert ENGLISH.refusal(BadRequest(first, second)) == "- `steps` goes from 1 to 150.\n- `images` goes from 1 to 4."


def test_many_mistakes_fit_into_a_message() -> None:
    mistakes = [Mistake("style", "", "unknown", {"style": "*" * 400, "styles": "_" * 400}) for _ in range(20)]
    assert 1000 < len(ENGLISH.refusal(BadRequest(*mistakes))) <= 2000


def test_a_mistake_without_words_is_told_in_the_cores_words() -> None:
    assert GERMAN.refusal(BadRequest(Mistake("sampler", "No *such* sampler.", "odd"))) == "No \\*such\\* sampler."


def test_what_somebody_typed_is_shown_as_it_was_typed() -> None:
    mistake = Mistake("style", "", "none", {"style": "**bold** @everyone"})
    assert "\\*\\*bold\\*\\* @\u200beveryone" in ENGLISH.refusal(BadRequest(mistake))


def test_an_option_like_another_is_suggested() -> None:
    mistake = Mistake("stepz", "", "unknown_option", {"option": "--stepz", "suggestion": "--steps"})
    assert ENGLISH.refusal(BadRequest(mistake)) == "There is no option “\\--stepz”. Did you mean “\\--steps”?"


def test_channels_in_which_painting_is_allowed_are_named() -> None:
    assert "<#1234>, <#5678>" in ENGLISH.refusal(PlaceClosed(["5678", "1234"]))


def test_a_failure_is_told_by_its_code_and_an_unknown_one_by_its_detail() -> None:
    assert "memory" in ENGLISH.failure(Failure("out_of_memory", "CUDA"))
    assert ENGLISH.failure(Failure("something_new", "It *broke*.")) == "The reason: It \\*broke\\*."


# What the core can say, read from its source.


def test_there_are_words_for_every_code_of_a_failure() -> None:
    codes = source.failure_codes()
    assert len(codes) > 5
    assert {code for code in codes if f"failure.{code}" not in sentences(ENGLISH)} == set()


def test_the_mistakes_of_the_core_are_found() -> None:
    found = source.mistakes(ADAPTER)
    assert found["negative_prompt", "too_long"] == {"limit", "length"}
    assert found["height", "side"] == {"unit", "least", "most", "side"}
    assert found["picture", "unreadable"] == {"formats"}
    assert found["option", "no_value"] == {"option", "example"}
    assert found["strength", "only_when_refining"] == {"option"}


def test_every_mistake_that_can_be_made_on_discord_is_said_with_values_that_it_has() -> None:
    assert source.mistakes_without_words(sentences(ENGLISH), ADAPTER) == []


def test_no_words_are_kept_for_mistakes_that_nobody_makes() -> None:
    assert source.words_without_mistakes(sentences(ENGLISH), ADAPTER) == []


# What the adapter says, read from its source.


def test_every_sentence_is_said_somewhere() -> None:
    assert source.unsaid(sentences(ENGLISH), ADAPTER) == []


def test_everything_that_is_said_is_there_with_all_its_values() -> None:
    assert source.said_wrongly(sentences(ENGLISH), ADAPTER) == []
