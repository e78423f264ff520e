"""Rows of answers: written in batches, any number of times, and read back."""

import json
from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.dialects import postgresql, sqlite

from rakuten.errors import DatabaseAwayError, RecordRefusedError
from rakuten.store.database import Database
from rakuten.store.records import PredictionRecord, is_prediction_id, to_plain
from rakuten.store.spool import Spool
from rakuten.store.tables import predictions

FIELDS = tuple(field.name for field in fields(PredictionRecord))
_COLUMNS = tuple(predictions.c[name] for name in FIELDS)


def _insert_table() -> str:
    names = ", ".join(FIELDS)
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    kinds = ", ".join(f"{c.name} {c.type.compile(dialect)}" for c in _COLUMNS)
    return (
        f"INSERT INTO predictions ({names}) "  # noqa: S608 - names of our own columns
        f"SELECT {names} FROM json_to_recordset(%s::json) AS rows ({kinds}) "
        "ON CONFLICT DO NOTHING"
    )


_INSERT_TABLE = _insert_table()


def insert_for(connection: sa.Connection, table: sa.Table) -> Any:
    """The dialect's INSERT, which knows ON CONFLICT."""
    make: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return make(table)


@lru_cache(maxsize=4)
def _insert(engine: sa.Engine) -> Any:
    """The INSERT of a group, compiled: SQLAlchemy keeps none that knows ON CONFLICT."""
    make: Any = sqlite.insert if engine.dialect.name == "sqlite" else postgresql.insert
    statement = make(predictions).on_conflict_do_nothing()
    return statement.compile(dialect=engine.dialect, column_keys=FIELDS, for_executemany=True)


def insert_predictions(connection: sa.Connection, records: Sequence[PredictionRecord]) -> None:
    """Write answers; those that are there already stay as they are.

    Raises:
        RecordRefusedError: a record holds what JSON has no word for.
    """
    if not records:
        return
    if connection.dialect.name == "postgresql":
        table = _as_one_value(records)
        if table is not None:
            connection.exec_driver_sql(_INSERT_TABLE, (table,))
            return
    rows: Any = [vars(record) for record in records]
    try:
        connection.execute(_insert(connection.engine), rows)
    except (TypeError, ValueError) as error:  # psycopg writes JSON itself and lets these through
        raise _not_json(error) from error


def insert_alone(database: Database, records: Sequence[PredictionRecord], seconds: float) -> bool:
    """Write answers and nothing else, in one round trip; false where that cannot be done.

    Raises:
        As :meth:`Database.write` and :func:`insert_predictions` do.
    """
    table = None if database.is_sqlite else _as_one_value(records)
    if table is None:
        return False
    with database.statement(seconds) as connection:
        connection.exec_driver_sql(_INSERT_TABLE, (table,))
    return True


def _as_one_value(records: Sequence[PredictionRecord]) -> str | None:
    """Records as one JSON text, which costs half of what binding each cell does.

    None where PostgreSQL could not read it: NUL or a lone surrogate deep inside a JSON value,
    which its columns take but its functions do not.
    """
    rows = [to_plain(record) for record in records]
    try:
        table = to_json(rows).decode()
        if "NaN" in table or "Infinity" in table:  # numbers that JSON lacks, or just words
            json.dumps(rows, allow_nan=False)
    except ValueError:
        return None
    return None if "\\u0000" in table else table


def _not_json(error: Exception) -> RecordRefusedError:
    return RecordRefusedError(f"A prediction cannot be stored: {error}.")


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
