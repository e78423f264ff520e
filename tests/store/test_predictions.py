"""Answers come back as they were given, whatever they hold, and never twice."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import pytest
import sqlalchemy as sa

from rakuten.models.predictor import Predictor, Product
from rakuten.settings import ProjectPaths
from rakuten.stages.train import TrainOutcome
from rakuten.store.database import Database
from rakuten.store.predictions import insert_predictions, read_prediction
from rakuten.store.records import (
    PredictionRecord,
    Record,
    from_plain,
    is_prediction_id,
    new_prediction_id,
    plain_features,
    predictions_of,
    to_plain,
)
from rakuten.store.segment import encode_line
from rakuten.store.spool import Spool
from rakuten.store.tables import predictions
from tests.store.material import make_feedback, make_record

ODD_TEXTS = [
    "",
    "null\x00byte",
    "lone \ud800 and \udfff",
    "\ud83d\ude00 apart",
    "\x1a and \x1a001a",
    "\x1a0000",
    "😀 ‮ é\u0301 \\u0000",
    "a\r\nb\tc\x85d",
    "x" * 100_000,
]


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_any_text_comes_back_as_it_was(database: Database, text: str) -> None:
    record = make_record(designation=text, description=text, label=text)
    with database.write() as connection:
        insert_predictions(connection, [record])
    assert read_prediction(database, record.prediction_id) == record


def test_odd_texts_deep_inside_json_come_back_too(database: Database) -> None:
    for text in ("null\x00byte", "lone \ud800", "\\u0000", "é 😀"):
        record = make_record(alternatives=[{"prdtypecode": 10, "label": text}])
        with database.write() as connection:
            insert_predictions(connection, [make_record(), record])
        assert read_prediction(database, record.prediction_id) == record


@pytest.mark.parametrize("text", ODD_TEXTS)
def test_any_text_survives_the_spool_line(text: str) -> None:
    record = make_record(designation=text, description=None)
    line = encode_line(record)
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert from_plain(to_plain(record)) == record
    feedback = make_feedback(record.prediction_id, note=text)
    assert from_plain(to_plain(feedback)) == feedback


def test_record_written_twice_is_one_row_and_the_first(database: Database) -> None:
    record = make_record()
    for values in (record, make_record(prediction_id=record.prediction_id, prdtypecode=10)):
        with database.write() as connection:
            insert_predictions(connection, [values, make_record()])
    assert read_prediction(database, record.prediction_id) == record
    with database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(predictions)).scalar() == 3


def test_moment_is_kept_whatever_zone_it_was_given_in(database: Database) -> None:
    moment = datetime(2026, 3, 29, 2, 30, 1, 123456, timezone(timedelta(hours=2)))
    record = make_record(created_at=moment)
    with database.write() as connection:
        insert_predictions(connection, [record])
    found = read_prediction(database, record.prediction_id)
    assert found is not None
    assert found.created_at == moment
    assert found.created_at.tzinfo == UTC


def test_answer_that_is_replayed_between_two_looks_is_found(
    database: Database, tmp_path: Path
) -> None:
    def apply(records: list[Record]) -> None:
        with database.write() as connection:
            insert_predictions(connection, predictions_of(records))

    class Replayed(Spool):
        """Goes into the database just before it is looked through."""

        def find(self, prediction_id: str) -> PredictionRecord | None:
            self.rotate()
            assert self.replay(apply) == 1
            found = super().find(prediction_id)
            assert found is None
            return found

    spool, record = Replayed(tmp_path / "spool"), make_record()
    spool.append([record])
    assert read_prediction(database, record.prediction_id) is None
    assert read_prediction(database, record.prediction_id, spool) == record


@pytest.mark.parametrize("asked", ["", "x", "' OR 1=1 --", "0" * 36, str(UUID(int=7)), "\x00"])
def test_id_that_is_none_finds_nothing(database: Database, asked: str) -> None:
    assert read_prediction(database, asked) is None


def test_ids_are_version_7_and_sort_in_the_order_they_were_made() -> None:
    ids = [new_prediction_id() for _ in range(20_000)]
    assert ids == sorted(set(ids))
    assert {(UUID(one).version, UUID(one).variant) for one in ids} == {(7, "specified in RFC 4122")}
    made = datetime.fromtimestamp((UUID(ids[0]).int >> 80) / 1000, UTC)
    assert abs(datetime.now(UTC) - made) < timedelta(seconds=60)
    assert is_prediction_id(ids[0])
    assert not is_prediction_id(ids[0].upper())


def test_row_of_a_real_answer_is_small(trained_project: tuple[ProjectPaths, TrainOutcome]) -> None:
    paths, _ = trained_project
    predictor = Predictor.load(paths.model)
    photo = next(iter(sorted((paths.raw / "images" / "image_train").iterdir()))).read_bytes()
    answer = predictor.predict([Product("Figurine Goku 15 cm", "Dragon Ball " * 10, photo)])[0]
    features = plain_features(answer.features)
    assert len(features["text_embedding"]) > 1
    assert len(features["image_embedding"]) > 1
    record = make_record(features=features, image_sha256="b" * 64)
    assert len(encode_line(record)) < 2000


def test_features_become_numbers_that_json_knows() -> None:
    plain = plain_features({"a": float("nan"), "b": [0.1235, float("inf")], "c": 3, "d": None})
    assert plain == {"a": None, "b": [0.1235, None], "c": 3, "d": None}
