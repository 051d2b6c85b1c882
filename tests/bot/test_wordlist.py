"""What a rule finds and what it does not, and what no space may allow."""
# ruff: noqa: RUF001

import string
from time import perf_counter

import pytest
from decancer_py import parse
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot import wordlist
from bot.errors import BadRequest, Mistake
from bot.wordlist import RULE_LIMIT, RULES_MOST, Found, forbidden, parse_rule

#: What admins might type; more of what is odd than of what is not.
typed = st.text(
    st.sampled_from(string.ascii_letters + string.punctuation + "  01ßäÄÉİıǅſ日本かКотשלرनम🙂ﬁ\u200b\u0301"),
    max_size=20,
)
prompts = st.text(max_size=200) | typed


def finds(rule: str, prompt: str) -> bool:
    return forbidden([parse_rule(rule)], prompt, None) is not None


def mistake(rule: str) -> Mistake:
    with pytest.raises(BadRequest) as error:
        parse_rule(rule)
    return error.value.mistakes[0]


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("gore", "gore"),
        ("  GoRe ", "gore"),
        ("behead*", "behead*"),
        ("**hentai * ", "*hentai*"),
        ("Red \t Square", "red square"),
        ("ｇｏｒｅ", "gore"),
        ("go\u200bre", "gore"),
        ("Mädchen", "mädchen"),
        ("Кот", "кот"),
        ("日本", "日本"),
        ("裸", "裸"),
        ("88", "88"),
    ],
)
def test_a_rule_is_kept_as_its_writer_would_read_it(written: str, kept: str) -> None:
    assert parse_rule(written) == kept


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("", "empty"),
        (" \u200b\n", "empty"),
        ("*", "only_stars"),
        (" * * ", "only_stars"),
        ("go*re", "star_inside"),
        ("red* square", "star_inside"),
        ("x" * (RULE_LIMIT + 1), "too_long"),
        ("a", "too_short"),
        ("a*", "too_short"),
        ("$$$", "too_short"),
        ("\U0010ffff", "empty"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_and_told_why(written: str, kind: str) -> None:
    assert (mistake(written).field, mistake(written).kind) == ("words", kind)


def test_the_longest_rule_is_no_mistake() -> None:
    assert parse_rule("x" * RULE_LIMIT) == "x" * RULE_LIMIT
    assert mistake("x" * (RULE_LIMIT + 1)).values == {"limit": RULE_LIMIT, "length": RULE_LIMIT + 1}


@given(typed)
@example("ǰ*").via("its capital has two characters")
def test_a_rule_that_is_kept_and_read_again_stays_as_it_is(written: str) -> None:
    try:
        kept = parse_rule(written)
    except BadRequest:
        return
    assert parse_rule(kept) == kept


@given(typed)
def test_a_rule_finds_itself(written: str) -> None:
    try:
        kept = parse_rule(written)
    except BadRequest:
        return
    assert forbidden([kept], written, None)
    assert forbidden([kept], f"a cat, {kept.strip('* ')} (and more:1.2)", None)


@given(prompts, prompts, prompts)
@settings(deadline=None)
def test_whatever_is_asked_for_gets_an_answer(prompt: str, negative_prompt: str, name: str) -> None:
    forbidden(["gore", "*日本*", "red square"], prompt, negative_prompt, inherited=[name], names=[name])


@pytest.mark.parametrize(
    "prompt",
    [
        *("naked", "a NAKED cat", "naked, cat", "(naked:1.3)", "cat,naked,dog", "naked_cat.png", "naked!", "2naked3"),
        *("n4ked", "n@k3d", "N4K3D!!", "cat,n4ked,dog", "|\\|aked", "n/\\ked"),
        *("n.a.k.e.d", "n_a_k_e_d", "n-a-k-e-d", "na-ked", "n.aked cat", "n·a·k·e·d"),
        *("n a k e d", "n  a k  e d", "n, a, k, e, d", "n,a,k,e,d", "paint a n a k e d cat", "n 4 k 3 d"),
        *("naaaked", "nnnakeddd"),
        *("nakéd", "ňäķėđ", "n̶a̶k̶e̶d̶", "ｎａｋｅｄ", "𝓷𝓪𝓴𝓮𝓭", "ⓝⓐⓚⓔⓓ", "🅽🅰🅺🅴🅳", "几卂Ҝ乇ᗪ"),
        *("nаkеd", "na\u200bked", "n\u00adaked", "\u2067naked\u2069", "naked🔥", "🔥naked"),
    ],
)
def test_a_word_is_found_in_disguise(prompt: str) -> None:
    assert finds("naked", prompt)


@pytest.mark.parametrize(
    "prompt",
    [
        *("a cat", "snaked", "nakedly", "naken", "nakd", "n ked"),
        # What this net lets through. Whoever mends it moves the line up.
        *("na ked", "nakked", "maked", "nqked", "n*ked", "dekan", "naughty"),
    ],
)
def test_other_words_and_other_spellings_are_not_found(prompt: str) -> None:
    assert not finds("naked", prompt)


@pytest.mark.parametrize(
    ("rule", "prompt"),
    [
        *[("ass", "first class"), ("ass", "455"), ("god", "good"), ("bob", "boob"), ("penis", "the pen is red")],
        *[("sip", "zip"), ("kid", "kld"), ("ice", "1c e"), ("88", "bb"), ("88", "188"), ("日", "8k"), ("кот", "kot")],
        *[("red square", "a square, red"), ("red square", "redsquare"), ("red square", "red"), ("art", "party")],
    ],
)
def test_what_only_looks_like_a_rule_is_painted(rule: str, prompt: str) -> None:
    assert not finds(rule, prompt)


@pytest.mark.parametrize(
    ("rule", "prompt"),
    [
        *[
            ("god", "gooood"),
            ("boobs", "boooobs"),
            ("child", "chiId"),
            ("kid", "k1d"),
            ("loli", "1oli"),
            ("sex", "$ex"),
        ],
        *[("boy", "b()y"), ("girl", "1girl, solo"), ("88", "88"), ("a55", "a55")],
        *[
            ("red square", "the R3d  squ@re"),
            ("red square", "red_square.jpg"),
            ("rule 34", "rule-34"),
            ("x-ray", "x ray"),
        ],
        *[
            ("кот", "Чёрный КОТ"),
            ("日本", "美しい日本の猫"),
            ("日", "日の丸"),
            ("ไทย", "คนไทย"),
            ("한국", "한국 고양이"),
        ],
        *[("שלום", "אמר שלום לו"), ("مرحبا", "قال مَرحبا"), ("नमस्ते", "वह नमस्ते"), ("kot", "kоt")],
        *[("straße", "eine Strasse"), ("strasse", "eine Straße"), ("mädchen", "madchen"), ("café", "cafe")],
    ],
)
def test_a_rule_is_found_in_every_script_and_spelling_that_it_may_have(rule: str, prompt: str) -> None:
    assert finds(rule, prompt)


@pytest.mark.parametrize(
    ("rule", "found", "passed"),
    [
        ("behead*", ["behead", "beheaded", "b3heading"], ["unbeheaded", "be"]),
        ("*hentai", ["hentai", "myhentai", "my-h3ntai"], ["hentaist"]),
        ("*hentai*", ["hentai", "myhentaiart"], ["henta"]),
        ("red squar*", ["red squares"], ["redo square", "bored square"]),
        ("*red square", ["bored square"], ["red squares"]),
    ],
)
def test_a_star_stands_for_any_letters_and_for_none(rule: str, found: list[str], passed: list[str]) -> None:
    assert [prompt for prompt in found + passed if finds(rule, prompt)] == found


def test_no_phrase_goes_from_the_end_of_a_prompt_to_its_beginning() -> None:
    assert not finds("red square", "square, naaaive, |< é and red")


def test_a_spaces_rules_look_at_prompt_negative_prompt_and_file_names_but_not_at_what_was_painted_before() -> None:
    rules = ["gore", "cat"]

    assert forbidden(rules, "a cat", None) == Found(2, False, "")
    assert forbidden(rules, "a dog", "gore, blur") == Found(1, False, "")
    assert forbidden(rules, "a dog", None, names=["my_cat.png"]) == Found(2, False, "")
    assert forbidden(rules, "a dog", None, inherited=["a cat"]) is None
    assert forbidden([], "a cat", "gore") is None


def test_the_first_rule_is_told() -> None:
    assert forbidden(["dog", "cat", "c*"], "a cat", None) == Found(2, False, "")


@pytest.mark.parametrize(
    "prompt",
    [
        *(
            "a naked child",
            "nude boy",
            "1girl, nsfw",
            "topless teen",
            "n4ked ch1ld",
            "n a k e d  c h i l d",
            "nаkеd kids",
        ),
        *(
            "nude, 12 year old",
            "nude 12-year-old",
            "nude, 12yo",
            "naked, aged 9",
            "sexy twelve year old",
            "erotic schoolgirl",
        ),
        *("underage porn", "hentai, loli", "nackte Kinder", "ein nacktes Mädchen", "nacktes Kind", "nackt, 12-jährig"),
        *("zwölfjährige, nackt", "minderjährig und unbekleidet", "ein nackter Junge", "nackte maedchen, teenager"),
    ],
)
def test_no_space_paints_minors_with_what_is_sexual(prompt: str) -> None:
    found = forbidden([], prompt, None)

    assert found is not None
    assert found.shipped
    assert found.name in ("minors", "kind")


@pytest.mark.parametrize(
    "prompt",
    [
        *("a child plays", "kids' menu", "a girl in a red dress", "a boy and his dog", "a mother with her baby"),
        *("baby blue", "nude lipstick", "a naked tree", "a nude woman", "nude study of an old man"),
        *("a young woman, nude", "a 27 year old woman, nude", "naked cowboy", "nude, 1girlfriend", "sexy woman"),
        *("a kind old man, nude", "one of a kind, nude colours", "eine nackte junge Frau", "mit nackten jungen Frauen"),
        *(
            "Kinder und eine Nacktschnecke",
            "rapeseed and children",
            "teenager in a library",
            "Essex boys",
            "nudge the kid",
        ),
        *(
            "gothic lolita fashion",
            "Shota Imanaga throws a ball",
            "100 years old house, nude statue",
            "Middlesex school",
        ),
    ],
)
def test_what_is_innocent_is_painted(prompt: str) -> None:
    assert forbidden([], prompt, None) is None


def test_two_halves_are_refused_together_wherever_they_stand() -> None:
    assert forbidden([], "naked", None, inherited=["a cat", "a child plays"]) == Found(2, True, "minors")
    assert forbidden([], "a child", None, inherited=["a nude"]) == Found(2, True, "minors")
    assert forbidden([], "warmer light", None, inherited=["a child", "naked"]) == Found(2, True, "minors")
    assert forbidden([], "make it nude", None, names=["child.png"]) == Found(2, True, "minors")


def test_who_keeps_it_out_by_the_negative_prompt_is_not_refused() -> None:
    assert forbidden([], "a child plays", "nude, nsfw, naked") is None
    assert forbidden([], "a nude woman", "child, girl, teen, underage") is None


@pytest.mark.parametrize("word", ["lolicon", "shotacon art", "csam", "child porn", "ch1ld p0rnography", "Kinderpornos"])
def test_what_has_no_innocent_use_is_refused_anywhere(word: str) -> None:
    never = Found(1, True, "abuse")

    assert forbidden([], word, None) == never
    assert forbidden([], "a cat", word) == never
    assert forbidden([], "a cat", None, names=[f"{word}.png"]) == never
    assert forbidden([], "a cat", None, inherited=[word]) == never


def test_the_shipped_list_comes_first() -> None:
    assert forbidden(["naked"], "naked child", None) == Found(2, True, "minors")


def test_each_word_of_the_shipped_list_is_written_as_a_rule_is_kept_and_only_once() -> None:
    for rule in wordlist._shipped_list():
        for words in (rule.alone, rule.these, rule.those):
            assert len(set(words)) == len(words)
            assert [parse_rule(word) for word in words] == list(words)


def test_drawn_letters_are_those_that_the_library_reads_too() -> None:
    assert [parse(signs) == letter for signs, letter in wordlist._DRAWN.items()] == [True] * len(wordlist._DRAWN)
    assert list(wordlist._DRAWN) == sorted(wordlist._DRAWN, key=len, reverse=True)


def test_no_letter_of_any_rule_is_taken_for_the_seam_between_two_readings() -> None:
    assert not finds("ǁǁ", "a cat, naaaive")
    assert finds("ǁǁ", "ǁǁ")


@pytest.mark.parametrize(
    "prompt", ["(detailed:1.2), 8k " * 110, "a-" * 1000, "1" * 2000, "a 4 " * 500, "|\\|" * 660, "🙂" * 2000]
)
def test_no_prompt_keeps_a_full_list_busy(prompt: str) -> None:
    """Far above what is measured, which docs/moderation.md tells: it is the shape that must not be quadratic."""
    rules = [parse_rule(f"{'a' * (number % 50)}{chr(98 + number % 25)}{number}x*") for number in range(RULES_MOST)]
    forbidden(rules, prompt, None)

    started = perf_counter()
    forbidden(rules, prompt, prompt)

    assert perf_counter() - started < 1
