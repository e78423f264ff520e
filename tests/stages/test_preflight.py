"""A stage that could not write its results says so before it works; silence lets it go on."""

import json
import logging
import os
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from rakuten.cli.app import app
from rakuten.errors import PreflightError
from rakuten.params import Params
from rakuten.settings import ProjectPaths, load_settings
from rakuten.stages.doctor import mlflow_server
from rakuten.stages.preflight import before_stage, disk, run
from rakuten.stages.train import TrainOutcome
from rakuten.tracking.pending import pending_runs
from tests.conftest import REPOSITORY, MountSmallDisk
from tests.servers.object_store import ObjectStore, object_store
from tests.servers.process import free_port
from tests.servers.tracking_server import tracking_server
from tests.stages.doctor.conftest import Respond, error_xml, hang, mlflow_like, served, use_remote

Trained = tuple[ProjectPaths, TrainOutcome]
BUCKET = "runs"


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    log = logging.getLogger("rakuten")
    handlers, level, propagate = log.handlers[:], log.level, log.propagate
    yield
    log.handlers[:], log.propagate = handlers, propagate
    log.setLevel(level)


@pytest.fixture
def project(
    trained_project: Trained,
    quick_params: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> ProjectPaths:
    """A project whose features are made and that has no model yet."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    root, source = tmp_path / "project", trained_project[0]
    for name in ("raw", "interim", "processed"):
        shutil.copytree(source.root / "data" / name, root / "data" / name, copy_function=os.link)
    paths = ProjectPaths(root)
    paths.predictions.unlink()
    (paths.processed / "heldout.csv").unlink()
    paths.params.write_text(yaml.safe_dump(quick_params.model_dump(mode="json")))
    return paths


def rakuten(paths: ProjectPaths, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--root", str(paths.root), *arguments])


def state(paths: ProjectPaths) -> dict[Path, float]:
    """Every file of a project that a stage could have written, with its age."""
    files = (path for path in paths.root.rglob("*") if path.is_file())
    return {path: path.stat().st_mtime for path in files if path.suffix != ".lock"}


def refused(paths: ProjectPaths, stage: str = "train") -> str:
    """What the command says that refuses to start a stage; it has not written anything."""
    before = state(paths)
    start = time.monotonic()
    answer = rakuten(paths, stage)
    assert time.monotonic() - start < 15
    assert isinstance(answer.exception, PreflightError), answer.output
    assert answer.exception.hint
    assert state(paths) == before
    assert answer.stdout == ""
    assert answer.exception.message.startswith(f"{stage} was not started: ")
    return str(answer.exception)


def use_s3_directly(monkeypatch: pytest.MonkeyPatch, store: ObjectStore, **changed: str) -> None:
    for name, value in {**store.environment, **changed}.items():
        monkeypatch.setenv(name, value)


@contextmanager
def changed(store: ObjectStore, change: Callable[[], object]) -> Iterator[None]:
    """The store after it was away for a change."""
    store.process.stop()
    try:
        change()
    finally:
        store.process.start()
    yield


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    with object_store(tmp_path_factory.mktemp("store")) as running:
        running.make_bucket(BUCKET)
        yield running


@pytest.fixture(scope="module")
def server(store: ObjectStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A tracking server that keeps artifacts in the store."""
    folder = tmp_path_factory.mktemp("server")
    with tracking_server(folder, f"s3://{BUCKET}/artifacts", store.environment) as uri:
        yield uri


# --- the tracking server --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("respond", "said"),
    [
        (lambda _: (401, ""), "asks for credentials (401)"),
        (lambda _: (403, ""), "asks for credentials (403)"),
        (lambda _: (403, "Invalid Host header - possible attack"), "refuses this host name"),
        (lambda _: (404, "<html>"), "not an MLflow server"),
        (mlflow_like("mlflow-artifacts:/1", "deleted"), "experiment is deleted"),
        (mlflow_like("file:///dev/null/1"), "/dev/null/1 is not writable"),
    ],
)
def test_server_that_refuses_stops_training_before_it_starts(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch, respond: Respond, said: str
) -> None:
    with served(respond) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert said in refused(project)


