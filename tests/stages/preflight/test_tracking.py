"""The tracking server: a refusal stops training before it starts, silence lets it go on."""

import json
from pathlib import Path

import pytest

from rakuten.settings import ProjectPaths, load_settings
from rakuten.stages.doctor import mlflow_server
from rakuten.stages.preflight import before_stage
from tests.servers.process import free_port
from tests.stages.doctor.conftest import Respond, hang, mlflow_like, served
from tests.stages.preflight.conftest import Warned, refused


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
    warned: Warned,
    respond: Respond | None,
) -> None:
    monkeypatch.setattr(mlflow_server, "ANSWER_SECONDS", 0.5)
    asked: list[str] = []

    def answer(path: str) -> tuple[int, str]:
        asked.append(path)
        return (respond or hang)(path)

    with served(answer) as uri:
        address = uri if respond else f"http://127.0.0.1:{free_port()}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        before_stage("train", project, load_settings())
    (warning,) = warned()
    assert address in warning
    assert "rakuten runs resume" in warning
    assert len(asked) <= 2  # a failure is asked about twice, never more


def test_server_that_comes_back_at_once_is_no_warning(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch, warned: Warned
) -> None:
    asked: list[str] = []
    healthy = mlflow_like(str(project.root / "artifacts"))

    def respond(path: str) -> tuple[int, str]:
        asked.append(path)
        return healthy(path) if len(asked) > 1 else (502, "")

    with served(respond) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        before_stage("train", project, load_settings())
    assert warned() == []


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
