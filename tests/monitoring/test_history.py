"""From runs of the store to decisions that are kept there."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rakuten.errors import DatabaseAwayError
from rakuten.monitoring.evidence import LabelEvidence, Outcome, Reason
from rakuten.monitoring.history import checked_window, decide_and_record, decision_findings
from rakuten.params import RetrainingParams
from rakuten.store.database import Database
from rakuten.store.monitoring import DecisionRecord, MonitorRun, put_run, read_decisions
from rakuten.store.records import new_prediction_id

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DROP = LabelEvidence(labels=300, unknown_share=0.0, f1_upper=0.7, expected_f1=0.9)
NO_LABELS = LabelEvidence(labels=0, unknown_share=1.0, f1_upper=None, expected_f1=0.9)
MODEL = "rakuten-classifier"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A store in a file."""
    made = Database(f"sqlite:///{tmp_path / 'store.db'}")
    made.migrate()
    yield made
    made.close()


def run_at(hour: int, outcome: Outcome = Outcome.CRITICAL) -> MonitorRun:
    """A run on a window of its own."""
    start = NOON + hour * HOUR
    return MonitorRun(
        run_id=new_prediction_id(),
        started_at=start,
        finished_at=start + HOUR / 60,
        window_start=start - HOUR / 2,
        window_end=start - HOUR / 60,
        rows=500,
        model_name=MODEL,
        model_version=3,
        outcome=outcome.value,
    )


def decide_at(database: Database, hour: float) -> DecisionRecord:
    """Decide some hours after noon."""
    return decide_and_record(database, MODEL, 3, now=NOON + hour * HOUR, params=RetrainingParams())


def test_runs_lead_to_a_retraining_once_and_all_of_it_is_kept(database: Database) -> None:
    runs = [run_at(hour) for hour in range(4)]
    put_run(database, runs[0])
    put_run(database, replace(run_at(0), model_name="another"))
    first = decide_at(database, 0.5)
    put_run(database, runs[1])
    second = decide_at(database, 1.5)
    put_run(database, runs[2])
    put_run(database, runs[3])
    third = decide_at(database, 3.5)
    assert [one.action for one in (first, second, third)] == ["alert", "retrain", "alert"]
    assert second.evidence == [runs[1].run_id, runs[0].run_id]
    assert [reason["code"] for reason in third.reasons][-1] == "cool_down"
    assert read_decisions(database, 9, model_name=MODEL) == [third, second, first]


def test_label_evidence_comes_back_from_the_findings(database: Database) -> None:
    for hour in range(2):
        well = run_at(hour, Outcome.NONE)
        put_run(database, replace(well, findings={"drift": {}, **decision_findings(DROP)}))
    found = decide_at(database, 1.5)
    assert found.action == "retrain"
    assert "performance_drop" in [reason["code"] for reason in found.reasons]


def test_faults_of_the_log_come_back_from_the_findings(database: Database) -> None:
    fault = Reason("corrupt_rows", "Half of the rows are damaged.", {"value": 0.5})
    kept = decision_findings(NO_LABELS, [fault])
    put_run(database, replace(run_at(0, Outcome.NOT_ENOUGH_DATA), findings=kept))
    found = decide_at(database, 0.5)
    assert found.action == "alert"
    assert found.reasons[-1] == {
        "code": "corrupt_rows",
        "sentence": "Half of the rows are damaged.",
        "data": {"value": 0.5},
    }


def test_version_that_nobody_knows_alerts_and_has_no_streak(database: Database) -> None:
    put_run(database, run_at(0))
    put_run(database, run_at(1))
    put_run(database, replace(run_at(2, Outcome.CHECK_FAILED), model_version=None))
    found = decide_and_record(database, MODEL, None, now=NOON + 3 * HOUR, params=RetrainingParams())
    assert (found.action, found.model_version) == ("alert", None)


@pytest.mark.parametrize(
    "changes",
    [
        {"outcome": "a word of a later version"},
        {"findings": {"label_evidence": {"labels": 3, "unheard": 1}}},
        {"findings": {"faults": [{"word": "damaged"}]}},
        {"findings": []},
        {"finished_at": None},
    ],
)
def test_run_that_cannot_be_read_or_never_ended_is_a_failed_check(
    database: Database, changes: dict[str, object]
) -> None:
    run = replace(run_at(1), **changes)  # type: ignore[arg-type]
    assert checked_window(run).outcome == Outcome.CHECK_FAILED
    put_run(database, run_at(-1))
    put_run(database, run_at(0))
    put_run(database, run)
    assert decide_at(database, 1.5).action == "alert"


def test_store_that_does_not_answer_decides_nothing(tmp_path: Path) -> None:
    (tmp_path / "store.db").mkdir()
    with pytest.raises(DatabaseAwayError):
        decide_at(Database(f"sqlite:///{tmp_path / 'store.db'}"), 0)
