"""Tracking stores are told from what is none, soon, and shown without passwords."""

import json
import sqlite3
import time
from pathlib import Path

import pytest

from rakuten.settings import ProjectPaths
from rakuten.stages.doctor import tracking
from rakuten.stages.doctor.check import ANSWER_SECONDS
from tests.stages.doctor.conftest import (
    QUICK_SECONDS,
    Respond,
    at,
    examine,
    hang,
    mlflow_like,
    only,
    served,
)


def no_experiment(path: str) -> tuple[int, str]:
    if path == "/health":
        return 200, "OK"
    return 404, json.dumps({"error_code": "RESOURCE_DOES_NOT_EXIST"})


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


def test_absent_server_costs_less_than_five_seconds(paths: ProjectPaths) -> None:
    asked: list[str] = []

    def respond(path: str) -> tuple[int, str]:
        asked.append(path)
        return hang(path)

    start = time.monotonic()
    with served(respond) as uri:
        examine(paths, settings=at(uri))
    assert asked == ["/health"]
    assert time.monotonic() - start - QUICK_SECONDS + ANSWER_SECONDS < 5


def make_database(path: Path, location: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE experiments (name, artifact_location, lifecycle_stage)")
    row = ("rakuten-baseline", location, "active")
    connection.execute("INSERT INTO experiments VALUES (?, ?, ?)", row)
    connection.commit()
    return connection


def test_locked_database_fails(paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "_LOCK_SECONDS", 0.1)
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