def test_wrong_password_is_told_from_an_absent_one(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
    with served(lambda _: (401, "")) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        told = refused(project)
    assert "refuses the credentials" in told
    assert "hunter2" not in told


def test_credentials_that_mlflow_keeps_for_a_user_are_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    kept = tmp_path / "home" / ".mlflow" / "credentials"
    kept.parent.mkdir(parents=True)
    kept.write_text("[mlflow]\nmlflow_tracking_username = me\nmlflow_tracking_password = 100%\n")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "other")
    assert mlflow_server._identity()["auth"] == ("me", "100%")
    assert mlflow_server._identity()["headers"] == {}


@pytest.mark.parametrize("respond", [None, hang, lambda _: (503, "")])
def test_server_that_is_away_is_a_warning(
    project: ProjectPaths,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    respond: Respond | None,
) -> None:
    monkeypatch.setattr(mlflow_server, "ANSWER_SECONDS", 0.5)
    logging.getLogger("rakuten").propagate = True
    asked: list[str] = []

    def answer(path: str) -> tuple[int, str]:
        asked.append(path)
        return (respond or hang)(path)

    with served(answer) as uri:
        address = uri if respond else f"http://127.0.0.1:{free_port()}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        before_stage("train", project, load_settings())
    (warning,) = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert address in warning
    assert "rakuten runs resume" in warning
    assert len(asked) <= 2  # a failure is asked about twice, never more


