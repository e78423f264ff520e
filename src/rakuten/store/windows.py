"""Windows of traffic for monitoring: answers newest first, in chunks, and what people said."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from rakuten.store.database import Database
from rakuten.store.tables import feedback, predictions

CHUNK: Final = 500
"""Rows of one transaction: none is open for long, and memory holds one chunk."""

_NEWEST: Final = (predictions.c.created_at, predictions.c.prediction_id)
_COLUMNS: Final = (
    *_NEWEST,
    predictions.c.prdtypecode,
    predictions.c.confidence,
    predictions.c.decision,
    predictions.c.image_status,
    predictions.c.model_version,
    predictions.c.erased_at,
    # As text, like the features: a damaged value is the fault of its row, not of the whole chunk.
    sa.cast(predictions.c.alternatives, sa.Text).label("alternatives"),
)
_FEATURES: Final = sa.cast(predictions.c.features, sa.Text).label("features")
_NO_FEATURES: Final = sa.literal("{}").label("features")


@dataclass(frozen=True)
class Window:
    """Which answers: made from ``since`` on and before ``until``, the newest ``limit`` of them.

    What is None does not limit. Only answers of one model are in a window that names it.
    """

    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None
    model_name: str | None = None
    model_version: int | None = None


@dataclass(frozen=True)
class WindowRow:
    """What monitoring reads of an answer; never its text, nor the photo's name.

    ``state`` says whether the row is "whole", was "erased" (type, confidence and decision still
    count; ``features`` are what is left of them) or is "damaged" (nothing of it counts, and
    ``features`` is None). ``alternatives`` are (type, probability).
    """

    prediction_id: str
    created_at: datetime
    prdtypecode: int
    confidence: float
    decision: str
    image_status: str
    model_version: int
    state: str
    alternatives: tuple[tuple[int, float], ...]
    features: dict[str, Any] | None


@dataclass(frozen=True)
class Label:
    """The type that one reviewer named for an answer."""

    prediction_id: str
    reviewer: str
    prdtypecode: int
    given_at: datetime


def read_window(
    database: Database, window: Window, *, chunk: int = CHUNK, with_features: bool = True
) -> Iterator[list[WindowRow]]:
    """Answers of a window, newest first, ``chunk`` rows at a time.

    A chunk begins behind the last row of the one before, not at a number of rows: answers that
    come in meanwhile move nothing. Name ``until`` to have the same rows twice.
    Without features, which are most of a row, those are empty and not looked at.

    Raises:
        DatabaseAwayError: nobody answered.
    """
    features = _FEATURES if with_features else _NO_FEATURES
    left = window.limit
    condition = _condition(window)
    behind: sa.ColumnElement[bool] = sa.true()
    while left is None or left > 0:
        count = chunk if left is None else min(chunk, left)
        statement = sa.select(*_COLUMNS, features).where(condition & behind)
        statement = statement.order_by(*(column.desc() for column in _NEWEST)).limit(count)
        with database.read() as connection:
            rows = [_row(found) for found in connection.execute(statement)]
        if rows:
            yield rows
        if len(rows) < count:
            return
        left = None if left is None else left - len(rows)
        last = [
            sa.literal(value, column.type)
            for value, column in zip(
                (rows[-1].created_at, rows[-1].prediction_id), _NEWEST, strict=True
            )
        ]
        behind = sa.tuple_(*_NEWEST) < sa.tuple_(*last)


def read_labels(
    database: Database, prediction_ids: Sequence[str], *, chunk: int = CHUNK
) -> list[Label]:
    """What reviewers said of these answers so far, oldest first.

    Raises:
        DatabaseAwayError: nobody answered.
    """
    columns = feedback.c.prediction_id, feedback.c.reviewer, feedback.c.prdtypecode
    found: list[Label] = []
    for start in range(0, len(prediction_ids), chunk):
        ours = feedback.c.prediction_id.in_(prediction_ids[start : start + chunk])
        with database.read() as connection:
            rows = connection.execute(sa.select(*columns, feedback.c.given_at).where(ours))
            found += [Label(**row) for row in rows.mappings()]
    return sorted(found, key=lambda label: (label.given_at, label.prediction_id, label.reviewer))


def _condition(window: Window) -> sa.ColumnElement[bool]:
    wanted: list[sa.ColumnElement[bool]] = [sa.true()]
    if window.since is not None:
        wanted.append(predictions.c.created_at >= window.since)
    if window.until is not None:
        wanted.append(predictions.c.created_at < window.until)
    if window.model_name is not None:
        wanted.append(predictions.c.model_name == window.model_name)
    if window.model_version is not None:
        wanted.append(predictions.c.model_version == window.model_version)
    return sa.and_(*wanted)


def _row(found: Any) -> WindowRow:
    features = _json(found.features)
    listed = _pairs(_json(found.alternatives))
    confidence = found.confidence
    whole = (
        isinstance(features, dict)
        and listed is not None
        and isinstance(confidence, float)
        and 0 <= confidence <= 1
    )
    state = "damaged" if not whole else "erased" if found.erased_at is not None else "whole"
    return WindowRow(
        prediction_id=found.prediction_id,
        created_at=found.created_at,
        prdtypecode=found.prdtypecode,
        confidence=confidence,
        decision=found.decision,
        image_status=found.image_status,
        model_version=found.model_version,
        state=state,
        alternatives=(listed or ()) if whole else (),
        features=features if whole else None,
    )


def _json(text: str | None) -> Any:
    try:
        return json.loads(text or "")
    except ValueError:
        return None


def _pairs(values: Any) -> tuple[tuple[int, float], ...] | None:
    try:
        return tuple((int(one["prdtypecode"]), float(one["probability"])) for one in values)
    except (KeyError, TypeError, ValueError):
        return None
