"""Answers that people said something of, with the type that counts: what training learns from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from rakuten.store.database import Database
from rakuten.store.labels import Truth, resolve_labels
from rakuten.store.tables import feedback, predictions
from rakuten.store.windows import CHUNK, Label

_LABEL: Final = (
    feedback.c.prediction_id,
    feedback.c.reviewer,
    feedback.c.prdtypecode,
    feedback.c.given_at,
)
_ANSWER: Final = (
    predictions.c.prediction_id,
    predictions.c.designation,
    predictions.c.description,
    predictions.c.image_sha256,
    predictions.c.prdtypecode,
    predictions.c.confidence,
    predictions.c.decision,
    predictions.c.model_name,
    predictions.c.model_version,
    predictions.c.model_sha256,
    predictions.c.erased_at,
)


@dataclass(frozen=True)
class Correction:
    """What people say of one answer, and the answer.

    ``state`` says whether it can be learned from: "whole"; "erased", or "no_text" where content
    was never kept; "no_answer" where the answer is not in the database, so far at least: it may
    wait in a spool. ``answer`` has the columns of the answer that are known.
    """

    prediction_id: str
    truth: Truth
    state: str
    answer: dict[str, Any]


def has_tables(database: Database) -> bool:
    """Whether anybody ever made the store's tables in this database.

    Raises:
        DatabaseAwayError: nobody answered.
    """
    with database.read() as connection:
        return sa.inspect(connection).has_table(feedback.name)


def read_corrections(database: Database, *, chunk: int = CHUNK) -> Iterator[list[Correction]]:
    """Everything that people said of answers, in the order of their ids, by chunks.

    Raises:
        DatabaseAwayError: nobody answered.
    """
    column = feedback.c.prediction_id
    ids = sa.select(column).distinct().order_by(column).limit(chunk)
    behind: sa.ColumnElement[bool] = sa.true()
    while True:
        with database.read() as connection:
            found = list(connection.execute(ids.where(behind)).scalars())
            labels = connection.execute(sa.select(*_LABEL).where(column.in_(found)))
            truths = resolve_labels(Label(**row) for row in labels.mappings())
            ours = predictions.c.prediction_id.in_(found)
            rows = connection.execute(sa.select(*_ANSWER).where(ours)).mappings()
            answers = {str(row["prediction_id"]): dict(row) for row in rows}
        if found:
            yield [_correction(one, truths[one], answers.get(one)) for one in found]
        if len(found) < chunk:
            return
        behind = column > sa.literal(found[-1], column.type)


def _correction(prediction_id: str, truth: Truth, answer: dict[str, Any] | None) -> Correction:
    if answer is None:
        return Correction(prediction_id, truth, "no_answer", {})
    if answer["erased_at"] is not None:
        return Correction(prediction_id, truth, "erased", {})
    state = "no_text" if answer["designation"] is None else "whole"
    return Correction(prediction_id, truth, state, answer)
