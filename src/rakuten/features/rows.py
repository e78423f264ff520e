"""The feature row of a product: cleaned text and the simple numbers that are watched for drift."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from rakuten.text import clean_text, guess_language, has_markup


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
    return [text_row(designation, description) for designation, description in pairs]


def text_row(designation: str, description: str) -> TextRow:
    """Clean a product's text and measure it."""
    title, body = clean_text(designation), clean_text(description)
    return TextRow(
        clean_designation=title,
        clean_description=body,
        designation_length=len(title),
        description_length=len(body),
        designation_words=len(title.split()),
        description_words=len(body.split()),
        digit_share=_share(sum(map(str.isdigit, title)), len(title)),
        upper_share=_share(sum(map(str.isupper, designation)), len(designation)),
        has_description=int(bool(body)),
        has_markup=int(has_markup(designation) or has_markup(description)),
        language=guess_language(f"{title} {body[:500]}"),
    )


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0
