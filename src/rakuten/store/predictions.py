"""Rows of answers: written in batches, any number of times, and read back."""

from collections.abc import Sequence
from dataclasses import fields
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

import sqlalchemy as sa
from pydantic_core import to_json
from sqlalchemy.dialects import postgresql, sqlite

from rakuten.errors import DatabaseAwayError, RecordRefusedError
from rakuten.store.database import Database
from rakuten.store.records import PredictionRecord, is_prediction_id
from rakuten.store.spool import Spool
from rakuten.store.tables import predictions

FIELDS = tuple(field.name for field in fields(PredictionRecord))
_COLUMNS = tuple(predictions.c[name] for name in FIELDS)
_values: Final = attrgetter(*FIELDS)


def _insert_table() -> str:
    names = ", ".join(FIELDS)
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    kinds = ", ".join(f"{c.name} {c.type.compile(dialect)}" for c in _COLUMNS)
    return (
        f"INSERT INTO predictions ({names}) "  # noqa: S608 - names of our own columns
        f"SELECT {names} FROM json_to_recordset(%s::json) AS rows ({kinds}) "
        "ON CONFLICT DO NOTHING"
    )


_INSERT_TABLE: Final = _insert_table()
_CONTROL: Final = "\\u00"
"""How JSON begins a control character: among them those that a column escapes."""


def insert_for(connection: sa.Connection, table: sa.Table) -> Any:
    """The dialect's INSERT, which knows ON CONFLICT."""
    make: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    return make(table)


def insert_predictions(connection: sa.Connection, records: Sequence[PredictionRecord]) -> None:
    """Write answers; those that are there already stay as they are.

    Raises:
        RecordRefusedError: a record holds what JSON has no word for.
    """
    if records:
        _insert(connection.connection.cursor(), connection.dialect, records)


def insert_alone(database: Database, records: Sequence[PredictionRecord], seconds: float) -> None:
    """Write answers and nothing else, in as few round trips as there can be.

    Raises:
        As :meth:`Database.write` and :func:`insert_predictions` do.
    """
    with database.cursor(seconds) as cursor:
        _insert(cursor, database.engine.dialect, records)


def _insert(cursor: Any, dialect: sa.Dialect, records: Sequence[PredictionRecord]) -> None:
    """In the driver's own words: SQLAlchemy takes longer for a row than the database does."""
    table = None if dialect.name == "sqlite" else _as_one_value(records)
    if table is not None:
        cursor.execute(_INSERT_TABLE, (table,))
        return
    statement, processors = _insert_rows(dialect)
    try:
        rows = [
            [
                value if process is None else process(value)
                for process, value in zip(processors, _values(record), strict=True)
            ]
            for record in records
        ]
        cursor.executemany(statement, rows)  # where psycopg writes JSON itself
    except (TypeError, ValueError) as error:
        raise RecordRefusedError(f"A prediction cannot be stored: {error}.") from error


@lru_cache(maxsize=4)
def _insert_rows(dialect: sa.Dialect) -> tuple[str, list[Any]]:
    """A driver's INSERT, and what brings the value of each column into the driver's form."""
    names, mark = ", ".join(FIELDS), "?" if dialect.paramstyle == "qmark" else "%s"
    marks = ", ".join([mark] * len(FIELDS))
    statement = f"INSERT INTO predictions ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608 - names of our own columns
    return statement, [c.type.dialect_impl(dialect).bind_processor(dialect) for c in _COLUMNS]


def _as_one_value(records: Sequence[PredictionRecord]) -> str | None:
    """Records as one JSON text, which costs a quarter of what binding each cell does.

    None where the columns' own form may be another: control characters, a lone surrogate, a
    moment without a zone. A number that JSON has no word for is refused by the database.
    """
    if any(record.created_at.tzinfo is None for record in records):
        return None
    try:
        table = to_json([vars(record) for record in records]).decode()
    except ValueError:
        return None
    return None if _CONTROL in table else table


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
