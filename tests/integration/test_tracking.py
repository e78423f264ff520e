"""Training runs on PostgreSQL and S3: whole, seen in the bucket, and never lost or doubled."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from rakuten.models.predictor import Predictor, Product
from rakuten.params import Params
from rakuten.settings import Settings
from rakuten.stages.track import track_training
from rakuten.tracking.pending import pending_runs
from rakuten.tracking.runs import Logged, resume_runs
from tests.integration.conftest import BUCKET, PREFIX, Project, away
from tests.servers.mlflow_server import TrackingServer, tracking_server
from tests.servers.object_store import ObjectStore
from tests.servers.postgres import Postgres

pytestmark = pytest.mark.servers

Copy = Callable[[str], Project]

_LOG = """
import sys
from pathlib import Path
from rakuten.io import read_json
from rakuten.params import load_params
from rakuten.models.model_directory import model_sha256
from rakuten.settings import ProjectPaths, load_settings
from rakuten.stages.track import track_training
from rakuten.stages.train import METRICS, TrainOutcome
paths = ProjectPaths(Path(sys.argv[1]))
metrics = read_json(paths.reports / METRICS)
outcome = TrainOutcome(metrics, model_sha256(paths.model), "split", paths.model)
params = load_params(paths.params)
print(track_training(outcome, paths, params, load_settings(), seconds=1.0).run_id)
"""


def settings_for(server: TrackingServer, experiment: str) -> Settings:
    return Settings(mlflow_tracking_uri=server.uri, mlflow_experiment_name=experiment)


def log(project: Project, params: Params, settings: Settings) -> Logged:
    return track_training(project[1], project[0], params, settings, seconds=1.0)


def runs_of(server: TrackingServer, experiment: str, *, deleted: bool = False) -> list[Any]:
    import mlflow
    from mlflow.entities import ViewType

    client = mlflow.MlflowClient(server.uri)
    found = client.get_experiment_by_name(experiment)
    view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
    return list(client.search_runs([found.experiment_id], run_view_type=view)) if found else []


def assert_one_complete_run(server: TrackingServer, experiment: str, run_id: str) -> None:
    (run,) = runs_of(server, experiment)
    assert run.info.run_id == run_id
    assert run.info.status == "FINISHED"
    assert run.data.tags["record_complete"] == "true"


def assert_answers_as_the_predictor(uri: str, run_id: str, project: Project) -> None:
    import mlflow
    import pandas as pd

    titles = ["Console de jeux portable", "Coussin décoratif en coton", "Piscine gonflable"]
    expected = Predictor.load(project[0].model).predict([Product(title) for title in titles])
    mlflow.set_tracking_uri(uri)
    model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
    answers = model.predict(pd.DataFrame({"designation": titles}))
    assert list(answers["prdtypecode"]) == [one.prdtypecode for one in expected]
    assert list(answers["confidence"]) == pytest.approx([one.confidence for one in expected])


@pytest.fixture(scope="module")
def tracked(
    server: TrackingServer, trained_project: Project, quick_params: Params
) -> tuple[Settings, str]:
    """One run on the shared server, logged by a client without any S3 setting."""
    settings = settings_for(server, "whole")
    logged = log(trained_project, quick_params, settings)
    assert logged.run_id is not None, logged.reason
    return settings, logged.run_id


def test_a_run_is_whole_in_the_database_and_its_files_are_in_the_bucket(
    server: TrackingServer,
    database: Postgres,
    store: ObjectStore,
    tracked: tuple[Settings, str],
    trained_project: Project,
) -> None:
    run_id = tracked[1]
    assert_one_complete_run(server, "whole", run_id)
    row = database.query("mlflow", f"select status from runs where run_uuid = '{run_id}'")  # noqa: S608
    assert row == ["FINISHED"]
    objects = store.objects(BUCKET)
    (key,) = [name for name in objects if name.endswith(f"/{run_id}/artifacts/params.yaml")]
    assert key.startswith(f"{PREFIX}/")
    body = store.client().get_object(Bucket=BUCKET, Key=key)["Body"].read()
    assert body == trained_project[0].params.read_bytes()
    kept = {Path(name).name: size for name, size in objects.items() if "/models/" in name}
    for file in trained_project[1].model.iterdir():
        assert kept[file.name] == file.stat().st_size


def test_the_model_loaded_back_answers_as_the_predictor(
    server: TrackingServer, tracked: tuple[Settings, str], trained_project: Project
) -> None:
    assert_answers_as_the_predictor(server.uri, tracked[1], trained_project)


def test_two_runs_logged_at_once_are_both_complete(
    server: TrackingServer, copy_project: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "at once")
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _LOG, str(copy_project(name)[0].root)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("first", "second")
    ]
    ids = {process.communicate(timeout=100)[0].strip() for process in started}
    assert [process.returncode for process in started] == [0, 0]
    runs = runs_of(server, "at once")
    assert {run.info.run_id for run in runs} == ids
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {run.data.tags["record_complete"] for run in runs} == {"true"}


@pytest.fixture(scope="module")
def direct_server(
    database: Postgres, store: ObjectStore, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TrackingServer]:
    """A server whose clients write to S3 themselves."""
    database.make_database("direct")
    with tracking_server(
        tmp_path_factory.mktemp("direct"),
        database.environment("direct"),
        f"s3://{BUCKET}/direct",
        store=store.environment,
        through_server=False,
    ) as running:
        yield running


def test_clients_with_keys_write_to_s3_themselves(
    direct_server: TrackingServer,
    store: ObjectStore,
    copy_project: Copy,
    quick_params: Params,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in store.environment.items():
        monkeypatch.setenv(name, value)
    project, settings = copy_project("direct"), settings_for(direct_server, "direct")
    logged = log(project, quick_params, settings)
    assert logged.run_id is not None, logged.reason
    assert_one_complete_run(direct_server, "direct", logged.run_id)
    (run,) = runs_of(direct_server, "direct")
    assert run.info.artifact_uri.startswith(f"s3://{BUCKET}/direct/")
    keys = [key for key in store.objects(BUCKET) if key.startswith("direct/")]
    assert [key for key in keys if logged.run_id in key]
    assert [key for key in keys if "/models/" in key]
    assert_answers_as_the_predictor(direct_server.uri, logged.run_id, project)


def test_a_client_without_keys_keeps_its_run(
    direct_server: TrackingServer, copy_project: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", direct_server.uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "no keys")
    paths = copy_project("no-keys")[0]
    done = subprocess.run(
        [sys.executable, "-c", _LOG, str(paths.root)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["None"]
    assert "Unable to locate credentials" in done.stderr
    assert len(pending_runs(paths.pending_runs)) == 1


def test_a_server_killed_between_parameters_and_model_loses_nothing(
    server: TrackingServer,
    store: ObjectStore,
    copy_project: Copy,
    quick_params: Params,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    project, settings = copy_project("killed"), settings_for(server, "killed")
    before = set(store.objects(BUCKET))
    killer = threading.Thread(target=_kill_at_first_file, args=(server, store, _files(store)))
    killer.start()
    try:
        logged = log(project, quick_params, settings)
    finally:
        killer.join()
        server.process.start()
    assert logged.run_id is None
    assert [run.folder for run in pending_runs(project[0].pending_runs)] == [logged.waiting]
    (half,) = runs_of(server, "killed")
    assert half.data.params
    assert "record_complete" not in half.data.tags
    assert not [key for key in set(store.objects(BUCKET)) - before if "/models/" in key]

    (run_id,) = resume_runs(project[0], settings)
    assert_one_complete_run(server, "killed", run_id)
    assert [run.info.run_id for run in runs_of(server, "killed", deleted=True)] == [
        half.info.run_id
    ]
    assert pending_runs(project[0].pending_runs) == []
    assert resume_runs(project[0], settings) == []


def _files(store: ObjectStore) -> int:
    return sum(len(names) for _, _, names in os.walk(store.folder))


def _kill_at_first_file(server: TrackingServer, store: ObjectStore, before: int) -> None:
    """The first file of a run comes after its parameters and before its model."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if _files(store) > before:
            break
        time.sleep(0.002)
    server.process.stop(signal.SIGKILL)


def test_a_run_waits_while_the_store_is_away(
    server: TrackingServer, store: ObjectStore, copy_project: Copy, quick_params: Params
) -> None:
    project, settings = copy_project("no-store"), settings_for(server, "no store")
    start = time.monotonic()
    with away(store.process):
        logged = log(project, quick_params, settings)
    assert time.monotonic() - start < 60
    assert logged.run_id is None
    (run_id,) = resume_runs(project[0], settings)
    assert_one_complete_run(server, "no store", run_id)


def test_a_run_waits_while_the_database_is_away_and_the_server_recovers(
    server: TrackingServer, database: Postgres, copy_project: Copy, quick_params: Params
) -> None:
    project, settings = copy_project("no-database"), settings_for(server, "no database")
    start = time.monotonic()
    with away(database.process):
        logged = log(project, quick_params, settings)
    assert time.monotonic() - start < 60
    assert logged.run_id is None
    (run_id,) = resume_runs(project[0], settings)
    assert_one_complete_run(server, "no database", run_id)
