"""The commands of feedback: what they print, what they refuse, where they look."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rakuten.io import read_csv
from rakuten.store.database import Database
from rakuten.store.feedback import put_feedback
from rakuten.store.media import FolderMedia
from rakuten.store.predictions import insert_predictions
from rakuten.store.records import new_prediction_id
from tests.cli.conftest import Answer
from tests.servers.process import free_port
from tests.store.material import make_feedback, make_record

Run = Callable[..., Answer]


def fill(url: str, media: Path) -> None:
    """One corrected answer with a photo, one whose photo is gone, one without an answer."""
    database = Database(url)
    database.migrate()
    photo = FolderMedia(media).put(b"\xff\xd8 a photo")
    answers = [make_record(image_sha256=photo), make_record(image_sha256="b" * 64)]
    ids = [*(one.prediction_id for one in answers), new_prediction_id()]
    with database.write() as connection:
        insert_predictions(connection, answers)
        put_feedback(connection, [make_feedback(one, given_at=datetime.now(UTC)) for one in ids])
    database.close()


def test_export_says_what_it_did_and_what_is_next(rakuten: Run, tmp_path: Path) -> None:
    fill(f"sqlite:///{tmp_path / '.rakuten/predictions.db'}", tmp_path / ".rakuten/media")
    found = rakuten("--root", tmp_path, "feedback", "export")
    assert found.code == 0, found.err
    assert "2 corrected answers, 2 of them of another type" in found.out
    assert "next: make pipeline" in found.out
    assert "left out: 1 whose answer is not in the database (yet)" in found.err
    assert "photos that the store no longer has: 1" in found.err
    assert len(read_csv(tmp_path / "data/feedback/corrections.csv")) == 2


def test_export_reads_the_store_and_the_photos_that_settings_name(
    rakuten: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'elsewhere.db'}"
    fill(url, tmp_path / "photos")
    root = tmp_path / "project"
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("RAKUTEN_SERVE_MEDIA", str(tmp_path / "photos"))
    assert rakuten("--root", root, "feedback", "export").code == 0
    assert len(list((root / "data/feedback/images").iterdir())) == 1
    monkeypatch.delenv("RAKUTEN_SERVE_MEDIA")
    rakuten("--root", root, "feedback", "export", "--media", tmp_path / "photos")
    assert len(list((root / "data/feedback/images").iterdir())) == 1


def test_a_store_that_is_away_is_one_clear_error(
    rakuten: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"postgresql://me:secret@127.0.0.1:{free_port()}/store")
    found = rakuten("--root", tmp_path, "feedback", "export")
    assert found.code == 1
    assert "did not answer" in found.err
    assert "check DATABASE_URL" in found.err
    assert "secret" not in found.err
    assert not (tmp_path / "data/feedback").exists()


def test_init_makes_a_table_without_rows_once(rakuten: Run, tmp_path: Path) -> None:
    assert "no corrections yet" in rakuten("--root", tmp_path, "feedback", "init").out
    assert "left as it is" in rakuten("--root", tmp_path, "feedback", "init").out
    assert len(read_csv(tmp_path / "data/feedback/corrections.csv")) == 0


def test_help_says_what_is_read_and_written(rakuten: Run) -> None:
    shown = rakuten("feedback", "export", "--help").out
    for word in ("DATABASE_URL", "RAKUTEN_SERVE_MEDIA", "data/feedback", "all or nothing"):
        assert word in shown
