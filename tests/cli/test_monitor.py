"""The commands monitor and drift show: what is printed, exit codes, the newest report."""

import json
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rakuten.store.monitoring import read_decisions, read_runs
from tests.cli.conftest import Answer
from tests.monitoring.conftest import NAME, Shop, home, shop
from tests.monitoring.material import make_rows, without_photos

__all__ = ["home", "shop"]

Run = Callable[..., Answer]
JUST_NOW = timedelta(minutes=30)


@pytest.fixture
def monitor(rakuten: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Run:  # noqa: F811
    """Run a command in the shop's project."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", shop.settings.mlflow_tracking_uri or "")
    (shop.paths.root / "params.yaml").write_text("monitoring: {retraining: {violated: 1}}\n")
    return lambda *arguments: rakuten("--root", shop.paths.root, *arguments)


@pytest.mark.slow
def test_drift_is_shown_with_its_report_and_asks_for_a_retraining(
    monitor: Run,
    shop: Shop,  # noqa: F811
) -> None:
    shop.send(without_photos(make_rows(150, 8), 0.5), datetime.now(UTC) - JUST_NOW)
    answer = monitor("monitor", "--rows", 140)
    assert answer.code == 4, answer.err
    assert "140 newest answers of version 1" in answer.out
    assert "drift: critical" in answer.out
    assert "missing_photo" in answer.out
    assert "0 of 150 answers are labelled" in answer.out
    assert "expected accuracy, window" in answer.out
    assert "decision: retrain" in answer.out
    assert "The newest window shows drift that is critical." in answer.out
    shown = monitor("drift", "show", "--no-open").out.strip()
    assert f"report: {shown}" in answer.out
    assert "<!DOCTYPE html>" in Path(shown).read_text()
    lines = [line for line in answer.out.splitlines() if not line.startswith("report: ")]
    assert max(map(len, lines)) <= 120
    assert "DeprecationWarning" not in answer.err


def test_too_little_data_is_no_reason_to_act_and_json_says_it_all(
    monitor: Run,
    shop: Shop,  # noqa: F811
) -> None:
    notice = shop.paths.root / "told" / "summary.md"
    answer = monitor("monitor", "--json", "--summary", notice)
    assert answer.code == 0, answer.err
    found = json.loads(answer.out)
    assert notice.read_text().startswith("<!-- decision: nothing -->\n")
    (run,) = read_runs(shop.database, 9, model_name=NAME)
    (decision,) = read_decisions(shop.database, 9)
    assert found["run"]["run_id"] == run.run_id
    assert found["run"]["started_at"] == run.started_at.isoformat()
    assert found["run"]["findings"] == run.findings
    assert found["decision"]["reasons"] == decision.reasons
    assert (shop.paths.root / found["run"]["report"]).is_file()


def test_check_that_fails_is_an_alert(
    monitor: Run,
    shop: Shop,
    monkeypatch: pytest.MonkeyPatch,  # noqa: F811
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{shop.paths.root / 'empty.db'}")
    answer = monitor("monitor")
    assert answer.code == 3
    assert "the check failed: No version of rakuten-classifier is champion" in answer.out
    assert "decision: alert" in answer.out
    assert "Traceback" not in answer.err


def test_store_out_of_reach_is_an_error(
    monitor: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{tmp_path}")
    answer = monitor("monitor")
    assert answer.code == 1
    assert "DATABASE_URL" in answer.err


def test_drift_show_opens_the_newest_report_in_the_browser(
    monitor: Run,
    shop: Shop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,  # noqa: F811
) -> None:
    missing = monitor("drift", "show")
    assert missing.code == 1
    assert "rakuten monitor writes one" in missing.err
    page = shop.paths.reports / "monitoring/20260301T120000Z-0000000a/report.html"
    page.parent.mkdir(parents=True)
    page.write_text("<!doctype html>")
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path / "opened"}\n')
    os.chmod(browser, 0o755)  # noqa: S103 - a program
    monkeypatch.setenv("BROWSER", f"{browser} %s")
    assert monitor("drift", "show").code == 0
    assert (tmp_path / "opened").read_text().strip() == page.resolve().as_uri()
