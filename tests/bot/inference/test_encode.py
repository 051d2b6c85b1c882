"""Prompts as embeddings: against stock diffusers where it has an answer, else against the encoders themselves."""

import logging
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from math import ceil
from typing import Any

import pytest
import torch
from diffusers import StableDiffusionXLImg2ImgPipeline, StableDiffusionXLPipeline
from transformers import CLIPTokenizer

from bot.inference.encode import CHUNK, ROOM, Encoder, Encoding, Part
from bot.inference.pipelines import DEMO_FOLDER
from bot.inference.weights import WEIGHT_MAX, weighted

MEBIBYTE = 2**20
PLAIN = [
    "",
    "a cat",
    "a (cat) on a mat",
    "a :) smile",
    'a "stop" sign, blood type A+, C++',
    "Hello!! What?! ÜBER 日本 ☃",
    "x <|endoftext|> y",
    "cat " * ROOM,
]


@pytest.fixture(scope="module")
def base() -> Any:
    return stock(StableDiffusionXLPipeline, "base")


@pytest.fixture(scope="module")
def refiner() -> Any:
    return stock(StableDiffusionXLImg2ImgPipeline, "refiner")


@pytest.fixture
def encoder(base: Any) -> Encoder:
    return Encoder(parts_of(base), device="cpu", cache_bytes=64 * MEBIBYTE)


def stock(kind: type[Any], part: str) -> Any:
    how = {"variant": "fp16", "dtype": torch.float32, "add_watermarker": False}
    return kind.from_pretrained(DEMO_FOLDER / part, **how)


def parts_of(pipeline: Any) -> list[Part]:
    first = [(pipeline.tokenizer, pipeline.text_encoder)] if pipeline.text_encoder else []
    return [*first, (pipeline.tokenizer_2, pipeline.text_encoder_2)]


def by_stock(pipeline: Any, prompt: str, negative_prompt: str | None) -> tuple[Encoding, Encoding]:
    with torch.no_grad():
        embeds, negative, pooled, negative_pooled = pipeline.encode_prompt(
            prompt, device="cpu", negative_prompt=negative_prompt
        )
    return Encoding(embeds, pooled), Encoding(negative, negative_pooled)


def assert_same(ours: Encoding, theirs: Encoding) -> None:
    assert ours.embeds.dtype == theirs.embeds.dtype
    assert torch.equal(ours.embeds, theirs.embeds)
    assert torch.equal(ours.pooled, theirs.pooled)


def of(encoder: Encoder, prompt: str) -> Encoding:
    return encoder.pair(prompt, None, zeros_for_none=True)[0]


def chunk(encoding: Encoding, number: int) -> torch.Tensor:
    return encoding.embeds[:, number * CHUNK : (number + 1) * CHUNK]


@pytest.mark.parametrize("negative_prompt", [None, "", "a dog!"])
@pytest.mark.parametrize("prompt", PLAIN)
def test_a_plain_prompt_equals_the_stock_base_bit_for_bit(
    encoder: Encoder, base: Any, prompt: str, negative_prompt: str | None
) -> None:
    ours = encoder.pair(prompt, negative_prompt, zeros_for_none=base.config.force_zeros_for_empty_prompt)

    for our, their in zip(ours, by_stock(base, prompt, negative_prompt), strict=True):
        assert_same(our, their)
    assert ours[0].chunks == encoder.chunks(prompt, negative_prompt) == 1


@pytest.mark.parametrize("negative_prompt", [None, "", "a dog!"])
@pytest.mark.parametrize("prompt", PLAIN)
def test_the_second_encoders_part_is_what_a_stock_refiner_sees(
    encoder: Encoder, refiner: Any, prompt: str, negative_prompt: str | None
) -> None:
    own = Encoder(parts_of(refiner), device="cpu", cache_bytes=MEBIBYTE)
    theirs = by_stock(refiner, prompt, negative_prompt)

    for second_only, ours in ((True, encoder), (False, own), (True, own)):
        pair = ours.pair(prompt, negative_prompt, zeros_for_none=False, second_only=second_only)
        for our, their in zip(pair, theirs, strict=True):
            assert_same(our, their)


