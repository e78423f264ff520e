"""A correction counts once per reviewer, the newest wins, and none is given to nothing."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rakuten.errors import UnknownPredictionError
from rakuten.store.database import Database
from rakuten.store.feedback import put_feedback, read_feedback, require_prediction
from rakuten.store.predictions import insert_predictions
from rakuten.store.records import FeedbackRecord, new_prediction_id
from rakuten.store.spool import Spool
from tests.servers.process import free_port
from tests.store.material import make_feedback, make_record

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def put(database: Database, *records: FeedbackRecord) -> None:
    """Write each in a transaction of its own."""
    for record in records:
        with database.write() as connection:
            put_feedback(connection, [record])


def test_same_correction_twice_is_one(database: Database) -> None:
    record = make_feedback(new_prediction_id(), note="a\x00b \ud800")
    put(database, record, record)
    assert read_feedback(database, record.prediction_id) == [record]


def test_newest_of_a_reviewer_wins_in_whatever_order_they_come(database: Database) -> None:
    one = new_prediction_id()
    old = make_feedback(one, given_at=NOW, prdtypecode=10)
    new = make_feedback(one, given_at=NOW + timedelta(microseconds=1), prdtypecode=40)
    put(database, new, old)
    assert read_feedback(database, one) == [new]
    put(database, old, new)
    assert read_feedback(database, one) == [new]
    with database.write() as connection:
        put_feedback(connection, [new, old, new])
    assert read_feedback(database, one) == [new]


def test_reviewers_do_not_overwrite_each_other(database: Database) -> None:
    one = new_prediction_id()
    anna = make_feedback(one, given_at=NOW)
    ben = make_feedback(one, reviewer="ben", prdtypecode=60, given_at=NOW + timedelta(hours=1))
    put(database, ben, anna)
    assert read_feedback(database, one) == [anna, ben]


def test_correction_of_what_never_was_is_refused(database: Database, tmp_path: Path) -> None:
    stored, waiting, spool = make_record(), make_record(), Spool(tmp_path / "spool")
    with database.write() as connection:
        insert_predictions(connection, [stored])
    # As another process of the same folder left it.
    Spool(tmp_path / "spool").append([waiting])
    for record in (stored, waiting):
        require_prediction(database, spool, record.prediction_id)
    for unknown in (new_prediction_id(), "1; DROP TABLE"):
        with pytest.raises(UnknownPredictionError, match=unknown):
            require_prediction(database, spool, unknown)


def test_absent_database_is_not_read_as_an_absent_prediction(tmp_path: Path) -> None:
    away = Database(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    require_prediction(away, Spool(tmp_path / "spool"), new_prediction_id())
