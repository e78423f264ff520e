"""All that the store holds now and nothing else, the same bytes each time, whole or not at all."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rakuten.data.corrections import COLUMNS
from rakuten.errors import DatabaseAwayError, StorageError, StoreError
from rakuten.io import read_csv, sha256_file
from rakuten.stages.feedback import ExportOutcome, export_feedback
from rakuten.store.database import Database
from rakuten.store.feedback import put_feedback
from rakuten.store.media import FolderMedia
from rakuten.store.predictions import insert_predictions
from rakuten.store.records import FeedbackRecord, PredictionRecord, new_prediction_id
from rakuten.store.retention import erase
from rakuten.text import clean_text
from tests.conftest import MountSmallDisk
from tests.servers.process import free_port
from tests.store.material import make_feedback, make_record

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
JPEG = b"\xff\xd8 a photo"
PNG = b"\x89PNG another"


def keep(database: Database, *records: PredictionRecord | FeedbackRecord) -> None:
    """Write answers and feedback."""
    with database.write() as connection:
        insert_predictions(connection, [r for r in records if isinstance(r, PredictionRecord)])
        put_feedback(connection, [r for r in records if isinstance(r, FeedbackRecord)])


def corrected(database: Database, **changes: Any) -> PredictionRecord:
    """An answer of which somebody said that it is of type 1280."""
    record = make_record(**changes)
    keep(database, record, make_feedback(record.prediction_id, given_at=NOON))
    return record


def rows_of(folder: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = read_csv(folder / "corrections.csv").to_dict("records")
    return found


def content(folder: Path) -> dict[str, str]:
    """Every file of a folder, by its hash."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256_file(path) for path in files}


def test_a_row_holds_the_product_what_people_say_and_what_was_answered(
    database: Database, media: FolderMedia, folder: Path
) -> None:
    photo = media.put(JPEG)
    record = make_record(image_sha256=photo, confidence=0.1 + 0.2)
    said = [
        make_feedback(record.prediction_id, reviewer=name, prdtypecode=code, given_at=NOON)
        for name, code in (("anna", 1280), ("ben", 1280), ("cleo", 40))
    ]
    keep(database, record, *said)
    outcome = export_feedback(database, media, folder)
    assert rows_of(folder) == [
        {
            "prediction_id": record.prediction_id,
            "designation": "Figurine Goku 15 cm",
            "description": "<b>Dragon Ball</b> état neuf",
            "image": f"images/{photo}.jpg",
            "image_sha256": photo,
            "prdtypecode": "1280",
            "votes": "2",
            "reviewers": "3",
            "contested": "1",
            "given_at": "2026-11-26T12:00:00.000000+00:00",
            "answered_prdtypecode": "1140",
            "confidence": "0.30000000000000004",
            "decision": "review",
            "model_name": "rakuten-classifier",
            "model_version": "3",
            "model_sha256": "a" * 64,
        }
    ]
    assert (folder / "images" / f"{photo}.jpg").read_bytes() == JPEG
    nothing = {"erased": 0, "no_text": 0, "no_answer": 0}
    assert outcome == ExportOutcome(folder.resolve(), 1, nothing, 1, 1, 1, 0)
    text = (folder / "corrections.csv").read_text()
    assert not any(word in text for word in ("anna", "ben", "un jouet", "k1", "k2"))


def test_the_same_store_gives_the_same_bytes_in_whatever_database(
    database: Database, media: FolderMedia, folder: Path, tmp_path: Path
) -> None:
    photos = [media.put(JPEG), media.put(PNG), None]
    answers = [make_record(image_sha256=photos[n % 3], confidence=n / 7) for n in range(7)]
    said = [make_feedback(one.prediction_id, given_at=NOON) for one in answers]
    keep(database, *answers, *said)
    export_feedback(database, media, folder)
    first = content(folder)
    assert len(first) == 3
    export_feedback(database, media, folder)
    assert content(folder) == first
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    other.migrate()
    keep(other, *said[::-1], *answers[::-1])
    export_feedback(other, media, tmp_path / "elsewhere")
    assert content(tmp_path / "elsewhere") == first


def test_what_was_erased_is_gone_at_the_next_export_with_its_photo(
    database: Database, media: FolderMedia, folder: Path
) -> None:
    gone = corrected(database, image_sha256=media.put(JPEG))
    kept = corrected(database, image_sha256=media.put(PNG))
    assert export_feedback(database, media, folder).rows == 2
    erase(database, gone.prediction_id, media=media)
    outcome = export_feedback(database, media, folder)
    assert outcome.left_out["erased"] == 1
    assert [row["prediction_id"] for row in rows_of(folder)] == [kept.prediction_id]
    assert [path.suffix for path in (folder / "images").iterdir()] == [".png"]


