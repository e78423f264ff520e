"""All checks together: a healthy project, a check that breaks, and the command."""

import json
from collections.abc import Iterator

import pytest
from typer.testing import CliRunner

from rakuten.cli.app import app
from rakuten.settings import ProjectPaths
from rakuten.stages.doctor import Check, run
from tests.stages.doctor.conftest import examine, only


def test_healthy_project_has_no_complaint(paths: ProjectPaths) -> None:
    found = examine(paths)
    states = {name: {check.state for check in checks} for name, checks in found.items()}
    assert not {"failed", "warning"} & set().union(*states.values()), found
    assert states["data"] == states["photos"] == states["tracking"] == states["artifacts"] == {"ok"}
    assert states["model"] == {"skipped"}
    assert "synthetic sample" in found["data"][0].detail
    assert not (paths.root / "mlflow.db").exists()


def test_check_that_breaks_is_a_finding_without_secrets(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: object) -> Iterator[Check]:
        raise RuntimeError("password hunter2")

    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunter2")
    monkeypatch.setattr(run, "disk_checks", broken)
    found = only(examine(paths)["disk"], "failed")
    assert "RuntimeError: password ***" in found.detail


def test_command_prints_findings_and_fails_where_one_fails(
    paths: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = CliRunner()
    healthy = runner.invoke(app, ["--root", str(paths.root), "doctor"])
    assert healthy.exit_code == 0, healthy.output
    assert "ok   params" in healthy.output
    monkeypatch.setenv("LOG_LEVEL", "LOUD")
    result = runner.invoke(app, ["--root", str(paths.root), "doctor", "--json"])
    assert result.exit_code == 1
    failed = [check for check in json.loads(result.output) if check["state"] == "failed"]
    assert [check["name"] for check in failed] == ["settings"]
    assert "LOG_LEVEL" in failed[0]["detail"]
    shown = runner.invoke(app, ["--root", str(paths.root), "doctor"]).output
    assert "FAIL settings" in shown
    assert "→ correct LOG_LEVEL" in shown
