"""Runs and decisions of monitoring: written, finished, read back; and the step to their tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic import command

from rakuten.errors import RecordRefusedError
from rakuten.store.database import Database, alembic_config
from rakuten.store.feedback import put_feedback, read_feedback
from rakuten.store.monitoring import (
    DecisionRecord,
    MonitorRun,
    finish_decision,
    open_retraining,
    put_decision,
    put_run,
    read_decisions,
    read_runs,
)
from rakuten.store.predictions import insert_predictions, read_prediction
from rakuten.store.records import new_prediction_id
from tests.store.material import make_feedback, make_record

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
REASON = {"code": "streak", "sentence": "2 of 3 windows are critical: été", "data": {"found": 2}}


def make_run(hours: float = 0, name: str = "rakuten-classifier") -> MonitorRun:
    """A run that found something."""
    return MonitorRun(
        run_id=new_prediction_id(),
        started_at=NOW + timedelta(hours=hours),
        finished_at=NOW + timedelta(hours=hours, seconds=7),
        window_start=NOW - timedelta(hours=9),
        window_end=NOW - timedelta(hours=1),
        rows=500,
        model_name=name,
        model_version=3,
        outcome="critical",
        findings={"language": {"share": 0.25, "label": "été", "none": None}},
        report="reports/monitoring/x.html",
    )


def make_decision(hours: float = 0, action: str = "retrain") -> DecisionRecord:
    """A decision on two runs."""
    return DecisionRecord(
        decision_id=new_prediction_id(),
        created_at=NOW + timedelta(hours=hours),
        model_name="rakuten-classifier",
        model_version=3,
        action=action,
        reasons=[REASON],
        evidence=[new_prediction_id(), new_prediction_id()],
    )


def test_runs_come_back_newest_first_as_they_were(database: Database) -> None:
    runs = [make_run(0), make_run(1), make_run(1), make_run(2, name="another")]
    for run in (runs[2], runs[0], runs[3], runs[1]):
        put_run(database, run)
    assert read_runs(database, 10) == runs[::-1]
    assert read_runs(database, 2, model_name="rakuten-classifier") == [runs[2], runs[1]]


def test_run_that_began_is_finished_under_its_id(database: Database) -> None:
    begun = MonitorRun(new_prediction_id(), NOW, "rakuten-classifier", None, "check_failed")
    put_run(database, begun)
    assert read_runs(database, 10) == [begun]
    done = replace(make_run(), run_id=begun.run_id, error="the \x00 reference is torn")
    put_run(database, done)
    assert read_runs(database, 10) == [done]


def test_finding_that_json_cannot_say_is_refused(database: Database) -> None:
    with pytest.raises(RecordRefusedError):
        put_run(database, replace(make_run(), findings={"share": float("nan")}))
    assert read_runs(database, 10) == []


def test_decisions_come_back_newest_first_and_by_their_kind(database: Database) -> None:
    made = [make_decision(0), make_decision(1, "watch"), make_decision(2, "nothing")]
    other = replace(make_decision(3), model_name="another", model_version=None)
    for decision in (*made, other):
        put_decision(database, decision)
    assert read_decisions(database, 10) == [other, *made[::-1]]
    assert read_decisions(database, 10, model_name="rakuten-classifier", action="retrain") == [
        made[0]
    ]
    assert read_decisions(database, 1, action="retrain") == [other]


def test_decision_is_never_rewritten(database: Database) -> None:
    decision = make_decision()
    put_decision(database, decision)
    put_decision(database, replace(decision, action="nothing"))
    assert read_decisions(database, 10) == [decision]


def test_what_came_of_a_decision_is_kept_and_its_first_result_stays(database: Database) -> None:
    decision, other = make_decision(0), make_decision(1, "alert")
    put_decision(database, decision)
    put_decision(database, other)
    done, later = NOW + timedelta(hours=2), NOW + timedelta(hours=3)
    result = {"state": "promoted", "version": 4, "note": "été", "none": None}
    finish_decision(database, decision.decision_id, result=result, now=done)
    finish_decision(database, decision.decision_id, result={"state": "failed"}, now=later)
    finished = replace(decision, finished_at=done, result=result)
    assert read_decisions(database, 10) == [other, finished]
    put_decision(database, decision)
    assert read_decisions(database, 10, action="retrain") == [finished]


def test_decision_without_a_result_is_null_in_the_database(database: Database) -> None:
    put_decision(database, make_decision())
    with database.read() as connection:
        counted = sa.text("SELECT count(*) FROM decisions WHERE result IS NULL")
        assert connection.execute(counted).scalar() == 1


def test_result_of_an_unknown_decision_or_beyond_json_is_refused(database: Database) -> None:
    decision = make_decision()
    with pytest.raises(RecordRefusedError):
        finish_decision(database, decision.decision_id, result={}, now=NOW)
    put_decision(database, decision)
    with pytest.raises(RecordRefusedError):
        finish_decision(database, decision.decision_id, result={"f1": float("nan")}, now=NOW)
    assert read_decisions(database, 10) == [decision]


def test_open_retraining_is_the_newest_one_until_it_has_a_result(database: Database) -> None:
    name = "rakuten-classifier"
    assert open_retraining(database, name) is None
    older, newer = make_decision(0), make_decision(24)
    put_decision(database, older)
    put_decision(database, make_decision(1, "alert"))
    put_decision(database, replace(make_decision(2), model_name="another"))
    assert open_retraining(database, name) == older
    put_decision(database, newer)
    assert open_retraining(database, name) == newer
    finish_decision(database, newer.decision_id, result={}, now=NOW)
    assert open_retraining(database, name) is None  # the older one is overtaken


def test_store_of_the_first_step_keeps_its_rows_and_gets_the_tables(url: str) -> None:
    database = Database(url)
    record = make_record()
    said = make_feedback(record.prediction_id)
    with database.write() as connection:
        command.upgrade(alembic_config(connection), "r0001")
        insert_predictions(connection, [record])
        put_feedback(connection, [said])
        assert not sa.inspect(connection).has_table("decisions")
    database.migrate()
    assert read_prediction(database, record.prediction_id) == record
    assert read_feedback(database, record.prediction_id) == [said]
    put_run(database, make_run())
    put_decision(database, make_decision())
    with database.write() as connection:
        command.downgrade(alembic_config(connection), "r0001")
        assert not sa.inspect(connection).has_table("monitor_runs")
    assert read_prediction(database, record.prediction_id) == record
    database.close()
