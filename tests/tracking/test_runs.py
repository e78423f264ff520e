"""Runs on the embedded store and on a server: everything logged, nothing lost, nothing twice."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rakuten.errors import TrackingError
from rakuten.io import sha256_file
from rakuten.models.model_directory import model_sha256
from rakuten.params import Params
from rakuten.settings import ProjectPaths, Settings, load_settings
from rakuten.stages.track import track_training
from rakuten.stages.train import TrainOutcome
from rakuten.tracking.mlflow_store import MlflowStore
from rakuten.tracking.pending import pending_runs
from rakuten.tracking.runs import finalize_run, resume_runs
from tests.conftest import REPOSITORY

Trained = tuple[ProjectPaths, TrainOutcome]


def _git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def repository(trained_project: Trained, tmp_path_factory: pytest.TempPathFactory) -> ProjectPaths:
    """A trained project inside a git repository, with a lock file and one uncommitted change."""
    root = tmp_path_factory.mktemp("repository") / "project"
    shutil.copytree(trained_project[0].root, root)
    shutil.copy2(REPOSITORY / "dvc.yaml", root)
    shutil.copy2(REPOSITORY / ".gitignore", root)
    (root / "notes.txt").write_text("first\n")
    _git(root, "init", "-q", "-b", "trunk")
    _git(root, "add", "-A")
    _git(root, "commit", "-qm", "first")
    (root / "notes.txt").write_text("second\n")
    lock = {"stages": {"train": {"outs": [{"path": "models/classifier", "md5": "abc.dir"}]}}}
    (root / "dvc.lock").write_text(yaml.safe_dump(lock))
    return ProjectPaths(root)


def _outcome(trained: Trained, paths: ProjectPaths) -> TrainOutcome:
    _, found = trained
    return TrainOutcome(found.metrics, found.model_sha256, found.split_fingerprint, paths.model)


def _client(settings: Settings, paths: ProjectPaths) -> Any:
    import mlflow

    return mlflow.MlflowClient(settings.tracking_uri(paths.root))


@pytest.fixture(scope="module")
def tracked(
    repository: ProjectPaths, trained_project: Trained, quick_params: Params
) -> tuple[ProjectPaths, Settings, str]:
    """One run on the embedded store."""
    settings = Settings(mlflow_experiment_name="embedded")
    outcome = _outcome(trained_project, repository)
    logged = track_training(outcome, repository, quick_params, settings, seconds=1.5)
    assert logged.run_id is not None
    return repository, settings, logged.run_id


def test_a_run_holds_its_params_scores_and_lineage(
    tracked: tuple[ProjectPaths, Settings, str], trained_project: Trained
) -> None:
    paths, settings, run_id = tracked
    run = _client(settings, paths).get_run(run_id)
    held_out = trained_project[1].metrics["held_out"]
    assert run.data.params["train.text.hash_bits"] == "14"
    assert run.data.metrics["held_out.weighted_f1"] == pytest.approx(held_out["weighted_f1"])
    assert run.data.metrics["train_seconds"] == 1.5
    tags = run.data.tags
    assert tags["git_commit"] == _git(paths.root, "rev-parse", "HEAD")
    assert tags["git_branch"] == "trunk"
    assert tags["git_dirty"] == "true"
    assert tags["model_sha256"] == model_sha256(paths.model)
    assert tags["input_sha256.X_train.csv"] == sha256_file(paths.raw / "X_train.csv")
    assert tags["split_fingerprint"] == trained_project[1].split_fingerprint
    inputs = run.inputs.dataset_inputs
    assert [entry.dataset.name for entry in inputs] == ["training rows"]


def test_a_run_holds_the_named_artifacts(tracked: tuple[ProjectPaths, Settings, str]) -> None:
    paths, settings, run_id = tracked
    client = _client(settings, paths)
    top = {entry.path for entry in client.list_artifacts(run_id)}
    assert {"dvc.yaml", "params.yaml", "metrics.json", "vectoriser", "plots"} <= top
    plots = {entry.path for entry in client.list_artifacts(run_id, "plots")}
    assert plots == {
        f"plots/{n}" for n in ("per_class.csv", "confusion.csv", "confusion_matrix.png")
    }
    patch = Path(client.download_artifacts(run_id, "uncommitted.patch")).read_text()
    assert "+second" in patch


def test_a_changed_lock_file_is_not_dirty_and_untracked_code_is(tmp_path: Path) -> None:
    from rakuten.tracking.lineage import git_state

    root = tmp_path / "clean"
    root.mkdir()
    (root / "dvc.lock").write_text("a: 1\n")
    _git(root, "init", "-q")
    _git(root, "add", "-A")
    _git(root, "commit", "-qm", "first")
    (root / "dvc.lock").write_text("a: 2\n")
    assert git_state(root, Settings()).dirty is False
    (root / "notes.txt").touch()
    assert git_state(root, Settings()).dirty is False
    (root / "src").mkdir()
    (root / "src/untracked.py").touch()
    assert git_state(root, Settings()).dirty is True


def test_without_git_the_commit_comes_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rakuten.tracking.lineage import git_state

    assert git_state(tmp_path, Settings()).tags() == {
        "git_commit": "unknown",
        "git_branch": "unknown",
        "git_dirty": "unknown",
    }
    monkeypatch.setenv("GIT_COMMIT", "cafe")
    assert git_state(tmp_path, load_settings()).commit == "cafe"


def test_finalize_attaches_the_lock_once(tracked: tuple[ProjectPaths, Settings, str]) -> None:
    paths, settings, run_id = tracked
    assert finalize_run(paths, settings).state == "attached"
    assert finalize_run(paths, settings).state == "unchanged"
    client = _client(settings, paths)
    outputs = json.loads(
        Path(client.download_artifacts(run_id, "pipeline_outputs.json")).read_text()
    )
    assert outputs == {"train": {"models/classifier": "abc.dir"}}
    tags = client.get_run(run_id).data.tags
    assert tags["dvc_lock_sha256"] == sha256_file(paths.root / "dvc.lock")
    assert tags["predictions_sha256"] == sha256_file(paths.predictions)


def test_finalize_says_when_no_run_made_the_model(repository: ProjectPaths) -> None:
    settings = Settings(mlflow_experiment_name="never-used")
    assert finalize_run(repository, settings).state == "no_run"


def test_writing_a_record_twice_makes_one_run(
    tracked: tuple[ProjectPaths, Settings, str],
    trained_project: Trained,
    quick_params: Params,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The process dies after the run is complete but before its record is removed."""
    from rakuten.tracking import pending

    paths, _, _ = tracked
    settings = Settings(mlflow_experiment_name="twice")
    monkeypatch.setattr(pending.PendingRun, "discard", lambda _: None)
    outcome = _outcome(trained_project, paths)
    first = track_training(outcome, paths, quick_params, settings, seconds=1.0)
    again = resume_runs(paths, settings)
    monkeypatch.undo()
    assert again == [first.run_id]
    assert resume_runs(paths, settings) == [first.run_id]
    assert pending_runs(paths.pending_runs) == []