def test_server_that_comes_back_at_once_is_no_warning(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logging.getLogger("rakuten").propagate = True
    asked: list[str] = []
    healthy = mlflow_like(str(project.root / "artifacts"))

    def respond(path: str) -> tuple[int, str]:
        asked.append(path)
        return healthy(path) if len(asked) > 1 else (502, "")

    with served(respond) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        before_stage("train", project, load_settings())
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


def test_server_that_serves_no_artifacts_although_the_experiment_needs_it(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    healthy = mlflow_like("mlflow-artifacts:/7")

    def respond(path: str) -> tuple[int, str]:
        if "mlflow-artifacts/artifacts" in path:
            return 503, json.dumps({"detail": "Artifact serving is disabled. `--serve-artifacts`"})
        return healthy(path)

    with served(respond) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        assert "without serving artifacts" in refused(project)


@pytest.mark.servers
@pytest.mark.slow
def test_training_goes_on_without_the_server_and_its_run_is_logged_later(
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


# --- artifacts through the server -----------------------------------------------------------


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
    caplog: pytest.LogCaptureFixture,
    server: str,
    store: ObjectStore,
) -> None:
    logging.getLogger("rakuten").propagate = True
    monkeypatch.setattr(mlflow_server, "_WRITE_SECONDS", 1)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    store.process.stop()
    try:
        before_stage("train", project, load_settings())
    finally:
        store.process.start()
    assert server in caplog.text
    assert "rakuten runs resume" in caplog.text


# --- artifacts written to S3 by this machine --------------------------------------------------


@pytest.mark.servers
@pytest.mark.parametrize(
    ("bucket", "changed", "said"),
    [
        ("absent", {}, "has no such bucket"),
        (BUCKET, {"AWS_SECRET_ACCESS_KEY": "wrong-secret"}, "refuses the secret key"),
        (BUCKET, {"AWS_ACCESS_KEY_ID": "unknown"}, "does not know the access key id"),
        (BUCKET, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "no S3 credentials"),
    ],
)
def test_store_that_refuses_stops_training_before_it_starts(
    project: ProjectPaths,
    monkeypatch: pytest.MonkeyPatch,
    store: ObjectStore,
    bucket: str,
    changed: dict[str, str],
    said: str,
) -> None:
    use_s3_directly(monkeypatch, store, **changed)
    with served(mlflow_like(f"s3://{bucket}/artifacts/3")) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        told = refused(project)
    assert said in told
    assert "wrong-secret" not in told


@pytest.mark.servers
def test_store_that_takes_an_object_keeps_nothing(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch, store: ObjectStore
) -> None:
    use_s3_directly(monkeypatch, store)
    before = store.objects(BUCKET)
    with served(mlflow_like(f"s3://{BUCKET}/artifacts/3")) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        before_stage("train", project, load_settings())
        seen = rakuten(project, "preflight", "--json")
    (found,) = [check for check in json.loads(seen.stdout) if check["name"] == "s3"]
    assert "takes objects" in found["detail"]
    assert store.objects(BUCKET) == before


@pytest.mark.servers
def test_store_that_is_away_is_a_warning(
    project: ProjectPaths,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    store: ObjectStore,
) -> None:
    logging.getLogger("rakuten").propagate = True
    use_s3_directly(monkeypatch, store, AWS_ENDPOINT_URL=f"http://127.0.0.1:{free_port()}")
    with served(mlflow_like(f"s3://{BUCKET}/artifacts/3")) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        before_stage("train", project, load_settings())
    assert "rakuten runs resume" in caplog.text


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("ExpiredToken", 400, "session token has expired"),
        ("AccessDenied", 403, "refuses these credentials"),
        ("SlowDown", 503, None),
    ],
)
def test_answer_of_s3_is_a_refusal_or_a_warning(
    project: ProjectPaths,
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    status: int,
    said: str | None,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret-value")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with served(error_xml(code, status)) as endpoint, served(mlflow_like("s3://box/1")) as uri:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        if said:
            assert said in refused(project)
        else:
            before_stage("train", project, load_settings())


# --- this machine -----------------------------------------------------------------------------


def test_embedded_default_is_looked_at_in_a_moment_without_mlflow(project: ProjectPaths) -> None:
    script = (
        "import sys, time; from pathlib import Path; import rakuten.stages.train\n"
        "from rakuten.settings import ProjectPaths, load_settings\n"
        "from rakuten.stages.preflight import before_stage\n"
        "start = time.monotonic()\n"
        f"before_stage('train', ProjectPaths(Path({str(project.root)!r})), load_settings())\n"
        "assert time.monotonic() - start < 1\n"
        "assert not {'mlflow', 'requests', 'botocore', 'dvc'} & set(sys.modules)\n"
    )
    done = subprocess.run(
        ["python", "-c", script], capture_output=True, text=True, cwd=REPOSITORY, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert not (project.root / "mlflow.db").exists()


def test_artifact_folder_that_is_a_file_stops_training(project: ProjectPaths) -> None:
    (project.root / "mlartifacts").write_text("")
    assert "mlartifacts is not a folder" in refused(project)


def test_database_that_is_none_stops_training(project: ProjectPaths) -> None:
    (project.root / "mlflow.db").write_text("not a database" * 100)
    assert "not a database" in refused(project)


def test_locked_database_is_a_warning(
    project: ProjectPaths, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    logging.getLogger("rakuten").propagate = True
    monkeypatch.setattr("rakuten.stages.doctor.tracking._LOCK_SECONDS", 0.1)
    connection = sqlite3.connect(project.root / "mlflow.db")
    connection.execute("CREATE TABLE experiments (name, artifact_location, lifecycle_stage)")
    connection.execute("BEGIN IMMEDIATE")
    before_stage("train", project, load_settings())
    connection.close()
    assert "database is locked" in caplog.text


def test_output_folder_that_is_a_file_stops_each_stage(project: ProjectPaths) -> None:
    shutil.rmtree(project.interim)
    project.interim.write_text("")
    assert f"{project.interim} is not a folder" in refused(project, "ingest")
    project.model.parent.write_text("")
    assert "models is not a folder" in refused(project)


@pytest.mark.parametrize(
    ("stage", "place"),
    [
        ("ingest", "data/interim"),
        ("features", "data/processed"),
        ("train", "models"),
        ("train", ".rakuten/pending"),
        ("predict", "data/processed"),
    ],
)
def test_small_disk_stops_a_stage_before_it_starts(
    project: ProjectPaths, small_disk: MountSmallDisk, stage: str, place: str
) -> None:
    small_disk(project.root / place, "60m")
    told = refused(project, stage)
    assert f"the disk of {project.root / place}" in told
    assert "64 MiB in reserve; 60 MiB are free" in told


def test_estimate_counts_vectors_and_the_copies_of_the_model(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch, quick_params: Params
) -> None:
    features = quick_params.features
    rows = json.loads((project.interim / "ingest_report.json").read_text())["accepted"]
    vectors = (project.processed / "image_features.npy").stat().st_size
    (needed,) = disk.features_needs(project, features, None)
    assert vectors < needed.size < 1.2 * vectors
    assert disk._rows(project) == rows
    (project.root / ".dvc").mkdir()
    assert len(disk.features_needs(project, features, None)) == 2  # and DVC's cache
    (project.root / ".dvc" / "config").write_text("[cache]\n    type = hardlink,symlink\n")
    assert len(disk.features_needs(project, features, None)) == 1
    needs = disk.train_needs(project, features, load_settings())
    model = needs[0].size
    assert sum(need.size >= model for need in needs) == 4  # waiting run, mlflow's copies
    usage = shutil.disk_usage(project.root)._replace(free=disk.RESERVE + model)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    assert "train needs about" in refused(project)


@pytest.mark.parametrize("rows", [60, 400])
def test_what_stages_write_is_no_more_than_the_estimate(
    rows: int, tmp_path: Path, quick_params: Params, trained_project: Trained
) -> None:
    paths = trained_project[0] if rows == 400 else ProjectPaths(tmp_path)
    if rows == 60:
        assert rakuten(paths, "sample", "--rows", "60").exit_code == 0
        paths.params.write_text(yaml.safe_dump(quick_params.model_dump(mode="json")))
        for stage in ("ingest", "features"):
            assert rakuten(paths, stage).exit_code == 0
    features, interim = quick_params.features, disk._size(paths.interim)
    fresh = ProjectPaths(tmp_path / "fresh")
    shutil.copytree(paths.raw, fresh.raw, copy_function=os.link)
    assert disk.ingest_needs(fresh)[0].size >= interim
    written = disk._size(paths.processed) - disk._size(paths.predictions)
    assert disk.features_needs(fresh, features, None)[0].size >= written
    if rows == 400:
        needs = disk.predict_needs(fresh, fresh.raw / "X_test.csv", fresh.predictions)
        assert needs[0].size >= disk._size(paths.predictions)
        assert disk.train_needs(fresh, features, load_settings())[0].size >= disk._size(paths.model)


# --- the switch and the command ---------------------------------------------------------------


def test_switched_off_it_looks_at_nothing(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAKUTEN_PREFLIGHT", "off")
    (project.root / "mlartifacts").write_text("")
    before_stage("train", project, load_settings())
    off = rakuten(project, "preflight")
    assert (off.exit_code, off.stdout) == (0, "")
    assert "RAKUTEN_PREFLIGHT=off" in off.stderr


def test_stages_say_nothing_of_what_is_well(project: ProjectPaths) -> None:
    assert rakuten(project, "predict", "--model", "absent").stderr == ""
    assert "debug: preflight disk" in (
        CliRunner()
        .invoke(app, ["--root", str(project.root), "predict"], env={"LOG_LEVEL": "DEBUG"})
        .stderr
    )


def test_command_shows_all_and_fails_only_where_something_refuses(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = rakuten(project, "preflight")
    assert well.exit_code == 0, well.output
    assert [line.split()[:2] for line in well.stdout.splitlines()] == [
        ["ok", "disk"],
        ["ok", "tracking"],
        ["ok", "artifacts"],
        ["skip", "remote"],
    ]
    assert rakuten(project, "preflight", "--quiet").stdout == ""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    away = rakuten(project, "preflight", "--quiet")
    assert away.exit_code == 0
    assert away.stdout.startswith("warn tracking")
    with served(lambda _: (401, "")) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        refusal = rakuten(project, "preflight", "--json")
    assert refusal.exit_code == 1
    failed = [check for check in json.loads(refusal.stdout) if check["state"] == "failed"]
    assert [(check["name"], check["away"]) for check in failed] == [("tracking", False)]


@pytest.mark.servers
def test_remote_of_dvc_counts_only_where_it_will_be_pushed_to(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch, store: ObjectStore
) -> None:
    (project.root / ".dvc").mkdir()
    use_remote(project, store.endpoint)
    use_s3_directly(monkeypatch, store)
    pulled = rakuten(project, "preflight", "--quiet")
    assert pulled.exit_code == 0
    assert "has no such bucket" in pulled.stdout
    assert rakuten(project, "preflight", "--quiet", "--push").exit_code == 1
    store.make_bucket("bucket")
    pushed = rakuten(project, "preflight", "--push")
    assert pushed.exit_code == 0, pushed.output
    assert "takes objects" in pushed.stdout
    assert store.objects("bucket") == {}


def test_check_that_breaks_stops_nothing(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Any) -> Any:
        raise RuntimeError("a slip")

    monkeypatch.setitem(run._TRACKING, "tracking", broken)
    before_stage("train", project, load_settings())
