"""The switch, what is shown, and the command."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from rakuten.cli.app import app
from rakuten.settings import ProjectPaths, load_settings
from rakuten.stages.preflight import before_stage, run
from tests.stages.doctor.conftest import served
from tests.stages.preflight.conftest import rakuten


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


def test_check_that_breaks_stops_nothing(
    project: ProjectPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Any) -> Any:
        raise RuntimeError("a slip")

    monkeypatch.setitem(run._TRACKING, "tracking", broken)
    before_stage("train", project, load_settings())
