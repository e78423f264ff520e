"""What the commands print when all is well."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rakuten import __version__
from rakuten.params import Params
from rakuten.settings import ProjectPaths, Settings
from rakuten.stages.track import track_training
from rakuten.stages.train import TrainOutcome
from tests.cli.conftest import Answer

Run = Callable[..., Answer]


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    log = logging.getLogger("rakuten")
    handlers, level, propagate = log.handlers[:], log.level, log.propagate
    yield
    log.handlers[:], log.propagate = handlers, propagate
    log.setLevel(level)


def test_the_version(rakuten: Run) -> None:
    assert rakuten("--version").out.strip() == f"rakuten-classifier {__version__}"


def test_summary_shows_scores_and_says_that_a_sample_proves_nothing(
    rakuten: Run, trained_project: tuple[ProjectPaths, TrainOutcome]
) -> None:
    paths, outcome = trained_project
    shown = rakuten("--root", paths.root, "summary").out
    assert f"{outcome.metrics['held_out']['weighted_f1']:.4f}" in shown
    assert "only show that it works" in shown
    assert str(paths.predictions) in shown


def test_runs_list_shows_whole_run_ids(
    rakuten: Run,
    trained_project: tuple[ProjectPaths, TrainOutcome],
    quick_params: Params,
    tmp_path: Path,
) -> None:
    shutil.copytree(trained_project[0].root, tmp_path, dirs_exist_ok=True)
    logged = track_training(
        trained_project[1], ProjectPaths(tmp_path), quick_params, Settings(), seconds=1.0
    )
    assert str(logged.run_id) in rakuten("--root", tmp_path, "runs", "list").out
    assert "no run is waiting" in rakuten("--root", tmp_path, "runs", "resume").out


def test_sample_import_and_ingest_say_what_they_did(rakuten: Run, tmp_path: Path) -> None:
    source = tmp_path / "elsewhere"
    made = rakuten("--root", tmp_path, "sample", "--rows", 60, "--out", source)
    assert "54 training and 6 test products" in made.out
    (source / "sample.json").unlink()
    brought = rakuten("--root", tmp_path, "data", "import", source)
    assert brought.code == 0, brought.err
    assert "54 training and 6 test products of 27 types" in brought.out
    assert "have no photo file" in brought.err
    ingested = rakuten("--root", tmp_path, "ingest")
    assert "of 54 rows accepted, 27 product types" in ingested.out
    again = rakuten("--root", tmp_path, "sample", "--if-empty")
    assert "left as it is" in again.out
    refused = rakuten("--root", tmp_path, "sample")
    assert refused.code == 1
    assert "--out" in refused.err


def test_logs_are_json_lines_when_asked(
    rakuten: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rakuten("--root", tmp_path, "sample", "--rows", 60)
    monkeypatch.setenv("LOG_FORMAT", "json")
    err = rakuten("--root", tmp_path, "ingest").err
    events = [json.loads(line) for line in err.splitlines() if line.startswith("{")]
    assert {"level": "warning", "logger": "rakuten.stages.ingest"}.items() <= events[0].items()


def test_a_setting_that_cannot_be_used_is_named(
    rakuten: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rakuten("--root", tmp_path, "sample", "--rows", 60)
    monkeypatch.setenv("RAKUTEN_THREADS", "many")
    refused = rakuten("--root", tmp_path, "ingest")
    assert refused.code == 2
    assert "RAKUTEN_THREADS" in refused.err


def test_the_challenges_own_files_dropped_into_data_raw_get_their_names(
    rakuten: Run, tmp_path: Path
) -> None:
    raw = tmp_path / "data/raw"
    rakuten("--root", tmp_path, "sample", "--rows", 60)
    (raw / "sample.json").unlink()
    (raw / "X_train.csv").rename(raw / "X_train_update.csv")
    (raw / "Y_train.csv").rename(raw / "Y_train_CVw08PX.csv")
    (raw / "X_test.csv").rename(raw / "X_test_update.csv")
    assert "rakuten data import" in rakuten("--root", tmp_path, "ingest").err
    assert rakuten("--root", tmp_path, "data", "import", raw).code == 0
    assert rakuten("--root", tmp_path, "ingest").code == 0
