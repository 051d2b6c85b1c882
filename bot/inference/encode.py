"""Prompts -> the embeddings that SDXL's UNets take, bit for bit those of stock diffusers, and cached.

Beyond stock: a text of more than 75 tokens is encoded in chunks instead of being cut, and words may carry weights.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import torch
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from bot.inference.denoise import sent
from bot.inference.weights import weighted

#: Positions of a CLIP text encoder. The first and the last of a full chunk mark where its text begins and ends.
CHUNK = 77
ROOM = CHUNK - 2

Part = tuple[CLIPTokenizer, CLIPTextModel | CLIPTextModelWithProjection]


@dataclass(frozen=True, slots=True)
class Encoding:
    """May share its memory with others; not to be written to."""

    #: [1, 77 * chunks, width]: the encoders' last hidden states but one, side by side.
    embeds: torch.Tensor
    #: [1, pooled width]: of the last encoder, for the first chunk, without weights.
    pooled: torch.Tensor

    @property
    def chunks(self) -> int:
        return self.embeds.shape[1] // CHUNK

    @property
    def nbytes(self) -> int:
        return self.embeds.nbytes + self.pooled.nbytes

    def zeros(self) -> "Encoding":
        return Encoding(torch.zeros_like(self.embeds), torch.zeros_like(self.pooled))


class _Token(NamedTuple):
    id: int
    weight: float = 1.0
    ends_word: bool = True


class Encoder:
    """Not thread-safe; belongs to the step thread.

    `parts` are the tokenizers and text encoders of a model in their order. `cache_bytes` are bytes of the device's
    memory. `at_work` is entered around the text encoders' work, once per pair, and not where the cache has it all.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        device: torch.device | str,
        cache_bytes: int,
        at_work: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        #: Texts that went through the text encoders; zeros do not count.
        self.calls = 0
        self._parts = list(parts)
        self._widths: list[int] = [encoder.config.hidden_size for _, encoder in parts]
        self._device = device
        self._at_work = at_work
        self._cache = _Cache(cache_bytes)

    @torch.no_grad()
    def pair(
        self, prompt: str, negative_prompt: str | None, *, zeros_for_none: bool, second_only: bool = False
    ) -> tuple[Encoding, Encoding]:
        """Conditional and unconditional, of one length.

        `zeros_for_none` is the model's `force_zeros_for_empty_prompt`: a negative prompt of None is zeros, not "".
        `second_only` is what a refiner sees that shares the second encoder.
        """
        with ExitStack() as work:
            begin = cache(lambda: work.enter_context(self._at_work()))
            positive = self._encoding(prompt, begin)
            if negative_prompt is None and zeros_for_none:
                negative = positive.zeros()
            else:
                negative = self._encoding(negative_prompt or "", begin)
            chunks = max(positive.chunks, negative.chunks)
            both = self._padded(positive, chunks, begin), self._padded(negative, chunks, begin)
        return (self._of_second(both[0]), self._of_second(both[1])) if second_only else both

    def chunks(self, prompt: str, negative_prompt: str | None) -> int:
        """How many chunks `pair` would give. Runs no text encoder."""
        texts = (prompt, negative_prompt or "")
        return max(len(_chunks(tokenizer, text)) for text in texts for tokenizer, _ in self._parts)

    def _encoding(self, text: str, begin: Callable[[], None]) -> Encoding:
        known = self._cache.get(text)
        if known is None:
            known = self._encode(text, begin)
            self._cache.put(text, known)
        return known

    def _encode(self, text: str, begin: Callable[[], None]) -> Encoding:
        rows_by_part = [_chunks(tokenizer, text) for tokenizer, _ in self._parts]
        chunks = max(len(rows) for rows in rows_by_part)
        has_weights = any(token.weight != 1 for rows in rows_by_part for row in rows for token in row)
        empty = self._encoding("", begin).embeds.split_with_sizes(self._widths, dim=-1) if has_weights else ()
        begin()
        states = []
        for number, ((tokenizer, encoder), rows) in enumerate(zip(self._parts, rows_by_part, strict=True)):
            rows += [_row(tokenizer, [])] * (chunks - len(rows))
            ids = sent(torch.tensor([[token.id for token in row] for row in rows]), self._device)
            answer = encoder(ids, output_hidden_states=True)
            state = answer.hidden_states[-2]
            if has_weights:
                state = _weigh(state, empty[number], rows)
            states.append(state.reshape(1, chunks * CHUNK, -1))
        self.calls += 1
        # The dtype is the last encoder's, as in stock. A copy, so that the cache holds no more than it counts.
        embeds = torch.cat(states, dim=-1).to(encoder.dtype)
        return Encoding(embeds, answer[0][:1].clone())

    def _padded(self, encoding: Encoding, chunks: int, begin: Callable[[], None]) -> Encoding:
        missing = chunks - encoding.chunks
        if missing == 0:
            return encoding
        padding = [self._encoding("", begin).embeds] * missing
        return Encoding(torch.cat([encoding.embeds, *padding], dim=1), encoding.pooled)

    def _of_second(self, encoding: Encoding) -> Encoding:
        return Encoding(encoding.embeds[..., sum(self._widths[:-1]) :], encoding.pooled)


