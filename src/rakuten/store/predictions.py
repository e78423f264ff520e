"""Rows of answers: written in batches, any number of times, and read back."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from rakuten.errors import DatabaseAwayError, RecordRefusedError
from rakuten.store.database import Database
from rakuten.store.records import PredictionRecord, is_prediction_id
from rakuten.store.spool import Spool
from rakuten.store.tables import predictions

FIELDS = tuple(field.name for field in fields(PredictionRecord))
_COLUMNS = tuple(predictions.c[name] for name in FIELDS)


def insert_for(connection: sa.Connection, table: sa.Table) -> Any:
    """The dialect's INSERT, which knows ON CONFLICT."""
    make: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return make(table)


def insert_predictions(connection: sa.Connection, records: Sequence[PredictionRecord]) -> None:
    """Write answers; those that are there already stay as they are.

    Raises:
        RecordRefusedError: a record holds what JSON has no word for.
    """
    if not records:
        return
    statement = insert_for(connection, predictions).on_conflict_do_nothing()
    try:
        connection.execute(statement, [vars(record) for record in records])
    except TypeError as error:  # psycopg writes JSON itself, and lets its error through
        raise RecordRefusedError(f"A prediction cannot be stored: {error}.") from error


def read_prediction(
    database: Database, prediction_id: str, spool: Spool | None = None
) -> PredictionRecord | None:
    """An answer by its id, from the database or from the spool; None where both lack it.

    Raises:
        DatabaseAwayError: nobody answered, and the spool does not hold it.
    """
    if not is_prediction_id(prediction_id):
        return None
    if spool is None:
        return _from_database(database, prediction_id)
    try:
        found = _from_database(database, prediction_id) or spool.find(prediction_id)
    except DatabaseAwayError:
        if found := spool.find(prediction_id):
            return found
        raise
    # Between the two looks it may have gone from one to the other.
    return found or _from_database(database, prediction_id)


def _from_database(database: Database, prediction_id: str) -> PredictionRecord | None:
    with database.read() as connection:
        found = select_predictions(connection, predictions.c.prediction_id == prediction_id)
    return found[0] if found else None


def select_predictions(
    connection: sa.Connection, where: sa.ColumnElement[bool]
) -> list[PredictionRecord]:
    """Answers that fulfil a condition, in the order of their ids."""
    statement = sa.select(*_COLUMNS).where(where).order_by(predictions.c.prediction_id)
    return [record_of(row) for row in connection.execute(statement)]


def record_of(row: Any) -> PredictionRecord:
    """A row that holds the columns of :data:`FIELDS`, as a record."""
    return PredictionRecord(**{name: getattr(row, name) for name in FIELDS})
