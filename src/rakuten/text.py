"""The one text normaliser: what training, prediction and every other room see as text."""

from collections.abc import Sequence
from typing import Final, NamedTuple

from rakuten.kernel.text import clean_texts as _clean

TEXT_VERSION: Final = "2"
"""Version of the normal form; models name it in their manifest."""

_LANGUAGES: Final = {
    "fr": "le la les de du des et en pour avec sans sur un une dans par au aux",
    "en": "the of and for with without on a in by to from is are your this",
    "de": "der die das und fur mit ohne auf ein eine im von zu den ist",
}
_STOP_WORDS: Final = {word: name for name, words in _LANGUAGES.items() for word in words.split()}


class CleanText(NamedTuple):
    """A text in its normal form, and what was counted on the way.

    ``raw_length`` and ``upper`` (capitals) are of the raw text, ``digits`` and ``words``
    (ended by white space) of the normal form; ``markup`` says whether it held an HTML tag.
    """

    text: str
    raw_length: int
    upper: int
    markup: bool
    digits: int
    words: int


def clean_text(raw: str) -> str:
    """Bring a title or a description into its normal form.

    Characters are folded (compatibility forms resolved, accents, invisible and control
    characters dropped), entities resolved (twice, since sellers' tools escape twice), tags
    removed, letters lower-cased, a number and its unit joined ("10 cm" → "10cm") and white
    space folded. Any Unicode string is accepted; an HTML page without text gives "".

    Raises:
        ContractError: the text is longer than 64 MiB.
    """
    return clean_texts([raw])[0].text


def clean_texts(raw: Sequence[str]) -> list[CleanText]:
    """Normal form and counts of many texts, in order (see :func:`clean_text`)."""
    cleaned, counts = _clean(raw)
    return [
        CleanText(text, length, upper, bool(markup), digits, words)
        for text, (length, upper, markup, _, digits, words) in zip(
            cleaned, counts.tolist(), strict=True
        )
    ]


def guess_language(cleaned: str) -> str:
    """Most likely language of a cleaned text by its stop words: "fr", "en", "de" or "unknown"."""
    found = [_STOP_WORDS[word] for word in cleaned.split() if word in _STOP_WORDS]
    return max(_LANGUAGES, key=found.count) if found else "unknown"