class _Cache:
    """What was used last stays, up to so many bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._bytes = 0
        self._encodings: OrderedDict[str, Encoding] = OrderedDict()

    def get(self, text: str) -> Encoding | None:
        if text in self._encodings:
            self._encodings.move_to_end(text)
        return self._encodings.get(text)

    def put(self, text: str, encoding: Encoding) -> None:
        if encoding.nbytes > self._limit:
            return
        self._encodings[text] = encoding
        self._bytes += encoding.nbytes
        while self._bytes > self._limit:
            self._bytes -= self._encodings.popitem(last=False)[1].nbytes


def _weigh(state: torch.Tensor, empty: torch.Tensor, rows: list[list[_Token]]) -> torch.Tensor:
    """empty + weight * (state - empty) at every position, as ComfyUI reads weights (comfy/sd1_clip.py)."""
    weights = torch.tensor([[token.weight for token in row] for row in rows], device=state.device)
    # `lerp` is that formula, and gives exactly `state` where the weight is 1.
    return torch.lerp(empty.float(), state.float(), weights[..., None]).to(state.dtype)


def _chunks(tokenizer: CLIPTokenizer, text: str) -> list[list[_Token]]:
    """Rows of 77 tokens, at least one."""
    return [_row(tokenizer, tokens) for tokens in _split(_tokens(tokenizer, text))]


def _row(tokenizer: CLIPTokenizer, tokens: list[_Token]) -> list[_Token]:
    begin, end, padding = (
        _Token(number) for number in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id)
    )
    return [begin, *tokens, end, *[padding] * (ROOM - len(tokens))]


def _split(tokens: list[_Token]) -> Iterator[list[_Token]]:
    """After the last word that is whole; only a word that is longer than a chunk is broken."""
    start = 0
    while len(tokens) - start > ROOM:
        full = start + ROOM
        end = next((end for end in range(full, start, -1) if tokens[end - 1].ends_word), full)
        yield tokens[start:end]
        start = end
    yield tokens[start:]


def _tokens(tokenizer: CLIPTokenizer, text: str) -> list[_Token]:
    runs = weighted(text)
    # Not `verbose`: it would warn of texts longer than a chunk.
    ids_by_run = tokenizer([words for words, _ in runs], add_special_tokens=False, verbose=False).input_ids
    # A special token, such as the "!" that the second tokenizer pads with, is a word of its own.
    special = set(tokenizer.all_special_ids)
    return [
        _Token(number, weight, piece.endswith("</w>") or number in special)
        for ids, (_, weight) in zip(ids_by_run, runs, strict=True)
        for number, piece in zip(ids, tokenizer.convert_ids_to_tokens(ids), strict=True)
    ]