def test_what_has_no_text_or_no_answer_is_left_out_and_counted(
    database: Database, media: FolderMedia, folder: Path
) -> None:
    corrected(database, designation=None, description=None)
    keep(database, make_feedback(new_prediction_id()), make_feedback(new_prediction_id()))
    corrected(database, designation="", description="", image_sha256=media.put(JPEG))
    outcome = export_feedback(database, media, folder)
    assert outcome.left_out == {"erased": 0, "no_text": 1, "no_answer": 2}
    assert outcome.rows == len(rows_of(folder)) == 1


@pytest.mark.parametrize("harm", ["gone", "altered"])
def test_a_row_whose_photo_is_not_to_be_had_goes_without(
    database: Database, media: FolderMedia, folder: Path, tmp_path: Path, harm: str
) -> None:
    photo = media.put(JPEG)
    corrected(database, image_sha256=photo)
    export_feedback(database, media, folder)
    path = tmp_path / "media" / photo[:2] / photo
    if harm == "gone":
        path.unlink()
    else:
        path.write_bytes(b"\xff\xd8 something else")
    outcome = export_feedback(database, media, folder)
    assert (outcome.photos, outcome.missing_photos) == (0, 1)
    assert [(row["image"], row["image_sha256"]) for row in rows_of(folder)] == [("", photo)]
    assert content(folder).keys() == {"corrections.csv"}


def test_a_photo_that_stays_is_the_same_file(
    database: Database, media: FolderMedia, folder: Path
) -> None:
    """DVC, which knows files by their inode, need not read it again."""
    photo = media.put(JPEG)
    for _ in range(3):
        corrected(database, image_sha256=photo)
    export_feedback(database, media, folder)
    path = folder / "images" / f"{photo}.jpg"
    before = path.stat().st_ino
    export_feedback(database, media, folder)
    assert path.stat().st_ino == before
    path.unlink()
    path.write_bytes(b"edited by hand")
    export_feedback(database, media, folder)
    assert path.read_bytes() == JPEG


@pytest.mark.parametrize(
    "text",
    [
        "NA",
        "null",
        'a "b", c\nd\re\tf',
        "ligne\r\nligne",
        "nul \x00 nul",
        "\ufeffa",
        "é ﬁ 🎲",
        "=1+1",
    ],
)
def test_texts_come_back_as_they_were(
    database: Database, media: FolderMedia, folder: Path, text: str
) -> None:
    corrected(database, designation=text, description=text)
    export_feedback(database, media, folder)
    [row] = rows_of(folder)
    assert (row["designation"], row["description"]) == (text, text)


def test_a_lone_surrogate_changes_nothing_that_the_model_sees(
    database: Database, media: FolderMedia, folder: Path
) -> None:
    title = "tab\ud800le \udcff BASSE"
    corrected(database, designation=title)
    export_feedback(database, media, folder)
    [row] = rows_of(folder)
    assert clean_text(row["designation"]) == clean_text(title) == "table basse"
    assert len(row["designation"]) == len(title)


def test_an_empty_store_gives_the_header_alone(
    database: Database, media: FolderMedia, folder: Path
) -> None:
    keep(database, make_record())
    assert export_feedback(database, media, folder).rows == 0
    header = ",".join(f'"{name}"' for name in COLUMNS) + "\n"
    assert (folder / "corrections.csv").read_text() == header
    assert content(folder).keys() == {"corrections.csv"}


def test_a_database_without_tables_is_no_empty_store(
    url: str, media: FolderMedia, folder: Path, tmp_path: Path
) -> None:
    new = Database(url)
    assert export_feedback(new, media, folder).rows == 0  # nobody ever served: nothing to lose
    full = Database(f"sqlite:///{tmp_path / 'full.db'}")
    full.migrate()
    corrected(full)
    export_feedback(full, media, folder)
    before = content(folder)
    with pytest.raises(StoreError, match="has no tables") as error:
        export_feedback(new, media, folder)
    assert "DATABASE_URL" in str(error.value.hint)
    assert content(folder) == before
    new.close()


