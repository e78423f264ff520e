"""A check from the store to the decision, with what goes wrong on its way."""

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rakuten.errors import DatabaseAwayError
from rakuten.monitoring import check as module
from rakuten.monitoring import report
from rakuten.monitoring.evidence import Outcome
from rakuten.monitoring.window import Seen
from rakuten.settings import ProjectPaths, Settings
from rakuten.store.feedback import put_feedback
from rakuten.store.monitoring import read_decisions, read_runs
from rakuten.store.retention import erase
from tests.monitoring.conftest import HELD_OUT_F1, NAME, NOON, Shop, make_home
from tests.monitoring.material import make_rows, without_photos
from tests.store.conftest import MakePostgres, cluster, make_postgres
from tests.store.material import make_feedback

__all__ = ["cluster", "make_postgres"]

HOUR = timedelta(hours=1)
FEW = make_rows(40, 3)
ROOM_FOR_ONE = "16k"


@pytest.mark.slow
def test_two_windows_of_drift_lead_to_a_retraining_and_all_is_kept_and_reported(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a check opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    shop.send(make_rows(50, 7), NOON - 9 * HOUR)
    first_rows = shop.send(without_photos(make_rows(120, 8), 0.9), NOON - HOUR)
    first = shop.check(NOON, window_rows=120)
    assert (first.run.outcome, first.run.rows, first.run.error) == ("critical", 120, None)
    assert first.run.window_start == first_rows[0].created_at
    assert first.run.window_end == first_rows[-1].created_at
    assert first.decision.action == "alert"
    rows = [*without_photos(make_rows(200, 9), 0.9), {"language": "fr"}]
    later = shop.send(rows, NOON + HOUR)
    erase(shop.database, later[0].prediction_id)
    second = shop.check(NOON + 2 * HOUR, window_rows=201, reports_kept=1)
    assert second.decision.action == "retrain"
    assert second.decision.evidence == [second.run.run_id, first.run.run_id]
    assert read_runs(shop.database, 9) == [second.run, first.run]
    assert read_decisions(shop.database, 9) == [second.decision, first.decision]
    drift = second.run.findings["drift"]
    assert (drift["n_window"], drift["n_corrupt"], drift["n_erased"]) == (199, 1, 1)
    assert "missing_photo" in [c["name"] for c in drift["columns"] if c["verdict"] == "drifted"]

    (folder,) = (shop.paths.reports / "monitoring").iterdir()  # the first is pruned
    assert folder.name == f"20260301T140000Z-{second.run.run_id[-8:]}"
    assert second.report == folder / "report.html"
    assert shop.paths.root / (second.run.report or "") == second.report
    page = second.report.read_text()
    for word in ("missing_photo", "drift: critical", "<strong>retrain</strong>", "drawDashboard"):
        assert word in page
    values = json.loads((folder / "report.json").read_text())
    assert values["decision"]["decision_id"] == second.decision.decision_id
    assert values["run"]["run_id"] == second.run.run_id
    assert values["run"]["findings"] == second.run.findings
    assert values["evidently"]["tests"]


def test_empty_window_is_too_little_data_and_nothing_is_done(shop: Shop) -> None:
    found = shop.check(NOON)
    assert (found.run.outcome, found.run.rows) == ("not_enough_data", 0)
    assert (found.run.window_start, found.run.window_end) == (None, None)
    assert (found.run.model_version, found.decision.action) == (1, "nothing")
    assert found.report
    assert "not enough data" in found.report.read_text()
    assert read_runs(shop.database, 9) == [found.run]


def test_only_answers_of_the_live_version_before_the_moment_are_read(shop: Shop) -> None:
    ours = shop.send(FEW, NOON - HOUR)
    shop.send(FEW, NOON - HOUR, model_version=2)
    shop.send(FEW, NOON - HOUR, model_name="another")
    shop.send(FEW, NOON)
    found = shop.check(NOON)
    assert (found.run.rows, found.run.window_end) == (40, ours[-1].created_at)


def test_damaged_rows_alert_people_and_the_others_are_looked_at(shop: Shop) -> None:
    shop.send([*FEW, None, {"confidence": "high"}, [1, 2]], NOON - HOUR)
    found = shop.check(NOON)
    assert (found.run.outcome, found.run.rows) == ("not_enough_data", 43)
    assert (found.run.findings["drift"]["n_window"], found.decision.action) == (40, "alert")
    assert found.decision.reasons[-1]["code"] == "corrupt_rows"
    assert "7.0%" in found.decision.reasons[-1]["sentence"]


def test_labels_of_a_longer_time_are_scored_beside_the_estimate(shop: Shop) -> None:
    rows = [*make_rows(230, 4, prdtypecode=10, confidence=0.9)]
    sent = shop.send(rows, NOON - 5 * 24 * HOUR, decision="auto")
    said = [make_feedback(one.prediction_id, prdtypecode=40) for one in sent]
    with shop.database.write() as connection:
        put_feedback(connection, said)
    shop.send(FEW, NOON - HOUR)
    found = shop.check(NOON - 4 * 24 * HOUR, window_rows=10)
    assert found.run.findings["label_evidence"]["labels"] == 230
    assert found.run.findings["label_evidence"]["expected_f1"] == HELD_OUT_F1
    assert found.run.findings["performance"]["traffic"]["accuracy"]["value"] == 0
    assert found.run.findings["expected"]["accuracy"] == pytest.approx(0.9)
    assert "performance_drop" in [reason["code"] for reason in found.decision.reasons]
    assert shop.check(NOON, label_days=1).run.findings["performance"]["labels"] == 0


@pytest.mark.servers
def test_check_is_the_same_on_postgresql(shop: Shop, make_postgres: MakePostgres) -> None:
    settings = shop.settings.model_copy(update={"database_url": make_postgres()})
    shop = replace(shop, settings=settings)
    sent = shop.send([*FEW, [1, 2], {"language": "fr"}], NOON - HOUR)
    erase(shop.database, sent[0].prediction_id)
    found = shop.check(NOON)
    assert (found.run.outcome, found.run.rows, found.run.error) == ("not_enough_data", 42, None)
    drift = found.run.findings["drift"]
    assert (drift["n_window"], drift["n_corrupt"], drift["n_erased"]) == (39, 2, 1)
    assert found.decision.action == "alert"
    assert read_runs(shop.database, 9) == [found.run]
    assert read_decisions(shop.database, 9) == [found.decision]


def assert_failed(shop: Shop, word: str, *, version: int | None = 1) -> None:
    """The check ends as failed, people are alerted, nothing is retrained, all is in the store."""
    found = shop.check(NOON)
    assert (found.run.outcome, found.run.model_version) == ("check_failed", version)
    assert word in (found.run.error or "")
    assert found.run.finished_at is not None
    assert (found.decision.action, found.report, found.seen) == ("alert", None, None)
    assert [reason["code"] for reason in found.decision.reasons] == ["check_failed"]
    assert read_runs(shop.database, 9)[0] == found.run
    assert read_decisions(shop.database, 9)[0] == found.decision


def test_registry_that_is_down_is_a_failed_check(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = replace(shop, settings=Settings(mlflow_tracking_uri="http://127.0.0.1:9"))
    assert_failed(away, "127.0.0.1:9", version=None)


def test_registry_without_champion_is_a_failed_check(tmp_path: Path) -> None:
    assert_failed(Shop(ProjectPaths(tmp_path), Settings()), "rakuten promote", version=None)


def test_damaged_model_is_a_failed_check(tmp_path: Path) -> None:
    shop = Shop(make_home(tmp_path), Settings())
    (damaged,) = (tmp_path / "mlartifacts").rglob("text.npz")
    damaged.write_bytes(b"torn")
    shop.send(FEW, NOON - HOUR)
    assert_failed(shop, "text.npz does not match")


def test_folder_of_reports_that_cannot_be_written_is_a_failed_check(shop: Shop) -> None:
    shop.send(FEW, NOON - HOUR)
    shop.paths.reports.write_text("in the way")
    assert_failed(shop, "Cannot write")


def test_full_disk_is_a_failed_check(shop: Shop, small_disk: Callable[[Path, str], None]) -> None:
    shop.send(FEW, NOON - HOUR)
    small_disk(shop.paths.reports, "8k")
    assert_failed(shop, "No space left")
    assert list((shop.paths.reports / "monitoring").iterdir()) == []


def test_whatever_evidently_raises_is_a_failed_check(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("charts of nothing")

    monkeypatch.setattr(report, "describe", fail)
    shop.send(make_rows(120, 8), NOON - HOUR)
    assert_failed(shop, "ZeroDivisionError: charts of nothing")


def test_findings_that_the_store_refuses_are_a_failed_check(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Seen, "findings", lambda _: {"share": float("nan")})
    assert_failed(shop, "Out of range float")


def test_check_that_is_killed_stays_as_one_that_failed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "find_champion", stop)
    with pytest.raises(KeyboardInterrupt):
        shop.check(NOON)
    (run,) = read_runs(shop.database, 9)
    assert (run.outcome, run.finished_at) == (Outcome.CHECK_FAILED, None)
    assert read_decisions(shop.database, 9) == []


def test_store_that_is_down_decides_nothing_and_says_so(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "store.db").mkdir()
    settings = shop.settings.model_copy(
        update={"database_url": f"sqlite:///{tmp_path / 'store.db'}"}
    )
    with pytest.raises(DatabaseAwayError):
        replace(shop, settings=settings).check(NOON)
    assert not shop.paths.reports.exists()


def test_name_of_the_model_is_that_of_the_settings(shop: Shop) -> None:
    assert shop.check(NOON).run.model_name == NAME


def test_report_that_cannot_say_the_decision_stays_without_and_the_decision_stands(
    shop: Shop, small_disk: Callable[[Path, str], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Room for one report, and not for another beside it that would take its place."""
    shop.send(FEW, NOON - HOUR)
    small_disk(shop.paths.reports, ROOM_FOR_ONE)
    found = shop.check(NOON)
    assert (found.run.outcome, found.run.error) == ("not_enough_data", None)
    assert read_decisions(shop.database, 9) == [found.decision]
    assert "does not say what was decided" in caplog.text
    assert found.report
    assert "Nothing was decided when" in found.report.read_text()