def test_base_and_refiner_cost_one_call_together(encoder: Encoder) -> None:
    encoder.pair("a cat", "a dog", zeros_for_none=True)
    encoder.pair("a cat", "a dog", zeros_for_none=False, second_only=True)

    assert encoder.calls == 2


def test_the_embeddings_have_the_last_encoders_dtype() -> None:
    pipeline = stock(StableDiffusionXLPipeline, "base").to(dtype=torch.bfloat16)
    ours = Encoder(parts_of(pipeline), device="cpu", cache_bytes=MEBIBYTE)

    assert_same(of(ours, "a cat"), by_stock(pipeline, "a cat", None)[0])
    assert of(ours, "a (cat:1.4)").embeds.dtype == torch.bfloat16


def test_a_hundred_requests_with_ten_prompts_and_one_negative_are_eleven_calls(encoder: Encoder) -> None:
    for number in range(100):
        encoder.pair(f"cat number {number % 10}", "blurry", zeros_for_none=True)

    assert encoder.calls == 11


def test_what_no_encoder_saw_last_leaves_the_cache_first(base: Any) -> None:
    one = of(Encoder(parts_of(base), device="cpu", cache_bytes=0), "a").nbytes
    encoder = Encoder(parts_of(base), device="cpu", cache_bytes=2 * one)
    for prompt in ("a", "b", "a", "c", "a"):
        of(encoder, prompt)
    assert encoder.calls == 3

    of(encoder, "b")

    assert encoder.calls == 4


def test_a_text_that_is_larger_than_the_cache_works_and_displaces_nothing(base: Any) -> None:
    roomy = Encoder(parts_of(base), device="cpu", cache_bytes=64 * MEBIBYTE)
    encoder = Encoder(parts_of(base), device="cpu", cache_bytes=of(roomy, "a").nbytes)
    of(encoder, "a")

    assert_same(of(encoder, "cat " * 200), of(roomy, "cat " * 200))

    of(encoder, "a")
    assert encoder.calls == 2


def test_a_pair_enters_at_work_once_and_not_for_what_is_cached(base: Any) -> None:
    entered = []

    @contextmanager
    def at_work() -> Iterator[None]:
        entered.append(ours.calls)
        yield
        entered.append(ours.calls)

    ours = Encoder(parts_of(base), device="cpu", cache_bytes=MEBIBYTE, at_work=at_work)
    ours.pair("a (cat:1.2)", "a dog", zeros_for_none=True)
    assert entered == [0, 3]

    ours.pair("a (cat:1.2)", None, zeros_for_none=True)
    ours.pair("a dog", "", zeros_for_none=True, second_only=True)
    ours.chunks("never seen", None)
    assert entered == [0, 3]


def test_a_long_prompt_is_chunked_and_each_chunk_stands_for_itself(encoder: Encoder, base: Any) -> None:
    parts = ["cat " * ROOM, "dog " * ROOM, "a mat"]

    ours, negative = encoder.pair("".join(parts), "a", zeros_for_none=True)

    assert ours.chunks == negative.chunks == encoder.chunks("".join(parts), "a") == 3
    assert encoder.calls == 3
    for number, part in enumerate(parts):
        alone = by_stock(base, part, None)[0]
        # Not equal in all bits: matrices of another size are multiplied in another order.
        torch.testing.assert_close(chunk(ours, number), alone.embeds, rtol=1e-4, atol=1e-5)
        if number == 0:
            torch.testing.assert_close(ours.pooled, alone.pooled, rtol=1e-4, atol=1e-5)
    assert torch.equal(chunk(negative, 2), by_stock(base, "", None)[0].embeds)


def test_a_shorter_prompt_is_padded_with_the_empty_text(encoder: Encoder, base: Any) -> None:
    prompt, negative = encoder.pair("a cat", "dog " * (ROOM + 1), zeros_for_none=True)

    assert prompt.chunks == negative.chunks == 2
    assert torch.equal(chunk(prompt, 0), by_stock(base, "a cat", None)[0].embeds)
    assert torch.equal(chunk(prompt, 1), by_stock(base, "", None)[0].embeds)
    assert torch.equal(prompt.pooled, by_stock(base, "a cat", None)[0].pooled)


def test_zeros_are_as_long_as_the_prompt(encoder: Encoder) -> None:
    prompt, negative = encoder.pair("cat " * 100, None, zeros_for_none=True)

    assert negative.embeds.shape == prompt.embeds.shape
    assert not negative.embeds.any()
    assert not negative.pooled.any()
    assert encoder.calls == 1


