"""The kernel's normal form is that of a plain, slow one written with Python's own tables."""

import html
import html.entities
import random
import re
import sys
import unicodedata
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from rakuten.kernel.library import COUNTS
from rakuten.kernel.text import clean_texts
from tests.test_text import random_texts

TAG = re.compile(r"</?[a-z!][^<>]*>", re.IGNORECASE)
UNIT = re.compile(
    r"(\d)\s+(mm|cm|dm|m|km|ml|cl|l|mg|g|kg|go|gb|mo|to|mah|w|kw|v|hz|ghz|pcs|po|in)\b"
)
WHITE = "\t\n\v\f\r\x85"
LIGATURES = {"œ": "oe", "Œ": "oe", "æ": "ae", "Æ": "ae", "ß": "ss", "ẞ": "ss", "ς": "σ"}


def fold_character(character: str) -> str:
    if character in LIGATURES:
        return LIGATURES[character]
    category = unicodedata.category(character)
    if character in WHITE or category.startswith("Z"):
        return character
    selector = 0xFE00 <= ord(character) <= 0xFE0F or 0xE0100 <= ord(character) <= 0xE01EF
    unseen = selector or category in ("Cc", "Cf", "Cs") or unicodedata.combining(character)
    return "" if unseen else character


def fold(text: str) -> str:
    kept = map(fold_character, unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFC", "".join(kept))


def reference(raw: str) -> str:
    text = fold(raw)
    if "&" in text:
        text = fold(html.unescape(html.unescape(text)))
    text = TAG.sub(" ", text)
    text = re.sub(r"(?<=\d),(?=\d)", ".", fold(text.lower()))
    return re.sub(r"\s+", " ", UNIT.sub(r"\1\2", text)).strip()


def assert_like_the_reference(texts: list[str]) -> None:
    cleaned, _ = clean_texts(texts)
    wrong = [
        (ascii(raw), ascii(found))
        for raw, found in zip(texts, cleaned, strict=True)
        if found != reference(raw)
    ]
    assert not wrong, f"{len(wrong)} differ, the first: {wrong[0]}"


def test_random_texts_are_cleaned_like_the_reference() -> None:
    assert_like_the_reference(random_texts(5000))


@pytest.mark.parametrize("form", ["{}", "a{}b", "1 {}"])
def test_every_code_point_is_cleaned_like_the_reference(form: str) -> None:
    assert_like_the_reference([form.format(chr(c)) for c in range(sys.maxunicode + 1)])


def test_entities_are_resolved_like_python_does() -> None:
    draw = random.Random(3)
    names = list(html.entities.html5)
    named = [f"&{name}{draw.choice(['', ';', 'x', ' '])}{draw.choice(names)}" for name in names]
    numbers = [draw.randrange(0x120000) for _ in range(3000)] + list(range(300))
    numeric = [f"&#{draw.choice(['', 'x', 'X'])}{n}{draw.choice([';', '', 'g'])}" for n in numbers]
    assert_like_the_reference(named + numeric)


def test_tags_numbers_and_units_are_found_like_the_reference_does() -> None:
    draw = random.Random(5)
    alphabet = "<>/!ab &#;é1,mk cm٣\u0301\x00ς각"
    assert_like_the_reference(["".join(draw.choices(alphabet, k=n % 40)) for n in range(40_000)])


def test_counts_are_those_of_the_text() -> None:
    raw = "<p>LOT de 3 Tasses</p> 1,5 l"
    cleaned, counts = clean_texts([raw, "", "\x00"])
    found = dict(zip(COUNTS, counts[0].tolist(), strict=True))
    assert found == {
        "raw_length": len(raw),
        "raw_upper": 4,
        "markup": 1,
        "length": len(cleaned[0]),
        "digits": 3,
        "words": 5,
    }
    assert counts[1].tolist() == [0, 0, 0, 0, 0, 0]
    assert counts[2].tolist() == [1, 0, 0, 0, 0, 0]


def test_threads_clean_at_the_same_time() -> None:
    texts = random_texts(400)
    expected, expected_counts = clean_texts(texts)
    with ThreadPoolExecutor(4) as pool:
        for cleaned, counts in pool.map(clean_texts, [texts] * 20):
            assert cleaned == expected
            assert np.array_equal(counts, expected_counts)


def test_no_texts_are_no_results() -> None:
    cleaned, counts = clean_texts([])
    assert cleaned == []
    assert counts.shape == (0, len(COUNTS))