@pytest.fixture
def exported(tmp_path: Path, media: FolderMedia, folder: Path) -> Iterator[Database]:
    """A store of which there is an export, and that has something new since."""
    made = Database(f"sqlite:///{tmp_path / 'store.db'}")
    made.migrate()
    corrected(made, image_sha256=media.put(JPEG))
    export_feedback(made, media, folder)
    for number in range(40):
        corrected(made, image_sha256=media.put(b"\xff\xd8" + bytes([number]) * 30_000))
    yield made
    made.close()


def test_a_store_that_is_away_leaves_the_old_export(
    exported: Database, media: FolderMedia, folder: Path
) -> None:
    assert exported.is_sqlite
    before = content(folder)
    away = Database(f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    with pytest.raises(DatabaseAwayError, match="did not answer"):
        export_feedback(away, media, folder)
    assert content(folder) == before
    assert [path.name for path in folder.parent.glob(".*.staged")] == []


def test_photos_that_cannot_be_asked_for_leave_the_old_export(
    exported: Database, media: FolderMedia, folder: Path
) -> None:
    class Away(FolderMedia):
        def get(self, sha256: str) -> bytes | None:
            if len(asked) == 20:
                raise StoreError(f"Photo {sha256}: nobody answered.")
            asked.append(sha256)
            return media.get(sha256)

    asked: list[str] = []
    before = content(folder)
    with pytest.raises(StoreError, match="nobody answered"):
        export_feedback(exported, Away(folder), folder)
    assert content(folder) == before


def test_a_full_disk_leaves_the_old_export(
    tmp_path: Path, media: FolderMedia, small_disk: MountSmallDisk
) -> None:
    small_disk(tmp_path / "small", "1m")
    folder = tmp_path / "small" / "data" / "feedback"
    made = Database(f"sqlite:///{tmp_path / 'store.db'}")
    made.migrate()
    corrected(made, image_sha256=media.put(JPEG))
    export_feedback(made, media, folder)
    before = content(folder)
    for number in range(40):
        corrected(made, image_sha256=media.put(b"\xff\xd8" + bytes([number]) * 30_000))
    with pytest.raises(StorageError, match="No space left") as error:
        export_feedback(made, media, folder)
    assert "free some disk space" in str(error.value.hint)
    assert content(folder) == before
    assert [path.name for path in folder.parent.glob(".*.staged")] == []


def test_an_export_killed_half_way_leaves_the_old_one_and_the_next_works(
    exported: Database, media: FolderMedia, folder: Path, tmp_path: Path
) -> None:
    before = content(folder)
    script = textwrap.dedent(f"""
        import time
        from pathlib import Path
        from rakuten.stages.feedback import export_feedback
        from rakuten.store.database import Database
        from rakuten.store.media import FolderMedia

        class Slow(FolderMedia):
            def get(self, sha256):
                time.sleep(0.1)
                return super().get(sha256)

        database = Database("sqlite:///{tmp_path / "store.db"}")
        export_feedback(database, Slow(Path("{tmp_path / "media"}")), Path("{folder}"))
    """)
    process = subprocess.Popen([sys.executable, "-c", script])
    staged = folder.with_name(".feedback.staged")
    deadline = time.monotonic() + 60
    while len(list(staged.glob("images/*"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert staged.exists()
    assert content(folder) == before
    assert export_feedback(exported, media, folder).rows == 41
    assert not staged.exists()


def test_of_two_exports_at_once_one_is_refused(
    exported: Database, media: FolderMedia, folder: Path
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    class Waiting(FolderMedia):
        def get(self, sha256: str) -> bytes | None:
            begun.set()
            go_on.wait(60)
            return media.get(sha256)

    done: list[ExportOutcome] = []
    first = threading.Thread(
        target=lambda: done.append(export_feedback(exported, Waiting(folder), folder))
    )
    first.start()
    try:
        assert begun.wait(60)
        with pytest.raises(StorageError, match="Another export is running"):
            export_feedback(exported, media, folder)
    finally:
        go_on.set()
        first.join()
    assert [outcome.rows for outcome in done] == [41]
    assert len(rows_of(folder)) == 41


def test_later_words_change_the_row_and_no_other(
    database: Database, media: FolderMedia, folder: Path
) -> None:
    one, other = corrected(database), corrected(database)
    export_feedback(database, media, folder)
    before = rows_of(folder)
    later = NOON + timedelta(hours=1)
    keep(database, make_feedback(one.prediction_id, prdtypecode=10, given_at=later))
    export_feedback(database, media, folder)
    first, second = rows_of(folder)
    assert (first["prdtypecode"], first["votes"]) == ("10", "1")
    assert second == before[1]
    assert second["prediction_id"] == other.prediction_id