def test_a_word_moves_to_the_next_chunk_as_a_whole(encoder: Encoder, base: Any) -> None:
    word = "xylophone"
    ours = of(encoder, "cat " * (ROOM - 1) + word)

    for number, part in enumerate(["cat " * (ROOM - 1), word]):
        alone = by_stock(base, part, None)[0].embeds
        torch.testing.assert_close(chunk(ours, number), alone, rtol=1e-4, atol=1e-5)


def test_only_a_word_that_is_longer_than_a_chunk_is_broken(encoder: Encoder, base: Any) -> None:
    word = "xylophone" * 100
    tokens = base.tokenizer(word, add_special_tokens=False, verbose=False).input_ids

    assert len(tokens) > 2 * ROOM
    assert of(encoder, word).chunks == encoder.chunks(word, None) == ceil(len(tokens) / ROOM)
    assert encoder.chunks("a " + word, None) == 1 + ceil(len(tokens) / ROOM)


@pytest.mark.parametrize("fine", [0, 1])
def test_two_tokenizers_that_disagree_still_give_one_length(base: Any, fine: int) -> None:
    prompt = "because of that house " * 10
    parts = parts_of(base)
    tokenizer, text_encoder = parts[fine]
    # The same tokens without merges: every letter is one.
    parts[fine] = (CLIPTokenizer(vocab=tokenizer.get_vocab(), merges=[], model_max_length=CHUNK), text_encoder)
    encoder = Encoder(parts, device="cpu", cache_bytes=MEBIBYTE)

    ours, empty = of(encoder, prompt), of(encoder, "")

    width = base.text_encoder.config.hidden_size
    coarse = slice(width, None) if fine == 0 else slice(None, width)
    assert ours.chunks == encoder.chunks(prompt, None) > 1
    last = chunk(ours, ours.chunks - 1)
    torch.testing.assert_close(last[..., coarse], empty.embeds[..., coarse], rtol=1e-4, atol=1e-5)


def test_a_sign_that_a_tokenizer_takes_for_padding_is_a_word_of_its_own(refiner: Any) -> None:
    encoder = Encoder(parts_of(refiner), device="cpu", cache_bytes=MEBIBYTE)

    assert encoder.chunks("a" + "!" * (2 * ROOM - 1), None) == 2


def test_the_libraries_do_not_complain_about_long_prompts(base: Any, caplog: pytest.LogCaptureFixture) -> None:
    # New ones, as each complains only once; and their logger hands nothing on.
    folders = [DEMO_FOLDER / "base" / name for name in ("tokenizer", "tokenizer_2")]
    parts = [
        (CLIPTokenizer.from_pretrained(folder), text_encoder)
        for folder, (_, text_encoder) in zip(folders, parts_of(base), strict=True)
    ]
    logger = logging.getLogger("transformers")
    logger.addHandler(caplog.handler)
    try:
        of(Encoder(parts, device="cpu", cache_bytes=0), "cat " * 300)
    finally:
        logger.removeHandler(caplog.handler)

    assert caplog.messages == []


@pytest.mark.parametrize("weight", [0, 0.5, 1.3, 3])
def test_a_weight_moves_its_words_away_from_the_empty_text_or_towards_it(encoder: Encoder, weight: float) -> None:
    plain, empty = of(encoder, "a red hat on a cat"), of(encoder, "")
    ours = of(encoder, f"a (red hat:{weight}) on a cat")

    # Position 0 is the beginning, 1 is "a".
    words = slice(2, 4)
    wanted = plain.embeds.clone()
    wanted[:, words] = empty.embeds[:, words] + weight * (plain.embeds[:, words] - empty.embeds[:, words])
    torch.testing.assert_close(ours.embeds, wanted, rtol=1e-5, atol=1e-6)
    untouched = [position for position in range(CHUNK) if position not in (2, 3)]
    assert torch.equal(ours.embeds[:, untouched], plain.embeds[:, untouched])
    assert torch.equal(ours.pooled, plain.pooled)


