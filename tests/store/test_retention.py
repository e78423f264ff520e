"""What is erased is gone: from the rows, the file, the spool, the photos."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest

from rakuten.errors import StoreError, UnknownPredictionError
from rakuten.store.database import Database
from rakuten.store.feedback import put_feedback, read_feedback
from rakuten.store.media import FolderMedia, Media
from rakuten.store.predictions import insert_predictions, read_prediction
from rakuten.store.records import PredictionRecord, new_prediction_id
from rakuten.store.retention import erase, expire, forget_erased
from rakuten.store.review import claim, claims_of, queue
from rakuten.store.spool import Spool
from rakuten.store.writer import Writer
from tests.store.material import make_feedback, make_record

NOW = datetime.now(UTC)
SECRET = "a-very-secret-title"


def add(database: Database, *records: PredictionRecord) -> None:
    """Write answers."""
    with database.write() as connection:
        insert_predictions(connection, records)


def read(database: Database, record: PredictionRecord) -> PredictionRecord:
    """An answer as it is now."""
    found = read_prediction(database, record.prediction_id)
    assert found is not None
    return found


def test_erased_answer_keeps_its_number_and_nothing_of_its_content(
    database: Database, tmp_path: Path
) -> None:
    media = FolderMedia(tmp_path / "photos")
    record = make_record(designation=SECRET, image_sha256=media.put(b"photo"))
    other = make_record()
    add(database, record, other)
    with database.write() as connection:
        put_feedback(connection, [make_feedback(record.prediction_id, note=SECRET)])
    claim(database, "anna", 9, 60)
    erase(database, record.prediction_id, media=media)
    found = read(database, record)
    assert found.erased_at is not None
    assert (found.designation, found.description, found.image_sha256) == (None, None, None)
    assert set(found.features) == {"prdtypecode", "confidence", "modalities", "image_status"}
    assert (found.prdtypecode, found.confidence) == (record.prdtypecode, record.confidence)
    assert [said.note for said in read_feedback(database, record.prediction_id)] == [""]
    assert media.get(str(record.image_sha256)) is None
    assert [c.prediction_id for c in claims_of(database, "anna")] == [other.prediction_id]
    assert record.prediction_id not in str(queue(database, 10, reviewer="anna"))
    assert read(database, other) == other


def test_erased_text_is_nowhere_in_the_file(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'predictions.db'}")
    database.migrate()
    record = make_record(designation=SECRET, description=SECRET * 3000)
    add(database, *[make_record() for _ in range(20)], record, make_record())
    assert SECRET.encode() in _content(tmp_path)
    erase(database, record.prediction_id)
    assert SECRET.encode() not in _content(tmp_path)


def test_photo_that_another_answer_has_stays(database: Database, tmp_path: Path) -> None:
    media = FolderMedia(tmp_path / "photos")
    sha = media.put(b"photo")
    one, other = make_record(image_sha256=sha), make_record(image_sha256=sha)
    add(database, one, other)
    erase(database, one.prediction_id, media=media)
    assert media.get(sha) == b"photo"
    erase(database, other.prediction_id, media=media)
    assert media.get(sha) is None


def test_photo_of_an_answer_that_still_waits_stays(database: Database, tmp_path: Path) -> None:
    media, spool = FolderMedia(tmp_path / "photos"), Spool(tmp_path / "spool")
    sha = media.put(b"photo")
    one, waiting = make_record(image_sha256=sha), make_record(image_sha256=sha)
    add(database, one)
    spool.append([waiting])
    erase(database, one.prediction_id, media=media, spool=spool)
    assert media.get(sha) == b"photo"


def test_answer_that_waits_in_the_spool_is_erased_there_and_never_comes_back(
    database: Database, tmp_path: Path
) -> None:
    media, folder = FolderMedia(tmp_path / "photos"), tmp_path / "spool"
    spool = Spool(folder)
    record = make_record(designation=SECRET, image_sha256=media.put(b"photo"))
    spool.append([make_record(), record, make_feedback(record.prediction_id, note=SECRET)])
    erase(database, record.prediction_id, media=media, spool=spool)
    assert SECRET not in "".join(path.read_text() for path in folder.iterdir())
    assert media.get(str(record.image_sha256)) is None
    _replay(database, spool)
    assert read(database, record).erased_at is not None
    assert read(database, record).designation is None


def test_copy_that_another_process_holds_gets_in_without_its_content(
    database: Database, tmp_path: Path
) -> None:
    neighbour, ours = Spool(tmp_path / "spool"), Spool(tmp_path / "spool")
    record = make_record(designation=SECRET)
    neighbour.append([record, make_feedback(record.prediction_id, note=SECRET)])
    erase(database, record.prediction_id, spool=ours)
    _replay(database, neighbour)
    assert read(database, record).designation is None
    assert read(database, record).erased_at is not None
    assert [said.note for said in read_feedback(database, record.prediction_id)] == [""]


@pytest.mark.servers
def test_erasure_at_the_very_moment_of_a_replay_wins(
    make_postgres: Callable[[], str],
) -> None:
    database = Database(make_postgres())
    database.migrate()
    record = make_record(designation=SECRET)
    add(database, record)
    copy = replace(record, prediction_id=new_prediction_id())
    with database.write() as connection:  # a replay that has looked, and is not over
        insert_predictions(connection, [copy])
        forget_erased(connection, [copy.prediction_id])
        spool = _Finding(copy)
        thread = threading.Thread(
            target=erase, args=(database, copy.prediction_id), kwargs={"spool": spool}
        )
        thread.start()
        time.sleep(0.5)
        assert thread.is_alive()
    thread.join()
    assert read(database, copy).designation is None
    database.close()


def test_unknown_answer_cannot_be_erased(database: Database, tmp_path: Path) -> None:
    for unknown in (new_prediction_id(), "x"):
        with pytest.raises(UnknownPredictionError):
            erase(database, unknown, spool=Spool(tmp_path / "spool"))


def test_photo_that_could_not_be_removed_is_removed_when_asked_again(
    database: Database, tmp_path: Path
) -> None:
    media = FolderMedia(tmp_path / "photos")
    record = make_record(image_sha256=media.put(b"photo"))
    add(database, record)
    with pytest.raises(StoreError, match="away"):
        erase(database, record.prediction_id, media=cast(Media, _Away(media)))
    assert read(database, record).designation is None
    erase(database, record.prediction_id, media=media)
    assert media.get(str(record.image_sha256)) is None
    erase(database, record.prediction_id, media=media)  # any number of times


def test_age_ends_content_in_any_number(database: Database, tmp_path: Path) -> None:
    media, spool = FolderMedia(tmp_path / "photos"), Spool(tmp_path / "spool")
    shared, alone = media.put(b"shared"), media.put(b"alone")
    old = [
        make_record(created_at=NOW - timedelta(days=400), designation=SECRET) for _ in range(1100)
    ]
    for sha in (shared, alone):
        old.append(make_record(created_at=old[0].created_at, image_sha256=sha))
    new = make_record(image_sha256=shared)
    add(database, *old, new)
    cutoff = NOW - timedelta(days=365)
    assert expire(database, cutoff, media=media, spool=spool) == len(old)
    assert read(database, old[0]).erased_at is not None
    assert read(database, old[-1]).image_sha256 is None
    assert read(database, new) == new
    assert media.get(shared) == b"shared"
    assert media.get(alone) is None
    assert expire(database, cutoff, media=media, spool=spool) == 0


def _content(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


class _Away:
    """A place that can be read, and does not delete now."""

    def __init__(self, media: Media) -> None:
        self.get = media.get

    def delete(self, sha256: str) -> None:
        raise StoreError(f"{sha256} is away")


class _Finding(Spool):
    """A spool of another process that the answer lay in a moment ago."""

    def __init__(self, record: PredictionRecord) -> None:
        self._record = record

    def find(self, prediction_id: str) -> PredictionRecord | None:
        return self._record if prediction_id == self._record.prediction_id else None

    def rewrite(self, *_: object) -> int:
        return 0


def _replay(database: Database, spool: Spool) -> None:
    spool.rotate()
    writer = Writer(database, spool)
    writer.start()
    end = time.monotonic() + 20
    while spool.waiting and time.monotonic() < end:
        time.sleep(0.02)
    writer.stop(10)
    assert spool.waiting == 0
