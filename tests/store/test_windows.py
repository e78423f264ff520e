"""Windows of traffic: by time, count and version; whole, erased and damaged rows."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from rakuten.store.database import Database
from rakuten.store.feedback import put_feedback
from rakuten.store.predictions import insert_predictions
from rakuten.store.records import PredictionRecord, new_prediction_id
from rakuten.store.retention import erase
from rakuten.store.tables import predictions
from rakuten.store.windows import Window, WindowRow, read_labels, read_window
from tests.store.material import make_feedback, make_record

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def add(database: Database, count: int, **changes: object) -> list[PredictionRecord]:
    """Answers a minute apart, in pairs of the same moment; oldest first."""
    records = [
        make_record(**{"created_at": NOON + timedelta(minutes=n // 2), **changes})
        for n in range(count)
    ]
    with database.write() as connection:
        insert_predictions(connection, records)
    return records


def read(database: Database, window: Window, chunk: int = 500) -> list[WindowRow]:
    """All rows of a window."""
    return [row for rows in read_window(database, window, chunk=chunk) for row in rows]


def ids(rows: Sequence[WindowRow] | Sequence[PredictionRecord]) -> list[str]:
    """Their ids."""
    return [row.prediction_id for row in rows]


@pytest.mark.parametrize("chunk", [1, 3, 7, 100])
def test_chunks_give_every_row_once_newest_first(database: Database, chunk: int) -> None:
    records = add(database, 14)
    assert ids(read(database, Window(), chunk)) == ids(records)[::-1]


@pytest.mark.parametrize(("limit", "chunk"), [(0, 3), (1, 3), (6, 3), (7, 3), (99, 3)])
def test_count_takes_the_newest(database: Database, limit: int, chunk: int) -> None:
    records = add(database, 14)
    assert ids(read(database, Window(limit=limit), chunk)) == ids(records)[::-1][:limit]


def test_time_bounds_are_from_and_before(database: Database) -> None:
    records = add(database, 14)
    window = Window(since=NOON + timedelta(minutes=2), until=NOON + timedelta(minutes=4))
    assert ids(read(database, window, 3)) == ids(records)[7:3:-1]
    assert read(database, Window(since=NOON + timedelta(days=1))) == []


def test_version_and_name_choose_the_model(database: Database) -> None:
    ours = add(database, 3, model_version=4)
    add(database, 3, model_version=5)
    other = add(database, 3, model_version=4, model_name="another")
    window = Window(model_name="rakuten-classifier", model_version=4)
    assert ids(read(database, window)) == ids(ours)[::-1]
    assert len(read(database, Window(model_version=4))) == len(ours) + len(other)


def test_answers_that_come_in_meanwhile_move_nothing(database: Database) -> None:
    records = add(database, 9)
    seen: list[str] = []
    for rows in read_window(database, Window(), chunk=2):
        seen += ids(rows)
        add(database, 2, created_at=NOON + timedelta(days=1))
    assert seen == ids(records)[::-1]


def test_row_says_what_the_answer_was(database: Database) -> None:
    (record,) = add(database, 1)
    (row,) = read(database, Window())
    assert row.state == "whole"
    assert row.features == record.features
    assert row.alternatives == ((1140, 0.61), (1280, 0.22))
    assert (row.created_at, row.prdtypecode, row.confidence, row.decision, row.model_version) == (
        record.created_at,
        1140,
        0.61,
        "review",
        3,
    )


def test_features_are_left_where_nobody_wants_them(database: Database) -> None:
    add(database, 1)
    ((row,),) = read_window(database, Window(), with_features=False)
    assert (row.state, row.features, row.prdtypecode) == ("whole", {}, 1140)


def test_erased_row_counts_with_what_is_left_of_its_features(database: Database) -> None:
    records = add(database, 2)
    erase(database, records[0].prediction_id)
    newest, oldest = read(database, Window())
    assert (newest.state, oldest.state) == ("whole", "erased")
    left = ("prdtypecode", "confidence", "modalities", "image_status")
    assert oldest.features == {name: records[0].features[name] for name in left}
    assert (oldest.prdtypecode, oldest.confidence) == (1140, 0.61)
    assert oldest.alternatives == newest.alternatives


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("features", "[1, 2]"),
        ("features", "null"),
        ("alternatives", '{"a": 1}'),
        ("alternatives", '[{"prdtypecode": 1}]'),
        ("confidence", "2.5"),
    ],
)
def test_damaged_row_is_marked_and_stops_nothing(
    database: Database, column: str, value: str
) -> None:
    records = add(database, 3)
    damaged = records[1].prediction_id
    _set(database, damaged, column, value)
    rows = read(database, Window())
    assert [row.state for row in rows] == ["whole", "damaged", "whole"]
    assert (rows[1].features, rows[1].alternatives) == (None, ())


def test_torn_json_is_marked_and_stops_nothing(database: Database) -> None:
    if not database.is_sqlite:
        pytest.skip("PostgreSQL keeps no torn JSON")
    records = add(database, 2)
    _set(database, records[0].prediction_id, "features", '{"language": "f')
    assert [row.state for row in read(database, Window())] == ["whole", "damaged"]


def test_labels_are_those_of_the_answers_asked_for_oldest_first(database: Database) -> None:
    records = add(database, 5)
    said = [
        make_feedback(record.prediction_id, reviewer=reviewer, given_at=NOON + timedelta(hours=n))
        for n, (record, reviewer) in enumerate([(r, w) for r in records for w in ("anna", "ben")])
    ]
    stranger = make_feedback(new_prediction_id())
    with database.write() as connection:
        put_feedback(connection, [*said, stranger, replace(said[0], given_at=NOON, prdtypecode=40)])
    found = read_labels(database, ids(records)[:3], chunk=2)
    assert [(label.prediction_id, label.reviewer) for label in found] == [
        (one.prediction_id, one.reviewer) for one in said[:6]
    ]
    assert found[0].prdtypecode == 40
    assert found[1].given_at == said[1].given_at
    assert read_labels(database, []) == []


def _set(database: Database, prediction_id: str, column: str, value: str) -> None:
    new = value if column == "confidence" else f"'{value}'"
    where = predictions.c.prediction_id == prediction_id
    with database.write() as connection:
        connection.execute(sa.update(predictions).where(where).values({column: sa.text(new)}))
