"""What people said, with the answer it was said of, in the order of ids and by the one rule."""

from datetime import UTC, datetime, timedelta

import pytest

from rakuten.errors import DatabaseAwayError
from rakuten.store.corrections import has_tables, read_corrections
from rakuten.store.database import Database
from rakuten.store.feedback import put_feedback
from rakuten.store.labels import Truth
from rakuten.store.predictions import insert_predictions
from rakuten.store.records import FeedbackRecord, PredictionRecord, new_prediction_id
from rakuten.store.retention import erase
from tests.servers.process import free_port
from tests.store.material import make_feedback, make_record

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


def keep(database: Database, answers: list[PredictionRecord], said: list[FeedbackRecord]) -> None:
    with database.write() as connection:
        insert_predictions(connection, answers)
        put_feedback(connection, said)


def test_answers_with_feedback_come_in_the_order_of_their_ids(database: Database) -> None:
    answers = [make_record(prdtypecode=10) for _ in range(7)]
    said = [make_feedback(one.prediction_id, given_at=NOON) for one in answers[:6]]
    keep(database, answers[::-1], said[::-1])
    chunks = list(read_corrections(database, chunk=2))
    assert [len(chunk) for chunk in chunks] == [2, 2, 2]
    found = [one for chunk in chunks for one in chunk]
    assert [one.prediction_id for one in found] == [one.prediction_id for one in answers[:6]]
    assert {one.state for one in found} == {"whole"}
    assert found[0].truth == Truth(1280, 1, 1, NOON)
    assert found[0].answer["prdtypecode"] == 10
    assert found[0].answer["description"] == "<b>Dragon Ball</b> état neuf"


def test_several_reviewers_are_one_label(database: Database) -> None:
    one = make_record()
    said = [
        make_feedback(one.prediction_id, reviewer=name, prdtypecode=code, given_at=NOON + later)
        for name, code, later in (
            ("anna", 10, timedelta(0)),
            ("ben", 10, timedelta(hours=1)),
            ("cleo", 40, timedelta(hours=2)),
        )
    ]
    keep(database, [one], said)
    [[found]] = read_corrections(database)
    assert found.truth == Truth(10, 2, 3, NOON + timedelta(hours=1))
    assert found.truth.contested


def test_what_cannot_be_learned_from_says_why(database: Database) -> None:
    whole, erased, unkept = make_record(), make_record(), make_record(designation=None)
    said = [make_feedback(one.prediction_id) for one in (whole, erased, unkept)]
    early = make_feedback(new_prediction_id())
    keep(database, [whole, erased, unkept], [*said, early])
    erase(database, erased.prediction_id)
    [found] = read_corrections(database)
    assert [one.state for one in found] == ["whole", "erased", "no_text", "no_answer"]
    assert found[1].answer == found[3].answer == {}


def test_nothing_was_said(database: Database) -> None:
    assert list(read_corrections(database)) == []


def test_tables_are_there_or_not(url: str) -> None:
    new = Database(url)
    assert not has_tables(new)
    new.migrate()
    assert has_tables(new)
    new.close()


def test_a_database_that_is_away_is_an_error_and_not_an_empty_store() -> None:
    away = Database(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    for ask in (has_tables, lambda database: list(read_corrections(database))):
        with pytest.raises(DatabaseAwayError):
            ask(away)
