"""Titles and descriptions of the synthetic catalogue, put together from the word pools."""

import html
import re
from collections.abc import Sequence
from html.entities import codepoint2name

import numpy as np

from rakuten.data.sample_words import (
    BRANDS,
    EXTRAS,
    GROUP_WORDS,
    GROUPS,
    SENTENCES,
    SLOTS,
    TYPE_WORDS,
    VAGUE,
)

NO_DESCRIPTION = 0.35
VAGUE_SHARE = 0.12
"""Share of listings that use no word of their own product type."""

_OWN_HEAD = 0.7
_OWN_DETAIL = 0.45
_OWN_SENTENCE = 0.35
_SLOT = re.compile(r"\{(\w+)\}")
_REFERENCE = "ABCDEFGHJKLMNPRSTVWXZ"


def write_listing(
    rng: np.random.Generator, kind: int, *, described: bool = False
) -> tuple[str, str]:
    """Designation and description of a product of type ``kind``.

    ``described`` asks for a description; else about one in three listings has none.
    """
    listing = _Listing(rng, kind)
    title = listing.title()
    if rng.random() < NO_DESCRIPTION and not described:
        return title, ""
    return title, listing.description(title)


def retouch(rng: np.random.Generator, title: str, description: str) -> tuple[str, str]:
    """Change a listing the way a seller does who lists the same product again."""
    change = rng.random()
    if change < 0.25:
        return title, description
    if change < 0.45:
        return title.upper(), description
    if change < 0.65:
        return f"{title} - réf. {rng.integers(1000, 99999)}", description
    if change < 0.8:
        return title.replace(" ", "  ", 1), description
    words = title.split()
    return (" ".join(words[:-1]) if len(words) > 3 else f"{title} neuf"), description


class _Listing:
    """One listing on its way: language, brand and how much it gives away are drawn once."""

    def __init__(self, rng: np.random.Generator, kind: int) -> None:
        self.rng = rng
        self.group = next(name for name, kinds in GROUPS.items() if kind in kinds)
        draw = rng.random()
        self.language = "en" if draw < 0.10 else "de" if draw < 0.13 else "fr"
        self.vague = rng.random() < VAGUE_SHARE
        self.own, self.shared = TYPE_WORDS[kind], GROUP_WORDS[self.group]
        self.brand = self._pick(BRANDS["any" if rng.random() < 0.3 else self.group])

    def title(self) -> str:
        """A title: a head, some details, some words that say nothing; sometimes shouted."""
        extras = EXTRAS[self.language].split("|")
        parts = [self._head(), *(self._detail() for _ in range(int(self.rng.integers(0, 4))))]
        parts += [self._pick(extras) for _ in range(int(self.rng.integers(0, 3)))]
        text = self._fill(" ".join(part.strip() for part in dict.fromkeys(parts)))
        text = text[:1].upper() + text[1:]
        if self.rng.random() < 0.08:
            return text.upper()
        if self.rng.random() < 0.06:
            return text.replace(" ", "  ", 1 + int(self.rng.integers(3)))
        return text.replace("'", "&#39;") if self.rng.random() < 0.04 else text

    def description(self, title: str) -> str:
        """A description in one of the markups that sellers' tools produce."""
        sentences = [self._fill(self._sentence()) for _ in range(int(self.rng.integers(1, 7)))]
        if self.rng.random() < 0.2:
            sentences.insert(0, html.unescape(title))
        return self._marked_up([part.strip() for part in dict.fromkeys(sentences)])

    def _head(self) -> str:
        if self.vague and self.rng.random() < 0.4:
            return self._pick(VAGUE[self.language].split("|"))
        own = not self.vague and self.rng.random() < _OWN_HEAD
        pool = self.own if own else self.shared
        return self._pick(self._foreign(pool.english, pool.german) or pool.heads)

    def _detail(self) -> str:
        own = not self.vague and self.rng.random() < _OWN_DETAIL
        pool = self.own if own else self.shared
        return self._pick(self._foreign(pool.english, pool.german) or pool.details)

    def _sentence(self) -> str:
        draw = self.rng.random()
        if self.language == "fr" and draw < 0.7:
            own = not self.vague and draw < _OWN_SENTENCE
            return self._pick((self.own if own else self.shared).sentences)
        if draw < 0.5:
            return self._detail() + "."
        return self._pick(SENTENCES[self.language].split("|"))

    def _foreign(self, english: Sequence[str], german: Sequence[str]) -> Sequence[str]:
        return {"en": english, "de": german}.get(self.language, ())

    def _marked_up(self, sentences: Sequence[str]) -> str:
        style = self.rng.random()
        if style < 0.3:
            return "  ".join(sentences) if style < 0.05 else " ".join(sentences)
        escaped = [html.escape(sentence, quote=False) for sentence in sentences]
        if self.rng.random() < 0.4:
            escaped = [_entities(sentence) for sentence in escaped]
        if style < 0.5:
            return "<br />".join(escaped)
        if style < 0.65:
            return "".join(f"<p>{sentence}</p>" for sentence in escaped)
        if style < 0.78:
            return f"<b>{escaped[0]}</b><br>" + "<br />- ".join(escaped[1:])
        if style < 0.9:
            return "<ul>" + "".join(f"<li>{sentence}</li>" for sentence in escaped) + "</ul>"
        if style < 0.95:
            return "&nbsp;•&nbsp;".join(escaped)
        return "\n• ".join(escaped)

    def _fill(self, text: str) -> str:
        # A value may hold slots itself: a title names a place.
        while _SLOT.search(text):
            text = _SLOT.sub(lambda match: self._value(match[1]), text)
        return text

    def _value(self, slot: str) -> str:
        values = SLOTS.get(f"{slot}_{self.language}") or SLOTS.get(slot)
        if values:
            return self._pick(values)
        if slot == "brand":
            return self.brand
        if slot == "size":
            return self._size()
        if slot == "ref":
            letters = "".join(self._pick(_REFERENCE) for _ in range(2))
            return f"{letters}{self._pick('- ')}{self.rng.integers(10, 9999)}".replace(" ", "")
        if slot == "ean":
            return f"3{self.rng.integers(10**11, 10**12)}"
        low, high = {"n": (2, 13), "pages": (24, 960), "year": (1950, 2021)}[slot]
        return str(self.rng.integers(low, high))

    def _size(self) -> str:
        first, second = self.rng.integers(2, 40, 2) * 5
        style = self.rng.integers(4)
        if style == 0:
            return f"{first} cm"
        if style == 1:
            return f"{first}x{second}cm"
        return f"{first / 50:.2f} m".replace(".", ",") if style == 2 else f"{first} x {second} cm"

    def _pick(self, values: Sequence[str]) -> str:
        return values[int(self.rng.integers(len(values)))]


def _entities(text: str) -> str:
    """Write accents and apostrophes as HTML entities."""
    named = (codepoint2name.get(ord(char)) if ord(char) > 127 else None for char in text)
    coded = (f"&{name};" if name else char for name, char in zip(named, text, strict=True))
    return "".join(coded).replace("'", "&#39;")
