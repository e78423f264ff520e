"""Records wait whole, are logged once by whoever comes first, and do not hold each other up."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml

from rakuten.errors import StorageError, TrackingError
from rakuten.models.model_directory import read_manifest, verify_files
from rakuten.settings import ProjectPaths, Settings
from rakuten.stages.train import TrainOutcome
from rakuten.tracking.mlflow_store import COMPLETE_TAG, MlflowStore
from rakuten.tracking.pending import PendingRun, pending_runs, remove_abandoned
from rakuten.tracking.runs import finalize_run, log_run, resume_runs
from tests.conftest import MountSmallDisk
from tests.servers.process import free_port
from tests.tracking.records import EXPERIMENT, keep_run, logged_runs, record

SETTINGS = Settings(mlflow_experiment_name=EXPERIMENT)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty embedded store: making one takes seconds."""
    root = tmp_path_factory.mktemp("database")
    MlflowStore(SETTINGS, root).recent(EXPERIMENT, 1)
    return root / "mlflow.db"


@pytest.fixture
def paths(
    tmp_path: Path, trained_project: tuple[ProjectPaths, TrainOutcome], database: Path
) -> ProjectPaths:
    """A project that holds a model and an empty store."""
    found = ProjectPaths(tmp_path / "project")
    shutil.copytree(trained_project[0].model, found.model)
    shutil.copy2(trained_project[0].params, found.params)
    shutil.copy2(database, found.root)
    return found


def grow_old(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (time.time() - 3600,) * 2)


def test_broken_and_refused_records_do_not_hold_up_the_others(paths: ProjectPaths) -> None:
    refused, broken = keep_run(paths, "refused"), keep_run(paths, "broken")
    good = [keep_run(paths, name).folder for name in ("first", "second")]
    (refused.folder / "model" / "manifest.json").unlink()
    (broken.folder / "record.json").write_text('{"experiment": ')
    foreign = paths.pending_runs / "foreign"
    foreign.mkdir()
    found: list[str] = []
    with pytest.raises(TrackingError, match="3 waiting runs could not be logged") as caught:
        resume_runs(paths, SETTINGS, logged=found.append)
    for folder in (refused.folder, broken.folder, foreign):
        assert str(folder) in caught.value.message
        assert folder.is_dir()
    assert not any(folder.exists() for folder in good)
    runs = logged_runs(paths, SETTINGS)
    assert [runs[name].info.run_id for name in ("first", "second")] == found


def test_absent_store_is_asked_for_one_record_alone(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for name in ("first", "second"):
        keep_run(paths, name)
    written: list[str] = []
    write = MlflowStore.write

    def counted(store: MlflowStore, pending: PendingRun) -> str:
        written.append(pending.record.run_name)
        return write(store, pending)

    monkeypatch.setattr(MlflowStore, "write", counted)
    away = Settings(mlflow_tracking_uri=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(TrackingError, match="failed"):
        resume_runs(paths, away)
    assert written == ["first"]
    assert len(pending_runs(paths.pending_runs)) == 2


def test_record_that_another_process_is_logging_is_left_to_it(paths: ProjectPaths) -> None:
    pending = keep_run(paths, "held")
    with pending.claimed() as ours:
        assert ours
        assert resume_runs(paths, SETTINGS) == []
        assert pending.folder.is_dir()
    assert len(resume_runs(paths, SETTINGS)) == 1
    with pending.claimed(wait=True) as ours:
        assert not ours
    assert list(paths.pending_runs.iterdir()) == []


def test_two_resumes_at_once_log_each_record_once(paths: ProjectPaths) -> None:
    for number in range(3):
        keep_run(paths, f"run {number}")
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(resume_runs, paths, SETTINGS) for _ in range(2)]
        ids = [run_id for done in both for run_id in done.result(timeout=60)]
    runs = logged_runs(paths, SETTINGS)
    assert sorted(ids) == sorted(run.info.run_id for run in runs.values())
    assert sorted(runs) == [f"run {number}" for number in range(3)]
    assert pending_runs(paths.pending_runs) == []


def test_record_of_a_killed_process_is_removed_after_a_while(paths: ProjectPaths) -> None:
    script = (
        "import os, signal; from pathlib import Path; from rakuten.tracking import pending\n"
        "def killed(*_): os.kill(os.getpid(), signal.SIGKILL)\n"
        "pending.write_json = killed\n"
        f"pending.keep(pending.RunRecord('e','r',{{}},{{}},{{}},{{}},{{}},{str(paths.model)!r}),"
        f" Path({str(paths.pending_runs)!r}))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = paths.pending_runs.iterdir()
    keep_run(paths, "next").discard()
    assert left.is_dir()  # it could be at work
    grow_old(left)
    assert resume_runs(paths, SETTINGS) == []
    assert not left.exists()


def test_locks_go_with_their_records(paths: ProjectPaths) -> None:
    pending = keep_run(paths, "waits")
    lock, stray = (paths.pending_runs / f".{name}.lock" for name in (pending.folder.name, "gone"))
    with pending.claimed():
        stray.touch()
    for path in (lock, stray):
        grow_old(path)
    remove_abandoned(paths.pending_runs)
    assert lock.exists()
    assert not stray.exists()


def test_full_disk_hands_the_run_to_the_store_at_once(
    paths: ProjectPaths, small_disk: MountSmallDisk, caplog: pytest.LogCaptureFixture
) -> None:
    small_disk(paths.pending_runs, "64k")
    logged = log_run(record(paths, "unkept"), paths, SETTINGS)
    assert logged.run_id == logged_runs(paths, SETTINGS)["unkept"].info.run_id
    assert "No space left" in caplog.text
    assert list(paths.pending_runs.iterdir()) == []


def test_full_disk_and_no_store_is_said_and_keeps_the_model(
    paths: ProjectPaths, small_disk: MountSmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    small_disk(paths.pending_runs, "64k")
    away = Settings(mlflow_tracking_uri=f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StorageError, match="No space left") as caught:
        log_run(record(paths, "lost"), paths, away)
    assert f"The model itself is whole: {paths.model}" in caught.value.message
    verify_files(paths.model, read_manifest(paths.model))
    assert list(paths.pending_runs.iterdir()) == []


def test_store_that_goes_away_at_the_end_of_a_run_costs_nothing(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise ConnectionError("gone")

    monkeypatch.setattr("mlflow.MlflowClient.set_terminated", away)
    logged = log_run(record(paths, "ended"), paths, SETTINGS)
    assert (logged.run_id, logged.reason.endswith("gone.")) == (None, True)
    monkeypatch.undo()
    (run_id,) = resume_runs(paths, SETTINGS)
    run = logged_runs(paths, SETTINGS)["ended"]
    assert (run.info.run_id, run.info.status) == (run_id, "FINISHED")
    assert run.data.tags[COMPLETE_TAG] == "true"


def test_tracking_uri_of_no_known_kind_lets_the_run_wait(paths: ProjectPaths) -> None:
    logged = log_run(record(paths, "odd"), paths, Settings(mlflow_tracking_uri="odd://place"))
    assert logged.run_id is None
    assert logged.waiting is not None
    assert logged.waiting.is_dir()


def test_finalize_passes_a_broken_record(paths: ProjectPaths) -> None:
    broken, pending = keep_run(paths, "broken"), keep_run(paths, "whole")
    (broken.folder / "record.json").write_text("[]")
    (paths.root / "dvc.lock").write_text(yaml.safe_dump({"stages": {}}))
    assert finalize_run(paths, SETTINGS).state == "waiting"
    assert (pending.folder / "artifacts" / "dvc.lock").is_file()
