"""Artifacts through a real tracking server, in a real store that refuses or goes away."""

import time
from collections.abc import Iterator

import pytest

from rakuten.settings import ProjectPaths, load_settings
from rakuten.stages.doctor import mlflow_server
from rakuten.stages.preflight import before_stage
from rakuten.tracking.pending import pending_runs
from tests.servers.object_store import ObjectStore
from tests.servers.process import free_port
from tests.servers.tracking_server import tracking_server
from tests.stages.doctor.conftest import error_xml, served
from tests.stages.preflight.conftest import BUCKET, Warned, changed, rakuten, refused


@pytest.fixture(scope="module")
def server(store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tracking server that keeps artifacts in the store."""
    folder = tmp_path_factory.mktemp("server")
    hosts = ("--allowed-hosts", "127.0.0.1:*")
    with tracking_server(folder, f"s3://{BUCKET}/artifacts", store.environment, *hosts) as uri:
        yield uri


@pytest.mark.servers
def test_healthy_server_takes_an_artifact_soon_and_keeps_nothing(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch, server: str, store: ObjectStore
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    before_stage("train", project, load_settings())
    before, start = store.objects(BUCKET), time.monotonic()
    before_stage("train", project, load_settings())
    assert time.monotonic() - start < 1.5
    assert store.objects(BUCKET) == before
    assert "rakuten-preflight" not in str(before)


@pytest.mark.servers
def test_bucket_that_the_servers_artifacts_need_is_missing(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch, server: str, store: ObjectStore
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    with changed(store, lambda: (store.folder / BUCKET).rename(store.folder / "elsewhere")):
        told = refused(project)
    with changed(store, lambda: (store.folder / "elsewhere").rename(store.folder / BUCKET)):
        before_stage("train", project, load_settings())
    assert f"{server} cannot write its artifacts" in told
    assert "bucket does not exist" in told
    assert "create the bucket" in told


@pytest.mark.servers
@pytest.mark.parametrize(
    ("keys", "said"),
    [("{key},changed", "UNAUTHENTICATED"), ("another,{secret}", "UNAUTHENTICATED")],
)
def test_keys_that_the_servers_artifact_store_refuses(
    project: ProjectPaths,
    monkeypatch: pytest.MonkeyPatch,
    server: str,
    store: ObjectStore,
    keys: str,
    said: str,
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    command = store.process.command
    place = command.index("--auth-key") + 1
    right = command[place]
    wrong = keys.format(key=store.key, secret=store.secret)
    with changed(store, lambda: command.__setitem__(place, wrong)):
        told = refused(project)
    with changed(store, lambda: command.__setitem__(place, right)):
        before_stage("train", project, load_settings())
    assert f"{server} cannot write its artifacts" in told
    assert said in told
    assert "AWS_* keys in the server's environment" in told


@pytest.mark.servers
def test_expired_token_of_the_server_stops_training(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch, server: str, store: ObjectStore
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    store.process.stop()
    respond = error_xml("ExpiredToken", 400, "The provided token has expired.")
    try:
        with served(respond, int(store.endpoint.rpartition(":")[2])):
            told = refused(project)
    finally:
        store.process.start()
    assert "The provided token has expired" in told


@pytest.mark.servers
def test_artifact_store_that_is_away_behind_the_server_is_a_warning(
    project: ProjectPaths,
    monkeypatch: pytest.MonkeyPatch,
    warned: Warned,
    server: str,
    store: ObjectStore,
) -> None:
    monkeypatch.setattr(mlflow_server, "_WRITE_SECONDS", 1)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    store.process.stop()
    try:
        before_stage("train", project, load_settings())
    finally:
        store.process.start()
    (warning,) = warned()
    assert server in warning
    assert "rakuten runs resume" in warning


@pytest.mark.servers
@pytest.mark.slow
def test_training_goes_on_without_a_server_and_its_run_is_logged_later(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    trained = rakuten(project, "train")
    assert trained.exit_code == 0, trained.output
    assert trained.stderr.index("refuses connections") < trained.stderr.index("text branch")
    assert project.model.is_dir()
    assert len(pending_runs(project.pending_runs)) == 1
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    resumed = rakuten(project, "runs", "resume")
    assert "logged 1 runs" in resumed.output, resumed.output
    assert pending_runs(project.pending_runs) == []


@pytest.mark.servers
def test_host_name_that_the_server_does_not_allow_stops_training(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch, server: str
) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server.replace("127.0.0.1", "localhost"))
    told = refused(project)
    assert "refuses this host name" in told
    assert "--allowed-hosts" in told
