"""A server that goes away at any moment of logging a run costs neither the run nor a copy of it."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from rakuten.settings import ProjectPaths, Settings
from rakuten.stages.train import TrainOutcome
from rakuten.tracking.mlflow_store import COMPLETE_TAG, MlflowStore
from rakuten.tracking.pending import pending_runs
from rakuten.tracking.runs import log_run, resume_runs
from tests.servers.relay import Relay, relay
from tests.servers.tracking_server import tracking_server
from tests.tracking.records import EXPERIMENT, logged_runs, record

pytestmark = [pytest.mark.servers, pytest.mark.slow]

CUTS = 6


@pytest.fixture
def paths(tmp_path: Path, trained_project: tuple[ProjectPaths, TrainOutcome]) -> ProjectPaths:
    found = ProjectPaths(tmp_path / "project")
    shutil.copytree(trained_project[0].model, found.model)
    shutil.copy2(trained_project[0].params, found.params)
    return found


@pytest.fixture
def fragile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """A tracking server behind a relay that can cut it off."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with (
        tracking_server(tmp_path, str(tmp_path / "artifacts")) as uri,
        relay(int(uri.rpartition(":")[2])) as between,
    ):
        yield between


def test_run_that_was_cut_off_anywhere_is_logged_once_and_whole(
    paths: ProjectPaths, fragile: Relay
) -> None:
    settings = Settings(mlflow_tracking_uri=fragile.uri, mlflow_experiment_name=EXPERIMENT)
    assert log_run(record(paths, "first"), paths, settings).run_id
    fragile.heard = 0
    assert log_run(record(paths, "whole"), paths, settings).run_id
    questions, waiting = fragile.heard, []
    for cut in range(1, questions, -(-questions // CUTS)):
        fragile.heard, fragile.patience = 0, cut
        logged = log_run(record(paths, f"cut at {cut} of {questions}"), paths, settings)
        assert logged.run_id is None
        waiting.append(logged.waiting)
        fragile.patience = None
    assert len(set(waiting)) == CUTS
    assert len(resume_runs(paths, settings)) == CUTS
    assert pending_runs(paths.pending_runs) == []
    client = MlflowStore(settings, paths.root)._client
    for run in logged_runs(paths, settings).values():
        assert (run.info.status, run.data.tags[COMPLETE_TAG]) == ("FINISHED", "true")
        assert run.data.metrics == {"f1": 0.5}
        files = {file.path for file in client.list_artifacts(run.info.run_id)}
        assert "params.yaml" in files
        assert len(run.outputs.model_outputs) == 1
