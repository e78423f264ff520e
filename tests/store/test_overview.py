"""What the store holds in numbers: from the queue's own index, without a way to write."""

import pytest
import sqlalchemy as sa

from rakuten.errors import StoreError
from rakuten.store.database import Database
from rakuten.store.overview import Overview, People, read_overview, read_people, reading
from rakuten.store.predictions import insert_predictions
from tests.store.material import make_record


def test_empty_store_has_no_moments_and_zeros(database: Database) -> None:
    assert read_overview(database, "rakuten-classifier", failed_check="x") == Overview()
    assert read_people(database) == People(0, None, 0, None)


def test_queue_is_counted_from_its_own_index(database: Database) -> None:
    with database.write() as connection:
        insert_predictions(connection, [make_record()])
    seen: list[str] = []

    def see(_: object, __: object, statement: str, *___: object) -> None:
        seen.append(statement)

    sa.event.listen(database.engine, "before_cursor_execute", see)
    assert read_people(database).queued == 1
    sa.event.remove(database.engine, "before_cursor_execute", see)
    (statement,) = [one for one in seen if "min(" in one]
    with database.write() as connection:
        if not database.is_sqlite:  # a table of one row is quickly looked through
            connection.execute(sa.text("SET LOCAL enable_seqscan = off"))
        explain = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
        plan = str(connection.exec_driver_sql(explain + statement).all())
    assert "ix_predictions_to_review" in plan
    assert database.is_sqlite or "Index Only Scan" in plan


def test_reading_cannot_write(database: Database) -> None:
    record = make_record()
    with database.write() as connection:
        insert_predictions(connection, [record])
    with (
        pytest.raises(StoreError, match=r"read-?only"),
        reading(database) as connection,
    ):
        connection.execute(sa.text("DELETE FROM predictions"))
    assert read_people(database).queued == 1
