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
_UNSEEN = dict.fromkeys(
    [c for c in range(0x20) if c not in (0x09, 0x0A, 0x0B, 0x0C, 0x0D)]
    + [0x7F, 0xAD, 0x200B, 0x200C, 0x200D, 0x2060, 0xFEFF],
    None,
)

_LIGATURES: Final = str.maketrans({"œ": "oe", "Œ": "oe", "æ": "ae", "Æ": "ae", "ß": "ss"})

_STOP_WORDS: Final = {
    "fr": frozenset("le la les de du des et en pour avec sans sur un une dans par au aux".split()),
    "en": frozenset("the of and for with without on a in by to from is are your this".split()),
    "de": frozenset("der die das und fur mit ohne auf ein eine im von zu den ist".split()),
}


def clean_text(raw: str) -> str:
    """Bring a title or a description into its normal form.

    Entities are resolved (twice, since sellers' tools escape twice) and tags removed; the
    text is NFKC-normalised, lower-cased and stripped of accents; invisible and control
    characters go; a number and its unit are joined ("10 cm" → "10cm") and white space is
    folded. Any Unicode string is accepted; an HTML page without text gives "".
    """
    if not raw:
        return ""
    text = raw
    if "&" in text:
        text = html.unescape(html.unescape(text))
    if "<" in text:
        text = _TAG.sub(" ", text)
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text)
        text = "".join(c for c in decomposed if not unicodedata.combining(c))
        text = text.translate(_LIGATURES).encode("utf-8", "ignore").decode("utf-8")
    text = text.translate(_UNSEEN).lower()
    text = _DECIMAL_COMMA.sub(".", text)
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
