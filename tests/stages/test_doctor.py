import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from dvc.lock import make_lock
from typer.testing import CliRunner

from rakuten.cli.app import app
from rakuten.data.sample import make_sample
from rakuten.settings import ProjectPaths, Settings, load_env_file
from rakuten.stages import doctor, doctor_checks
from rakuten.stages.doctor import Check, run_doctor
from rakuten.stages.train import TrainOutcome
from rakuten.tracking.pending import RunRecord, keep

ANSWER_SECONDS = doctor_checks.ANSWER_SECONDS
REPOSITORY = Path(__file__).resolve().parents[2]
Respond = Callable[[str], tuple[int, str]]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("doctor") / "raw"
    make_sample(folder, rows=60)
    return folder


@pytest.fixture
def paths(tmp_path: Path, catalogue: Path, monkeypatch: pytest.MonkeyPatch) -> ProjectPaths:
    """A project that nothing is wrong with, in a git repository, of a user without settings."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("PATH", f"{Path(sys.prefix) / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setattr(doctor_checks, "ANSWER_SECONDS", 0.5)
    root = tmp_path / "project"
    shutil.copytree(catalogue, root / "data" / "raw", copy_function=os.link)
    for name in ("params.yaml", "dvc.yaml", ".gitignore", ".dvc/config"):
        (root / name).parent.mkdir(exist_ok=True)
        shutil.copy(REPOSITORY / name, root / name)
    git(root, "init", "-q")
    git(root, "add", ".dvc/config", "dvc.yaml", "params.yaml")
    return ProjectPaths(root)


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True)


def examine(paths: ProjectPaths, **options: Any) -> dict[str, list[Check]]:
    """Findings by name; whatever is wrong comes with what to do."""
    settings = options.pop("settings", None) or Settings()
    found: dict[str, list[Check]] = {}
    for check in run_doctor(paths, settings, **options):
        found.setdefault(check.name, []).append(check)
        assert check.detail
        assert check.hint or check.state in ("ok", "skipped"), check
    return found


def only(checks: list[Check], state: str) -> Check:
    found = [check for check in checks if check.state == state]
    assert len(found) == 1, checks
    return found[0]


@contextmanager
def served(respond: Respond) -> Iterator[str]:
    """An HTTP server on loopback; ``respond`` takes a path and returns status and body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = respond(self.path)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body.encode())))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body.encode())

        do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def test_healthy_project_has_no_complaint(paths: ProjectPaths) -> None:
    found = examine(paths)
    states = {name: {check.state for check in checks} for name, checks in found.items()}
    assert not {"failed", "warning"} & set().union(*states.values()), found
    assert states["data"] == states["photos"] == states["tracking"] == states["artifacts"] == {"ok"}
    assert states["model"] == {"skipped"}
    assert "synthetic sample" in found["data"][0].detail
    assert not (paths.root / "mlflow.db").exists()