def test_a_half_written_run_is_replaced_on_resume(
    tracked: tuple[ProjectPaths, Settings, str],
    trained_project: Trained,
    quick_params: Params,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    paths, _, _ = tracked
    settings = Settings(mlflow_experiment_name="halved")

    def dies(*_: object) -> None:
        raise OSError("killed")

    monkeypatch.setattr("rakuten.tracking.mlflow_store._dataset", dies)
    outcome = _outcome(trained_project, paths)
    logged = track_training(outcome, paths, quick_params, settings, seconds=1.0)
    assert logged.run_id is None
    assert "killed" in logged.reason
    monkeypatch.undo()
    (run_id,) = resume_runs(paths, settings)
    active = MlflowStore(settings, paths.root).recent("halved", 10)
    assert [run.info.run_id for run in active] == [run_id]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[[int], None]]:
    """Start a real MLflow server on a port of the loopback address."""
    running: list[subprocess.Popen[bytes]] = []

    def start(port: int) -> None:
        command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1"]
        command += ["--port", str(port), "--workers", "1"]
        command += ["--backend-store-uri", f"sqlite:///{tmp_path / 'server.db'}"]
        command += ["--artifacts-destination", str(tmp_path / "server-artifacts")]
        environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        log = (tmp_path / "server.log").open("wb")
        running.append(
            subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        )
        for _ in range(600):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        raise AssertionError((tmp_path / "server.log").read_text())

    yield start
    for process in running:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=20)


@pytest.mark.slow
def test_a_run_waits_while_the_server_is_away_and_is_logged_later(
    repository: ProjectPaths,
    trained_project: Trained,
    quick_params: Params,
    start_server: Callable[[int], None],
) -> None:
    port = _free_port()
    settings = Settings(
        mlflow_tracking_uri=f"http://127.0.0.1:{port}", mlflow_experiment_name="remote"
    )
    outcome = _outcome(trained_project, repository)
    start = time.monotonic()
    logged = track_training(outcome, repository, quick_params, settings, seconds=1.0)
    assert time.monotonic() - start < 60
    assert logged.run_id is None
    assert logged.waiting is not None
    assert finalize_run(repository, settings).state == "waiting"
    with pytest.raises(TrackingError, match="runs resume"):
        resume_runs(repository, settings)
    assert len(pending_runs(repository.pending_runs)) == 1

    start_server(port)
    (run_id,) = resume_runs(repository, settings)
    assert pending_runs(repository.pending_runs) == []
    client = _client(settings, repository)
    run = client.get_run(run_id)
    assert run.data.tags["model_sha256"] == outcome.model_sha256
    assert run.data.tags["dvc_lock_sha256"] == sha256_file(repository.root / "dvc.lock")
    assert "dvc.lock" in {entry.path for entry in client.list_artifacts(run_id)}
