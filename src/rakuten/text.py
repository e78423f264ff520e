"""The one text normaliser: what training, prediction and every other room see as text."""

import html
import re
import unicodedata
from typing import Final

TEXT_VERSION: Final = "1"
"""Version of the normal form; models name it in their manifest."""

_TAG = re.compile(r"</?[a-z!][^<>]*>", re.IGNORECASE)
_UNIT = re.compile(
    r"(\d)\s+(mm|cm|dm|m|km|ml|cl|l|mg|g|kg|go|gb|mo|to|mah|w|kw|v|hz|ghz|pcs|po|in)\b"
)
_DECIMAL_COMMA = re.compile(r"(?<=\d),(?=\d)")
_SPACE = re.compile(r"\s+")
_ENDLESS_ENTITY = re.compile(r"&#\d{8,};?")
"""No character has such a number, and Python refuses to read thousands of digits."""

_WHITE: Final = "\t\n\v\f\r\x85"
_LIGATURES: Final = {"œ": "oe", "Œ": "oe", "æ": "ae", "Æ": "ae", "ß": "ss", "ẞ": "ss"}

_STOP_WORDS: Final = {
    "fr": frozenset("le la les de du des et en pour avec sans sur un une dans par au aux".split()),
    "en": frozenset("the of and for with without on a in by to from is are your this".split()),
    "de": frozenset("der die das und fur mit ohne auf ein eine im von zu den ist".split()),
}


def clean_text(raw: str) -> str:
    """Bring a title or a description into its normal form.

    Characters are folded (compatibility forms resolved, accents, invisible and control
    characters dropped), entities resolved (twice, since sellers' tools escape twice), tags
    removed, letters lower-cased, a number and its unit joined ("10 cm" → "10cm") and white
    space folded. Any Unicode string is accepted; an HTML page without text gives "".
    """
    text = _fold(raw)
    if "&" in text:
        for _ in range(2):
            text = html.unescape(_ENDLESS_ENTITY.sub("\ufffd", text))
        text = _fold(text)
    if "<" in text:
        text = _TAG.sub(" ", text)
    text = _DECIMAL_COMMA.sub(".", _fold(text.lower()))
    text = _UNIT.sub(r"\1\2", text)
    return _SPACE.sub(" ", text).strip()


def has_markup(raw: str) -> bool:
    """Whether a raw text holds an HTML tag."""
    return "<" in raw and _TAG.search(raw) is not None


def guess_language(cleaned: str) -> str:
    """Most likely language of a cleaned text by its stop words: "fr", "en", "de" or "unknown"."""
    words = cleaned.split()
    counts = {lang: sum(w in stops for w in words) for lang, stops in _STOP_WORDS.items()}
    best = max(counts, key=lambda lang: counts[lang])
    return best if counts[best] else "unknown"


class _Folding(dict[int, str]):
    """Translation table that works out each character when it first meets it."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _fold_character(chr(code))
        return folded


def _fold_character(character: str) -> str:
    if character in _LIGATURES:
        return _LIGATURES[character]
    if character in _WHITE or unicodedata.category(character).startswith("Z"):
        return character
    code = ord(character)
    selector = 0xFE00 <= code <= 0xFE0F or 0xE0100 <= code <= 0xE01EF
    unseen = selector or unicodedata.category(character) in ("Cc", "Cf", "Cs")
    return "" if unseen or unicodedata.combining(character) else character


_FOLDING: Final = _Folding()


def _fold(text: str) -> str:
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text).translate(_FOLDING)
        return unicodedata.normalize("NFC", decomposed)
    return text if text.isprintable() else text.translate(_FOLDING)
