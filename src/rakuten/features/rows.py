"""The feature row of a product: cleaned text and the simple numbers that are watched for drift."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rakuten.text import CleanText, clean_texts, guess_language


@dataclass(frozen=True)
class TextRow:
    """A product's cleaned text and its numbers; lengths are in characters of the cleaned text.

    ``digit_share`` is that of the cleaned title, ``upper_share`` that of the raw title, which
    still has its capitals.
    """

    clean_designation: str
    clean_description: str
    designation_length: int
    description_length: int
    designation_words: int
    description_words: int
    digit_share: float
    upper_share: float
    has_description: int
    has_markup: int
    language: str

    @property
    def has_text(self) -> bool:
        """Whether there is any text to go by."""
        return bool(self.clean_designation or self.clean_description)

    def to_dict(self) -> dict[str, Any]:
        """Column → value."""
        return dict(vars(self))


def text_rows(pairs: Iterable[tuple[str, str]]) -> list[TextRow]:
    """Clean and measure many raw (designation, description) pairs, in order."""
    cleaned = clean_texts([text for pair in pairs for text in pair])
    return [_row(*pair) for pair in zip(cleaned[::2], cleaned[1::2], strict=True)]


def _row(title: CleanText, body: CleanText) -> TextRow:
    return TextRow(
        clean_designation=title.text,
        clean_description=body.text,
        designation_length=len(title.text),
        description_length=len(body.text),
        designation_words=title.words,
        description_words=body.words,
        digit_share=_share(title.digits, len(title.text)),
        upper_share=_share(title.upper, title.raw_length),
        has_description=int(bool(body.text)),
        has_markup=int(title.markup or body.markup),
        language=guess_language(f"{title.text} {body.text[:500]}"),
    )


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