def test_a_weight_of_one_changes_nothing_and_costs_nothing(encoder: Encoder) -> None:
    ours = of(encoder, "a (red:1) hat (on a cat:1.0)")
    assert encoder.calls == 1

    assert_same(ours, of(encoder, "a red hat on a cat"))


def test_weights_need_the_empty_text_once(encoder: Encoder) -> None:
    of(encoder, "a (cat:1.2)")
    of(encoder, "a (dog:0.8)")

    assert encoder.calls == 3


def test_weights_reach_into_later_chunks(encoder: Encoder) -> None:
    plain = of(encoder, "cat " * ROOM + "a red hat")
    ours = of(encoder, "cat " * ROOM + "a (red:2) hat")

    changed = (plain.embeds != ours.embeds).any(dim=-1)[0]
    assert changed.nonzero().flatten().tolist() == [CHUNK + 2]


@pytest.mark.parametrize(
    ("prompt", "runs"),
    [
        ("", [("", 1)]),
        ("a cat", [("a cat", 1)]),
        ("a (cat) :) (: :( ((", [("a (cat) :) (: :( ((", 1)]),
        ("(cat:1.3)", [("cat", 1.3)]),
        ("a (red hat:.5), yes", [("a ", 1), ("red hat", 0.5), (", yes", 1)]),
        ("(a: 2 )", [("a", 2)]),
        ("(a:b:2.)", [("a:b", 2)]),
        ("((cat:1.2) on a mat:1.5)", [("cat", 1.2 * 1.5), (" on a mat", 1.5)]),
        ("(a (b) c:1.5)", [("a (b) c", 1.5)]),
        ("((a:3):3)", [("a", WEIGHT_MAX)]),
        ("((a:2) b:0)", [("a b", 0)]),
        ("(a:1.5)(b:1.5)", [("ab", 1.5)]),
        ("(a (b:1.5)", [("(a ", 1), ("b", 1.5)]),
        ("(a:1.5) b:1.5)", [("a", 1.5), (" b:1.5)", 1)]),
        (r"\(a:1.5\)", [("(a:1.5)", 1)]),
        (r"(a \(b\):1.5)", [("a (b)", 1.5)]),
        (r"(a\)", [("(a)", 1)]),
        *[(text, [(text, 1)]) for text in ("(a:3.1)", "(a:-1)", "(a:1.2.3)", "(a:nan)", "(a:1e0)", "(a:)", "(:1.5)")],
        *[(text, [(text, 1)]) for text in ("at (16:9) or (10:30)", "a:1.5", r"a \ b", "(a:٢)")],
    ],
)
def test_only_a_parenthesis_with_a_number_in_range_is_a_weight(prompt: str, runs: list[tuple[str, float]]) -> None:
    assert weighted(prompt) == runs


def test_any_typing_comes_apart_into_runs_within_the_range() -> None:
    draw = random.Random(1)
    for _ in range(3000):
        prompt = "".join(draw.choice(["(", ")", ":", "1.5)", ":2)", "a", " ", "\\", "9"]) for _ in range(20))
        runs = weighted(prompt)

        assert runs
        assert all(0 <= weight <= WEIGHT_MAX for _, weight in runs)
        assert all(one[1] != other[1] for one, other in pairwise(runs))
        letters = "".join(text for text, _ in runs)
        assert letters.count("a") == prompt.count("a")


@pytest.mark.parametrize(
    "prompt",
    [
        *[piece * 10_000 for piece in ("(", ")", "()", "(a", ":1.5)", ":", ": ", ":1", "\\", "\\(", "(a:2)", "(:2)")],
        *["(" * 10_000 + "a" + closing * 10_000 for closing in (")", ":1.01)", ":9)", " :")],
        *[":" + piece * 20_000 for piece in (" ", "1", ".", "1.")],
    ],
    ids=lambda prompt: f"{prompt[:3]}...{prompt[-5:]}",
)
def test_no_typing_takes_long(prompt: str) -> None:
    started = time.process_time()
    weighted(prompt)

    assert time.process_time() - started < 1


def test_parentheses_in_thousands_are_encoded_like_any_text(encoder: Encoder) -> None:
    nested = "(" * 285 + "a" + ":1.01)" * 285

    assert of(encoder, "(" * 2000).embeds.isfinite().all()
    assert of(encoder, nested).embeds.isfinite().all()
    assert encoder.chunks(nested, None) == 1