def test_missing_package_and_another_rakuten_on_the_path_are_named(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = paths.root / "bin" / "rakuten"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\n")
    other.chmod(0o755)
    monkeypatch.setenv("PATH", f"{other.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(doctor, "_MODULES", ("pandas", "no_such_package"))
    found = examine(paths)["python"]
    assert "no_such_package" in only(found, "failed").detail
    assert str(other) in only(found, "warning").detail


@pytest.mark.parametrize(
    ("line", "odd"),
    [
        ("LOG_LEVEL=INFO", False),
        ("LOG_LEVEL='a b $c'", False),
        ('LOG_LEVEL="a b"', False),
        ("export LOG_LEVEL=a  # why", False),
        ("LOG_LEVEL=", False),
        ("LOG_LEVEL=http://h:1/p?x=*#1", False),
        ("LOG_LEVEL=a b", True),
        ("LOG_LEVEL = a", True),
        ("LOG_LEVEL=pa$word", True),
        ('LOG_LEVEL="pa$word"', True),
        ("LOG_LEVEL=a&b", True),
        ("LOG_LEVEL=a\r", True),
        ("!!", True),
    ],
)
def test_env_line_that_a_shell_reads_otherwise_is_named(
    tmp_path: Path, line: str, odd: bool
) -> None:
    path = tmp_path / ".env"
    path.write_text(f"# comment\n\n{line}\n", newline="")
    values, lines = doctor._read_env(path)
    assert lines == (["line 3"] if odd else [])
    if not odd:
        script = f'source {path} && printf %s "$LOG_LEVEL"'
        shell = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
        assert shell.stdout == values["LOG_LEVEL"]


def test_env_names_that_are_not_handed_on_and_overrides_are_named(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_MODEL_NAME", "other")
    monkeypatch.setenv("LOG_FORMAT", "")
    shell = dict(os.environ)
    (paths.root / ".env").write_text(
        "MLFLOW_MODEL_NAME=mine\nLOG_FORMAT=text\nAWS_PROFILE=\nMY_KEY=1\n"
    )
    load_env_file(paths.root)
    found = examine(paths, shell=shell)["settings"]
    details = "\n".join(check.detail for check in found)
    assert "MY_KEY will not be handed on" in details
    assert "differ in MLFLOW_MODEL_NAME: the shell's wins" in details
    assert "differ in LOG_FORMAT: programs other than `rakuten` see it empty" in details
    assert "sets MLFLOW_MODEL_NAME, LOG_FORMAT" in only(found, "ok").detail


def test_env_file_in_git_fails(paths: ProjectPaths) -> None:
    (paths.root / ".env").write_text("LOG_LEVEL=INFO\n")
    git(paths.root, "add", "--force", ".env")
    assert "git rm --cached .env" in only(examine(paths)["settings"], "failed").hint


def test_env_file_that_is_not_utf8_fails(paths: ProjectPaths) -> None:
    (paths.root / ".env").write_bytes(b"LOG_LEVEL=INFO # caf\xe9\n")
    assert "Cannot read" in only(examine(paths)["settings"], "failed").detail


def test_broken_parameters_fail_and_hide_nothing_else(paths: ProjectPaths) -> None:
    paths.params.write_text("train:\n  folds: 1\n")
    found = examine(paths)
    assert "train.folds" in only(found["params"], "failed").detail
    assert found["data"][0].state == "ok"


def test_absent_catalogue_is_a_warning(paths: ProjectPaths) -> None:
    shutil.rmtree(paths.raw)
    found = examine(paths)
    assert "rakuten sample" in only(found["data"], "warning").hint
    assert found["photos"][0].state == "skipped"


def test_challenge_names_lead_to_import(paths: ProjectPaths) -> None:
    (paths.raw / "sample.json").unlink()
    (paths.raw / "X_train.csv").rename(paths.raw / "X_train_update.csv")
    assert "rakuten data import" in only(examine(paths)["data"], "failed").hint


def test_absent_product_types_fail(paths: ProjectPaths) -> None:
    (paths.raw / "product_types.json").unlink()
    assert "product_types.json" in only(examine(paths)["data"], "failed").detail


def test_linked_photo_folder_fails(paths: ProjectPaths, tmp_path: Path) -> None:
    folder = paths.raw / "images" / "image_train"
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    found = examine(paths)
    assert str(folder) in only(found["data"], "failed").detail
    assert found["photos"][0].state == "ok"


def rename_photos(name: Callable[[Path], str]) -> Callable[[Path], None]:
    def rename(folder: Path) -> None:
        for path in list(folder.iterdir()):
            path.rename(folder / name(path))

    return rename


def move_photos(place: str) -> Callable[[Path], None]:
    def move(folder: Path) -> None:
        folder.rename(folder.parents[1] / "aside")
        target = folder / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.is_dir():
            for path in (folder.parents[1] / "aside").iterdir():
                path.rename(target / path.name)
        else:
            (folder.parents[1] / "aside").rename(target)

    return move


def pack_photos(folder: Path) -> None:
    shutil.make_archive(str(folder.parent / "images"), "zip", folder)
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (move_photos("image_train"), "lie in"),
        (move_photos("../../image_train"), "lie in"),
        (move_photos(".."), "lie in"),
        (rename_photos(lambda path: f"{path.stem}.png"), "has them as .png"),
        (rename_photos(lambda path: f"{path.stem}.JPG"), "has them as .JPG"),
        (rename_photos(lambda path: path.name[6:]), "other names, such as"),
        (rename_photos(lambda path: f"image_9{path.name[6:]}"), "other products"),
        (shutil.rmtree, "no such folder"),
        (pack_photos, "may hold"),
    ],
)
def test_photos_that_are_not_found_come_with_a_guess(
    paths: ProjectPaths, harm: Callable[[Path], object], said: str
) -> None:
    harm(paths.raw / "images" / "image_train")
    found = only(examine(paths)["photos"], "failed")
    assert found.detail.startswith("0 of ")
    assert said in found.detail


def test_hint_on_nested_photos_repairs_them(paths: ProjectPaths) -> None:
    move_photos("image_train")(paths.raw / "images" / "image_train")
    subprocess.run(["bash", "-c", only(examine(paths)["photos"], "failed").hint], check=True)
    assert examine(paths)["photos"][0].state == "ok"


def test_catalogue_that_lacks_a_photo_is_as_it_should_be(paths: ProjectPaths) -> None:
    (paths.raw / "notes.png").touch()
    min(paths.raw.glob("images/image_train/*")).unlink()
    assert examine(paths)["photos"][0].state == "ok"


def test_empty_photo_folder_is_a_warning(paths: ProjectPaths) -> None:
    rename_photos(lambda path: f"../../{path.name}")(paths.raw / "images" / "image_train")
    for path in paths.raw.glob("image_*"):
        path.unlink()
    assert "0 of" in only(examine(paths)["photos"], "warning").detail


def mlflow_like(location: str, stage: str = "active") -> Respond:
    experiment = {"artifact_location": location, "lifecycle_stage": stage}
    return lambda path: (
        (200, "OK") if path == "/health" else (200, json.dumps({"experiment": experiment}))
    )


def no_experiment(path: str) -> tuple[int, str]:
    if path == "/health":
        return 200, "OK"
    return 404, json.dumps({"error_code": "RESOURCE_DOES_NOT_EXIST"})


def hang(_: str) -> tuple[int, str]:
    time.sleep(9)
    return 200, "OK"


@pytest.mark.parametrize(
    ("respond", "state", "said"),
    [
        (mlflow_like("mlflow-artifacts:/1"), "ok", "answers"),
        (no_experiment, "ok", "answers"),
        (lambda _: (401, ""), "failed", "asks for credentials (401)"),
        (lambda _: (403, "Invalid Host header - possible attack"), "failed", "host name"),
        (lambda _: (404, "<html>"), "failed", "not an MLflow server"),
        (lambda _: (200, "<html>"), "failed", "not an MLflow server"),
        (lambda _: (503, ""), "failed", "error 503"),
        (hang, "failed", "did not answer in time"),
    ],
)
def test_tracking_server_is_told_from_what_is_none(
    paths: ProjectPaths, respond: Respond, state: str, said: str
) -> None:
    with served(respond) as uri:
        assert said in only(examine(paths, settings=at(uri))["tracking"], state).detail


def at(uri: str) -> Settings:
    return Settings.model_construct(mlflow_tracking_uri=uri)


@pytest.mark.parametrize(
    ("location", "stage", "name", "state"),
    [
        ("mlflow-artifacts:/1", "active", "artifacts", "ok"),
        ("{tmp}/shared/1", "active", "artifacts", "ok"),
        ("file:///dev/null/1", "active", "artifacts", "failed"),
        ("mlflow-artifacts:/1", "deleted", "tracking", "failed"),
    ],
)
def test_artifact_root_that_this_machine_cannot_write_fails(
    paths: ProjectPaths, tmp_path: Path, location: str, stage: str, name: str, state: str
) -> None:
    with served(mlflow_like(location.format(tmp=tmp_path), stage)) as uri:
        found = examine(paths, settings=at(uri))[name]
    only(found, state)


@pytest.mark.parametrize(
    ("uri", "state", "said"),
    [
        ("http://127.0.0.1:9", "failed", "refuses connections"),
        ("http://user:hunter2@127.0.0.1:9", "failed", "user:***@"),
        ("localhost:5000", "failed", "does not say http://"),
        ("postgresql+psycopg://user:hunter2@h/mlflow", "skipped", "user:***@h/mlflow"),
    ],
)
def test_tracking_uri_is_named_without_its_password(
    paths: ProjectPaths, uri: str, state: str, said: str
) -> None:
    found = only(examine(paths, settings=at(uri))["tracking"], state)
    assert said in found.detail
    assert "hunter2" not in f"{found}"


def test_absent_server_costs_less_than_five_seconds(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_checks, "ANSWER_SECONDS", ANSWER_SECONDS)
    start = time.monotonic()
    with served(hang) as uri:
        examine(paths, settings=at(uri))
    assert time.monotonic() - start < 5


def make_database(path: Path, location: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE experiments (name, artifact_location, lifecycle_stage)")
    row = ("rakuten-baseline", location, "active")
    connection.execute("INSERT INTO experiments VALUES (?, ?, ?)", row)
    connection.commit()
    return connection


def test_locked_database_fails(paths: ProjectPaths) -> None:
    connection = make_database(paths.root / "mlflow.db", str(paths.root / "mlartifacts"))
    assert examine(paths)["tracking"][0].state == "ok"
    connection.execute("BEGIN IMMEDIATE")
    assert "locked" in only(examine(paths)["tracking"], "failed").detail
    connection.close()


def test_file_that_is_no_database_fails(paths: ProjectPaths) -> None:
    (paths.root / "mlflow.db").write_text("not a database" * 100)
    assert "not a database" in only(examine(paths)["tracking"], "failed").detail


def test_copied_database_is_a_warning(paths: ProjectPaths, tmp_path: Path) -> None:
    make_database(paths.root / "mlflow.db", f"file://{tmp_path}/old/mlartifacts").close()
    assert "outside this project" in only(examine(paths)["artifacts"], "warning").detail


def error_xml(code: str, status: int) -> Respond:
    xml = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
    return lambda _: (status, xml)


def use_remote(paths: ProjectPaths, endpoint: str, config: str = "config") -> None:
    with (paths.root / ".dvc" / config).open("a") as handle:
        handle.write(f"['remote \"s3\"']\n    url = s3://bucket/x\n    endpointurl = {endpoint}\n")


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret-value")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.mark.parametrize(
    ("respond", "state", "said"),
    [
        (lambda _: (200, ""), "ok", "credentials from env"),
        (error_xml("SignatureDoesNotMatch", 403), "failed", "refuses the secret key"),
        (error_xml("InvalidAccessKeyId", 403), "failed", "access key id"),
        (error_xml("AccessDenied", 403), "failed", "refuses these credentials"),
        (error_xml("NoSuchBucket", 404), "failed", "no such bucket"),
        (error_xml("ExpiredToken", 400), "failed", "has expired"),
        (error_xml("Strange", 400), "failed", "Strange"),
        (hang, "failed", "Read timeout"),
    ],
)
@pytest.mark.usefixtures("keys")
def test_s3_store_says_what_it_has_against_the_credentials(
    paths: ProjectPaths, respond: Respond, state: str, said: str
) -> None:
    with served(respond) as endpoint:
        use_remote(paths, endpoint)
        found = only(examine(paths)["s3"], state)
    assert said in found.detail
    assert "s3://bucket" in found.detail
    assert "very-secret-value" not in f"{found}"


@pytest.mark.usefixtures("keys")
def test_absent_s3_store_fails_soon(paths: ProjectPaths) -> None:
    use_remote(paths, "http://127.0.0.1:9")
    found = only(examine(paths)["s3"], "failed")
    assert "http://127.0.0.1:9" in found.detail
    assert "start it" in found.hint


def test_absent_credentials_fail_where_a_remote_needs_them(paths: ProjectPaths) -> None:
    use_remote(paths, "http://127.0.0.1:9")
    found = only(examine(paths)["s3"], "failed")
    assert "no S3 credentials" in found.detail
    assert "source .env" in found.hint
    assert "AWS_EC2_METADATA_DISABLED" not in os.environ


@pytest.mark.usefixtures("keys")
def test_half_a_key_pair_fails(paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "Partial credentials" in only(examine(paths)["s3"], "failed").detail


@pytest.mark.usefixtures("keys")
def test_credentials_that_only_env_file_has_are_pointed_out(paths: ProjectPaths) -> None:
    with served(lambda _: (200, "")) as endpoint:
        use_remote(paths, endpoint)
        found = examine(paths, shell={})["s3"]
        sourced = {**os.environ, "AWS_PROFILE": ""}
        empty = examine(paths, shell=sourced)["s3"]
    assert "`dvc push` does not" in only(found, "warning").detail
    assert only(empty, "warning").hint.startswith("unset AWS_PROFILE")


@pytest.mark.usefixtures("keys")
def test_artifact_root_in_s3_is_asked_too(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(error_xml("NoSuchBucket", 404)) as endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        with served(mlflow_like("s3://runs/1")) as uri:
            found = examine(paths, settings=at(uri))["s3"]
    assert "s3://runs" in only(found, "failed").detail


def test_secret_in_the_shared_dvc_configuration_fails(paths: ProjectPaths) -> None:
    with served(lambda _: (200, "")) as endpoint:
        use_remote(paths, endpoint)
        with (paths.root / ".dvc" / "config").open("a") as handle:
            handle.write("    access_key_id = a\n    secret_access_key = b\n")
        found = examine(paths)
    assert "secret key" in only(found["dvc"], "failed").detail
    assert found["s3"][0].state == "ok"


def test_outputs_and_raw_data_in_git_fail(paths: ProjectPaths) -> None:
    (paths.raw / ".gitkeep").touch()
    paths.interim.mkdir()
    (paths.interim / "rejected.csv").touch()
    git(paths.root, "add", "--force", "data/raw", "data/interim")
    hint = only(examine(paths)["dvc"], "failed").hint
    assert hint.startswith("git rm -r --cached data/interim/rejected.csv data/raw/X_test.csv")
    subprocess.run(hint.split(), cwd=paths.root, check=True, capture_output=True)
    assert not [check for check in examine(paths)["dvc"] if check.state == "failed"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("dvc.lock", "a: 1\n<<<<<<< HEAD\nb: 1\n=======\nb: 2\n>>>>>>> x\n", "conflict markers"),
        ("dvc.yaml", "stages: {a: [", "not valid YAML"),
        ("dvc.yaml", "", "names no stages"),
        (".dvc/config", "[core\n", "not usable"),
    ],
)
def test_damaged_dvc_file_fails(paths: ProjectPaths, name: str, text: str, said: str) -> None:
    (paths.root / name).write_text(text)
    assert said in only(examine(paths)["dvc"], "failed").detail


def test_project_without_dvc_fails(paths: ProjectPaths) -> None:
    shutil.rmtree(paths.root / ".dvc")
    assert only(examine(paths)["dvc"], "failed").hint == "dvc init"


def test_locks_of_dvc_are_warnings(paths: ProjectPaths) -> None:
    folder = paths.root / ".dvc" / "tmp"
    folder.mkdir()
    lock = make_lock(str(folder / "lock"))
    lock.lock()
    gone = {"pid": 2**22 + 1, "cmd": "dvc repro"}
    (folder / "rwlock").write_text(json.dumps({"write": {"a": gone}, "read": {"b": [gone]}}))
    found = [check for check in examine(paths)["dvc"] if check.state == "warning"]
    assert f"kill {os.getpid()}" in found[0].hint
    assert "has gone and left" in found[1].detail
    lock.unlock()
    assert len([check for check in examine(paths)["dvc"] if check.state == "warning"]) == 1


def test_full_examination_names_stale_stages(paths: ProjectPaths) -> None:
    found = only(examine(paths, full=True)["dvc"], "warning")
    assert "ingest" in found.detail
    assert found.hint == "dvc repro"


def test_model_answers_its_golden_products_or_fails(
    paths: ProjectPaths, trained_project: tuple[ProjectPaths, TrainOutcome]
) -> None:
    shutil.copytree(trained_project[0].model, paths.model)
    assert examine(paths)["model"][0].state == "ok"
    golden = paths.model / "golden.json"
    golden.write_text(golden.read_text().replace("0.", "0.1", 1))
    assert only(examine(paths)["model"], "failed")


def test_waiting_runs_and_half_done_swaps_are_warnings(paths: ProjectPaths, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.mkdir()
    keep(RunRecord("e", "r", {}, {}, {}, {}, {}, str(model)), paths.pending_runs)
    (paths.root / "data" / ".raw.staged").mkdir()
    (paths.root / "models").mkdir()
    (paths.root / "models" / ".classifier.old").mkdir()
    hints = [check.hint for check in examine(paths)["waiting"]]
    assert hints[0] == "rakuten runs resume"
    assert hints[1].startswith("rm -r")
    assert hints[2].startswith("mv ")


def test_folder_that_cannot_be_written_and_a_full_disk_are_named(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths.reports.write_text("a file where the folder should be")
    monkeypatch.setattr(doctor, "_LITTLE_DISK", 1 << 62)
    found = examine(paths)["disk"]
    assert "reports" in only(found, "failed").detail
    assert "MiB are free" in only(found, "warning").detail


def test_check_that_breaks_is_a_finding_without_secrets(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> Iterator[Check]:
        raise RuntimeError("password hunter2")

    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
    monkeypatch.setattr(doctor, "_disk", broken)
    found = only(examine(paths)["disk"], "failed")
    assert "RuntimeError: password ***" in found.detail


def test_command_prints_findings_and_fails_where_one_fails(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = CliRunner()
    healthy = run.invoke(app, ["--root", str(paths.root), "doctor"])
    assert healthy.exit_code == 0, healthy.output
    assert "ok   params" in healthy.output
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    result = run.invoke(app, ["--root", str(paths.root), "doctor", "--json"])
    assert result.exit_code == 1
    failed = [check for check in json.loads(result.output) if check["state"] == "failed"]
    assert [check["name"] for check in failed] == ["settings"]
    assert "LOG_LEVEL" in failed[0]["detail"]
    shown = run.invoke(app, ["--root", str(paths.root), "doctor"]).output
    assert "FAIL settings" in shown
    assert "→ correct LOG_LEVEL" in shown
