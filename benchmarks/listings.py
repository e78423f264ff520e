"""Synthetic listings in any number, all of them different, for the benchmarks of text."""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from rakuten.data.sample_listings import write_listing
from rakuten.data.sample_words import SHARES

_SYLLABLES = (
    "ba be bo ca ce cha co da de di do fa fi ga go la le li lo ma me mi mo na ne no pa pe "
    "pi po ra re ri ro sa se si so ta te ti to va ve vi vo za zo"
).split()


def listings(seed: int = 0) -> Iterator[tuple[str, str, int]]:
    """Endless (title, description, product type), no two of one text.

    The sample's writer has a few thousand words; names of models are added to its titles, the
    frequent ones often, so that the vocabulary grows with the number of listings as real ones'.
    """
    rng = np.random.default_rng(seed)
    kinds = np.array(list(SHARES))
    shares = np.array(list(SHARES.values())) / sum(SHARES.values())
    seen: set[int] = set()
    while True:
        for kind in rng.choice(kinds, 1000, p=shares).tolist():
            title, description = write_listing(rng, kind)
            title = f"{title} {_model_name(rng)} {_model_name(rng)}"
            identity = hash((title, description))
            if identity not in seen:
                seen.add(identity)
                yield title, description, kind


def documents(count: int, *, characters: int = 0, seed: int = 0) -> tuple[list[str], list[int]]:
    """Texts of one field (title and description) and their product types.

    Args:
        count: number of documents.
        characters: length that they have on average; 0 for that of single listings.
        seed: seed of all of them.
    """
    source, rng = listings(seed), np.random.default_rng([seed, 1])
    texts, kinds = [], []
    for title, body, kind in islice(source, count):
        text = f"{title} {body}".strip()
        wanted = characters * rng.uniform(0.2, 1.8)
        while len(text) < wanted - 60:  # about half a listing
            more = write_listing(rng, kind, described=True)
            text = f"{text} {more[1]} {_model_name(rng)}"
        texts.append(text)
        kinds.append(kind)
    return texts, kinds


def _model_name(rng: np.random.Generator) -> str:
    number = min(int(rng.zipf(1.3)), 10_000_000)
    digits = []
    while number:
        number, digit = divmod(number, len(_SYLLABLES))
        digits.append(_SYLLABLES[digit])
    return "".join(digits).capitalize()
