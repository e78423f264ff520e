"""What people read of a check: the decision first, reasons, and no markup from elsewhere."""

from datetime import UTC, datetime

from rakuten.monitoring.notice import decision_notice
from rakuten.store.monitoring import DecisionRecord, MonitorRun

NOW = datetime(2026, 11, 26, 5, 17, tzinfo=UTC)


def notice(action: str, *sentences: str, error: str | None = None) -> str:
    run = MonitorRun(
        run_id="run-1",
        started_at=NOW,
        finished_at=NOW,
        model_name="classifier",
        model_version=3,
        outcome="check_failed" if error else "critical",
        rows=0,
        window_start=None,
        window_end=None,
        findings={},
        report=None,
        error=error,
    )
    reasons = [{"code": "c", "sentence": one, "data": {}} for one in sentences]
    decision = DecisionRecord("d", NOW, "classifier", 3, action, reasons, ["run-1"])
    return decision_notice(run, decision, None)


def test_the_first_line_is_the_decision_for_programs() -> None:
    lines = notice("retrain", "Traffic drifted.").splitlines()
    assert lines[0] == "<!-- decision: retrain -->"
    assert lines[1] == "**retrain** for classifier, version 3, at 2026-11-26 05:17 UTC"
    assert "- Traffic drifted." in lines
    assert lines[-1] == "Check `run-1`, outcome `critical`."


def test_what_an_error_holds_is_no_markup_and_no_address_is_shown() -> None:
    text = notice("alert", "It failed:\n# `x` <b> @all [a](b)", error="postgres://user:secret@host")
    assert "- It failed: \\# \\`x\\` \\<b\\> \\@all \\[a\\](b)" in text
    assert "secret" not in text
    assert "The check failed" in text
