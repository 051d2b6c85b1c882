"""The demo model's words: a byte-level BPE vocabulary in CLIP's form, learnt from what people ask a painter for."""

from collections import Counter
from functools import cache
from itertools import pairwise

from transformers.convert_slow_tokenizer import bytes_to_unicode

from training import captions

START, END = "<|startoftext|>", "<|endoftext|>"
WORD_END = "</w>"

WORDS = """
a an the and or of in on with at by for from to under over behind beside between near into without one two three four
red orange yellow green blue purple pink brown black white grey gold silver turquoise bright dark pale deep light warm
cold soft small big tiny huge large little old young round tall long wide flat left right middle top bottom front back
cat dog fox bear rabbit mouse horse cow pig sheep goat lion tiger panda monkey elephant owl bird duck penguin fish
whale dolphin frog turtle snake dragon unicorn butterfly bee spider snail octopus face smile robot ghost alien person
man woman child girl boy king queen wizard knight pirate astronaut hat cap crown glasses scarf shirt dress coat shoe
apple banana cherry grape lemon orange peach pear strawberry melon tomato carrot corn bread cheese cake cookie pizza
egg cup tea coffee flower rose tulip sunflower tree leaf forest mushroom cactus grass mountain hill river lake sea
beach island desert sky cloud sun moon star rain snow storm fire water ice night day sunset sunrise morning evening
winter spring summer autumn city street house castle tower bridge door window garden room table chair lamp book clock
car bus train truck bicycle boat ship plane rocket balloon ball drum guitar piano bell key gift candle umbrella
painting photo picture drawing sketch watercolor oil ink portrait landscape background style detail detailed sharp
focus blurry blur text watermark low high quality beautiful simple wearing holding sitting standing running flying
sleeping swimming looking more less snowy rainy sunny golden shiny fluffy happy sad angry funny wild
"""


@cache
def vocabulary() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Token -> ID, and the merges in their order. Bytes come first, as in CLIP, so that any text can be written."""
    letters = list(bytes_to_unicode().values())
    merges = _merges(Counter(sorted({*WORDS.split(), *captions.words()})))
    tokens = [*letters, *(letter + WORD_END for letter in letters), *map("".join, merges), START, END]
    return {token: number for number, token in enumerate(dict.fromkeys(tokens))}, merges


def _merges(words: Counter[str]) -> list[tuple[str, str]]:
    """Byte-pair encoding (Sennrich, Haddow and Birch, 2016) until every word is one token; ties go by the alphabet."""
    spelled = {word: [*word[:-1], word[-1] + WORD_END] for word in words}
    merges = []
    while pairs := Counter(pair for parts in spelled.values() for pair in pairwise(parts)):
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        spelled = {word: _merged(parts, best) for word, parts in spelled.items()}
    return merges


def _merged(parts: list[str], pair: tuple[str, str]) -> list[str]:
    merged: list[str] = []
    for part in parts:
        if merged and (merged[-1], part) == pair:
            merged[-1] += part
        else:
            merged.append(part)
    return merged
