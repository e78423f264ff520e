"""Runs of flows: begun, ended, read back; and the step to their table."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from alembic import command

from rakuten.errors import RecordRefusedError
from rakuten.store.database import Database, alembic_config
from rakuten.store.flow_runs import PIPELINE, FlowRun, put_flow_run, read_flow_runs
from rakuten.store.monitoring import put_run, read_runs
from rakuten.store.records import new_prediction_id
from tests.store.test_monitoring import make_run

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def make_flow_run(hours: float = 0, name: str = "rakuten-classifier") -> FlowRun:
    """A run that ended with a promotion."""
    return FlowRun(
        run_id=new_prediction_id(),
        flow=PIPELINE,
        name="pipeline-20260301-120000",
        model_name=name,
        started_at=NOW + timedelta(hours=hours),
        finished_at=NOW + timedelta(hours=hours, minutes=7),
        state="promoted",
        version=3,
        mlflow_run_id="0123456789abcdef",
        stages=[{"stage": "train", "outcome": "ran", "seconds": 12.5}],
        scores={"weighted_f1": 0.875},
    )


def test_runs_come_back_newest_first_as_they_were(database: Database) -> None:
    runs = [make_flow_run(0), make_flow_run(1), make_flow_run(1), make_flow_run(2, name="another")]
    for run in (runs[2], runs[0], runs[3], runs[1]):
        put_flow_run(database, run)
    assert read_flow_runs(database, 10) == runs[::-1]
    assert read_flow_runs(database, 2, model_name="rakuten-classifier") == [runs[2], runs[1]]


def test_run_that_began_goes_on_and_ends_under_its_id(database: Database) -> None:
    begun = FlowRun(new_prediction_id(), PIPELINE, "pipeline", "rakuten-classifier", NOW)
    put_flow_run(database, begun)
    assert read_flow_runs(database, 10) == [begun]
    done = replace(make_flow_run(), run_id=begun.run_id, error="the \x00 disk is full")
    put_flow_run(database, done)
    assert read_flow_runs(database, 10) == [done]


def test_score_that_json_cannot_say_is_refused(database: Database) -> None:
    with pytest.raises(RecordRefusedError):
        put_flow_run(database, replace(make_flow_run(), scores={"weighted_f1": float("nan")}))
    assert read_flow_runs(database, 10) == []


def test_store_of_the_second_step_keeps_its_rows_and_gets_the_table(url: str) -> None:
    database = Database(url)
    run = make_run()
    with database.write() as connection:
        command.upgrade(alembic_config(connection), "r0002")
        assert not sa.inspect(connection).has_table("flow_runs")
    put_run(database, run)
    database.migrate()
    put_flow_run(database, make_flow_run())
    assert read_runs(database, 9) == [run]
    with database.write() as connection:
        command.downgrade(alembic_config(connection), "r0002")
        assert not sa.inspect(connection).has_table("flow_runs")
    assert read_runs(database, 9) == [run]
    database.close()
