"""What monitoring watches: feature rows checked one by one, then read as columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

import numpy as np
from numpy.typing import NDArray

from rakuten.features.image_statistics import STATISTICS
from rakuten.models.feature_row import FeatureRow, feature_columns

Kind = Literal["numeric", "proportion", "categorical", "embedding"]
Group = Literal["text", "photo", "answer"]


@dataclass(frozen=True)
class Watched:
    """A column that is watched: its name, what it tells of, and how it is compared."""

    name: str
    group: Group
    kind: Kind


WATCHED: Final = (
    Watched("no_title", "text", "proportion"),
    Watched("designation_length", "text", "numeric"),
    Watched("designation_words", "text", "numeric"),
    Watched("digit_share", "text", "numeric"),
    Watched("upper_share", "text", "numeric"),
    Watched("has_description", "text", "proportion"),
    Watched("description_length", "text", "numeric"),
    Watched("description_words", "text", "numeric"),
    Watched("has_markup", "text", "proportion"),
    Watched("language", "text", "categorical"),
    Watched("text_embedding", "text", "embedding"),
    Watched("missing_photo", "photo", "proportion"),
    Watched("unreadable_photo", "photo", "proportion"),
    *(Watched(f"image_{name}", "photo", "numeric") for name in STATISTICS),
    Watched("image_embedding", "photo", "embedding"),
    Watched("prdtypecode", "answer", "categorical"),
    Watched("confidence", "answer", "numeric"),
)
"""docs/monitoring.md says what each one is."""

_COUNTS: Final = (
    "designation_length",
    "description_length",
    "designation_words",
    "description_words",
)
_OF_TITLE: Final = ("designation_length", "designation_words", "digit_share", "upper_share")
_OF_DESCRIPTION: Final = ("description_length", "description_words")
_FLAGS: Final = ("has_description", "has_markup")
_SHARES: Final = ("digit_share", "upper_share", "confidence")
_STATUSES: Final = ("ok", "missing", "unreadable")
_EMBEDDINGS: Final = ("text_embedding", "image_embedding")
_LARGEST: Final = 1e9
"""No number of a row is anywhere near it; squares and sums of such stay finite."""

_KEPT_OF_ERASED: Final = frozenset(("prdtypecode", "confidence", "modalities", "image_status"))
"""What an erasure leaves of a row (docs/store.md)."""


@dataclass(frozen=True)
class CheckedRows:
    """Rows that can be compared, and how many are damaged or were erased."""

    rows: list[FeatureRow]
    corrupt: int
    erased: int


def check_rows(rows: Sequence[object], *, like: Sequence[FeatureRow] = ()) -> CheckedRows:
    """Leave out rows that are damaged: absent fields, wrong types, NaN, numbers out of range.

    Args:
        rows: what the store holds, in any state.
        like: rows of the same model; an embedding of another length than theirs is damaged.
    """
    widths = {name: _width(name, like) or _width(name, rows) for name in _EMBEDDINGS}
    whole = [cast(FeatureRow, row) for row in rows if _is_whole(row, widths)]
    erased = sum(
        isinstance(row, Mapping) and len(row) > 0 and row.keys() == _KEPT_OF_ERASED for row in rows
    )
    return CheckedRows(whole, corrupt=len(rows) - len(whole) - erased, erased=erased)


def watched_columns(rows: Sequence[FeatureRow]) -> dict[str, NDArray[Any]]:
    """Watched columns row for row, NaN where a row has no value.

    Titles and descriptions are measured where there is one, photos where one could be read: that
    they are missing is a column of its own.

    Returns:
        Name → shape (n,) for numbers, proportions (bool) and categories (Unicode), shape (n, d)
        for embeddings.
    """
    columns = feature_columns(rows)
    status = columns["image_status"]
    titled, described = columns["designation_length"] > 0, columns["has_description"] == 1
    made = {
        **columns,
        "no_title": ~titled,
        "missing_photo": status == "missing",
        "unreadable_photo": status == "unreadable",
        "has_description": described,
        "has_markup": columns["has_markup"] == 1,
        "prdtypecode": columns["prdtypecode"].astype(str),
    }
    for names, present in ((_OF_TITLE, titled), (_OF_DESCRIPTION, described)):
        made |= {name: np.where(present, columns[name], np.nan) for name in names}
    return {watched.name: made[watched.name] for watched in WATCHED}


def watched_values(rows: Sequence[FeatureRow]) -> dict[str, NDArray[Any]]:
    """Values of each watched column, of the rows that have one.

    Returns:
        Name → float64 of shape (k,) for numbers, 0 and 1 for proportions, Unicode for
        categories, float64 of shape (k, d) for embeddings.
    """
    columns = watched_columns(rows)
    return {watched.name: _present(columns[watched.name], watched.kind) for watched in WATCHED}


def _present(values: NDArray[Any], kind: Kind) -> NDArray[Any]:
    if kind == "categorical":
        return values
    numbers = values.astype(np.float64)
    if kind == "embedding":
        return numbers[~np.isnan(numbers).any(axis=1)] if numbers.shape[1] else numbers[:0]
    return numbers[~np.isnan(numbers)]


def _width(name: str, rows: Sequence[object]) -> int:
    """The commonest length of an embedding; 0 where no row has one."""
    found = [
        len(value)
        for row in rows
        if isinstance(row, Mapping) and isinstance(value := row.get(name), list)
    ]
    return max(set(found), key=found.count) if found else 0


def _is_whole(row: object, widths: Mapping[str, int]) -> bool:
    if not isinstance(row, Mapping) or not FeatureRow.__annotations__.keys() <= row.keys():
        return False
    return (
        all(_is_count(row[name]) for name in (*_COUNTS, "prdtypecode"))
        and all(_is_count(row[name]) and row[name] <= 1 for name in _FLAGS)
        and all(_is_number(row[name]) and 0 <= row[name] <= 1 for name in _SHARES)
        and all(isinstance(row[name], str) for name in ("language", "modalities"))
        and row["image_status"] in _STATUSES
        and all(
            row[f"image_{name}"] is None or _is_number(row[f"image_{name}"]) for name in STATISTICS
        )
        and all(_is_embedding(row[name], width) for name, width in widths.items())
    )


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -_LARGEST <= value <= _LARGEST  # NaN is not


def _is_embedding(value: object, width: int) -> bool:
    if value is None:
        return True
    return isinstance(value, list) and len(value) == width and all(map(_is_number, value))
