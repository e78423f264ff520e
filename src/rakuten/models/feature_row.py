"""The monitoring feature row: what the prediction store keeps of a product and drift compares."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from rakuten.features.image_statistics import STATISTICS
from rakuten.features.rows import TextRow

Numbers = list[float] | None


class FeatureRow(TypedDict):
    """Numbers of one product and of its answer: JSON values only, never its text or photo.

    docs/model.md lists the units. None stands for what a product does not have: image numbers
    without a usable photo, an embedding without text, without photo or without that branch.
    """

    designation_length: int
    description_length: int
    designation_words: int
    description_words: int
    digit_share: float
    upper_share: float
    has_description: int
    has_markup: int
    language: str
    image_status: str
    image_brightness: float | None
    image_contrast: float | None
    image_colourfulness: float | None
    image_sharpness: float | None
    image_white_share: float | None
    modalities: str
    prdtypecode: int
    confidence: float
    text_embedding: Numbers
    image_embedding: Numbers


_WORDS: Final = ("language", "image_status", "modalities")
_COUNTS: Final = (
    "designation_length",
    "description_length",
    "designation_words",
    "description_words",
    "has_description",
    "has_markup",
    "prdtypecode",
)
_EMBEDDINGS: Final = ("text_embedding", "image_embedding")
_NO_PHOTO: Final = (None,) * len(STATISTICS)


def make_feature_row(
    text: TextRow,
    image_status: str,
    statistics: Numbers,
    embeddings: tuple[Numbers, Numbers],
    *,
    modalities: Sequence[str],
    prdtypecode: int,
    confidence: float,
) -> FeatureRow:
    """Put a product's row together.

    Args:
        text: the product's text numbers.
        image_status: ok, missing or unreadable.
        statistics: numbers as in :data:`rakuten.features.image_statistics.STATISTICS`, or None.
        embeddings: of text and of photo.
        modalities: what the answer rests on.
        prdtypecode: predicted type.
        confidence: calibrated probability of that type.
    """
    brightness, contrast, colourfulness, sharpness, white_share = statistics or _NO_PHOTO
    return FeatureRow(
        designation_length=text.designation_length,
        description_length=text.description_length,
        designation_words=text.designation_words,
        description_words=text.description_words,
        digit_share=text.digit_share,
        upper_share=text.upper_share,
        has_description=text.has_description,
        has_markup=text.has_markup,
        language=text.language,
        image_status=image_status,
        image_brightness=brightness,
        image_contrast=contrast,
        image_colourfulness=colourfulness,
        image_sharpness=sharpness,
        image_white_share=white_share,
        modalities="+".join(modalities) or "none",
        prdtypecode=prdtypecode,
        confidence=confidence,
        text_embedding=embeddings[0],
        image_embedding=embeddings[1],
    )


def rows_or_none(values: NDArray[np.floating] | None, present: NDArray[np.bool_]) -> list[Numbers]:
    """Rows of a matrix as lists, None for rows that are not present."""
    if values is None:
        return [None] * len(present)
    rows: list[list[float]] = values.tolist()
    return [row if has else None for row, has in zip(rows, present.tolist(), strict=True)]


def feature_columns(rows: Sequence[Mapping[str, Any]]) -> dict[str, NDArray[Any]]:
    """Feature rows as one plain array a field, NaN for None.

    Args:
        rows: feature rows, as the Predictor gives them or as JSON brings them back.

    Returns:
        Field → array: int64, float64 or Unicode of shape (n,); an embedding has shape (n, d),
        with d = 0 where no row has one.
    """
    return {name: _column(name, [row[name] for row in rows]) for name in FeatureRow.__annotations__}


def rows_of_columns(columns: Mapping[str, NDArray[Any]]) -> list[FeatureRow]:
    """Undo :func:`feature_columns`.

    Raises:
        KeyError: a field is absent.
        ValueError: the columns differ in length.
    """
    values = [_cells(name, columns[name]) for name in FeatureRow.__annotations__]
    names = tuple(FeatureRow.__annotations__)
    return [
        cast(FeatureRow, dict(zip(names, row, strict=True))) for row in zip(*values, strict=True)
    ]


def _column(name: str, values: list[Any]) -> NDArray[Any]:
    if name in _WORDS:
        return np.array(values, dtype=str)
    if name in _COUNTS:
        return np.array(values, dtype=np.int64)
    if name not in _EMBEDDINGS:
        return np.array(values, dtype=np.float64)  # None becomes NaN
    width = max((len(value) for value in values if value is not None), default=0)
    return np.array([value or [np.nan] * width for value in values]).reshape(len(values), width)


def _cells(name: str, column: NDArray[Any]) -> list[Any]:
    cells: list[Any] = column.tolist()
    if name in _WORDS or name in _COUNTS:
        return cells
    if name in _EMBEDDINGS:
        return [cell if cell and cell[0] == cell[0] else None for cell in cells]
    return [cell if cell == cell else None for cell in cells]
