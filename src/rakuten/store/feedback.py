"""What people said of an answer: one row per reviewer and product, the newest counts."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from rakuten.errors import DatabaseAwayError, UnknownPredictionError
from rakuten.store.database import Database
from rakuten.store.predictions import insert_for, read_prediction
from rakuten.store.records import FeedbackRecord, is_prediction_id
from rakuten.store.spool import Spool
from rakuten.store.tables import feedback, predictions

_KEY = (feedback.c.prediction_id, feedback.c.reviewer)


def put_feedback(connection: sa.Connection, records: Sequence[FeedbackRecord]) -> None:
    """Write corrections; the same one twice is one, and an older one never replaces a newer."""
    if not records:
        return
    # Answers before feedback, in the order of their ids: as an erasure takes its locks.
    given = {record.prediction_id: record.given_at for record in records}
    reviewed = sa.update(predictions).where(
        predictions.c.prediction_id == sa.bindparam("id"), predictions.c.reviewed_at.is_(None)
    )
    connection.execute(
        reviewed.values(reviewed_at=sa.bindparam("given")),
        [{"id": one, "given": given[one]} for one in sorted(given)],
    )
    insert = insert_for(connection, feedback)
    values = {c.name: insert.excluded[c.name] for c in feedback.c if c not in set(_KEY)}
    statement = insert.on_conflict_do_update(
        index_elements=list(_KEY),
        set_=values,
        where=insert.excluded.given_at >= feedback.c.given_at,
    )
    connection.execute(statement, [vars(record) for record in records])


def require_prediction(database: Database, spool: Spool, prediction_id: str) -> None:
    """Refuse a correction of what never was; while the database is away, take it.

    Raises:
        UnknownPredictionError: the id has another form, or database and spool surely lack it.
    """
    try:
        known = read_prediction(database, prediction_id, spool) is not None
    except DatabaseAwayError:
        return
    if not known:
        raise UnknownPredictionError(
            f"There is no prediction {prediction_id!r}.",
            hint="use the prediction_id of an answer",
        )


def read_feedback(database: Database, prediction_id: str) -> list[FeedbackRecord]:
    """All corrections of an answer, oldest first.

    Raises:
        DatabaseAwayError: nobody answered.
    """
    if not is_prediction_id(prediction_id):
        return []
    statement = (
        sa.select(feedback)
        .where(feedback.c.prediction_id == prediction_id)
        .order_by(feedback.c.given_at, feedback.c.reviewer)
    )
    with database.read() as connection:
        rows: list[Any] = list(connection.execute(statement).mappings())
    return [FeedbackRecord(**row) for row in rows]
